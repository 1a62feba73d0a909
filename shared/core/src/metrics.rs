//! What is measured of each response: how it ended, and how long after its event.
//!
//! The engine decides when and what; a [`Meter`] only passes it on. Once for each time that an
//! incident ends: not for a redelivery, not when a retry only tells people, and again when an
//! approval or an undo ends it anew. A person who does so before the first end was reported
//! replaces its measure.
//!
//! **Times** are counted from the event, and only where they say how fast the response was: in the
//! unattended lane, the first time that the incident ends, if the record says when the call was
//! made. Containment has times only if this response applied and verified every containing step:
//! an approval hours later, or a person who was faster, must not become part of a percentile.
//! `eventTime` is in whole seconds and comes from another clock than ours, so a time may be up to
//! a second too long, is off by what the clocks differ, and is never less than zero. A resumed
//! incident keeps the time of its first claim; where the answer of its containing call was lost,
//! containment counts from when it was seen: a little late, never early.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::candidate::Origin;
use crate::incident::Header;
use crate::manifest::Manifest;
use crate::plan::StepRecord;
use crate::words::{Lane, Limit, Mode, Outcome, StepStatus, Urgency};

/// Takes measures. It cannot fail: what cannot be measured stops no response.
pub trait Meter: Debug + Send + Sync {
    /// One incident has ended.
    fn measure(&self, measured: &Measured);

    /// A heartbeat has come through the bus and the rule of a responder, from that Region if it is
    /// in scope.
    fn beat(&self, manifest: &Manifest, region: Option<&str>, at: Timestamp);
}

/// The `source` of heartbeats. Anyone who may call `events:PutEvents` can send one: it proves that
/// bus, rule and function work together, and nothing about CloudTrail or the function's role.
pub const HEARTBEAT: &str = "backstop.heartbeat";

/// What the meter was not given yet. The header keeps it from the close to the end of the report.
/// Schema rule: fields are only ever added, and optional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmeasured {
    /// Whether it had ended before.
    #[serde(default)]
    pub anew: bool,
    /// The limit that stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// The measures of one incident that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// When it ended.
    pub at: Timestamp,
    /// The control.
    pub control: String,
    /// The function.
    pub responder: String,
    /// The lane that ended it.
    pub lane: Lane,
    /// The mode of the unattended lane.
    pub mode: Mode,
    /// How it ended.
    pub outcome: Outcome,
    /// How soon a person must look.
    pub urgency: Urgency,
    /// Its id.
    pub incident: String,
    /// What was found, or what pointed at it.
    pub signal: String,
    /// The account of the resource.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// From the event to the first claim.
    pub to_handler: Option<Duration>,
    /// From the event to the answer of the last containing call.
    pub to_contain: Option<Duration>,
    /// From the event to the describe that shows the last containing change.
    pub to_verified: Option<Duration>,
    /// The limit that stopped it, if one did.
    pub limit: Option<Limit>,
}

impl Measured {
    /// What is still to be measured of an incident; none if that was done, or if it runs.
    pub fn of(header: &Header, steps: &[StepRecord], lane: Lane, mode: Mode) -> Option<Self> {
        let (unmeasured, outcome) = (header.unmeasured?, header.outcome?);
        let event = match header.candidate.origin {
            Origin::Event { time, .. } if lane == Lane::Unattended && !unmeasured.anew => time,
            Origin::Event { .. }
            | Origin::Sweep { .. }
            | Origin::Person { .. }
            | Origin::Request { .. } => None,
        };
        let since = |at: Timestamp| {
            Some(Duration::try_from(at.duration_since(event?)).unwrap_or(Duration::ZERO))
        };
        let satisfied = |s: &StepRecord| s.containing && s.status == StepStatus::Satisfied;
        let ours = outcome == Outcome::Contained && !steps.iter().any(satisfied);
        let finding = header.finding.as_ref();
        Some(Self {
            at: header.closed_at.unwrap_or(header.claimed_at),
            control: header.control.clone(),
            responder: header.responder.clone(),
            lane,
            mode: header.mode.unwrap_or(mode),
            outcome,
            urgency: header.urgency(),
            incident: header.id.clone(),
            signal: finding.map_or(&header.candidate.signal, |f| &f.signal).clone(),
            account: header.candidate.account.clone(),
            region: header.candidate.region.clone(),
            to_handler: since(header.claimed_at),
            to_contain: header.contained_at.filter(|_| ours).and_then(since),
            to_verified: header.verified_at.filter(|_| ours).and_then(since),
            limit: unmeasured.limit,
        })
    }
}
