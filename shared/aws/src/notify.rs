//! Notices over SNS and tickets in OpsCenter.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::create_ops_item::CreateOpsItemError;
use aws_sdk_ssm::types::{OpsItemDataType, OpsItemDataValue};
use backstop_core::engine::Accounts;
use backstop_core::report::{Notice, Notifier, Ticket};
use backstop_core::words::Urgency;
use backstop_core::{Error, Result};
use serde_json::json;

use crate::account::Account;
use crate::classify::Classify;
use crate::connect::Connection;

/// The topics, by urgency.
#[derive(Clone, Debug)]
pub struct Topics {
    /// `BACKSTOP_TOPIC_PAGE`.
    pub page: String,
    /// `BACKSTOP_TOPIC_TICKET`.
    pub ticket: String,
    /// `BACKSTOP_TOPIC_INFO`.
    pub info: String,
}

/// Tells people over SNS and OpsCenter.
#[derive(Debug)]
pub struct Telling {
    sns: aws_sdk_sns::Client,
    topics: Topics,
    accounts: Arc<dyn Accounts<Account>>,
}

impl Telling {
    /// Publishes over `connection`, opens tickets in the accounts of the scope.
    pub fn new(
        connection: &Connection,
        topics: Topics,
        accounts: Arc<dyn Accounts<Account>>,
    ) -> Self {
        Self { sns: aws_sdk_sns::Client::new(&connection.sdk_config()), topics, accounts }
    }
}

#[async_trait]
impl Notifier for Telling {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        let topic = match notice.urgency {
            Urgency::Page => &self.topics.page,
            Urgency::Ticket => &self.topics.ticket,
            Urgency::Info => &self.topics.info,
        };
        // `default` is what every protocol without its own text gets, chat applications included.
        let message = json!({ "default": notice.chat.to_string(), "email": notice.email });
        self.sns
            .publish()
            .topic_arn(topic)
            .subject(&notice.subject)
            .message_structure("json")
            .message(message.to_string())
            .send()
            .await
            .classed("sns:Publish")
            .map_err(|e| e.context(format!("cannot publish to `{topic}`")))?;
        Ok(())
    }

    async fn open_ticket(&self, ticket: &Ticket) -> Result<String> {
        let account = self.accounts.open(&ticket.account, &ticket.region, &ticket.incident).await?;
        let data = |kind: OpsItemDataType, value: String| {
            OpsItemDataValue::builder().r#type(kind).value(value).build()
        };
        let answer = account
            .ssm()
            .create_ops_item()
            .title(&ticket.title)
            .description(&ticket.description)
            .source("Backstop")
            .category("Security")
            .severity(ticket.severity)
            .operational_data(
                "/aws/dedup",
                data(
                    OpsItemDataType::SearchableString,
                    json!({ "dedupString": ticket.dedup }).to_string(),
                ),
            )
            .operational_data(
                "/aws/resources",
                data(
                    OpsItemDataType::SearchableString,
                    json!([{ "arn": ticket.resource }]).to_string(),
                ),
            )
            .operational_data(
                "backstop-incident",
                data(OpsItemDataType::SearchableString, ticket.incident.clone()),
            )
            .send()
            .await;
        if let Err(SdkError::ServiceError(service)) = &answer
            && let CreateOpsItemError::OpsItemAlreadyExistsException(there) = service.err()
            && let Some(id) = there.ops_item_id()
        {
            return Ok(id.to_owned());
        }
        let answer = answer.classed("ssm:CreateOpsItem")?;
        answer.ops_item_id.ok_or_else(|| Error::bug("`ssm:CreateOpsItem` answered no OpsItem id"))
    }
}
