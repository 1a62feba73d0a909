//! Telling people: one notice per event and function, one ticket per thing that is wrong.

use super::{Ended, Engine};
use crate::candidate::Origin;
use crate::error::{Error, Result};
use crate::incident::{Change, Header};
use crate::plan::StepRecord;
use crate::report::{Notice, Ticket};
use crate::words::Outcome;

/// Whether people are told about it at all.
fn worth_telling(header: &Header) -> bool {
    match header.outcome {
        Some(Outcome::Compliant | Outcome::Duplicate) | None => false,
        // Who asked for a plan has it in the reply.
        Some(Outcome::Planned) => !matches!(header.candidate.origin, Origin::Person { .. }),
        Some(
            Outcome::Observed
            | Outcome::Held
            | Outcome::Partial
            | Outcome::Contained
            | Outcome::Failed
            | Outcome::Undone,
        ) => true,
    }
}

impl<C: Send + Sync + 'static> Engine<C> {
    /// Reports what is still in hand, and lets go of it. What could not be told stays unreported:
    /// the retry, or the sweep, tells it.
    pub(super) async fn report(&self, ended: &mut [Ended]) -> Result<()> {
        let mut failure: Option<Error> = None;
        for one in ended.iter_mut() {
            if let Err(error) = self.ticket(one).await {
                failure = Some(super::worse(failure, error));
            }
        }
        let told: Vec<(&Header, &[StepRecord])> = ended
            .iter()
            .filter(|e| e.hand.is_some() && worth_telling(&e.header))
            .map(|e| (&e.header, e.steps.as_slice()))
            .collect();
        let published = match Notice::of(&told) {
            None => Ok(None),
            Some(notice) => self
                .notifier
                .publish(&notice)
                .await
                .map(|()| Some(format!("sns:{}", notice.urgency)))
                .map_err(|error| (format!("sns:{}", notice.urgency), error)),
        };
        for one in ended.iter_mut() {
            let Some(hand) = &mut one.hand else { continue };
            let now = self.clock.now();
            match &published {
                Ok(channel) => {
                    if let Some(channel) = channel.clone().filter(|_| worth_telling(&one.header)) {
                        hand.note(Change::Reported { channel }, now)?;
                    }
                    hand.header_mut().reported = true;
                }
                Err((channel, error)) => hand.note(
                    Change::ReportFailed { channel: channel.clone(), reason: error.to_string() },
                    now,
                )?,
            }
            if let Err(error) = hand.let_go(now).await {
                failure = Some(super::worse(failure, error));
            }
            one.header = hand.header().clone();
        }
        if let Err((channel, error)) = published {
            let error = error.context(format!(
                "what was done is recorded, but nobody could be told over `{channel}`"
            ));
            failure = Some(super::worse(failure, error));
        }
        failure.map_or(Ok(()), Err)
    }

    /// Opens the ticket, or finds the open one. A ticket that cannot be opened is noted and does
    /// not stop the notice: the notice is what wakes people.
    async fn ticket(&self, one: &mut Ended) -> Result<()> {
        let wanted = worth_telling(&one.header)
            && self.config.notify.ops_item
            && one.header.urgency() >= self.config.notify.ops_item_min_urgency
            && one.header.ops_item.is_none();
        let Some(hand) = one.hand.as_mut().filter(|_| wanted) else { return Ok(()) };
        let now = self.clock.now();
        match self.notifier.open_ticket(&Ticket::of(&one.header, &one.steps)).await {
            Ok(id) => {
                hand.header_mut().ops_item = Some(id.clone());
                hand.note(Change::Reported { channel: format!("ssm:{id}") }, now)
            }
            Err(error) => {
                tracing::error!(class = error.class().name(), %error, "no ticket");
                hand.note(
                    Change::ReportFailed {
                        channel: "ssm:ops-item".to_owned(),
                        reason: error.to_string(),
                    },
                    now,
                )
            }
        }
    }
}
