//! The one decision, from live state.

use backstop_actions::ec2::{self, Group, Interface, Launched, LiveRule, Rule, Which};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::{Candidate, Origin as CandidateOrigin};
use backstop_core::config::Config;
use backstop_core::net::Coverage;
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::Urgency;

use crate::exposure::{Exposure, Origin, exposure};
use crate::plan;

pub(crate) async fn assess(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    if let Ok(group_id) = candidate.one("group_id") {
        return group(candidate, group_id, account, memory).await;
    }
    if candidate.all("instance_id").is_empty() && candidate.all("client_token").is_empty() {
        return Ok(Assessment::Unknown(
            "the record does not say what it is about: CloudTrail leaves out what is too long"
                .to_owned(),
        ));
    }
    instances(candidate, account, memory).await
}

/// A group as it stands, read in one round trip.
pub(crate) struct Live {
    pub(crate) group: Group,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) rules: Vec<LiveRule>,
}

async fn read(account: &Account, group_id: &str) -> Result<Option<Live>> {
    let (group, rules, interfaces) = futures::join!(
        ec2::group(account, group_id),
        ec2::rules_of(account, group_id),
        ec2::interfaces(account, group_id),
    );
    match group {
        Ok(group) => Ok(Some(Live { group, interfaces: interfaces?, rules: rules? })),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A rule that admits SSH, and what it is.
pub(crate) struct Open {
    pub(crate) live: LiveRule,
    pub(crate) exposure: Exposure,
    /// Whether the triggering event created or changed it.
    pub(crate) by_event: bool,
    /// What the inventory knew it as, where the event changed it.
    pub(crate) was: Option<Rule>,
}

/// X2.1, X2.2, and a person's look at one group.
async fn group(
    candidate: &Candidate,
    group_id: &str,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let Some(live) = read(account, group_id).await? else {
        return Ok(Assessment::Absent(format!("the security group {group_id} is gone")));
    };
    let named = candidate.all("rule_id");
    let from_event = matches!(candidate.origin, CandidateOrigin::Event { .. });
    let mut open: Vec<Open> = live
        .rules
        .iter()
        .filter(|rule| named.is_empty() || named.contains(&rule.id))
        .filter_map(|rule| {
            Some(Open {
                exposure: exposure(rule, &memory.config.ssh_access.corporate_cidrs)?,
                live: rule.clone(),
                by_event: from_event && named.contains(&rule.id),
                was: None,
            })
        })
        .filter(|open| !accepted(open, &memory.config))
        .collect();
    // The event said that each of these admits SSH: one that does not may only not show it yet.
    let admits = |id: &String| {
        let corporate = &memory.config.ssh_access.corporate_cidrs;
        live.rules.iter().any(|rule| rule.id == *id && exposure(rule, corporate).is_some())
    };
    let seen = |id: &String| live.rules.iter().any(|rule| rule.id == *id);
    let incomplete = from_event && !named.iter().all(admits);
    if open.is_empty() {
        // The event said that it opened SSH: what live state does not show may only not show yet.
        return Ok(match (from_event, named.is_empty()) {
            (false, _) => Assessment::Compliant(format!("no rule of {group_id} admits SSH")),
            (true, true) => Assessment::Absent(format!("no rule of {group_id} admits SSH")),
            (true, false) if !named.iter().all(seen) => {
                Assessment::Absent(format!("the rules of the event are gone from {group_id}"))
            }
            (true, false) => {
                Assessment::Absent(format!("the rules of the event in {group_id} admit no SSH"))
            }
        });
    }
    if candidate.signal == "X2.2" {
        recall(&mut open, &candidate.resource, memory).await?;
    }
    let production = is_production(candidate, &live.group, &memory.config);
    let steps = plan::for_group(candidate, &live, &open, memory)?;
    let finding = group_finding(candidate, &live, &open, production, memory);
    let hands_off = plan::hands_off(&live, &candidate.account);
    Ok(Assessment::Violation(Box::new(Violation {
        finding,
        steps,
        choice: None,
        incomplete,
        scope: Scope { production, hands_off },
    })))
}

/// Whether the operator's policy accepts the source: a prefix list on the list of those that may.
fn accepted(open: &Open, config: &Config) -> bool {
    matches!(&open.exposure.origin, Origin::PrefixList(id)
        if open.exposure.coverage == Coverage::Exact
            && config.ssh_access.acceptable_prefix_lists.contains(id))
}

/// Puts to each changed rule what the inventory knew it as.
async fn recall(open: &mut [Open], resource: &str, memory: &Memory) -> Result<()> {
    let Some(snapshot) = memory.inventory(resource).await? else { return Ok(()) };
    let corporate = &memory.config.ssh_access.corporate_cidrs;
    for open in open {
        let was = snapshot.state.get("rules").and_then(|rules| rules.get(&open.live.id));
        open.was = was
            .and_then(|rule| serde_json::from_value::<Rule>(rule.clone()).ok())
            // What admitted SSH from everywhere before is not put back.
            .filter(|rule| {
                *rule != open.live.rule
                    && exposure(&LiveRule { rule: rule.clone(), ..open.live.clone() }, corporate)
                        .is_none_or(|was| was.origin != Origin::Public)
            });
    }
    Ok(())
}

fn is_production(candidate: &Candidate, group: &Group, config: &Config) -> bool {
    config.is_production(&candidate.account, group.vpc.as_deref(), &group.tags)
}

/// How soon somebody must look at a rule.
fn urgency(open: &Open, production: bool, config: &Config) -> Urgency {
    let serious = match open.exposure.origin {
        _ if open.exposure.coverage == Coverage::Unreadable => true,
        Origin::Public | Origin::Unreadable(_) | Origin::PrefixList(_) => true,
        Origin::Internal | Origin::Corporate | Origin::Group => config.ssh_access.strict_internal,
    };
    if serious && production { Urgency::Page } else { Urgency::Ticket }
}

fn group_finding(
    candidate: &Candidate,
    live: &Live,
    open: &[Open],
    production: bool,
    memory: &Memory,
) -> Finding {
    let group = &live.group;
    let urgency = open
        .iter()
        .map(|o| urgency(o, production, &memory.config))
        .max()
        .unwrap_or(Urgency::Ticket);
    let first = open.first().map(|o| o.live.rule.words()).unwrap_or_default();
    let more = if open.len() > 1 { format!(" and {} more", open.len() - 1) } else { String::new() };
    let mut facts: Vec<String> = open
        .iter()
        .map(|o| {
            let description = o.live.rule.description.as_deref().unwrap_or("no description");
            format!("{}: {} ({})", o.live.id, o.live.rule.words(), safe(description, 80))
        })
        .collect();
    facts.push(format!(
        "group {} ({}) in {}",
        group.id,
        safe(&group.name, 60),
        group.vpc.as_deref().unwrap_or("no VPC")
    ));
    let mut follow_up = vec![
        "sessions that are open stay open: removing a rule does not cut tracked connections"
            .to_owned(),
    ];
    if let Some(stack) = group.tags.get("aws:cloudformation:stack-name") {
        follow_up.push(format!(
            "the group belongs to the CloudFormation stack `{}`: tell its owner of the drift",
            safe(stack, 80)
        ));
    }
    Finding {
        signal: candidate.signal.clone(),
        title: format!("SSH opened: {first}{more} on {}", group.id),
        facts,
        urgency,
        blast_radius: Some(plan::blast_radius(&live.interfaces)),
        follow_up,
        property: "ssh-ingress".to_owned(),
    }
}

/// S2.1 and T2.1, and a person's look at an instance.
async fn instances(
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
        return Ok(Assessment::Absent("the instance is gone".to_owned()));
    }
    if keyed.is_empty() && !by_person {
        return Ok(Assessment::Compliant("the instance has no key pair".to_owned()));
    }
    let config = &memory.config;
    let production = launched
        .iter()
        .any(|i| config.is_production(&candidate.account, i.vpc.as_deref(), &i.tags));
    let groups: std::collections::BTreeSet<&String> =
        launched.iter().flat_map(|i| &i.groups).collect();
    let read = futures::future::join_all(groups.iter().map(|id| read(account, id))).await;
    let mut steps = Vec::new();
    let mut incomplete = false;
    let mut facts: Vec<String> = keyed.iter().map(|i| key_fact(i)).collect();
    for live in read {
        let Some(live) = live? else {
            incomplete = true;
            continue;
        };
        let open: Vec<Open> = live
            .rules
            .iter()
            .filter_map(|rule| {
                let exposure = exposure(rule, &config.ssh_access.corporate_cidrs)?;
                Some(Open { live: rule.clone(), exposure, by_event: false, was: None })
            })
            .filter(|open| !accepted(open, config))
            .collect();
        facts.extend(
            open.iter().map(|o| format!("{} admits {}", live.group.id, o.live.rule.words())),
        );
        steps.extend(plan::for_group(candidate, &live, &open, memory)?);
    }
    if keyed.is_empty() && steps.is_empty() {
        return Ok(Assessment::Compliant("no group of the instance admits SSH".to_owned()));
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
            blast_radius: None,
            follow_up: vec![
                "a key pair cannot be taken from an instance: replace the instance, or remove the \
                 key from every authorized_keys file on it"
                    .to_owned(),
            ],
            property: "key-pair".to_owned(),
        },
        steps,
        choice: None,
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
