//! The one decision, from live state: a group that an event or a person points at.

use backstop_actions::ec2::Rule;
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::{Candidate, Origin as CandidateOrigin};
use backstop_core::config::Config;
use backstop_core::net::{AddressSet, Coverage};
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::Urgency;

use crate::exposure::{Origin, SSH};
use crate::launch;
use crate::live::{Live, Open};
use crate::plan;

/// How many ids a line names.
const SHOWN: usize = 10;

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
    launch::instances(candidate, account, memory).await
}

/// X2.1, X2.2, and a person's look at one group.
async fn group(
    candidate: &Candidate,
    group_id: &str,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let named = candidate.all("rule_id");
    let Some(live) = Live::read(account, group_id, named).await? else {
        return Ok(Assessment::Absent(format!(
            "there is no security group {group_id} in {} {}",
            candidate.account, candidate.region
        )));
    };
    let from_event = matches!(candidate.origin, CandidateOrigin::Event { .. });
    let (mut open, others): (Vec<Open>, Vec<Open>) = live
        .open(&memory.config)
        .into_iter()
        .partition(|open| named.is_empty() || named.contains(&open.live.id));
    for open in &mut open {
        open.by_event = from_event && named.contains(&open.live.id);
    }
    // The event said that each of these admits SSH: one that does not may only not show it yet.
    let incomplete = from_event && !named.iter().all(|id| live.admits(id));
    if open.is_empty() {
        return Ok(nothing_open(&live, named, from_event, others.len()));
    }
    if candidate.signal == "X2.2" {
        recall(&mut open, &live, candidate, memory).await?;
    }
    let production = live.is_production(&candidate.account, &memory.config);
    let facts = facts(&live, &open);
    let (title, urgency) = headline(&live, &open, production, memory);
    let follow_up = follow_up(candidate, &live, &open, &others);
    let planned = to_plan(open, named);
    let steps = plan::for_group(candidate, &live, &planned, memory)?;
    let finding = Finding {
        signal: candidate.signal.clone(),
        title,
        facts,
        urgency,
        blast_radius: Some(plan::blast_radius(&live.interfaces)),
        follow_up,
        property: "ssh-ingress".to_owned(),
    };
    Ok(Assessment::Violation(Box::new(Violation {
        finding,
        choice: plan::choice(&steps),
        steps,
        incomplete,
        scope: Scope { production, hands_off: plan::hands_off(&live, &candidate.account) },
    })))
}

/// What is planned: the rules that were named; where none was, only what admits somebody from
/// outside. Whoever looks at a whole group does not mean the traffic within it.
pub(crate) fn to_plan(open: Vec<Open>, named: &[String]) -> Vec<Open> {
    let is_meant = |open: &Open| !named.is_empty() || open.exposure.is_serious();
    open.into_iter().filter(is_meant).collect()
}

/// Nothing is open that the candidate is about. What an event said that it opened may only not
/// show yet.
fn nothing_open(
    live: &Live,
    named: &[String],
    from_event: bool,
    others: usize,
) -> Assessment<Account> {
    let group_id = &live.group.id;
    let seen = |id: &String| live.rules.iter().any(|rule| rule.id == *id);
    let unseen = named.iter().find(|id| !seen(id));
    let accepted = !named.is_empty() && named.iter().all(|id| live.admits(id));
    match (from_event, unseen) {
        _ if accepted => {
            Assessment::Compliant(format!("the policy accepts the sources of {}", named.join(", ")))
        }
        (false, Some(id)) => Assessment::Absent(format!(
            "{id} is no rule of {group_id}; {others} rules of it admit SSH"
        )),
        (false, None) if !named.is_empty() => Assessment::Compliant(format!(
            "the rules that were named admit no SSH; {others} others of {group_id} do"
        )),
        (false, None) => Assessment::Compliant(format!("no rule of {group_id} admits SSH")),
        (true, Some(_)) => {
            Assessment::Absent(format!("the rules of the event are gone from {group_id}"))
        }
        (true, None) if named.is_empty() => {
            Assessment::Absent(format!("no rule of {group_id} admits SSH"))
        }
        (true, None) => {
            Assessment::Absent(format!("the rules of the event in {group_id} admit no SSH"))
        }
    }
}

/// Puts to each changed rule what the inventory knew it as.
async fn recall(
    open: &mut [Open],
    live: &Live,
    candidate: &Candidate,
    memory: &Memory,
) -> Result<()> {
    let Some(snapshot) = memory.before(candidate, &candidate.resource).await? else {
        return Ok(());
    };
    for open in open {
        let was = snapshot.state.get("rules").and_then(|rules| rules.get(&open.live.id));
        open.was = was
            .and_then(|rule| serde_json::from_value::<Rule>(rule.clone()).ok())
            // What admitted SSH from outside before is not put back.
            .filter(|rule| {
                *rule != open.live.rule && live.may_come_back(rule, &open.live, &memory.config)
            });
    }
    Ok(())
}

/// How soon somebody must look at a rule.
fn urgency(open: &Open, production: bool, config: &Config) -> Urgency {
    let serious = open.exposure.is_serious() || config.ssh_access.strict_internal;
    if serious && production { Urgency::Page } else { Urgency::Ticket }
}

/// The title, and how soon somebody must look.
fn headline(live: &Live, open: &[Open], production: bool, memory: &Memory) -> (String, Urgency) {
    let urgency = open
        .iter()
        .map(|o| urgency(o, production, &memory.config))
        .max()
        .unwrap_or(Urgency::Ticket);
    // What is worst is named.
    let first = open.iter().find(|o| o.exposure.is_serious()).or(open.first());
    let first = first.map(|o| o.live.rule.words()).unwrap_or_default();
    let more = if open.len() > 1 { format!(" and {} more", open.len() - 1) } else { String::new() };
    (format!("SSH opened: {first}{more} on {}", live.group.id), urgency)
}

fn facts(live: &Live, open: &[Open]) -> Vec<String> {
    let group = &live.group;
    let mut facts = vec![format!(
        "group {} ({}) in {}",
        group.id,
        safe(&group.name, 60),
        group.vpc.as_deref().unwrap_or("no VPC")
    )];
    facts.extend(together(open));
    facts.extend(live.lists.facts());
    facts.extend(open.iter().map(|o| {
        let description = o.live.rule.description.as_deref().unwrap_or("no description");
        format!("{}: {} ({})", o.live.id, o.live.rule.words(), safe(description, 80))
    }));
    facts
}

/// What the rules admit as a whole: each half of everything looks like less than it is.
fn together(open: &[Open]) -> Option<String> {
    let public: Vec<&Open> =
        open.iter().filter(|open| open.exposure.origin == Origin::Public).collect();
    if public.len() < 2 {
        return None;
    }
    let all =
        public.iter().fold(AddressSet::default(), |all, open| &all | &open.exposure.addresses);
    Some(format!("together they admit {all}"))
}

fn follow_up(candidate: &Candidate, live: &Live, open: &[Open], others: &[Open]) -> Vec<String> {
    let mut lines = vec![
        "sessions that are open stay open: removing a rule does not cut tracked connections"
            .to_owned(),
    ];
    lines.extend(of_plan(candidate, live, open));
    if !others.is_empty() {
        lines.push(format!(
            "{} more rules of {} admit SSH, and are not of this event: `{}` plans them",
            others.len(),
            live.group.id,
            crate::manifest::REVOKE_INGRESS
        ));
    }
    lines
}

/// What a person has to know of the plan for the open rules of one group.
pub(crate) fn of_plan(candidate: &Candidate, live: &Live, open: &[Open]) -> Vec<String> {
    let group = &live.group;
    let named = candidate.all("rule_id");
    let mut lines = Vec::new();
    if open.iter().any(|open| open.exposure.coverage == Coverage::AllTraffic) {
        lines.push(
            "a rule for all traffic is never split: what is left of it has no end. Authorise by \
             hand what must stay, then approve"
                .to_owned(),
        );
    }
    for open in open.iter().filter(|open| open.exposure.origin == Origin::Public) {
        if let Coverage::Range(range) = open.exposure.coverage {
            let left: Vec<String> = range.without(SSH).map(|piece| piece.to_string()).collect();
            lines.push(format!(
                "to narrow {} leaves the ports {} open to the same source: choose `revoke` if \
                 nobody needs them",
                open.live.id,
                left.join(" and ")
            ));
        }
    }
    let inside: Vec<&str> = open
        .iter()
        .filter(|open| named.is_empty() && !open.exposure.is_serious())
        .map(|open| open.live.id.as_str())
        .collect();
    if !inside.is_empty() {
        lines.push(format!(
            "{} rules of {} admit SSH from inside and are not planned for; name one as `rule_id` \
             to plan it: {}",
            inside.len(),
            group.id,
            inside.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(owner) = group.owner.as_ref().filter(|owner| **owner != candidate.account) {
        lines.push(format!(
            "{} belongs to the account {owner}, which alone can change it: tell its owner",
            group.id
        ));
    }
    if let Some(stack) = group.tags.get("aws:cloudformation:stack-name") {
        lines.push(format!(
            "{} belongs to the CloudFormation stack `{}`: tell its owner of the drift",
            group.id,
            safe(stack, 80)
        ));
    }
    lines
}
