//! What a function was invoked with: an event, log lines, or what a person asks.
//!
//! Everything here is input, not proof. A missing field is unknown and never a default; what
//! cannot be read is an error that names the place in the JSON.

mod envelope;
mod identity;
mod lenient;
mod logs;
mod operator;
mod params;
mod record;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::envelope::{Detail, Envelope};
pub use self::identity::{Identity, IdentityKind};
pub use self::logs::{LogLine, LogsBatch};
pub use self::operator::{
    Approve, Incidents, Operator, Overwrite, Request, Run, Show, Sweep, Undo,
};
pub use self::params::{Params, REMOVED, View};
pub use self::record::Record;
use crate::error::{Error, Result};
use crate::text::safe;

/// What a function was invoked with.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// An EventBridge event.
    Event(Box<Envelope>),
    /// Lines of a CloudWatch Logs subscription.
    Logs(LogsBatch),
    /// What a person, a schedule or another function asks.
    Operator(Operator),
}

impl Payload {
    /// What it is, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "an event",
            Self::Logs(_) => "a log subscription",
            Self::Operator(Operator::Sweep(_)) => "`sweep`",
            Self::Operator(Operator::Request(_)) => "`request`",
            Self::Operator(Operator::Run(_)) => "`run`",
            Self::Operator(Operator::Approve(_)) => "`approve`",
            Self::Operator(Operator::Undo(_)) => "`undo`",
            Self::Operator(Operator::Show(_)) => "`show`",
            Self::Operator(Operator::Incidents(_)) => "`incidents`",
        }
    }
}

/// An event that `explain` was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The event.
    pub envelope: Envelope,
    /// Whether the envelope was made up around a raw record, so that it proves nothing.
    pub derived: bool,
}

/// Parses what a function was invoked with.
///
/// # Errors
/// `Invalid`, with the place in the JSON and a hint.
pub fn parse(text: &str) -> Result<Payload> {
    let value = json(text)?;
    let Value::Object(members) = value else { return Err(unknown(&value)) };
    if members.contains_key("backstop") {
        Operator::read(members).map(Payload::Operator)
    } else if members.contains_key("awslogs") {
        LogsBatch::read(&Value::Object(members)).map(Payload::Logs)
    } else if is_event(&members) {
        let event = Envelope::read(Value::Object(members), "").map_err(|e| e.hint(AS_DELIVERED))?;
        Ok(Payload::Event(Box::new(event)))
    } else {
        Err(unknown(&Value::Object(members)))
    }
}

/// Parses what `explain` is given: a raw record, an event, a file of records, or a list of these.
///
/// # Errors
/// `Invalid`, with the place in the JSON and a hint.
pub fn parse_any(text: &str) -> Result<Vec<Explained>> {
    let mut value = json(text)?;
    let (mut list, at) = match value.get_mut("Records") {
        Some(records) => (records.take(), "Records"),
        None => (value, ""),
    };
    let Value::Array(values) = &mut list else {
        return if at.is_empty() {
            explained(list, at).map(|one| vec![one])
        } else {
            let found = lenient::kind(&list);
            Err(Error::invalid(format!("`{at}` is {found}, not a list")).hint(EXPLAINABLE))
        };
    };
    let values = std::mem::take(values);
    if values.is_empty() {
        return Err(Error::invalid("there is no record in it").hint(EXPLAINABLE));
    }
    let each = values.into_iter().enumerate();
    each.map(|(n, value)| explained(value, &format!("{at}[{n}]"))).collect()
}

const AS_DELIVERED: &str = "send the event as EventBridge delivers it, the record in `detail`; \
     `backstop explain` reads it the same way";
const EXPLAINABLE: &str = "give it a CloudTrail record, an EventBridge event, a list of these, or \
     a file with `Records`";

fn explained(value: Value, at: &str) -> Result<Explained> {
    let members = value.as_object();
    let has = |key| members.is_some_and(|m| m.contains_key(key));
    let read = if members.is_some_and(is_event) {
        Envelope::read(value, at).map(|envelope| Explained { envelope, derived: false })
    } else if has("eventName") || has("eventSource") {
        shaped(value, at).map(|r| Explained { envelope: Envelope::derive(r), derived: true })
    } else {
        let place = if at.is_empty() { "the input".to_owned() } else { format!("`{at}`") };
        let found = found(&value);
        Err(Error::invalid(format!("{place} is {found}, neither a record nor an event")))
    };
    read.map_err(|e| e.hint(EXPLAINABLE))
}

fn is_event(members: &Map<String, Value>) -> bool {
    members.contains_key("detail-type") || members.contains_key("detail")
}

/// What a value looks like, for messages: names of members, never their content.
fn found(value: &Value) -> String {
    let Some(members) = value.as_object() else { return lenient::kind(value).to_owned() };
    let names: Vec<String> = members.keys().take(4).map(|k| format!("`{}`", safe(k, 40))).collect();
    if names.is_empty() {
        "an empty object".to_owned()
    } else {
        format!("an object with {}", names.join(", "))
    }
}

/// The error for JSON that is no payload: says what it looks like and what is known.
fn unknown(value: &Value) -> Error {
    let found = found(value);
    let error = Error::invalid(format!(
        "the payload is {found}; known are an EventBridge event (`detail-type`), a CloudWatch Logs \
         subscription (`awslogs`) and `{{\"backstop\": {{\"<verb>\": {{…}}}}}}`"
    ));
    let raw = |key| value.get(key).is_some();
    if raw("eventName") || raw("Records") {
        error.hint(
            "a raw CloudTrail record is for `backstop explain`; EventBridge puts it in `detail`",
        )
    } else {
        error.hint("send one of these whole")
    }
}

fn json(text: &str) -> Result<Value> {
    // Editors of some systems put a byte order mark before what they save.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| {
        // serde_json stops at 128 levels, before our stack is in danger.
        if e.to_string().starts_with("recursion limit exceeded") {
            Error::invalid(format!("the JSON is nested too deep (column {})", e.column()))
                .hint("AWS nests records fewer than 30 levels deep")
        } else {
            Error::invalid(format!("the input is not JSON: {}", safe(&e.to_string(), 160)))
                .hint("check that the file was sent whole")
        }
    })
}

/// Gives `value`, which stands at the path `at`, its type.
fn shaped<T: DeserializeOwned>(value: Value, at: &str) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = join(at, &e.path().to_string());
        let why = e.into_inner().to_string();
        Error::invalid(format!("cannot read `{}`: {}", safe(&path, 120), safe(&why, 160)))
    })
}

/// The path `inner` below the path `at`.
fn join(at: &str, inner: &str) -> String {
    match (at, inner) {
        ("", "." | "") => "$".to_owned(),
        ("", inner) => inner.to_owned(),
        (at, "." | "") => at.to_owned(),
        (at, inner) => format!("{at}.{inner}"),
    }
}

#[cfg(test)]
mod tests;
