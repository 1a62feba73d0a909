//! The forms that one thing can have.

use serde_json::{Map, json};

use super::*;

fn p(value: Value) -> Params {
    Params::new(value)
}

#[test]
fn a_list_is_read_in_every_form() {
    for (form, want) in [
        (json!(["a", "b"]), &["a", "b"][..]),
        (json!({"items": ["a", "b"]}), &["a", "b"]),
        (json!({"items": []}), &[]),
        (json!({"items": {}}), &[]),
        (json!({"item": ["a", "b"]}), &["a", "b"]),
        (json!({"item": "a"}), &["a"]),
        (json!({"tag": 1, "content": "a"}), &["a"]),
        (json!([{"tag": 1, "content": "a"}, {"tag": 2, "content": "b"}]), &["a", "b"]),
        (json!([{"tag": 1, "content": true}, {"tag": 2, "content": 22}]), &["true", "22"]),
        (json!("a"), &["a"]),
        (json!(7), &["7"]),
        (json!(""), &[]),
        (json!({}), &[]),
        (json!([]), &[]),
        (json!([null]), &[]),
        (Value::Null, &[]),
    ] {
        assert_eq!(p(json!({ "L": form })).texts("l"), want, "{form}");
    }
    assert!(p(json!({})).texts("l").is_empty());
    assert!(p(Value::Null).list("l").is_empty());
}

#[test]
fn a_list_of_structures_is_read_in_every_form() {
    let one = json!({"GroupId": "sg-1", "tag": 1});
    let two = json!({"GroupId": "sg-2", "tag": 2});
    for (form, want) in [
        (json!([one, two]), &["sg-1", "sg-2"][..]),
        (json!({"items": [one, two]}), &["sg-1", "sg-2"]),
        (one.clone(), &["sg-1"]),
        (json!({"GroupId": "sg-1"}), &["sg-1"]),
        (json!({"item": one}), &["sg-1"]),
        (json!({"items": one}), &["sg-1"]),
        // An element may itself have members that look like a list.
        (json!({"GroupId": "sg-1", "tag": 1, "item": "x"}), &["sg-1"]),
        (json!({"item": {"GroupId": "sg-1", "item": ["x", "y"]}}), &["sg-1"]),
    ] {
        let read = p(json!({ "L": form }));
        let ids: Vec<String> =
            read.list("L").iter().filter_map(|one| one.text("groupId")).collect();
        assert_eq!(ids, want, "{form}");
    }
}

#[test]
fn scalars_are_read_through_their_changed_types() {
    for (value, text, integer, boolean) in [
        (json!("22"), Some("22"), Some(22), None),
        (json!(22), Some("22"), Some(22), None),
        (json!(-1), Some("-1"), Some(-1), None),
        (json!(123_123_123_123.0), Some("123123123123"), Some(123_123_123_123), None),
        (json!(1.5), Some("1.5"), None, None),
        (json!(u64::MAX), Some("18446744073709551615"), None, None),
        (json!(1_772_442_942_000_i64), Some("1772442942000"), Some(1_772_442_942_000), None),
        (json!(true), Some("true"), None, Some(true)),
        (json!("False"), Some("False"), None, Some(false)),
        (json!({"tag": 1, "content": "22"}), Some("22"), Some(22), None),
        (json!({"tag": 1, "content": false}), Some("false"), None, Some(false)),
        (json!({"value": "x"}), None, None, None),
        (json!({"tag": 1, "content": {"a": 1}}), None, None, None),
        (json!(""), None, None, None),
        (json!([22]), None, None, None),
        (Value::Null, None, None, None),
    ] {
        let read = p(json!({ "k": value }));
        assert_eq!(read.text("k").as_deref(), text, "{value}");
        assert_eq!(read.integer("k"), integer, "{value}");
        assert_eq!(read.boolean("k"), boolean, "{value}");
    }
}

#[test]
fn a_wrapper_is_taken_off_and_nothing_else() {
    let inside = json!({"InstanceId": "i-1"});
    for (value, id) in [
        (json!({"ModifyXRequest": inside}), Some("i-1")),
        (json!({"ModifyXResponse": inside}), Some("i-1")),
        (json!({"modifyxrequest": inside}), Some("i-1")),
        (json!({"ModXReq": inside}), Some("i-1")),
        (json!({"ModXResp": inside}), Some("i-1")),
        (inside.clone(), Some("i-1")),
        // A single argument is no wrapper, whatever it is called.
        (json!({"instances": inside}), None),
        (json!({"ModXReq": inside, "other": 1}), None),
        (json!({"ModifyXRequest": ""}), None),
        (json!({}), None),
        (json!([inside]), None),
        (Value::Null, None),
    ] {
        assert_eq!(
            p(value.clone()).unwrapped("ModifyX").text("instanceId").as_deref(),
            id,
            "{value}"
        );
    }
    assert!(!p(json!({"ModifyXRequest": ""})).unwrapped("ModifyX").is_absent());
    assert!(p(Value::Null).unwrapped("ModifyX").is_absent());
}

#[test]
fn a_member_is_found_in_any_case_and_only_where_it_is() {
    let read = p(
        json!({"HttpTokens": "exact", "httptokens": "lower", "HTTPTOKENS": "upper", "a": {"B": {"c": 1}}}),
    );
    assert_eq!(read.text("HttpTokens").as_deref(), Some("exact"));
    assert_eq!(read.text("httpTokens").as_deref(), Some("upper"), "the first by name");
    assert_eq!(read.path("A.b").integer("C"), Some(1));
    assert!(read.get("c").is_absent() && read.path("a.c").is_absent() && read.path("").is_absent());
    assert!(p(json!(["x"])).get("0").is_absent());
    assert!(read.get("B").path("c.d").is_absent());
}

#[test]
fn secrets_are_gone_before_anybody_looks() {
    let mut members = Map::new();
    for name in [
        "sessionToken",
        "SecretAccessKey",
        "keyMaterial",
        "tokenValue",
        "password",
        "MasterUserPassword",
        "privateKey",
        "UserData",
        "token",
    ] {
        members.insert(name.to_owned(), json!("hunter2"));
    }
    members
        .insert("credentials".to_owned(), json!({"list": [{"sessiontoken": {"deep": "hunter2"}}]}));
    members.insert("clientToken".to_owned(), json!("kept"));
    let read: Params = serde_json::from_value(json!({ "a": [members] })).unwrap();
    let shown = format!("{read:?} {:?}", read.view());
    assert!(
        !shown.contains("hunter2") && shown.contains("kept") && shown.contains(REMOVED),
        "{shown}"
    );
    // A secret that was not sent stays missing.
    assert!(p(json!({"token": null})).get("token").is_absent());
}
