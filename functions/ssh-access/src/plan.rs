//! What would put it right, and what may run unattended (R2.1a).

use std::collections::BTreeSet;

use backstop_actions::ec2::{Authorize, Interface, LiveRule, Modify, Revoke, Rule};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::net::Coverage;
use backstop_core::plan::{Choice, Step};
use backstop_core::responder::Memory;
use backstop_core::words::Class;

use crate::exposure::Origin;
use crate::live::{Live, Open};
use crate::narrow::{Chain, Change, chains, quota};

/// The option that removes least: only port 22 closes.
const NARROW: &str = "narrow";
/// The other one: the rule goes whole.
const REVOKE: &str = "revoke";

/// The one choice that a plan with ranges holds.
pub(crate) fn choice(steps: &[Step<Account>]) -> Option<Choice> {
    steps.iter().any(|step| step.option.is_some()).then(|| Choice {
        default: NARROW.to_owned(),
        options: vec![
            (
                NARROW.to_owned(),
                "closes port 22 and keeps the other ports of each range".to_owned(),
            ),
            (REVOKE.to_owned(), "revokes each range whole: its other ports close too".to_owned()),
        ],
    })
}

/// What the steps of one group are made with.
struct Planner<'a> {
    candidate: &'a Candidate,
    live: &'a Live,
    memory: &'a Memory,
    steps: Vec<Step<Account>>,
}

/// The steps for the open rules of one group, in order: first what may run unattended.
///
/// # Errors
/// `Bug` if a step cannot be written down.
pub(crate) fn for_group(
    candidate: &Candidate,
    live: &Live,
    open: &[Open],
    memory: &Memory,
) -> Result<Vec<Step<Account>>> {
    // What another account owns, EC2 lets nobody here change: there is nothing to approve.
    if live.group.owner.as_ref().is_some_and(|owner| *owner != candidate.account) {
        return Ok(Vec::new());
    }
    let mut planner = Planner { candidate, live, memory, steps: Vec::new() };
    let is_range = |open: &&Open| matches!(open.exposure.coverage, Coverage::Range(_));
    // What admits most goes first: if a limit stops the rest, the worst is over. What may run
    // unattended does not wait for what may not; the order is otherwise that of the rules.
    let mut whole: Vec<&Open> = open.iter().filter(|open| !is_range(open)).collect();
    let auto = |open: &Open| class(candidate, live, open, memory).0 == Class::Auto;
    whole.sort_by_cached_key(|open| {
        (!auto(open), std::cmp::Reverse(open.exposure.addresses.public().sizes()))
    });
    for open in whole {
        planner.revoke(open, None)?;
    }
    let chains = chains(open, &live.rules);
    let quota = quota(&chains, &live.rules, |id| live.lists.weight(id));
    for chain in &chains {
        planner.narrow(chain, open, quota.as_deref())?;
    }
    for open in open.iter().filter(is_range) {
        planner.revoke(open, Some(REVOKE))?;
    }
    for open in open {
        planner.restore(open)?;
    }
    Ok(planner.steps)
}

impl Planner<'_> {
    fn revocation(&self, rule: &LiveRule) -> Revoke {
        Revoke {
            account: self.candidate.account.clone(),
            region: self.candidate.region.clone(),
            group_id: self.live.group.id.clone(),
            rule_id: rule.id.clone(),
        }
    }

    fn authorisation(&self, rule: &Rule) -> Authorize {
        Authorize {
            account: self.candidate.account.clone(),
            region: self.candidate.region.clone(),
            group_id: self.live.group.id.clone(),
            rule: rule.clone(),
        }
    }

    fn revoke(&mut self, open: &Open, option: Option<&str>) -> Result<()> {
        let (class, reason) = class(self.candidate, self.live, open, self.memory);
        let before = Some(open.live.rule.clone());
        let step = Step::new(self.revocation(&open.live), &before, class, reason)?;
        self.steps.push(match option {
            Some(option) => step.option(option),
            None => step,
        });
        Ok(())
    }

    /// The steps of one chain: add before shrink, so that nobody who may stay is cut off.
    fn narrow(&mut self, chain: &Chain<'_>, open: &[Open], quota: Option<&str>) -> Result<()> {
        for (n, change) in chain.iter().enumerate() {
            let step = match change {
                Change::Add { from, rule } => {
                    let mut reason =
                        format!("keeps `{}` before {} loses it", rule.words(), from.id);
                    if let Some(quota) = quota {
                        reason.extend(["; ", quota]);
                    }
                    Step::new(self.authorisation(rule), &None, Class::Approval, reason)?
                }
                Change::Shrink { from, rule } => {
                    let Candidate { account, region, .. } = self.candidate;
                    let modify = Modify::new(account, region, &self.live.group.id, &from.id, rule);
                    let reason = self.why_narrow(from, open);
                    Step::new(modify, &Some(from.rule.untagged()), Class::Approval, reason)?
                }
                Change::Drop { from } => {
                    let reason = format!(
                        "other rules of the group keep the rest of it; {}",
                        self.why_narrow(from, open)
                    );
                    let before = Some(from.rule.clone());
                    Step::new(self.revocation(from), &before, Class::Approval, reason)?
                }
            };
            let step = step.option(NARROW);
            self.steps.push(if n == 0 { step } else { step.following() });
        }
        Ok(())
    }

    /// Why a range is not narrowed unattended.
    fn why_narrow(&self, rule: &LiveRule, open: &[Open]) -> String {
        let open = open.iter().find(|open| open.live.id == rule.id);
        open.map(|open| class(self.candidate, self.live, open, self.memory).1).unwrap_or_default()
    }

    /// What a rule was before the event comes back last, and only by approval: the inventory says
    /// what it was, not that it should be.
    fn restore(&mut self, open: &Open) -> Result<()> {
        let Some(was) = &open.was else { return Ok(()) };
        let reason = format!("{} was `{}` before the event changed it", open.live.id, was.words());
        let step = Step::new(self.authorisation(was), &None, Class::Approval, reason)?;
        self.steps.push(step.restoring());
        Ok(())
    }
}

/// What may run the revocation of a rule, and why: unattended only if every condition of R2.1a
/// holds.
fn class(candidate: &Candidate, live: &Live, open: &Open, memory: &Memory) -> (Class, String) {
    let mut against: Vec<String> = Vec::new();
    if !open.by_event {
        against.push("no event is known to have created it".to_owned());
    }
    match open.exposure.coverage {
        Coverage::Exact => {}
        Coverage::None => against.push("it admits no SSH".to_owned()),
        Coverage::Range(range) => {
            against.push(format!("it admits the ports {range}, not 22 alone"));
        }
        Coverage::AllTraffic => against.push("it admits all traffic".to_owned()),
        Coverage::Unreadable => against.push("its protocol or ports cannot be read".to_owned()),
    }
    if let Some(list) = &open.exposure.list {
        against.push(format!("its source is the prefix list {list}"));
    }
    match &open.exposure.origin {
        Origin::Public => {}
        Origin::Internal => against.push("its source is internal".to_owned()),
        Origin::Corporate => against.push("its source is a corporate network".to_owned()),
        Origin::InstanceConnect => against.push("it is EC2 Instance Connect's".to_owned()),
        Origin::Group => against.push("its source is a security group".to_owned()),
        Origin::ForeignGroup(owner) => {
            against.push(format!("its source is a security group of the account {owner}"));
        }
        Origin::Unreadable(why) => against.push(format!("its source cannot be read: {why}")),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backstop_actions::ec2::Group;

    use super::*;
    use crate::lists::Lists;

    const OURS: &str = "111111111111";

    /// Why a group is left alone, where all but what is named is ordinary.
    fn left_alone(name: &str, owner: Option<&str>, tag: Option<&str>, kind: &str) -> String {
        let tags = tag.map(|key| (key.to_owned(), "x".to_owned()));
        let live = Live {
            group: Group {
                id: "sg-0001".into(),
                name: name.into(),
                owner: owner.map(Into::into),
                vpc: None,
                tags: tags.into_iter().collect(),
            },
            interfaces: vec![Interface {
                id: "eni-0001".into(),
                instance: None,
                kind: kind.into(),
                groups: BTreeSet::new(),
                vpc: None,
                tags: BTreeMap::new(),
            }],
            rules: Vec::new(),
            lists: Lists::default(),
        };
        hands_off(&live, OURS).unwrap_or_default()
    }

    #[test]
    fn r2_1a_groups_that_are_not_ours_to_change() {
        let (ours, plain) = (Some(OURS), "interface");
        let endpoint = "ec2_instance_connect_endpoint";
        for (why, said) in [
            (left_alone("web", ours, None, plain), ""),
            (left_alone("d-web", ours, None, plain), ""),
            (left_alone("web", Some("222222222222"), None, plain), "owned by the account 2222"),
            (left_alone("web", None, None, plain), "EC2 does not say who owns the group"),
            (left_alone("web", ours, Some("aws:eks:cluster-name"), plain), "managed by EKS"),
            (left_alone("web", ours, Some("eks:cluster-name"), plain), ""), // users may set it
            (left_alone("eks-remoteAccess-1", ours, None, plain), "one that EKS manages"),
            (left_alone("eks-cluster-sg-a-1", ours, None, plain), "one that EKS manages"),
            (left_alone("ElasticMapReduce-master", ours, None, plain), "one that EMR manages"),
            (left_alone("d-123_controllers", ours, None, plain), "Directory Service manages"),
            (left_alone("web", ours, None, endpoint), "Connect Endpoint (eni-0001) uses the group"),
        ] {
            assert!(why.contains(said) && why.is_empty() == said.is_empty(), "`{why}`: `{said}`");
        }
    }
}
