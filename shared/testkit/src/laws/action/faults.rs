//! What holds when a call goes wrong, or the process dies.

use backstop_aws::Account;
use backstop_core::action::Action;
use backstop_core::error::{Class, Error, Result};

use super::{Case, faulty};
use crate::faults::Fault;
use crate::laws::{Kept, Law, Seen, Tally, Thing, hold};
use crate::scene::Scene;

/// What is tried, and on what: a thing that has been brought there without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Observe and apply.
    Apply,
    /// Apply where it has been applied.
    ApplyAgain,
    /// Undo where it has been applied.
    Undo,
    /// Undo where it has been undone.
    UndoAgain,
}

const PARTS: [Part; 4] = [Part::Apply, Part::ApplyAgain, Part::Undo, Part::UndoAgain];

/// A thing on which a part can be tried.
struct Ready<A: Action<Account>> {
    action: A,
    thing: Box<dyn Thing>,
    before: A::State,
    at_first: Seen,
}

async fn ready<A: Action<Account>>(scene: &Scene, case: &Case<A>, part: Part) -> Kept<Ready<A>> {
    let account = &scene.account;
    let fresh = case.fresh(scene, 1).await?;
    let before = fresh.action.observe(account).await?;
    let at_first = fresh.thing.read(scene).await?;
    if part != Part::Apply {
        fresh.action.apply(account).await?;
    }
    if part == Part::UndoAgain {
        fresh.action.undo(account, &before).await?;
    }
    Ok(Ready { action: fresh.action, thing: fresh.thing, before, at_first })
}

impl<A: Action<Account>> Ready<A> {
    /// Tries the part.
    async fn attempt(&self, part: Part, account: &Account) -> Result<()> {
        match part {
            Part::Apply => {
                self.action.observe(account).await?;
                self.action.apply(account).await
            }
            Part::ApplyAgain => self.action.apply(account).await,
            Part::Undo | Part::UndoAgain => self.action.undo(account, &self.before).await.map(drop),
        }
    }

    /// Whether the goal of the part is met, as a call without a fault sees it.
    async fn is_met(&self, part: Part, scene: &Scene) -> Kept<bool> {
        Ok(match part {
            Part::Apply | Part::ApplyAgain => {
                self.action.satisfied(&self.action.observe(&scene.account).await?)
            }
            Part::Undo | Part::UndoAgain => {
                self.thing.read(scene).await?.whole == self.at_first.whole
            }
        })
    }
}

/// Every call of every part goes wrong in every way: the error has its class, a refusal is never
/// success, and a repetition ends where the run without a fault does.
///
/// # Errors
/// The first law that is broken.
pub async fn faults<A: Action<Account>>(scene: &Scene, case: &Case<A>, tally: &mut Tally) -> Kept {
    for part in PARTS {
        let (account, faults) = faulty(scene);
        let base = ready(scene, case, part).await?;
        faults.clear();
        base.attempt(part, &account).await?;
        let calls = faults.made();
        let goal = base.thing.read(scene).await?.whole;
        for (n, call) in calls.iter().enumerate() {
            for fault in [Fault::Before, Fault::After, Fault::Throttled, Fault::Denied] {
                let name = format!("{}, {part:?}, {fault:?} at call {n} ({call})", case.name);
                let one = ready(scene, case, part).await?;
                faults.fail(n, fault);
                let first = one.attempt(part, &account).await;
                faults.clear();
                let met = first.is_err() || one.is_met(part, scene).await?;
                if fault == Fault::Denied {
                    hold(Law::NoFalseSuccess, met, &name, || {
                        "it answers success, and the state is not so".to_owned()
                    })?;
                    tally.count(Law::NoFalseSuccess, 1);
                }
                right_class(fault, &first, met, &name)?;
                tally.count(Law::ErrorClass, 1);
                let again = one.attempt(part, &account).await;
                hold(Law::Repeats, again.is_ok(), &name, || format!("the repetition: {again:?}"))?;
                let now = one.thing.read(scene).await?.whole;
                hold(Law::Repeats, now == goal, &name, || format!("{now} and not {goal}"))?;
                tally.count(Law::Repeats, 1);
            }
        }
    }
    Ok(())
}

/// What goes wrong on the way may pass, what is refused does not; and it is said, unless the goal
/// was met all the same.
fn right_class(fault: Fault, first: &Result<()>, met: bool, name: &str) -> Kept {
    let class = if fault == Fault::Denied { Class::Denied } else { Class::Transient };
    let right = match first {
        Ok(()) => met,
        Err(error) => error.class() == class,
    };
    hold(Law::ErrorClass, right, name, || {
        let is = first.as_ref().map_err(Error::class);
        format!("{is:?} and not {class:?}: {first:?}")
    })
}

/// The process dies before and after each call of apply, and of undo: an undo restores what was
/// there before.
///
/// # Errors
/// The first case that does not.
pub async fn partial<A: Action<Account>>(scene: &Scene, case: &Case<A>, tally: &mut Tally) -> Kept {
    for part in [Part::Apply, Part::Undo] {
        let (account, faults) = faulty(scene);
        let base = ready(scene, case, part).await?;
        faults.clear();
        base.attempt(part, &account).await?;
        let calls = faults.made();
        for (n, call) in calls.iter().enumerate() {
            for fault in [Fault::DiesBefore, Fault::DiesAfter] {
                let name = format!("{}, {part:?}, {fault:?} at call {n} ({call})", case.name);
                let one = ready(scene, case, part).await?;
                faults.fail(n, fault);
                let died = faults.until_death(one.attempt(part, &account)).await;
                faults.clear();
                hold(Law::PartialUndone, died.is_none(), &name, || {
                    "the call was not made again: the calls of two runs differ".to_owned()
                })?;
                let restored = one.action.undo(&scene.account, &one.before).await;
                hold(Law::PartialUndone, restored.is_ok(), &name, || format!("{restored:?}"))?;
                let now = one.thing.read(scene).await?;
                hold(Law::PartialUndone, now.whole == one.at_first.whole, &name, || {
                    format!("{} came back as {}", one.at_first.whole, now.whole)
                })?;
                tally.count(Law::PartialUndone, 1);
            }
        }
    }
    Ok(())
}
