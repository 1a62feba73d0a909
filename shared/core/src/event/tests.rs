//! What is read, what is refused, and in which words.

use super::*;
use crate::error::Class;

/// The message and the hint of a refusal.
fn refusal<T: std::fmt::Debug>(read: Result<T>) -> (String, String) {
    let error = read.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    (error.to_string(), error.hint_text().expect("every refusal has a hint").to_owned())
}

fn refused(text: &str) -> (String, String) {
    refusal(parse(text))
}

/// An event around `detail`.
fn event(detail: &str) -> String {
    format!(
        r#"{{"id":"e-1","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2",
            "account":"111111111111","region":"eu-west-1","time":"2026-03-02T09:15:42Z",
            "resources":[],"detail":{detail}}}"#
    )
}

/// An event around a record with `members`.
fn call(members: &str) -> String {
    event(&format!(r#"{{"eventSource":"ec2.amazonaws.com","eventName":"RunInstances"{members}}}"#))
}

fn read(text: &str) -> Envelope {
    match parse(text).unwrap() {
        Payload::Event(event) => *event,
        other @ (Payload::Logs(_) | Payload::Operator(_)) => panic!("{other:?}"),
    }
}

#[test]
fn bad_input_is_refused_with_its_place() {
    for (text, says) in [
        (String::new(), "not JSON"),
        ("hello".to_owned(), "not JSON"),
        (r#"{"detail-type":"#.to_owned(), "not JSON"),
        (r#"{"backstop":{"sweep":{}}} trailing"#.to_owned(), "not JSON"),
        ("[]".to_owned(), "the payload is a list"),
        ("null".to_owned(), "the payload is null"),
        ("{}".to_owned(), "the payload is an empty object"),
        (r#"{"foo":1,"bar":2}"#.to_owned(), "an object with `bar`, `foo`"),
        (r#"{"eventSource":"s","eventName":"n"}"#.to_owned(), "known are"),
        (event("null"), "`detail`: expected an object, found null"),
        (event("[]"), "`detail`: expected an object, found a list"),
        (event(r#""text""#), "`detail`: expected an object, found a string"),
        (event("{}"), "`detail`: missing field `eventSource`"),
        (event(r#"{"eventSource":"s"}"#), "`detail`: missing field `eventName`"),
        (
            event(r#"{"eventSource":"s","eventName":5}"#),
            "`detail.eventName`: expected a string, found a number",
        ),
        (
            event(r#"{"eventSource":null,"eventName":"n"}"#),
            "`detail.eventSource`: expected a string, found null",
        ),
        (call(r#","errorCode":1"#), "`detail.errorCode`: expected a string"),
        (call(r#","awsRegion":[]"#), "`detail.awsRegion`: expected a string"),
        (
            call(r#","recipientAccountId":111111111111"#),
            "`detail.recipientAccountId`: expected a string",
        ),
        (call(r#","eventID":{}"#), "`detail.eventID`: expected a string"),
        (call(r#","sharedEventID":true"#), "`detail.sharedEventID`: expected a string"),
        (
            call(r#","userIdentity":[]"#),
            "`detail.userIdentity`: invalid type: sequence, expected an object",
        ),
        (
            call(r#","userIdentity":{"sessionContext":{"sessionIssuer":{"arn":1}}}"#),
            "`detail.userIdentity.sessionContext.sessionIssuer.arn`",
        ),
        (
            r#"{"detail-type":"x","source":"aws.ec2","account":1,"detail":{}}"#.to_owned(),
            "`account`: expected a string",
        ),
        (
            r#"{"detail-type":["x"],"source":"aws.ec2","detail":{}}"#.to_owned(),
            "`detail-type`: expected a string",
        ),
        (r#"{"detail-type":"x","source":"aws.ec2"}"#.to_owned(), "missing field `detail`"),
        (r#"{"source":"aws.ec2","detail":{}}"#.to_owned(), "missing field `detail-type`"),
        (r#"{"detail-type":"x","backstop":{"sweep":{}}}"#.to_owned(), "`backstop` stands alone"),
        (r#"{"awslogs":{"data":"#.to_owned(), "not JSON"),
    ] {
        let (message, _) = refused(&text);
        assert!(message.contains(says), "{text}\ngave   {message}\nwanted {says}");
    }
}

#[test]
fn an_unknown_payload_is_told_what_is_known() {
    let (message, _) = refused(r#"{"foo":1}"#);
    for known in ["`detail-type`", "`awslogs`", "`{\"backstop\": "] {
        assert!(message.contains(known), "{message}");
    }
    let (_, hint) = refused(r#"{"eventName":"RunInstances"}"#);
    assert!(hint.contains("`backstop explain`"), "{hint}");
    let (_, hint) = refusal(parse_any(r#"{"foo":1}"#));
    assert!(hint.contains("`Records`"), "{hint}");
}

#[test]
fn text_of_others_is_shown_short_and_harmless() {
    let long = "x".repeat(100_000);
    for text in [
        format!(r#"{{"a\nb":1,"{long}":2}}"#),
        call(&format!(r#","userIdentity":"{long}""#)),
        event(&format!("\"{long}\"")),
        format!(r#"{{"backstop":{{"{long}":{{}}}}}}"#),
        format!(r#"{{"backstop":{{"show":{{"{long}":1}}}}}}"#),
        format!(r#"{{"awslogs":{{"data":5,"{long}":1}}}}"#),
    ] {
        let (message, hint) = refused(&text);
        assert!(message.len() < 600 && hint.len() < 300, "{} {message}", message.len());
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn five_thousand_levels_are_refused_without_following_them() {
    let objects = format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    let lists = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    for deep in [objects, lists] {
        for text in [
            deep.clone(),
            call(&format!(r#","requestParameters":{deep}"#)),
            call(&format!(r#","unheardOf":{deep}"#)),
            format!(r#"{{"backstop":{{"run":{deep}}}}}"#),
            format!(r#"{{"awslogs":{deep}}}"#),
        ] {
            let (message, hint) = refused(&text);
            assert!(message.contains("nested too deep") && hint.contains("levels"), "{message}");
        }
        assert!(refusal(parse_any(&deep)).0.contains("nested too deep"));
    }
    let bearable = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    read(&call(&format!(r#","requestParameters":{bearable}"#)));
}

#[test]
fn a_record_of_a_megabyte_is_read() {
    let item = r#"{"instanceId":"i-0aaa1111bbb222201","imageId":"ami-0aaa1111bbb222201"}"#;
    let items = vec![item; 15_000].join(",");
    let text = call(&format!(r#","responseElements":{{"instancesSet":{{"items":[{items}]}}}}"#));
    assert!(text.len() > 1_000_000);
    assert_eq!(read(&text).record().unwrap().response.list("instancesSet").len(), 15_000);
}

#[test]
fn a_delivery_is_known_by_the_best_id_it_has() {
    for (ids, key) in [
        ("", "e-1"),
        (r#","eventID":null"#, "e-1"),
        (r#","eventID":"""#, "e-1"),
        (r#","eventID":"r-1""#, "r-1"),
        (r#","eventID":"r-1","sharedEventID":"s-1""#, "s-1"),
    ] {
        assert_eq!(read(&call(ids)).key(), Some(key), "{ids}");
    }
    let bare = parse_any(r#"{"eventSource":"s","eventName":"n"}"#).unwrap();
    assert_eq!(bare[0].envelope.key(), None);
}

#[test]
fn what_the_envelope_lacks_is_unknown() {
    let least =
        read(r#"{"detail-type":"x","source":"aws.x","detail":{},"time":"soon","resources":5}"#);
    assert_eq!((least.id.as_deref(), least.time, least.replay_name.as_deref()), (None, None, None));
    assert_eq!((least.account.as_str(), least.region.as_str()), ("", ""));
    assert!(least.resources.is_empty());
    // A replay whose name cannot be read is still a replay.
    let odd = read(r#"{"detail-type":"x","source":"aws.x","detail":{},"replay-name":null}"#);
    assert_eq!(odd.replay_name.as_deref(), Some(""));
}

#[test]
fn only_what_cloudtrail_emits_is_a_record() {
    for (detail_type, api) in [
        ("AWS API Call via CloudTrail", true),
        ("AWS Service Event via CloudTrail", true),
        ("AWS Console Sign In via CloudTrail", true),
        ("AWS Insight via CloudTrail", false),
        ("Scheduled Event", false),
        ("EC2 Instance State-change Notification", false),
    ] {
        let text = call("").replace("AWS API Call via CloudTrail", detail_type);
        assert_eq!(read(&text).record().is_some(), api, "{detail_type}");
    }
}

#[test]
fn a_raw_record_gets_an_envelope_that_proves_nothing() {
    for (kind, detail_type) in [
        ("AwsApiCall", "AWS API Call via CloudTrail"),
        ("AwsServiceEvent", "AWS Service Event via CloudTrail"),
        ("AwsConsoleSignIn", "AWS Console Sign In via CloudTrail"),
        ("AwsConsoleAction", "AWS Console Action via CloudTrail"),
    ] {
        let text = format!(
            r#"{{"eventSource":"ec2-instance-connect.amazonaws.com","eventName":"n",
                "eventType":"{kind}","awsRegion":"eu-west-1","recipientAccountId":"111111111111"}}"#
        );
        let one = parse_any(&text).unwrap().remove(0);
        assert!(one.derived);
        assert_eq!(one.envelope.detail_type, detail_type);
        assert_eq!(one.envelope.source, "aws.ec2-instance-connect");
        assert_eq!(one.envelope.account, "111111111111");
        assert_eq!(one.envelope.region, "eu-west-1");
    }
}

#[test]
fn explain_takes_events_records_lists_and_files() {
    let (record, event) = (r#"{"eventSource":"s","eventName":"n"}"#, call(""));
    for (text, derived) in [
        (record.to_owned(), vec![true]),
        (format!("\u{feff}{event}"), vec![false]),
        (format!("[{record},{event}]"), vec![true, false]),
        (format!(r#"{{"Records":[{record},{record}]}}"#), vec![true, true]),
    ] {
        let found: Vec<bool> = parse_any(&text).unwrap().iter().map(|e| e.derived).collect();
        assert_eq!(found, derived, "{text}");
    }
    for (text, says) in [
        (
            format!(r#"{{"Records":[{record},{{"eventSource":"s","eventName":7}}]}}"#),
            "`Records[1].eventName`",
        ),
        (format!("[{record},5]"), "`[1]` is a number"),
        (format!("[{}]", call(r#","eventID":1"#)), "`[0].detail.eventID`"),
        (r#"{"Records":[]}"#.to_owned(), "no record"),
        (r#"{"Records":{}}"#.to_owned(), "`Records` is an object, not a list"),
        ("[]".to_owned(), "no record"),
        ("5".to_owned(), "the input is a number"),
        (r#"{"backstop":{"sweep":{}}}"#.to_owned(), "neither a record nor an event"),
        (r#"{"requestParameters":{}}"#.to_owned(), "neither a record nor an event"),
    ] {
        let (message, _) = refusal(parse_any(&text));
        assert!(message.contains(says), "{text}\ngave   {message}\nwanted {says}");
    }
}
