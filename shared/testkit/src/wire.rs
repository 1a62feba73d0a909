//! AWS's protocols by hand, as far as a deployment and its tests need them: an SDK crate for each
//! of these services would cost minutes of compilation.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// One service of the local AWS, as the root of an account in a Region.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) http: ureq::Agent,
    pub(crate) endpoint: String,
    /// What a signature says of who calls; the local AWS checks none.
    pub(crate) signed: String,
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The error that the function itself ended with, if one was invoked.
    pub function_error: bool,
    /// The body.
    pub body: String,
}

impl Service {
    /// A call of a JSON protocol: `AmazonSQS.ReceiveMessage`.
    ///
    /// # Errors
    /// If the service refuses.
    pub fn json(&self, target: &str, body: &Value) -> Result<Value> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        let answer = self.send("POST", "/", &headers, body.to_string().as_bytes())?;
        serde_json::from_str(&answer.body).with_context(|| format!("{target}: {}", answer.body))
    }

    /// A call of a query protocol: the form of a `CreateStack`.
    ///
    /// # Errors
    /// If the service refuses.
    pub fn form(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let form: Vec<String> = [("Action", action), ("Version", "2010-05-15")]
            .iter()
            .chain(parameters)
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        Ok(self.send("POST", "/", &headers, form.join("&").as_bytes())?.body)
    }

    /// A call of a REST protocol.
    ///
    /// # Errors
    /// If the service refuses.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.endpoint);
        let mut request = match method {
            "PUT" => self.http.put(&url),
            "DELETE" => self.http.delete(&url).force_send_body(),
            _ => self.http.post(&url),
        }
        .header("authorization", &self.signed);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.send(body).with_context(|| format!("{method} {url}"))?;
        let status = answer.status();
        let function_error = answer.headers().contains_key("x-amz-function-error");
        let body = answer.body_mut().read_to_string()?;
        ensure!(status.is_success(), "{method} {url} {headers:?}: {status}: {body}");
        Ok(Answer { function_error, body })
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
