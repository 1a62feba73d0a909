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

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "111111111111";
    const POLICY: &str = r#"
mode = "enforce"
[scope]
accounts = ["111111111111"]
regions = ["eu-west-1"]
[scope.production]
everything = true
[principals]
protected = ["arn:aws:iam::111111111111:role/BreakGlass*"]
"#;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Why a candidate is held, where nothing but `resource`, `time` and `scope` is special.
    fn held(resource: &str, time: Option<Timestamp>, scope: &Scope) -> Option<String> {
        let now = at("2026-11-23T12:00:00Z");
        let config = Config::parse(POLICY, now).unwrap();
        let candidate = Candidate {
            signal: "X2.1".into(),
            account: ACCOUNT.into(),
            region: "eu-west-1".into(),
            resource: resource.into(),
            ids: std::collections::BTreeMap::new(),
            origin: Origin::Event {
                key: "k".into(),
                name: "n".into(),
                time,
                actor: Actor::default(),
            },
        };
        hold(&Guarded {
            responder: "ssh-access",
            candidate: &candidate,
            scope,
            config: &config,
            mode: Mode::Enforce,
            claimed_at: now,
            now,
        })
    }

    #[test]
    fn each_guard_that_no_scenario_trips() {
        let group = "arn:aws:ec2:eu-west-1:111111111111:security-group/sg-0001";
        let glass = "arn:aws:iam::111111111111:role/BreakGlassAdmin";
        let service = "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/Y";
        let fresh = Some(at("2026-11-23T11:59:00Z"));
        let production = Scope { production: true, hands_off: None };
        assert_eq!(held(group, fresh, &production), None, "nothing is special");
        for protected in [glass, service] {
            assert_eq!(held(protected, fresh, &production).as_deref(), Some(PROTECTED));
        }
        let unknown = held(group, None, &production);
        assert_eq!(unknown.as_deref(), Some("the record does not say when the call was made"));
        let other = Scope { production: true, hands_off: Some("owned by another".into()) };
        assert_eq!(held(group, fresh, &other).as_deref(), Some("owned by another"));
    }
}
