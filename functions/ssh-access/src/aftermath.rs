//! R2.1a (f): once a rule is closed, does any group on any interface still admit TCP 22?

use std::collections::{BTreeMap, BTreeSet};

use backstop_actions::ec2;
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::responder::Memory;

use crate::lists::Lists;
use crate::live::{Open, exposed};

/// How many rules are named; the rest is counted.
const SHOWN: usize = 5;

/// Which rules still admit SSH to the interfaces of the group that was put right.
pub(crate) async fn aftermath(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Vec<String>> {
    // Of an instance, the plan was made from every group already.
    let Ok(group_id) = candidate.one("group_id") else { return Ok(Vec::new()) };
    let interfaces = ec2::interfaces(account, group_id).await?;
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([(group_id, BTreeSet::new())]);
    for interface in &interfaces {
        for group in &interface.groups {
            users.entry(group).or_default().insert(&interface.id);
        }
    }
    let groups: Vec<&str> = users.keys().copied().collect();
    let rules = ec2::rules_of_all(account, &groups).await?;
    let lists = Lists::of(account, &rules).await?;
    let (accepted, mut open): (Vec<Open>, Vec<Open>) =
        exposed(&rules, &lists, &memory.config).into_iter().partition(|open| open.accepted);
    // What admits most is named first.
    open.sort_by_cached_key(|open| {
        let exposure = &open.exposure;
        (!exposure.is_serious(), std::cmp::Reverse(exposure.addresses.public().sizes()))
    });
    let mut lines: Vec<String> = open.iter().take(SHOWN).map(|open| still(open, &users)).collect();
    if open.len() > SHOWN {
        lines.push(format!("still open: {} more rules", open.len() - SHOWN));
    }
    if open.is_empty() {
        lines.push(format!(
            "no other rule of the {} groups of these interfaces admits SSH",
            groups.len()
        ));
    }
    if !accepted.is_empty() {
        lines.push(format!(
            "{} rules admit SSH from a prefix list that the policy accepts",
            accepted.len()
        ));
    }
    Ok(lines)
}

fn still(open: &Open, users: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let live = &open.live;
    let count = users.get(live.group_id.as_str()).map_or(0, BTreeSet::len);
    format!(
        "still open: {} ({}) of {}, on {count} of these interfaces",
        live.id,
        live.rule.words(),
        live.group_id
    )
}
