//! What would put an instance right, and what may run unattended (R1.1a).

use backstop_actions::ec2::{Host, MetadataOptions, ModifyMetadataOptions};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::plan::Step;
use backstop_core::words::Class;

use crate::judge::{HostClass, Judged};

/// A change of one option, and what may run it.
struct Change {
    tokens: bool,
    hop_limit: Option<i32>,
    class: Class,
    why: String,
}

/// The steps for one instance: one if the same may run both changes, else first what may run
/// unattended. `before` are its options before the event, if the inventory knows them; `raised`
/// says that the event asked for its hop limit.
///
/// # Errors
/// `Bug` if a step cannot be written down.
pub(crate) fn for_host(
    candidate: &Candidate,
    host: &Host,
    judged: &Judged,
    before: Option<&MetadataOptions>,
    raised: bool,
) -> Result<Vec<Step<Account>>> {
    let mut changes: Vec<Change> = Vec::new();
    if judged.exposed {
        changes.push(tokens(before));
    }
    if let Some(change) = hops(judged, before, raised) {
        match changes.first_mut().filter(|tokens| tokens.class == change.class) {
            Some(both) => {
                both.hop_limit = change.hop_limit;
                both.why = format!("{}; {}", both.why, change.why);
            }
            None => changes.push(change),
        }
    }
    changes.sort_by_key(|change| change.class != Class::Auto);
    let mut state = Some(host.options.settled());
    let mut steps: Vec<Step<Account>> = Vec::new();
    for Change { tokens, hop_limit, class, why } in changes {
        let action = ModifyMetadataOptions {
            account: candidate.account.clone(),
            region: candidate.region.clone(),
            instance_id: host.id.clone(),
            require_tokens: tokens,
            hop_limit,
        };
        let after = backstop_core::action::Action::foreseen(&action, &state);
        let step = Step::new(action, &state, class, why)?;
        // The second is made from what the first leaves.
        steps.push(if steps.is_empty() { step } else { step.following() });
        state = after.unwrap_or(state);
    }
    Ok(steps)
}

/// IMDSv2 is required again: unattended only where it was.
fn tokens(before: Option<&MetadataOptions>) -> Change {
    let (class, why) = match before {
        Some(before) if before.requires_tokens() => {
            (Class::Auto, "IMDSv2 was required before the event")
        }
        Some(_) => (
            Class::Approval,
            "IMDSv2 was not required before: whether software on it still uses IMDSv1 is not known",
        ),
        None => (
            Class::Approval,
            "whether IMDSv2 was required before is not known, nor whether software on it uses IMDSv1",
        ),
    };
    Change { tokens: true, hop_limit: None, class, why: why.to_owned() }
}

/// A hop limit is lowered only where 1 is right, and only where the event raised it or the
/// inventory knows that it was lower.
fn hops(judged: &Judged, before: Option<&MetadataOptions>, raised: bool) -> Option<Change> {
    judged.above?;
    if judged.class != HostClass::Other {
        return None;
    }
    let was = before
        .and_then(|before| before.http_put_response_hop_limit)
        .filter(|was| (1..=judged.allowed).contains(was));
    let (limit, class, why) = match was {
        Some(was) => (was, Class::Auto, format!("the hop limit was {was} before the event")),
        None if raised => (
            judged.allowed,
            Class::Approval,
            "the event asked for the hop limit, and what it was before is not known".to_owned(),
        ),
        None => return None,
    };
    Some(Change { tokens: false, hop_limit: Some(limit), class, why })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backstop_core::candidate::Origin;
    use serde_json::{Value, json};

    use super::*;
    use crate::judge::judge;

    fn host(tokens: &str, hops: i32) -> Host {
        Host {
            id: "i-0001".into(),
            state: "running".into(),
            vpc: None,
            tags: BTreeMap::new(),
            profile: None,
            managed_by: None,
            options: options(tokens, hops),
        }
    }

    fn options(tokens: &str, hops: i32) -> MetadataOptions {
        MetadataOptions {
            http_tokens: Some(tokens.into()),
            http_put_response_hop_limit: Some(hops),
            http_endpoint: Some("enabled".into()),
            pending: true,
            ..MetadataOptions::default()
        }
    }

    /// Class and arguments of each step, and whether it follows.
    fn steps(host: &Host, before: Option<&MetadataOptions>, raised: bool) -> Vec<Value> {
        let candidate = Candidate {
            signal: "S1.1".into(),
            account: "111111111111".into(),
            region: "eu-west-1".into(),
            resource: "arn".into(),
            ids: BTreeMap::new(),
            origin: Origin::Sweep { slot: "s".into(), at: None },
        };
        let judged = judge(host, &backstop_core::config::Imdsv2::default()).unwrap();
        let steps = for_host(&candidate, host, &judged, before, raised).unwrap();
        steps
            .iter()
            .map(|step| {
                let arguments = step.action.arguments().unwrap();
                assert_eq!(step.before.get("pending"), None, "a plan holds what lasts");
                json!([
                    step.class.name(),
                    arguments["require_tokens"],
                    arguments.get("hop_limit"),
                    step.follows,
                ])
            })
            .collect()
    }

    #[test]
    fn r1_1a_what_may_run_unattended() {
        let (good, open) = (options("required", 1), options("optional", 1));
        let container = options("required", 2);
        for (host, before, raised, expected) in [
            (host("optional", 1), Some(&good), false, json!([["auto", true, null, false]])),
            (host("optional", 1), Some(&open), false, json!([["approval", true, null, false]])),
            (host("optional", 1), None, false, json!([["approval", true, null, false]])),
            (host("optional", 2), Some(&good), true, json!([["auto", true, 1, false]])),
            (host("optional", 2), None, true, json!([["approval", true, 1, false]])),
            (host("optional", 2), None, false, json!([["approval", true, null, false]])),
            (
                host("optional", 2),
                Some(&container),
                true,
                json!([["auto", true, null, false], ["approval", false, 1, true]]),
            ),
            (
                host("optional", 2),
                Some(&open),
                false,
                json!([["auto", false, 1, false], ["approval", true, null, true]]),
            ),
            (host("required", 2), Some(&good), false, json!([["auto", false, 1, false]])),
            (host("required", 2), None, true, json!([["approval", false, 1, false]])),
            (host("required", 2), None, false, json!([])),
        ] {
            assert_eq!(json!(steps(&host, before, raised)), expected, "{host:?} {before:?}");
        }
    }

    #[test]
    fn r1_1a_the_hop_limit_of_a_host_of_containers_is_never_lowered() {
        let good = options("required", 1);
        let mut node = host("optional", 9);
        node.tags.insert("aws:eks:cluster-name".into(), "x".into());
        let expected = json!([["auto", true, null, false]]);
        assert_eq!(json!(steps(&node, Some(&good), true)), expected);
    }
}
