//! The journal's store in DynamoDB.
//!
//! One table: `pk`, `sk`, `rev`, and the content under `body`. `day` and `at` put a header into the
//! index `by-day`, `unfinished` into the sparse index of that name.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use backstop_core::journal::{Condition, Conflict, Index, Item, Key, Page, Store, Write};
use backstop_core::{Error, Result};
use serde_json::Value;

use crate::classify::Classify;
use crate::connect::Connection;

type Attributes = HashMap<String, AttributeValue>;

/// The journal's table.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
}

/// The index of the incidents of a day.
pub const BY_DAY: &str = "by-day";
/// The attribute of the table's time to live.
pub const EXPIRES: &str = "expires_at";
/// The sparse index of the incidents that are open or unreported.
pub const UNFINISHED: &str = "unfinished";

impl DynamoStore {
    /// The table of that name.
    pub fn new(connection: &Connection, table: &str) -> Self {
        Self { client: Client::new(&connection.sdk_config()), table: table.to_owned() }
    }

    fn named(&self, error: Error) -> Error {
        if error.is_missing() {
            return Error::missing(format!("the journal table `{}` does not exist", self.table))
                .hint("`BACKSTOP_TABLE` names it; the deployment creates it");
        }
        error.context(format!("the journal table `{}`", self.table))
    }

    fn put(&self, write: &Write) -> Result<Put> {
        let mut put = Put::builder().table_name(&self.table).set_item(Some(attributes(write)?));
        put = match write.condition {
            Condition::Absent => put.condition_expression("attribute_not_exists(pk)"),
            Condition::Revision(seen) => put
                .condition_expression("rev = :seen")
                .expression_attribute_values(":seen", AttributeValue::N(seen.to_string())),
            Condition::Always => put,
        };
        put.build().map_err(|e| Error::bug(format!("cannot build a put: {e}")))
    }

    async fn put_one(&self, write: &Write) -> Result<Result<(), Conflict>> {
        let put = self.put(write)?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_values(put.expression_attribute_values)
            .send()
            .await;
        if let Err(SdkError::ServiceError(service)) = &answer
            && matches!(service.err(), PutItemError::ConditionalCheckFailedException(_))
        {
            return Ok(Err(Conflict(0)));
        }
        answer.classed("dynamodb:PutItem").map_err(|e| self.named(e))?;
        Ok(Ok(()))
    }

    /// All or none. The SDK sends the same request token with each of its retries, so that a
    /// retry after a lost answer is not taken for a conflict.
    async fn put_all(&self, writes: &[Write]) -> Result<Result<(), Conflict>> {
        let items = writes
            .iter()
            .map(|write| Ok(TransactWriteItem::builder().put(self.put(write)?).build()))
            .collect::<Result<Vec<_>>>()?;
        let answer =
            self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        if let Err(SdkError::ServiceError(service)) = &answer
            && let TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err()
        {
            let codes: Vec<&str> = cancelled
                .cancellation_reasons()
                .iter()
                .map(|r| r.code().unwrap_or("None"))
                .collect();
            // Another transaction on the same item just now is a conflict too: who reads again sees it.
            let met =
                |code: &&str| matches!(*code, "ConditionalCheckFailed" | "TransactionConflict");
            if let Some(n) = codes.iter().position(met) {
                return Ok(Err(Conflict(n)));
            }
            let code = codes.into_iter().find(|code| *code != "None").unwrap_or("None");
            return Err(match code {
                "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                    Error::transient(format!("the journal is busy ({code})"))
                }
                other => Error::bug(format!("the journal refused a write ({other})")),
            });
        }
        answer.classed("dynamodb:TransactWriteItems").map_err(|e| self.named(e))?;
        Ok(Ok(()))
    }
}

fn attributes(write: &Write) -> Result<Attributes> {
    let text = |s: &str| AttributeValue::S(s.to_owned());
    let body = serde_dynamo::to_attribute_value(&write.item.body)
        .map_err(|e| Error::bug(format!("cannot write a journal item: {e}")))?;
    let mut attributes = Attributes::from([
        ("pk".to_owned(), text(&write.item.key.pk)),
        ("sk".to_owned(), text(&write.item.key.sk)),
        ("rev".to_owned(), AttributeValue::N(write.item.rev.to_string())),
        ("body".to_owned(), body),
    ]);
    if let Some((day, at)) = &write.listing.day {
        attributes.insert("day".to_owned(), text(day));
        attributes.insert("at".to_owned(), text(at));
    }
    if let Some(at) = write.expires {
        // The table's time to live, in seconds (DynamoDB); it deletes within some days.
        attributes.insert(EXPIRES.to_owned(), AttributeValue::N(at.as_second().to_string()));
    }
    if write.listing.unfinished.is_some() {
        attributes.insert("unfinished".to_owned(), text("yes"));
    }
    Ok(attributes)
}

fn item(mut attributes: Attributes) -> Result<Item> {
    let mut text = |name: &str| match attributes.remove(name) {
        Some(AttributeValue::S(text) | AttributeValue::N(text)) => Ok(text),
        _ => Err(Error::bug(format!("a journal item has no `{name}`"))),
    };
    let key = Key { pk: text("pk")?, sk: text("sk")? };
    let rev = text("rev")?
        .parse()
        .map_err(|e| Error::bug(format!("a journal item's `rev` is no number: {e}")))?;
    let body = attributes
        .remove("body")
        .ok_or_else(|| Error::bug(format!("the journal item `{}` is empty", key.pk)))?;
    let body = serde_dynamo::from_attribute_value(body)
        .map_err(|e| Error::bug(format!("the journal item `{}` is unreadable: {e}", key.pk)))?;
    Ok(Item { key, rev, body })
}

fn page(answer: QueryOutput) -> Result<Page> {
    let items = answer.items.unwrap_or_default().into_iter().map(item).collect::<Result<_>>()?;
    Ok(Page { items, next: bookmark(answer.last_evaluated_key)? })
}

/// Where the next page begins, as a value that the journal passes back unread.
fn bookmark(key: Option<Attributes>) -> Result<Option<Value>> {
    key.filter(|k| !k.is_empty())
        .map(|k| serde_dynamo::from_item(k).map_err(|e| Error::bug(format!("odd page key: {e}"))))
        .transpose()
}

fn start(after: Option<&Value>) -> Result<Option<Attributes>> {
    after
        .map(|v| serde_dynamo::to_item(v).map_err(|e| Error::bug(format!("odd page key: {e}"))))
        .transpose()
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(key.pk.clone()))
            .key("sk", AttributeValue::S(key.sk.clone()))
            .consistent_read(true)
            .send()
            .await
            .classed("dynamodb:GetItem")
            .map_err(|e| self.named(e))?;
        answer.item.map(item).transpose()
    }

    async fn query(&self, pk: &str, prefix: &str, after: Option<&Value>) -> Result<Page> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned()))
            .consistent_read(true)
            .set_exclusive_start_key(start(after)?)
            .send()
            .await
            .classed("dynamodb:Query")
            .map_err(|e| self.named(e))?;
        page(answer)
    }

    async fn query_index(&self, index: &Index, after: Option<&Value>) -> Result<Page> {
        let (name, key, value) = match index {
            Index::Day(day) => (BY_DAY, "day", day.as_str()),
            Index::Unfinished => (UNFINISHED, "unfinished", "yes"),
        };
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(name)
            .key_condition_expression("#key = :value")
            .expression_attribute_names("#key", key)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
            .set_exclusive_start_key(start(after)?)
            .send()
            .await
            .classed("dynamodb:Query")
            .map_err(|e| self.named(e))?;
        page(answer)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Result<(), Conflict>> {
        match writes.as_slice() {
            [] => Ok(Ok(())),
            [one] => self.put_one(one).await,
            all => self.put_all(all).await,
        }
    }
}
