//! A security group as it stands, and which of its rules admit SSH.

use backstop_actions::ec2::{self, Group, Interface, LiveRule, Rule};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::config::Config;
use backstop_core::net::Coverage;

use crate::exposure::{Exposure, Known, Origin, exposure};
use crate::lists::{Lists, is_narrow};

/// A group as it stands.
pub(crate) struct Live {
    pub(crate) group: Group,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) rules: Vec<LiveRule>,
    pub(crate) lists: Lists,
}

/// A rule that admits SSH, and what it is.
pub(crate) struct Open {
    pub(crate) live: LiveRule,
    pub(crate) exposure: Exposure,
    /// Whether the operator's policy accepts it.
    pub(crate) accepted: bool,
    /// Whether the triggering event created or changed it.
    pub(crate) by_event: bool,
    /// What the inventory knew it as, where the event changed it.
    pub(crate) was: Option<Rule>,
}

impl Live {
    /// The group of that id, none if it is gone. One round trip; another where a rule for port 22
    /// names a prefix list. Where rules are named, only their lists are read: no other can change
    /// what is done about them.
    ///
    /// # Errors
    /// The class of the read that failed.
    pub(crate) async fn read(
        account: &Account,
        group_id: &str,
        named: &[String],
    ) -> Result<Option<Self>> {
        let (group, rules, interfaces) = futures::join!(
            ec2::group(account, group_id),
            ec2::rules_of(account, group_id),
            ec2::interfaces(account, group_id),
        );
        let group = match group {
            Ok(group) => group,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let rules = rules?;
        let meant = |rule: &&LiveRule| named.is_empty() || named.contains(&rule.id);
        let lists = Lists::of(account, rules.iter().filter(meant)).await?;
        Ok(Some(Self { group, interfaces: interfaces?, rules, lists }))
    }

    /// The rules that admit SSH and that the policy does not accept.
    pub(crate) fn open(&self, config: &Config) -> Vec<Open> {
        exposed(&self.rules, &self.lists, config)
            .into_iter()
            .filter(|open| !open.accepted)
            .collect()
    }

    /// Whether a rule may come back as it was: it admitted no SSH, or only from inside. What names
    /// a prefix list that was not read may not.
    pub(crate) fn may_come_back(&self, rule: &Rule, at: &LiveRule, config: &Config) -> bool {
        let would_be = LiveRule { rule: rule.clone(), ..at.clone() };
        exposure(&would_be, &known(&self.lists, config)).is_none_or(|e| !e.is_serious())
    }

    /// Whether the group is production, or anything that uses it is: a group may be associated with
    /// other VPCs than its own, and need not carry the tags of what uses it.
    pub(crate) fn is_production(&self, account: &str, config: &Config) -> bool {
        let group = &self.group;
        config.is_production(account, group.vpc.as_deref(), &group.tags)
            || self
                .interfaces
                .iter()
                .any(|i| config.is_production(account, i.vpc.as_deref(), &i.tags))
    }

    /// Whether the rule of that id is there and admits SSH, accepted or not.
    pub(crate) fn admits(&self, rule_id: &str) -> bool {
        let rule = self.rules.iter().find(|rule| rule.id == rule_id);
        rule.is_some_and(|rule| crate::exposure::coverage(rule).is_some())
    }
}

/// The rules that admit SSH, those that the policy accepts included.
pub(crate) fn exposed(rules: &[LiveRule], lists: &Lists, config: &Config) -> Vec<Open> {
    let known = known(lists, config);
    let exposed = rules.iter().filter_map(|rule| {
        let exposure = exposure(rule, &known)?;
        let accepted = accepted(&exposure, config);
        Some(Open { live: rule.clone(), exposure, accepted, by_event: false, was: None })
    });
    exposed.collect()
}

fn known<'a>(lists: &'a Lists, config: &'a Config) -> Known<'a> {
    let own = config.ssh_access.corporate_cidrs.iter().copied().collect();
    Known { lists, own, accounts: &config.scope.accounts }
}

/// Whether the operator's policy accepts the source: a prefix list on the list of those that may,
/// which still holds no more than it may.
fn accepted(exposure: &Exposure, config: &Config) -> bool {
    let Exposure { coverage, origin, list, addresses } = exposure;
    let known = !matches!(origin, Origin::Unreadable(_));
    known
        && *coverage == Coverage::Exact
        && is_narrow(addresses)
        && list.as_ref().is_some_and(|id| config.ssh_access.acceptable_prefix_lists.contains(id))
}
