//! Every environment variable that a function reads, in one place.

use backstop_aws::notify::Topics;
use backstop_aws::{Connection, Credentials};
use backstop_core::words::{Lane, Mode};
use backstop_core::{Error, Result};
use jiff::Timestamp;

/// The settings of a function.
///
/// | variable | means |
/// |---|---|
/// | `BACKSTOP_CONFIG` | path of the policy file; `backstop.toml` in the working directory (on Lambda: the package) unless given |
/// | `BACKSTOP_TABLE` | the journal's DynamoDB table |
/// | `BACKSTOP_LANE` | `unattended` or `attended` |
/// | `BACKSTOP_MODE` | may only be stricter than the file, except on loopback endpoints |
/// | `BACKSTOP_TOPIC_PAGE`, `_TICKET`, `_INFO` | ARNs of the SNS topics |
/// | `BACKSTOP_NOW` | what time it is, on loopback endpoints only |
/// | `AWS_REGION` | the home Region |
/// | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | as Lambda sets them |
/// | `AWS_ENDPOINT_URL` | one endpoint for every service: a local AWS |
/// | `AWS_CA_BUNDLE` | a PEM file to trust instead of the Amazon roots |
#[derive(Debug)]
pub struct Settings {
    /// The policy, as text.
    pub policy: String,
    /// Where the policy was read from.
    pub policy_path: String,
    /// The journal's table.
    pub table: String,
    /// The lane.
    pub lane: Lane,
    /// The mode that the environment asks for.
    pub mode: Option<Mode>,
    /// The topics.
    pub topics: Topics,
    /// What time it is, if the environment says.
    pub now: Option<Timestamp>,
    /// The way to AWS.
    pub connection: Connection,
    /// Whether every endpoint is on loopback.
    pub loopback: bool,
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &str) -> Result<String> {
    variable(name).ok_or_else(|| {
        Error::invalid(format!("the environment variable `{name}` is not set"))
            .hint("the deployment sets it; locally, `make aws-env` prints it")
    })
}

/// The value of a variable that takes one of a few words.
fn word<T: Copy>(name: &str, all: &[T], spelled: fn(T) -> &'static str) -> Result<Option<T>> {
    let Some(given) = variable(name) else { return Ok(None) };
    all.iter().copied().find(|one| spelled(*one) == given).map(Some).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| spelled(*one)).collect();
        Error::invalid(format!("`{name}` is `{}`", backstop_core::text::safe(&given, 40)))
            .hint(format!("it takes: {}", words.join(", ")))
    })
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Whoever has user information in it does not mean a local endpoint.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// `Invalid`, naming the variable, if one is missing or makes no sense.
    pub fn from_env() -> Result<Self> {
        let policy_path = variable("BACKSTOP_CONFIG").unwrap_or_else(|| "backstop.toml".to_owned());
        let policy = std::fs::read_to_string(&policy_path).map_err(|e| {
            Error::invalid(format!("cannot read the policy `{policy_path}`: {e}"))
                .hint("`BACKSTOP_CONFIG` names it")
        })?;
        let endpoint = variable("AWS_ENDPOINT_URL");
        let loopback = endpoint.as_deref().is_some_and(is_loopback);
        let now = match variable("BACKSTOP_NOW") {
            None => None,
            Some(_) if !loopback => {
                return Err(Error::invalid("`BACKSTOP_NOW` is set, but AWS is not local")
                    .hint("it works only where `AWS_ENDPOINT_URL` is a loopback address"));
            }
            Some(text) => Some(text.parse().map_err(|e| {
                Error::invalid(format!("`BACKSTOP_NOW` is no time: {e}"))
                    .hint("write `2026-11-23T12:00:00Z`")
            })?),
        };
        let ca_bundle = match variable("AWS_CA_BUNDLE") {
            None => None,
            Some(path) => Some(std::fs::read(&path).map_err(|e| {
                Error::invalid(format!("cannot read the CA bundle `{path}`: {e}"))
                    .hint("`AWS_CA_BUNDLE` names it")
            })?),
        };
        let connection = Connection::open(
            &required("AWS_REGION")?,
            endpoint.as_deref(),
            &Credentials {
                access_key_id: required("AWS_ACCESS_KEY_ID")?,
                secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
                session_token: variable("AWS_SESSION_TOKEN"),
            },
            ca_bundle,
        )?;
        Ok(Self {
            policy,
            policy_path,
            table: required("BACKSTOP_TABLE")?,
            lane: word("BACKSTOP_LANE", Lane::ALL, Lane::name)?.ok_or_else(|| {
                Error::invalid("the environment variable `BACKSTOP_LANE` is not set")
                    .hint("it takes: unattended, attended")
            })?,
            mode: word("BACKSTOP_MODE", Mode::ALL, Mode::name)?,
            topics: Topics {
                page: required("BACKSTOP_TOPIC_PAGE")?,
                ticket: required("BACKSTOP_TOPIC_TICKET")?,
                info: required("BACKSTOP_TOPIC_INFO")?,
            },
            now,
            connection,
            loopback,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, loopback) in [
            ("http://127.0.0.1:4566", true),
            ("http://localhost:4566/", true),
            ("https://[::1]:4566", true),
            ("http://127.8.8.8", true),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost@example.com", false),
            ("http://example.com/127.0.0.1", false),
            ("https://ec2.eu-west-1.amazonaws.com", false),
            ("127.0.0.1:4566", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }
}
