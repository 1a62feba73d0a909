//! The in-memory journal and DynamoDB do the same.

use std::sync::Arc;

use backstop_aws::DynamoStore;
use backstop_core::journal::MemoryStore;
use backstop_testkit::{Local, Scene, conformance};

#[tokio::test]
async fn the_in_memory_store_conforms() {
    conformance::run(Arc::new(MemoryStore::default())).await.unwrap();
}

#[tokio::test]
async fn dynamodb_conforms() {
    let local = Local::from_env().unwrap();
    let account = Local::fresh_account();
    local.set_up(&account, "eu-west-1").unwrap();
    let connection = Scene::connection(&local, &account).unwrap();
    let store = DynamoStore::new(&connection, "backstop-journal");
    conformance::run(Arc::new(store)).await.unwrap();
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let local = Local::from_env().unwrap();
    let connection = Scene::connection(&local, &Local::fresh_account()).unwrap();
    let store = DynamoStore::new(&connection, "nowhere");
    let error =
        backstop_core::journal::Store::get(&store, &backstop_core::journal::Key::header("x"))
            .await
            .unwrap_err();
    assert!(error.is_missing(), "{error:?}");
    assert_eq!(error.to_string(), "the journal table `nowhere` does not exist");
}
