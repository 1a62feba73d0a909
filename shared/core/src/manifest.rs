//! The manifest: what a responder declares once, and everything else is generated from.

use serde::Serialize;

use crate::alert::Alert;
use crate::words::{Class, Severity, Urgency};

/// Everything about one responder that its rules, roles, documents and catalogue follow from.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// The folder under `functions/`, and the binary's name.
    pub responder: &'static str,
    /// The control, such as `aws-work-02`; a procedure that controls call for has its own id.
    pub control: &'static str,
    /// What the control demands, in one line.
    pub title: &'static str,
    /// As the source gives it.
    pub severity: Severity,
    /// As the source gives it, such as `PREVENTIVE`.
    pub typology: &'static str,
    /// The compliance row, verbatim; what the source has lost says `not in the source`.
    pub compliance: &'static [Compliance],
    /// What it detects: S ids of the source and X ids that the source forgot.
    pub signals: &'static [Signal],
    /// Calls that are told and left to a person. A rule must subscribe to each.
    pub alerts: &'static [Alert],
    /// The thresholds it decides by.
    pub thresholds: &'static [Threshold],
    /// The responses it takes or prepares.
    pub responses: &'static [Response],
    /// The EventBridge rules that invoke it.
    pub rules: &'static [Rule],
    /// The schedules that invoke it.
    pub schedules: &'static [Schedule],
    /// The entry points that a person can start.
    pub runbooks: &'static [Runbook],
    /// What it reads before it decides, for both lanes.
    pub reads: &'static [Statement],
    /// Logs Insights queries for the investigation.
    pub queries: &'static [Query],
    /// The Command documents that its steps may send to an instance (spec §1.8, RC-1).
    pub commands: &'static [Command],
}

/// One column of the source's compliance row.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Compliance {
    /// The framework, with its version.
    pub framework: &'static str,
    /// The cell, verbatim.
    pub value: &'static str,
}

/// What a cell says that the source has lost.
pub const NOT_IN_THE_SOURCE: &str = "not in the source";

/// Something in the logs that says a control may have regressed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Signal {
    /// `S2.1`, or `X2.n` for what the source forgot.
    pub id: &'static str,
    /// What it means.
    pub title: &'static str,
}

/// When a signal is worth a person's time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Threshold {
    /// `T2.1`.
    pub id: &'static str,
    /// The highest urgency it gives.
    pub urgency: Urgency,
    /// What it means, as implemented.
    pub title: &'static str,
}

/// A step of the documented first response.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Response {
    /// `R2.1a`.
    pub id: &'static str,
    /// What may run without a person, at most.
    pub class: Class,
    /// What it does.
    pub title: &'static str,
    /// The actions it is made of.
    pub actions: &'static [Use],
}

/// How a response uses an action.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Use {
    /// The action, by name.
    pub action: &'static str,
    /// What may run it without a person, at most: what the unattended role holds follows from it.
    pub class: Class,
}

impl Use {
    /// Whether the unattended role may apply it.
    pub const fn unattended(&self) -> bool {
        matches!(self.class, Class::Auto | Class::Guarded | Class::Read)
    }
}

/// Whether a rule also sees read-only management events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleState {
    /// Write management events and native events.
    Enabled,
    /// Read-only management events too (spec §1.1 point 8).
    EnabledWithAllCloudtrailManagementEvents,
}

/// Where the events of a rule are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleScope {
    /// In every Region.
    Regional,
    /// In us-east-1 only: IAM, Organizations, global STS.
    #[serde(rename = "us-east-1")]
    UsEast1,
}

/// One EventBridge rule.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rule {
    /// Its name after the responder's, such as `security-groups`.
    pub name: &'static str,
    /// Top-level `source`, pinned: without it a pattern can be forged with `PutEvents` (spec §1.3).
    pub source: &'static str,
    /// `detail-type`.
    pub detail_type: &'static str,
    /// `detail.eventName`, exact; empty for native events.
    pub event_names: &'static [&'static str],
    /// `detail.eventName`, by prefix, for Lambda's dated names.
    pub event_name_prefixes: &'static [&'static str],
    /// Its state.
    pub state: RuleState,
    /// Where it is deployed.
    pub scope: RuleScope,
}

/// The detail type of the calls that CloudTrail records.
const API_CALL: &str = "AWS API Call via CloudTrail";

impl Rule {
    /// A rule for successful write calls, in every Region.
    pub const fn api_calls(
        name: &'static str,
        source: &'static str,
        event_names: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            source,
            detail_type: API_CALL,
            event_names,
            event_name_prefixes: &[],
            state: RuleState::Enabled,
            scope: RuleScope::Regional,
        }
    }

    /// A rule for the events that a service emits itself, in every Region.
    pub const fn native(
        name: &'static str,
        source: &'static str,
        detail_type: &'static str,
    ) -> Self {
        Self {
            name,
            source,
            detail_type,
            event_names: &[],
            event_name_prefixes: &[],
            state: RuleState::Enabled,
            scope: RuleScope::Regional,
        }
    }

    /// Whether it matches every successful call of that name of the source.
    pub fn subscribes(&self, source: &str, event_name: &str) -> bool {
        self.source == source
            && self.detail_type == API_CALL
            && (self.event_names.contains(&event_name)
                || self.event_name_prefixes.iter().any(|prefix| event_name.starts_with(prefix)))
    }

    /// The event pattern. Failed and dry-run calls changed nothing and are not matched (spec §1.1
    /// point 9).
    pub fn pattern(&self) -> serde_json::Value {
        let mut pattern = serde_json::json!({
            "source": [self.source],
            "detail-type": [self.detail_type],
        });
        let names: Vec<serde_json::Value> = self
            .event_names
            .iter()
            .map(|name| serde_json::json!(name))
            .chain(self.event_name_prefixes.iter().map(|p| serde_json::json!({ "prefix": p })))
            .collect();
        if !names.is_empty()
            && let Some(object) = pattern.as_object_mut()
        {
            object.insert(
                "detail".into(),
                serde_json::json!({ "eventName": names, "errorCode": [{ "exists": false }] }),
            );
        }
        pattern
    }
}

/// One schedule.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Schedule {
    /// Its name after the responder's.
    pub name: &'static str,
    /// `rate(1 hour)` or `cron(…)`.
    pub expression: &'static str,
    /// What it is for.
    pub title: &'static str,
}

/// A named entry point that a person can start.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Runbook {
    /// `ssh-access.revoke-ingress`.
    pub name: &'static str,
    /// The response it runs.
    pub response: &'static str,
    /// What it does.
    pub title: &'static str,
    /// What it must be told; a target names at least one of them.
    pub parameters: &'static [Parameter],
}

/// What a runbook must be told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Parameter {
    /// The identifier's name, such as `group_id`.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The shape it must have.
    pub shape: crate::ident::Shape,
    /// One that is right.
    pub example: &'static str,
    /// What it is if nobody says; none where that must be said, or is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<&'static str>,
}

/// What an action needs, by what it does.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Permissions {
    /// To observe.
    pub observe: &'static [Statement],
    /// To apply.
    pub apply: &'static [Statement],
    /// To undo; only ever in the attended role.
    pub undo: &'static [Statement],
}

/// One IAM statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// The IAM actions; a wildcard is refused by a test.
    pub actions: &'static [&'static str],
    /// The resource: `*` only where the API supports no narrower one, and then `why` says so.
    /// `${Partition}`, `${Region}` and `${Account}` are filled in by the deployment.
    pub resource: &'static str,
    /// The conditions.
    pub conditions: &'static [Condition],
    /// Why it is needed, and why it is not narrower.
    pub why: &'static str,
}

/// One condition of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The operator, such as `StringEquals`.
    pub operator: &'static str,
    /// The key, such as `ec2:CreateAction`.
    pub key: &'static str,
    /// The values.
    pub values: &'static [&'static str],
}

/// One Logs Insights query.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Query {
    /// Its name after the responder's.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// The query.
    pub text: &'static str,
}

/// One SSM Command document: the only way in which anything runs on an instance.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Command {
    /// Its name after the responder's, such as `authorized-keys`.
    pub name: &'static str,
    /// What it does.
    pub title: &'static str,
    /// The document, schema 2.2, as JSON: deployed byte for byte, because `SendCommand` pins its
    /// SHA-256.
    pub content: &'static str,
}
