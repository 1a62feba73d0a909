//! Any call may fail.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Bench, Kept, Law, Tally, hold, same};
use crate::faults::{Fault, Faults};

/// Each call never arrives, loses its answer, is throttled: Lambda's retry a minute later ends
/// where the run without a fault does.
///
/// # Errors
/// The first case that does not.
pub async fn retry(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::After, Fault::Throttled] {
            let name = format!("{}, {fault:?} at call {n} ({call})", bench.scenario.name());
            let case = bench.case().await?;
            let (machine, faults) = bench.faulty(&bench.how())?;
            faults.fail(n, fault);
            let first = machine.invoke(&case.violated.event).await;
            faults.clear();
            if first.is_err() {
                machine.clock.forward(SignedDuration::from_mins(1));
                Bench::invoke(&machine, Law::Retry, &name, &case.violated.event).await?;
            }
            let end = bench.end(&case).await?;
            same(Law::Retry, &name, &end, &base.end, base.may_double(n, fault))?;
            tally.count(Law::Retry, 1);
        }
    }
    Ok(())
}

/// The same with the SDK's retries on: what never arrives or is throttled once, the first delivery
/// gets over alone.
///
/// # Errors
/// The first case that does not.
pub async fn sdk_retry(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::Throttled] {
            let name = format!("{}, {fault:?} at call {n} ({call})", bench.scenario.name());
            let case = bench.case().await?;
            let faults = Faults::around(bench.scene.connection.http());
            let connection = bench
                .scene
                .connection
                .clone()
                .with_http(faults.client())
                .with_attempts(3)
                .with_first_pause(Duration::from_millis(1));
            let machine = bench.machine(&connection, &bench.how())?;
            faults.fail(n, fault);
            Bench::invoke(&machine, Law::SdkRetry, &name, &case.violated.event).await?;
            let end = bench.end(&case).await?;
            same(Law::SdkRetry, &name, &end, &base.end, false)?;
            tally.count(Law::SdkRetry, 1);
        }
    }
    Ok(())
}

/// Each call is refused: the invocation fails, or somebody is told; and what is claimed is so.
///
/// # Errors
/// The first case that does not.
pub async fn refusals(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let base = bench.base().await?;
    for (n, call) in base.calls.iter().enumerate() {
        let name = format!("{}, denied at call {n} ({call})", bench.scenario.name());
        let case = bench.case().await?;
        let (machine, faults) = bench.faulty(&bench.how())?;
        faults.fail(n, Fault::Denied);
        let answer = machine.invoke(&case.violated.event).await;
        faults.clear();
        tally.count(Law::Refusals, 1);
        let Ok(reply) = answer else { continue };
        let told = !bench.scene.notices(case.mark)?.is_empty();
        hold(Law::Refusals, told, &name, || format!("nobody was told of {reply:?}"))?;
        let end = bench.end(&case).await?;
        let contained = end.state.get("thing") == base.end.state.get("thing");
        let claims = end.outcomes == base.end.outcomes;
        hold(Law::Refusals, contained || !claims, &name, || {
            format!("it claims {:?}, and live state is {}", end.outcomes, end.state)
        })?;
        // What it answers is what it wrote down.
        let answered: Vec<_> = reply.incidents.iter().map(|i| i.outcome).collect();
        hold(Law::Refusals, answered == end.outcomes, &name, || {
            format!("it answers {answered:?}, the journal says {:?}", end.outcomes)
        })?;
    }
    Ok(())
}
