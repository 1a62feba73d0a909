//! The document of the inline policy that denies everything to the sessions issued before a time.

use backstop_core::{Error, Result};
use jiff::{Timestamp, Unit};
use serde_json::{Map, Value, json};

/// The name that the IAM console gives the policy when it revokes sessions. One name, so that who
/// looks for it finds it, and a second revocation does not add a second policy.
pub const POLICY_NAME: &str = "AWSRevokeOlderSessions";

/// The document of an inline policy of that name, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CutOff {
    version: Option<Value>,
    /// Those that are not a cut-off: somebody else's. They stay, for one may be a deny.
    others: Vec<Value>,
    time: Option<Timestamp>,
}

/// What is denied is everything, everywhere.
fn is_everything(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(one)) => one == "*",
        Some(Value::Array(all)) => all.iter().any(|one| one == "*"),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

/// A time as IAM's date conditions take it: ISO 8601, or seconds since 1970.
fn time(value: &Value) -> Option<Timestamp> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(seconds) => seconds.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

/// Until when sessions must have been issued to be denied everything by a statement; none if it
/// says anything else, or anything more.
fn cut_off(statement: &Value) -> Option<Timestamp> {
    const KEYS: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];
    let object = statement.as_object()?;
    let condition = object.get("Condition")?.as_object()?;
    let (operator, keys) = condition.iter().next().filter(|_| condition.len() == 1)?;
    let keys = keys.as_object()?;
    let (key, value) = keys.iter().next().filter(|_| keys.len() == 1)?;
    let denies_all = object.keys().all(|key| KEYS.contains(&key.as_str()))
        && object.get("Effect")? == "Deny"
        && is_everything(object.get("Action"))
        && is_everything(object.get("Resource"))
        && operator == "DateLessThan"
        && key.eq_ignore_ascii_case("aws:TokenIssueTime");
    let times = match value {
        // Any of them is enough, so the latest counts.
        Value::Array(all) => all.iter().map(time).collect::<Option<Vec<_>>>()?,
        one @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => vec![time(one)?],
    };
    times.into_iter().max().filter(|_| denies_all)
}

impl CutOff {
    /// No policy yet.
    pub const NONE: Self = Self { version: None, others: Vec::new(), time: None };

    /// Reads a document.
    ///
    /// # Errors
    /// `Bug` if it is none of IAM's: then nothing is known of what it denies.
    pub fn read(document: &str) -> Result<Self> {
        let unreadable = |why: &str| {
            Error::bug(format!("the policy `{POLICY_NAME}` cannot be read: {why}"))
                .hint("look at it by hand: it is not replaced, for it may deny something")
        };
        let value: Value =
            serde_json::from_str(document).map_err(|_| unreadable("it is not JSON"))?;
        let Value::Object(mut object) = value else { return Err(unreadable("it is no object")) };
        let statements = match object.remove("Statement") {
            Some(Value::Array(all)) => all,
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(unreadable("it has no statements")),
        };
        let version = object.remove("Version");
        let latest = statements.iter().filter_map(cut_off).max();
        let others = statements.into_iter().filter(|s| cut_off(s).is_none()).collect();
        Ok(Self { version, others, time: latest })
    }

    /// Until when sessions must have been issued to be denied everything, if it says so.
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// How many statements it has that are not the cut-off.
    pub fn others(&self) -> usize {
        self.others.len()
    }

    /// The document with that cut-off, and with every other statement that there is.
    pub fn with(&self, cut_off: &str) -> String {
        let mut statements = self.others.clone();
        statements.push(json!({
            "Effect": "Deny",
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": cut_off } },
        }));
        let mut document = Map::new();
        let version = self.version.clone().unwrap_or_else(|| json!("2012-10-17"));
        document.insert("Version".to_owned(), version);
        document.insert("Statement".to_owned(), Value::Array(statements));
        Value::Object(document).to_string()
    }
}

/// `time` in whole seconds, as IAM is told: never earlier.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    let up = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Ceil);
    time.round(up).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn document(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#)
    }

    const CONSOLE: &str = r#"{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-11-23T12:00:00.000Z"}}}"#;

    #[test]
    fn sr_1_what_counts_as_a_cut_off() {
        for (change, with, counts) in [
            ("", "", true),
            (r#"["*"]"#, r#""*""#, true),
            (r#""Effect""#, r#""Sid":"x","Effect""#, true),
            ("aws:TokenIssueTime", "AWS:tokenissuetime", true),
            (r#""2026-11-23T12:00:00.000Z""#, "1795435200", true),
            (r#""2026-11-23T12:00:00.000Z""#, r#""1795435200""#, true),
            (
                r#""2026-11-23T12:00:00.000Z""#,
                r#"["2026-01-01T00:00:00Z","2026-11-23T12:00:00Z"]"#,
                true,
            ),
            ("Deny", "Allow", false),
            ("DateLessThan", "DateGreaterThan", false),
            ("DateLessThan", "DateLessThanIfExists", false),
            (r#""Action":["*"]"#, r#""Action":["s3:*"]"#, false),
            (r#""Action""#, r#""NotAction""#, false),
            (r#""Resource":["*"]"#, r#""Resource":["arn:aws:s3:::b"]"#, false),
            (r#""2026-11-23T12:00:00.000Z""#, r#""soon""#, false),
            (r#""DateLessThan""#, r#""Bool":{"aws:SecureTransport":"true"},"DateLessThan""#, false),
            (
                r#""aws:TokenIssueTime""#,
                r#""aws:CurrentTime":"2027-01-01T00:00:00Z","aws:TokenIssueTime""#,
                false,
            ),
        ] {
            let text = CONSOLE.replacen(change, with, if change.is_empty() { 0 } else { 9 });
            let read = CutOff::read(&document(&text)).unwrap();
            let expected = counts.then(|| at("2026-11-23T12:00:00Z"));
            assert_eq!(read.time(), expected, "{text}");
            assert_eq!(read.others(), usize::from(!counts), "{text}");
        }
    }

    #[test]
    fn sr_1_every_other_statement_stays() {
        let foreign = r#"{"Effect":"Deny","Action":"s3:*","Resource":"*"}"#;
        let read = CutOff::read(&document(&format!("[{CONSOLE},{foreign},{CONSOLE}]"))).unwrap();
        let written = CutOff::read(&read.with("2026-11-24T00:00:00Z")).unwrap();
        assert_eq!(written.time(), Some(at("2026-11-24T00:00:00Z")));
        assert_eq!(written.others, read.others);
        assert_eq!(written.others(), 1);
        let old =
            r#"{"Version":"2008-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
        let read = CutOff::read(old).unwrap();
        assert_eq!((read.time(), read.others()), (None, 1));
        assert!(read.with("x").contains("2008-10-17"), "its statements keep their meaning");
    }

    #[test]
    fn sr_1_what_cannot_be_read_is_not_replaced() {
        for text in ["", "[]", "{}", "not JSON", r#"{"Statement":"x"}"#] {
            CutOff::read(text).unwrap_err();
        }
        assert_eq!(
            CutOff::read(&CutOff::NONE.with("x")).unwrap().others(),
            1,
            "no time, no cut-off"
        );
    }

    #[test]
    fn a_cut_off_in_whole_seconds_is_never_earlier() {
        for (time, expected) in [
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z"),
            ("2026-11-23T12:00:00.000000001Z", "2026-11-23T12:00:01Z"),
        ] {
            assert_eq!(whole(at(time)), at(expected), "{time}");
        }
    }
}
