//! The local AWS: where it is, what it was asked, and the guard that nothing else is.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::Service;

/// A running local AWS.
#[derive(Clone, Debug)]
pub struct Local {
    endpoint: String,
    http: ureq::Agent,
}

/// One call that reached the local AWS.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Its number.
    pub seq: u64,
    /// Such as `ec2`.
    pub service: String,
    /// Such as `RevokeSecurityGroupIngress`.
    pub operation: String,
    /// The account that it was made in.
    pub account: String,
    /// Who made it.
    #[serde(default)]
    pub principal: Option<String>,
    /// What it said.
    #[serde(default)]
    pub params: Value,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The error code of the answer.
    #[serde(default)]
    pub error: Option<String>,
}

impl Call {
    /// `ec2:DescribeInstances`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// Whether it changes something outside the journal and the notices.
    pub fn mutates(&self) -> bool {
        !matches!(self.service.as_str(), "dynamodb" | "sns" | "sqs" | "sts" | "logs")
            && !self.reads()
            && self.operation != "CreateOpsItem"
    }

    /// Whether it only reads, as its name says.
    pub fn reads(&self) -> bool {
        ["BatchGet", "Describe", "Get", "List", "Lookup", "Query", "Search"]
            .iter()
            .any(|verb| self.operation.starts_with(verb))
    }
}

/// The variable that says where the local AWS is; `make test` sets it.
pub const ENDPOINT: &str = "BACKSTOP_LOCAL_AWS";

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Local {
    /// The local AWS that the environment names.
    ///
    /// # Errors
    /// If there is none, or it is not on this machine.
    #[expect(clippy::disallowed_methods, reason = "where the local AWS is")]
    pub fn from_env() -> Result<Self> {
        let endpoint = std::env::var(ENDPOINT).with_context(|| {
            format!("{ENDPOINT} is not set; hint: run the tests with `make test`")
        })?;
        Self::at(&endpoint)
    }

    /// The local AWS at that endpoint.
    ///
    /// # Errors
    /// If it is not on this machine: neither tests nor the demo ever speak to AWS.
    pub fn at(endpoint: &str) -> Result<Self> {
        let port = endpoint.strip_prefix("http://127.0.0.1:").unwrap_or_default();
        ensure!(
            port.parse::<u16>().is_ok(),
            "refusing `{endpoint}`: not a loopback endpoint; hint: `make aws` starts a local AWS"
        );
        let http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { endpoint: endpoint.to_owned(), http })
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let mut answer = self.http.get(&url).call().with_context(|| format!("GET {url}"))?;
        ensure!(answer.status().is_success(), "GET {url}: {}", answer.status());
        Ok(answer.body_mut().read_json()?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.endpoint);
        let mut answer =
            self.http.post(&url).send_json(body).with_context(|| format!("POST {url}"))?;
        let status = answer.status();
        let text = answer.body_mut().read_to_string()?;
        ensure!(status.is_success(), "POST {url}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// An account that nobody else uses: 12 digits, also the access key that means it.
    pub fn fresh_account() -> String {
        let nanos = u128::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let mixed = nanos ^ (u128::from(std::process::id()) << 40) ^ (u128::from(n) << 20);
        format!("2{:011}", mixed % 100_000_000_000)
    }

    /// Creates the journal's table and the topics in an account.
    ///
    /// # Errors
    /// If the local AWS refuses.
    pub fn set_up(&self, account: &str, region: &str) -> Result<Value> {
        self.post("/_backstop/setup", &json!({ "account": account, "region": region }))
    }

    /// The calls made in an account, oldest first.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn calls(&self, account: &str, since: u64) -> Result<Vec<Call>> {
        let mut answer = self.get(&format!("/_backstop/calls?account={account}&since={since}"))?;
        let Some(calls) = answer.get_mut("calls").map(Value::take) else {
            bail!("the call record is odd: {answer}");
        };
        Ok(serde_json::from_value(calls)?)
    }

    /// A service of AWS, as the root of an account in a Region.
    pub fn service(&self, account: &str, region: &str, name: &str) -> Service {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{name}/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        Service { http: self.http.clone(), endpoint: self.endpoint.clone(), signed }
    }

    /// The lines of a log group, oldest first; none if there is no such group yet.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn log(&self, account: &str, region: &str, group: &str) -> Result<Vec<String>> {
        let logs = self.service(account, region, "logs");
        let body =
            match logs.json("Logs_20140328.FilterLogEvents", &json!({ "logGroupName": group })) {
                Err(error) if error.to_string().contains("ResourceNotFoundException") => {
                    return Ok(Vec::new());
                }
                answered => answered?,
            };
        let Some(events) = body.get("events").and_then(Value::as_array) else {
            bail!("FilterLogEvents answered: {body}");
        };
        let message = |event: &Value| event.get("message")?.as_str().map(str::to_owned);
        Ok(events.iter().filter_map(message).collect())
    }

    /// The properties of an account's stacks that the local AWS dropped: type and property.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn dropped(&self, account: &str) -> Result<Vec<(String, String)>> {
        #[derive(Deserialize)]
        struct Dropped {
            r#type: String,
            property: String,
        }
        let mut answer = self.get(&format!("/_backstop/dropped?account={account}"))?;
        let dropped = answer.get_mut("dropped").map(Value::take).unwrap_or_default();
        let dropped: Vec<Dropped> = serde_json::from_value(dropped)?;
        Ok(dropped.into_iter().map(|d| (d.r#type, d.property)).collect())
    }

    /// Lets a schedule do now what it does at its time. Whether it could.
    ///
    /// # Errors
    /// If there is no such schedule.
    pub fn fire(&self, account: &str, region: &str, schedule: &str) -> Result<bool> {
        let answer = self.post(
            "/_backstop/fire",
            &json!({ "account": account, "region": region, "schedule": schedule }),
        )?;
        answer.get("sent").and_then(Value::as_bool).context("an odd answer")
    }

    /// The number of the last call in any account.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn last(&self) -> Result<u64> {
        let answer = self.get(&format!("/_backstop/calls?since={}", i64::MAX))?;
        answer.get("last").and_then(Value::as_u64).context("the call record is odd")
    }

    /// Makes the next `times` matching calls fail with that error code.
    ///
    /// # Errors
    /// If the local AWS refuses.
    pub fn fail(
        &self,
        account: &str,
        service: &str,
        operation: &str,
        times: u32,
        status: u16,
        code: &str,
    ) -> Result<()> {
        self.post(
            "/_backstop/faults",
            &json!({
                "account": account, "service": service, "operation": operation,
                "times": times, "status": status, "code": code, "message": "injected by a test",
            }),
        )
        .map(drop)
    }
}
