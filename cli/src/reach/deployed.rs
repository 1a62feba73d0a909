//! The deployed function: the operator needs no permission but to invoke it.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use backstop_aws::{Classify, Connection};
use backstop_core::Error;
use backstop_core::error::Class;
use backstop_core::event::Operator;
use backstop_core::report::Reply;
use backstop_core::text::safe;
use backstop_core::words::Lane;
use serde::Deserialize;

use super::{Reach, Unanswered};
use crate::ask::{UnderWay, waiting};
use crate::names;

/// The longest that a function may run (Lambda quotas), and some time to answer.
const LONGEST: Duration = Duration::from_secs(15 * 60 + 30);

/// The functions of the attended lane.
#[derive(Debug)]
pub(crate) struct Deployed {
    lambda: aws_sdk_lambda::Client,
    region: String,
}

/// What Lambda answers for an invocation that failed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

impl Deployed {
    /// The functions over that connection.
    pub(crate) fn new(connection: &Connection) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_timeout(LONGEST)
            .operation_attempt_timeout(LONGEST)
            .read_timeout(LONGEST)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(&connection.sdk_config())
            .timeout_config(timeouts)
            // An order whose answer was lost may have been done: a person looks, and repeats it.
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            lambda: aws_sdk_lambda::Client::from_conf(config),
            region: connection.region().to_owned(),
        }
    }
}

/// The same error with a hint for the person at the terminal: the one that it has is for those who
/// look after the function.
fn for_people(error: Error, function: &str, region: &str) -> Error {
    match error.class() {
        Class::Missing => Error::missing(format!("there is no function `{function}` in {region}"))
            .hint("say with `--home-region` where Backstop is deployed, or use `--local`"),
        Class::Denied => error.hint(
            "the managed policy `backstop-operator` allows it; attach it to the role that you use",
        ),
        Class::Transient => error.hint(
            "what was asked for may have been done: `backstop incidents` shows it; then repeat it",
        ),
        Class::Conflict | Class::Invalid | Class::Bug => error,
    }
}

#[async_trait]
impl Reach for Deployed {
    async fn ask(&self, responder: &str, order: &Operator) -> Result<Reply, Unanswered> {
        let function = names::function(responder, Lane::Attended);
        let payload = order.payload().map_err(Unanswered::Unreached)?;
        let _under_way = UnderWay::begins(order);
        let asked =
            self.lambda.invoke().function_name(&function).payload(Blob::new(payload)).send();
        let answer = waiting(&format!("{function}: {}", order.name()), asked)
            .await
            .classed("lambda:InvokeFunction")
            .map_err(|e| Unanswered::Unreached(for_people(e, &function, &self.region)))?;
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_none() {
            return serde_json::from_slice(&body).map_err(|e| {
                let error = Error::bug(format!("the answer of `{function}` cannot be read: {e}"));
                Unanswered::Unreached(error.hint("is the command as new as what is deployed?"))
            });
        }
        let failed: Failed = serde_json::from_slice(&body)
            .unwrap_or(Failed { error_type: String::new(), error_message: String::new() });
        Err(match Error::read(&failed.error_type, &failed.error_message) {
            Some(error) => Unanswered::Refused(error),
            // Lambda's own words: out of time, out of memory, a start that failed.
            None => Unanswered::Unreached(
                Error::transient(format!(
                    "`{function}` ended without an answer: {} {}",
                    safe(&failed.error_type, 60),
                    safe(&failed.error_message, 300)
                ))
                .hint(format!("its log group `/aws/lambda/{function}` says why")),
            ),
        })
    }
}
