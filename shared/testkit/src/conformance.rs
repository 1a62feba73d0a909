//! What every journal store must do. The in-memory store and DynamoDB both pass it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use backstop_core::journal::{Condition, Conflict, Index, Item, Key, Listing, Store, Write};
use serde_json::{Value, json};

fn key(sk: &str) -> Key {
    Key { pk: "i#conformance".to_owned(), sk: sk.to_owned() }
}

fn put(sk: &str, seen: u64, body: Value) -> Write {
    Write::put(key(sk), seen, body)
}

/// Runs the whole suite on an empty store.
///
/// # Errors
/// The first thing that the store does wrong.
pub async fn run(store: Arc<dyn Store>) -> Result<()> {
    absent_and_revision(store.as_ref()).await?;
    all_or_none(store.as_ref()).await?;
    bodies(store.as_ref()).await?;
    pages(store.as_ref()).await?;
    indexes(store.as_ref()).await
}

async fn absent_and_revision(store: &dyn Store) -> Result<()> {
    ensure!(store.get(&key("h")).await?.is_none(), "an empty store holds nothing");
    ensure!(store.write(vec![put("h", 0, json!({"n": 1}))]).await?.is_ok(), "first put");
    ensure!(
        store.write(vec![put("h", 0, json!({"n": 2}))]).await? == Err(Conflict(0)),
        "a second claim must meet a conflict"
    );
    ensure!(store.write(vec![put("h", 1, json!({"n": 3}))]).await?.is_ok(), "over revision 1");
    ensure!(
        store.write(vec![put("h", 1, json!({"n": 4}))]).await? == Err(Conflict(0)),
        "an old revision must meet a conflict"
    );
    ensure!(
        store.write(vec![put("missing", 5, json!({}))]).await? == Err(Conflict(0)),
        "a revision of nothing must meet a conflict"
    );
    let item = store.get(&key("h")).await?;
    let expected = Item { key: key("h"), rev: 2, body: json!({"n": 3}) };
    ensure!(item.as_ref() == Some(&expected), "got {item:?}");
    Ok(())
}

async fn all_or_none(store: &dyn Store) -> Result<()> {
    let batch = vec![
        put("t1", 0, json!(1)),
        Write::beside(key("t2"), json!(2)),
        put("h", 1, json!("stale")),
        put("t3", 0, json!(3)),
    ];
    ensure!(store.write(batch).await? == Err(Conflict(2)), "the third write is the stale one");
    for sk in ["t1", "t2", "t3"] {
        ensure!(store.get(&key(sk)).await?.is_none(), "`{sk}` was written although one failed");
    }
    let batch = vec![put("t1", 0, json!(1)), Write::beside(key("t2"), json!(2))];
    ensure!(store.write(batch).await?.is_ok(), "a batch whose conditions hold");
    ensure!(store.get(&key("t2")).await?.is_some(), "written beside");
    let write = Write::beside(key("t2"), json!("again"));
    ensure!(write.condition == Condition::Always, "beside is unconditional");
    ensure!(store.write(vec![put("t1", 1, json!(1)), write]).await?.is_ok(), "beside, again");
    Ok(())
}

async fn bodies(store: &dyn Store) -> Result<()> {
    let body = json!({
        "null": null, "empty": "", "list": [1, "two", null, [], {}], "nested": {"a": {"b": [true]}},
        "large": 9_007_199_254_740_991_i64, "negative": -22, "unicode": "Zürich ☃", "float": 0.5,
    });
    store.write(vec![put("body", 0, body.clone())]).await?.map_err(|_| anyhow::anyhow!("put"))?;
    let read = store.get(&key("body")).await?.map(|item| item.body);
    ensure!(read.as_ref() == Some(&body), "a body came back different: {read:?}");
    Ok(())
}

async fn pages(store: &dyn Store) -> Result<()> {
    let writes = (0..60).map(|n| put(&format!("s#{n:06}"), 0, json!({"n": n}))).collect();
    ensure!(store.write(writes).await?.is_ok(), "sixty entries in one batch");
    let (mut found, mut after, mut count) = (Vec::new(), None, 0);
    loop {
        let page = store.query("i#conformance", "s#", after.as_ref()).await?;
        found.extend(page.items.into_iter().map(|item| item.key.sk));
        count += 1;
        ensure!(count < 100, "the pages never end");
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let expected: Vec<String> = (0..60).map(|n| format!("s#{n:06}")).collect();
    ensure!(found == expected, "over {count} pages: {found:?}");
    let none = store.query("i#nobody", "s#", None).await?;
    ensure!(none.items.is_empty() && none.next.is_none(), "a partition that is not there");
    Ok(())
}

async fn indexes(store: &dyn Store) -> Result<()> {
    for n in 0..3 {
        let mut write = Write::put(Key::header(&format!("inc-{n}")), 0, json!({ "n": n }));
        let at = format!("2026-11-23T0{n}:00:00Z");
        write.listing = Listing {
            day: Some(("2026-11-23".to_owned(), at.clone())),
            unfinished: (n != 1).then_some(at),
        };
        ensure!(store.write(vec![write]).await?.is_ok(), "header {n}");
    }
    let names = |page: backstop_core::journal::Page| -> Vec<Value> {
        page.items.into_iter().map(|item| item.body).collect()
    };
    let day = names(store.query_index(&Index::Day("2026-11-23".to_owned()), None).await?);
    ensure!(day == [json!({"n": 0}), json!({"n": 1}), json!({"n": 2})], "by day: {day:?}");
    let open = names(store.query_index(&Index::Unfinished, None).await?);
    ensure!(open == [json!({"n": 0}), json!({"n": 2})], "unfinished: {open:?}");
    let mut done = Write::put(Key::header("inc-0"), 1, json!({ "n": 0 }));
    done.listing.day = Some(("2026-11-23".to_owned(), "2026-11-23T00:00:00Z".to_owned()));
    ensure!(store.write(vec![done]).await?.is_ok(), "finishing the first");
    let open = names(store.query_index(&Index::Unfinished, None).await?);
    ensure!(open == [json!({"n": 2})], "what is finished leaves the sparse index: {open:?}");
    Ok(())
}
