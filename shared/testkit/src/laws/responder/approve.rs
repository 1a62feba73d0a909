//! Released by a person, wherever it stops.

use backstop_core::report::Reported;
use backstop_core::words::Mode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Bench, Case, Kept, Law, Tally, changes, hold, same, sweeping};
use crate::faults::Fault;
use crate::machine::Machine;

/// How often the work may end, and people be told, until it is done: the attempt that met the
/// fault, the repetition, the sweep, the last approval, the sweep of what ended untold.
const ATTEMPTS: usize = 5;

/// An approval whose calls never arrive, lose their answer, or whose process dies: a person who
/// looks again and approves what is still held, after the sweep where the work lies open, ends with
/// each change made once.
///
/// How the attempts in between closed, and that people were told of them, is not compared.
///
/// # Errors
/// The first case that does not.
pub async fn approved(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let law = Law::ApproveInterrupted;
    let name = bench.scenario.name();
    let case = bench.planned().await?;
    let (machine, faults) = bench.faulty(&bench.attended())?;
    let shown = bench.shown(&machine, &case).await?;
    faults.clear();
    for order in orders(&shown) {
        Bench::invoke(&machine, law, &name, &order).await?;
    }
    let calls = faults.made();
    let changing = calls.iter().any(|call| changes(call));
    hold(law, changing, &name, || format!("the approval changes nothing: {calls:?}"))?;
    let mut base = bench.end(&case).await?;
    base.forget_ends();
    for (n, call) in calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::After, Fault::DiesBefore] {
            let name = format!("{name}, approve, {fault:?} at call {n} ({call})");
            let case = bench.planned().await?;
            let (machine, faults) = bench.faulty(&bench.attended())?;
            let approve = orders(&bench.shown(&machine, &case).await?);
            faults.clear();
            faults.fail(n, fault);
            let all = async {
                for order in &approve {
                    machine.invoke(order).await?;
                }
                Ok::<_, backstop_core::Error>(())
            };
            let first = faults.until_death(Box::pin(all)).await;
            faults.clear();
            if !matches!(first, Some(Ok(()))) {
                ended_by_a_person(bench, law, &name, &case).await?;
            }
            let mut end = bench.end(&case).await?;
            end.forget_ends();
            // At least what people are told without the fault, and once for each attempt at most.
            let most: usize =
                base.notices.values().sum::<usize>() + ATTEMPTS * case.incidents.len();
            let told = base.notices.iter().all(|(topic, n)| end.notices.get(topic) >= Some(n))
                && end.notices.values().sum::<usize>() <= most;
            hold(law, told, &name, || {
                format!("notices: {:?}, and {:?} without the fault", end.notices, base.notices)
            })?;
            end.notices.clone_from(&base.notices);
            same(law, &name, &end, &base, false)?;
            tally.count(law, 1);
        }
    }
    Ok(())
}

/// A person looks and approves what is held; the sweep ends what lies open, and they look again.
async fn ended_by_a_person(bench: &Bench<'_>, law: Law, name: &str, case: &Case) -> Kept {
    let again = bench.later(2, &bench.attended())?;
    let mut refused = false;
    for order in orders(&bench.shown(&again, case).await?) {
        refused |= again.invoke(&order).await.is_err();
    }
    let open = bench.shown(&again, case).await?.iter().any(|one| one.outcome.is_none());
    if refused || open {
        let sweep = bench.later(3, &bench.how().mode(Mode::Plan))?;
        Bench::invoke(&sweep, law, name, &sweeping()).await?;
        let last = bench.later(4, &bench.attended())?;
        for order in orders(&bench.shown(&last, case).await?) {
            Bench::invoke(&last, law, name, &order).await?;
        }
    }
    // What ended untold is told by the next sweep.
    let sweep = bench.later(5, &bench.how().mode(Mode::Plan))?;
    Bench::invoke(&sweep, law, name, &sweeping()).await.map(drop)
}

/// The order that releases what each incident holds now.
fn orders(shown: &[Reported]) -> Vec<Value> {
    let order = |incident: &Reported| {
        let plan_hash = incident.plan_hash.as_ref()?;
        Some(json!({ "backstop": { "approve": {
            "incident": incident.id, "plan_hash": plan_hash, "approved_by": "alice",
        }}}))
    };
    shown.iter().filter_map(order).collect()
}

impl Bench<'_> {
    /// Delivers a fresh violation where nothing may be applied: its plan is kept.
    pub(super) async fn planned(&self) -> anyhow::Result<Case> {
        let case = self.case().await?;
        let how = self.how().mode(Mode::Plan);
        self.machine(&self.scene.connection, &how)?.invoke(&case.violated.event).await?;
        Ok(Case { mark: self.scene.mark()?, ..case })
    }

    /// The incidents of a case, as a person sees them.
    pub(super) async fn shown(
        &self,
        machine: &Machine,
        case: &Case,
    ) -> anyhow::Result<Vec<Reported>> {
        let mut shown = Vec::new();
        for incident in &case.incidents {
            let show = json!({ "backstop": { "show": { "incident": incident }}});
            shown.extend(machine.invoke(&show).await?.incidents);
        }
        Ok(shown)
    }

    /// Delivers a fresh violation and releases its plan.
    pub(super) async fn released(&self) -> anyhow::Result<Case> {
        let case = self.planned().await?;
        let machine = self.later(1, &self.attended())?;
        machine.clock.forward(SignedDuration::from_secs(1));
        for order in orders(&self.shown(&machine, &case).await?) {
            machine.invoke(&order).await?;
        }
        Ok(case)
    }
}
