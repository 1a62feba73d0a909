//! X2.1 and R2.1a: a rule that opens SSH is authorised.

use backstop_core::words::{Class, Outcome, StepStatus, Urgency};
use backstop_testkit::aws_cli::AwsCli;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Call, Scene};
use serde_json::json;

use super::{deliver, machine, one};

#[tokio::test]
async fn x2_1_a_rule_of_the_event_is_revoked_and_nothing_else() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    scene.allow(&group, Allow::tcp(22, "198.51.100.0/24")).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();

    let incident = deliver(&scene, &How::default(), &event).await.unwrap();

    assert_eq!(incident.outcome, Some(Outcome::Contained), "{incident:?}");
    assert_eq!(incident.signal, "X2.1");
    assert_eq!(incident.urgency, Urgency::Page);
    assert_eq!(incident.plan_hash, None, "nothing is left to approve");
    assert_eq!(incident.steps.len(), 1);
    let step = &incident.steps[0];
    assert_eq!((step.class, step.status), (Class::Auto, StepStatus::Verified));
    assert_eq!(step.action, "ec2.security-group-rule.revoke/1");
    assert_eq!(step.after, Some(json!(null)));
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        ["tcp 22 from 198.51.100.0/24", "tcp 443 from 0.0.0.0/0"],
        "only the rule of the event goes; an older one is not touched"
    );
    assert_eq!(scene.changes(mark).unwrap(), ["ec2:RevokeSecurityGroupIngress"]);
    let notices = scene.notices(mark).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].0, "page");
    assert!(notices[0].1.contains("assumed-role/deployer/alice"), "{}", notices[0].1);
    assert!(notices[0].1.contains(&incident.id), "{}", notices[0].1);
}

#[tokio::test]
async fn x2_1_the_flat_form_of_the_request_and_ipv6_are_found() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let v4 = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let flat = scene.recorded().authorized_flat(&group, &v4);
    let incident = deliver(&scene, &How::default(), &flat).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained));

    let v6 = scene.allow(&group, Allow::tcp(22, "::/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[v6]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained));
    assert!(scene.rules(&group).await.unwrap().is_empty());
}

#[tokio::test]
async fn x2_1_one_record_with_several_rules_is_one_incident_with_a_step_each() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let mut rules = Vec::new();
    for source in ["0.0.0.0/0", "::/0", "203.0.113.0/24", "10.0.0.0/8"] {
        rules.push(scene.allow(&group, Allow::tcp(22, source)).await.unwrap());
    }
    rules.push(scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap());
    let event = scene.recorded().authorized(&group, &rules);

    let incident = deliver(&scene, &How::default(), &event).await.unwrap();

    assert_eq!(incident.outcome, Some(Outcome::Partial), "{}", incident.reason);
    let classes: Vec<Class> = incident.steps.iter().map(|s| s.class).collect();
    assert_eq!(classes.iter().filter(|c| **c == Class::Auto).count(), 3);
    assert_eq!(classes.iter().filter(|c| **c == Class::Approval).count(), 1);
    assert!(incident.plan_hash.is_some(), "the internal source waits for an approval");
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        ["tcp 22 from 10.0.0.0/8", "tcp 443 from 0.0.0.0/0"]
    );
}

/// Every row of spec §3.4 that is not exactly TCP 22 from a public source.
#[tokio::test]
async fn r2_1a_what_is_not_exactly_tcp_22_is_held_with_its_plan() {
    let scene = Scene::new().await.unwrap();
    for (n, (allow, urgency, why)) in [
        (
            Allow {
                protocol: "tcp",
                ports: Some((20, 25)),
                source: "0.0.0.0/0",
                description: None,
            },
            Urgency::Page,
            "the ports 20-25",
        ),
        (
            Allow { protocol: "tcp", ports: Some((0, 65535)), source: "::/0", description: None },
            Urgency::Page,
            "the ports 0-65535",
        ),
        (
            Allow { protocol: "-1", ports: None, source: "0.0.0.0/0", description: None },
            Urgency::Page,
            "all traffic",
        ),
        (Allow::tcp(22, "10.0.0.0/8"), Urgency::Ticket, "its source is internal"),
        (Allow::tcp(22, "fd00::/8"), Urgency::Ticket, "its source is internal"),
    ]
    .into_iter()
    .enumerate()
    {
        let group = scene.group(&format!("g{n}")).await.unwrap();
        let rule = scene.allow(&group, allow).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        let mark = scene.mark().unwrap();
        let incident = deliver(&scene, &How::default(), &event).await.unwrap();
        assert_eq!(incident.outcome, Some(Outcome::Held), "{allow:?}: {}", incident.reason);
        assert_eq!(incident.urgency, urgency, "{allow:?}");
        assert!(!incident.steps.is_empty(), "{allow:?}");
        assert!(incident.steps.iter().all(|s| s.status == StepStatus::Held), "{allow:?}");
        assert!(incident.plan_hash.is_some());
        assert!(scene.changes(mark).unwrap().is_empty(), "{allow:?}: nothing may be changed");
        let text = &scene.notices(mark).unwrap()[0].1;
        assert!(text.contains(why), "{allow:?}: {text}");
    }
}

#[tokio::test]
async fn r2_1a_what_does_not_admit_ssh_is_no_finding_and_costs_no_call() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    for allow in [
        Allow::tcp(443, "0.0.0.0/0"),
        Allow { protocol: "udp", ports: Some((22, 22)), source: "0.0.0.0/0", description: None },
        Allow { protocol: "icmp", ports: Some((22, -1)), source: "0.0.0.0/0", description: None },
    ] {
        let rule = scene.allow(&group, allow).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        let mark = scene.mark().unwrap();
        let reply = machine(&scene, &How::default()).unwrap().invoke(&event).await.unwrap();
        assert_eq!(reply.ignored.as_deref(), Some("no rule in it can admit TCP 22"), "{allow:?}");
        assert!(scene.calls(mark).unwrap().is_empty(), "{allow:?}: an event of no interest");
    }
}

#[tokio::test]
async fn r2_1a_live_state_decides_not_the_event() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    scene
        .account
        .ec2()
        .revoke_security_group_ingress()
        .group_id(&group)
        .security_group_rule_ids(rule.security_group_rule_id().unwrap())
        .send()
        .await
        .unwrap();
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Compliant), "{}", incident.reason);
    assert!(scene.changes(mark).unwrap().is_empty());
    assert!(scene.notices(mark).unwrap().is_empty(), "nobody is called for what is over");

    scene.account.ec2().delete_security_group().group_id(&group).send().await.unwrap();
    let mut gone = scene.recorded().authorized(&group, &[rule]);
    gone["detail"]["eventID"] = json!("another");
    let incident = deliver(&scene, &How::default(), &gone).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Compliant));
    let gone = format!("there is no security group {group} in {} eu-west-1", scene.id());
    assert_eq!((incident.reason.as_str(), incident.absent), (gone.as_str(), true));
}

#[tokio::test]
async fn r2_1a_a_record_without_a_rule_set_holds_every_open_rule() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = scene.recorded().authorized(&group, &[rule]);
    event["detail"]["responseElements"] = json!({ "requestId": "r", "_return": true });
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.steps[0].class, Class::Approval, "which rule was its own is unknown");
}

#[tokio::test]
async fn r2_1a_a_group_with_more_interfaces_than_allowed_is_held() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("shared").await.unwrap();
    scene.launch(3, &group, None).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let how = How::default().and("[ssh-access]\nmax_interfaces = 2\n");
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    let text = &scene.notices(mark).unwrap()[0].1;
    assert!(text.contains("3 interfaces use the group, the limit is 2"), "{text}");
    assert!(text.contains("3 network interfaces of 3 instances"), "{text}");
}

#[tokio::test]
async fn r2_1a_groups_that_services_manage_are_not_touched() {
    let scene = Scene::new().await.unwrap();
    for name in ["eks-remoteAccess-1", "ElasticMapReduce-master", "d-123456_controllers"] {
        let group = scene.group(name).await.unwrap();
        let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        let mark = scene.mark().unwrap();
        let incident = deliver(&scene, &How::default(), &event).await.unwrap();
        assert_eq!(incident.outcome, Some(Outcome::Held), "{name}: {}", incident.reason);
        assert!(incident.reason.contains("manages"), "{name}: {}", incident.reason);
        assert!(scene.changes(mark).unwrap().is_empty());
    }
}

/// R2.1a (f): the rule is gone, but is the port closed?
#[tokio::test]
async fn r2_1a_what_still_admits_ssh_after_the_containment_is_said() {
    let scene = Scene::new().await.unwrap();
    let (web, base) = (scene.group("web").await.unwrap(), scene.group("base").await.unwrap());
    let instance = scene.launch(1, &web, None).await.unwrap().remove(0);
    let interface = instance.network_interfaces()[0].network_interface_id().unwrap().to_owned();
    let set = scene.account.ec2().modify_network_interface_attribute();
    set.network_interface_id(&interface).groups(&web).groups(&base).send().await.unwrap();
    let said = async |name: &str| {
        let rule = scene.allow(&web, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let event = scene.recorded().authorized(&web, &[rule]);
        let mark = scene.mark().unwrap();
        let incident = deliver(&scene, &How::default(), &event).await.unwrap();
        assert_eq!(incident.outcome, Some(Outcome::Contained), "{name}: {}", incident.reason);
        let calls: Vec<String> = scene.calls(mark).unwrap().iter().map(Call::name).collect();
        let revoked = calls.iter().position(|c| c == "ec2:RevokeSecurityGroupIngress").unwrap();
        let reads = calls.iter().filter(|c| *c == "ec2:DescribeNetworkInterfaces").count();
        assert_eq!(reads, 2, "{name}: one look before, one after");
        let last = calls.iter().rposition(|c| c == "ec2:DescribeNetworkInterfaces").unwrap();
        assert!(revoked < last, "{name}: containment comes first");
        scene.notices(mark).unwrap().remove(0).1
    };
    let closed = said("closed").await;
    assert!(
        closed.contains("no other rule of the 2 groups of these interfaces admits SSH"),
        "{closed}"
    );

    let older = scene.allow(&base, Allow::all("203.0.113.0/24")).await.unwrap();
    let older = older.security_group_rule_id().unwrap();
    let open = said("open").await;
    let line = format!("{older} (all traffic from 203.0.113.0/24) of {base}, on 1 of these");
    assert!(open.contains(&line), "{open}");
}

#[tokio::test]
async fn r2_1a_a_group_that_another_account_shares_is_reported_and_left_alone() {
    let (owner, scene) = (Scene::new().await.unwrap(), Scene::new().await.unwrap());
    let group = owner.group("shared").await.unwrap();
    let rule = owner.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let arn = format!("arn:aws:ec2:eu-west-1:{}:security-group/{group}", owner.id());
    let cli = AwsCli::at(owner.local.endpoint(), owner.id()).unwrap();
    cli.share("eu-west-1", &arn, scene.id()).unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Observed), "{}", incident.reason);
    assert!(incident.steps.is_empty(), "EC2 would refuse every step: {:?}", incident.steps);
    let (topic, text) = &scene.notices(mark).unwrap()[0];
    assert_eq!(topic, "page");
    assert!(text.contains(&format!("{group} belongs to the account {}", owner.id())), "{text}");
    assert!(scene.changes(mark).unwrap().is_empty());
}

#[tokio::test]
async fn r2_1a_the_second_page_of_rules_is_read() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("many").await.unwrap();
    for n in 0..30 {
        let source = format!("10.9.{n}.0/24");
        scene.allow(&group, Allow::tcp(443, &source)).await.unwrap();
    }
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = scene.recorded().authorized(&group, &[rule]);
    event["detail"]["responseElements"] = json!(null);
    event["detail"]["requestParameters"]["ipPermissions"] = json!({});
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.steps.len(), 1);
    let calls = scene.calls(mark).unwrap();
    let pages = calls.iter().filter(|c| c.operation == "DescribeSecurityGroupRules").count();
    assert!(pages >= 2, "{pages} pages");
}

#[tokio::test]
async fn r2_1a_a_corporate_network_is_a_ticket_and_waits() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "203.0.113.7/32")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let how = How::default().and("[ssh-access]\ncorporate_cidrs = [\"203.0.113.0/24\"]\n");
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.urgency, Urgency::Ticket);
    assert!(scene.changes(mark).unwrap().is_empty());
}

#[tokio::test]
async fn r2_1a_strict_internal_pages_and_waits_all_the_same() {
    let scene = Scene::new().await.unwrap();
    let other = scene.group("other").await.unwrap();
    let how = How::default().and("[ssh-access]\nstrict_internal = true\n");
    for source in ["10.0.0.0/8", &other] {
        for (how, urgency) in [(&How::default(), Urgency::Ticket), (&how, Urgency::Page)] {
            let group = scene.group(&format!("{urgency} {}", source.len())).await.unwrap();
            let rule = scene.allow(&group, Allow::tcp(22, source)).await.unwrap();
            let event = scene.recorded().authorized(&group, &[rule]);
            let mark = scene.mark().unwrap();
            let incident = deliver(&scene, how, &event).await.unwrap();
            assert_eq!(incident.urgency, urgency, "{source}");
            assert_eq!(incident.outcome, Some(Outcome::Held), "{source}: {}", incident.reason);
            assert!(scene.changes(mark).unwrap().is_empty(), "{source}");
        }
    }
}

#[tokio::test]
async fn r2_1a_a_bastions_group_waits_for_a_person_until_its_date() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("bastion").await.unwrap();
    let how = How::default().and(&format!(
        "[[ssh-access.bastion_group]]\ngroup_id = \"{group}\"\nuntil = \"2099-01-31\"\n\
         reason = \"two teams have yet to move\"\n"
    ));
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert!(incident.steps[0].reason.contains("on the bastion list until 2099-0"), "{incident:?}");
    assert_eq!(scene.notices(mark).unwrap()[0].0, "page", "the alert is never suppressed");
    assert!(scene.changes(mark).unwrap().is_empty());

    // Without the entry, as after its date, it is a group like any other.
    let mut later = scene.recorded().authorized(&group, &[rule]);
    later["detail"]["eventID"] = json!("another");
    let incident = deliver(&scene, &How::default(), &later).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
}

#[tokio::test]
async fn r2_1a_a_record_that_names_nothing_is_unknown_and_pages() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = scene.recorded().authorized(&group, &[rule]);
    event["detail"]["requestParameters"] = json!(null);
    event["detail"]["responseElements"] = json!(null);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert!(incident.reason.starts_with("it could not be assessed"), "{}", incident.reason);
    assert_eq!(scene.notices(mark).unwrap()[0].0, "page");
    assert!(scene.changes(mark).unwrap().is_empty());
}

#[tokio::test]
async fn r2_1a_many_long_rules_do_not_make_the_notice_too_long_to_send() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("many").await.unwrap();
    let long = "x".repeat(250);
    let mut rules = Vec::new();
    for n in 0..40 {
        let source = format!("10.8.{n}.0/24");
        let allow = Allow { description: Some(&long), ..Allow::tcp(22, &source) };
        rules.push(scene.allow(&group, allow).await.unwrap());
    }
    let event = scene.recorded().authorized(&group, &rules);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(incident.steps.len(), 40);
    let notices = scene.notices(mark).unwrap();
    assert_eq!(notices.len(), 1);
    let text = &notices[0].1;
    assert!(text.len() < 8_000, "{}", text.len());
    for said in ["assumed-role/deployer/alice", "outcome    held", &incident.id, "\"approve\""] {
        assert!(text.contains(said), "`{said}` was cut off: {text}");
    }
    assert!(text.contains("… and 33 more lines"), "{text}");
    let shown = machine(&scene, &How::default()).unwrap();
    let shown = shown.engine.journal.show(&incident.id).await.unwrap();
    assert_eq!(shown.steps.len(), 40, "a long plan is kept whole");
}

#[tokio::test]
async fn r2_1a_a_runbook_plans_and_applies_by_hand() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let run = |apply: bool| {
        json!({ "backstop": { "run": {
            "runbook": "ssh-access.revoke-ingress", "target": { "group_id": group },
            "account": scene.id(), "region": "eu-west-1", "apply": apply,
            "requested_by": "alice", "reason": "INC-42",
        }}})
    };
    let mark = scene.mark().unwrap();
    let planned = one(attended.invoke(&run(false)).await.unwrap()).unwrap();
    assert_eq!(planned.outcome, Some(Outcome::Planned), "{}", planned.reason);
    assert!(planned.plan_hash.is_some());
    assert!(scene.changes(mark).unwrap().is_empty());

    let applied = one(attended.invoke(&run(true)).await.unwrap()).unwrap();
    assert_eq!(applied.outcome, Some(Outcome::Contained), "{}", applied.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 443 from 0.0.0.0/0"]);
}

/// Who opens many at once hides the worst among them, and must not stop the responder with it.
#[tokio::test]
async fn r2_1a_what_admits_most_is_closed_first_and_one_call_is_one_action() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("many").await.unwrap();
    let mut rules = Vec::new();
    for n in 0..14 {
        let source = format!("198.51.100.{n}/32");
        rules.push(scene.allow(&group, Allow::tcp(22, &source)).await.unwrap());
    }
    rules.push(scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap());
    let event = scene.recorded().authorized(&group, &rules);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert!(scene.rules(&group).await.unwrap().is_empty(), "the default breaker lets 10 pass");
    let world = rules.last().unwrap().security_group_rule_id().unwrap();
    let calls = scene.calls(mark).unwrap();
    let first = calls.iter().find(|c| c.operation == "RevokeSecurityGroupIngress").unwrap();
    assert!(first.params.to_string().contains(world), "{:?}", first.params);
}

/// The twelve shapes by hand: a runbook on a whole group does not mean the traffic within it.
#[tokio::test]
async fn r2_1a_a_runbook_on_a_whole_group_leaves_what_is_inside() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("shared").await.unwrap();
    scene.allow(&group, Allow::all(&group)).await.unwrap();
    let ten = scene.allow(&group, Allow::all("10.0.0.0/8")).await.unwrap();
    scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let instance = scene.launch(1, &group, Some("laptop")).await.unwrap().remove(0);
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let run = |target: serde_json::Value, apply: bool| {
        json!({ "backstop": { "run": {
            "runbook": "ssh-access.revoke-ingress", "target": target,
            "account": scene.id(), "region": "eu-west-1", "apply": apply,
            "requested_by": "alice", "reason": "INC-42",
        }}})
    };
    let instance = instance.instance_id().unwrap();
    for target in [json!({ "instance_id": instance }), json!({ "group_id": group })] {
        let planned = one(attended.invoke(&run(target, false)).await.unwrap()).unwrap();
        assert_eq!(planned.steps.len(), 1, "{:?}", planned.steps);
        assert!(planned.steps[0].before.to_string().contains("0.0.0.0/0"));
        let said = planned.follow_up.join("\n");
        assert!(said.contains("2 rules of") && said.contains("are not planned for"), "{said}");
        assert!(planned.blast_radius.unwrap().contains(instance), "who is concerned");
    }
    let done = one(attended.invoke(&run(json!({ "group_id": group }), true)).await.unwrap());
    assert_eq!(done.unwrap().outcome, Some(Outcome::Contained));
    let left = scene.rules(&group).await.unwrap();
    assert_eq!(left, ["all traffic from 10.0.0.0/8", &format!("all traffic from {group}")]);
    // Named, it is meant.
    let rule = ten.security_group_rule_id().unwrap();
    let target = json!({ "group_id": group, "rule_id": rule });
    let named = one(attended.invoke(&run(target, false)).await.unwrap()).unwrap();
    assert_eq!(named.steps.len(), 1);
    // A name that is none says so, and does not say that all is well.
    let wrong = json!({ "group_id": group, "rule_id": "sgr-0123456789abcdef0" });
    let wrong = one(attended.invoke(&run(wrong, false)).await.unwrap()).unwrap();
    let expected = format!("sgr-0123456789abcdef0 is no rule of {group}; 2 rules of it admit SSH");
    assert_eq!((wrong.outcome, wrong.reason), (Some(Outcome::Compliant), expected));
}

/// A group need not carry the tags, nor be of the VPC, of what uses it.
#[tokio::test]
async fn r2_1a_a_group_is_production_if_an_interface_that_uses_it_is() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("untagged").await.unwrap();
    let instance = scene.launch(1, &group, None).await.unwrap().remove(0);
    let interface = instance.network_interfaces()[0].network_interface_id().unwrap().to_owned();
    let mut how = How::default();
    how.policy = how.policy.replace(
        "everything = true",
        "[[scope.production.tags]]\nkey = \"environment\"\nvalues = [\"production\"]",
    );
    for (tagged, outcome) in [(false, Outcome::Held), (true, Outcome::Contained)] {
        if tagged {
            scene.tag(&interface, &[("environment", "production")]).await.unwrap();
        }
        let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let id = rule.security_group_rule_id().unwrap().to_owned();
        let event = scene.recorded().authorized(&group, &[rule]);
        let incident = deliver(&scene, &how, &event).await.unwrap();
        assert_eq!(incident.outcome, Some(outcome), "{}", incident.reason);
        if !tagged {
            let revoke = scene.account.ec2().revoke_security_group_ingress().group_id(&group);
            revoke.security_group_rule_ids(id).send().await.unwrap();
        }
    }
}

/// Somebody repairs by hand what is held, and the attacker does it again: that is news.
#[tokio::test]
async fn x2_2_what_is_done_again_after_the_first_incident_pages_again() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::range(20, 25, "0.0.0.0/0")).await.unwrap();
    let id = rule.security_group_rule_id().unwrap().to_owned();
    let first = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let unattended = machine(&scene, &How::default()).unwrap();
    let held = one(unattended.invoke(&first).await.unwrap()).unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held));

    scene.modify(&group, &id, (23, 25), "0.0.0.0/0").await.unwrap();
    scene.modify(&group, &id, (20, 25), "0.0.0.0/0").await.unwrap();
    unattended.clock.forward(jiff::SignedDuration::from_mins(5));
    let now = backstop_core::clock::Clock::now(unattended.clock.as_ref());
    let again = scene.recorded_at(now).modified(&group, &[rule]);
    let mark = scene.mark().unwrap();
    let again = one(unattended.invoke(&again).await.unwrap()).unwrap();
    assert_eq!(again.outcome, Some(Outcome::Held), "{}", again.reason);
    assert_eq!(scene.notices(mark).unwrap()[0].0, "page");
}

#[tokio::test]
async fn r2_1a_a_foreign_group_that_admits_ssh_is_not_compliant() {
    let (owner, scene) = (Scene::new().await.unwrap(), Scene::new().await.unwrap());
    let group = owner.group("theirs").await.unwrap();
    owner.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let arn = format!("arn:aws:ec2:eu-west-1:{}:security-group/{group}", owner.id());
    let cli = AwsCli::at(owner.local.endpoint(), owner.id()).unwrap();
    cli.share("eu-west-1", &arn, scene.id()).unwrap();
    let instance = scene.launch(1, &group, None).await.unwrap().remove(0);
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let run = json!({ "backstop": { "run": {
        "runbook": "ssh-access.revoke-ingress",
        "target": { "instance_id": instance.instance_id().unwrap() },
        "account": scene.id(), "region": "eu-west-1", "apply": true,
        "requested_by": "alice", "reason": "INC-42",
    }}});
    let found = one(attended.invoke(&run).await.unwrap()).unwrap();
    assert_eq!(found.outcome, Some(Outcome::Observed), "{}", found.reason);
    assert!(found.follow_up.join("\n").contains(owner.id()), "{:?}", found.follow_up);
}

#[tokio::test]
async fn r2_1a_a_group_of_an_account_out_of_scope_pages() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let source = "999999999999/sg-0123456789abcdef0";
    let rule = scene.allow(&group, Allow::tcp(22, source)).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((incident.outcome, incident.urgency), (Some(Outcome::Held), Urgency::Page));
    assert!(incident.steps[0].reason.contains("the account 999999999999"), "{incident:?}");
}
