//! The journal's store in memory: DynamoDB's twin for `replay` and for tests without a network.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use super::store::{Condition, Conflict, Index, Item, Key, Listing, Page, Store, Write};
use crate::error::Result;

/// Items in memory. Pages are small on purpose, so that page two is read.
#[derive(Debug, Default)]
pub struct MemoryStore {
    items: Mutex<BTreeMap<Key, (Item, Listing)>>,
}

/// How many items a page holds.
const PAGE: usize = 7;

fn page(items: Vec<Item>, after: Option<&Value>) -> Page {
    let start = after.and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let more = items.len() > start + PAGE;
    Page {
        items: items.into_iter().skip(start).take(PAGE).collect(),
        next: more.then(|| Value::from(start + PAGE)),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(items.get(key).map(|(item, _)| item.clone()))
    }

    async fn query(&self, pk: &str, prefix: &str, after: Option<&Value>) -> Result<Page> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let found = items
            .values()
            .map(|(item, _)| item)
            .filter(|i| i.key.pk == pk && i.key.sk.starts_with(prefix))
            .cloned()
            .collect();
        Ok(page(found, after))
    }

    async fn query_index(&self, index: &Index, after: Option<&Value>) -> Result<Page> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<(String, Item)> = items
            .values()
            .filter_map(|(item, listing)| {
                let at = match index {
                    Index::Day(wanted) => listing
                        .day
                        .as_ref()
                        .filter(|(day, _)| day == wanted)
                        .map(|(_, at)| at.clone()),
                    Index::Unfinished => listing.unfinished.clone(),
                };
                at.map(|at| (at, item.clone()))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(page(found.into_iter().map(|(_, item)| item).collect(), after))
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Result<(), Conflict>> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        for (n, write) in writes.iter().enumerate() {
            let rev = items.get(&write.item.key).map(|(item, _)| item.rev);
            let holds = match write.condition {
                Condition::Absent => rev.is_none(),
                Condition::Revision(seen) => rev == Some(seen),
                Condition::Always => true,
            };
            if !holds {
                return Ok(Err(Conflict(n)));
            }
        }
        for write in writes {
            items.insert(write.item.key.clone(), (write.item, write.listing));
        }
        Ok(Ok(()))
    }
}
