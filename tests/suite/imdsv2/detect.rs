//! What each recorded event points at: own fixtures, and the real records where they are at hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backstop_core::config::Config;
use backstop_core::event::{Payload, parse, parse_any};
use backstop_core::responder::{Detection, Responder};
use backstop_core::trust;
use backstop_testkit::machine::POLICY;
use imdsv2::Imdsv2;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("functions/imdsv2/fixtures")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Signal, kind of resource and identifiers of each candidate, or why there is none.
type Points = Result<Vec<String>, String>;

/// What a function that is deployed with the policy of the tests makes of an event.
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
    match Imdsv2.detect(&event) {
        Detection::Nothing(why) => Err(why),
        Detection::Candidates(found) => Ok(found
            .into_iter()
            .map(|c| {
                let (_, resource) = c.resource.split_once("111111111111:").unwrap();
                let more = c.ids.iter().filter(|(name, _)| !name.ends_with("_id"));
                let more: Vec<String> =
                    more.map(|(name, ids)| format!(" {name}={}", ids.join(","))).collect();
                format!("{} {resource}{}", c.signal, more.concat())
            })
            .collect()),
    }
}

#[test]
fn s1_1_s1_2_s1_3_every_fixture_points_where_it_should() {
    let instance = |n: u32| format!("instance/i-0a1d0000000000{n:03}");
    let one = |signal: &str, what: String| Ok(vec![format!("{signal} {what}")]);
    let no = |why: &str| Err(why.to_owned());
    let template = "launch-template/lt-0a1d0000000000001";
    let optional = " changed=tokens-optional";
    let cases: Vec<(&str, Points)> = vec![
        ("modify-tokens-optional", one("S1.1", instance(1) + optional)),
        ("modify-only-hop-limit", one("S1.1", instance(1) + " changed=hop-limit")),
        ("modify-only-endpoint", one("S1.1", instance(1))),
        ("modify-only-ipv6", one("S1.1", instance(1) + " changed=ipv6")),
        (
            "modify-no-instance-id",
            no("`i-1; reboot` is not an instance id (`i-` and hexadecimal digits)"),
        ),
        ("failed-call", no("the call failed with `Client.UnauthorizedOperation`: nothing changed")),
        ("dry-run", no("the call was a dry run (`Client.DryRunOperation`): nothing changed")),
        ("replay", no("it is a replay of archived events (`replay-name`)")),
        ("foreign-source", no("its source `my.app` is not an AWS service")),
        // Recorded, and held by the guard: a stolen responder session must not be invisible.
        ("own-principal", one("S1.1", instance(1) + optional)),
        ("launch-optional-by-default", one("S1.2", instance(2))),
        (
            "launch-three-instances",
            Ok(vec![format!("S1.2 {}", instance(4)), format!("S1.2 {}", instance(5))]),
        ),
        ("launch-by-auto-scaling", one("S1.2", instance(6))),
        ("launch-strict", no("every instance in it requires IMDSv2, or answers nobody")),
        ("launch-endpoint-disabled", no("every instance in it requires IMDSv2, or answers nobody")),
        ("launch-options-not-told", one("S1.2", instance(9))),
        (
            "launch-answer-left-out",
            one(
                "S1.2",
                "instance/client-token:fleet-0a1d0000-0000-4000-8000-000000000001 \
                 client_token=fleet-0a1d0000-0000-4000-8000-000000000001"
                    .to_owned(),
            ),
        ),
        (
            "start-instances",
            Ok(vec![format!("X1.15 {}", instance(10)), format!("X1.15 {}", instance(11))]),
        ),
        ("state-running", one("S1.2", instance(12))),
        ("state-pending", no("the instance is pending, not running")),
        (
            "config-security-hub",
            one("S1.3", instance(13) + " config_rule=securityhub-ec2-imdsv2-check-0a1d00"),
        ),
        ("config-compliant", no("the Config rule does not say NON_COMPLIANT")),
        ("config-other-type", no("it is not about an instance")),
        ("defaults-optional", one("X1.1", "instance-metadata-defaults/account".to_owned())),
        ("template-created", one("X1.2", format!("{template} version=1"))),
        ("template-version", one("X1.3", format!("{template} version=2"))),
        ("template-default", one("X1.4", format!("{template} version=2"))),
        (
            "template-by-name-only",
            one("X1.4", "launch-template/unnamed launch_template_name=web".to_owned()),
        ),
        ("alert-delete-versions", one("X1.5", template.to_owned())),
        (
            "alert-launch-configuration",
            one(
                "X1.6",
                "launchConfiguration:*:launchConfigurationName/old-web \
                 launch_configuration=old-web"
                    .to_owned(),
            ),
        ),
        (
            "alert-update-group",
            one(
                "X1.7",
                "autoScalingGroup:*:autoScalingGroupName/web auto_scaling_group=web".to_owned(),
            ),
        ),
        ("alert-image-attribute", one("X1.8", "unnamed".to_owned())),
        ("alert-register-image", one("X1.9", "unnamed".to_owned())),
        ("alert-associate-profile", one("X1.10", instance(14))),
        ("alert-replace-profile", one("X1.11", instance(14))),
        ("alert-fleet", one("X1.12", "unnamed".to_owned())),
        ("alert-spot-instances", one("X1.13", "unnamed".to_owned())),
        ("alert-spot-fleet", one("X1.14", "unnamed".to_owned())),
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
fn s1_1_s1_2_s1_3_real_records_point_where_they_should() {
    let Some(folder) = records() else { return };
    // The file, and how many candidates its record gives.
    for (file, count) in [
        ("ec2.RunInstances.success-response-metadataOptions.json", 1),
        ("ec2.RunInstances.success-v110.json", 1),
        ("ec2.RunInstances.keyName-two-instances.json", 2), // from before metadata options
        ("ec2.RunInstances.by-autoscaling-fleet.json", 1),
        ("ec2.CreateLaunchTemplate.success.json", 1),
        ("eventbridge.EC2-Instance-State-change-Notification.awsdoc.json", 0), // pending
        ("eventbridge.Config-Rules-Compliance-Change.access-keys-rotated.json", 0), // a user
        ("ec2.ModifyInstanceMetadataOptions.failure-InvalidParameterValue.json", 1),
    ] {
        let explained = parse_any(&read(&folder.join(file))).unwrap();
        let mut event = explained.into_iter().next().unwrap().envelope;
        event.id.get_or_insert_with(|| "for the test".to_owned());
        let found = match Imdsv2.detect(&event) {
            Detection::Candidates(found) => found.len(),
            Detection::Nothing(_) => 0,
        };
        assert_eq!(found, count, "{file}: {:?}", Imdsv2.detect(&event));
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
fn s1_2_s1_3_fixtures_have_the_shape_of_the_real_records() {
    let Some(folder) = records() else { return };
    // The rest is constructed: of it no record is public, or only one of a failed call (spec,
    // event shapes §3).
    let real_of = |event: &Value| -> Option<String> {
        let native = event["detail"]["eventName"].is_null();
        let kind = event["detail-type"].as_str().unwrap().replace(' ', "-");
        match event["detail"]["eventName"].as_str() {
            _ if native => Some(format!("eventbridge.{kind}.")),
            Some(name @ ("RunInstances" | "CreateLaunchTemplate")) => Some(format!("ec2.{name}.")),
            _ => None,
        }
    };
    let mut checked = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_str(&read(&path)).unwrap();
        let Some(prefix) = real_of(&event) else { continue };
        let mut real = BTreeSet::new();
        for record in std::fs::read_dir(&folder).unwrap() {
            let record = record.unwrap().path();
            if record.file_name().unwrap().to_string_lossy().starts_with(&prefix) {
                let whole: Value = serde_json::from_str(&read(&record)).unwrap();
                let detail = whole.get("detail").unwrap_or(&whole);
                key_paths(detail, "", &mut real);
            }
        }
        let mut ours = BTreeSet::new();
        key_paths(&event["detail"], "", &mut ours);
        let native = prefix.starts_with("eventbridge");
        let odd: Vec<&String> = ours
            .iter()
            .filter(|p| {
                native || p.starts_with(".requestParameters") || p.starts_with(".responseElements")
            })
            .filter(|p| !real.contains(*p))
            .collect();
        assert!(odd.is_empty(), "{}: no real record has {odd:?}", path.display());
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} fixtures were checked");
}
