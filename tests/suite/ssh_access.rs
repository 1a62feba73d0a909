//! `aws-work-02`: given what EC2 holds, when the event arrives, then what.

mod detect; // fixtures and real records
mod launch; // S2.1, T2.1
mod lists; // prefix lists as sources
mod modify; // X2.2
mod narrow; // ranges: the choice, its order, the quota
mod open; // X2.1, R2.1a
mod shapes; // port 22 in every shape
mod sweep; // what no event told of, and what is remembered
mod undo; // taking it back

use anyhow::Result;
use backstop_core::report::{Reply, Reported};
use backstop_testkit::machine::How;
use backstop_testkit::{Machine, Scene};
use serde_json::Value;
use ssh_access::SshAccess;

pub(crate) fn machine(scene: &Scene, how: &How) -> Result<Machine> {
    Machine::new(Box::new(SshAccess), scene, how)
}

/// Delivers one event to a fresh function, and returns the one incident.
pub(crate) async fn deliver(scene: &Scene, how: &How, event: &Value) -> Result<Reported> {
    let reply = machine(scene, how)?.invoke(event).await?;
    one(reply)
}

pub(crate) fn one(reply: Reply) -> Result<Reported> {
    let count = reply.incidents.len();
    anyhow::ensure!(count == 1, "expected one incident, got {count}: {reply:?}");
    Ok(reply.incidents.into_iter().next().unwrap())
}
