//! The laws of every action.

mod faults;
mod plain;

use std::fmt::Debug;

use anyhow::Result;
use backstop_aws::Account;
use backstop_core::action::Action;
use backstop_core::manifest::Statement;
use futures::future::BoxFuture;

use super::{Kept, Law, Tally, Thing, hold};
use crate::faults::Faults;
use crate::local::Call;
use crate::policy::needs;
use crate::scene::Scene;

pub use faults::{faults, partial};
pub use plain::{page_two, plain};

/// A fresh thing and the action on it: there is something to do.
#[derive(Debug)]
pub struct Fresh<A> {
    /// The action.
    pub action: A,
    /// What it changes.
    pub thing: Box<dyn Thing>,
}

/// How a fresh thing is made, behind how many others.
type Make<A> = dyn Fn(&Scene, usize) -> BoxFuture<'_, Result<Fresh<A>>> + Send + Sync;

/// One case of an action: its name, and how to make as many fresh things for it as a law needs.
pub struct Case<A> {
    /// What is special about it.
    pub name: String,
    make: Box<Make<A>>,
}

impl<A> Debug for Case<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<A: Action<Account>> Case<A> {
    /// A case. `make` makes the thing behind that many others, and the action on it.
    pub fn new(
        name: &str,
        make: impl Fn(&Scene, usize) -> BoxFuture<'_, Result<Fresh<A>>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: format!("{} ({name})", A::NAME), make: Box::new(make) }
    }

    async fn fresh(&self, scene: &Scene, others: usize) -> Result<Fresh<A>> {
        (self.make)(scene, others).await
    }

    /// The same case of an action made from this one.
    pub fn map<B: Action<Account>>(self, into: fn(A) -> B) -> Case<B> {
        let make = self.make;
        Case {
            name: self.name,
            make: Box::new(move |scene, others| {
                let fresh = make(scene, others);
                Box::pin(async move {
                    let Fresh { action, thing } = fresh.await?;
                    Ok(Fresh { action: into(action), thing })
                })
            }),
        }
    }
}

/// When a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Observe,
    Apply,
    Undo,
}

fn actions(statements: &[Statement]) -> impl Iterator<Item = &'static str> {
    statements.iter().flat_map(|statement| statement.actions).copied()
}

/// Every call of a phase is declared for it; what is read to observe may be read in each.
fn declared<A: Action<Account>>(
    case: &Case<A>,
    phase: Phase,
    calls: &[Call],
    tally: &mut Tally,
) -> Kept {
    let all = A::PERMISSIONS;
    let of_phase: &[Statement] = match phase {
        Phase::Observe => &[],
        Phase::Apply => all.apply,
        Phase::Undo => all.undo,
    };
    for needed in calls.iter().flat_map(needs) {
        if actions(all.observe).any(|allowed| allowed == needed) {
            tally.use_of(A::NAME, format!("observe {needed}"));
        } else {
            let known = actions(of_phase).any(|allowed| allowed == needed);
            hold(Law::Declared, known, &case.name, || format!("{phase:?} calls `{needed}`"))?;
            tally.use_of(A::NAME, format!("{phase:?} {needed}"));
        }
        tally.count(Law::Declared, 1);
    }
    Ok(())
}

/// Every action that `A` declares was used by one of the cases that were counted.
///
/// # Errors
/// The first that was not.
pub fn used<A: Action<Account>>(tally: &mut Tally) -> Kept {
    let all = A::PERMISSIONS;
    let phases = [("observe", all.observe), ("Apply", all.apply), ("Undo", all.undo)];
    for (phase, statements) in phases {
        for action in actions(statements) {
            let wanted = format!("{phase} {action}");
            let used = tally.used.get(A::NAME).is_some_and(|used| used.contains(&wanted));
            hold(Law::Used, used, A::NAME, || format!("nothing uses `{wanted}`"))?;
            tally.count(Law::Used, 1);
        }
    }
    Ok(())
}

/// The account of a scene over a connection with faults.
fn faulty(scene: &Scene) -> (Account, Faults) {
    let faults = Faults::around(scene.connection.http());
    let connection = scene.connection.clone().with_http(faults.client());
    (Account::new(scene.id(), connection), faults)
}
