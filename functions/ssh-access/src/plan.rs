//! What would put it right, and what may run unattended (R2.1a).

use std::collections::BTreeSet;

use backstop_actions::ec2::{Authorize, Interface, Revoke};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::net::Coverage;
use backstop_core::plan::Step;
use backstop_core::responder::Memory;
use backstop_core::words::Class;

use crate::assess::{Live, Open};
use crate::exposure::Origin;

/// The steps for the open rules of one group, in order.
pub(crate) fn for_group(
    candidate: &Candidate,
    live: &Live,
    open: &[Open],
    memory: &Memory,
) -> Result<Vec<Step<Account>>> {
    let mut steps = Vec::new();
    for open in open {
        let revoke = Revoke {
            account: candidate.account.clone(),
            region: candidate.region.clone(),
            group_id: live.group.id.clone(),
            rule_id: open.live.id.clone(),
        };
        let (class, reason) = class(candidate, live, open, memory);
        steps.push(Step::new(revoke, &Some(open.live.rule.clone()), class, reason)?);
    }
    // What a rule was before the event comes back last, and only by approval: the inventory says
    // what it was, not that it should be.
    for open in open {
        let Some(was) = &open.was else { continue };
        let authorize = Authorize {
            account: candidate.account.clone(),
            region: candidate.region.clone(),
            group_id: live.group.id.clone(),
            rule: was.clone(),
        };
        let reason = format!("{} was `{}` before the event changed it", open.live.id, was.words());
        steps.push(Step::new(authorize, &None, Class::Approval, reason)?.restoring());
    }
    Ok(steps)
}

/// What may run the revocation of a rule, and why: unattended only if every condition of R2.1a
/// holds.
fn class(candidate: &Candidate, live: &Live, open: &Open, memory: &Memory) -> (Class, String) {
    let mut against: Vec<String> = Vec::new();
    if !open.by_event {
        against.push("no event is known to have created it".to_owned());
    }
    match open.exposure.coverage {
        Coverage::Exact | Coverage::None => {}
        Coverage::Range(range) => {
            against.push(format!("it admits the ports {range}, not 22 alone"));
        }
        Coverage::Unreadable => against.push("its protocol or ports cannot be read".to_owned()),
        Coverage::AllTraffic => against.push("it admits all traffic".to_owned()),
    }
    match &open.exposure.origin {
        Origin::Public => {}
        Origin::Internal => against.push("its source is internal".to_owned()),
        Origin::Corporate => against.push("its source is a corporate network".to_owned()),
        Origin::Group => against.push("its source is a security group".to_owned()),
        Origin::PrefixList(id) => against.push(format!("its source is the prefix list {id}")),
        Origin::Unreadable(_) => against.push("its source cannot be read".to_owned()),
    }
    let (count, max) = (live.interfaces.len(), memory.config.ssh_access.max_interfaces);
    if count > usize::try_from(max).unwrap_or(usize::MAX) {
        against.push(format!("{count} interfaces use the group, the limit is {max}"));
    }
    if let Some(bastion) = memory.config.ssh_access.bastion(&live.group.id, memory.now) {
        against.push(format!("the group is on the bastion list until {}", bastion.until));
    }
    against.extend(hands_off(live, &candidate.account));
    if against.is_empty() {
        let reason = "the event opened exactly TCP 22 to a public source".to_owned();
        (Class::Auto, reason)
    } else {
        (Class::Approval, against.join("; "))
    }
}

/// Why a group is not Backstop's to change, if so (spec §3.4 h).
pub(crate) fn hands_off(live: &Live, account: &str) -> Option<String> {
    let group = &live.group;
    if let Some(owner) = group.owner.as_deref().filter(|owner| *owner != account) {
        return Some(format!("the group is owned by the account {owner}"));
    }
    if group.owner.is_none() {
        return Some("EC2 does not say who owns the group".to_owned());
    }
    if group.tags.contains_key("aws:eks:cluster-name") {
        return Some("the group is managed by EKS".to_owned());
    }
    for (prefix, service) in
        [("eks-remoteAccess-", "EKS"), ("eks-cluster-sg-", "EKS"), ("ElasticMapReduce-", "EMR")]
    {
        if group.name.starts_with(prefix) {
            return Some(format!("the group is named as one that {service} manages"));
        }
    }
    if group.name.starts_with("d-") && group.name.ends_with("_controllers") {
        return Some("the group is named as one that Directory Service manages".to_owned());
    }
    live.interfaces
        .iter()
        .find(|i| i.kind == "ec2_instance_connect_endpoint")
        .map(|i| format!("an EC2 Instance Connect Endpoint ({}) uses the group", i.id))
}

/// Whom a change of the group concerns: every interface that uses it.
pub(crate) fn blast_radius(interfaces: &[Interface]) -> String {
    const SHOWN: usize = 10;
    let instances: BTreeSet<&str> =
        interfaces.iter().filter_map(|i| i.instance.as_deref()).collect();
    if interfaces.is_empty() {
        return "no network interface uses the group".to_owned();
    }
    let mut names: Vec<&str> = instances.iter().copied().take(SHOWN).collect();
    if instances.len() > SHOWN {
        names.push("…");
    }
    format!(
        "{} network interfaces of {} instances use the group: {}",
        interfaces.len(),
        instances.len(),
        if names.is_empty() { "none of an instance".to_owned() } else { names.join(", ") }
    )
}
