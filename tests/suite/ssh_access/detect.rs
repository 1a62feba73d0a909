//! What each recorded event points at: own fixtures, and the real records where they are at hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backstop_core::config::Config;
use backstop_core::event::{Payload, parse, parse_any};
use backstop_core::responder::{Detection, Responder};
use backstop_core::trust;
use backstop_testkit::machine::POLICY;
use serde_json::Value;
use ssh_access::SshAccess;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("functions/ssh-access/fixtures")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Signal and identifiers of each candidate, or why there is none.
type Points = Result<Vec<(String, String)>, String>;

/// What a function that is deployed with the policy of the tests makes of an event: why not, or
/// the signal and the identifiers of each candidate.
fn points(text: &str) -> Points {
    let policy = POLICY
        .replace("{account}", "111111111111")
        .replace("[\"eu-west-1\"]", "[\"us-east-1\"]")
        .replace("\"eu-west-1\"", "\"us-east-1\"");
    let config = Config::parse(&policy, jiff::Timestamp::now()).unwrap();
    let Payload::Event(event) = parse(text).unwrap() else { panic!("no event") };
    if let Some(why) = trust::distrust(&event, &config) {
        return Err(why);
    }
    match SshAccess.detect(&event) {
        Detection::Nothing(why) => Err(why),
        Detection::Candidates(found) => Ok(found
            .into_iter()
            .map(|c| {
                let ids: Vec<String> = c.ids.values().flatten().cloned().collect();
                (c.signal, ids.join(" "))
            })
            .collect()),
    }
}

const GROUP: &str = "sg-0a11ce00000000001";

#[test]
fn x2_1_s2_1_every_fixture_points_where_it_should() {
    let rules = |ids: &[u32]| {
        let ids: Vec<String> = ids.iter().map(|n| format!("sgr-0a11ce000000000{n:02}")).collect();
        format!("{GROUP} {}", ids.join(" ")).trim_end().to_owned()
    };
    let instance = |n: u32| format!("i-0a11ce000000000{n:02}");
    let one = |signal: &str, ids: String| Ok(vec![(signal.to_owned(), ids)]);
    let no = |why: &str| Err(why.to_owned());
    let cases: Vec<(&str, Points)> = vec![
        ("authorize-tcp22-world", one("X2.1", rules(&[1]))),
        ("authorize-flat-form", one("X2.1", rules(&[2]))),
        ("authorize-two-of-three", one("X2.1", rules(&[3, 4]))),
        ("authorize-all-traffic-ipv6", one("X2.1", rules(&[6]))),
        ("authorize-without-rule-set", one("X2.1", rules(&[]))),
        ("authorize-flat-without-rule-set", one("X2.1", rules(&[]))),
        ("authorize-udp22", no("no rule in it can admit TCP 22")),
        ("authorize-icmp-type22", no("no rule in it can admit TCP 22")),
        ("authorize-tcp443", no("no rule in it can admit TCP 22")),
        ("authorize-egress", no("no signal of aws-work-02: `AuthorizeSecurityGroupEgress`")),
        ("failed-call", no("the call failed with `Client.UnauthorizedOperation`: nothing changed")),
        ("dry-run", no("the call was a dry run (`Client.DryRunOperation`): nothing changed")),
        ("replay", no("it is a replay of archived events (`replay-name`)")),
        ("foreign-source", no("its source `my.app` is not an AWS service")),
        // Recorded, and held by the guard: a stolen responder session must not be invisible.
        ("own-principal", one("X2.1", rules(&[1]))),
        ("sibling-revoke", no("no signal of aws-work-02: `RevokeSecurityGroupIngress`")),
        ("modify-one-rule", one("X2.2", rules(&[11]))),
        ("modify-two-rules", one("X2.2", rules(&[12]))),
        ("modify-ports-not-told", one("X2.2", rules(&[14]))),
        ("modify-harmless", no("no rule in it can admit TCP 22")),
        (
            "launch-two-with-key",
            Ok(vec![("S2.1".into(), instance(1)), ("S2.1".into(), instance(2))]),
        ),
        ("launch-key-from-template", one("S2.1", instance(3))),
        ("launch-without-key", no("no instance in it has a key pair")),
        (
            "launch-answer-left-out",
            one("S2.1", "fleet-0a11ce00-0000-4000-8000-000000000001".to_owned()),
        ),
    ];
    for (name, expected) in &cases {
        let text = read(&fixtures().join(format!("{name}.json")));
        assert_eq!(&points(&text), expected, "{name}");
    }
    let there = std::fs::read_dir(fixtures()).unwrap().count();
    assert_eq!(there, cases.len(), "a fixture without a case");
}

/// The folder of real records, if it is at hand.
#[expect(clippy::disallowed_methods, reason = "where the real records are")]
fn records() -> Option<PathBuf> {
    let folder = std::env::var_os("BACKSTOP_RECORDS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: BACKSTOP_RECORDS names no folder of real records");
    }
    folder
}

#[test]
fn x2_1_s2_1_real_records_point_where_they_should() {
    let Some(folder) = records() else { return };
    // The file, and how many candidates its record gives; none for calls that failed.
    for (file, count) in [
        ("ec2.AuthorizeSecurityGroupIngress.success-flat-legacy-0.0.0.0_0.json", 1),
        ("ec2.AuthorizeSecurityGroupIngress.success-flat-legacy.json", 1),
        ("ec2.AuthorizeSecurityGroupIngress.success-v110-ruleArn.json", 1),
        ("ec2.AuthorizeSecurityGroupIngress.v105-no-ruleset.json", 1),
        ("ec2.AuthorizeSecurityGroupIngress.all-protocols-ipv6.json", 0), // its ids are redacted
        ("ec2.AuthorizeSecurityGroupIngress.success-ruleset.json", 0),    // tcp 443
        ("ec2.AuthorizeSecurityGroupIngress.eventbridge-detail-2019.json", 0), // tcp 443
        ("ec2.AuthorizeSecurityGroupEgress.success-all-protocols-ipv6.json", 0),
        ("ec2.ModifySecurityGroupRules.fragment.json", 0), // tcp 443
        ("ec2.RevokeSecurityGroupIngress.success-flat.json", 0),
        ("ec2.RunInstances.keyName-two-instances.json", 2),
        ("ec2.RunInstances.success-v110.json", 0), // no key pair
    ] {
        let explained = parse_any(&read(&folder.join(file))).unwrap();
        let mut event = explained.into_iter().next().unwrap().envelope;
        // Fragments have no id of their own; what they point at is the same with one.
        event.id.get_or_insert_with(|| "for the test".to_owned());
        let found = match SshAccess.detect(&event) {
            Detection::Candidates(found) => found.len(),
            Detection::Nothing(_) => 0,
        };
        assert_eq!(found, count, "{file}: {:?}", SshAccess.detect(&event));
    }
}

/// The key paths of a value; list elements share one.
fn key_paths(value: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let path = format!("{at}.{key}");
                paths.insert(path.clone());
                key_paths(member, &path, paths);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|e| key_paths(e, at, paths)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn fixtures_have_the_shape_of_the_real_records() {
    let Some(folder) = records() else { return };
    // Constructed: of these, only fragments are public (spec, event shapes §3).
    let constructed = ["ModifySecurityGroupRules"];
    let mut checked = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_str(&read(&path)).unwrap();
        let name = event["detail"]["eventName"].as_str().unwrap();
        if constructed.contains(&name) {
            continue;
        }
        let mut real = BTreeSet::new();
        for record in std::fs::read_dir(&folder).unwrap() {
            let record = record.unwrap().path();
            let file = record.file_name().unwrap().to_string_lossy().into_owned();
            // Ingress and egress are identical but for `isEgress` (spec, event shapes §3).
            let (ingress, egress) =
                (name.replace("Egress", "Ingress"), name.replace("Ingress", "Egress"));
            if [ingress, egress].iter().any(|name| file.starts_with(&format!("ec2.{name}."))) {
                let text: Value = serde_json::from_str(&read(&record)).unwrap();
                key_paths(&text, "", &mut real);
            }
        }
        let mut ours = BTreeSet::new();
        key_paths(&event["detail"], "", &mut ours);
        // Who called is the same for every call; other records show that it may be a role.
        let odd: Vec<&String> = ours
            .iter()
            .filter(|p| p.starts_with(".requestParameters") || p.starts_with(".responseElements"))
            .filter(|p| !real.contains(*p))
            .collect();
        assert!(odd.is_empty(), "{}: no real record has {odd:?}", path.display());
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} fixtures were checked");
}
