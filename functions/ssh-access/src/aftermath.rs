//! R2.1a (f): once a rule is closed, does any group on any interface still admit TCP 22?

use std::collections::{BTreeMap, BTreeSet};

use backstop_actions::ec2::{self, LiveRule};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::candidate::Candidate;
use backstop_core::responder::Memory;

use crate::lists::Lists;
use crate::live::{Open, open};

/// How many rules are named; the rest is counted.
const SHOWN: usize = 5;

/// Which rules still admit SSH to the interfaces of the group that was put right.
pub(crate) async fn aftermath(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Vec<String>> {
    // Of an instance, the plan holds every group already.
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
    let open = open(&rules, &lists, &memory.config);
    Ok(if open.is_empty() {
        vec!["no group of these interfaces admits SSH any more".to_owned()]
    } else {
        still(&open, &users)
    })
}

fn still(open: &[Open], users: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let line = |live: &LiveRule| {
        let count = users.get(live.group_id.as_str()).map_or(0, BTreeSet::len);
        format!(
            "still open: {} ({}) of {}, on {count} of these interfaces",
            live.id,
            live.rule.words(),
            live.group_id
        )
    };
    let mut lines: Vec<String> = open.iter().take(SHOWN).map(|open| line(&open.live)).collect();
    if open.len() > SHOWN {
        lines.push(format!("still open: {} more rules", open.len() - SHOWN));
    }
    lines
}
