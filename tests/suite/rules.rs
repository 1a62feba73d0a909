//! The deployed rules: each recorded event goes to exactly the rules that the manifest's fields
//! name, at home and by way of another Region; heartbeats go to the rule for heartbeats.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use backstop_core::manifest::{Manifest, Rule};
use backstop_core::responder::Responder;
use backstop_testkit::Scene;
use backstop_testkit::deploy::{DROPPED, Deployed};
use backstop_testkit::scene::REGION;
use imdsv2::Imdsv2;
use revoke_sessions::RevokeSessions;
use serde_json::{Value, json};
use ssh_access::SshAccess;

use crate::process::{deploy, deployed};

/// The manifests of all responders.
fn manifests() -> Vec<&'static Manifest> {
    let all = vec![Imdsv2.manifest(), RevokeSessions.manifest(), SshAccess.manifest()];
    let mut names: Vec<String> = std::fs::read_dir(functions())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        all.iter().map(|m| m.responder).collect::<Vec<_>>(),
        "a responder is missing"
    );
    all
}

/// The stacks of every responder but `ssh-access`, in an account that has those of it.
pub(crate) async fn others(scene: &Scene) -> Vec<Deployed> {
    let mut others = Vec::new();
    for other in manifests().iter().filter(|manifest| manifest.responder != "ssh-access") {
        others.push(deploy(scene, other.responder, &[]).await);
    }
    others
}

fn functions() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions"))
}

/// The recorded events of all responders, by the name of their file.
fn fixtures() -> BTreeMap<String, Value> {
    let mut events = BTreeMap::new();
    // One without rules gets no events.
    for manifest in manifests().into_iter().filter(|manifest| !manifest.rules.is_empty()) {
        let folder = functions().join(manifest.responder).join("fixtures");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{}/{}", manifest.responder, path.file_stem().unwrap().display());
            let event = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            events.insert(name, event);
        }
    }
    events
}

/// Whether an event is one for a rule, by the rule's fields and not by the pattern made from them.
fn is_for(rule: &Rule, event: &Value) -> bool {
    let name = event["detail"]["eventName"].as_str().unwrap_or_default();
    let named = rule.event_names.contains(&name)
        || rule.event_name_prefixes.iter().any(|prefix| name.starts_with(prefix));
    let any = rule.event_names.is_empty() && rule.event_name_prefixes.is_empty();
    event["source"] == rule.source
        && event["detail-type"] == rule.detail_type
        && (any || named && event["detail"].get("errorCode").is_none())
}

/// The full names of the rules that an event is for.
fn expected(event: &Value) -> BTreeSet<String> {
    manifests()
        .iter()
        .flat_map(|m| m.rules.iter().map(move |rule| (m.responder, rule)))
        .filter(|(_, rule)| is_for(rule, event))
        .map(|(responder, rule)| format!("backstop-{responder}-{}", rule.name))
        .collect()
}

/// The deployed rules, each with a queue for a target instead of the function.
struct Wired {
    scene: Scene,
    stacks: Deployed,
    /// The other responders, for as long as their rules are looked at.
    _others: Vec<Deployed>,
    rules: Vec<String>,
}

impl Wired {
    async fn new() -> Self {
        let (scene, stacks) = deployed(&[]).await;
        let others = others(&scene).await;
        let events = scene.local.service(scene.id(), REGION, "events");
        let answer =
            events.json("AWSEvents.ListRules", &json!({ "NamePrefix": "backstop-" })).unwrap();
        let rules: Vec<String> = answer["Rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["Name"].as_str().unwrap().to_owned())
            .collect();
        let sqs = scene.local.service(scene.id(), REGION, "sqs");
        for rule in &rules {
            let arn = format!("arn:aws:sqs:{REGION}:{}:{}", scene.id(), queue(rule));
            let policy = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
                "Action": "sqs:SendMessage", "Resource": arn,
            }] });
            let made =
                json!({ "QueueName": queue(rule), "Attributes": { "Policy": policy.to_string() } });
            sqs.json("AmazonSQS.CreateQueue", &made).unwrap();
            let targets = json!({ "Rule": rule, "Targets": [{ "Id": "function", "Arn": arn }] });
            events.json("AWSEvents.PutTargets", &targets).unwrap();
        }
        Self { scene, stacks, _others: others, rules }
    }

    /// What is in the queues now: the events, by rule.
    fn received(&self) -> BTreeMap<&str, Vec<Value>> {
        let mut all = BTreeMap::new();
        for rule in &self.rules {
            let mut events = Vec::new();
            loop {
                let some = self.stacks.receive(&queue(rule)).unwrap();
                if some.is_empty() {
                    break;
                }
                events.extend(some.iter().map(|body| serde_json::from_str(body).unwrap()));
            }
            all.insert(rule.as_str(), events);
        }
        all
    }

    /// Puts an event on the bus of a Region; the rules whose queues have it then, each time.
    fn matched(&self, region: &str, event: &Value) -> Vec<String> {
        self.stacks.put_in(region, std::slice::from_ref(event)).unwrap();
        let mut rules = Vec::new();
        for (rule, events) in self.received() {
            for received in events {
                assert_eq!(received["region"], region, "it keeps where it comes from");
                assert_eq!(received["account"], self.scene.id());
                assert_eq!(received["detail"], event["detail"]);
                rules.push(rule.to_owned());
            }
        }
        rules
    }
}

fn queue(rule: &str) -> String {
    format!("{rule}-seen")
}

#[tokio::test]
async fn each_recorded_event_goes_to_exactly_the_rules_that_name_it() {
    let wired = Wired::new().await;
    let named: BTreeSet<String> = manifests()
        .iter()
        .flat_map(|m| {
            let own = m.rules.iter().map(|rule| rule.name).chain(["heartbeat"]);
            own.map(|rule| format!("backstop-{}-{rule}", m.responder))
        })
        .collect();
    assert_eq!(wired.rules.iter().cloned().collect::<BTreeSet<_>>(), named, "the deployed rules");
    let mut used = BTreeSet::new();
    for (name, event) in fixtures() {
        let expected: Vec<String> = expected(&event).into_iter().collect();
        for region in [REGION, "us-east-1"] {
            assert_eq!(wired.matched(region, &event), expected, "{name} in {region}");
        }
        println!("{name:<45} {}", expected.join(", "));
        for rule in expected {
            if used.insert(rule) {
                near_misses(&wired, &name, &event);
            }
        }
    }
    let idle: Vec<_> = named.difference(&used).filter(|r| !r.ends_with("-heartbeat")).collect();
    assert!(idle.is_empty(), "no recorded event is for {idle:?}");
}

/// What differs from an event of a rule in one thing only is for no rule.
fn near_misses(wired: &Wired, name: &str, event: &Value) {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 4] = [
        ("a failed call", |e| e["detail"]["errorCode"] = json!("UnauthorizedOperation")),
        ("a source of somebody's own", |e| e["source"] = json!("custom.ec2")),
        ("another kind of event", |e| e["detail-type"] = json!("AWS Service Event via CloudTrail")),
        ("a sibling", |e| {
            let sibling = format!("Not{}", e["detail"]["eventName"].as_str().unwrap());
            e["detail"]["eventName"] = json!(sibling);
        }),
    ];
    // What a service emits itself is no call: it has no name and cannot fail.
    let native = event["detail"]["eventName"].is_null();
    for (what, change) in changes {
        if native && (what == "a failed call" || what == "a sibling") {
            continue;
        }
        let mut other = event.clone();
        change(&mut other);
        for region in [REGION, "us-east-1"] {
            let matched = wired.matched(region, &other);
            assert!(matched.is_empty(), "{what}, made from {name}, in {region}: {matched:?}");
        }
    }
}

#[tokio::test]
async fn a_heartbeat_goes_to_the_rules_for_heartbeats() {
    let wired = Wired::new().await;
    wired.stacks.fire("backstop-heartbeat").unwrap();
    for (rule, events) in wired.received() {
        let beats = usize::from(rule.ends_with("-heartbeat"));
        assert_eq!(events.len(), beats, "{rule}: {events:?}");
    }
}

#[tokio::test]
async fn the_local_aws_drops_what_is_listed_and_no_more() {
    let (scene, _) = deployed(&[]).await;
    let dropped = scene.local.dropped(scene.id()).unwrap();
    let listed: Vec<(String, String)> = DROPPED
        .iter()
        .map(|(kind, property, _)| ((*kind).to_owned(), (*property).to_owned()))
        .collect();
    assert_eq!(dropped, listed, "what is dropped, and what the list gives a reason for");
}

/// Scenarios that deploy nothing have the table that a deployment has.
#[tokio::test]
async fn the_table_of_the_scenarios_is_the_deployed_one() {
    let (with_stacks, _) = deployed(&[]).await;
    let with_set_up = Scene::new().await.unwrap();
    let shape = |scene: &Scene| {
        let dynamodb = scene.local.service(scene.id(), REGION, "dynamodb");
        let asked = json!({ "TableName": "backstop-journal" });
        let table = dynamodb.json("DynamoDB_20120810.DescribeTable", &asked).unwrap();
        let mut indexes = table["Table"]["GlobalSecondaryIndexes"].as_array().unwrap().clone();
        indexes.sort_by_key(|index| index["IndexName"].to_string());
        let indexes: Vec<Value> = indexes
            .iter()
            .map(|i| json!([i["IndexName"], i["KeySchema"], i["Projection"]]))
            .collect();
        json!([table["Table"]["KeySchema"], indexes])
    };
    let deployed = shape(&with_stacks);
    assert_eq!(shape(&with_set_up), deployed);
    assert_eq!(deployed[1].as_array().unwrap().len(), 2, "{deployed}");
}
