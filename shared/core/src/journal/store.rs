//! What the journal is kept in: items with a revision, conditional writes, nothing else.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition: everything of one incident, one resource or one counter.
    pub pk: String,
    /// The item in it.
    pub sk: String,
}

impl Key {
    fn of(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// The partition of an incident.
    pub fn incident(id: &str) -> String {
        format!("i#{id}")
    }

    /// The header of an incident.
    pub fn header(id: &str) -> Self {
        Self::of(Self::incident(id), "h")
    }

    /// One step of a plan.
    pub fn step(id: &str, plan: &str, n: u32) -> Self {
        Self::of(Self::incident(id), format!("p#{plan}#{n:03}"))
    }

    /// One entry.
    pub fn entry(id: &str, seq: u32) -> Self {
        Self::of(Self::incident(id), format!("s#{seq:06}"))
    }

    /// The lock, the fights and the open plans of a resource. Its ARN holds account and Region.
    pub fn resource(resource: &str) -> Self {
        Self::of(format!("r#{resource}"), "h")
    }

    /// The breaker of a function.
    pub fn breaker(responder: &str) -> Self {
        Self::of(format!("c#breaker#{responder}"), "h")
    }

    /// What the sort keys of versions begin with.
    pub const VERSIONS: &'static str = "t#";

    /// The last known state of a resource.
    pub fn snapshot(resource: &str) -> Self {
        Self::of(format!("v#{resource}"), "latest")
    }

    /// The state that a resource had from then on, until another one.
    pub fn version(resource: &str, taken_at: Timestamp) -> Self {
        let at = taken_at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ");
        Self::of(format!("v#{resource}"), format!("{}{at}", Self::VERSIONS))
    }

    /// The partition of the surveys of a responder.
    pub fn surveys(responder: &str) -> String {
        format!("v#surveys#{responder}")
    }

    /// What the sort keys of places begin with.
    pub const PLACES: &'static str = "p#";

    /// The completed surveys of an account in a Region.
    pub fn survey(responder: &str, account: &str, region: &str) -> Self {
        Self::of(Self::surveys(responder), format!("{}{account}#{region}", Self::PLACES))
    }
}

/// An item as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// How often it was written; 1 the first time.
    pub rev: u64,
    /// What it holds.
    pub body: Value,
}

/// How many writes fit into one transaction: DynamoDB's limit.
pub const MAX_WRITES: usize = 100;

/// What must be so for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The item does not exist.
    Absent,
    /// The item exists with this revision.
    Revision(u64),
    /// Nothing: only beside a fenced write of the same batch, which decides for all.
    Always,
}

/// Where an item also appears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The day and the time of the claim.
    pub day: Option<(String, String)>,
    /// The time of the claim, for as long as the incident is unfinished.
    pub unfinished: Option<String>,
}

/// One conditional put of a whole item. There is no delete: nothing goes away but what expires.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The item, with the revision that it will have.
    pub item: Item,
    /// What must be so.
    pub condition: Condition,
    /// Where it also appears.
    pub listing: Listing,
    /// When the store may forget it; never unless given.
    pub expires: Option<Timestamp>,
}

impl Write {
    /// A put over revision `seen`; 0 means that there was none.
    pub fn put(key: Key, seen: u64, body: Value) -> Self {
        let condition = if seen == 0 { Condition::Absent } else { Condition::Revision(seen) };
        let item = Item { key, rev: seen + 1, body };
        Self { item, condition, listing: Listing::default(), expires: None }
    }

    /// A put that the fenced write of the same batch decides about.
    pub fn beside(key: Key, body: Value) -> Self {
        let item = Item { key, rev: 1, body };
        Self { item, condition: Condition::Always, listing: Listing::default(), expires: None }
    }

    /// The same, which the store may forget from then on.
    #[must_use]
    pub const fn expiring(mut self, at: Option<Timestamp>) -> Self {
        self.expires = at;
        self
    }
}

/// One of the secondary indexes; both hold headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// The incidents of a day, `yyyy-mm-dd`.
    Day(String),
    /// The incidents that are open or unreported.
    Unfinished,
}

/// Which write of a batch met a condition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict(pub usize);

/// One page of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its items, in order.
    pub items: Vec<Item>,
    /// Where the next page begins, if there is one.
    pub next: Option<Value>,
}

/// Keeps items. Knows no rule of the journal.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// One item, read consistently.
    ///
    /// # Errors
    /// `Transient` if the store does not answer, `Missing` if there is no table.
    async fn get(&self, key: &Key) -> Result<Option<Item>>;

    /// The items of a partition whose sort key begins with `prefix`, in order, read consistently.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn query(&self, pk: &str, prefix: &str, after: Option<&Value>) -> Result<Page>;

    /// The items of an index, in order. Eventually consistent.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn query_index(&self, index: &Index, after: Option<&Value>) -> Result<Page>;

    /// All of the writes or none, at most [`MAX_WRITES`]; the first condition that did not hold.
    ///
    /// # Errors
    /// As [`Store::get`].
    async fn write(&self, writes: Vec<Write>) -> Result<Result<(), Conflict>>;
}

/// The item's content.
///
/// # Errors
/// `Bug` if it is not what it should be.
pub fn decode<T: DeserializeOwned>(item: &Item) -> Result<T> {
    T::deserialize(&item.body).map_err(|e| {
        Error::bug(format!(
            "the journal item `{}` `{}` is unreadable: {e}",
            item.key.pk, item.key.sk
        ))
    })
}

/// Content for an item.
///
/// # Errors
/// `Bug` if it cannot be written as JSON.
pub fn encode(content: &impl Serialize) -> Result<Value> {
    serde_json::to_value(content)
        .map_err(|e| Error::bug(format!("cannot write a journal item: {e}")))
}
