//! Who hears of an incident, besides the topics.

use schemars::JsonSchema;
use serde::Serialize;

use super::table::Table;
use crate::words::Urgency;

/// Who hears of an incident, besides the topics that the deployment names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Whether an incident opens a Systems Manager `OpsItem`.
    pub ops_item: bool,
    /// The least urgency that opens one: `info`, `ticket` or `page`.
    pub ops_item_min_urgency: Urgency,
}

impl Default for Notify {
    fn default() -> Self {
        Self { ops_item: true, ops_item_min_urgency: Urgency::Ticket }
    }
}

impl Notify {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let notify = Self {
            ops_item: t.flag("ops_item", d.ops_item),
            ops_item_min_urgency: t
                .word("ops_item_min_urgency", Urgency::ALL, Urgency::name)
                .unwrap_or(d.ops_item_min_urgency),
        };
        t.finish();
        notify
    }
}
