//! A CloudWatch Logs subscription: lines of a log group, base64 of gzip.

use std::collections::BTreeMap;
use std::io::Read;

use aws_lambda_events::event::cloudwatch_logs::{LogData, LogEntry};
use data_encoding::BASE64;
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde_json::Value;

use super::shaped;
use crate::error::{Error, Result};

/// More than a batch of CloudWatch Logs unpacks to, less than the smallest function's memory.
const MOST: u64 = 32 << 20;

/// Lines that a subscription filter let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsBatch {
    /// Whether it only checks that the function can be reached.
    pub control: bool,
    /// The account that the log group belongs to.
    pub owner: String,
    /// The log group.
    pub log_group: String,
    /// The log stream; for flow logs the network interface.
    pub log_stream: String,
    /// The lines, none of a control message.
    pub events: Vec<LogLine>,
}

/// One line of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Its id in CloudWatch Logs.
    pub id: String,
    /// When it was written.
    pub timestamp: Option<Timestamp>,
    /// The line.
    pub message: String,
    /// The fields that the filter's pattern names, if it names any.
    pub extracted: BTreeMap<String, String>,
}

impl LogsBatch {
    /// Reads a subscription's payload. Unpacked here and not by `aws_lambda_events`, which would
    /// unpack without a bound; what is unpacked has that crate's shape.
    pub(super) fn read(value: &Value) -> Result<Self> {
        const AT: &str = "awslogs.data";
        let wrong = |what: &str| {
            Error::invalid(format!("cannot read `{AT}`: {what}"))
                .hint("it is base64 of gzip of JSON, as CloudWatch Logs sends it")
        };
        let data = value.pointer("/awslogs/data").and_then(Value::as_str);
        let packed = BASE64
            .decode(data.ok_or_else(|| wrong("it is missing or no string"))?.as_bytes())
            .map_err(|e| wrong(&format!("no base64: {e}")))?;
        let mut text = Vec::new();
        GzDecoder::new(packed.as_slice())
            .take(MOST + 1)
            .read_to_end(&mut text)
            .map_err(|e| wrong(&format!("no gzip: {e}")))?;
        if text.len() as u64 > MOST {
            return Err(wrong(&format!("it unpacks to more than {} MiB", MOST >> 20)));
        }
        let unpacked =
            serde_json::from_slice(&text).map_err(|e| wrong(&format!("no JSON: {e}")))?;
        let raw: LogData =
            shaped(unpacked, AT).map_err(|e| e.hint("it is no batch of log lines"))?;
        let control = raw.message_type == "CONTROL_MESSAGE";
        let lines = if control { Vec::new() } else { raw.log_events };
        Ok(Self {
            control,
            owner: raw.owner,
            log_group: raw.log_group,
            log_stream: raw.log_stream,
            events: lines
                .into_iter()
                .map(|line| LogLine {
                    extracted: extracted(&line),
                    id: line.id,
                    timestamp: Timestamp::from_millisecond(line.timestamp).ok(),
                    message: line.message,
                })
                .collect(),
        })
    }
}

/// The fields that the filter's pattern names; every value is a string.
fn extracted(line: &LogEntry) -> BTreeMap<String, String> {
    line.other
        .get("extractedFields")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use crate::event::{LogsBatch, Payload, parse};

    const FLOW: &str = include_str!("../../tests/fixtures/cloudwatchlogs.flow-log.json");
    const CONTROL: &str = include_str!("../../tests/fixtures/cloudwatchlogs.control-message.json");

    fn batch(text: &str) -> LogsBatch {
        match parse(text).unwrap() {
            Payload::Logs(batch) => batch,
            other @ (Payload::Event(_) | Payload::Operator(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_unpacked() {
        let batch = batch(FLOW);
        assert!(!batch.control && !batch.events.is_empty());
        assert_eq!(batch.owner, "111111111111");
        assert!(batch.log_stream.starts_with("eni-"), "{}", batch.log_stream);
        for line in &batch.events {
            assert!(!line.id.is_empty() && line.timestamp.is_some() && !line.message.is_empty());
        }
        assert_eq!(batch.events[0].extracted["dstport"], "22");
        assert!(batch.events[1].extracted.is_empty());
    }

    #[test]
    fn a_control_message_has_no_lines() {
        let batch = batch(CONTROL);
        assert!(batch.control && batch.events.is_empty());
    }

    #[test]
    fn what_cannot_be_unpacked_is_refused() {
        let data = FLOW.split('"').nth(5).unwrap();
        let (half, rest) = data.split_at(data.len() / 8 * 4);
        for text in [
            r#"{"awslogs":{"data":"not base64!"}}"#.to_owned(),
            r#"{"awslogs":{"data":"aGVsbG8="}}"#.to_owned(),
            r#"{"awslogs":{"data":""}}"#.to_owned(),
            r#"{"awslogs":{"data":5}}"#.to_owned(),
            r#"{"awslogs":{}}"#.to_owned(),
            r#"{"awslogs":null}"#.to_owned(),
            format!(r#"{{"awslogs":{{"data":"{half}"}}}}"#),
            format!(r#"{{"awslogs":{{"data":"{rest}"}}}}"#),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.to_string().contains("`awslogs.data`"), "{text} {error}");
            assert!(error.hint_text().is_some());
        }
    }

    #[test]
    fn what_unpacks_without_end_is_refused() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&vec![b' '; (32 << 20) + 1]).unwrap();
        let data = data_encoding::BASE64.encode(&packed.finish().unwrap());
        let error = parse(&format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#)).unwrap_err();
        assert!(error.to_string().contains("more than 32 MiB"), "{error}");
    }
}
