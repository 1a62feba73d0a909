//! What is measured over the local AWS, and the lines that CloudWatch makes metrics of.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use backstop_core::clock::Clock as _;
use backstop_core::metrics::Measured;
use backstop_core::responder::Responder as _;
use backstop_core::words::{Lane, Limit, Mode, Outcome, Urgency};
use backstop_lambda::emf::{heartbeat, line};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::wait::until;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::process::{MOST, deployed, nothing};
use crate::ssh_access::{machine, one};

const TIMES: [&str; 3] = ["EventToHandler", "EventToContain", "EventToVerified"];

/// Each metric of a line, with its sets of dimensions.
type Metrics = BTreeMap<String, Vec<Vec<String>>>;

/// What breaks a document.
type Change<'a> = &'a dyn Fn(&mut Value);

/// The rules of the specification of the embedded metric format, and of a metric in CloudWatch.
fn check(line: &str) -> Result<(Value, Metrics)> {
    ensure!(!line.contains('\n') && line.len() < 256 * 1024, "one line, one log event");
    let document: Value = serde_json::from_str(line)?;
    let root = document.as_object().context("the root is an object")?;
    let metadata = root.get("_aws").and_then(Value::as_object).context("no `_aws`")?;
    let timestamp = metadata.get("Timestamp").and_then(Value::as_i64).context("no time")?;
    // Milliseconds: as seconds it would be in 1970, as microseconds far away.
    ensure!((1_500_000_000_000..10_000_000_000_000).contains(&timestamp), "{timestamp}");
    let text = |value: &Value| value.as_str().map(str::to_owned).context("not a text");
    let list = |of: &Value, name: &str| -> Result<Vec<Value>> {
        of.get(name).and_then(Value::as_array).cloned().with_context(|| format!("no `{name}`"))
    };
    let mut metrics = BTreeMap::new();
    for directive in list(&document["_aws"], "CloudWatchMetrics")? {
        let namespace = text(&directive["Namespace"])?;
        ensure!((1..=255).contains(&namespace.len()) && !namespace.starts_with("AWS/"));
        let mut sets = Vec::new();
        for set in list(&directive, "Dimensions")? {
            let names: Vec<String> = set
                .as_array()
                .context("a set is a list")?
                .iter()
                .map(text)
                .collect::<Result<_>>()?;
            ensure!(names.len() <= 30, "{} dimensions", names.len());
            for name in &names {
                let value = root.get(name).and_then(Value::as_str);
                let value = value.with_context(|| format!("the dimension `{name}` is no text"))?;
                ensure!((1..=1024).contains(&value.len()) && !value.starts_with(':'), "{value}");
                ensure!(value.is_ascii() && !value.trim().is_empty(), "{value}");
            }
            sets.push(names);
        }
        ensure!(!sets.is_empty(), "no set of dimensions");
        let definitions = list(&directive, "Metrics")?;
        ensure!((1..=100).contains(&definitions.len()), "{} metrics", definitions.len());
        for metric in definitions {
            let (name, unit) = (text(&metric["Name"])?, text(&metric["Unit"])?);
            ensure!((1..=255).contains(&name.len()), "{name}");
            ensure!(["Milliseconds", "Count"].contains(&unit.as_str()), "{unit}");
            let value = root.get(&name).and_then(Value::as_f64);
            let value = value.with_context(|| format!("the metric `{name}` is no number"))?;
            ensure!((0.0..=2f64.powi(360)).contains(&value), "{name}: {value}");
            ensure!(metrics.insert(name, sets.clone()).is_none(), "a metric is defined twice");
        }
    }
    Ok((document, metrics))
}

fn measured() -> Measured {
    Measured {
        at: "2026-11-23T12:00:13.5Z".parse().unwrap(),
        control: "aws-work-02".to_owned(),
        responder: "ssh-access".to_owned(),
        lane: Lane::Unattended,
        mode: Mode::Enforce,
        outcome: Outcome::Contained,
        urgency: Urgency::Page,
        incident: "ssh-access-20261123-aaaaaaaaaaaa".to_owned(),
        signal: "X2.1".to_owned(),
        account: "111111111111".to_owned(),
        region: "eu-west-1".to_owned(),
        to_handler: Some(Duration::from_millis(10_500)),
        to_contain: Some(Duration::from_millis(12_500)),
        to_verified: Some(Duration::from_millis(13_500)),
        limit: None,
    }
}

#[test]
fn every_line_follows_the_embedded_metric_format() {
    let sets = |of: &[&[&str]]| -> Vec<Vec<String>> {
        of.iter().map(|set| set.iter().map(|&name| name.to_owned()).collect()).collect()
    };
    for to_contain in [None, measured().to_contain, Some(Duration::MAX)] {
        for limit in [None, Some(Limit::Fight), Some(Limit::Breaker)] {
            for outcome in Outcome::ALL {
                let m = Measured { to_contain, limit, outcome: *outcome, ..measured() };
                let line = line(&m).unwrap();
                let (document, metrics) = match check(&line) {
                    Ok(checked) => checked,
                    Err(error) => panic!("{error}: {line}"),
                };
                assert_eq!(document["Outcome"], outcome.name());
                assert_eq!(metrics["Incidents"], sets(&[&["Control"], &["Control", "Outcome"]]));
                assert_eq!(metrics["EventToHandler"], sets(&[&["Control"]]));
                assert_eq!(metrics.contains_key("EventToContain"), to_contain.is_some());
                assert_eq!(document.get("EventToContain").is_some(), to_contain.is_some());
                let reached = limit.map(|_| sets(&[&["Control", "Limit"]]));
                assert_eq!(metrics.get("LimitsReached"), reached.as_ref());
            }
        }
    }
    let untimed = Measured { to_handler: None, to_contain: None, to_verified: None, ..measured() };
    let (_, metrics) = check(&line(&untimed).unwrap()).unwrap();
    assert_eq!(metrics.keys().collect::<Vec<_>>(), ["Incidents"]);
}

#[test]
fn a_heartbeats_line_follows_the_format_too() {
    let at = "2026-11-23T12:00:00Z".parse().unwrap();
    let control = vec!["Control".to_owned()];
    for (region, sets) in [
        (Some("eu-west-1"), vec![control.clone(), vec!["Region".to_owned()]]),
        (None, vec![control]),
    ] {
        let line = heartbeat(ssh_access::SshAccess.manifest(), region, at).unwrap();
        let (document, metrics) = check(&line).unwrap();
        assert_eq!(metrics["Heartbeats"], sets, "{line}");
        assert_eq!(document["Heartbeats"], 1);
    }
}

#[test]
fn the_line_is_this_one() {
    assert_eq!(
        serde_json::from_str::<Value>(&line(&measured()).unwrap()).unwrap(),
        json!({
            "_aws": {
                "Timestamp": 1_795_435_213_500_i64,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Backstop",
                        "Dimensions": [["Control"], ["Control", "Outcome"]],
                        "Metrics": [{ "Name": "Incidents", "Unit": "Count" }],
                    },
                    {
                        "Namespace": "Backstop",
                        "Dimensions": [["Control"]],
                        "Metrics": [
                            { "Name": "EventToHandler", "Unit": "Milliseconds" },
                            { "Name": "EventToContain", "Unit": "Milliseconds" },
                            { "Name": "EventToVerified", "Unit": "Milliseconds" },
                        ],
                    },
                ],
            },
            "Control": "aws-work-02", "Outcome": "contained", "Incidents": 1,
            "EventToHandler": 10_500, "EventToContain": 12_500, "EventToVerified": 13_500,
            "Responder": "ssh-access", "Lane": "unattended", "Mode": "enforce", "Urgency": "page",
            "Incident": "ssh-access-20261123-aaaaaaaaaaaa", "Signal": "X2.1",
            "Account": "111111111111", "Region": "eu-west-1",
        })
    );
}

#[test]
fn text_of_others_stays_inside_its_member() {
    let odd = "x\"}\n{\"_aws\":{}}\u{1b}[31m".to_owned();
    let m = Measured { signal: odd.clone(), region: odd.clone(), ..measured() };
    let (document, metrics) = check(&line(&m).unwrap()).unwrap();
    assert_eq!((&document["Signal"], &document["Region"]), (&json!(odd), &json!(odd)));
    let dimensions: Vec<&String> = metrics.values().flatten().flatten().collect();
    assert!(dimensions.iter().all(|d| ["Control", "Outcome", "Limit"].contains(&d.as_str())));
}

#[test]
fn a_line_that_breaks_the_format_is_seen() {
    let good = serde_json::from_str::<Value>(&line(&measured()).unwrap()).unwrap();
    let broken = |change: Change<'_>| {
        let mut document = good.clone();
        change(&mut document);
        check(&document.to_string())
    };
    assert!(broken(&|_| ()).is_ok());
    let first = "/_aws/CloudWatchMetrics/0";
    let cases: [(&str, Change<'_>); 8] = [
        ("no metadata", &|d| drop(d["_aws"].take())),
        ("seconds", &|d| d["_aws"]["Timestamp"] = json!(1_795_435_213)),
        ("no namespace", &|d| d.pointer_mut(first).unwrap()["Namespace"] = json!("")),
        ("a dimension that is no member", &|d| {
            d.pointer_mut(first).unwrap()["Dimensions"] = json!([["Nothing"]]);
        }),
        ("a dimension that is a number", &|d| d["Control"] = json!(2)),
        ("a metric that is no member", &|d| {
            d.pointer_mut(first).unwrap()["Metrics"] =
                json!([{ "Name": "Nothing", "Unit": "Count" }]);
        }),
        ("a metric that is no number", &|d| d["EventToContain"] = json!("fast")),
        ("an unknown unit", &|d| {
            d.pointer_mut(first).unwrap()["Metrics"][0]["Unit"] = json!("Fortnights");
        }),
    ];
    for (case, change) in cases {
        assert!(broken(change).is_err(), "{case}");
    }
    assert!(check(&format!("{{\"a\":1}} {good}")).is_err(), "something before it");
}

/// A group that was opened now, and its event twenty seconds later.
async fn opened(scene: &Scene, source: &str, now: Timestamp) -> Value {
    let group = scene.group(&format!("g-{}", now.as_nanosecond())).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, source)).await.unwrap();
    scene.recorded_at(now).authorized(&group, &[rule])
}

#[tokio::test]
async fn a_contained_event_is_measured_once_and_a_redelivery_is_not() {
    let scene = Scene::new().await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let event = opened(&scene, "0.0.0.0/0", unattended.clock.now()).await;
    unattended.clock.forward(SignedDuration::from_secs(20));
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
    let measured = unattended.meter.take();
    assert_eq!(measured.len(), 1, "{measured:?}");
    let only = &measured[0];
    assert_eq!((only.control.as_str(), only.outcome), ("aws-work-02", Outcome::Contained));
    assert_eq!((&only.incident, &only.signal), (&incident.id, &incident.signal));
    assert_eq!(only.account, scene.id());
    let times = [only.to_handler, only.to_contain, only.to_verified].map(Option::unwrap);
    assert!(times.is_sorted(), "{times:?}");
    // The record's time is in whole seconds: less than one too much.
    let exact = Duration::from_secs(20);
    assert!((exact..exact + Duration::from_secs(1)).contains(&times[0]), "{times:?}");
    check(&line(only).unwrap()).unwrap();
    unattended.clock.forward(SignedDuration::from_hours(20));
    let again = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(again.outcome, Some(Outcome::Duplicate));
    assert_eq!(unattended.meter.take(), [], "a redelivery");
}

#[tokio::test]
async fn what_is_held_has_no_time_to_contain() {
    let scene = Scene::new().await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let event = opened(&scene, "10.0.0.0/8", unattended.clock.now()).await;
    let held = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held), "{}", held.reason);
    let measured = unattended.meter.take().remove(0);
    assert_eq!(measured.outcome, Outcome::Held);
    assert!(measured.to_handler.is_some());
    assert_eq!((measured.to_contain, measured.to_verified), (None, None));
    // Approved hours later: it ends anew, and its times would say nothing of the response.
    let attended = machine(&scene, &How::default().attended()).unwrap();
    attended.clock.forward(SignedDuration::from_hours(3));
    let approve = json!({ "backstop": { "approve": {
        "incident": held.id, "plan_hash": held.plan_hash, "approved_by": "alice" } } });
    let approved = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(approved.outcome, Some(Outcome::Contained), "{}", approved.reason);
    let measured = attended.meter.take().remove(0);
    assert_eq!((measured.outcome, measured.lane), (Outcome::Contained, Lane::Attended));
    assert_eq!(
        (measured.to_handler, measured.to_contain, measured.to_verified),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_retry_that_only_tells_is_not_measured_again() {
    let scene = Scene::new().await.unwrap();
    scene.local.fail(scene.id(), "sns", "Publish", 1, 403, "AuthorizationError").unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let event = opened(&scene, "0.0.0.0/0", unattended.clock.now()).await;
    unattended.invoke(&event).await.unwrap_err();
    assert_eq!(unattended.meter.take().len(), 1, "it was contained, although nobody was told");
    unattended.clock.forward(SignedDuration::from_mins(1));
    let mark = scene.mark().unwrap();
    one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(scene.notices(mark).unwrap().len(), 1, "the retry tells");
    assert_eq!(unattended.meter.take(), [], "and measures nothing");
}

#[tokio::test]
async fn the_deployed_function_logs_a_line_that_cloudwatch_reads() {
    let (scene, function) = deployed(&[]).await;
    let event = opened(&scene, "0.0.0.0/0", Timestamp::now()).await;
    function.put(&[event]).unwrap();
    let lines = until("a measure in the log", MOST, async || {
        // The emulator hands the log over after an invocation, and what came late after the next.
        function.invoke(Lane::Unattended, &nothing(&scene))?.ok();
        let log = function.log(Lane::Unattended)?;
        let lines: Vec<String> = log.into_iter().filter(|l| l.contains("\"_aws\"")).collect();
        Ok((!lines.is_empty()).then_some(lines))
    })
    .await
    .unwrap();
    assert_eq!(lines.len(), 1, "one incident, one line: {lines:?}");
    println!("{}", lines[0]);
    let (document, metrics) = match check(&lines[0]) {
        Ok(checked) => checked,
        Err(error) => panic!("{error}: {}", lines[0]),
    };
    assert_eq!(document["Control"], "aws-work-02");
    assert_eq!(document["Outcome"], "contained");
    assert_eq!(document["Account"], scene.id());
    assert!(TIMES.iter().all(|name| metrics.contains_key(*name)), "{metrics:?}");
    let times = TIMES.map(|name| document[name].as_u64().unwrap());
    assert!(times.is_sorted(), "handler, contained, verified: {times:?}");
}
