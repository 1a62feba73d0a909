//! Taking it back, from wherever it stopped.

use jiff::SignedDuration;

use super::{Bench, Case, Kept, Law, Tally, changes, crashes::crash, hold, same, sweeping};
use crate::faults::Fault;

/// The containment stopped at every call, or one of its changes was refused. Then a person's undo
/// restores what was there before, or is refused with the reason and changes nothing; and what it
/// refused because the work was unfinished, it does once the next delivery has finished it.
///
/// # Errors
/// The first case that does not.
pub async fn partial(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let law = Law::UndoPartial;
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        // Where one call comes after the other, to die after it is to die before the next.
        let fault = if n + 1 == base.calls.len() { Fault::DiesAfter } else { Fault::DiesBefore };
        let name = format!("{}, {fault:?} at call {n} ({call})", bench.scenario.name());
        let case = crash(bench, law, &name, n, fault).await?;
        if !taken_back(bench, &case, &name, 1).await? {
            let next = bench.later(2, &bench.how())?;
            Bench::invoke(&next, law, &name, &case.violated.event).await?;
            let done = taken_back(bench, &case, &name, 3).await?;
            hold(law, done, &name, || "finished, it still cannot be taken back".to_owned())?;
        }
        tally.count(law, 1);
    }
    for (n, call) in base.calls.iter().enumerate().filter(|(_, call)| changes(call)) {
        let name = format!("{}, denied at call {n} ({call})", bench.scenario.name());
        let case = bench.case().await?;
        let (machine, faults) = bench.faulty(&bench.how())?;
        faults.fail(n, Fault::Denied);
        drop(machine.invoke(&case.violated.event).await);
        faults.clear();
        taken_back(bench, &case, &name, 1).await?;
        tally.count(law, 1);
    }
    Ok(())
}

/// Takes every incident of the case back: whether all were, and then all is as at first. What is
/// refused says why, and leaves everything as it stood.
async fn taken_back(bench: &Bench<'_>, case: &Case, name: &str, minutes: i64) -> Kept<bool> {
    let law = Law::UndoPartial;
    let attended = bench.later(minutes, &bench.attended())?;
    for incident in case.incidents.iter().rev() {
        let stood = case.violated.thing.read(bench.scene).await?;
        let mark = bench.scene.mark()?;
        if let Err(error) = attended.invoke(&Bench::undo(incident)).await {
            let changed = bench.scene.changes(mark)?;
            let now = case.violated.thing.read(bench.scene).await?;
            hold(law, changed.is_empty() && now == stood, name, || {
                format!("refused ({error}), it calls {changed:?} and leaves {}", now.whole)
            })?;
            hold(law, !error.to_string().is_empty(), name, || "refused without a reason".into())?;
            return Ok(false);
        }
    }
    let now = case.violated.thing.read(bench.scene).await?;
    hold(law, now.whole == case.at_first.whole, name, || {
        format!("{} came back as {}", case.at_first.whole, now.whole)
    })?;
    Ok(true)
}

/// An undo whose calls never arrive, lose their answer, or whose process dies: repeated, it ends
/// restored once, and people are told, by the repetition or by the sweep.
///
/// An attempt that fails says so: it closes as `failed`, or as `partial` between two steps, and tells people, which the run without a
/// fault does not; that one more notice is let pass. The number of mutating calls is not compared: an undo is idempotent and may be repeated. That
/// it restored once is seen in live state.
///
/// # Errors
/// The first case that does not.
pub async fn interrupted(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let law = Law::UndoInterrupted;
    let case = bench.contain().await?;
    let mark = bench.scene.mark()?;
    let (machine, faults) = bench.faulty(&bench.attended())?;
    machine.clock.forward(SignedDuration::from_mins(1));
    faults.clear();
    for incident in &case.incidents {
        let undo = Bench::undo(incident);
        Bench::invoke(&machine, law, &bench.scenario.name(), &undo).await?;
    }
    let calls = faults.made();
    let base = bench.end_since(&case, mark).await?;
    let whole = case.violated.thing.read(bench.scene).await?.whole;
    hold(law, whole == case.at_first.whole, bench.scenario.name(), || {
        format!("{} came back as {whole}", case.at_first.whole)
    })?;
    let told = calls.iter().position(|call| call == "Publish").unwrap_or(usize::MAX);
    for (n, call) in calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::After, Fault::DiesBefore] {
            let name = format!("{}, undo, {fault:?} at call {n} ({call})", bench.scenario.name());
            let case = bench.contain().await?;
            let mark = bench.scene.mark()?;
            let (machine, faults) = bench.faulty(&bench.attended())?;
            machine.clock.forward(SignedDuration::from_mins(1));
            faults.fail(n, fault);
            let undo_all = async {
                for incident in &case.incidents {
                    machine.invoke(&Bench::undo(incident)).await?;
                }
                Ok::<_, backstop_core::Error>(())
            };
            let first = faults.until_death(Box::pin(undo_all)).await;
            faults.clear();
            if !matches!(first, Some(Ok(()))) {
                let again = bench.later(2, &bench.attended())?;
                let mut refused = false;
                for incident in &case.incidents {
                    // What is taken back already is refused; what is still to be told, the sweep
                    // tells.
                    refused |= again.invoke(&Bench::undo(incident)).await.is_err();
                }
                if refused {
                    let next = bench.later(3, &bench.how())?;
                    Bench::invoke(&next, law, &name, &sweeping()).await?;
                }
            }
            let mut end = bench.end_since(&case, mark).await?;
            end.changes.clone_from(&base.changes);
            let failed = end.forget_failures();
            same(law, &name, &end, &base, n >= told || failed)?;
            tally.count(law, 1);
        }
    }
    Ok(())
}
