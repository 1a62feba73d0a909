//! Whether an event may be believed to be what it says: an event is input, not proof (spec §1.3).

use crate::config::Config;
use crate::event::{Detail, Envelope, Record};
use crate::ident::Shape;
use crate::text::safe;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not hold, and why.
    Failed(String),
    /// It needs what is not there, and what that is.
    NotChecked(String),
}

/// One check of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// What was found.
    pub verdict: Verdict,
}

fn check(name: &'static str, holds: bool, why: impl FnOnce() -> String) -> Check {
    Check { name, verdict: if holds { Verdict::Passed } else { Verdict::Failed(why()) } }
}

/// Every check of an event, in order. `derived` says that the envelope was made up around a raw
/// record, so that what it says proves nothing.
pub fn checks(event: &Envelope, config: &Config, derived: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    if derived {
        for name in ["not a replay", "source and detail-type", "account and Region of the envelope"]
        {
            let verdict = Verdict::NotChecked("a raw record has no envelope".to_owned());
            checks.push(Check { name, verdict });
        }
    } else {
        checks.push(check("not a replay", event.replay_name.is_none(), || {
            "it is a replay of archived events (`replay-name`)".to_owned()
        }));
        checks.push(check("source", event.source.starts_with("aws."), || {
            format!("its source `{}` is not an AWS service", safe(&event.source, 60))
        }));
        let known = event.detail_type.ends_with(" via CloudTrail")
            || matches!(event.detail, Detail::Native(_));
        checks.push(check("detail-type", known, || {
            format!("its detail-type `{}` is unknown", safe(&event.detail_type, 60))
        }));
    }
    if derived && event.account.is_empty() {
        let verdict = Verdict::NotChecked("the record does not say which account".to_owned());
        checks.push(Check { name: "account and scope", verdict });
        if let Detail::Api(record) = &event.detail {
            checks.extend(record_checks(event, record, derived));
        }
        return checks;
    }
    checks.push(check("account", Shape::Account.fits(&event.account), || {
        format!("its account `{}` is not an account id", safe(&event.account, 60))
    }));
    checks.push(check("scope", config.in_scope(&event.account, &event.region), || {
        format!(
            "{} in {} is not in the scope of the policy",
            safe(&event.account, 20),
            safe(&event.region, 30)
        )
    }));
    if let Detail::Api(record) = &event.detail {
        checks.extend(record_checks(event, record, derived));
    }
    checks
}

fn record_checks(event: &Envelope, record: &Record, derived: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    if !derived {
        // The source is pinned by the service bus and cannot be forged; `eventSource` can.
        let service = record.event_source.strip_suffix(".amazonaws.com");
        let matches = service.is_some_and(|s| event.source.strip_prefix("aws.") == Some(s));
        checks.push(check("source is the record's service", matches, || {
            format!(
                "its source `{}` is not the record's `{}`",
                safe(&event.source, 60),
                safe(&record.event_source, 60)
            )
        }));
        let same = record.recipient_account_id.as_deref() == Some(event.account.as_str());
        checks.push(check("recipient account", same, || {
            format!(
                "the record's recipientAccountId `{}` is not the event's account `{}`",
                safe(record.recipient_account_id.as_deref().unwrap_or("(missing)"), 20),
                safe(&event.account, 20)
            )
        }));
        let same = record.aws_region.as_deref() == Some(event.region.as_str());
        checks.push(check("Region", same, || {
            format!(
                "the record's awsRegion `{}` is not the event's Region `{}`",
                safe(record.aws_region.as_deref().unwrap_or("(missing)"), 30),
                safe(&event.region, 30)
            )
        }));
    }
    checks.push(check("the call succeeded", record.succeeded(), || {
        let code = safe(record.error_code.as_deref().unwrap_or_default(), 60);
        if record.dry_run() {
            format!("the call was a dry run (`{code}`): nothing changed")
        } else {
            format!("the call failed with `{code}`: nothing changed")
        }
    }));
    checks
}

/// Why an event is not acted upon, if it is not.
pub fn distrust(event: &Envelope, config: &Config) -> Option<String> {
    checks(event, config, false).into_iter().find_map(|check| match check.verdict {
        Verdict::Failed(why) => Some(why),
        Verdict::Passed | Verdict::NotChecked(_) => None,
    })
}
