//! Measures as CloudWatch's embedded metric format: one line of JSON in the function's log, from
//! which CloudWatch makes metrics. No call, nothing that is still to be sent when Lambda freezes
//! the process.
//!
//! Written with `serde_json`, which is linked anyway, and not with a library.
//! `metrique-writer-format-emf` brings three dozen crates; `metrics_cloudwatch_embedded` brings
//! three, but keeps its metrics in a recorder that is global to the process, knows one set of
//! dimensions per line, and takes the time from the system instead of from our clock.
//!
//! | metric | unit | dimensions |
//! |---|---|---|
//! | `EventToHandler`, `EventToContain`, `EventToVerified` | milliseconds | `Control` |
//! | `Incidents` | count | `Control`; `Control`, `Outcome` |
//! | `LimitsReached` | count | `Control`, `Limit` |
//! | `Heartbeats` | count | `Control`; `Region` |
//!
//! Values of dimensions are words of ours, few and fixed: no event can make a metric. Everything
//! else about the incident stands in the same line as a property, for Logs Insights.

use std::io::Write;
use std::time::Duration;

use backstop_core::manifest::Manifest;
use backstop_core::metrics::{Measured, Meter};
use backstop_core::words::{Lane, Limit, Mode, Outcome, Urgency};
use jiff::Timestamp;
use serde::Serialize;

/// The namespace of every metric.
const NAMESPACE: &str = "Backstop";

/// Writes each measure to standard output, which Lambda makes the function's log.
#[derive(Clone, Copy, Debug)]
pub struct Emf;

impl Meter for Emf {
    fn measure(&self, measured: &Measured) {
        if let Err(error) = line(measured).map_err(Into::into).and_then(write) {
            tracing::warn!(%error, incident = measured.incident, "not measured");
        }
    }

    fn beat(&self, manifest: &Manifest, region: Option<&str>, at: Timestamp) {
        if let Err(error) = heartbeat(manifest, region, at).map_err(Into::into).and_then(write) {
            tracing::warn!(%error, "the heartbeat is not measured");
        }
    }
}

/// Writes a line at once: what `tracing` writes is before it or after it, never in it.
fn write(mut line: String) -> std::io::Result<()> {
    line.push('\n');
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush())
}

/// The line of one heartbeat, without its end.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn heartbeat(
    manifest: &Manifest,
    region: Option<&str>,
    at: Timestamp,
) -> serde_json::Result<String> {
    serde_json::to_string(&Pulse {
        metadata: Metadata {
            timestamp: at.as_millisecond(),
            cloud_watch_metrics: vec![Directive {
                namespace: NAMESPACE,
                dimensions: match region {
                    Some(_) => &[&["Control"], &["Region"]],
                    None => &[&["Control"]],
                },
                metrics: vec![Metric { name: "Heartbeats", unit: "Count" }],
            }],
        },
        control: manifest.control,
        region,
        heartbeats: 1,
        responder: manifest.responder,
    })
}

/// The document of one heartbeat.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pulse<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata,
    control: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    heartbeats: u32,
    responder: &'a str,
}

/// The line of one measure, without its end.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn line(measured: &Measured) -> serde_json::Result<String> {
    serde_json::to_string(&Document::of(measured))
}

/// One document: the metadata, and beside it every member that the metadata names.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    #[serde(rename = "_aws")]
    metadata: Metadata,
    control: &'a str,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
    incidents: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits_reached: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_to_handler: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_to_contain: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_to_verified: Option<u64>,
    responder: &'a str,
    lane: Lane,
    mode: Mode,
    urgency: Urgency,
    incident: &'a str,
    signal: &'a str,
    account: &'a str,
    region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

/// Metrics, and the sets of dimensions that each of them has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl<'a> Document<'a> {
    fn of(m: &'a Measured) -> Self {
        let milliseconds =
            |time: Option<Duration>| Some(u64::try_from(time?.as_millis()).unwrap_or(u64::MAX));
        let mut document = Self {
            metadata: Metadata {
                timestamp: m.at.as_millisecond(),
                cloud_watch_metrics: vec![Directive {
                    namespace: NAMESPACE,
                    dimensions: &[&["Control"], &["Control", "Outcome"]],
                    metrics: vec![Metric { name: "Incidents", unit: "Count" }],
                }],
            },
            control: &m.control,
            outcome: m.outcome,
            limit: m.limit,
            incidents: 1,
            limits_reached: m.limit.map(|_| 1),
            event_to_handler: milliseconds(m.to_handler),
            event_to_contain: milliseconds(m.to_contain),
            event_to_verified: milliseconds(m.to_verified),
            responder: &m.responder,
            lane: m.lane,
            mode: m.mode,
            urgency: m.urgency,
            incident: &m.incident,
            signal: &m.signal,
            account: &m.account,
            region: &m.region,
        };
        let times: Vec<Metric> = [
            ("EventToHandler", document.event_to_handler),
            ("EventToContain", document.event_to_contain),
            ("EventToVerified", document.event_to_verified),
        ]
        .into_iter()
        .filter(|(_, time)| time.is_some())
        .map(|(name, _)| Metric { name, unit: "Milliseconds" })
        .collect();
        if !times.is_empty() {
            document.metadata.cloud_watch_metrics.push(Directive {
                namespace: NAMESPACE,
                dimensions: &[&["Control"]],
                metrics: times,
            });
        }
        if m.limit.is_some() {
            document.metadata.cloud_watch_metrics.push(Directive {
                namespace: NAMESPACE,
                dimensions: &[&["Control", "Limit"]],
                metrics: vec![Metric { name: "LimitsReached", unit: "Count" }],
            });
        }
        document
    }
}
