//! A security group as it stands, and which of its rules admit SSH.

use backstop_actions::ec2::{self, Group, Interface, LiveRule, Rule};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::config::Config;
use backstop_core::net::{AddressSet, Coverage};

use crate::exposure::{Exposure, Origin, exposure};
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
    /// Whether the triggering event created or changed it.
    pub(crate) by_event: bool,
    /// What the inventory knew it as, where the event changed it.
    pub(crate) was: Option<Rule>,
}

impl Live {
    /// The group of that id, none if it is gone. One round trip; another where a rule for port 22
    /// names a prefix list.
    ///
    /// # Errors
    /// The class of the read that failed.
    pub(crate) async fn read(account: &Account, group_id: &str) -> Result<Option<Self>> {
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
        let lists = Lists::of(account, &rules).await?;
        Ok(Some(Self { group, interfaces: interfaces?, rules, lists }))
    }

    /// The rules that admit SSH and that the policy does not accept.
    pub(crate) fn open(&self, config: &Config) -> Vec<Open> {
        open(&self.rules, &self.lists, config)
    }

    /// Whether a rule, were it in this group, would admit SSH from everywhere.
    pub(crate) fn is_public(&self, rule: &Rule, at: &LiveRule, config: &Config) -> bool {
        let would_be = LiveRule { rule: rule.clone(), ..at.clone() };
        exposure(&would_be, &self.lists, &own(config)).is_some_and(|e| e.origin == Origin::Public)
    }

    /// Whether the rule of that id is there and admits SSH, accepted or not.
    pub(crate) fn admits(&self, rule_id: &str) -> bool {
        let rule = self.rules.iter().find(|rule| rule.id == rule_id);
        rule.is_some_and(|rule| crate::exposure::coverage(rule).is_some())
    }
}

/// The rules that admit SSH and that the policy does not accept.
pub(crate) fn open(rules: &[LiveRule], lists: &Lists, config: &Config) -> Vec<Open> {
    let own = own(config);
    let open = rules.iter().filter_map(|rule| {
        let exposure = exposure(rule, lists, &own)?;
        Some(Open { live: rule.clone(), exposure, by_event: false, was: None })
    });
    open.filter(|open| !accepted(open, config)).collect()
}

/// The operator's own networks.
fn own(config: &Config) -> AddressSet {
    config.ssh_access.corporate_cidrs.iter().copied().collect()
}

/// Whether the operator's policy accepts the source: a prefix list on the list of those that may,
/// which still holds no more than it may.
fn accepted(open: &Open, config: &Config) -> bool {
    let Exposure { coverage, origin, list, addresses } = &open.exposure;
    let known = !matches!(origin, Origin::Unreadable(_));
    known
        && *coverage == Coverage::Exact
        && is_narrow(addresses)
        && list.as_ref().is_some_and(|id| config.ssh_access.acceptable_prefix_lists.contains(id))
}
