//! Taking it back, from wherever it stopped.

use backstop_core::incident::Change;
use backstop_core::report::Reported;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::end::difference;
use super::{Bench, Case, Kept, Law, Tally, changes, crashes::crash, hold, same, sweeping};
use crate::faults::Fault;
use crate::machine::Machine;

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

/// An undo that must be refused, for each reason that there is: it says why, and live state, the
/// plan, the outcome and what people were told stay as they were.
///
/// # Errors
/// The first case that does not.
pub async fn refused(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let order = |incident: &str, more: Value| {
        let mut undo = json!({ "incident": incident, "requested_by": "alice", "reason": "why" });
        if let (Some(undo), Value::Object(more)) = (undo.as_object_mut(), more) {
            undo.extend(more);
        }
        json!({ "backstop": { "undo": undo }})
    };
    let case = bench.released().await?;
    let attended = bench.later(2, &bench.attended())?;
    for (why, more) in [
        ("a step that is not there", json!({ "step": 99 })),
        ("forced without a reason", json!({ "force": true, "reason": " " })),
    ] {
        for incident in &case.incidents {
            refusal(bench, &attended, &case, why, &order(incident, more.clone())).await?;
            tally.count(Law::UndoRefused, 1);
        }
    }
    if bench.scenario.overtake(bench.scene, &case.violated).await? {
        for incident in &case.incidents {
            let why = "somebody has changed it since";
            refusal(bench, &attended, &case, why, &order(incident, json!({}))).await?;
            tally.count(Law::UndoRefused, 1);
        }
    }
    let case = bench.planned().await?;
    let attended = bench.later(2, &bench.attended())?;
    for incident in &case.incidents {
        let why = "nothing was applied";
        refusal(bench, &attended, &case, why, &order(incident, json!({}))).await?;
        tally.count(Law::UndoRefused, 1);
    }
    let case = bench.released().await?;
    let attended = bench.later(2, &bench.attended())?;
    for incident in &case.incidents {
        let undo = order(incident, json!({}));
        Bench::invoke(&attended, Law::UndoRefused, &bench.scenario.name(), &undo).await?;
        refusal(bench, &attended, &case, "it was taken back already", &undo).await?;
        tally.count(Law::UndoRefused, 1);
    }
    Ok(())
}

/// One undo that must be refused and change nothing.
async fn refusal(
    bench: &Bench<'_>,
    attended: &Machine,
    case: &Case,
    why: &str,
    undo: &Value,
) -> Kept {
    let law = Law::UndoRefused;
    let name = format!("{}, {why}", bench.scenario.name());
    let stood = case.violated.thing.read(bench.scene).await?;
    let shown = bench.shown(attended, case).await?;
    let mark = bench.scene.mark()?;
    let answer = attended.invoke(undo).await;
    hold(law, answer.is_err(), &name, || "it was not refused".to_owned())?;
    let (changed, told) = (bench.scene.changes(mark)?, bench.scene.notices(mark)?.len());
    hold(law, changed.is_empty() && told == 0, &name, || {
        format!("it calls {changed:?} and publishes {told} notices")
    })?;
    let now = case.violated.thing.read(bench.scene).await?;
    hold(law, now == stood, &name, || format!("{} became {}", stood.whole, now.whole))?;
    let now = told_of(&bench.shown(attended, case).await?)?;
    let shown = told_of(&shown)?;
    hold(law, now == shown, &name, || difference("", &now, &shown))
}

/// What is told of incidents; that somebody had one in hand is no change.
fn told_of(shown: &[Reported]) -> anyhow::Result<Value> {
    let mut shown = shown.to_vec();
    for entries in shown.iter_mut().filter_map(|incident| incident.entries.as_mut()) {
        entries.retain(|entry| entry.change != Change::Resumed);
    }
    Ok(serde_json::to_value(shown)?)
}
