//! What is remembered of the time before an event, and for how long.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Serialize;

use super::table::{Bounds, Table};

const AGE: Bounds = (3_600, 172_800);
const RETENTION: Bounds = (2, 400);

/// What is remembered of the time before an event, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Inventory {
    /// How old the last completed sweep of an account and Region may be, in seconds, when an event
    /// comes. With an older one nothing is known of the time before, and what depends on it waits
    /// for an approval.
    #[schemars(range(min = AGE.0, max = AGE.1))]
    pub max_age_secs: u32,
    /// How many days a state is kept that has changed since, or that no sweep has seen any more.
    #[schemars(range(min = RETENTION.0, max = RETENTION.1))]
    pub retention_days: u32,
}

impl Default for Inventory {
    fn default() -> Self {
        Self { max_age_secs: 90_000, retention_days: 35 }
    }
}

impl Inventory {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let inventory = Self {
            max_age_secs: t.number("max_age_secs", d.max_age_secs, AGE),
            retention_days: t.number("retention_days", d.retention_days, RETENTION),
        };
        t.finish();
        inventory
    }

    /// How old the last completed sweep may be.
    pub fn max_age(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.max_age_secs))
    }

    /// How long a state is kept.
    pub fn retention(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.retention_days) * 24)
    }
}
