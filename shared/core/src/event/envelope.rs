//! What EventBridge puts around a record or a native event.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::lenient::{essential, kind, required, text, texts, time};
use super::{Params, Record, join, shaped};
use crate::error::Result;

/// The end of the `detail-type` of everything that CloudTrail emits.
const VIA_CLOUDTRAIL: &str = " via CloudTrail";

/// An EventBridge event.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The id of the event, not of the record.
    pub id: Option<String>,
    /// What kind of event it is.
    pub detail_type: String,
    /// Who put it on the bus: `aws.…` cannot be forged.
    pub source: String,
    /// The account it arose in; empty if it does not say.
    pub account: String,
    /// The Region it arose in; empty if it does not say.
    pub region: String,
    /// When it was emitted.
    pub time: Option<Timestamp>,
    /// What it concerns: ARNs or bare ids, often empty.
    pub resources: Vec<String>,
    /// The replay that delivered it, if it is one of archived events.
    pub replay_name: Option<String>,
    /// What happened.
    pub detail: Detail,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// A CloudTrail record.
    Api(Box<Record>),
    /// The `detail` of an event that a service emits itself.
    Native(Params),
}

/// The envelope as EventBridge writes it. Our own instead of `aws_lambda_events`' because that one
/// refuses a whole event for a `time` that it cannot read, and drops `replay-name`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    #[serde(default, deserialize_with = "essential")]
    id: Option<String>,
    #[serde(deserialize_with = "required")]
    detail_type: String,
    #[serde(deserialize_with = "required")]
    source: String,
    #[serde(default, deserialize_with = "essential")]
    account: Option<String>,
    #[serde(default, deserialize_with = "essential")]
    region: Option<String>,
    #[serde(default, deserialize_with = "time")]
    time: Option<Timestamp>,
    #[serde(default, deserialize_with = "texts")]
    resources: Vec<String>,
    #[serde(default, deserialize_with = "replay")]
    replay_name: Option<String>,
    #[serde(deserialize_with = "members")]
    detail: Value,
}

fn members<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(from)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(de::Error::custom(format!("expected an object, found {}", kind(&value))))
    }
}

/// A replay whose name is no text is still a replay.
fn replay<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(text(from)?.unwrap_or_default()))
}

impl Envelope {
    /// The record, if it is one.
    pub fn record(&self) -> Option<&Record> {
        match &self.detail {
            Detail::Api(record) => Some(record),
            Detail::Native(_) => None,
        }
    }

    /// What makes two deliveries the same: `sharedEventID`, else `eventID`, else the event's id.
    pub fn key(&self) -> Option<&str> {
        self.record()
            .and_then(|r| r.shared_event_id.as_deref().or(r.event_id.as_deref()))
            .or(self.id.as_deref())
    }

    /// The envelope that EventBridge would put around `record`. It proves nothing.
    pub fn derive(record: Record) -> Self {
        let detail_type = match record.event_type.as_deref() {
            Some("AwsServiceEvent") => "AWS Service Event via CloudTrail",
            Some("AwsConsoleSignIn") => "AWS Console Sign In via CloudTrail",
            Some("AwsConsoleAction") => "AWS Console Action via CloudTrail",
            _ => "AWS API Call via CloudTrail",
        };
        let service = record.event_source.strip_suffix(".amazonaws.com");
        Self {
            id: None,
            detail_type: detail_type.to_owned(),
            source: format!("aws.{}", service.unwrap_or(&record.event_source)),
            account: record.recipient_account_id.clone().unwrap_or_default(),
            region: record.aws_region.clone().unwrap_or_default(),
            time: record.event_time,
            resources: Vec::new(),
            replay_name: None,
            detail: Detail::Api(Box::new(record)),
        }
    }

    /// Reads an event that stands at `at` in the input.
    pub(super) fn read(value: Value, at: &str) -> Result<Self> {
        let raw: Raw = shaped(value, at)?;
        // Insight events have no call of their own: their names stand in `insightDetails`.
        let api = raw.detail_type.ends_with(VIA_CLOUDTRAIL) && !raw.detail_type.contains("Insight");
        let detail = if api {
            Detail::Api(Box::new(shaped(raw.detail, &join(at, "detail"))?))
        } else {
            Detail::Native(Params::new(raw.detail))
        };
        Ok(Self {
            id: raw.id,
            detail_type: raw.detail_type,
            source: raw.source,
            account: raw.account.unwrap_or_default(),
            region: raw.region.unwrap_or_default(),
            time: raw.time,
            resources: raw.resources,
            replay_name: raw.replay_name,
            detail,
        })
    }
}
