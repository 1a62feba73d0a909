//! What a record, a sweep or a person points at: identifiers, and where they came from.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Who a record says made the call. Names in it are chosen by the caller: shown, never trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    /// The ARN as recorded; a service has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The role behind a session, with its path; what own and protected principals are compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_arn: Option<String>,
    /// The AWS service that acted, alone or for the principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// An address or the host name of a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
}

/// Where a candidate came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A record on the event bus.
    Event {
        /// `sharedEventID`, else `eventID`, else the envelope's `id`.
        key: String,
        /// The API call or, for a native event, its detail type.
        name: String,
        /// When the call was made, if the record says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
        /// Who made it.
        #[serde(default)]
        actor: Actor,
    },
    /// The scheduled pass.
    Sweep {
        /// The schedule's slot, so that a redelivery is the same sweep.
        slot: String,
        /// When the survey began that found it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// A person who started a runbook.
    Person {
        /// The name the payload claims; IAM decided who may invoke.
        claimed: String,
        /// Why, in the person's words.
        #[serde(default)]
        reason: String,
        /// The request, so that a retry is the same run.
        key: String,
    },
    /// Another function of the suite.
    Request {
        /// The incident that asks.
        incident: String,
    },
}

impl Origin {
    /// What makes two deliveries the same: part of the incident id.
    pub fn key(&self) -> &str {
        match self {
            Self::Event { key, .. } | Self::Person { key, .. } => key,
            Self::Sweep { slot, .. } => slot,
            Self::Request { incident } => incident,
        }
    }

    /// Who made the call, if a record told.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Event { actor, .. } => Some(actor),
            Self::Sweep { .. } | Self::Person { .. } | Self::Request { .. } => None,
        }
    }
}

/// One resource to assess: nothing but identifiers, each checked by shape, and their origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The signal or runbook that points at it, such as `X2.1`.
    pub signal: String,
    /// The account that owns it, 12 digits.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its ARN: what locks, fights and exemptions are kept by.
    pub resource: String,
    /// The identifiers, by name: `group_id`, `rule_id`, `instance_id`.
    pub ids: BTreeMap<String, Vec<String>>,
    /// Where it came from.
    pub origin: Origin,
}

impl Candidate {
    /// The identifiers of that name, none if there are none.
    pub fn all(&self, name: &str) -> &[String] {
        self.ids.get(name).map_or(&[], Vec::as_slice)
    }

    /// The one identifier of that name.
    ///
    /// # Errors
    /// `Invalid` if there is none.
    pub fn one(&self, name: &str) -> Result<&str> {
        self.all(name).first().map(String::as_str).ok_or_else(|| {
            Error::invalid(format!("the candidate `{}` names no `{name}`", self.resource))
        })
    }
}
