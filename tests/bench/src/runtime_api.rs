//! Lambda as a function sees it: the Runtime API.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::http::{self, Answer, Request};

/// How long the next step of a function may take. Under callgrind it runs some 50 times slower.
const MOST: Duration = Duration::from_mins(2);

/// What a function did.
#[derive(Debug)]
enum Step {
    /// It asked for the next event: whatever it has to do before is done.
    Asked,
    /// It answered an event.
    Answered(Result<Value, Value>),
    /// It could not start.
    Refused(Value),
}

/// The Runtime API of one function.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    events: Sender<String>,
    steps: Receiver<Step>,
}

impl RuntimeApi {
    /// Serves a function with that ARN on a free port.
    ///
    /// # Errors
    /// If no port is free.
    pub fn serve(function_arn: &str) -> Result<Self> {
        let (events, waiting) = channel();
        let (tell, steps) = channel();
        let (arn, waiting) = (function_arn.to_owned(), Mutex::new(waiting));
        let address = http::serve(move |request| answer(&request, &arn, &waiting, &tell))?;
        Ok(Self { address, events, steps })
    }

    /// Where it is: `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    fn step(&self) -> Result<Step> {
        self.steps.recv_timeout(MOST).context("the function does nothing any more")
    }

    /// Waits until the function asks for an event.
    ///
    /// # Errors
    /// If it does something else, or nothing.
    pub fn ready(&self) -> Result<()> {
        match self.step()? {
            Step::Asked => Ok(()),
            Step::Answered(answer) => bail!("it answered what nobody asked: {answer:?}"),
            Step::Refused(why) => bail!("it cannot start: {why}"),
        }
    }

    /// Hands the function, which is ready, an event, and waits for the answer and for it to be
    /// ready again.
    ///
    /// # Errors
    /// If it fails, or does nothing any more.
    pub fn invoke(&self, event: &str) -> Result<Value> {
        self.events.send(event.to_owned()).context("the Runtime API has ended")?;
        let answer = match self.step()? {
            Step::Answered(answer) => answer.map_err(|error| anyhow!("it failed: {error}"))?,
            Step::Asked => bail!("it asked for the next event before it answered this one"),
            Step::Refused(why) => bail!("it cannot start: {why}"),
        };
        self.ready()?;
        Ok(answer)
    }
}

/// Answers one request of the function.
fn answer(
    request: &Request,
    arn: &str,
    events: &Mutex<Receiver<String>>,
    tell: &Sender<Step>,
) -> Result<Answer> {
    let body = || serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let path = request.path.trim_start_matches("/2018-06-01/runtime/");
    let step = match (request.method.as_str(), path.rsplit('/').next().unwrap_or_default()) {
        ("GET", "next") => {
            tell.send(Step::Asked)?;
            let event = events.lock().unwrap_or_else(PoisonError::into_inner).recv()?;
            let now = Timestamp::now();
            let deadline = now.saturating_add(SignedDuration::from_mins(5))?;
            let headers = [
                ("Lambda-Runtime-Aws-Request-Id", format!("request-{}", now.as_nanosecond())),
                ("Lambda-Runtime-Deadline-Ms", deadline.as_millisecond().to_string()),
                ("Lambda-Runtime-Invoked-Function-Arn", arn.to_owned()),
                ("Content-Type", "application/json".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value));
            return Ok(Answer { status: 200, headers: headers.into(), body: event.into_bytes() });
        }
        ("POST", "response") => Step::Answered(Ok(body())),
        ("POST", "error") if path == "init/error" => Step::Refused(body()),
        ("POST", "error") => Step::Answered(Err(body())),
        _ => return Ok(Answer::empty(404)),
    };
    tell.send(step)?;
    Ok(Answer::empty(202))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_goes_in_and_its_answer_comes_out() {
        let api = RuntimeApi::serve("arn:aws:lambda:eu-west-1:111111111111:function:f").unwrap();
        let base = format!("http://{}/2018-06-01/runtime", api.address());
        let function = std::thread::spawn(move || {
            let agent = ureq::Agent::new_with_defaults();
            for step in ["response", "error"] {
                let mut next = agent.get(format!("{base}/invocation/next")).call().unwrap();
                let head = |name: &str| next.headers()[name].to_str().unwrap().to_owned();
                assert!(head("Lambda-Runtime-Deadline-Ms").parse::<u64>().unwrap() > 0);
                assert!(head("Lambda-Runtime-Invoked-Function-Arn").contains("111111111111"));
                let id = head("Lambda-Runtime-Aws-Request-Id");
                let event: Value = next.body_mut().read_json().unwrap();
                let url = format!("{base}/invocation/{id}/{step}");
                assert_eq!(agent.post(url).send_json(event).unwrap().status(), 202);
            }
            drop(agent.get(format!("{base}/invocation/next")).call());
        });
        api.ready().unwrap();
        assert_eq!(api.invoke(r#"{"a": 1}"#).unwrap()["a"], 1);
        // The answer is an error, and the function is ready again all the same.
        let error = api.invoke(r#"{"errorType": "invalid"}"#).unwrap_err().to_string();
        assert!(error.contains("invalid"), "{error}");
        api.ready().unwrap();
        drop(api);
        function.join().unwrap();
    }
}
