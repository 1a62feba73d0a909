//! What holds when nothing goes wrong.

use backstop_aws::Account;
use backstop_core::action::Action;

use super::{Case, Fresh, Phase, declared};
use crate::laws::{Broken, Kept, Law, Tally, broken, hold};
use crate::local::Call;
use crate::policy::has;
use crate::scene::Scene;

/// Observing changes nothing, apply satisfies, undo restores, each again changes nothing, what else
/// is there is untouched, and the journaled form reads back to the same.
///
/// # Errors
/// The first law that is broken.
pub async fn plain<A: Action<Account>>(scene: &Scene, case: &Case<A>, tally: &mut Tally) -> Kept {
    run(scene, case, 1, tally).await.map(drop)
}

/// The same behind more than a page of others, all of which are read where the action lists.
///
/// # Errors
/// The law, whatever of it shows that only one page was read.
pub async fn page_two<A: Action<Account>>(
    scene: &Scene,
    case: &Case<A>,
    tally: &mut Tally,
) -> Kept {
    /// More than the local AWS puts on one page.
    const OTHERS: usize = 24;
    let calls = match run(scene, case, OTHERS, &mut Tally::default()).await {
        Err(Broken::Law { law, case, what }) => {
            return broken(Law::PageTwo, case, format!("behind {OTHERS} others: {law}: {what}"));
        }
        other => other?,
    };
    let lists = |call: &Call| call.reads() && (has(call, "MaxResults") || has(call, "Filter"));
    let listed = calls.iter().any(lists);
    hold(Law::PageTwo, !listed || calls.iter().any(|c| has(c, "NextToken")), &case.name, || {
        "it lists, and asks for no second page".to_owned()
    })?;
    tally.count(Law::PageTwo, 1);
    Ok(())
}

/// Runs a case once. Returns the calls of the action.
async fn run<A: Action<Account>>(
    scene: &Scene,
    case: &Case<A>,
    others: usize,
    tally: &mut Tally,
) -> Kept<Vec<Call>> {
    let name = &case.name;
    let account = &scene.account;
    let Fresh { action, thing } = case.fresh(scene, others).await?;
    let at_first = thing.read(scene).await?;

    let mark = scene.mark()?;
    let before = action.observe(account).await.map_err(|e| fails(Law::LooksOnly, name, &e))?;
    action.describe(&before);
    let mut made = scene.calls(mark)?;
    let calls = &made;
    let changing = calls.iter().find(|call| call.mutates());
    hold(Law::LooksOnly, changing.is_none(), name, || {
        format!("observe calls {}", changing.map(Call::name).unwrap_or_default())
    })?;
    declared(case, Phase::Observe, calls, tally)?;
    hold(Law::Satisfies, !action.satisfied(&before), name, || {
        format!("satisfied before anything was done: {before:?}")
    })?;
    reads_back(case, &action)?;

    let mark = scene.mark()?;
    action.apply(account).await.map_err(|e| fails(Law::Satisfies, name, &e))?;
    let calls = scene.calls(mark)?;
    declared(case, Phase::Apply, &calls, tally)?;
    made.extend(calls);
    let after = action.observe(account).await.map_err(|e| fails(Law::Satisfies, name, &e))?;
    hold(Law::Satisfies, action.satisfied(&after), name, || {
        format!("after apply it observes {after:?}")
    })?;
    let foreseen = Action::<Account>::foreseen(&action, &before);
    hold(Law::Foreseen, foreseen.as_ref().is_none_or(|state| *state == after), name, || {
        format!("the plan showed {foreseen:?}, a fresh describe {after:?}")
    })?;
    tally.count(Law::Foreseen, usize::from(foreseen.is_some()));
    let applied = thing.read(scene).await?;
    hold(Law::Beside, applied.beside == at_first.beside, name, || {
        format!("apply: {} became {}", at_first.beside, applied.beside)
    })?;

    let mark = scene.mark()?;
    action.apply(account).await.map_err(|e| fails(Law::AgainIdle, name, &e))?;
    let calls = scene.calls(mark)?;
    declared(case, Phase::Apply, &calls, tally)?;
    tally.note("apply again makes a mutating call", usize::from(calls.iter().any(Call::mutates)));
    made.extend(calls);
    let again = thing.read(scene).await?;
    hold(Law::AgainIdle, again == applied, name, || {
        format!("{} became {}", applied.whole, again.whole)
    })?;

    let mark = scene.mark()?;
    let restored =
        action.undo(account, &before).await.map_err(|e| fails(Law::Restores, name, &e))?;
    let calls = scene.calls(mark)?;
    declared(case, Phase::Undo, &calls, tally)?;
    made.extend(calls);
    let now = restored.observe(account).await.map_err(|e| fails(Law::Restores, name, &e))?;
    hold(Law::Restores, now == before, name, || format!("{before:?} came back as {now:?}"))?;
    let undone = thing.read(scene).await?;
    hold(Law::Restores, undone.whole == at_first.whole, name, || {
        format!("{} came back as {}", at_first.whole, undone.whole)
    })?;
    hold(Law::Beside, undone.beside == at_first.beside, name, || {
        format!("undo: {} became {}", at_first.beside, undone.beside)
    })?;

    let mark = scene.mark()?;
    let restored =
        action.undo(account, &before).await.map_err(|e| fails(Law::UndoAgainIdle, name, &e))?;
    let calls = scene.calls(mark)?;
    declared(case, Phase::Undo, &calls, tally)?;
    made.extend(calls);
    let now = restored.observe(account).await.map_err(|e| fails(Law::UndoAgainIdle, name, &e))?;
    let again = thing.read(scene).await?;
    hold(Law::UndoAgainIdle, now == before && again == undone, name, || {
        format!("{} became {}", undone.whole, again.whole)
    })?;
    for law in [
        Law::LooksOnly,
        Law::Satisfies,
        Law::AgainIdle,
        Law::Restores,
        Law::UndoAgainIdle,
        Law::ReadsBack,
        Law::Beside,
    ] {
        tally.count(law, 1);
    }
    Ok(made)
}

fn fails(law: Law, case: &str, error: &backstop_core::Error) -> Broken {
    Broken::Law { law, case: case.to_owned(), what: error.to_string() }
}

/// Written as JSON and read back it is the same, also in what JSON does not show.
fn reads_back<A: Action<Account>>(case: &Case<A>, action: &A) -> Kept {
    let journaled = serde_json::to_value(action)
        .map_err(|e| Broken::Law {
            law: Law::ReadsBack,
            case: case.name.clone(),
            what: format!("it cannot be written: {e}"),
        })?
        .to_string();
    match serde_json::from_str::<A>(&journaled) {
        Ok(read) => {
            hold(Law::ReadsBack, format!("{read:?}") == format!("{action:?}"), &case.name, || {
                format!("{action:?} is {read:?} when it is read back")
            })
        }
        Err(error) => {
            broken(Law::ReadsBack, &case.name, format!("{journaled} cannot be read: {error}"))
        }
    }
}
