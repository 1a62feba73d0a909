//! What stops an unattended response, in figures.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Serialize;

use super::table::{Bounds, Table};
use crate::journal::Limits;

const EVENT_AGE: Bounds = (60, 21_600);
const FIGHTS: Bounds = (1, 10);
const FIGHT_WINDOW: Bounds = (300, 86_400);
const PER_10_MIN: Bounds = (1, 1_000);
const PER_HOUR: Bounds = (1, 5_000);
const SHARE: Bounds = (1, 100);
const APPROVAL: Bounds = (300, 14_400);

/// What stops an unattended response, in figures. A person who approves is not bound by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guards {
    /// How old a call may be, in seconds, when its event is first claimed. An older one is reported
    /// and held: by then people may have built on what it changed.
    #[schemars(range(min = EVENT_AGE.0, max = EVENT_AGE.1))]
    pub max_event_age_secs: u32,
    /// How often one resource is remediated within `fight_window_secs` before the next time is
    /// held and pages: somebody, or their pipeline, wants it otherwise.
    #[schemars(range(min = FIGHTS.0, max = FIGHTS.1))]
    pub fight_limit: u32,
    /// The window of `fight_limit`, in seconds.
    #[schemars(range(min = FIGHT_WINDOW.0, max = FIGHT_WINDOW.1))]
    pub fight_window_secs: u32,
    /// Actions of one function in 10 minutes. One more is held and pages.
    #[schemars(range(min = PER_10_MIN.0, max = PER_10_MIN.1))]
    pub actions_per_10_min: u32,
    /// Actions of one function in an hour. One more is held and pages.
    #[schemars(range(min = PER_HOUR.0, max = PER_HOUR.1))]
    pub actions_per_hour: u32,
    /// The share of the fleet, in percent of the last inventory, that one function may act on in an
    /// hour, but three in any case. Without an inventory, or with 100, only the absolute limits hold.
    #[schemars(range(min = SHARE.0, max = SHARE.1))]
    pub fleet_share_percent: u32,
    /// How long a stored plan may be approved, in seconds.
    #[schemars(range(min = APPROVAL.0, max = APPROVAL.1))]
    pub approval_expiry_secs: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_event_age_secs: 900,
            fight_limit: 2,
            fight_window_secs: 3_600,
            actions_per_10_min: 10,
            actions_per_hour: 30,
            fleet_share_percent: 5,
            approval_expiry_secs: 14_400,
        }
    }
}

impl Guards {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let guards = Self {
            max_event_age_secs: t.number("max_event_age_secs", d.max_event_age_secs, EVENT_AGE),
            fight_limit: t.number("fight_limit", d.fight_limit, FIGHTS),
            fight_window_secs: t.number("fight_window_secs", d.fight_window_secs, FIGHT_WINDOW),
            actions_per_10_min: t.number("actions_per_10_min", d.actions_per_10_min, PER_10_MIN),
            actions_per_hour: t.number("actions_per_hour", d.actions_per_hour, PER_HOUR),
            fleet_share_percent: t.number("fleet_share_percent", d.fleet_share_percent, SHARE),
            approval_expiry_secs: t.number(
                "approval_expiry_secs",
                d.approval_expiry_secs,
                APPROVAL,
            ),
        };
        if guards.actions_per_hour < guards.actions_per_10_min {
            let message = format!("{} is less than `actions_per_10_min`", guards.actions_per_hour);
            t.note("actions_per_hour", message, "raise it to that, or lower the other");
        }
        t.finish();
        guards
    }

    /// The limits that the journal counts by.
    pub fn limits(&self) -> Limits {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Limits {
            fights: count(self.fight_limit),
            fight_window: SignedDuration::from_secs(i64::from(self.fight_window_secs)),
            per_10_min: count(self.actions_per_10_min),
            per_hour: count(self.actions_per_hour),
        }
    }
}
