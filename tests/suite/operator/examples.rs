//! Every verb's `--help` has an example, and each example is run as it is printed, but for the ids.

use std::path::Path;

use super::Person;
use backstop_core::words::Lane;
use backstop_testkit::hosts::Launch;
use backstop_testkit::scene::Allow;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Every command that does something, with the words that lead to it: what has no verbs below it.
fn verbs(person: &Person, words: &str) -> Vec<String> {
    let help = person.types(&format!("backstop {words} --help"));
    assert_eq!(help.code, 0, "{words}: {help:?}");
    let below: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| !["Commands:", "Runbooks:"].contains(line))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    if below.is_empty() {
        return vec![words.trim().to_owned()];
    }
    below.iter().flat_map(|name| verbs(person, &format!("{words} {name}"))).collect()
}

#[tokio::test]
async fn every_example_does_what_its_help_says() {
    let person = Person::on_call().await;
    let (_, held) = person.held("held").await;
    let (_, applied) = person.held("applied").await;
    assert_eq!(person.types(&format!("backstop approve {applied} --yes")).code, 0);
    let open = person.scene.group("open").await.unwrap();
    let rule = person.scene.allow(&open, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = person.scene.recorded().authorized(&open, &[rule]);
    std::fs::write(person.folder.join("event.json"), event.to_string()).unwrap();
    let sqs = person.scene.local.service(person.scene.id(), "eu-west-1", "sqs");
    let queue = json!({ "QueueName": "backstop-ssh-access-unattended-dlq" });
    let url = sqs.json("AmazonSQS.GetQueueUrl", &queue).unwrap();
    let message = json!({ "QueueUrl": url["QueueUrl"], "MessageBody": event.to_string() });
    sqs.json("AmazonSQS.SendMessage", &message).unwrap();

    crate::revoke_sessions::role(&person.scene, "web-server").await.unwrap();
    let instance = person.scene.host(Launch::OPEN).await.unwrap();

    let expected = [
        ("controls", 0),
        ("explain", 1),
        ("run ssh-access.revoke-ingress", 1),
        ("run imdsv2.require-tokens", 1),
        ("run revoke-sessions.revoke", 1),
        ("incidents", 0),
        ("show", 0),
        ("approve", 0),
        ("undo", 0),
        ("dlq list", 1),
        ("dlq show", 1),
        ("dlq redrive", 1),
        ("manifest", 0),
        ("config check", 0),
        ("config schema", 0),
    ];
    let found = verbs(&person, "");
    assert_eq!(found, expected.map(|(verb, _)| verb));
    for (verb, code) in expected {
        let shown = person.types(&format!("backstop {verb} --help")).out;
        let example = shown.split("Example: `").nth(1).and_then(|rest| rest.split('`').next());
        let example = example.unwrap_or_else(|| panic!("{verb} has no example: {shown}"));
        // A terminal's width may have broken the line.
        let example = example.split_whitespace().collect::<Vec<_>>().join(" ");
        let incident = if verb == "undo" { &applied } else { &held };
        let line = example
            .replace("sg-0123456789abcdef0", &open)
            .replace("i-0123456789abcdef0", &instance)
            .replace("ssh-access-20261123-aaaaaaaaaaaa", incident);
        let done = person.types(&line);
        println!("{} $ {example}", done.code);
        assert!(line.starts_with(&format!("backstop {verb}")), "{line}");
        assert_eq!(done.code, code, "{line}: {done:?}");
    }
}

/// The lines of the README that are payloads.
fn payloads() -> Vec<Value> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let lines =
        text.lines().filter(|l| l.starts_with("{\"backstop\"") || l.starts_with("{\"awslogs\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_payload_of_the_readme_is_answered_by_the_function_that_takes_it() {
    let person = Person::on_call().await;
    let (group, incident) = person.held("web").await;
    let hash =
        person.reads(&format!("backstop show {incident}"))["incidents"][0]["plan_hash"].clone();
    // The account first: the example's is part of the ARN too.
    let known = [
        ("111111111111", person.scene.id()),
        ("sg-0123456789abcdef0", &group),
        ("ssh-access-20261123-aaaaaaaaaaaa", &incident),
        ("<from the answer>", hash.as_str().unwrap()),
        ("2026-11-23", &Timestamp::now().strftime("%Y-%m-%d").to_string()),
    ];
    let mut answered = Vec::new();
    for payload in payloads() {
        let kind = payload["backstop"].as_object().and_then(|order| order.keys().next());
        let kind = kind.map_or("awslogs", String::as_str).to_owned();
        let mut text = payload.to_string();
        for (example, real) in known {
            text = text.replace(example, real);
        }
        let payload: Value = serde_json::from_str(&text).unwrap();
        let lanes = match kind.as_str() {
            "awslogs" | "request" => vec![Lane::Unattended],
            "sweep" => vec![Lane::Unattended, Lane::Attended],
            _ => vec![Lane::Attended],
        };
        for lane in lanes {
            let answer = person.function.invoke(lane, &payload).unwrap();
            let said = match &answer {
                Ok(reply) => reply["incidents"][0]["outcome"]
                    .as_str()
                    .or(reply["ignored"].as_str())
                    .unwrap_or("nothing"),
                Err(error) => error["errorMessage"].as_str().unwrap(),
            };
            answered.push(format!("{kind} {lane}: {said}"));
        }
    }
    let expected = [
        "sweep unattended: nothing",
        "sweep attended: nothing",
        "run attended: observed",
        "approve attended: contained",
        "undo attended: undone",
        "show attended: undone",
        "incidents attended: ",
        "request unattended: `ssh-access` takes no requests",
        "awslogs unattended: `ssh-access` evaluates no log lines",
    ];
    assert_eq!(answered.len(), expected.len(), "{answered:#?}");
    for (answered, expected) in answered.iter().zip(expected) {
        assert!(answered.starts_with(expected), "{answered:?} is not {expected:?}");
    }
}
