//! X1.1: the defaults of an account in a Region, for instances to come.

use backstop_actions::ec2::{MetadataDefaults, ModifyMetadataDefaults, metadata_defaults};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::Candidate;
use backstop_core::config::Config;
use backstop_core::plan::Step;
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::{Class, Urgency};

use crate::before::before;

/// What is wrong with the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong {
    /// New instances may allow IMDSv1.
    tokens: bool,
    /// EC2 no longer refuses launches without IMDSv2, and did.
    enforced: bool,
    /// The hop limit is above what containers need.
    hops: bool,
}

impl Wrong {
    const fn is_nothing(self) -> bool {
        !self.tokens && !self.enforced && !self.hops
    }
}

fn wrong(now: &MetadataDefaults, was: Option<&MetadataDefaults>, config: &Config) -> Wrong {
    let optional = now.http_tokens.as_deref() == Some("optional");
    let expected =
        config.imdsv2.require_by_default || was.is_none_or(MetadataDefaults::requires_tokens);
    let most = config.imdsv2.hop_limit.containers.max(config.imdsv2.hop_limit.eks);
    let hops = now.http_put_response_hop_limit.and_then(|hops| u32::try_from(hops).ok());
    Wrong {
        // No preference leaves it to the AMI: as wrong as `optional` where more was known, and
        // where nothing was known.
        tokens: optional || !now.requires_tokens() && expected,
        enforced: was.is_some_and(MetadataDefaults::enforces) && !now.enforces(),
        hops: hops.is_some_and(|hops| hops > most),
    }
}

pub(crate) async fn assess(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let config = &memory.config;
    let (now, was) = futures::join!(
        metadata_defaults(account),
        before::<MetadataDefaults>(memory, candidate, &candidate.resource)
    );
    let (now, was) = (now?, was?);
    let wrong = wrong(&now, was.as_ref(), config);
    if wrong.is_nothing() {
        return Ok(Assessment::Compliant(
            "the account's defaults for new instances allow no more than they did".to_owned(),
        ));
    }
    let steps = steps(candidate, &now, was.as_ref(), wrong, config)?;
    let mut facts = vec![fact("now", &now)];
    facts.extend(was.as_ref().map(|was| fact("before the event", was)));
    let urgency = if wrong.tokens || wrong.enforced { Urgency::Page } else { Urgency::Ticket };
    let mut follow_up = vec![
        "instances that run are as they were: the defaults hold for launches that say nothing \
         else, in this Region only"
            .to_owned(),
    ];
    if steps.is_empty() {
        follow_up.push(
            "what the defaults were is not known: set `imdsv2.require_by_default`, or set them by \
             hand"
                .to_owned(),
        );
    }
    if wrong.hops {
        follow_up.push(
            "no step changes the default hop limit: 1 would break hosts of containers that rely \
             on it"
                .to_owned(),
        );
    }
    Ok(Assessment::Violation(Box::new(Violation {
        finding: Finding {
            signal: candidate.signal.clone(),
            title: title(wrong, &candidate.region),
            facts,
            urgency,
            blast_radius: Some(format!(
                "every launch to come in {} {} that says nothing else",
                candidate.account, candidate.region
            )),
            follow_up,
            property: "metadata-defaults".to_owned(),
        },
        steps,
        choice: None,
        incomplete: false,
        scope: Scope {
            production: config.is_production(
                &candidate.account,
                None,
                &std::collections::BTreeMap::new(),
            ),
            hands_off: now.by_policy.then(|| {
                "a declarative policy of the organisation sets them: the account cannot".to_owned()
            }),
        },
    })))
}

fn title(wrong: Wrong, region: &str) -> String {
    let what = if wrong.tokens {
        "new instances may allow IMDSv1 by default"
    } else if wrong.enforced {
        "EC2 no longer refuses launches without IMDSv2"
    } else {
        "the default hop limit is above what containers need"
    };
    format!("{what} in {region}")
}

fn fact(when: &str, defaults: &MetadataDefaults) -> String {
    let text = |value: &Option<String>| {
        value.as_deref().map_or("no preference".to_owned(), |value| safe(value, 20))
    };
    let hops = defaults.http_put_response_hop_limit;
    format!(
        "{when}: tokens {}, enforced {}, hop limit {}, endpoint {}",
        text(&defaults.http_tokens),
        text(&defaults.http_tokens_enforced),
        hops.map_or("no preference".to_owned(), |n| n.to_string()),
        text(&defaults.http_endpoint),
    )
}

/// What the inventory or the policy says that the defaults are comes back, by approval only: it
/// decides about launches that nobody here has seen.
fn steps(
    candidate: &Candidate,
    now: &MetadataDefaults,
    was: Option<&MetadataDefaults>,
    wrong: Wrong,
    config: &Config,
) -> Result<Vec<Step<Account>>> {
    let known = was.is_some_and(MetadataDefaults::requires_tokens);
    if !(wrong.tokens || wrong.enforced) || !(known || config.imdsv2.require_by_default) {
        return Ok(Vec::new());
    }
    let action = ModifyMetadataDefaults {
        account: candidate.account.clone(),
        region: candidate.region.clone(),
        enforce: wrong.enforced,
    };
    let reason = if known {
        "they required IMDSv2 before the event"
    } else {
        "the policy says that they require IMDSv2"
    };
    Ok(vec![Step::new(action, now, Class::Approval, reason)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(tokens: Option<&str>, enforced: bool) -> MetadataDefaults {
        MetadataDefaults {
            http_tokens: tokens.map(Into::into),
            http_tokens_enforced: enforced.then(|| "enabled".into()),
            ..MetadataDefaults::default()
        }
    }

    #[test]
    fn x1_1_what_is_weaker_than_it_was() {
        let plain = Config::parse("", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let strict = "[imdsv2]\nrequire_by_default = true";
        let strict = Config::parse(strict, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let (required, none) = (defaults(Some("required"), true), defaults(None, false));
        for (now, was, config, tokens, enforced) in [
            (defaults(Some("optional"), false), None, &plain, true, false),
            (defaults(Some("optional"), false), Some(&none), &plain, true, false),
            (defaults(None, false), Some(&required), &plain, true, true),
            (defaults(None, false), Some(&none), &plain, false, false),
            (defaults(None, false), Some(&none), &strict, true, false),
            (defaults(None, false), None, &plain, true, false),
            (defaults(Some("required"), false), Some(&required), &plain, false, true),
            (defaults(Some("required"), false), None, &strict, false, false),
            (required.clone(), Some(&required), &strict, false, false),
        ] {
            let found = wrong(&now, was, config);
            assert_eq!((found.tokens, found.enforced), (tokens, enforced), "{now:?} {was:?}");
        }
        let mut far = required.clone();
        far.http_put_response_hop_limit = Some(3);
        assert!(wrong(&far, Some(&required), &plain).hops);
        far.http_put_response_hop_limit = Some(2);
        assert!(wrong(&far, Some(&required), &plain).is_nothing());
    }
}
