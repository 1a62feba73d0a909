//! What the inventory knew of a resource before the event.

use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::responder::Memory;
use serde::de::DeserializeOwned;

/// The last state known before the event, none if the inventory has none, or one that cannot be
/// read.
///
/// # Errors
/// `Transient` if the journal cannot be read.
pub(crate) async fn before<T: DeserializeOwned>(
    memory: &Memory,
    candidate: &Candidate,
    resource: &str,
) -> Result<Option<T>> {
    let snapshot = memory.before(candidate, resource).await?;
    Ok(snapshot.and_then(|snapshot| T::deserialize(snapshot.state).ok()))
}
