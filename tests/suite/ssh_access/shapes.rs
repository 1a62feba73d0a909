//! Port 22 in every shape that an attacker or a hurried engineer writes it in: each is found, each
//! has the exact plan, nothing legitimate is removed, and undo is exact but for ids.

use std::collections::BTreeMap;

use backstop_actions::ec2::{Authorize, LiveRule, Modify, Revoke, Rule, rules_of};
use backstop_core::plan::StepRecord;
use backstop_core::report::Reported;
use backstop_core::words::{Class, Outcome};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use serde_json::{Value, json};

use super::{deliver, machine, one};

/// One way to open port 22, and all that must come of it.
struct Shape<'a> {
    name: &'static str,
    /// What the group holds before, besides TCP 443 from everywhere.
    beside: Vec<Allow<'a>>,
    /// What one call authorises.
    opens: Vec<Allow<'a>>,
    /// What is planned.
    plan: &'a [&'a str],
    /// The rules after the unattended steps.
    contained: &'a [&'a str],
    /// The rules after the default of what is held was approved.
    approved: &'a [&'a str],
}

/// What the shapes have in common with a group that nobody attacks.
const HTTPS: &str = "tcp 443 from 0.0.0.0/0";

/// The ingress rules of a group, whole.
async fn ingress(scene: &Scene, group: &str) -> Vec<LiveRule> {
    let rules = rules_of(&scene.account, group).await.unwrap();
    rules.into_iter().filter(|rule| !rule.is_egress).collect()
}

/// The same without ids, in an order that does not depend on them.
fn without_ids(rules: &[LiveRule]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = rules.iter().map(|live| live.rule.clone()).collect();
    rules.sort_by_key(|rule| serde_json::to_string(rule).unwrap());
    rules
}

fn words(rules: &[LiveRule], placeholders: &BTreeMap<String, String>) -> Vec<String> {
    let mut words: Vec<String> = rules.iter().map(|live| live.rule.words()).collect();
    for word in &mut words {
        for (id, name) in placeholders {
            *word = word.replace(id, name);
        }
    }
    words.sort();
    words
}

/// A step in words: its class, its option, and which rule becomes what.
fn step_words(step: &StepRecord) -> String {
    let rule = |value: &Value| -> Option<Rule> { serde_json::from_value(value.clone()).unwrap() };
    let before = rule(&step.before).map(|rule| rule.words());
    let what = match step.action.as_str() {
        "ec2.security-group-rule.revoke/1" => {
            let _: Revoke = serde_json::from_value(step.arguments.clone()).unwrap();
            format!("revoke {}", before.unwrap())
        }
        "ec2.security-group-rule.modify/1" => {
            let modify: Modify = serde_json::from_value(step.arguments.clone()).unwrap();
            format!("change {} into {}", before.unwrap(), modify.rule.words())
        }
        "ec2.security-group-rule.authorize/1" => {
            let authorize: Authorize = serde_json::from_value(step.arguments.clone()).unwrap();
            assert_eq!(before, None);
            format!("add {}", authorize.rule.words())
        }
        other => panic!("an action that no shape knows: {other}"),
    };
    let option = step.option.as_ref().map(|o| format!(" {o}:")).unwrap_or_default();
    format!("{}{option} {what}", step.class)
}

fn order(kind: &str, incident: &Reported) -> Value {
    match kind {
        "approve" => json!({ "backstop": { "approve": {
            "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice",
        }}}),
        _ => json!({ "backstop": { "undo": {
            "incident": incident.id, "requested_by": "alice", "reason": "it was ours",
        }}}),
    }
}

/// Delivers one shape, approves the default, takes all of it back. Returns the row of the table.
async fn play(scene: &Scene, shape: &Shape<'_>, names: &BTreeMap<String, String>) -> String {
    let name = shape.name;
    let group =
        scene.group(&format!("shape {}", name.replace(['/', ':', '+'], "_"))).await.unwrap();
    let named = |allow: &Allow<'_>| {
        let id = names.iter().find(|(_, name)| name.as_str() == allow.source).map(|(id, _)| id);
        id.map_or_else(|| allow.source.to_owned(), |id| id.clone())
    };
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    for allow in &shape.beside {
        let source = named(allow);
        scene.allow(&group, Allow { source: &source, ..*allow }).await.unwrap();
    }
    let mut opened = Vec::new();
    for allow in &shape.opens {
        let source = if allow.source == "itself" { group.clone() } else { named(allow) };
        opened.push(scene.allow(&group, Allow { source: &source, ..*allow }).await.unwrap());
    }
    let mut names = names.clone();
    names.insert(group.clone(), "itself".to_owned());
    let before = ingress(scene, &group).await;

    let event = scene.recorded().authorized(&group, &opened);
    let incident = deliver(scene, &How::default(), &event).await.unwrap();
    let attended = machine(scene, &How::default().attended()).unwrap();
    let stored = attended.engine.journal.show(&incident.id).await.unwrap();
    let mut plan: Vec<String> = stored.steps.iter().map(step_words).collect();
    for line in &mut plan {
        for (id, name) in &names {
            *line = line.replace(id, name);
        }
    }
    // The ids of rules decide the order of those that do not stand on each other.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let expected = shape.plan.iter().map(ToString::to_string).collect();
    assert_eq!(sorted(plan.clone()), sorted(expected), "{name}: the plan");
    for (at, step) in stored.steps.iter().enumerate().skip(1) {
        let (line, before) = (&plan[at], &plan[at - 1]);
        let stands_on = line.contains("narrow: change") && before.contains("narrow: add");
        assert!(!stands_on || step.needs == Some(step.n - 1), "{name}: add before shrink");
        assert!(!line.contains("narrow: add") || !before.contains("narrow: change"), "{name}");
    }
    let contained = ingress(scene, &group).await;
    assert_eq!(words(&contained, &names), shape.contained, "{name}: unattended");
    for step in &stored.steps {
        let waits = step.class != Class::Auto;
        assert_eq!(step.is_held(), waits, "{name}: only what is auto runs unattended: {step:?}");
    }
    let mut last = incident.clone();
    if incident.plan_hash.is_some() {
        last = one(attended.invoke(&order("approve", &incident)).await.unwrap()).unwrap();
    }
    assert_eq!(last.outcome, Some(Outcome::Contained), "{name}: {}", last.reason);
    let approved = ingress(scene, &group).await;
    assert_eq!(words(&approved, &names), shape.approved, "{name}: approved");
    // What the plan is not about stays as it was, its id, description and tags included.
    let touched: Vec<&str> = stored
        .steps
        .iter()
        .filter_map(|step| step.arguments.get("rule_id").and_then(Value::as_str))
        .collect();
    for rule in before.iter().filter(|rule| !touched.contains(&rule.id.as_str())) {
        assert!(approved.contains(rule), "{name}: {} was no part of it", rule.rule.words());
    }
    // No rule admits port 22 any more of those that the event opened, and none is wider than one
    // that was there.
    for rule in approved.iter().filter(|rule| !before.contains(rule)) {
        let from = before.iter().find(|old| {
            old.rule.source == rule.rule.source
                && old.rule.protocol == rule.rule.protocol
                && old.rule.from_port <= rule.rule.from_port
                && old.rule.to_port >= rule.rule.to_port
        });
        assert!(from.is_some(), "{name}: {} widens something", rule.rule.words());
        let from = from.unwrap();
        assert_eq!(rule.rule.description, from.rule.description, "{name}: description");
        assert_eq!(rule.rule.tags, from.rule.tags, "{name}: tags");
    }
    let undone = one(attended.invoke(&order("undo", &last)).await.unwrap()).unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{name}: {}", undone.reason);
    let back = ingress(scene, &group).await;
    assert_eq!(without_ids(&back), without_ids(&before), "{name}: undo");
    let stayed: Vec<String> =
        before.iter().filter(|r| approved.contains(r)).map(|r| r.rule.words()).collect();
    format!(
        "| {name} | {} {} | {} | {} | {} |",
        incident.signal,
        incident.urgency,
        plan.join("<br>"),
        words(&approved, &names).join(", "),
        stayed.join(", "),
    )
}

async fn play_all(shapes: &[Shape<'_>], scene: &Scene, names: &BTreeMap<String, String>) {
    println!("| shape | found | plan | after approval | stayed untouched |\n|---|---|---|---|---|");
    for shape in shapes {
        println!("{}", play(scene, shape, names).await);
    }
}

/// The shape that the unattended lane closes alone.
fn closes<'a>(name: &'static str, opens: Vec<Allow<'a>>, plan: &'a [&'a str]) -> Shape<'a> {
    Shape { name, beside: vec![], opens, plan, contained: &[HTTPS], approved: &[HTTPS] }
}

/// The twelve shapes that other tools were measured by, each beside a legitimate TCP 443.
#[tokio::test]
async fn r2_1a_the_twelve_shapes() {
    let scene = Scene::new().await.unwrap();
    let world = scene.prefix_list("world", &["0.0.0.0/1", "128.0.0.0/1"]).await.unwrap();
    let names = BTreeMap::from([(world, "pl-world".to_owned())]);
    let (v4, v6) = (Allow::tcp(22, "0.0.0.0/0"), Allow::tcp(22, "::/0"));
    let ten = "10.0.0.0/8";
    let shapes = [
        closes("tcp 22 from 0.0.0.0/0", vec![v4], &["auto revoke tcp 22 from 0.0.0.0/0"]),
        closes("tcp 22 from ::/0", vec![v6], &["auto revoke tcp 22 from ::/0"]),
        closes(
            "tcp 22 from both",
            vec![v4, v6],
            &["auto revoke tcp 22 from 0.0.0.0/0", "auto revoke tcp 22 from ::/0"],
        ),
        Shape {
            name: "the world and 10/8 in one permission",
            beside: vec![],
            opens: vec![v4, Allow::tcp(22, ten)],
            plan: &["auto revoke tcp 22 from 0.0.0.0/0", "approval revoke tcp 22 from 10.0.0.0/8"],
            contained: &["tcp 22 from 10.0.0.0/8", HTTPS],
            approved: &[HTTPS],
        },
        Shape {
            name: "tcp 0-65535",
            beside: vec![],
            opens: vec![Allow::range(0, 65535, "0.0.0.0/0")],
            plan: &[
                "approval narrow: add tcp 23-65535 from 0.0.0.0/0",
                "approval narrow: change tcp 0-65535 from 0.0.0.0/0 into tcp 0-21 from 0.0.0.0/0",
                "approval revoke: revoke tcp 0-65535 from 0.0.0.0/0",
            ],
            contained: &["tcp 0-65535 from 0.0.0.0/0", HTTPS],
            approved: &["tcp 0-21 from 0.0.0.0/0", "tcp 23-65535 from 0.0.0.0/0", HTTPS],
        },
        Shape {
            name: "tcp 20-25",
            beside: vec![],
            opens: vec![Allow::range(20, 25, "0.0.0.0/0")],
            plan: &[
                "approval narrow: add tcp 23-25 from 0.0.0.0/0",
                "approval narrow: change tcp 20-25 from 0.0.0.0/0 into tcp 20-21 from 0.0.0.0/0",
                "approval revoke: revoke tcp 20-25 from 0.0.0.0/0",
            ],
            contained: &["tcp 20-25 from 0.0.0.0/0", HTTPS],
            approved: &["tcp 20-21 from 0.0.0.0/0", "tcp 23-25 from 0.0.0.0/0", HTTPS],
        },
        Shape {
            name: "all traffic over IPv4",
            beside: vec![],
            opens: vec![Allow::all("0.0.0.0/0")],
            plan: &["approval revoke all traffic from 0.0.0.0/0"],
            contained: &["all traffic from 0.0.0.0/0", HTTPS],
            approved: &[HTTPS],
        },
        Shape {
            name: "all traffic over IPv6",
            beside: vec![],
            opens: vec![Allow::all("::/0")],
            plan: &["approval revoke all traffic from ::/0"],
            contained: &["all traffic from ::/0", HTTPS],
            approved: &[HTTPS],
        },
        Shape {
            name: "a legitimate all traffic from 10/8 beside tcp 22",
            beside: vec![Allow::all(ten)],
            opens: vec![v4],
            plan: &["auto revoke tcp 22 from 0.0.0.0/0"],
            contained: &["all traffic from 10.0.0.0/8", HTTPS],
            approved: &["all traffic from 10.0.0.0/8", HTTPS],
        },
        closes(
            "0.0.0.0/1 + 128.0.0.0/1",
            vec![Allow::tcp(22, "0.0.0.0/1"), Allow::tcp(22, "128.0.0.0/1")],
            &["auto revoke tcp 22 from 0.0.0.0/1", "auto revoke tcp 22 from 128.0.0.0/1"],
        ),
        Shape {
            name: "a prefix list that covers the world",
            beside: vec![],
            opens: vec![Allow::tcp(22, "pl-world")],
            plan: &["approval revoke tcp 22 from pl-world"],
            contained: &["tcp 22 from pl-world", HTTPS],
            approved: &[HTTPS],
        },
        Shape {
            name: "the world plus an unrelated 8000-9000 from 10/8",
            beside: vec![],
            opens: vec![v4, Allow::range(8000, 9000, ten)],
            plan: &["auto revoke tcp 22 from 0.0.0.0/0"],
            contained: &[HTTPS, "tcp 8000-9000 from 10.0.0.0/8"],
            approved: &[HTTPS, "tcp 8000-9000 from 10.0.0.0/8"],
        },
    ];
    assert_eq!(shapes.len(), 12);
    play_all(&shapes, &scene, &names).await;
}
