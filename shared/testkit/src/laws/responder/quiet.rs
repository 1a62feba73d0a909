//! What must change nothing, and what must be declared.

use backstop_core::manifest::Statement;
use backstop_core::words::Outcome;

use super::{Bench, Kept, Lane, Law, Mode, Tally, hold, needs, statements};
use crate::local::Call;
use crate::policy;
use serde_json::json;

/// The same event comes again after hours: nothing but reads and the journal's own calls, no entry,
/// no notice.
///
/// # Errors
/// If it changes something.
pub async fn redelivery(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let name = bench.scenario.name();
    let case = bench.contain().await?;
    let late = bench.later(20 * 60, &bench.how())?;
    let mut before = Vec::new();
    for id in &case.incidents {
        before.push(late.engine.journal.show(id).await?);
    }
    let mark = bench.scene.mark()?;
    let reply = Bench::invoke(&late, Law::Redelivery, &name, &case.violated.event).await?;
    let duplicate = reply.incidents.iter().all(|i| i.outcome == Some(Outcome::Duplicate));
    hold(Law::Redelivery, duplicate, &name, || format!("it answers {reply:?}"))?;
    let calls = bench.scene.calls(mark)?;
    let loud = calls.iter().find(|c| c.service != "dynamodb" && !c.reads());
    hold(Law::Redelivery, loud.is_none(), &name, || {
        format!("it calls {}", loud.map(Call::name).unwrap_or_default())
    })?;
    for (id, before) in case.incidents.iter().zip(before) {
        let now = late.engine.journal.show(id).await?;
        hold(Law::Redelivery, now == before, &name, || format!("{before:?} became {now:?}"))?;
    }
    tally.count(Law::Redelivery, 1);
    Ok(())
}

/// Another event tells of what is right by now: it changes nothing, and wakes nobody.
///
/// # Errors
/// If it changes something.
pub async fn already_right(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let name = bench.scenario.name();
    let case = bench.contain().await?;
    let mut event = case.violated.event.clone();
    for id in ["/id", "/detail/eventID"] {
        if let Some(id) = event.pointer_mut(id) {
            *id = json!("00000000-0000-4000-8000-000000000000");
        }
    }
    let contained = case.violated.thing.read(bench.scene).await?;
    let mark = bench.scene.mark()?;
    let machine = bench.later(1, &bench.how())?;
    Bench::invoke(&machine, Law::AlreadyRight, &name, &event).await?;
    let changed = bench.scene.changes(mark)?;
    let told = bench.scene.notices(mark)?.len();
    let now = case.violated.thing.read(bench.scene).await?;
    hold(Law::AlreadyRight, changed.is_empty() && told == 0 && now == contained, &name, || {
        format!("it calls {changed:?}, tells {told} times, and leaves {}", now.whole)
    })?;
    tally.count(Law::AlreadyRight, 1);
    Ok(())
}

/// In observe and plan mode a violation is told, and nothing is changed.
///
/// # Errors
/// If something is.
pub async fn modes(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    for mode in [Mode::Observe, Mode::Plan] {
        let name = format!("{}, mode {mode}", bench.scenario.name());
        let case = bench.case().await?;
        let machine = bench.machine(&bench.scene.connection, &bench.how().mode(mode))?;
        Bench::invoke(&machine, Law::Modes, &name, &case.violated.event).await?;
        let changed = bench.scene.changes(case.mark)?;
        let now = case.violated.thing.read(bench.scene).await?;
        hold(Law::Modes, changed.is_empty() && now == case.at_first, &name, || {
            format!("it calls {changed:?}: {} became {}", case.at_first.whole, now.whole)
        })?;
        let told = bench.scene.notices(case.mark)?.len();
        hold(Law::Modes, told == 1, &name, || format!("{told} notices"))?;
        tally.count(Law::Modes, 1);
    }
    Ok(())
}

/// Every call of a containment is declared for the unattended lane, every call of an undo for the
/// attended one.
///
/// # Errors
/// The first that is not.
pub async fn declared(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    let case = bench.contain().await?;
    within(bench, Lane::Unattended, case.mark, tally)?;
    let mark = bench.scene.mark()?;
    let attended = bench.later(1, &bench.attended())?;
    for incident in &case.incidents {
        let undo = Bench::undo(incident);
        Bench::invoke(&attended, Law::Declared, &bench.scenario.name(), &undo).await?;
    }
    within(bench, Lane::Attended, mark, tally)
}

fn within(bench: &Bench<'_>, lane: Lane, mark: u64, tally: &mut Tally) -> Kept {
    let responder = bench.scenario.responder();
    let declared: Vec<Statement> = statements(responder.manifest(), responder.actions(), lane);
    let allowed: Vec<&str> = declared.iter().flat_map(|s| s.actions).copied().collect();
    for needed in bench.scene.calls(mark)?.iter().flat_map(needs) {
        let known = allowed.contains(&needed.as_str());
        hold(Law::Declared, known, bench.scenario.name(), || {
            format!("the {lane} lane calls `{needed}`")
        })?;
        tally.count(Law::Declared, 1);
    }
    Ok(())
}

/// The violation lies behind more than a page of what is none: it is contained all the same.
///
/// # Errors
/// If it is not, or only one page was read.
pub async fn page_two(bench: &Bench<'_>, tally: &mut Tally) -> Kept {
    /// More than the local AWS puts on one page.
    const OTHERS: usize = 24;
    let name = format!("{}, behind {OTHERS} others", bench.scenario.name());
    let base = bench.base().await?;
    let case = bench.case_behind(OTHERS).await?;
    let machine = bench.machine(&bench.scene.connection, &bench.how())?;
    Bench::invoke(&machine, Law::PageTwo, &name, &case.violated.event).await?;
    let pages = bench.scene.calls(case.mark)?.iter().any(|c| policy::has(c, "NextToken"));
    let end = bench.end(&case).await?;
    hold(Law::PageTwo, end.outcomes == base.end.outcomes, &name, || {
        format!("it ends as {:?} and not {:?}", end.outcomes, base.end.outcomes)
    })?;
    hold(Law::PageTwo, end.changes == base.end.changes, &name, || {
        format!("it calls {:?} and not {:?}", end.changes, base.end.changes)
    })?;
    hold(Law::PageTwo, pages, &name, || "it asks for no second page".to_owned())?;
    let now = case.violated.thing.read(bench.scene).await?;
    hold(Law::PageTwo, now.beside == case.at_first.beside, &name, || {
        format!("{} became {}", case.at_first.beside, now.beside)
    })?;
    tally.count(Law::PageTwo, 1);
    Ok(())
}
