//! A slow way to AWS: every call waits before it is passed on. What waits for what shows then,
//! however fast or busy the machine is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use ureq::http::Request as Call;

use crate::http::{self, Answer, Request};
use crate::rounds;

/// A proxy in front of an endpoint, with a record of the calls.
#[derive(Debug)]
pub struct Slow {
    endpoint: String,
    calls: Arc<Mutex<Vec<rounds::Call>>>,
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}

impl Slow {
    /// A proxy that holds every call back for `delay`.
    ///
    /// # Errors
    /// If no port is free.
    pub fn in_front_of(endpoint: &str, delay: Duration) -> Result<Self> {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (agent, began, record) = (agent(), now(), Arc::clone(&calls));
        let behind = endpoint.to_owned();
        let address = http::serve(move |request| {
            let start = began.elapsed();
            wait(delay);
            let name = name(&request);
            let answer = pass_on(request, &behind, &agent)?;
            // Written down first: the one who gets the answer may ask at once.
            let call = rounds::Call { name, start, end: began.elapsed() };
            record.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            Ok(answer)
        })?;
        Ok(Self { endpoint: format!("http://{address}"), calls })
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The calls since this was last asked.
    pub fn take(&self) -> Vec<rounds::Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent()
}

#[expect(clippy::disallowed_methods, reason = "it is what makes the way slow")]
fn wait(delay: Duration) {
    std::thread::sleep(delay);
}

/// Headers that belong to one connection, not to the call.
fn of_the_connection(name: &str) -> bool {
    ["host", "connection", "content-length", "transfer-encoding", "expect"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

fn pass_on(request: Request, endpoint: &str, agent: &ureq::Agent) -> Result<Answer> {
    let mut call =
        Call::builder().method(request.method.as_str()).uri(format!("{endpoint}{}", request.path));
    for (name, value) in request.headers.iter().filter(|(name, _)| !of_the_connection(name)) {
        call = call.header(name, value);
    }
    let mut answer = agent.run(call.body(request.body)?)?;
    let mut headers = Vec::new();
    for (name, value) in answer.headers() {
        if !of_the_connection(name.as_str()) {
            headers.push((name.to_string(), value.to_str()?.to_owned()));
        }
    }
    let body = answer.body_mut().read_to_vec()?;
    Ok(Answer { status: answer.status().as_u16(), headers, body })
}

/// `service:Operation` of a signed call.
fn name(request: &Request) -> String {
    let scope = request.header("authorization").split("Credential=").nth(1).unwrap_or_default();
    let service = scope.split('/').nth(3).unwrap_or("unknown");
    let operation = match request.header("x-amz-target").rsplit_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None => String::from_utf8_lossy(&request.body)
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="))
            .unwrap_or("unknown")
            .to_owned(),
    };
    format!("{service}:{operation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_names() {
        let call = |target: &str, service: &str, body: &str| {
            let scope = format!("AWS4-HMAC-SHA256 Credential=1/20260101/eu-west-1/{service}, x=y");
            let headers = [("authorization", scope.as_str()), ("x-amz-target", target)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            name(&Request { headers: headers.into(), body: body.into(), ..Request::default() })
        };
        let target = "DynamoDB_20120810.PutItem";
        assert_eq!(call(target, "dynamodb/aws4_request", "{}"), "dynamodb:PutItem");
        let body = "Action=DescribeInstances&Version=2016-11-15";
        assert_eq!(call("", "ec2/aws4_request", body), "ec2:DescribeInstances");
        assert_eq!(name(&Request::default()), "unknown:unknown");
    }

    #[test]
    fn it_passes_calls_on_and_writes_them_down() {
        let behind = http::serve(|request| {
            let body = [request.path.as_bytes(), b" ", &request.body].concat();
            let headers = vec![("X-Kind".to_owned(), "test".to_owned())];
            Ok(Answer { status: 418, headers, body })
        });
        let endpoint = format!("http://{}", behind.unwrap());
        let slow = Slow::in_front_of(&endpoint, Duration::ZERO).unwrap();
        let agent = agent();
        // The second goes over the same connection.
        for _ in 0..2 {
            let mut answer = agent
                .post(format!("{}/path?q", slow.endpoint()))
                .header("Authorization", "Credential=1/2/3/sns/aws4_request")
                .send("Action=Publish&a=b")
                .unwrap();
            assert_eq!(answer.status(), 418);
            assert_eq!(answer.headers()["X-Kind"], "test");
            let text = answer.body_mut().read_to_string().unwrap();
            assert_eq!(text, "/path?q Action=Publish&a=b");
        }
        let calls = slow.take();
        assert_eq!(calls.len(), 2);
        assert!(calls.iter().all(|c| c.name == "sns:Publish" && c.start <= c.end), "{calls:?}");
        assert!(slow.take().is_empty());
    }
}
