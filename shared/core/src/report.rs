//! What people and callers are told: the reply, the notice, the ticket.

mod notice;
mod words;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::candidate::Origin;
use crate::error::Result;
use crate::incident::{Entry, Header, Incident};
use crate::plan::{Choice, StepRecord};
use crate::text::safe;
use crate::words::{Class, Outcome, StepStatus, Urgency};

pub use notice::{Notice, Ticket};

/// Tells people. One implementation speaks to SNS and OpsCenter.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// Publishes one notice to the topic of its urgency.
    ///
    /// # Errors
    /// The class of what refused.
    async fn publish(&self, notice: &Notice) -> Result<()>;

    /// Opens a ticket in the account and Region of the incident, or finds the one that is open.
    /// Returns its id.
    ///
    /// # Errors
    /// The class of what refused.
    async fn open_ticket(&self, ticket: &Ticket) -> Result<String>;
}

/// What an invocation answers (design §4). Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// One per candidate.
    pub incidents: Vec<Reported>,
    /// Why there is none, if the payload was none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
}

/// One incident as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Its id.
    pub id: String,
    /// Its control.
    pub control: String,
    /// Its signal.
    pub signal: String,
    /// The ARN of its resource.
    pub resource: String,
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The identifiers that name it, as a runbook takes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, Vec<String>>,
    /// How soon a person must look.
    pub urgency: Urgency,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub reason: String,
    /// The hash that `approve` accepts now.
    pub plan_hash: Option<String>,
    /// Until when `approve` accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvable_until: Option<Timestamp>,
    /// What is wrong, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who or what pointed at it, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The API call that it is about, or the detail type of a native event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// When the call was made that it is about, if a record told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened_at: Option<Timestamp>,
    /// When it was claimed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When the containing call was answered for the last step that contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contained_at: Option<Timestamp>,
    /// What was seen, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// What a response touches, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<String>,
    /// The incident that holds the same plan open, and stands for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// Whether there was nothing to look at: gone, or never there under this id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// What a person has to do or know, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follow_up: Vec<String>,
    /// What a fresh look said after the last steps that were applied, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aftermath: Vec<String>,
    /// The choice that its plan holds, if it holds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// Its steps.
    pub steps: Vec<ReportedStep>,
    /// Its journal; only `show` answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<Entry>>,
}

/// What a refusal is about: goes with the error, so that a program can show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Live state gives another plan than the one that was to be released.
    Replanned {
        /// Its hash; a run of the runbook makes it one that can be approved.
        plan_hash: String,
        /// Its steps.
        steps: Vec<ReportedStep>,
        /// Whether it has none because nothing is wrong any more.
        #[serde(default)]
        compliant: bool,
    },
    /// Somebody has changed the resource since the step.
    Changed {
        /// The step.
        step: u32,
        /// The ARN of the resource.
        resource: String,
        /// The state before the step.
        before: Value,
        /// The state seen after it.
        after: Option<Value>,
        /// The state now.
        now: Value,
    },
    /// Taking the step back now would let in again what it keeps out.
    TooSoon {
        /// The step.
        step: u32,
        /// From when it can be taken back.
        from: Timestamp,
    },
}

/// One step as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedStep {
    /// Its place in the plan, from 1: what `steps` of an `approve` and `step` of an `undo` name.
    #[serde(default)]
    pub n: u32,
    /// The action's permanent name.
    pub action: String,
    /// What it does, in one phrase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What may run it.
    pub class: Class,
    /// The option of the choice that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// The step that must be done before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u32>,
    /// Where it stands.
    pub status: StepStatus,
    /// Whether there may be something to take back.
    #[serde(default)]
    pub in_force: bool,
    /// Why it is needed, and why it has that class.
    #[serde(default)]
    pub reason: String,
    /// Why it failed, or why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The ARN of the resource it changes.
    pub resource: String,
    /// The state before.
    pub before: Value,
    /// What a fresh describe is expected to read after it, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub foreseen: Option<Value>,
    /// The state seen after.
    pub after: Option<Value>,
    /// From when it can be taken back without harm; none if at once, or while it is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_from: Option<Timestamp>,
    /// The equivalent AWS CLI line.
    pub command: String,
    /// The AWS CLI line that takes it back.
    pub undo_command: Option<String>,
    /// What is not as it was after it was taken back, if something is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_differs: Option<String>,
}

/// A value that is there, `null` included: it is what a thing that is gone reads as.
fn there<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl Reply {
    /// The reply to a payload that is none of ours.
    pub fn ignored(why: impl Into<String>) -> Self {
        Self { incidents: Vec::new(), ignored: Some(why.into()) }
    }

    /// The reply for incidents.
    pub fn of<'a>(incidents: impl IntoIterator<Item = (&'a Header, &'a [StepRecord])>) -> Self {
        Self {
            incidents: incidents.into_iter().map(|(h, s)| Reported::of(h, s)).collect(),
            ignored: None,
        }
    }

    /// The reply to `show`: one incident with its journal.
    pub fn whole(incident: &Incident) -> Self {
        let mut reported = Reported::of(&incident.header, &incident.steps);
        reported.entries = Some(incident.entries.clone());
        Self { incidents: vec![reported], ignored: None }
    }
}

impl Reported {
    fn of(header: &Header, steps: &[StepRecord]) -> Self {
        let finding = header.finding.as_ref();
        let event = match &header.candidate.origin {
            Origin::Event { name, time, .. } => Some((name, time)),
            Origin::Sweep { .. } | Origin::Person { .. } | Origin::Request { .. } => None,
        };
        Self {
            id: header.id.clone(),
            control: header.control.clone(),
            signal: finding.map_or(&header.candidate.signal, |f| &f.signal).clone(),
            resource: header.candidate.resource.clone(),
            account: header.candidate.account.clone(),
            region: header.candidate.region.clone(),
            ids: header.candidate.ids.clone(),
            urgency: header.urgency(),
            outcome: header.outcome,
            reason: header.reason.clone(),
            plan_hash: header.plan_hash.clone(),
            approvable_until: header.approvable_until,
            title: finding.map(|f| f.title.clone()),
            source: Some(source(&header.candidate.origin)),
            event: event.map(|(name, _)| name.clone()),
            happened_at: event.and_then(|(_, time)| *time),
            claimed_at: Some(header.claimed_at),
            contained_at: header.contained_at,
            facts: finding.map(|f| f.facts.clone()).unwrap_or_default(),
            blast_radius: finding.and_then(|f| f.blast_radius.clone()),
            duplicate_of: header.duplicate_of.clone(),
            absent: header.absent,
            follow_up: finding.map(|f| f.follow_up.clone()).unwrap_or_default(),
            aftermath: header.aftermath.clone(),
            choice: header.choice.clone(),
            steps: steps
                .iter()
                .map(|s| ReportedStep {
                    n: s.n,
                    action: s.action.clone(),
                    summary: s.summary.clone(),
                    class: s.class,
                    option: s.option.clone(),
                    needs: s.needs,
                    status: s.status,
                    in_force: s.in_force(),
                    reason: s.reason.clone(),
                    detail: s.detail.clone(),
                    resource: s.resource.clone(),
                    before: s.before.clone(),
                    foreseen: s.foreseen.clone(),
                    after: s.after.clone(),
                    undo_from: s.undo_from,
                    command: s.command.clone(),
                    undo_command: s.undo_command.clone(),
                    undo_differs: s.undo_differs.clone(),
                })
                .collect(),
            entries: None,
        }
    }
}

/// Who or what pointed at an incident. Names of others are made safe, as in a finding.
fn source(origin: &Origin) -> String {
    match origin {
        Origin::Event { name, actor, .. } => {
            let who = actor.arn.as_deref().or(actor.invoked_by.as_deref()).unwrap_or("unknown");
            let ip = actor.source_ip.as_deref().unwrap_or("an unknown address");
            format!("{} by {} from {}", safe(name, 60), safe(who, 200), safe(ip, 60))
        }
        Origin::Sweep { .. } => "the sweep, not an event".to_owned(),
        Origin::Person { claimed, reason, .. } => {
            format!("run by {}, as claimed: {}", safe(claimed, 60), safe(reason, 200))
        }
        Origin::Request { incident } => format!("asked for by {}", safe(incident, 100)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What the first release answered: nothing but what design §4 names.
    fn older() -> Value {
        json!({ "incidents": [{
            "id": "ssh-access-20261123-aaaaaaaaaaaa", "control": "aws-work-02", "signal": "X2.1",
            "resource": "arn:aws:ec2:eu-west-1:111111111111:security-group/sg-0abc",
            "account": "111111111111", "region": "eu-west-1", "urgency": "page",
            "outcome": "contained", "reason": "every containing step is verified",
            "plan_hash": null,
            "steps": [{
                "action": "ec2.security-group-rule.revoke/1", "class": "auto",
                "status": "verified", "resource": "arn:aws:ec2:eu-west-1::sg-0abc",
                "before": { "protocol": "tcp" }, "after": null,
                "command": "aws ec2 …", "undo_command": null,
            }],
        }] })
    }

    #[test]
    fn an_older_answer_is_read() {
        let reply: Reply = serde_json::from_value(older()).unwrap();
        let incident = &reply.incidents[0];
        assert_eq!(incident.outcome, Some(Outcome::Contained));
        assert_eq!((&incident.title, incident.claimed_at), (&None, None));
        assert_eq!((incident.steps[0].n, incident.steps[0].summary.as_str()), (0, ""));
        assert_eq!(incident.entries, None);
    }

    #[test]
    fn a_newer_answer_is_read() {
        let mut newer = older();
        newer["page"] = json!({ "next": "…" });
        let incident = &mut newer["incidents"][0];
        incident["title"] = json!("SSH opened");
        incident["evidence"] = json!([{ "query": "who-connected" }]);
        incident["steps"][0]["waited_ms"] = json!(12);
        incident["entries"] = json!([{
            "seq": 1, "at": "2026-11-23T12:00:00Z", "owner": "o", "change": "claimed", "by": "x",
        }]);
        let reply: Reply = serde_json::from_value(newer).unwrap();
        assert_eq!(reply.incidents[0].title.as_deref(), Some("SSH opened"));
        assert_eq!(reply.incidents[0].entries.as_ref().map(Vec::len), Some(1));
    }
}
