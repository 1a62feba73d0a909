//! Time, taken from outside: a test must be able to say what time it is.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits. The only place where time passes.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The time now, UTC.
    fn now(&self) -> Timestamp;

    /// Waits that long. A bounded poll waits with it; nothing else may.
    async fn wait(&self, time: Duration);
}

/// When the work must be finished, and how much of it is left.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Timestamp);

impl Deadline {
    /// The time within which an answer must still be sent: a call takes at most 15 s, and the
    /// journal needs a moment after it.
    pub const MARGIN: SignedDuration = SignedDuration::from_secs(17);

    /// A deadline that the platform gave. One in the past is cargo-lambda's local value and means
    /// 60 s from now.
    pub fn of(given: Timestamp, now: Timestamp) -> Self {
        Self(if given <= now {
            now.saturating_add(SignedDuration::from_mins(1)).unwrap_or(given)
        } else {
            given
        })
    }

    /// Whether one more call and its journal entry fit before it.
    pub fn allows(self, now: Timestamp) -> bool {
        now.duration_until(self.0) > Self::MARGIN
    }

    /// What is left, zero once it has passed.
    pub fn left(self, now: Timestamp) -> Duration {
        now.duration_until(self.0).try_into().unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_the_past_means_sixty_seconds() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let local = Deadline::of("1970-01-01T00:10:00Z".parse().unwrap(), now);
        assert_eq!(local.left(now), Duration::from_mins(1));
        assert!(local.allows(now));
        let soon = Deadline::of("2026-11-23T12:00:10Z".parse().unwrap(), now);
        assert!(!soon.allows(now));
    }
}
