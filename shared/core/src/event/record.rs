//! One CloudTrail record: what was called, by whom, with what result.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::lenient::{boolean, essential, object, present, required, text, time};
use super::{Identity, Params};
use crate::candidate::Actor;

/// A CloudTrail record. What is `None` was not in the record: unknown, never a default.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of the record format.
    #[serde(default, deserialize_with = "text")]
    pub event_version: Option<String>,
    /// When the call was made.
    #[serde(default, deserialize_with = "time")]
    pub event_time: Option<Timestamp>,
    /// The service, such as `ec2.amazonaws.com`.
    #[serde(deserialize_with = "required")]
    pub event_source: String,
    /// The API call, such as `RunInstances`; Lambda's carry a date.
    #[serde(deserialize_with = "required")]
    pub event_name: String,
    /// The Region that recorded it.
    #[serde(default, deserialize_with = "essential")]
    pub aws_region: Option<String>,
    /// The account that recorded it.
    #[serde(default, deserialize_with = "essential")]
    pub recipient_account_id: Option<String>,
    /// Unique per record.
    #[serde(default, rename = "eventID", deserialize_with = "essential")]
    pub event_id: Option<String>,
    /// The same in both accounts when a call concerns two.
    #[serde(default, rename = "sharedEventID", deserialize_with = "essential")]
    pub shared_event_id: Option<String>,
    /// `AwsApiCall`, `AwsServiceEvent`, `AwsConsoleSignIn`, `AwsConsoleAction`.
    #[serde(default, deserialize_with = "text")]
    pub event_type: Option<String>,
    /// `Management`, `Data`, `Insight`.
    #[serde(default, deserialize_with = "text")]
    pub event_category: Option<String>,
    /// Whether the call only reads; old records do not say.
    #[serde(default, deserialize_with = "boolean")]
    pub read_only: Option<bool>,
    /// Why the call failed; absent if it succeeded.
    #[serde(default, deserialize_with = "present")]
    pub error_code: Option<String>,
    /// More about the failure; may be absent although there is a code.
    #[serde(default, deserialize_with = "message")]
    pub error_message: Option<String>,
    /// Who made the call.
    #[serde(default, deserialize_with = "object")]
    pub user_identity: Identity,
    /// An address, the host name of a service or `AWS Internal`.
    #[serde(default, rename = "sourceIPAddress", deserialize_with = "text")]
    pub source_ip: Option<String>,
    /// What the caller calls itself.
    #[serde(default, deserialize_with = "text")]
    pub user_agent: Option<String>,
    /// What was asked; absent for some refused calls and above 100 KB.
    #[serde(default, rename = "requestParameters")]
    pub request: Params,
    /// What was answered; null for many calls that succeeded.
    #[serde(default, rename = "responseElements")]
    pub response: Params,
    /// What a service event tells.
    #[serde(default, rename = "serviceEventDetails")]
    pub service_event: Params,
}

/// The text of a failure without the encoded authorisation blob, which only privileges decode.
fn message<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    const BLOB: &str = "Encoded authorization failure message";
    Ok(text(from)?.map(|t| t.split(BLOB).next().unwrap_or_default().trim_end().to_owned()))
}

impl Record {
    /// Whether the call succeeded: a response proves nothing either way, only the code does.
    pub const fn succeeded(&self) -> bool {
        self.error_code.is_none()
    }

    /// Whether the call only asked if it would be allowed.
    pub fn dry_run(&self) -> bool {
        self.error_code.as_deref().is_some_and(|c| c.ends_with("DryRunOperation"))
    }

    /// Whether it is this call of this service, such as `ec2.amazonaws.com` and `RunInstances`.
    pub fn is(&self, source: &str, name: &str) -> bool {
        self.event_source == source && self.event_name == name
    }

    /// Who made the call, in the form that candidates carry.
    pub fn actor(&self) -> Actor {
        Actor {
            arn: self.user_identity.arn.clone(),
            issuer_arn: self.user_identity.issuer_arn.clone(),
            invoked_by: self.user_identity.invoked_by.clone(),
            source_ip: self.source_ip.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(members: Value) -> Record {
        let mut whole = json!({"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances"});
        let (Value::Object(all), Value::Object(more)) = (&mut whole, members) else {
            unreachable!()
        };
        all.extend(more);
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn success_is_the_absence_of_an_error_code() {
        for (members, succeeded, dry) in [
            (json!({}), true, false),
            (json!({"errorCode": null}), true, false),
            (json!({"responseElements": null}), true, false),
            (json!({"errorMessage": "only a message"}), true, false),
            (json!({"errorCode": ""}), false, false),
            (
                json!({"errorCode": "AccessDenied", "responseElements": {"message": "no"}}),
                false,
                false,
            ),
            (json!({"errorCode": "Client.DryRunOperation"}), false, true),
            (json!({"errorCode": "DryRunOperation"}), false, true),
        ] {
            let one = record(members.clone());
            assert_eq!((one.succeeded(), one.dry_run()), (succeeded, dry), "{members}");
        }
    }

    #[test]
    fn a_call_is_recognised_by_service_and_name() {
        let one = record(json!({}));
        assert!(one.is("ec2.amazonaws.com", "RunInstances"));
        assert!(!one.is("ec2", "RunInstances"));
        assert!(!one.is("ssm.amazonaws.com", "RunInstances"));
        assert!(!one.is("ec2.amazonaws.com", "runInstances"));
    }

    #[test]
    fn what_is_missing_is_unknown() {
        let one = record(json!({"requestParameters": null, "readOnly": null, "eventID": ""}));
        assert!(one.request.is_absent() && one.response.is_absent());
        assert_eq!((one.read_only, one.event_time, one.event_id), (None, None, None));
        assert_eq!(one.user_identity, Identity::default());
        assert_eq!(one.recipient_account_id.or(one.aws_region), None);
    }

    #[test]
    fn what_only_informs_may_have_any_type() {
        let one = record(json!({
            "eventVersion": 1.11, "userAgent": {"x": 1}, "readOnly": "true", "eventTime": 5,
            "sourceIPAddress": "AWS Internal", "managementEvent": [], "unheardOf": {"y": [2]},
        }));
        assert_eq!((one.event_version, one.user_agent, one.event_time), (None, None, None));
        assert_eq!(one.read_only, Some(true));
        assert_eq!(one.source_ip.as_deref(), Some("AWS Internal"));
    }

    #[test]
    fn no_secret_is_kept() {
        let one = record(json!({
            "requestParameters": {"userData": "hunter2"},
            "responseElements": {"credentials": {"sessionToken": "hunter2"}},
            "serviceEventDetails": {"token": "hunter2"},
            "errorMessage": "no. Encoded authorization failure message: hunter2",
        }));
        assert!(!format!("{one:?}").contains("hunter2"), "{one:?}");
        assert_eq!(one.error_message.as_deref(), Some("no."));
    }

    #[test]
    fn the_actor_is_the_recorded_one() {
        let one = record(json!({
            "sourceIPAddress": "198.51.100.7",
            "userIdentity": {
                "arn": "arn:aws:sts::111111111111:assumed-role/r/s",
                "invokedBy": "ec2fleet.amazonaws.com",
                "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111111111111:role/p/r"}},
            },
        }));
        let actor = one.actor();
        assert_eq!(actor.issuer_arn.as_deref(), Some("arn:aws:iam::111111111111:role/p/r"));
        assert_eq!(actor.invoked_by.as_deref(), Some("ec2fleet.amazonaws.com"));
        assert_eq!(actor.source_ip.as_deref(), Some("198.51.100.7"));
        assert_eq!(actor.arn, one.user_identity.arn);
    }
}
