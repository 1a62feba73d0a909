//! Names of what is deployed. All are fixed; `infra/lib/names.ts` gives them.

use backstop_core::ident::partition;
use backstop_core::words::{Lane, Urgency};

/// The journal's table.
pub(crate) const TABLE: &str = "backstop-journal";

/// The function of a lane of a responder.
pub(crate) fn function(responder: &str, lane: Lane) -> String {
    format!("backstop-{responder}-{lane}")
}

/// The topic of an urgency.
pub(crate) fn topic(region: &str, account: &str, urgency: Urgency) -> String {
    format!("arn:{}:sns:{region}:{account}:backstop-{urgency}", partition(region))
}

/// The managed policy of who looks into the dead-letter queues, and takes out of them.
pub(crate) const REDRIVER: &str = "backstop-redriver";

/// What an invocation ends in that failed three times.
pub(crate) fn dead_letters(responder: &str, lane: Lane) -> String {
    format!("{}-dlq", function(responder, lane))
}

/// What an event ends in that the rules of a responder could not deliver.
pub(crate) fn rule_dead_letters(responder: &str) -> String {
    format!("backstop-{responder}-rules-dlq")
}

/// What a heartbeat ends in that could not be put on the bus; `away`: the Region, if not home.
pub(crate) fn heartbeat_dead_letters(away: Option<&str>) -> String {
    away.map_or("backstop-heartbeat-dlq".to_owned(), |r| format!("backstop-heartbeat-{r}-dlq"))
}

/// What an event ends in, in its own Region, that could not be forwarded to the home Region.
pub(crate) fn forward_dead_letters(region: &str) -> String {
    format!("backstop-forward-{region}-dlq")
}
