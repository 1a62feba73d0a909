//! Two deliveries at once, call by call in an order that comes from a seed.

use std::ops::Range;

use serde_json::Value;

use super::{Bench, Case, Kept, Law, Tally, hold, same};
use crate::turns::Turns;

/// One event is delivered twice at once. What failed because the other one worked on it, Lambda
/// delivers again a minute later. In the end one containment was made, each change once, one
/// notice was told, and nothing is left open.
///
/// # Errors
/// The first seed with another end, and the order of its calls.
pub async fn two_deliveries(bench: &Bench<'_>, seeds: Range<u64>, tally: &mut Tally) -> Kept {
    let law = Law::TwoDeliveries;
    let base = bench.base().await?;
    for seed in seeds {
        let case = bench.case().await?;
        let event = &case.violated.event;
        let name = at_once(bench, law, seed, &[event, event]).await?;
        let end = bench.end(&case).await?;
        same(law, &name, &end, &base.end, false)?;
        nothing_open(bench, law, &name, &case).await?;
        tally.count(law, 1);
    }
    Ok(())
}

/// Two different events tell of one resource at once: the end is that of one after the other.
///
/// # Errors
/// The first seed with another end, and the order of its calls.
pub async fn two_events(bench: &Bench<'_>, seeds: Range<u64>, tally: &mut Tally) -> Kept {
    let law = Law::TwoEvents;
    let (case, other) = two(bench).await?;
    let machine = bench.machine(&bench.scene.connection, &bench.how())?;
    for event in [&case.violated.event, &other] {
        machine.invoke(event).await?;
    }
    let base = bench.end(&case).await?;
    for seed in seeds {
        let (case, other) = two(bench).await?;
        let name = at_once(bench, law, seed, &[&case.violated.event, &other]).await?;
        let end = bench.end(&case).await?;
        same(law, &name, &end, &base, false)?;
        nothing_open(bench, law, &name, &case).await?;
        tally.count(law, 1);
    }
    Ok(())
}

/// A resource with two violations, each with its event; the case holds the incidents of both.
async fn two(bench: &Bench<'_>) -> Kept<(Case, Value)> {
    let mut case = bench.case().await?;
    let other = bench.scenario.violate_again(bench.scene, &case.violated).await?;
    case.incidents.extend(bench.incidents(&other)?);
    case.mark = bench.scene.mark()?;
    Ok((case, other))
}

/// Delivers the events at once, and a minute later those again that failed. Returns the name of
/// the case: with the seed and the order.
async fn at_once(bench: &Bench<'_>, law: Law, seed: u64, events: &[&Value]) -> Kept<String> {
    let turns = Turns::new(seed);
    let mut machines = Vec::new();
    for n in 0..events.len() {
        let client = turns.client(n, bench.scene.connection.http());
        let connection = bench.scene.connection.clone().with_http(client);
        machines.push(bench.machine(&connection, &bench.how())?);
    }
    let deliveries =
        machines.iter().zip(events).map(|(machine, event)| machine.invoke(event)).collect();
    let answers = turns.run(deliveries).await;
    let name = format!("{}, seed {seed}: {}", bench.scenario.name(), turns.line());
    for (answer, event) in answers.iter().zip(events) {
        let Err(error) = answer else { continue };
        hold(law, error.is_transient(), &name, || format!("{}: {error}", error.class().name()))?;
        let next = bench.later(1, &bench.how())?;
        Bench::invoke(&next, law, &name, event).await?;
    }
    Ok(name)
}

async fn nothing_open(bench: &Bench<'_>, law: Law, name: &str, case: &Case) -> Kept {
    let reader = bench.later(1, &bench.how())?;
    let open = reader.engine.journal.unfinished().await?;
    let ours: Vec<_> = open.iter().filter(|h| case.incidents.contains(&h.id)).collect();
    hold(law, ours.is_empty(), name, || format!("left open: {ours:?}"))
}

impl Bench<'_> {
    /// The order in which the calls of two deliveries of a fresh violation go under a seed.
    ///
    /// # Errors
    /// If the scene does not play along.
    pub async fn order(&self, seed: u64) -> anyhow::Result<Vec<(usize, String)>> {
        let case = self.case().await?;
        let turns = Turns::new(seed);
        let mut machines = Vec::new();
        for n in 0..2 {
            let client = turns.client(n, self.scene.connection.http());
            machines
                .push(self.machine(&self.scene.connection.clone().with_http(client), &self.how())?);
        }
        let deliveries = machines.iter().map(|m| m.invoke(&case.violated.event)).collect();
        turns.run(deliveries).await;
        Ok(turns.trace())
    }
}
