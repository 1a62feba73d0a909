//! Clocks: the system's, and one that stands still.

use std::time::Duration;

use async_trait::async_trait;
use backstop_core::clock::Clock;
use jiff::Timestamp;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where time passes")]
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A clock that starts at a given time and then runs with the system's: `BACKSTOP_NOW`, which is
/// accepted on loopback endpoints only.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock {
    start: Timestamp,
    since: Timestamp,
}

impl FixedClock {
    /// A clock that says `start` now.
    pub fn at(start: Timestamp) -> Self {
        Self { start, since: Timestamp::now() }
    }
}

#[async_trait]
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        let passed = Timestamp::now().duration_since(self.since);
        self.start.saturating_add(passed).unwrap_or(self.start)
    }

    async fn wait(&self, time: Duration) {
        SystemClock.wait(time).await;
    }
}
