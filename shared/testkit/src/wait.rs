//! Waiting for a condition, with a bound: the only wait that tests and the demo have.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};

/// Asks until the answer is there, at most that long.
///
/// # Errors
/// If it is not there in time, or asking fails.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
pub async fn until<T, F, Fut>(what: &str, most: SignedDuration, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let start = Timestamp::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Timestamp::now().duration_since(start) > most {
            bail!("waited {} s in vain for {what}", most.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
