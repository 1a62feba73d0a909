//! The inventory: what resources were like, so that what an event changed can be told and put back.
//!
//! A state is written when it differs from the last one. The one before it becomes a version, which
//! the table forgets after the retention; the last one is kept for as long as it is seen.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::store::{Key, Write, decode, encode};
use super::{Journal, Seen, seen};
use crate::error::{Error, Result};

/// How often a write is repeated when another wrote the same in between.
const ROUNDS: usize = 4;

/// How many surveys of one place are remembered.
const SURVEYS: usize = 24;

/// The state of a resource at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was read first: it was so from then until the next one.
    pub taken_at: Timestamp,
    /// What was read.
    pub state: Value,
}

/// A snapshot as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    snapshot: Snapshot,
    /// When the table may forget it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// The completed surveys of one account in one Region by one responder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveys {
    /// When each began, oldest first.
    at: Vec<Timestamp>,
    /// How many resources the last one found.
    resources: u64,
}

impl Surveys {
    /// Whether one was completed in the time before `at`, and not longer than `age` before it.
    pub fn covers(&self, at: Timestamp, age: SignedDuration) -> bool {
        self.at.iter().any(|survey| *survey < at && at.duration_since(*survey) <= age)
    }
}

impl Journal {
    /// The last known state of a resource, if the inventory has one.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn snapshot(&self, resource: &str) -> Result<Option<Snapshot>> {
        let item = self.store.get(&Key::snapshot(resource)).await?;
        let kept: Option<Kept> = item.as_ref().map(decode).transpose()?;
        Ok(kept.map(|kept| kept.snapshot))
    }

    /// The state of a resource just before a time, if the inventory has one.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn snapshot_before(
        &self,
        resource: &str,
        time: Timestamp,
    ) -> Result<Option<Snapshot>> {
        if let Some(last) = self.snapshot(resource).await?
            && last.taken_at < time
        {
            return Ok(Some(last));
        }
        let versions = self.all(&Key::snapshot(resource).pk, Key::VERSIONS).await?;
        let mut before: Option<Snapshot> = None;
        for item in &versions {
            let Snapshot { taken_at, state } = decode::<Kept>(item)?.snapshot;
            if taken_at < time && before.as_ref().is_none_or(|b| b.taken_at < taken_at) {
                before = Some(Snapshot { taken_at, state });
            }
        }
        Ok(before)
    }

    /// Keeps the state of a resource, and the one before it as a version. Says whether it is new.
    /// A state that is older than the last one is not kept.
    ///
    /// # Errors
    /// `Transient` if the table does not answer, or others write the same all the time.
    pub async fn keep_snapshot(
        &self,
        resource: &str,
        snapshot: &Snapshot,
        retention: SignedDuration,
    ) -> Result<bool> {
        let key = Key::snapshot(resource);
        let now = snapshot.taken_at;
        let until = now.saturating_add(retention).ok();
        for _round in 0..ROUNDS {
            let (last, rev): Seen<Option<Kept>> = seen(self.store.as_ref(), &key).await?;
            let mut writes = Vec::new();
            let mut kept = Kept { snapshot: snapshot.clone(), until };
            let mut new = true;
            if let Some(last) = last {
                if last.snapshot.taken_at > now {
                    return Ok(false);
                }
                new = last.snapshot.state != snapshot.state;
                if new {
                    let version = Key::version(resource, last.snapshot.taken_at);
                    let old = Kept { until, ..last };
                    writes.push(Write::beside(version, encode(&old)?).expiring(until));
                } else if !fades(last.until, now, retention) {
                    return Ok(false);
                } else {
                    // The same state, seen again: it was so since it was seen first.
                    kept.snapshot = last.snapshot;
                }
            }
            writes.insert(0, Write::put(key.clone(), rev, encode(&kept)?).expiring(until));
            if self.store.write(writes).await?.is_ok() {
                return Ok(new);
            }
        }
        Err(Error::transient(format!("the inventory of `{resource}` is contended")))
    }

    /// The completed surveys of an account in a Region.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn surveys(&self, responder: &str, account: &str, region: &str) -> Result<Surveys> {
        Ok(seen(self.store.as_ref(), &Key::survey(responder, account, region)).await?.0)
    }

    /// Notes that a survey that began then was completed, and how many resources it found.
    ///
    /// # Errors
    /// `Transient` if the table does not answer, or others write the same all the time.
    pub async fn keep_survey(
        &self,
        responder: &str,
        account: &str,
        region: &str,
        at: Timestamp,
        resources: u64,
    ) -> Result<()> {
        let key = Key::survey(responder, account, region);
        for _round in 0..ROUNDS {
            let (mut surveys, rev): Seen<Surveys> = seen(self.store.as_ref(), &key).await?;
            if surveys.at.contains(&at) {
                return Ok(());
            }
            if surveys.at.iter().all(|other| *other < at) {
                surveys.resources = resources;
            }
            surveys.at.push(at);
            surveys.at.sort_unstable();
            let old = surveys.at.len().saturating_sub(SURVEYS);
            surveys.at.drain(..old);
            let write = Write::put(key.clone(), rev, encode(&surveys)?);
            if self.store.write(vec![write]).await?.is_ok() {
                return Ok(());
            }
        }
        Err(Error::transient(format!("the surveys of {account} in {region} are contended")))
    }

    /// How many resources the last surveys of a responder found in all places, none if there was
    /// no survey.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn fleet(&self, responder: &str) -> Result<Option<u64>> {
        let items = self.all(&Key::surveys(responder), Key::PLACES).await?;
        let mut fleet = None;
        for item in &items {
            *fleet.get_or_insert(0) += decode::<Surveys>(item)?.resources;
        }
        Ok(fleet)
    }
}

/// Whether less than half of the retention is left: then it is written again, not at each sight.
fn fades(until: Option<Timestamp>, now: Timestamp, retention: SignedDuration) -> bool {
    until.is_none_or(|until| until.duration_since(now) < retention / 2)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::journal::MemoryStore;

    const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap()
    }

    fn taken(hour: i64, state: Value) -> Snapshot {
        Snapshot { taken_at: at(hour), state }
    }

    #[tokio::test]
    async fn what_was_before_a_time_is_told_whatever_came_after() {
        let journal = Journal::new(Arc::new(MemoryStore::default()));
        for (hour, state, new) in [
            (0, "required", true),
            (1, "required", false),
            (5, "optional", true),
            (6, "required", true),
            (2, "out of turn", false),
        ] {
            let kept = journal.keep_snapshot("arn", &taken(hour, json!(state)), MONTH).await;
            assert_eq!(kept.unwrap(), new, "{hour}");
        }
        for (hour, state) in [
            (0, None),
            (1, Some("required")),
            (5, Some("required")),
            (6, Some("optional")),
            (7, Some("required")),
        ] {
            let before = journal.snapshot_before("arn", at(hour)).await.unwrap();
            assert_eq!(before.map(|b| b.state), state.map(|s| json!(s)), "before {hour}");
        }
        assert_eq!(journal.snapshot("arn").await.unwrap().unwrap().taken_at, at(6));
        assert_eq!(journal.snapshot("other").await.unwrap(), None);
    }

    #[tokio::test]
    async fn more_versions_than_a_page_are_read() {
        let journal = Journal::new(Arc::new(MemoryStore::default()));
        for hour in 0..20 {
            journal.keep_snapshot("arn", &taken(hour, json!(hour)), MONTH).await.unwrap();
        }
        for hour in 1..20 {
            let before = journal.snapshot_before("arn", at(hour)).await.unwrap().unwrap();
            assert_eq!(before, taken(hour - 1, json!(hour - 1)));
        }
    }

    #[tokio::test]
    async fn what_stays_is_written_again_before_the_table_forgets_it() {
        let journal = Journal::new(Arc::new(MemoryStore::default()));
        let rev = async || journal.store.get(&Key::snapshot("arn")).await.unwrap().unwrap().rev;
        for (day, expected) in [(0, 1), (14, 1), (16, 2), (20, 2), (32, 3)] {
            let state = taken(day * 24, json!("same"));
            journal.keep_snapshot("arn", &state, MONTH).await.unwrap();
            assert_eq!(rev().await, expected, "day {day}");
            let last = journal.snapshot("arn").await.unwrap().unwrap();
            assert_eq!(last.taken_at, at(0), "it was so since it was seen first");
        }
    }

    #[tokio::test]
    async fn a_survey_covers_what_comes_after_it_for_its_age() {
        let journal = Journal::new(Arc::new(MemoryStore::default()));
        let day = SignedDuration::from_hours(25);
        let covers = async |hour| {
            let surveys = journal.surveys("doors", "1", "eu-west-1").await.unwrap();
            surveys.covers(at(hour), day)
        };
        assert!(!covers(1).await, "there was none");
        journal.keep_survey("doors", "1", "eu-west-1", at(0), 3).await.unwrap();
        journal.keep_survey("doors", "1", "eu-west-1", at(0), 9).await.unwrap();
        journal.keep_survey("doors", "2", "eu-west-1", at(0), 4).await.unwrap();
        assert!(covers(1).await && covers(25).await && !covers(26).await && !covers(0).await);
        assert_eq!(journal.fleet("doors").await.unwrap(), Some(7), "each place once");
        assert_eq!(journal.fleet("windows").await.unwrap(), None);
        for hour in 100..130 {
            journal.keep_survey("doors", "1", "eu-west-1", at(hour), 5).await.unwrap();
        }
        assert!(covers(130).await && !covers(25).await, "only the last ones are remembered");
        assert_eq!(journal.fleet("doors").await.unwrap(), Some(9));
    }
}
