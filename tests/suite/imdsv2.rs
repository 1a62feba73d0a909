//! `aws-work-01`: given what EC2 holds, when the event arrives, then what.

mod alerts; // X1.5 to X1.14
mod defaults; // X1.1
mod detect; // fixtures and real records
mod hops; // T1.3
mod launch; // S1.2, T1.2
mod lines; // the AWS CLI lines of the steps
mod sweep; // what no event told of
mod templates; // X1.2 to X1.4
mod tokens; // S1.1, S1.3, T1.1, R1.1a

use anyhow::{Context as _, Result};
use backstop_actions::ec2::{host, metadata_defaults, metadata_defaults_arn};
use backstop_core::ident::ec2_arn;
use backstop_core::journal::{Journal, Snapshot};
use backstop_core::report::{Reply, Reported};
use backstop_testkit::machine::How;
use backstop_testkit::scene::REGION;
use backstop_testkit::{Machine, Scene};
use imdsv2::Imdsv2;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) fn machine(scene: &Scene, how: &How) -> Result<Machine> {
    Machine::new(Box::new(Imdsv2), scene, how)
}

/// Delivers one event to a fresh function, and returns the one incident.
pub(crate) async fn deliver(scene: &Scene, how: &How, event: &Value) -> Result<Reported> {
    one(machine(scene, how)?.invoke(event).await?)
}

pub(crate) fn one(reply: Reply) -> Result<Reported> {
    let count = reply.incidents.len();
    anyhow::ensure!(count == 1, "expected one incident, got {count}: {reply:?}");
    reply.incidents.into_iter().next().context("no incident")
}

/// The inventory, as a sweep leaves it: the options of an instance as they are now, seen an hour
/// ago.
pub(crate) async fn remember(scene: &Scene, journal: &Journal, instance: &str) -> Result<()> {
    let now = host(&scene.account, instance).await?.context("no such instance")?;
    let arn = ec2_arn(REGION, scene.id(), "instance", instance);
    keep(scene, journal, &arn, json!(now.options.settled())).await
}

/// The same of the account's defaults.
async fn remember_defaults(scene: &Scene, journal: &Journal) -> Result<()> {
    let now = metadata_defaults(&scene.account).await?;
    keep(scene, journal, &metadata_defaults_arn(REGION, scene.id()), json!(now)).await
}

async fn keep(scene: &Scene, journal: &Journal, arn: &str, state: Value) -> Result<()> {
    const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);
    let taken_at = Timestamp::now().saturating_sub(SignedDuration::from_hours(1))?;
    journal.keep_snapshot(arn, &Snapshot { taken_at, state }, MONTH).await?;
    // More than there are, so that the share of the fleet is no limit here.
    journal.keep_survey("imdsv2", scene.id(), REGION, taken_at, 1_000).await?;
    Ok(())
}

/// Remembers an instance through the journal that the machines use.
async fn known(scene: &Scene, instance: &str) -> Result<()> {
    let machine = machine(scene, &How::default())?;
    remember(scene, &machine.engine.journal, instance).await
}

/// Tokens and hop limit of an instance now.
async fn now(scene: &Scene, instance: &str) -> Result<(String, i32)> {
    let host = host(&scene.account, instance).await?.context("no such instance")?;
    let options = host.options;
    Ok((
        options.http_tokens.context("no tokens")?,
        options.http_put_response_hop_limit.context("no hop limit")?,
    ))
}
