//! What is counted and locked: fights over a resource, and the actions of a function.
//!
//! Pure: each takes the time and says yes or why not. The store's revision makes it atomic.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::lease_from;

/// The limits of the operator's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Remediations of one resource in [`Limits::fight_window`] before the next one is refused.
    pub fights: usize,
    /// See [`Limits::fights`].
    pub fight_window: SignedDuration,
    /// Actions of one function in 10 minutes.
    pub per_10_min: usize,
    /// Actions of one function in an hour.
    pub per_hour: usize,
}

impl Limits {
    /// No limits: a person decides each time.
    pub const NONE: Self = Self {
        fights: usize::MAX,
        fight_window: SignedDuration::ZERO,
        per_10_min: usize::MAX,
        per_hour: usize::MAX,
    };
}

/// Why an action may not be taken now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another incident works on the same resource, until then at the latest.
    Locked(Timestamp),
    /// The resource was put right too often lately: somebody or something puts it back.
    Fight(String),
    /// The function acted too often lately.
    Breaker(String),
    /// Another incident has worked on the resource since its counters were read: look again.
    Changed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    incident: String,
    until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Once {
    key: String,
    at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OpenPlan {
    incident: String,
    hash: String,
    until: Timestamp,
    /// When its incident ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// See [`crate::incident::Header::sameness`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    same: BTreeSet<String>,
}

/// The lock, the recent remediations and the open plans of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fights {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock: Option<Lock>,
    #[serde(default)]
    remediations: Vec<Once>,
    #[serde(default)]
    open: Vec<OpenPlan>,
    /// What people changed through Backstop: it comes back as an event of Backstop's own role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    by_people: Vec<Once>,
}

/// How long remediations are remembered at least, whatever the window.
const REMEMBER: SignedDuration = SignedDuration::from_hours(24);

/// How long after a person's change its own event may come.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

impl Fights {
    /// Locks the resource for `incident` and counts it, once however often it is called.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(
        &mut self,
        incident: &str,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let Some(lock) = &self.lock
            && lock.incident != incident
            && lock.until > now
        {
            return Err(Refusal::Locked(lock.until));
        }
        let recent = self
            .remediations
            .iter()
            .filter(|r| r.key != incident && within(r.at, limits.fight_window, now))
            .count();
        if recent >= limits.fights {
            return Err(Refusal::Fight(format!(
                "remediation fight: the resource was put right {recent} times in the last {} min \
                 and is wrong again",
                limits.fight_window.as_mins()
            )));
        }
        self.remediations.retain(|r| within(r.at, REMEMBER.max(limits.fight_window), now));
        if *limits != Limits::NONE && !self.remediations.iter().any(|r| r.key == incident) {
            self.remediations.push(Once { key: incident.to_owned(), at: now });
        }
        if *limits == Limits::NONE {
            self.by_people.retain(|p| within(p.at, REMEMBER, now) && p.key != incident);
            self.by_people.push(Once { key: incident.to_owned(), at: now });
        }
        self.lock = Some(Lock { incident: incident.to_owned(), until: lease_from(now) });
        Ok(())
    }

    /// The incident through which a person changed the resource lately, if one did.
    pub fn changed_by_people(&self, now: Timestamp) -> Option<&str> {
        let recent = self.by_people.iter().rev().find(|p| within(p.at, RECENT, now));
        recent.map(|p| p.key.as_str())
    }

    /// Gives the lock back, if it is `incident`'s.
    pub fn release(&mut self, incident: &str) {
        if self.lock.as_ref().is_some_and(|l| l.incident == incident) {
            self.lock = None;
        }
    }

    /// The other incident that holds the same plan open, if there is one. What an event did after
    /// that one ended, at the time `event`, is not the same thing: somebody has done it again.
    pub fn same_plan(
        &self,
        incident: &str,
        hash: &str,
        event: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<&str> {
        let again = |p: &OpenPlan| event.zip(p.since).is_some_and(|(event, since)| event > since);
        self.open
            .iter()
            .find(|p| p.incident != incident && p.hash == hash && p.until > now && !again(p))
            .map(|p| p.incident.as_str())
    }

    /// The incident that stands for all of a finding, if one does: found by an event or not, part
    /// of it done or not.
    pub fn stands_for(&self, same: &BTreeSet<String>, now: Timestamp) -> Option<&str> {
        let stands = |p: &&OpenPlan| !same.is_empty() && same.is_subset(&p.same) && p.until > now;
        self.open.iter().find(stands).map(|p| p.incident.as_str())
    }

    /// Keeps or forgets the open plan of `incident`.
    pub fn keep_plan(
        &mut self,
        incident: &str,
        plan: Option<(&str, Timestamp)>,
        same: &BTreeSet<String>,
        now: Timestamp,
    ) {
        self.open.retain(|p| p.incident != incident && p.until > now);
        if let Some((hash, until)) = plan {
            self.open.push(OpenPlan {
                incident: incident.to_owned(),
                hash: hash.to_owned(),
                until,
                since: Some(now),
                same: same.clone(),
            });
        }
    }
}

/// The actions that a function took in the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    #[serde(default)]
    actions: Vec<Once>,
}

impl Breaker {
    /// Counts the action `key`, once however often it is called.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&mut self, key: &str, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
        const HOUR: SignedDuration = SignedDuration::from_hours(1);
        self.actions.retain(|a| within(a.at, HOUR, now));
        if self.actions.iter().any(|a| a.key == key) {
            return Ok(());
        }
        let last = |time| self.actions.iter().filter(|a| within(a.at, time, now)).count();
        for (limit, time) in
            [(limits.per_10_min, SignedDuration::from_mins(10)), (limits.per_hour, HOUR)]
        {
            let taken = last(time);
            if taken >= limit {
                return Err(Refusal::Breaker(format!(
                    "circuit breaker: {taken} actions in the last {} min, the limit is {limit}",
                    time.as_mins()
                )));
            }
        }
        self.actions.push(Once { key: key.to_owned(), at: now });
        Ok(())
    }
}

/// Whether `at` lies less than `time` before `now`; the future counts as now.
fn within(at: Timestamp, time: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at) < time
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        fights: 2,
        fight_window: SignedDuration::from_hours(1),
        per_10_min: 3,
        per_hour: 5,
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
    }

    fn set(letters: &str) -> BTreeSet<String> {
        letters.chars().map(String::from).collect()
    }

    #[test]
    fn the_third_remediation_within_an_hour_is_a_fight() {
        let mut fights = Fights::default();
        for (incident, minute) in [("a", 0), ("b", 20)] {
            fights.admit(incident, &LIMITS, at(minute)).unwrap();
            fights.admit(incident, &LIMITS, at(minute)).unwrap();
            fights.release(incident);
        }
        assert!(matches!(fights.admit("c", &LIMITS, at(40)), Err(Refusal::Fight(_))));
        assert!(fights.admit("b", &LIMITS, at(41)).is_ok(), "its own retry is no fight");
        fights.release("b");
        assert!(fights.admit("c", &LIMITS, at(61)).is_ok(), "the first has left the window");
    }

    #[test]
    fn a_lock_holds_until_it_expires_or_is_released() {
        let mut fights = Fights::default();
        fights.admit("a", &LIMITS, at(0)).unwrap();
        assert!(matches!(fights.admit("b", &LIMITS, at(0)), Err(Refusal::Locked(_))));
        fights.release("b");
        assert!(matches!(fights.admit("b", &LIMITS, at(0)), Err(Refusal::Locked(_))));
        assert!(fights.admit("b", &LIMITS, at(1)).is_ok(), "45 s are over");
    }

    #[test]
    fn the_breaker_counts_each_action_once() {
        let mut breaker = Breaker::default();
        for key in ["1", "2", "2", "3", "3"] {
            breaker.admit(key, &LIMITS, at(0)).unwrap();
        }
        assert!(matches!(breaker.admit("4", &LIMITS, at(9)), Err(Refusal::Breaker(_))));
        breaker.admit("4", &LIMITS, at(10)).unwrap();
        breaker.admit("5", &LIMITS, at(11)).unwrap();
        let refused = breaker.admit("6", &LIMITS, at(30)).unwrap_err();
        assert_eq!(
            refused,
            Refusal::Breaker(
                "circuit breaker: 5 actions in the last 60 min, the limit is 5".into()
            )
        );
        breaker.admit("6", &LIMITS, at(60)).unwrap();
    }

    #[test]
    fn the_same_open_plan_is_found_until_it_expires() {
        let mut fights = Fights::default();
        fights.keep_plan("a", Some(("h", at(240))), &set("ab"), at(0));
        for (same, stands) in [("ab", true), ("b", true), ("abc", false), ("", false)] {
            assert_eq!(fights.stands_for(&set(same), at(1)), stands.then_some("a"), "{same}");
        }
        assert_eq!(fights.stands_for(&set("a"), at(241)), None, "it has run out");
        assert_eq!(fights.same_plan("b", "h", None, at(1)), Some("a"));
        assert_eq!(fights.same_plan("b", "h", Some(at(-1)), at(1)), Some("a"));
        assert_eq!(fights.same_plan("b", "h", Some(at(1)), at(1)), None, "it was done again");
        assert_eq!(fights.same_plan("a", "h", None, at(1)), None);
        assert_eq!(fights.same_plan("b", "other", None, at(1)), None);
        assert_eq!(fights.same_plan("b", "h", None, at(240)), None);
        fights.keep_plan("a", None, &set(""), at(2));
        assert_eq!(fights.same_plan("b", "h", None, at(3)), None);
    }
}
