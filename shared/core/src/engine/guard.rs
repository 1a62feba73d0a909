//! The guards that need no call: what may stop an unattended response before it begins.

use jiff::{SignedDuration, Timestamp};

use crate::assessment::Scope;
use crate::candidate::{Actor, Candidate, Origin};
use crate::config::Config;
use crate::text::safe;
use crate::words::Mode;

/// Why a protected principal is left alone, by people too.
pub(super) const PROTECTED: &str = "the resource is a protected principal";

/// What the guards decide by.
#[derive(Debug)]
pub(super) struct Guarded<'a> {
    pub(super) responder: &'a str,
    pub(super) candidate: &'a Candidate,
    pub(super) scope: &'a Scope,
    pub(super) config: &'a Config,
    pub(super) mode: Mode,
    /// The time of the first claim: one that was made in time is not held because its resumption
    /// comes late, and one that was not is not let through because it is resumed.
    pub(super) claimed_at: Timestamp,
    pub(super) now: Timestamp,
}

/// Why nothing may run unattended, if so. In order: mode, scope, principals, exemption, age.
pub(super) fn hold(g: &Guarded<'_>) -> Option<String> {
    if g.mode != Mode::Enforce {
        return Some(format!("the mode is `{}`", g.mode));
    }
    if !g.scope.production {
        return Some("the resource is not in the production scope of the policy".to_owned());
    }
    if let Some(why) = &g.scope.hands_off {
        return Some(why.clone());
    }
    if g.config.is_protected(&g.candidate.resource) {
        return Some(PROTECTED.to_owned());
    }
    if let Some(exemption) =
        g.config.exemption_for(g.responder, &g.candidate.account, &g.candidate.resource, g.now)
    {
        return Some(format!(
            "exempt by `{}` ({}, {}) until {}",
            exemption.id, exemption.owner, exemption.ticket, exemption.expires
        ));
    }
    let Origin::Event { time, actor, .. } = &g.candidate.origin else { return None };
    let max = SignedDuration::from_secs(i64::from(g.config.guards.max_event_age_secs));
    match time {
        None => return Some("the record does not say when the call was made".to_owned()),
        Some(time) if g.claimed_at.duration_since(*time) > max => {
            return Some(format!(
                "the event was {} min old when it came, the limit is {} min",
                g.claimed_at.duration_since(*time).as_mins(),
                max.as_mins()
            ));
        }
        Some(_) => {}
    }
    own_role(actor, g.config)
        .map(|arn| format!("the call was made by Backstop's own role `{}`", safe(arn, 120)))
}

/// Backstop's own role, if it made the call.
pub(super) fn own_role<'a>(actor: &'a Actor, config: &Config) -> Option<&'a str> {
    let arn = actor.issuer_arn.as_deref().or(actor.arn.as_deref());
    arn.filter(|arn| config.is_own(arn))
}
