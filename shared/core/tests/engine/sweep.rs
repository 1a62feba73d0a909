//! What the engine does with an inventory.

use std::sync::PoisonError;

use backstop_core::clock::Clock as _;
use backstop_core::words::{Limit, Outcome};
use jiff::SignedDuration;

use super::world::{ACCOUNT, REGION, Stage};

/// Opens the door again, and delivers the event of it.
async fn again(stage: &Stage) -> Option<Outcome> {
    *stage.world.open.lock().unwrap_or_else(PoisonError::into_inner) = [true, false];
    stage.world.forward(SignedDuration::from_mins(1));
    stage.unattended(&stage.event()).await.unwrap().remove(0).outcome
}

#[tokio::test]
async fn only_a_share_of_the_fleet_is_acted_on_in_an_hour() {
    let mut stage = Stage::new();
    stage.policy.push_str("[guards]\nfight_limit = 10\n");
    let now = stage.world.now();
    // 5 % of 80 are 4.
    stage.journal.keep_survey("doors", ACCOUNT, REGION, now, 80).await.unwrap();
    for _ in 0..4 {
        assert_eq!(again(&stage).await, Some(Outcome::Contained));
    }
    stage.world.take();
    assert_eq!(again(&stage).await, Some(Outcome::Held));
    assert_eq!(stage.world.take()[0].limit, Some(Limit::Breaker));
    // A share of a small fleet is none: three are always left.
    let small = Stage { policy: stage.policy.clone(), ..Stage::new() };
    small.journal.keep_survey("doors", ACCOUNT, REGION, now, 2).await.unwrap();
    for _ in 0..3 {
        assert_eq!(again(&small).await, Some(Outcome::Contained));
    }
    assert_eq!(again(&small).await, Some(Outcome::Held));
    // Without an inventory the absolute limits hold.
    let unknown = Stage { policy: stage.policy.clone(), ..Stage::new() };
    for _ in 0..5 {
        assert_eq!(again(&unknown).await, Some(Outcome::Contained));
    }
}
