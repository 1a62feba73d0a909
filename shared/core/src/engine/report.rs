//! Telling people: one notice per event and function, one ticket per thing that is wrong.

use super::{Ended, Engine};
use crate::candidate::Origin;
use crate::error::{Error, Result};
use crate::incident::{Change, Header};
use crate::metrics::Measured;
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
    /// Reports what is still in hand, and lets go of it: the notice first, because it is what wakes
    /// people, then the tickets. What could not be told stays unreported: the retry, or the sweep,
    /// tells it, and repeats nothing that was told. Measured in between, so that the write that lets
    /// go keeps that too: a crash at the worst moment measures twice rather than never.
    pub(super) async fn report(&self, ended: &mut [Ended]) -> Result<()> {
        let mut failure: Option<Error> = None;
        if let Err(error) = self.publish(ended).await {
            failure = Some(error);
        }
        for one in ended.iter_mut() {
            let ticket = self.ticket(one).await;
            let Some(hand) = &mut one.hand else { continue };
            match ticket {
                // Without the notice, the incident stays unreported whatever became of the ticket.
                Ok(()) => hand.header_mut().reported = hand.header().told,
                Err(error) => failure = Some(super::worse(failure, error)),
            }
            if let Some(measured) = Measured::of(hand.header(), hand.steps(), self.lane, self.mode)
            {
                self.meter.measure(&measured);
                hand.header_mut().unmeasured = None;
            }
            if let Err(error) = hand.let_go(self.clock.now()).await {
                failure = Some(super::worse(failure, error));
            }
            one.header = hand.header().clone();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Publishes one notice for everything that people have not been told of yet.
    async fn publish(&self, ended: &mut [Ended]) -> Result<()> {
        let told: Vec<(&Header, &[StepRecord])> = ended
            .iter()
            .filter(|e| e.hand.is_some() && !e.header.told && worth_telling(&e.header))
            .map(|e| (&e.header, e.steps.as_slice()))
            .collect();
        let (channel, published) = match Notice::of(&told) {
            None => (None, Ok(())),
            Some(notice) => {
                (Some(format!("sns:{}", notice.urgency)), self.notifier.publish(&notice).await)
            }
        };
        let now = self.clock.now();
        for one in ended.iter_mut() {
            let fresh = !one.header.told && worth_telling(&one.header);
            let Some(hand) = &mut one.hand else { continue };
            match (&published, &channel) {
                (Ok(()), channel) => {
                    if let Some(channel) = channel.clone().filter(|_| fresh) {
                        hand.note(Change::Reported { channel }, now)?;
                    }
                    hand.header_mut().told = true;
                }
                (Err(error), channel) if fresh => hand.note(
                    Change::ReportFailed {
                        channel: channel.clone().unwrap_or_default(),
                        reason: error.to_string(),
                    },
                    now,
                )?,
                // It had nothing to tell.
                (Err(_), _) => hand.header_mut().told = true,
            }
        }
        published.map_err(|error| {
            error.context(format!(
                "what was done is recorded, but nobody could be told over `{}`",
                channel.unwrap_or_default()
            ))
        })
    }

    /// Opens the ticket, or finds the open one. What a retry may mend is returned; what OpsCenter
    /// refuses for good is noted, for the notice has told people already.
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
                let reason = error.to_string();
                hand.note(
                    Change::ReportFailed { channel: "ssm:ops-item".to_owned(), reason },
                    now,
                )?;
                if error.is_transient() { Err(error) } else { Ok(()) }
            }
        }
    }
}
