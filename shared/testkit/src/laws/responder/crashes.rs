//! The process may die at any call, and so after every entry of the journal.

use super::{Base, Bench, Case, Kept, Law, Tally, hold, journals, same, sweeping};
use crate::faults::Fault;

/// A delivery whose process dies at call `n`.
pub(super) async fn crash(
    bench: &Bench<'_>,
    law: Law,
    name: &str,
    n: usize,
    fault: Fault,
) -> Kept<Case> {
    let case = bench.case().await?;
    let (machine, faults) = bench.faulty(&bench.how())?;
    faults.fail(n, fault);
    let died = faults.until_death(Box::pin(machine.invoke(&case.violated.event))).await;
    hold(law, died.is_none(), name, || {
        format!("it ends before that call: the calls of two runs differ: {died:?}")
    })?;
    Ok(case)
}

fn count(tally: &mut Tally, law: Law, base: &Base, n: usize) {
    tally.count(law, 1);
    let journal = base.calls.get(n).is_some_and(|call| journals(call));
    tally.note("crash points at a journal write", usize::from(journal));
}

/// It dies before and after each call: the next delivery ends where the run without a crash does.
///
/// # Errors
/// The first case that does not.
pub async fn next_delivery(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let law = Law::CrashDelivery;
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let name = format!("{}, {fault:?} at call {n} ({call})", bench.scenario.name());
            let case = crash(bench, law, &name, n, fault).await?;
            let next = bench.later(1, &bench.how())?;
            Bench::invoke(&next, law, &name, &case.violated.event).await?;
            let end = bench.end(&case).await?;
            same(law, &name, &end, &base.end, base.may_double(n, fault))?;
            count(tally, law, &base, n);
        }
    }
    Ok(())
}

/// It dies at each call, and no delivery comes: the sweep ends where the run without a crash does.
/// What was not claimed yet, no sweep can know of: Lambda delivers it again.
///
/// # Errors
/// The first case that does not.
pub async fn sweep(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let law = Law::CrashSweep;
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        // Where one call comes after the other, to die after it is to die before the next.
        let fault = if n + 1 == base.calls.len() { Fault::DiesAfter } else { Fault::DiesBefore };
        let name = format!("{}, {fault:?} at call {n} ({call})", bench.scenario.name());
        let case = crash(bench, law, &name, n, fault).await?;
        let next = bench.later(1, &bench.how())?;
        let mut claimed = true;
        for incident in &case.incidents {
            claimed &= next.engine.journal.show(incident).await.is_ok();
        }
        if !claimed {
            tally.note("crash points before the claim, left to the next delivery", 1);
            // Done here, so that the sweeps of the next cases do not find it.
            Bench::invoke(&next, law, &name, &case.violated.event).await?;
            continue;
        }
        Bench::invoke(&next, law, &name, &sweeping()).await?;
        let end = bench.end(&case).await?;
        same(law, &name, &end, &base.end, base.may_double(n, fault))?;
        count(tally, law, &base, n);
    }
    Ok(())
}
