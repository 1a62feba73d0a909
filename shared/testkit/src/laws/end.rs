//! The end state of a response: what is compared with the run without a fault.

use std::collections::BTreeMap;

use anyhow::Result;
use backstop_core::incident::{Change, Incident};
use backstop_core::journal::Journal;
use backstop_core::words::Outcome;
use serde_json::{Value, json};

use super::{Seen, Thing};
use crate::local::Call;
use crate::scene::Scene;

/// How a response ended.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The thing as it is read back, and how each incident stands. No id that AWS makes anew, no
    /// time, no owner; and not:
    ///
    /// - the wording of a step's `detail` and of the `reason`: a resumption may say more;
    /// - how often an entry other than `Closed` was written: a repetition notes that it resumed;
    /// - `contained_at`, which is the time of an answer, and an answer may be lost;
    /// - the order among the steps of one action: it is that of the ids that AWS gave;
    /// - the number of an OpsItem: that there is one is compared.
    pub state: Value,
    /// The mutating calls that AWS carried out, by name.
    pub changes: BTreeMap<String, usize>,
    /// The notices that were published, by topic.
    pub notices: BTreeMap<String, usize>,
    /// How each incident ended.
    pub outcomes: Vec<Option<Outcome>>,
}

impl End {
    /// Reads how the incidents of a delivery ended, since a mark.
    ///
    /// # Errors
    /// If the local AWS or the journal does not answer.
    pub async fn read(
        scene: &Scene,
        journal: &Journal,
        thing: &dyn Thing,
        incidents: &[String],
        mark: u64,
    ) -> Result<Self> {
        let Seen { whole, beside } = thing.read(scene).await?;
        let mut shown = Vec::new();
        let mut outcomes = Vec::new();
        for id in incidents {
            let incident = journal.show(id).await?;
            let (fights, _) = journal.fights(&incident.header.candidate.resource).await?;
            outcomes.push(incident.header.outcome);
            shown.push(of(&incident, &serde_json::to_value(fights)?));
        }
        let neighbours = beside.as_array().map_or(0, Vec::len);
        let state = without_ids(&json!({
            "thing": whole,
            "neighbours": neighbours,
            "incidents": shown,
        }));
        let calls = scene.calls(mark)?;
        let done = |call: &&Call| call.error.is_none();
        let mut changes = BTreeMap::new();
        for call in calls.iter().filter(|call| call.mutates()).filter(done) {
            *changes.entry(call.name()).or_default() += 1;
        }
        let mut notices = BTreeMap::new();
        for (topic, _) in scene.notices(mark)? {
            *notices.entry(topic).or_default() += 1;
        }
        Ok(Self { state, changes, notices, outcomes })
    }

    /// Forgets that an incident closed as `failed` or `partial` on its way. Says whether one did.
    pub(super) fn forget_failures(&mut self) -> bool {
        let incidents = self.state.get_mut("incidents").and_then(Value::as_array_mut);
        let mut failed = false;
        for incident in incidents.into_iter().flatten() {
            let closed = incident.get_mut("closed").and_then(Value::as_object_mut);
            let Some(closed) = closed else { continue };
            failed |= closed.remove("failed").is_some() | closed.remove("partial").is_some();
        }
        failed
    }

    /// Forgets how each incident closed on its way: only how it ended is compared.
    pub(super) fn forget_ends(&mut self) {
        let incidents = self.state.get_mut("incidents").and_then(Value::as_array_mut);
        for incident in incidents.into_iter().flatten().filter_map(Value::as_object_mut) {
            incident.remove("closed");
        }
    }

    /// What differs from the run without a fault, none if nothing does.
    ///
    /// `twice`: a notice may have been told twice. It is published before the journal says so, so
    /// that nobody is left untold; where the answer, or the write after it, is lost, the next
    /// delivery tells it again. Never less than once, never to another topic, never a third time.
    pub fn differs(&self, base: &Self, twice: bool) -> Option<String> {
        let same = |what: &str, one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
            let (one, other) = (format!("{one:?}"), format!("{other:?}"));
            (one != other).then(|| format!("{what}: {one} and not {other}"))
        };
        if self.state != base.state {
            return Some(difference("", &self.state, &base.state));
        }
        if let Some(what) = same("mutating calls", &self.changes, &base.changes) {
            return Some(what);
        }
        let doubled = twice
            && self.notices.keys().eq(base.notices.keys())
            && self.notices.values().zip(base.notices.values()).all(|(n, m)| n == m || *n == m + 1);
        if doubled { None } else { same("notices", &self.notices, &base.notices) }
    }
}

/// Where two values differ first.
pub(super) fn difference(path: &str, one: &Value, other: &Value) -> String {
    let at = |key: &str, a: Option<&Value>, b: Option<&Value>| {
        let null = Value::Null;
        difference(&format!("{path}.{key}"), a.unwrap_or(&null), b.unwrap_or(&null))
    };
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            let found = keys.into_iter().find(|key| a.get(*key) != b.get(*key));
            found.map_or_else(|| path.to_owned(), |key| at(key, a.get(key), b.get(key)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let found = a.iter().zip(b).position(|(a, b)| a != b);
            found.map_or_else(|| path.to_owned(), |n| at(&n.to_string(), a.get(n), b.get(n)))
        }
        _ => format!("{path}: {one} and not {other}"),
    }
}

fn of(incident: &Incident, fights: &Value) -> Value {
    let header = &incident.header;
    let mut steps: Vec<Value> = incident
        .steps
        .iter()
        .map(|step| {
            json!({
                "action": step.action,
                "class": step.class,
                "option": step.option,
                "status": step.status,
                "before": step.before,
                "after": step.after,
                "applied": step.applied,
                "restored": step.restored.is_some(),
            })
        })
        .collect();
    // Steps of one action on several things come in the order of the ids that AWS gave.
    for alike in steps.chunk_by_mut(|a, b| a.get("action") == b.get("action")) {
        alike.sort_by_cached_key(Value::to_string);
    }
    let closed = |outcome: Outcome| {
        let same = |entry: &&backstop_core::incident::Entry| matches!(entry.change, Change::Closed { outcome: o, .. } if o == outcome);
        incident.entries.iter().filter(same).count()
    };
    let ends: BTreeMap<&str, usize> =
        Outcome::ALL.iter().map(|o| (o.name(), closed(*o))).filter(|(_, n)| *n > 0).collect();
    let count = |list: &str| fights.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    json!({
        "outcome": header.outcome,
        "urgency": header.urgency(),
        "told": header.told,
        "reported": header.reported,
        "ticket": header.ops_item.is_some(),
        "plan": header.plan.is_some(),
        "approvable": header.plan_hash.is_some(),
        "steps": steps,
        "closed": ends,
        "in order": incident.entries.is_sorted_by(|a, b| a.seq < b.seq),
        "locked": fights.get("lock").is_some_and(|lock| !lock.is_null()),
        "remediations of the resource": count("remediations"),
        "open plans of the resource": count("open"),
    })
}

/// The same with every id that AWS gave replaced by its kind: `sgr-0a1b2c3d…` by `sgr-…`.
fn without_ids(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(blank(text)),
        Value::Array(items) => Value::Array(items.iter().map(without_ids).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (blank(k), without_ids(v))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn blank(text: &str) -> String {
    const SHORTEST: usize = 8;
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('-') {
        out.push_str(head);
        out.push('-');
        let digits = tail.chars().take_while(char::is_ascii_hexdigit).count();
        let kind = head.chars().next_back().is_some_and(|c| c.is_ascii_lowercase());
        rest = if kind && digits >= SHORTEST {
            out.push('…');
            tail.get(digits..).unwrap_or_default()
        } else {
            tail
        };
    }
    out.push_str(rest);
    out
}
