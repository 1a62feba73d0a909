//! The dead-letter queues, and the messages in them.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use backstop_aws::{Classify, Connection};
use backstop_core::words::Lane;
use backstop_core::{Error, Result};
use jiff::Timestamp;

use crate::names;

/// How many messages are looked at; a queue that holds more needs more than a look.
const MOST: usize = 100;

/// For how long nobody else gets a message that is looked at, in seconds. It is put back before.
const LOOK: i32 = 60;

/// For how long while a person is asked, in seconds.
const ASKED: i32 = 15 * 60;

/// One queue in its Region.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: String,
    client: Client,
    region: String,
}

/// How full a queue is.
#[derive(Clone, Copy, Debug)]
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
    responders: &[&str],
    regions: impl Iterator<Item = &'a str>,
) -> Vec<Queue> {
    let home = connection.region();
    let mut queues: Vec<Queue> = responders
        .iter()
        .flat_map(|responder| {
            let lanes = Lane::ALL.iter().map(|lane| names::dead_letters(responder, *lane));
            lanes.chain([names::rule_dead_letters(responder)])
        })
        .chain([names::heartbeat_dead_letters(None)])
        .map(|name| Queue::new(connection, name))
        .collect();
    for region in regions.filter(|region| *region != home) {
        let there = connection.clone().in_region(region);
        queues.push(Queue::new(&there, names::forward_dead_letters(region)));
        queues.push(Queue::new(&there, names::heartbeat_dead_letters(Some(region))));
    }
    queues
}

impl Queue {
    fn new(connection: &Connection, name: String) -> Self {
        let client = Client::new(&connection.sdk_config());
        Self { name, client, region: connection.region().to_owned() }
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
                    Err::<(), _>(error).classed("sqs:GetQueueUrl").err().unwrap_or_else(|| {
                        Error::bug(format!("`{}` was neither found nor missing", self.name))
                    })
                }
            })?;
        answer.queue_url.ok_or_else(|| Error::bug("`sqs:GetQueueUrl` answered no URL"))
    }

    /// How full it is; none if it is not deployed.
    pub(crate) async fn depth(&self) -> Result<Option<Depth>> {
        let url = match self.url().await {
            Ok(url) => url,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
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
            .classed("sqs:GetQueueAttributes")?;
        let number = |name| -> Result<u64> {
            let text = answer.attributes().and_then(|all| all.get(name));
            text.and_then(|n| n.parse().ok())
                .ok_or_else(|| Error::bug(format!("`{}` does not say how full it is", self.name)))
        };
        Ok(Some(Depth { waiting: number(&waiting)?, in_flight: number(&in_flight)? }))
    }

    /// The messages, and nobody else gets them until they are put back.
    async fn take(&self, seconds: i32) -> Result<(String, Vec<Letter>)> {
        let url = self.url().await?;
        let mut letters: Vec<Letter> = Vec::new();
        while letters.len() < MOST {
            let answer = self
                .client
                .receive_message()
                .queue_url(&url)
                .max_number_of_messages(10)
                .visibility_timeout(seconds)
                .wait_time_seconds(1) // asks every server of the queue, not some
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .send()
                .await
                .classed("sqs:ReceiveMessage")?;
            let received: Vec<Letter> =
                answer.messages.unwrap_or_default().into_iter().filter_map(Letter::of).collect();
            if received.is_empty() {
                break;
            }
            letters.extend(received);
        }
        letters.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
        Ok((url, letters))
    }

    async fn put_back(&self, url: &str, letter: &Letter) -> Result<()> {
        self.client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(&letter.receipt)
            .visibility_timeout(0)
            .send()
            .await
            .classed("sqs:ChangeMessageVisibility")
            .map(drop)
    }

    /// The messages, oldest first, left where they are.
    pub(crate) async fn look(&self) -> Result<Vec<Letter>> {
        let (url, letters) = self.take(LOOK).await?;
        for letter in &letters {
            self.put_back(&url, letter).await?;
        }
        Ok(letters)
    }

    /// The messages in hand, oldest first; what is not deleted must be put back.
    pub(crate) async fn hold(&self) -> Result<Held<'_>> {
        let (url, letters) = self.take(ASKED).await?;
        Ok(Held { queue: self, url, letters })
    }
}

/// Messages that nobody else gets until they are put back.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    queue: &'a Queue,
    url: String,
    pub(crate) letters: Vec<Letter>,
}

impl Held<'_> {
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
            .map(drop)
    }

    /// Puts one back.
    pub(crate) async fn put_back(&self, letter: &Letter) -> Result<()> {
        self.queue.put_back(&self.url, letter).await
    }
}
