//! Actions: one reversible change to one resource, and the same with its type erased.

use std::fmt::Debug;
use std::marker::PhantomData;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::manifest::Permissions;

/// What an action is called when it is shown to a person. Text only: it decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The ARN of the resource it changes.
    pub resource: String,
    /// What it does, in one phrase.
    pub summary: String,
    /// The equivalent AWS CLI line, quoted for a POSIX shell.
    pub command: String,
    /// The AWS CLI line that takes it back, if it can be taken back.
    pub undo_command: Option<String>,
}

/// One reversible change to one resource.
///
/// Four methods do everything: *skip* is `satisfied(observe())`, *verify* the same after `apply`,
/// *dry run* stops after `observe`, the *undo check* compares `observe()` with what was recorded.
/// `C` is the context that reaches AWS; core never looks inside.
#[async_trait]
pub trait Action<C: Send + Sync + 'static>:
    Serialize + DeserializeOwned + Debug + Clone + Send + Sync + 'static
{
    /// Versioned and permanent, such as `ec2.security-group-rule.revoke/1`: journals refer to it.
    const NAME: &'static str;
    /// What it needs to observe, apply and undo.
    const PERMISSIONS: Permissions;
    /// What is not as it was after an undo, if something is not: said before anyone asks for one.
    const UNDO_DIFFERS: Option<&'static str> = None;
    /// What `observe` reads and `undo` restores. Holds no id that a restored resource cannot keep.
    type State: Serialize + DeserializeOwned + PartialEq + Debug + Send + Sync;

    /// Says in words what it does, given the state before it.
    fn describe(&self, before: &Self::State) -> Description;

    /// What a fresh describe will read once it is applied, if that can be told before: what a plan
    /// shows. Pure; nothing is decided by it.
    fn foreseen(&self, before: &Self::State) -> Option<Self::State>;

    /// From when it can be taken back without letting in again what it keeps out, given what is in
    /// force; none if at once. Pure. Before that an undo is refused, and no `force` changes it.
    fn undo_from(&self, _in_force: &Self::State) -> Option<Timestamp> {
        None
    }

    /// Reads the state now: a fresh describe, never a cache.
    async fn observe(&self, context: &C) -> Result<Self::State>;

    /// Whether that state is what the action wants. Pure.
    fn satisfied(&self, state: &Self::State) -> bool;

    /// Makes the change. Idempotent: the second call changes nothing.
    async fn apply(&self, context: &C) -> Result<()>;

    /// Puts `before` back. Idempotent. Returns the action that now observes the restored resource:
    /// itself, or itself with the new id where AWS gives a new one.
    async fn undo(&self, context: &C, before: &Self::State) -> Result<Self>;
}

/// An [`Action`] with its types erased, as the engine and the journal handle it.
#[async_trait]
pub trait AnyAction<C>: Debug + Send + Sync {
    /// See [`Action::NAME`].
    fn name(&self) -> &'static str;
    /// See [`Action::UNDO_DIFFERS`].
    fn undo_differs(&self) -> Option<&'static str>;
    /// The arguments as they stand in the journal.
    ///
    /// # Errors
    /// `Bug` if they cannot be written as JSON.
    fn arguments(&self) -> Result<Value>;
    /// See [`Action::describe`].
    ///
    /// # Errors
    /// `Bug` if `before` is no state of this action.
    fn describe(&self, before: &Value) -> Result<Description>;
    /// See [`Action::foreseen`].
    ///
    /// # Errors
    /// `Bug` if `before` is no state of this action.
    fn foreseen(&self, before: &Value) -> Result<Option<Value>>;
    /// See [`Action::undo_from`].
    ///
    /// # Errors
    /// `Bug` if `in_force` is no state of this action.
    fn undo_from(&self, in_force: &Value) -> Result<Option<Timestamp>>;
    /// See [`Action::observe`].
    async fn observe(&self, context: &C) -> Result<Value>;
    /// See [`Action::satisfied`].
    ///
    /// # Errors
    /// `Bug` if `state` is no state of this action.
    fn satisfied(&self, state: &Value) -> Result<bool>;
    /// See [`Action::apply`].
    async fn apply(&self, context: &C) -> Result<()>;
    /// See [`Action::undo`].
    async fn undo(&self, context: &C, before: &Value) -> Result<Box<dyn AnyAction<C>>>;
    /// Whether two states are the same to the action.
    ///
    /// # Errors
    /// `Bug` if one of them is no state of this action.
    fn same(&self, one: &Value, other: &Value) -> Result<bool>;
}

fn state<C: Send + Sync + 'static, A: Action<C>>(value: &Value) -> Result<A::State> {
    A::State::deserialize(value).map_err(|e| {
        Error::bug(format!("the journal's state for `{}` is unreadable: {e}", A::NAME))
    })
}

fn value(name: &str, of: &impl Serialize) -> Result<Value> {
    serde_json::to_value(of).map_err(|e| Error::bug(format!("cannot write down `{name}`: {e}")))
}

#[async_trait]
impl<C: Send + Sync + 'static, A: Action<C>> AnyAction<C> for A {
    fn name(&self) -> &'static str {
        A::NAME
    }

    fn undo_differs(&self) -> Option<&'static str> {
        A::UNDO_DIFFERS
    }

    fn arguments(&self) -> Result<Value> {
        value(A::NAME, self)
    }

    fn describe(&self, before: &Value) -> Result<Description> {
        Ok(Action::describe(self, &state::<C, A>(before)?))
    }

    fn foreseen(&self, before: &Value) -> Result<Option<Value>> {
        let foreseen = Action::foreseen(self, &state::<C, A>(before)?);
        foreseen.map(|state| value(A::NAME, &state)).transpose()
    }

    fn undo_from(&self, in_force: &Value) -> Result<Option<Timestamp>> {
        Ok(Action::undo_from(self, &state::<C, A>(in_force)?))
    }

    async fn observe(&self, context: &C) -> Result<Value> {
        value(A::NAME, &Action::observe(self, context).await?)
    }

    fn satisfied(&self, now: &Value) -> Result<bool> {
        Ok(Action::satisfied(self, &state::<C, A>(now)?))
    }

    async fn apply(&self, context: &C) -> Result<()> {
        Action::apply(self, context).await
    }

    async fn undo(&self, context: &C, before: &Value) -> Result<Box<dyn AnyAction<C>>> {
        Ok(Box::new(Action::undo(self, context, &state::<C, A>(before)?).await?))
    }

    fn same(&self, one: &Value, other: &Value) -> Result<bool> {
        Ok(state::<C, A>(one)? == state::<C, A>(other)?)
    }
}

/// Reads an action back from its journaled arguments.
type Decode<C> = fn(&Value) -> Result<Box<dyn AnyAction<C>>>;

/// One kind of action that a responder may take: how it is read back, and what it may do.
pub struct ActionKind<C> {
    /// See [`Action::NAME`].
    pub name: &'static str,
    /// See [`Action::PERMISSIONS`].
    pub permissions: Permissions,
    decode: Decode<C>,
    context: PhantomData<fn(&C)>,
}

impl<C> Debug for ActionKind<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActionKind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<C: Send + Sync + 'static> ActionKind<C> {
    /// The kind of `A`.
    pub const fn of<A: Action<C>>() -> Self {
        Self {
            name: A::NAME,
            permissions: A::PERMISSIONS,
            decode: decode::<C, A>,
            context: PhantomData,
        }
    }
}

fn decode<C: Send + Sync + 'static, A: Action<C>>(
    arguments: &Value,
) -> Result<Box<dyn AnyAction<C>>> {
    let action = A::deserialize(arguments).map_err(|e| {
        Error::bug(format!("the journal's arguments for `{}` are unreadable: {e}", A::NAME))
    })?;
    Ok(Box::new(action))
}

/// Reads a journaled action back.
///
/// # Errors
/// `Bug` if none of `kinds` has that name: an unknown name in a journal is never skipped.
pub fn read_back<C>(
    kinds: &[ActionKind<C>],
    name: &str,
    arguments: &Value,
) -> Result<Box<dyn AnyAction<C>>> {
    let kind = kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        Error::bug(format!("the journal names an action `{name}` that this function does not have"))
            .hint("run the release that wrote it, or undo by hand with the recorded command")
    })?;
    (kind.decode)(arguments)
}
