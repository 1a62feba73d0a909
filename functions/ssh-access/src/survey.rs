//! The sweep: which groups let SSH in although no event told of it, and what every group is like.

use std::collections::BTreeMap;

use backstop_actions::ec2::{self, LiveRule, Rule};
use backstop_aws::Account;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::ident::ec2_arn;
use backstop_core::responder::{Known, Memory, Survey};
use backstop_core::{Error, Result};

use crate::detect::Point;
use crate::lists::Lists;
use crate::live::exposed;

/// What every group of the account in the Region is like, and those that let somebody in from
/// outside. Traffic from inside is none of a sweep's business: nobody opened it just now.
pub(crate) async fn survey(account: &Account, memory: &Memory, origin: &Origin) -> Result<Survey> {
    let rules = ec2::all_rules(account).await?;
    // A group that another account shares is that account's to survey.
    let ours = |rule: &LiveRule| rule.owner.as_deref().is_none_or(|owner| owner == account.id());
    let rules: Vec<LiveRule> = rules.into_iter().filter(ours).collect();
    let lists = Lists::of(account, &rules).await?;
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in exposed(&rules, &lists, &memory.config) {
        if !one.accepted && one.exposure.is_serious() {
            open.entry(one.live.group_id).or_default().push(one.live.id);
        }
    }
    let candidates = open
        .into_iter()
        .map(|(group, ids)| Point::group("X2.1", &group, ids))
        .map(|point| point.at(account.id(), account.region(), origin))
        .collect();
    Ok(Survey { candidates, known: known(account, &rules)? })
}

/// What the group of a candidate is like now.
pub(crate) async fn remember(candidate: &Candidate, account: &Account) -> Result<Vec<Known>> {
    // An instance has groups; none of them was changed by its launch.
    let Ok(group) = candidate.one("group_id") else { return Ok(Vec::new()) };
    known(account, &ec2::rules_of(account, group).await?)
}

/// The ingress rules of each group, by id.
fn known(account: &Account, rules: &[LiveRule]) -> Result<Vec<Known>> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, &Rule>> = BTreeMap::new();
    for live in rules {
        let group = groups.entry(&live.group_id).or_default();
        if !live.is_egress {
            group.insert(&live.id, &live.rule);
        }
    }
    let known = groups.into_iter().map(|(group, rules)| {
        let state = serde_json::to_value(BTreeMap::from([("rules", rules)]))
            .map_err(|e| Error::bug(format!("cannot write down the rules of `{group}`: {e}")))?;
        let resource = ec2_arn(account.region(), account.id(), "security-group", group);
        Ok(Known { resource, state })
    });
    known.collect()
}
