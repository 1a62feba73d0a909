//! The `backstop` command, as a person runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process::binary;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs it in the repository's root: exit code, standard output, standard error.
fn backstop(arguments: &[&str]) -> (i32, String, String) {
    let done =
        Command::new(binary("backstop")).args(arguments).current_dir(root()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn controls_lists_every_id_with_what_is_built() {
    let (code, out, _) = backstop(&["controls", "--format", "json"]);
    assert_eq!(code, 0);
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    let row = |id: &str| rows.iter().find(|r| r["id"] == id).unwrap();
    assert_eq!(row("R2.1a")["class"], "auto");
    assert_eq!(row("R2.1a")["built"], true);
    assert_eq!(row("R2.1a")["responder"], "ssh-access");
    assert!(row("S2.1")["scenarios"].as_array().unwrap().len() >= 4, "{}", row("S2.1"));
    assert_eq!(row("S8.3")["built"], false);
    for built in rows.iter().filter(|r| r["built"] == true) {
        let scenarios = built["scenarios"].as_array().unwrap();
        assert!(!scenarios.is_empty(), "{} is built without a scenario", built["id"]);
    }
    let (code, text, _) = backstop(&["controls", "--control", "aws-work-02"]);
    assert_eq!(code, 0);
    assert!(text.contains("HIGH") && text.contains("PREVENTIVE"), "{text}");
    assert!(text.contains("not in the source"), "what the source has lost: {text}");
    let (code, _, err) = backstop(&["controls", "--control", "aws-work-99"]);
    assert_eq!(code, 2);
    assert!(err.contains("error: there is no control `aws-work-99`\nhint: "), "{err}");
}

#[test]
fn explain_says_what_and_why() {
    let fixture = "functions/ssh-access/fixtures/authorize-tcp22-world.json";
    let policy = ["--config", "tests/aws/backstop.toml"];
    let (code, out, _) = backstop(&[&["explain", fixture], &policy[..]].concat());
    assert_eq!(code, 1, "a finding: {out}");
    assert!(
        out.contains("candidate X2.1 arn:aws:ec2:us-east-1:111111111111:security-group/"),
        "{out}"
    );
    let replay = "functions/ssh-access/fixtures/replay.json";
    let (code, out, _) = backstop(&[&["explain", replay], &policy[..]].concat());
    assert_eq!(code, 0);
    assert!(out.contains("it is a replay") && out.contains("would be  ignored"), "{out}");

    // A raw record has no envelope: it is derived, and what needs it is not checked.
    let event: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join(fixture)).unwrap()).unwrap();
    let folder = std::env::temp_dir().join(format!("backstop-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let raw = folder.join("raw.json");
    std::fs::write(&raw, event["detail"].to_string()).unwrap();
    let (code, out, _) = backstop(&[&["explain", raw.to_str().unwrap()], &policy[..]].concat());
    assert_eq!(code, 1);
    assert!(out.contains("derived from a raw record") && out.contains("not checked"), "{out}");

    let broken = folder.join("broken.json");
    std::fs::write(&broken, "{").unwrap();
    let (code, _, err) = backstop(&[&["explain", broken.to_str().unwrap()], &policy[..]].concat());
    assert_eq!(code, 2);
    assert!(err.starts_with("error: "), "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn config_check_explains_every_mistake_at_once() {
    for file in ["config/backstop.toml", "tests/aws/backstop.toml"] {
        let (code, out, err) = backstop(&["config", "check", file]);
        assert_eq!(code, 0, "{file}: {err}");
        assert!(out.contains("valid, hash "), "{out}");
    }
    let folder = std::env::temp_dir().join(format!("backstop-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("backstop.toml");
    std::fs::write(
        &file,
        "mod = \"observe\"\n[ssh-access]\ncorporate_cidrs = [\"10.0.0.0/40\"]\n[[exemption]]\n\
         id = \"old\"\nresponder = \"ssh-access\"\n\
         resource = \"arn:aws:ec2:eu-west-1:111111111111:security-group/sg-0123456789abcdef0\"\n\
         owner = \"net\"\nreason = \"r\"\nticket = \"NET-1\"\nexpires = \"2020-01-01\"\n",
    )
    .unwrap();
    let (code, _, err) = backstop(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(code, 2);
    println!("{err}");
    for said in ["mod", "ssh-access.corporate_cidrs[0]", "exemption[0].expires", "hint: "] {
        assert!(err.contains(said), "`{said}` is not in: {err}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    let (code, out, _) = backstop(&["config", "schema"]);
    assert_eq!(code, 0);
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert!(schema["properties"]["guards"].is_object());
}

#[test]
fn manifest_holds_rules_and_permissions_without_wildcards() {
    let (code, out, _) = backstop(&["manifest", "ssh-access"]);
    assert_eq!(code, 0);
    let manifests: Vec<Value> = serde_json::from_str(&out).unwrap();
    let rules = manifests[0]["rules"].as_array().unwrap();
    for rule in rules {
        assert_eq!(rule["pattern"]["source"], serde_json::json!(["aws.ec2"]), "pinned");
        assert_eq!(
            rule["pattern"]["detail"]["errorCode"],
            serde_json::json!([{ "exists": false }])
        );
        assert!(rule["pattern"].to_string().len() <= 4096, "EventBridge's maximum");
    }
    let mut actions = Vec::new();
    collect_actions(&manifests[0], &mut actions);
    assert!(actions.len() > 10);
    for action in actions {
        let (service, operation) = action.split_once(':').unwrap_or_else(|| panic!("{action}"));
        assert!(!action.contains('*'), "{action}");
        assert!(service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{action}");
        assert!(operation.starts_with(|c: char| c.is_ascii_uppercase()), "{action}");
    }
    assert_eq!(backstop(&["manifest", "nobody"]).0, 2);
}

/// Every IAM action in a manifest: the `actions` of its statements.
fn collect_actions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if members.contains_key("why") {
                let actions = members["actions"].as_array().unwrap();
                found.extend(actions.iter().map(|a| a.as_str().unwrap().to_owned()));
            }
            members.values().for_each(|v| collect_actions(v, found));
        }
        Value::Array(elements) => elements.iter().for_each(|v| collect_actions(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn usage_is_an_error_and_help_is_not() {
    assert_eq!(backstop(&["--help"]).0, 0);
    assert_eq!(backstop(&["controls", "--help"]).0, 0);
    assert_eq!(backstop(&[]).0, 2);
    assert_eq!(backstop(&["nonsense"]).0, 2);
}
