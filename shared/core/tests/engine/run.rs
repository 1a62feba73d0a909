//! A runbook that a person starts.

use serde_json::json;

use super::world::{Stage, run};

#[tokio::test]
async fn a_parameter_that_is_not_given_is_its_default() {
    let stage = Stage::new();
    let planned = stage.attended(&run(false)).await.unwrap().remove(0);
    assert_eq!(planned.ids["group_id"], ["sg-0000000000000000d"]);
    let mut other = run(false);
    other["backstop"]["run"]["target"] = json!({ "group_id": "sg-0000000000000000e" });
    let planned = stage.attended(&other).await.unwrap().remove(0);
    assert_eq!(planned.ids["group_id"], ["sg-0000000000000000e"]);
}
