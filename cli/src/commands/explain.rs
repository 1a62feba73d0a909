//! `backstop explain`.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use backstop_core::config::Config;
use backstop_core::event::{Explained, Record, parse_any};
use backstop_core::responder::Detection;
use backstop_core::text::safe;
use backstop_core::trust::{self, Verdict};
use serde_json::{Value, json};

use crate::catalogue;
use crate::commands::Format;
use crate::exit::{Exit, Failure};
use crate::reach::policy_of;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop explain event.json`")]
pub(crate) struct Args {
    /// EventBridge events, raw CloudTrail records, or files of records; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The policy file.
    #[arg(long, default_value = "config/backstop.toml")]
    config: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = policy_of(&args.config)?;
    let mut found = false;
    let mut all: Vec<Value> = Vec::new();
    for file in &args.files {
        let text = if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        } else {
            std::fs::read_to_string(file)
                .with_context(|| format!("cannot read `{}`", file.display()))?
        };
        let events = parse_any(&text).map_err(|e| e.context(format!("`{}`", file.display())))?;
        for event in events {
            let explained = explain(&event, &config);
            found |= is_finding(&explained);
            match args.format {
                Format::Json => all.push(explained),
                Format::Text => print(&file.display().to_string(), &explained)?,
            }
        }
    }
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&all).map_err(anyhow::Error::from)?;
        writeln!(std::io::stdout().lock(), "{text}")?;
    }
    Ok(if found { Exit::Findings } else { Exit::Done })
}

/// Whether an event would be assessed.
fn is_finding(explained: &Value) -> bool {
    let candidates = explained.get("candidates").and_then(Value::as_array);
    candidates.is_some_and(|c| !c.is_empty())
        && explained.get("ignored").and_then(Value::as_bool) == Some(false)
}

/// What Backstop makes of one event, without any call to AWS.
pub(crate) fn explain(event: &Explained, config: &Config) -> Value {
    let envelope = &event.envelope;
    let mut distrust: Option<String> = None;
    let checks: Vec<Value> = trust::checks(envelope, config, event.derived)
        .into_iter()
        .map(|check| {
            let (verdict, why) = match check.verdict {
                Verdict::Passed => ("passed", None),
                Verdict::NotChecked(why) => ("not checked", Some(why)),
                Verdict::Failed(why) => {
                    distrust.get_or_insert_with(|| why.clone());
                    ("failed", Some(why))
                }
            };
            json!({ "check": check.name, "verdict": verdict, "why": why })
        })
        .collect();
    let mut candidates: Vec<Value> = Vec::new();
    let mut nothing: Vec<String> = Vec::new();
    for responder in catalogue::responders() {
        let name = responder.manifest().responder;
        match responder.detect(envelope) {
            Detection::Nothing(why) => nothing.push(format!("{name}: {why}")),
            Detection::Candidates(found) => candidates.extend(found.iter().map(|c| {
                json!({
                    "responder": name, "signal": c.signal, "resource": c.resource, "ids": c.ids,
                })
            })),
        }
    }
    let name = envelope.record().map_or(envelope.detail_type.as_str(), |r| r.event_name.as_str());
    let actor = envelope.record().map(Record::actor);
    let would_be = match (&distrust, candidates.is_empty()) {
        (Some(why), _) => format!("ignored: {why}"),
        (None, true) => "ignored: no responder finds a signal in it".to_owned(),
        (None, false) => "assessed from live state".to_owned(),
    };
    json!({
        "event": safe(name, 120),
        "source": safe(&envelope.source, 80),
        "account": safe(&envelope.account, 20),
        "region": safe(&envelope.region, 30),
        "key": envelope.key().map(|k| safe(k, 80)),
        "who": actor.and_then(|a| a.arn.or(a.invoked_by)).map(|who| safe(&who, 200)),
        "envelope": if event.derived { "derived from a raw record" } else { "as delivered" },
        "checks": checks,
        "candidates": candidates,
        "ignored": distrust.is_some(),
        "would_be": would_be,
        "nothing": nothing,
    })
}

fn print(file: &str, explained: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let text = |key: &str| explained.get(key).and_then(Value::as_str).unwrap_or("unknown");
    let list =
        |key: &str| explained.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    writeln!(out, "{file}")?;
    writeln!(out, "  event     {} of {}", text("event"), text("source"))?;
    writeln!(out, "  where     {} in {}", text("account"), text("region"))?;
    writeln!(out, "  who       {}", text("who"))?;
    writeln!(out, "  key       {}", text("key"))?;
    writeln!(out, "  envelope  {}", text("envelope"))?;
    for check in list("checks") {
        let cell =
            |key: &str| check.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let why = if cell("why").is_empty() { String::new() } else { format!(": {}", cell("why")) };
        writeln!(out, "  {:<9} {}{why}", cell("verdict"), cell("check"))?;
    }
    for candidate in list("candidates") {
        let cell = |key: &str| candidate.get(key).cloned().unwrap_or_default();
        let plain = |key: &str| cell(key).as_str().unwrap_or_default().to_owned();
        writeln!(
            out,
            "  candidate {} {} ({})",
            plain("signal"),
            plain("resource"),
            plain("responder")
        )?;
        writeln!(out, "            {}", cell("ids"))?;
    }
    for why in list("nothing") {
        writeln!(out, "  nothing   {}", why.as_str().unwrap_or_default())?;
    }
    writeln!(out, "  would be  {}", text("would_be"))?;
    Ok(())
}
