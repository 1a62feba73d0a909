//! Real shapes: our own fixtures always, and the published records where `BACKSTOP_RECORDS` says.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::{fs, io};

use backstop_core::event::{
    Detail, Envelope, Explained, IdentityKind, Payload, REMOVED, Record, parse, parse_any,
};

/// Published fragments that are no whole records, and what is missing.
const FRAGMENTS: [(&str, &str); 4] = [
    ("cloudwatchlogs.subscription.decoded.awsdoc.json", "the inside of `awslogs.data`, unpacked"),
    ("ec2.CreateLaunchTemplate.requestParameters-fragment-multi-sg.json", "only the request"),
    ("ec2.ModifyLaunchTemplate.eventbridge-pattern-fragment.json", "a rule's pattern, all lists"),
    ("eventbridge.Inspector2-Scan.lambda.awsdoc-fragment.json", "no detail-type and no source"),
];

/// A published record that lacks `eventSource`, which no real one does.
const NO_SOURCE: &str = "ec2.RunInstances.by-ec2fleet-karpenter-fragment.json";

type Files = BTreeMap<String, String>;

fn folder(path: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(path)?);
        }
    }
    Ok(files)
}

fn fixtures() -> Files {
    folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the published records are not in this repository")]
fn records() -> Option<Files> {
    let path = std::env::var("BACKSTOP_RECORDS").ok();
    let files = path.as_ref().map(|path| folder(Path::new(path)).unwrap_or_default());
    let said = files.as_ref().map_or_else(
        || "skipped: BACKSTOP_RECORDS does not name the folder of published records".to_owned(),
        |files| format!("{} published records", files.len()),
    );
    // Straight to the terminal: what was not tested must not be hidden with the captured output.
    assert!(writeln!(io::stderr(), "{said}").is_ok());
    files
}

fn explain(files: &Files, name: &str) -> Explained {
    let text = files.get(name).map_or("", String::as_str);
    match parse_any(text) {
        Ok(mut all) if all.len() == 1 => all.remove(0),
        other => unreachable!("{name}: {other:?}"),
    }
}

fn event(files: &Files, name: &str) -> Envelope {
    explain(files, name).envelope
}

fn record(files: &Files, name: &str) -> Record {
    match event(files, name).detail {
        Detail::Api(record) => *record,
        Detail::Native(params) => unreachable!("{name}: {params:?}"),
    }
}

#[test]
fn every_fixture_is_read() {
    let files = fixtures();
    assert!(files.len() > 20, "{}", files.len());
    for (name, text) in &files {
        if name.starts_with("cloudwatchlogs.") {
            assert!(matches!(parse(text), Ok(Payload::Logs(_))), "{name}");
            continue;
        }
        let all = parse_any(text).unwrap();
        // What a function takes is what has an envelope.
        let delivered = matches!(parse(text), Ok(Payload::Event(_)));
        assert_eq!(delivered, all.iter().all(|one| !one.derived), "{name}");
        for one in all {
            assert!(one.envelope.time.is_some(), "{name}");
            assert!(one.envelope.source.starts_with("aws."), "{name}");
            assert!(!format!("{one:?}").contains("must-not-be-shown"), "{name}");
        }
    }
}

/// Families A and C: lists in `items`, and the flat form that an `items` reader misses.
#[test]
fn old_ec2_calls_are_read() {
    let files = fixtures();
    for (name, sources, rules) in [
        ("ec2.AuthorizeSecurityGroupIngress.items.json", &["0.0.0.0/0"][..], 2),
        ("ec2.AuthorizeSecurityGroupIngress.flat.json", &[], 1),
        ("ec2.AuthorizeSecurityGroupIngress.failed.json", &["0.0.0.0/0"], 0),
    ] {
        let record = record(&files, name);
        let asked = record.request.list("ipPermissions");
        let ranges: Vec<String> = asked
            .iter()
            .flat_map(|permission| permission.list("ipRanges"))
            .filter_map(|range| range.text("cidrIp"))
            .collect();
        assert_eq!(ranges, sources, "{name}");
        assert!(record.request.text("groupId").is_some(), "{name}");
        let set = record.response.list("securityGroupRuleSet");
        assert_eq!(set.len(), rules, "{name}");
        for rule in set {
            assert!(rule.text("securityGroupRuleId").is_some_and(|id| id.starts_with("sgr-")));
            assert_eq!(
                (rule.integer("fromPort"), rule.boolean("isEgress")),
                (Some(22), Some(false))
            );
        }
        assert_eq!(record.succeeded(), rules > 0, "{name}");
    }
    let flat = record(&files, "ec2.AuthorizeSecurityGroupIngress.flat.json");
    assert_eq!(flat.request.text("cidrIp").as_deref(), Some("0.0.0.0/0"));

    let failed = record(&files, "ec2.AuthorizeSecurityGroupIngress.failed.json");
    assert!(!failed.dry_run() && failed.response.is_absent());
    let message = failed.error_message.unwrap();
    assert!(!message.contains("Encoded"), "{message}");

    let launch = record(&files, "ec2.RunInstances.two-instances.json");
    let launched = launch.response.list("instancesSet");
    let ids: Vec<String> = launched.iter().filter_map(|one| one.text("instanceId")).collect();
    assert_eq!(ids, ["i-0aaa1111bbb222201", "i-0aaa1111bbb222202"]);
    for one in &launched {
        assert_eq!(one.path("metadataOptions.httpTokens").scalar().as_deref(), Some("optional"));
        let interfaces = one.list("networkInterfaceSet");
        // `item` in a record that otherwise says `items`.
        assert_eq!(interfaces[0].list("privateIpAddressesSet").len(), 1);
        assert!(one.list("tagSet").is_empty());
    }
    assert_eq!(launch.request.text("userData").as_deref(), Some(REMOVED));

    let dry = record(&files, "ec2.RunInstances.dry-run.json");
    assert!(dry.dry_run() && !dry.succeeded());
}

/// Family B: wrapped, with lists that collapse.
#[test]
fn new_ec2_calls_are_read() {
    let files = fixtures();
    for (name, ports) in [
        ("ec2.ModifySecurityGroupRules.one.json", &[22][..]),
        ("ec2.ModifySecurityGroupRules.several.json", &[22, 443]),
    ] {
        let record = record(&files, name);
        let request = record.request.unwrapped(&record.event_name);
        assert_eq!(request.text("GroupId").as_deref(), Some("sg-0aaa1111bbb222201"), "{name}");
        let rules = request.list("SecurityGroupRule");
        // The rule stands inside a member of the same name.
        let from: Vec<i64> = rules
            .iter()
            .filter_map(|rule| rule.get("SecurityGroupRule").integer("FromPort"))
            .collect();
        assert_eq!(from, ports, "{name}");
        let response = record.response.unwrapped(&record.event_name);
        assert_eq!(response.boolean("return"), Some(true), "{name}");
    }

    let empty = record(&files, "ec2.EnableSerialConsoleAccess.empty-wrapper.json");
    let request = empty.request.unwrapped(&empty.event_name);
    assert!(!request.is_absent() && request.elements().is_empty());
    let response = empty.response.unwrapped(&empty.event_name);
    assert_eq!(response.boolean("serialConsoleAccessEnabled"), Some(true));

    let template = record(&files, "ec2.CreateLaunchTemplate.scalars.json");
    let data = template.request.unwrapped(&template.event_name).get("LaunchTemplateData");
    assert_eq!(data.texts("SecurityGroupId"), ["sg-0aaa1111bbb222201", "sg-0aaa1111bbb222202"]);
    assert_eq!(data.list("BlockDeviceMapping").len(), 1);
    let tag = data.list("TagSpecification")[0].list("Tag")[0];
    assert_eq!(tag.text("Value").as_deref(), Some("true"));
    assert_eq!(data.text("UserData").as_deref(), Some(REMOVED));
    let made = template.response.unwrapped(&template.event_name).get("launchTemplate");
    assert_eq!(made.text("ownerId").as_deref(), Some("111111111111"));
}

/// Families D and E: Lambda with dates in its names, and the services that speak JSON.
#[test]
fn calls_of_json_services_are_read() {
    let files = fixtures();
    let update = record(&files, "lambda.UpdateFunctionConfiguration.dated.json");
    assert_eq!(update.event_name, "UpdateFunctionConfiguration20150331v2");
    assert_eq!(update.response.text("functionName").as_deref(), Some("orders"));
    assert_eq!(update.response.list("layers").len(), 1);
    assert!(update.request.text("environment").is_none());

    let open = record(&files, "lambda.AddPermission.statement.json");
    assert_eq!(open.request.text("principal").as_deref(), Some("*"));
    assert!(open.response.text("statement").is_some_and(|s| s.starts_with('{')));

    let scanning = record(&files, "ecr.PutRegistryScanningConfiguration.arrays.json");
    let rules = scanning.request.list("rules");
    assert_eq!(rules[0].list("repositoryFilters")[0].text("filter").as_deref(), Some("prod-*"));
    assert!(scanning.response.get("registryScanningConfiguration").list("rules").is_empty());

    let policy = record(&files, "iam.PutRolePolicy.document.json");
    assert!(policy.response.is_absent() && policy.succeeded());
    assert!(policy.request.text("policyDocument").is_some_and(|d| d.contains("\"Statement\"")));

    let denied = record(&files, "iam.AttachRolePolicy.denied.json");
    assert!(denied.request.is_absent() && !denied.succeeded());
}

#[test]
fn callers_and_deliveries_are_told_apart() {
    let files = fixtures();
    let service = event(&files, "sts.AssumeRole.by-service.json");
    assert_eq!(service.key(), Some("00000000-0000-4000-9000-000000000001"));
    let assumed = service.record().unwrap();
    assert_eq!(assumed.user_identity.kind, IdentityKind::AwsService);
    assert_eq!(assumed.actor().invoked_by.as_deref(), Some("ec2.amazonaws.com"));
    let credentials = assumed.response.get("credentials");
    assert_eq!(credentials.text("sessionToken").as_deref(), Some(REMOVED));

    let pod = record(&files, "sts.AssumeRoleWithWebIdentity.pod.json").user_identity;
    assert_eq!(pod.kind, IdentityKind::WebIdentityUser);
    assert_eq!(pod.user_name.as_deref(), Some("system:serviceaccount:shop:cart"));
    assert!(pod.arn.is_none() && pod.federated_provider.is_some_and(|p| p.contains("oidc")));

    let instance = explain(&files, "sts.GetCallerIdentity.instance-role.json");
    assert!(instance.derived);
    let identity = &instance.envelope.record().unwrap().user_identity;
    assert_eq!(identity.ec2_role_delivery.as_deref(), Some("1.0"));
    assert_eq!(identity.mfa, Some(false));

    let evicted = event(&files, "ec2.BidEvictedEvent.service-event.json");
    let evicted = evicted.record().unwrap();
    assert_eq!(evicted.user_identity.kind, IdentityKind::Absent);
    assert!(evicted.request.is_absent());
    assert_eq!(evicted.service_event.texts("instanceIdSet"), ["i-0aaa1111bbb222201"]);

    let replayed = event(&files, "ec2.AuthorizeSecurityGroupIngress.replayed.json");
    assert_eq!(replayed.replay_name.as_deref(), Some("archive-replay-1"));

    let schedule = event(&files, "eventbridge.Scheduled-Event.json");
    assert!(matches!(schedule.detail, Detail::Native(_)));
    assert!(schedule.key().is_some());
    let coverage = event(&files, "eventbridge.Inspector2-Coverage.json");
    let Detail::Native(detail) = &coverage.detail else { unreachable!() };
    assert_eq!(detail.get("scanStatus").text("statusCodeValue").as_deref(), Some("INACTIVE"));

    let file = parse_any(&files["cloudtrail.file.json"]).unwrap();
    assert_eq!(file.len(), 2);
    // One of them has no `eventID`, and a raw record has no envelope to be known by.
    assert_eq!(file[0].envelope.key(), None);
}

#[test]
fn every_published_record_is_read() {
    let Some(files) = records() else { return };
    assert!(files.len() > 100, "{}", files.len());
    for (name, missing) in FRAGMENTS {
        assert!(
            parse_any(&files[name]).is_err(),
            "{name} ({missing}) is now read: list it no more"
        );
    }
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, text) in &files {
        let kind = if FRAGMENTS.iter().any(|(fragment, _)| fragment == name) {
            "fragments"
        } else if name.starts_with("cloudwatchlogs.") {
            assert!(matches!(parse(text), Ok(Payload::Logs(_))), "{name}");
            "log subscriptions"
        } else if name == NO_SOURCE {
            let error = parse_any(text).unwrap_err();
            assert!(error.to_string().contains("missing field `eventSource`"), "{error}");
            "without a source"
        } else {
            let one = explain(&files, name);
            match &one.envelope.detail {
                Detail::Api(record) => {
                    let says = text.contains("\"eventTime\"");
                    assert_eq!(record.event_time.is_some(), says, "{name}");
                    // The names of the files say how the call went.
                    assert!(!name.contains(".success") || record.succeeded(), "{name}");
                    assert!(!name.contains(".failure") || !record.succeeded(), "{name}");
                    // One publisher masked the kind with dots.
                    let kind = &record.user_identity.kind;
                    let masked = *kind == IdentityKind::Other("...".to_owned());
                    assert!(masked || !matches!(kind, IdentityKind::Other(_)), "{name} {kind:?}");
                }
                // The documentation writes one time as `yyyy-mm-ddT…`.
                Detail::Native(_) => {
                    let blank = text.contains("\"yyyy-mm-dd");
                    assert_eq!(one.envelope.time.is_none(), blank, "{name}");
                }
            }
            if one.derived { "raw records" } else { "events" }
        };
        *found.entry(kind).or_default() += 1;
    }
    assert!(writeln!(io::stderr(), "{found:?}").is_ok());
}

#[test]
fn published_records_give_up_their_identifiers() {
    let Some(files) = records() else { return };

    // Group, rules in the response, permissions in the request.
    for (variant, rules, permissions) in [
        ("success-ruleset", 1, 1),
        ("success-flat-legacy-0.0.0.0_0", 1, 0),
        ("success-v110-ruleArn", 1, 1),
        ("v105-no-ruleset", 0, 1),
        ("failure-UnauthorizedOperation", 0, 1),
    ] {
        let name = format!("ec2.AuthorizeSecurityGroupIngress.{variant}.json");
        let record = record(&files, &name);
        let group = record.request.text("groupId").unwrap();
        assert!(group.starts_with("sg-"), "{name}");
        let set = record.response.list("securityGroupRuleSet");
        assert_eq!(set.len(), rules, "{name}");
        for rule in set {
            assert_eq!(rule.text("groupId").as_ref(), Some(&group), "{name}");
            assert!(rule.text("securityGroupRuleId").is_some_and(|id| id.starts_with("sgr-")));
        }
        assert_eq!(record.request.list("ipPermissions").len(), permissions, "{name}");
    }

    let modify = record(&files, "ec2.ModifySecurityGroupRules.fragment.json");
    let rules = modify.request.unwrapped(&modify.event_name).list("SecurityGroupRule");
    assert_eq!(rules.len(), 1);
    assert!(rules[0].text("SecurityGroupRuleId").is_some_and(|id| id.starts_with("sgr-")));
    assert_eq!(rules[0].get("SecurityGroupRule").integer("ToPort"), Some(443));

    let launch = record(&files, "ec2.RunInstances.keyName-two-instances.json");
    assert_eq!(launch.response.list("instancesSet").len(), 2);
    let fleet = record(&files, "ec2.RunInstances.by-autoscaling-fleet.json");
    assert!(fleet.request.list("instancesSet").iter().all(|one| one.text("keyName").is_none()));
    let metadata = record(&files, "ec2.RunInstances.success-response-metadataOptions.json");
    let one = metadata.response.list("instancesSet")[0];
    assert!(one.path("metadataOptions.httpTokens").scalar().is_some());
    assert!(record(&files, "ec2.RunInstances.dryrun-launch-template.json").dry_run());

    let console = record(&files, "ec2.EnableSerialConsoleAccess.empty-wrapper.json");
    assert!(console.request.unwrapped(&console.event_name).elements().is_empty());
    let logs = record(&files, "ec2.CreateFlowLogs.wrapper-tag-content.json");
    let request = logs.request.unwrapped(&logs.event_name);
    assert_eq!(request.texts("ResourceId").len(), 1);
    let response = logs.response.unwrapped(&logs.event_name);
    assert_eq!(response.texts("flowLogIdSet").len(), 1);
    assert!(response.list("unsuccessful").is_empty());

    // Only the request is published: with the names that every record has, it is read.
    let request = &files["ec2.CreateLaunchTemplate.requestParameters-fragment-multi-sg.json"];
    let rest = r#"{"eventSource":"ec2.amazonaws.com","eventName":"CreateLaunchTemplate","#;
    let whole = request.replacen('{', rest, 1);
    let template = parse_any(&whole).unwrap().remove(0).envelope;
    let template = template.record().unwrap();
    let data = template.request.unwrapped(&template.event_name).get("LaunchTemplateData");
    assert_eq!(data.texts("SecurityGroupId").len(), 3);
    assert_eq!(data.list("BlockDeviceMapping").len(), 1);

    let pods = event(&files, "sts.AssumeRole.pods-eks.json");
    let assumed = pods.record().unwrap();
    assert_eq!(assumed.shared_event_id.as_deref(), pods.key());
    assert_eq!(assumed.user_identity.kind, IdentityKind::AwsService);
    assert_eq!(assumed.user_identity.invoked_by.as_deref(), Some("pods.eks.amazonaws.com"));
    assert_eq!(assumed.request.list("tags").len(), 6);
    let irsa = record(&files, "sts.AssumeRoleWithWebIdentity.irsa-failure-AccessDenied.json");
    assert_eq!(irsa.user_identity.kind, IdentityKind::WebIdentityUser);
    assert!(irsa.request.text("roleArn").is_some() && !irsa.succeeded());
    let imds = record(&files, "sts.GetCallerIdentity.ec2RoleDelivery-1.0-imdsv1.json");
    assert_eq!(imds.user_identity.ec2_role_delivery.as_deref(), Some("1.0"));

    let refused = record(&files, "eks.CreateAccessEntry.failure-AccessDenied.json");
    assert!(refused.error_message.is_none() && !refused.response.is_absent());
    let key = record(&files, "ec2.CreateKeyPair.success.json");
    assert_eq!(key.response.text("keyMaterial").as_deref(), Some(REMOVED));
    assert_eq!(key.recipient_account_id, None);
}
