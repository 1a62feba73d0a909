//! What people and callers are told: the reply, the notice, the ticket.

mod notice;

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::incident::{Entry, Header, Incident};
use crate::plan::{Choice, StepRecord};
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
    /// How soon a person must look.
    pub urgency: Urgency,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    pub reason: String,
    /// The hash that `approve` accepts now.
    pub plan_hash: Option<String>,
    /// What was seen, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// What a response touches, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<String>,
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

/// One step as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedStep {
    /// Its place in the plan, from 1: what `steps` of an `approve` and `step` of an `undo` name.
    #[serde(default)]
    pub n: u32,
    /// The action's permanent name.
    pub action: String,
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
    /// The state seen after.
    pub after: Option<Value>,
    /// The equivalent AWS CLI line.
    pub command: String,
    /// The AWS CLI line that takes it back.
    pub undo_command: Option<String>,
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
        Self {
            id: header.id.clone(),
            control: header.control.clone(),
            signal: finding.map_or(&header.candidate.signal, |f| &f.signal).clone(),
            resource: header.candidate.resource.clone(),
            account: header.candidate.account.clone(),
            region: header.candidate.region.clone(),
            urgency: header.urgency(),
            outcome: header.outcome,
            reason: header.reason.clone(),
            plan_hash: header.plan_hash.clone(),
            facts: finding.map(|f| f.facts.clone()).unwrap_or_default(),
            blast_radius: finding.and_then(|f| f.blast_radius.clone()),
            follow_up: finding.map(|f| f.follow_up.clone()).unwrap_or_default(),
            aftermath: header.aftermath.clone(),
            choice: header.choice.clone(),
            steps: steps
                .iter()
                .map(|s| ReportedStep {
                    n: s.n,
                    action: s.action.clone(),
                    class: s.class,
                    option: s.option.clone(),
                    needs: s.needs,
                    status: s.status,
                    reason: s.reason.clone(),
                    detail: s.detail.clone(),
                    resource: s.resource.clone(),
                    before: s.before.clone(),
                    after: s.after.clone(),
                    command: s.command.clone(),
                    undo_command: s.undo_command.clone(),
                })
                .collect(),
            entries: None,
        }
    }
}
