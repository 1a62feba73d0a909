//! An instance that was launched with a key pair, or that a person points at.

use std::collections::BTreeSet;

use backstop_actions::ec2::{self, Launched, Which};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::{Candidate, Origin as CandidateOrigin};
use backstop_core::config::Config;
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::Urgency;

use crate::live::Live;
use crate::{assess, plan};

/// S2.1 and T2.1, and a person's look at an instance.
pub(crate) async fn instances(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let which = match candidate.all("client_token").first() {
        Some(token) => Which::ClientToken(token),
        None => Which::Ids(candidate.all("instance_id")),
    };
    let launched: Vec<Launched> = ec2::instances(account, which)
        .await?
        .into_iter()
        .filter(|i| !matches!(i.state.as_str(), "terminated" | "shutting-down"))
        .collect();
    let by_person = matches!(candidate.origin, CandidateOrigin::Person { .. });
    let keyed: Vec<&Launched> = launched.iter().filter(|i| i.key_name.is_some()).collect();
    if launched.is_empty() {
        let ids = match which {
            Which::ClientToken(_) => "of this launch".to_owned(),
            Which::Ids(ids) => ids.join(", "),
        };
        return Ok(Assessment::Absent(format!(
            "there is no running instance {ids} in {} {}",
            candidate.account, candidate.region
        )));
    }
    if keyed.is_empty() && !by_person {
        return Ok(Assessment::Compliant("the instance has no key pair".to_owned()));
    }
    let config = &memory.config;
    let production = launched
        .iter()
        .any(|i| config.is_production(&candidate.account, i.vpc.as_deref(), &i.tags));
    let groups: BTreeSet<&String> = launched.iter().flat_map(|i| &i.groups).collect();
    let read =
        futures::future::join_all(groups.iter().map(|id| Live::read(account, id, &[]))).await;
    let (mut steps, mut any_open, mut incomplete) = (Vec::new(), false, false);
    let mut facts: Vec<String> = keyed.iter().map(|i| key_fact(i)).collect();
    let (mut radius, mut follow_up) = (Vec::new(), Vec::new());
    for live in read {
        let Some(live) = live? else {
            incomplete = true;
            continue;
        };
        let open = live.open(config);
        if open.is_empty() {
            continue;
        }
        any_open = true;
        facts.extend(
            open.iter().map(|o| format!("{} admits {}", live.group.id, o.live.rule.words())),
        );
        radius.push(format!("{}: {}", live.group.id, plan::blast_radius(&live.interfaces)));
        follow_up.extend(assess::of_plan(candidate, &live, &open));
        steps.extend(plan::for_group(candidate, &live, &assess::to_plan(open, &[]), memory)?);
    }
    if keyed.is_empty() && !any_open {
        return Ok(Assessment::Compliant("no group of the instance admits SSH".to_owned()));
    }
    if !keyed.is_empty() {
        follow_up.push(
            "a key pair cannot be taken from an instance: replace the instance, or remove the key \
             from every authorized_keys file on it"
                .to_owned(),
        );
    }
    let allowed = keyed.iter().all(|i| key_allowed(i, candidate, config));
    let urgency = if production && !allowed { Urgency::Page } else { Urgency::Ticket };
    let ids: Vec<&str> = launched.iter().map(|i| i.id.as_str()).collect();
    Ok(Assessment::Violation(Box::new(Violation {
        finding: Finding {
            signal: if keyed.is_empty() { "R2.1a".to_owned() } else { "S2.1".to_owned() },
            title: if keyed.is_empty() {
                format!("SSH admitted to {}", ids.join(", "))
            } else {
                format!("launched with a key pair: {}", ids.join(", "))
            },
            facts,
            urgency,
            blast_radius: (!radius.is_empty()).then(|| radius.join("; ")),
            follow_up,
            property: if keyed.is_empty() { "ssh-ingress" } else { "key-pair" }.to_owned(),
        },
        choice: plan::choice(&steps),
        steps,
        incomplete,
        scope: Scope { production, hands_off: None },
    })))
}

fn key_fact(instance: &Launched) -> String {
    format!(
        "{} ({}) has the key pair `{}`{}",
        instance.id,
        instance.state,
        safe(instance.key_name.as_deref().unwrap_or_default(), 80),
        if instance.windows { ", which on Windows decrypts the password" } else { "" }
    )
}

/// T2.1: whether the policy knows this key pair as a legitimate one. Every condition of an entry
/// must hold; tags that begin with `aws:` cannot be set by users.
fn key_allowed(instance: &Launched, candidate: &Candidate, config: &Config) -> bool {
    let issuer = candidate.origin.actor().and_then(|a| a.issuer_arn.as_deref());
    let tag = |key: &str| instance.tags.get(key).map(String::as_str);
    let holds = |wanted: Option<&String>, is: Option<&str>| {
        wanted.is_none_or(|wanted| is == Some(wanted.as_str()))
    };
    config.ssh_access.allowed_key_pairs.iter().any(|allowed| {
        holds(allowed.key_name.as_ref(), instance.key_name.as_deref())
            && holds(allowed.launch_template.as_ref(), tag("aws:ec2launchtemplate:id"))
            && holds(allowed.auto_scaling_group.as_ref(), tag("aws:autoscaling:groupName"))
            && holds(allowed.role.as_ref(), issuer)
    })
}
