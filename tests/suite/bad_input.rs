//! Bad input: each gets a clear error or a stated reason, and changes nothing. Printed as a table.

use backstop_core::error::Class;
use backstop_core::words::Lane;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Local, Machine, Scene};
use serde_json::{Value, json};
use ssh_access::SshAccess;

use crate::ssh_access::machine;

/// What a case must get.
enum Gets {
    /// An error of this class whose text holds this.
    Error(Class, &'static str),
    /// `ignored`, with this in the reason.
    Ignored(&'static str),
    /// One incident whose reason holds this.
    Incident(&'static str),
}

async fn case(machine: &Machine, name: &str, payload: &str, gets: Gets) {
    let answer = machine.engine.handle(payload, &machine.invocation()).await;
    let (got, fine) = match (&answer, &gets) {
        (Err(e), Gets::Error(class, text)) => {
            let hint = e.hint_text().unwrap_or("(no hint)");
            (
                format!("{}: {e} / {hint}", e.class().name()),
                e.class() == *class && e.to_string().contains(text),
            )
        }
        (Ok(reply), Gets::Ignored(text)) => {
            let why = reply.ignored.clone().unwrap_or_default();
            let fine = why.contains(text);
            (format!("ignored: {why}"), fine)
        }
        (Ok(reply), Gets::Incident(text)) => {
            let one = &reply.incidents[0];
            let outcome = one.outcome.map_or("open", backstop_core::words::Outcome::name);
            (format!("{outcome}: {}", one.reason), one.reason.contains(text))
        }
        (other, _) => (format!("{other:?}"), false),
    };
    println!("{name:<40} {}", got.chars().take(200).collect::<String>());
    assert!(fine, "{name}: {got}");
}

#[tokio::test]
async fn bad_input_gets_a_clear_answer_and_changes_nothing() {
    use Gets::{Error, Ignored};
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let good = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        change(&mut event);
        event.to_string()
    };
    let unattended = machine(&scene, &How::default()).unwrap();
    let mark = scene.mark().unwrap();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep = good.to_string().replacen(
        "\"requestParameters\":",
        &format!("\"requestParameters\":{deep},\"x\":"),
        1,
    );
    for (name, payload, gets) in [
        ("not JSON", "hello".to_owned(), Error(Class::Invalid, "is not JSON")),
        ("no known payload", "{\"hello\": 1}".to_owned(), Error(Class::Invalid, "known are")),
        ("an empty order", "{\"backstop\": {}}".to_owned(), Error(Class::Invalid, "names no verb")),
        (
            "two orders at once",
            "{\"backstop\": {\"sweep\": {}, \"show\": {\"incident\": \"a-b\"}}}".to_owned(),
            Error(Class::Invalid, "names 2 verbs"),
        ),
        (
            "an attended payload in the unattended lane",
            json!({ "backstop": { "show": { "incident": "ssh-access-20261123-aaaaaaaaaaaa" } } })
                .to_string(),
            Error(Class::Invalid, "unattended lane of `ssh-access` does not take"),
        ),
        (
            "a wrong type",
            with(&|e| e["detail"]["eventName"] = json!(5)),
            Error(Class::Invalid, "eventName"),
        ),
        ("nested 5,000 deep", deep, Error(Class::Invalid, "nested too deep")),
        (
            "a foreign source",
            with(&|e| e["source"] = json!("my.app")),
            Ignored("source `my.app` is not an AWS service"),
        ),
        (
            "another service's source",
            with(&|e| e["source"] = json!("aws.s3")),
            Ignored("is not the record's"),
        ),
        (
            "another account",
            with(&|e| {
                e["account"] = json!("999999999999");
                e["detail"]["recipientAccountId"] = json!("999999999999");
            }),
            Ignored("is not in the scope of the policy"),
        ),
        (
            "an account that the record denies",
            with(&|e| e["detail"]["recipientAccountId"] = json!("999999999999")),
            Ignored("recipientAccountId"),
        ),
        (
            "another Region than the record's",
            with(&|e| e["detail"]["awsRegion"] = json!("us-east-1")),
            Ignored("awsRegion"),
        ),
        (
            "a call that failed",
            with(&|e| e["detail"]["errorCode"] = json!("Client.UnauthorizedOperation")),
            Ignored("the call failed with `Client.UnauthorizedOperation`"),
        ),
        (
            "a dry run",
            with(&|e| e["detail"]["errorCode"] = json!("Client.DryRunOperation")),
            Ignored("was a dry run"),
        ),
        ("a replay", with(&|e| e["replay-name"] = json!("last-week")), Ignored("it is a replay")),
        (
            "a group id that is none",
            with(&|e| {
                e["detail"]["responseElements"]["securityGroupRuleSet"]["items"][0]["groupId"] =
                    json!("sg-$(reboot)");
            }),
            Ignored("is not a security group id"),
        ),
    ] {
        case(&unattended, name, &payload, gets).await;
    }
    assert!(scene.calls(mark).unwrap().is_empty(), "none of these costs a call");
    Box::pin(bad_state(&scene, &group, &good)).await;
}

async fn bad_state(scene: &Scene, group: &str, good: &Value) {
    use Gets::{Error, Incident};
    let unattended = machine(scene, &How::default()).unwrap();
    // Another account, where nobody has made the table.
    let elsewhere = Scene::connection(&scene.local, &Local::fresh_account()).unwrap();
    let without_table =
        Machine::over(Box::new(SshAccess), scene, &elsewhere, &How::default()).unwrap();
    let other = scene.group("late").await.unwrap();
    let rule = scene.allow(&other, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut late = scene.recorded().authorized(&other, &[rule]);
    let mark = scene.mark().unwrap();
    case(
        &without_table,
        "the table is missing",
        &good.to_string(),
        Error(Class::Missing, "the journal table `backstop-journal` does not exist"),
    )
    .await;
    let mut gone = good.clone();
    gone["detail"]["eventID"] = json!("gone");
    gone["detail"]["responseElements"]["securityGroupRuleSet"]["items"][0]["groupId"] =
        json!("sg-00000000000000000");
    case(
        &unattended,
        "a group that is gone",
        &gone.to_string(),
        Incident("there is no security group sg-00000000000000000 in"),
    )
    .await;
    let mut revoked = good.clone();
    revoked["detail"]["eventID"] = json!("revoked");
    revoked["detail"]["responseElements"]["securityGroupRuleSet"]["items"][0]["securityGroupRuleId"] =
        json!("sgr-00000000000000000");
    case(
        &unattended,
        "a rule already revoked",
        &revoked.to_string(),
        Incident("the rules of the event are gone"),
    )
    .await;
    let mut own = good.clone();
    own["detail"]["eventID"] = json!("own");
    own["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
        json!(format!("arn:aws:iam::{}:role/backstop-ssh-access-unattended", scene.id()));
    case(&unattended, "the responder's own call", &own.to_string(), Incident("own role")).await;
    late["detail"]["eventTime"] = json!("2026-01-01T00:00:00Z");
    case(&unattended, "months late", &late.to_string(), Incident("min old when it came")).await;
    assert!(scene.changes(mark).unwrap().is_empty());

    let mut nameless = good.clone();
    nameless["detail"].as_object_mut().unwrap().remove("eventID");
    nameless["detail"]["padding"] = json!("x".repeat(1 << 20));
    case(
        &unattended,
        "1 MB, and no eventID: the envelope's id",
        &nameless.to_string(),
        Incident("every containing step is verified"),
    )
    .await;
    assert!(scene.rules(group).await.unwrap().is_empty());

    let attended = machine(scene, &How { lane: Lane::Attended, ..How::default() }).unwrap();
    let run = |change: Value| {
        let mut run = json!({
            "runbook": "ssh-access.revoke-ingress", "target": { "group_id": group },
            "account": scene.id(), "region": "eu-west-1", "apply": false,
            "requested_by": "alice", "reason": "INC-42",
        });
        run.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "backstop": { "run": run } }).to_string()
    };
    for (name, payload, class, text) in [
        ("an event in the attended lane", good.to_string(), Class::Invalid, "attended lane"),
        (
            "an unknown runbook",
            run(json!({ "runbook": "ssh-access.open" })),
            Class::Invalid,
            "has no runbook `ssh-access.open`",
        ),
        (
            "a target that is none",
            run(json!({ "target": { "group_id": "sg-1; reboot" } })),
            Class::Invalid,
            "is not a security group id",
        ),
        ("no target", run(json!({ "target": {} })), Class::Invalid, "needs one target"),
        (
            "an account out of scope",
            run(json!({ "account": "999999999999" })),
            Class::Invalid,
            "is not in the scope",
        ),
        (
            "an incident that does not exist",
            json!({ "backstop": { "show": { "incident": "ssh-access-20261123-aaaaaaaaaaaa" } } })
                .to_string(),
            Class::Missing,
            "there is no incident",
        ),
    ] {
        case(&attended, name, &payload, Error(class, text)).await;
    }
}
