//! S1.1, S1.3, T1.1 and R1.1a: IMDSv1 is answered.

use backstop_core::error::Class as ErrorClass;
use backstop_core::words::{Class, Outcome, StepStatus, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::hosts::Launch;
use backstop_testkit::machine::How;
use serde_json::{Value, json};

use super::{deliver, known, machine, now, one};

fn optional(scene: &Scene, instance: &str) -> Value {
    scene.recorded().options(instance, &json!({ "HttpTokens": "optional" }))
}

#[tokio::test]
async fn s1_1_what_was_required_before_is_required_again_and_nothing_else() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    let other = scene.host(Launch::OPEN).await.unwrap();
    known(&scene, &instance).await.unwrap();
    scene.options(&instance, Some("optional"), None).await.unwrap();
    let event = optional(&scene, &instance);
    let mark = scene.mark().unwrap();

    let incident = deliver(&scene, &How::default(), &event).await.unwrap();

    assert_eq!(incident.outcome, Some(Outcome::Contained), "{incident:?}");
    assert_eq!((incident.signal.as_str(), incident.urgency), ("S1.1", Urgency::Page));
    assert_eq!(incident.steps.len(), 1);
    let step = &incident.steps[0];
    assert_eq!(step.action, "ec2.instance-metadata-options.modify/1");
    assert_eq!((step.class, step.status), (Class::Auto, StepStatus::Verified));
    // The hop limit is a default that nobody raised: it stays, and is told.
    assert_eq!(now(&scene, &instance).await.unwrap(), ("required".to_owned(), 2));
    assert_eq!(now(&scene, &other).await.unwrap(), ("optional".to_owned(), 1));
    assert_eq!(scene.changes(mark).unwrap(), ["ec2:ModifyInstanceMetadataOptions"]);
    let calls = scene.calls(mark).unwrap();
    let call = calls.iter().find(|c| c.operation == "ModifyInstanceMetadataOptions").unwrap();
    let mut sent: Vec<&String> = call.params.as_object().unwrap().keys().collect();
    sent.retain(|name| !["Action", "Version"].contains(&name.as_str()));
    assert_eq!(sent, ["HttpTokens", "InstanceId"], "only what must change, never the endpoint");
    let notices = scene.notices(mark).unwrap();
    assert_eq!((notices.len(), notices[0].0.as_str()), (1, "page"));
    for said in ["revoke-sessions.revoke", "ec2RoleDelivery", "assumed-role/deployer/alice"] {
        assert!(notices[0].1.contains(said), "{said}: {}", notices[0].1);
    }
}

#[tokio::test]
async fn r1_1a_without_an_inventory_a_person_decides() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::OPEN).await.unwrap();
    let mark = scene.mark().unwrap();
    let held = deliver(&scene, &How::default(), &optional(&scene, &instance)).await.unwrap();
    assert_eq!((held.outcome, held.urgency), (Some(Outcome::Held), Urgency::Page));
    assert_eq!(held.steps[0].class, Class::Approval);
    assert!(scene.changes(mark).unwrap().is_empty());
    let approve = json!({ "backstop": { "approve": {
        "incident": held.id, "plan_hash": held.plan_hash, "approved_by": "alice",
    }}});
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let done = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(now(&scene, &instance).await.unwrap().0, "required");
}

#[tokio::test]
async fn r1_1a_what_the_inventory_knew_as_open_or_only_later_is_not_known_good() {
    let scene = Scene::new().await.unwrap();
    let open = scene.host(Launch::OPEN).await.unwrap();
    known(&scene, &open).await.unwrap();
    let held = deliver(&scene, &How::default(), &optional(&scene, &open)).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held));
    assert!(held.steps[0].class == Class::Approval, "{:?}", held.steps);

    let later = scene.host(Launch::STRICT).await.unwrap();
    known(&scene, &later).await.unwrap();
    scene.options(&later, Some("optional"), None).await.unwrap();
    let early = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(90);
    let event = scene.recorded_at(early).options(&later, &json!({ "HttpTokens": "optional" }));
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held));
    assert_eq!(held.steps[0].class, Class::Approval, "seen after the event: {:?}", held.steps);
}

#[tokio::test]
async fn t1_1_who_is_woken() {
    let scene = Scene::new().await.unwrap();
    let outside = How::default();
    let outside = How {
        policy: outside.policy.replace("everything = true", "vpcs = [\"vpc-0abc\"]"),
        ..outside
    };
    let production = How::default();
    let bare = Launch { profile: None, ..Launch::OPEN };
    for (launch, stopped, how, urgency) in [
        (Launch::OPEN, false, &production, Urgency::Page),
        (Launch::OPEN, true, &production, Urgency::Ticket),
        (bare, false, &production, Urgency::Ticket),
        (Launch::OPEN, false, &outside, Urgency::Ticket),
    ] {
        let instance = scene.host(launch).await.unwrap();
        if stopped {
            scene.account.ec2().stop_instances().instance_ids(&instance).send().await.unwrap();
        }
        let held = deliver(&scene, how, &optional(&scene, &instance)).await.unwrap();
        assert_eq!(held.outcome, Some(Outcome::Held), "{}", held.reason);
        assert_eq!(held.urgency, urgency, "{launch:?} stopped {stopped}");
    }
}

#[tokio::test]
async fn t1_1_what_answers_nobody_or_is_right_or_gone_is_no_finding() {
    let scene = Scene::new().await.unwrap();
    let off = Launch { endpoint: "disabled", hops: 5, ..Launch::OPEN };
    let off = scene.host(off).await.unwrap();
    let right = scene.host(Launch::STRICT).await.unwrap();
    let gone = scene.host(Launch::OPEN).await.unwrap();
    scene.account.ec2().terminate_instances().instance_ids(&gone).send().await.unwrap();
    let mark = scene.mark().unwrap();
    for (instance, why) in [
        (off.as_str(), "the metadata service is switched off"),
        (&right, "requires IMDSv2"),
        (&gone, "is terminated"),
        ("i-0123456789abcdef0", "there is no instance i-0123456789abcdef0"),
    ] {
        let incident = deliver(&scene, &How::default(), &optional(&scene, instance)).await.unwrap();
        assert_eq!(incident.outcome, Some(Outcome::Compliant), "{instance}: {}", incident.reason);
        assert!(incident.reason.contains(why), "{why}: {}", incident.reason);
    }
    assert!(scene.changes(mark).unwrap().is_empty());
    assert!(scene.notices(mark).unwrap().is_empty());
}

#[tokio::test]
async fn r1_1a_a_managed_instance_is_held() {
    let scene = Scene::new().await.unwrap();
    let managed = Launch { managed_by: Some("eks.amazonaws.com"), ..Launch::OPEN };
    let instance = scene.host(managed).await.unwrap();
    let mark = scene.mark().unwrap();
    let held = deliver(&scene, &How::default(), &optional(&scene, &instance)).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held));
    assert!(held.reason.contains("is managed by eks.amazonaws.com"), "{}", held.reason);
    assert!(scene.changes(mark).unwrap().is_empty());
}

#[tokio::test]
async fn r1_1a_a_stopped_instance_is_put_right_for_its_next_start() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::STRICT).await.unwrap();
    known(&scene, &instance).await.unwrap();
    scene.account.ec2().stop_instances().instance_ids(&instance).send().await.unwrap();
    scene.options(&instance, Some("optional"), None).await.unwrap();
    let done = deliver(&scene, &How::default(), &optional(&scene, &instance)).await.unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(now(&scene, &instance).await.unwrap().0, "required");
}

#[tokio::test]
async fn r1_1a_undo_puts_back_only_what_was_changed() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    known(&scene, &instance).await.unwrap();
    scene.options(&instance, Some("optional"), None).await.unwrap();
    let done = deliver(&scene, &How::default(), &optional(&scene, &instance)).await.unwrap();
    let undo = json!({ "backstop": { "undo": {
        "incident": done.id, "requested_by": "alice", "reason": "a legacy agent", "force": false,
    }}});
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let undone = one(attended.invoke(&undo).await.unwrap()).unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
    assert_eq!(now(&scene, &instance).await.unwrap(), ("optional".to_owned(), 2));
}

#[tokio::test]
async fn r1_1a_a_person_requires_imdsv2_of_an_instance() {
    let scene = Scene::new().await.unwrap();
    let (open, strict) =
        (scene.host(Launch::OPEN).await.unwrap(), scene.host(Launch::STRICT).await.unwrap());
    let bare = scene.host(Launch { profile: None, ..Launch::OPEN }).await.unwrap();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let run = |target: Value| {
        json!({ "backstop": { "run": {
            "runbook": "imdsv2.require-tokens", "target": target, "account": scene.id(),
            "region": "eu-west-1", "apply": true, "requested_by": "alice", "reason": "INC-42",
        }}})
    };
    let done = attended.invoke(&run(json!({ "instance_id": open }))).await.unwrap();
    assert_eq!(one(done).unwrap().outcome, Some(Outcome::Contained));
    assert_eq!(now(&scene, &open).await.unwrap().0, "required");
    let ticket = one(attended.invoke(&run(json!({ "instance_id": bare }))).await.unwrap()).unwrap();
    let told = (ticket.outcome, ticket.urgency);
    assert_eq!(told, (Some(Outcome::Contained), Urgency::Ticket), "it has no role to lose");
    let fine = attended.invoke(&run(json!({ "instance_id": strict }))).await.unwrap();
    assert_eq!(one(fine).unwrap().outcome, Some(Outcome::Compliant));
    for wrong in [json!({}), json!({ "group_id": "sg-0abc" }), json!({ "instance_id": "i-;" })] {
        let refused = attended.invoke(&run(wrong.clone())).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Invalid, "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn s1_3_a_config_rule_that_the_policy_names_points_and_live_state_decides() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::OPEN).await.unwrap();
    let fine = scene.host(Launch::STRICT).await.unwrap();
    let found = |rule: &str, instance: &str| {
        let detail = json!({
            "resourceId": instance, "resourceType": "AWS::EC2::Instance", "configRuleName": rule,
            "newEvaluationResult": { "complianceType": "NON_COMPLIANT" },
        });
        scene.recorded().native("Config Rules Compliance Change", "aws.config", &detail)
    };
    let how = How::default();
    let hub = found("securityhub-ec2-imdsv2-check-0a1b2c", &instance);
    let held = deliver(&scene, &how, &hub).await.unwrap();
    assert_eq!((held.outcome, held.signal.as_str()), (Some(Outcome::Held), "S1.3"));
    let other = deliver(&scene, &how, &found("required-tags", &instance)).await.unwrap();
    assert_eq!(other.outcome, Some(Outcome::Compliant), "another rule: {}", other.reason);
    let named = How::default().and("[imdsv2]\nconfig_rules = [\"required-\"]\n");
    let named = deliver(&scene, &named, &found("required-tags", &instance)).await.unwrap();
    assert_ne!(named.outcome, Some(Outcome::Compliant), "{}", named.reason);
    let late = found("ec2-imdsv2-check-conformance-pack-x", &fine);
    let late = deliver(&scene, &how, &late).await.unwrap();
    assert_eq!(late.outcome, Some(Outcome::Compliant), "put right meanwhile: {}", late.reason);
}

#[tokio::test]
async fn s1_1_a_call_that_only_switches_the_service_on_is_judged_by_what_it_left() {
    let scene = Scene::new().await.unwrap();
    let (open, strict) =
        (scene.host(Launch::OPEN).await.unwrap(), scene.host(Launch::STRICT).await.unwrap());
    let on = json!({ "HttpEndpoint": "enabled" });
    let held = deliver(&scene, &How::default(), &scene.recorded().options(&open, &on)).await;
    assert_eq!(held.unwrap().urgency, Urgency::Page);
    let fine = deliver(&scene, &How::default(), &scene.recorded().options(&strict, &on)).await;
    assert_eq!(fine.unwrap().outcome, Some(Outcome::Compliant));
}

#[tokio::test]
async fn s1_1_ipv6_that_was_switched_on_is_for_information() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::STRICT).await.unwrap();
    scene
        .account
        .ec2()
        .modify_instance_metadata_options()
        .instance_id(&instance)
        .http_protocol_ipv6("enabled".into())
        .send()
        .await
        .unwrap();
    let event = scene.recorded().options(&instance, &json!({ "HttpProtocolIpv6": "enabled" }));
    let told = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Info));
    let again = scene.recorded().options(&instance, &json!({ "HttpTokens": "required" }));
    let quiet = deliver(&scene, &How::default(), &again).await.unwrap();
    assert_eq!(quiet.outcome, Some(Outcome::Compliant), "it was not newly switched on");
}
