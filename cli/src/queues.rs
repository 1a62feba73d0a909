//! The dead-letter queues, and the messages in them.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use backstop_aws::{Classify, Connection};
use backstop_core::error::Class;
use backstop_core::words::Lane;
use backstop_core::{Error, Result};
use jiff::Timestamp;

use crate::names;

/// How many messages are looked at; a queue that holds more needs more than a look.
const MOST: usize = 100;

/// For how long nobody else gets a message that is looked at, in seconds. It is put back before.
pub(crate) const LOOK: i32 = 60;

/// For how long nobody else gets a message that is planned anew, in seconds: a plan takes a while.
pub(crate) const PLAN: i32 = 15 * 60;

/// One queue in its Region.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    /// The responder whose own it is; none if responders share it.
    pub(crate) owner: Option<&'static str>,
    client: Client,
    region: String,
}

/// How full a queue is, about: SQS counts so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth {
    /// What can be received.
    pub(crate) waiting: u64,
    /// What somebody looks at.
    pub(crate) in_flight: u64,
}

/// One message, with what AWS says of why it is here.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: String,
    receipt: String,
    pub(crate) sent: Option<Timestamp>,
    /// Lambda: `RequestID`, `ErrorCode`, `ErrorMessage`; EventBridge: `RULE_ARN`, `TARGET_ARN`,
    /// `ERROR_CODE`, `ERROR_MESSAGE` and others.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html>
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Letter {
    fn of(message: Message) -> Option<Self> {
        let sent = message
            .attributes()
            .and_then(|system| system.get(&MessageSystemAttributeName::SentTimestamp))
            .and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok());
        let attributes = message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect();
        Some(Self {
            id: message.message_id?,
            receipt: message.receipt_handle?,
            sent,
            attributes,
            body: message.body?,
        })
    }

    /// The attribute of the first of these names that it has.
    pub(crate) fn attribute(&self, names: [&str; 2]) -> Option<&str> {
        names.iter().find_map(|name| self.attributes.get(*name)).map(String::as_str)
    }
}

/// Every queue of these responders and of what they share; one for each Region that forwards.
pub(crate) fn all<'a>(
    connection: &Connection,
    responders: &[&'static str],
    regions: impl Iterator<Item = &'a str>,
) -> Vec<Queue> {
    let home = connection.region();
    let mut queues: Vec<Queue> = responders
        .iter()
        .flat_map(|responder| {
            let lanes = Lane::ALL.iter().map(|lane| names::dead_letters(responder, *lane));
            lanes
                .chain([names::rule_dead_letters(responder)])
                .map(|name| Queue::new(connection, name, Some(*responder)))
        })
        .chain([Queue::new(connection, names::heartbeat_dead_letters(None), None)])
        .collect();
    for region in regions.filter(|region| *region != home) {
        let there = connection.clone().in_region(region);
        queues.push(Queue::new(&there, names::forward_dead_letters(region), None));
        queues.push(Queue::new(&there, names::heartbeat_dead_letters(Some(region)), None));
    }
    queues
}

/// The same error with a hint for the person at the terminal: the one that it has is for those who
/// look after a function.
fn for_people(error: Error) -> Error {
    if error.class() != Class::Denied {
        return error;
    }
    error.hint(format!(
        "the managed policy `{}` allows it: `sqs:ChangeMessageVisibility`, `sqs:DeleteMessage`, \
         `sqs:GetQueueAttributes`, `sqs:GetQueueUrl` and `sqs:ReceiveMessage`; attach it to the \
         role that you use",
        names::REDRIVER
    ))
}

/// Whether a message is not ours to put back any more: its time is over, so that it can be had
/// already, or another has it by now, or it is deleted. The last of these codes is what SQS says
/// of a receipt whose time is over (<https://github.com/aws/aws-sdk-java/issues/1628>); nothing
/// else that is sent with it can be wrong.
fn is_let_go(error: &Error) -> bool {
    // `AWS.SimpleQueueService.MessageNotInflight` in the query protocol's words.
    let code = error.code().and_then(|code| code.rsplit('.').next());
    matches!(code, Some("MessageNotInflight" | "ReceiptHandleIsInvalid" | "InvalidParameterValue"))
}

impl Queue {
    fn new(connection: &Connection, name: String, owner: Option<&'static str>) -> Self {
        let client = Client::new(&connection.sdk_config());
        Self { name, owner, client, region: connection.region().to_owned() }
    }

    async fn url(&self) -> Result<String> {
        let answer =
            self.client.get_queue_url().queue_name(&self.name).send().await.map_err(|error| {
                let missing =
                    error.as_service_error().is_some_and(GetQueueUrlError::is_queue_does_not_exist);
                let region = &self.region;
                if missing {
                    Error::missing(format!("there is no queue `{}` in {region}", self.name))
                        .hint("`backstop dlq list` lists them")
                } else {
                    let classed = Err::<(), _>(error).classed("sqs:GetQueueUrl").err();
                    classed.map_or_else(
                        || Error::bug(format!("`{}` was neither found nor missing", self.name)),
                        for_people,
                    )
                }
            })?;
        answer.queue_url.ok_or_else(|| Error::bug("`sqs:GetQueueUrl` answered no URL"))
    }

    /// How full it is; none if it is not deployed.
    pub(crate) async fn depth(&self) -> Result<Option<Depth>> {
        match self.url().await {
            Ok(url) => self.depth_at(&url).await.map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn depth_at(&self, url: &str) -> Result<Depth> {
        let (waiting, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(waiting.clone())
            .attribute_names(in_flight.clone())
            .send()
            .await
            .classed("sqs:GetQueueAttributes")
            .map_err(for_people)?;
        let number = |name| -> Result<u64> {
            let text = answer.attributes().and_then(|all| all.get(name));
            text.and_then(|n| n.parse().ok())
                .ok_or_else(|| Error::bug(format!("`{}` does not say how full it is", self.name)))
        };
        Ok(Depth { waiting: number(&waiting)?, in_flight: number(&in_flight)? })
    }

    /// The messages in hand, oldest first, for so many seconds; what is not deleted must be put back.
    pub(crate) async fn hold(&self, seconds: i32) -> Result<Held<'_>> {
        let (url, beyond) = (self.url().await?, Depth::default());
        let mut held = Held { queue: self, url, seconds, letters: Vec::new(), beyond };
        match held.fill().await {
            Ok(()) => Ok(held),
            Err(error) => {
                // Why it failed is what counts; what is not put back comes back by itself.
                drop(held.put_back(&held.letters).await);
                Err(error)
            }
        }
    }
}

/// Messages that nobody else gets until they are put back.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    queue: &'a Queue,
    url: String,
    seconds: i32,
    pub(crate) letters: Vec<Letter>,
    /// What the queue holds beside these; looked up only where there is reason to.
    pub(crate) beyond: Depth,
}

impl Held<'_> {
    /// Receives what there is, up to the limit.
    async fn fill(&mut self) -> Result<()> {
        while self.letters.len() < MOST {
            let answer = self
                .queue
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(10)
                .visibility_timeout(self.seconds)
                .wait_time_seconds(1) // asks every server of the queue, not some
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .send()
                .await
                .classed("sqs:ReceiveMessage")
                .map_err(for_people)?;
            let received: Vec<Letter> =
                answer.messages.unwrap_or_default().into_iter().filter_map(Letter::of).collect();
            if received.is_empty() {
                break;
            }
            self.letters.extend(received);
        }
        self.letters.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
        // None may be none, or somebody holds them; the most may be all, or there are more.
        if self.letters.is_empty() || self.letters.len() >= MOST {
            self.beyond = self.queue.depth_at(&self.url).await?;
            let ours = u64::try_from(self.letters.len()).unwrap_or(u64::MAX);
            self.beyond.in_flight = self.beyond.in_flight.saturating_sub(ours);
        }
        Ok(())
    }

    /// What the queue holds beside these, in words, if it holds more.
    pub(crate) fn more(&self) -> Option<String> {
        let Depth { waiting, in_flight } = self.beyond;
        let mut said = Vec::new();
        if waiting > 0 && self.letters.is_empty() {
            said.push(format!("about {waiting} wait, and the queue gave none: repeat it"));
        } else if waiting > 0 {
            said.push(format!("at least {waiting} more wait, beyond the {MOST} of one look"));
        }
        if in_flight > 0 {
            let are = if in_flight == 1 { "is" } else { "are" };
            let longest = PLAN / 60;
            said.push(format!(
                "{in_flight} {are} held by somebody; visible again within {longest} min"
            ));
        }
        (!said.is_empty()).then(|| format!("{}: {}", self.queue.name, said.join("; ")))
    }

    /// Deletes one for good.
    pub(crate) async fn delete(&self, letter: &Letter) -> Result<()> {
        self.queue
            .client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&letter.receipt)
            .send()
            .await
            .classed("sqs:DeleteMessage")
            .map_err(for_people)
            .map(drop)
    }

    /// Puts these back. One that fails keeps no other hidden; the first failure is the error.
    pub(crate) async fn put_back(&self, letters: impl IntoIterator<Item = &Letter>) -> Result<()> {
        let (mut hidden, mut first) = (0_usize, None);
        for letter in letters {
            let done = self
                .queue
                .client
                .change_message_visibility()
                .queue_url(&self.url)
                .receipt_handle(&letter.receipt)
                .visibility_timeout(0)
                .send()
                .await
                .classed("sqs:ChangeMessageVisibility");
            match done {
                Err(error) if !is_let_go(&error) => {
                    hidden += 1;
                    first.get_or_insert(error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        let minutes = self.seconds / 60;
        first.map_or(Ok(()), |error| {
            let what = format!("{hidden} not put back, and hidden for up to {minutes} min");
            Err(for_people(error).context(what))
        })
    }
}
