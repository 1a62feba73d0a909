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
    let source_of = |allow: &Allow<'_>| {
        let id = names.iter().find(|(_, name)| name.as_str() == allow.source).map(|(id, _)| id);
        id.map_or(allow.source, String::as_str).to_owned()
    };
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    for allow in &shape.beside {
        let source = source_of(allow);
        scene.allow(&group, Allow { source: &source, ..*allow }).await.unwrap();
    }
    let mut opened = Vec::new();
    for allow in &shape.opens {
        let source = if allow.source == "itself" { group.clone() } else { source_of(allow) };
        opened.push(scene.allow(&group, Allow { source: &source, ..*allow }).await.unwrap());
    }
    let mut names = names.clone();
    names.insert(group.clone(), "itself".to_owned());
    let before = ingress(scene, &group).await;

    let event = scene.recorded().authorized(&group, &opened);
    // Many shapes share an account: its breaker must not be what stops them.
    let how = How::default().and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 1000\n");
    let incident = deliver(scene, &how, &event).await.unwrap();
    let attended = machine(scene, &how.attended()).unwrap();
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

/// What else an attacker or a hurried engineer writes.
#[tokio::test]
async fn r2_1a_more_shapes_that_open_port_22() {
    let scene = Scene::new().await.unwrap();
    let shapes = [
        closes(
            "one public address",
            vec![Allow::tcp(22, "198.51.100.7/32")],
            &["auto revoke tcp 22 from 198.51.100.7/32"],
        ),
        closes(
            "four quarters, each looks small",
            vec![
                Allow::tcp(22, "0.0.0.0/2"),
                Allow::tcp(22, "64.0.0.0/2"),
                Allow::tcp(22, "128.0.0.0/2"),
                Allow::tcp(22, "192.0.0.0/2"),
            ],
            &[
                "auto revoke tcp 22 from 0.0.0.0/2",
                "auto revoke tcp 22 from 64.0.0.0/2",
                "auto revoke tcp 22 from 128.0.0.0/2",
                "auto revoke tcp 22 from 192.0.0.0/2",
            ],
        ),
        closes(
            "both halves over IPv6",
            vec![Allow::tcp(22, "::/1"), Allow::tcp(22, "8000::/1")],
            &["auto revoke tcp 22 from ::/1", "auto revoke tcp 22 from 8000::/1"],
        ),
        closes(
            "all that IPv6 gives out",
            vec![Allow::tcp(22, "2000::/3")],
            &["auto revoke tcp 22 from 2000::/3"],
        ),
        closes(
            "10/7 looks internal and is half public",
            vec![Allow::tcp(22, "10.0.0.0/7")],
            &["auto revoke tcp 22 from 10.0.0.0/7"],
        ),
        closes(
            "172.16/11 likewise",
            vec![Allow::tcp(22, "172.0.0.0/11")],
            &["auto revoke tcp 22 from 172.0.0.0/11"],
        ),
        closes(
            "6to4 carries IPv4 addresses",
            vec![Allow::tcp(22, "2002::/16")],
            &["auto revoke tcp 22 from 2002::/16"],
        ),
        closes(
            "host bits that EC2 drops",
            vec![Allow::tcp(22, "203.0.113.77/1")],
            &["auto revoke tcp 22 from 128.0.0.0/1"],
        ),
        closes(
            "the protocol as a number",
            vec![Allow { protocol: "6", ..Allow::tcp(22, "0.0.0.0/0") }],
            &["auto revoke tcp 22 from 0.0.0.0/0"],
        ),
        closes(
            "a description that gives orders",
            vec![Allow {
                description: Some("approved by security; do not touch $(id) <script>"),
                ..Allow::tcp(22, "0.0.0.0/0")
            }],
            &["auto revoke tcp 22 from 0.0.0.0/0"],
        ),
    ];
    play_all(&shapes, &scene, &BTreeMap::new()).await;
}

/// What is found and waits for a person: from inside, and from lists.
#[tokio::test]
async fn r2_1a_more_shapes_that_wait_for_a_person() {
    let scene = Scene::new().await.unwrap();
    let other = scene.group("other").await.unwrap();
    let halves = scene.prefix_list("v6", &["::/1", "8000::/1"]).await.unwrap();
    let inside = scene.prefix_list("inside", &["10.0.0.0/8", "192.168.0.0/16"]).await.unwrap();
    let names = BTreeMap::from([
        (other, "sg-other".to_owned()),
        (halves, "pl-halves".to_owned()),
        (inside, "pl-inside".to_owned()),
    ]);
    let held = |name, allow: Allow<'static>, plan: &'static [&'static str]| {
        let line = plan[0].strip_prefix("approval revoke ").unwrap();
        let contained: &'static [&'static str] = Vec::leak(sorted(vec![line, HTTPS]));
        Shape { name, beside: vec![], opens: vec![allow], plan, contained, approved: &[HTTPS] }
    };
    let shapes = [
        held(
            "internal, shared address space",
            Allow::tcp(22, "100.64.0.0/10"),
            &["approval revoke tcp 22 from 100.64.0.0/10"],
        ),
        held(
            "internal, unique local",
            Allow::tcp(22, "fd00::/8"),
            &["approval revoke tcp 22 from fd00::/8"],
        ),
        held("the group itself", Allow::tcp(22, "itself"), &["approval revoke tcp 22 from itself"]),
        held(
            "another group",
            Allow::tcp(22, "sg-other"),
            &["approval revoke tcp 22 from sg-other"],
        ),
        held(
            "all traffic of another group",
            Allow::all("sg-other"),
            &["approval revoke all traffic from sg-other"],
        ),
        held(
            "a prefix list of both halves over IPv6",
            Allow::tcp(22, "pl-halves"),
            &["approval revoke tcp 22 from pl-halves"],
        ),
        held(
            "an internal prefix list",
            Allow::tcp(22, "pl-inside"),
            &["approval revoke tcp 22 from pl-inside"],
        ),
    ];
    play_all(&shapes, &scene, &names).await;
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// Ranges, whose other ports somebody may need.
#[tokio::test]
async fn r2_1a_more_shapes_of_ranges() {
    let scene = Scene::new().await.unwrap();
    let world = scene.prefix_list("world", &["0.0.0.0/0"]).await.unwrap();
    let names = BTreeMap::from([(world, "pl-world".to_owned())]);
    let open = "0.0.0.0/0";
    let note = Some("the team's own: `id` 'quoted'");
    let shapes = [
        Shape {
            name: "22-23: what is left is above",
            beside: vec![],
            opens: vec![Allow { description: note, ..Allow::range(22, 23, open) }],
            plan: &[
                "approval narrow: change tcp 22-23 from 0.0.0.0/0 into tcp 23 from 0.0.0.0/0",
                "approval revoke: revoke tcp 22-23 from 0.0.0.0/0",
            ],
            contained: &["tcp 22-23 from 0.0.0.0/0", HTTPS],
            approved: &["tcp 23 from 0.0.0.0/0", HTTPS],
        },
        Shape {
            name: "1-22: what is left is below",
            beside: vec![],
            opens: vec![Allow { description: note, ..Allow::range(1, 22, open) }],
            plan: &[
                "approval narrow: change tcp 1-22 from 0.0.0.0/0 into tcp 1-21 from 0.0.0.0/0",
                "approval revoke: revoke tcp 1-22 from 0.0.0.0/0",
            ],
            contained: &["tcp 1-22 from 0.0.0.0/0", HTTPS],
            approved: &["tcp 1-21 from 0.0.0.0/0", HTTPS],
        },
        Shape {
            name: "21-23 over IPv6, with a description",
            beside: vec![],
            opens: vec![Allow { description: note, ..Allow::range(21, 23, "::/0") }],
            plan: &[
                "approval narrow: add tcp 23 from ::/0",
                "approval narrow: change tcp 21-23 from ::/0 into tcp 21 from ::/0",
                "approval revoke: revoke tcp 21-23 from ::/0",
            ],
            contained: &["tcp 21-23 from ::/0", HTTPS],
            approved: &["tcp 21 from ::/0", "tcp 23 from ::/0", HTTPS],
        },
        Shape {
            name: "every port of a prefix list",
            beside: vec![],
            opens: vec![Allow::range(0, 65535, "pl-world")],
            plan: &[
                "approval narrow: add tcp 23-65535 from pl-world",
                "approval narrow: change tcp 0-65535 from pl-world into tcp 0-21 from pl-world",
                "approval revoke: revoke tcp 0-65535 from pl-world",
            ],
            contained: &["tcp 0-65535 from pl-world", HTTPS],
            approved: &["tcp 0-21 from pl-world", "tcp 23-65535 from pl-world", HTTPS],
        },
        Shape {
            name: "every port of the group itself",
            beside: vec![],
            opens: vec![Allow::range(0, 65535, "itself")],
            plan: &[
                "approval narrow: add tcp 23-65535 from itself",
                "approval narrow: change tcp 0-65535 from itself into tcp 0-21 from itself",
                "approval revoke: revoke tcp 0-65535 from itself",
            ],
            contained: &["tcp 0-65535 from itself", HTTPS],
            approved: &["tcp 0-21 from itself", "tcp 23-65535 from itself", HTTPS],
        },
        Shape {
            name: "a range whose upper part is there already",
            beside: vec![Allow::range(23, 25, open)],
            opens: vec![Allow::range(20, 25, open)],
            plan: &[
                "approval narrow: change tcp 20-25 from 0.0.0.0/0 into tcp 20-21 from 0.0.0.0/0",
                "approval revoke: revoke tcp 20-25 from 0.0.0.0/0",
            ],
            contained: &["tcp 20-25 from 0.0.0.0/0", "tcp 23-25 from 0.0.0.0/0", HTTPS],
            approved: &["tcp 20-21 from 0.0.0.0/0", "tcp 23-25 from 0.0.0.0/0", HTTPS],
        },
        Shape {
            name: "exactly 22 hidden beside a range",
            beside: vec![],
            opens: vec![Allow::range(1, 1024, "10.0.0.0/8"), Allow::tcp(22, "203.0.113.0/24")],
            plan: &[
                "auto revoke tcp 22 from 203.0.113.0/24",
                "approval narrow: add tcp 23-1024 from 10.0.0.0/8",
                "approval narrow: change tcp 1-1024 from 10.0.0.0/8 into tcp 1-21 from 10.0.0.0/8",
                "approval revoke: revoke tcp 1-1024 from 10.0.0.0/8",
            ],
            contained: &["tcp 1-1024 from 10.0.0.0/8", HTTPS],
            approved: &["tcp 1-21 from 10.0.0.0/8", "tcp 23-1024 from 10.0.0.0/8", HTTPS],
        },
    ];
    play_all(&shapes, &scene, &names).await;
}

/// What looks like port 22 and is not.
#[tokio::test]
async fn r2_1a_shapes_that_admit_no_ssh_are_no_finding() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let open = "0.0.0.0/0";
    let of = |protocol, ports| Allow { protocol, ports, ..Allow::tcp(22, open) };
    for (name, allow) in [
        ("udp 22", of("udp", Some((22, 22)))),
        ("udp as a number, every port", of("17", Some((0, 65535)))),
        ("icmp type 22", of("icmp", Some((22, -1)))),
        ("every icmp type", of("icmp", Some((-1, -1)))),
        ("icmp as a number", of("1", Some((22, 22)))),
        ("icmpv6 type 22", Allow { source: "::/0", ..of("icmpv6", Some((22, 22))) }),
        ("ESP, which has no ports", of("50", None)),
        ("SCTP", of("132", None)),
        ("tcp 2222", Allow::tcp(2222, open)),
        ("tcp 23-65535", Allow::range(23, 65535, open)),
        ("tcp 0-21", Allow::range(0, 21, open)),
    ] {
        let rule = scene.allow(&group, allow).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        let mark = scene.mark().unwrap();
        let reply = machine(&scene, &How::default()).unwrap().invoke(&event).await.unwrap();
        assert_eq!(reply.ignored.as_deref(), Some("no rule in it can admit TCP 22"), "{name}");
        assert!(scene.calls(mark).unwrap().is_empty(), "{name}: it costs no call");
        println!("| {name} | no finding, 0 calls |");
    }
}

/// The same reached by changing a rule: the id stays, so only its ports or its source may tell.
#[tokio::test]
async fn x2_2_a_rule_is_changed_into_each_shape() {
    let scene = Scene::new().await.unwrap();
    for (n, (was, now, plan)) in [
        (
            Allow::tcp(443, "10.0.0.0/8"),
            ((22, 22), "0.0.0.0/0"),
            vec!["auto revoke tcp 22 from 0.0.0.0/0"],
        ),
        (
            Allow::tcp(22, "10.0.0.0/8"), // only the source is widened
            ((22, 22), "10.0.0.0/7"),
            vec!["auto revoke tcp 22 from 10.0.0.0/7"],
        ),
        (
            Allow::tcp(8080, "0.0.0.0/0"), // only the ports are
            ((20, 8080), "0.0.0.0/0"),
            vec![
                "approval narrow: add tcp 23-8080 from 0.0.0.0/0",
                "approval narrow: change tcp 20-8080 from 0.0.0.0/0 into tcp 20-21 from 0.0.0.0/0",
                "approval revoke: revoke tcp 20-8080 from 0.0.0.0/0",
            ],
        ),
        (
            Allow::tcp(22, "0.0.0.0/0"), // made better, not good
            ((22, 22), "192.168.0.0/16"),
            vec!["approval revoke tcp 22 from 192.168.0.0/16"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let group = scene.group(&format!("modified {n}")).await.unwrap();
        let rule = scene.allow(&group, was).await.unwrap();
        let id = rule.security_group_rule_id().unwrap();
        scene.modify(&group, id, now.0, now.1).await.unwrap();
        let changed = scene.rule(&group, id).await.unwrap();
        let event = scene.recorded().modified(&group, &[changed]);
        let incident = deliver(&scene, &How::default(), &event).await.unwrap();
        assert_eq!(incident.signal, "X2.2");
        let journal = machine(&scene, &How::default()).unwrap().engine.journal;
        let steps = journal.show(&incident.id).await.unwrap().steps;
        let planned: Vec<String> = steps.iter().map(step_words).collect();
        assert_eq!(planned, plan);
    }
}
