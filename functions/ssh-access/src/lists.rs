//! The prefix lists that rules name: resolved, because a rule never says what is in one.

use std::collections::{BTreeMap, BTreeSet};

use backstop_actions::ec2::{self, LiveRule, PrefixList, Source};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::net::AddressSet;
use backstop_core::text::safe;

use crate::exposure::coverage;

/// How many public addresses an acceptable list may hold: those of an IPv4 /8, and of an IPv6 /16,
/// the widest networks that `corporate_cidrs` takes. One that holds more admits everybody.
const ACCEPTABLE: (u64, u128) = (1 << 24, 1 << 112);

/// What is known of the prefix lists that rules for port 22 name: the list, or why it cannot be
/// read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lists(BTreeMap<String, Result<PrefixList, String>>);

impl Lists {
    /// Resolves the lists of the rules that admit SSH. No call, if none names a list.
    ///
    /// # Errors
    /// What may pass later. A list that is gone, or that may not be read, is unreadable.
    pub(crate) async fn of<'a>(
        account: &Account,
        rules: impl IntoIterator<Item = &'a LiveRule>,
    ) -> Result<Self> {
        let ids: BTreeSet<&String> = rules
            .into_iter()
            .filter(|live| coverage(live).is_some())
            .filter_map(|live| match &live.rule.source {
                Source::PrefixList(id) => Some(id),
                Source::CidrIpv4(_) | Source::CidrIpv6(_) | Source::Group { .. } => None,
            })
            .collect();
        let reads = ids.iter().map(|id| ec2::prefix_list(account, id));
        let read = futures::future::join_all(reads).await;
        let mut lists = BTreeMap::new();
        for (id, list) in ids.into_iter().zip(read) {
            let list = match list {
                Err(error) if error.is_transient() => return Err(error),
                other => other.map_err(|error| error.to_string()),
            };
            lists.insert(id.clone(), list);
        }
        Ok(Self(lists))
    }

    /// The list of that id.
    ///
    /// # Errors
    /// Why it is not known.
    pub(crate) fn get(&self, id: &str) -> Result<&PrefixList, String> {
        match self.0.get(id) {
            Some(list) => list.as_ref().map_err(Clone::clone),
            None => Err("it was not read".to_owned()),
        }
    }

    /// How many rules of a quota a rule that names the list takes; one if that is not known.
    pub(crate) fn weight(&self, id: &str) -> usize {
        let entries = self.get(id).ok().and_then(|list| list.max_entries);
        entries.and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1)
    }

    /// Each list in words.
    pub(crate) fn facts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(id, list)| match list {
            Ok(list) => format!(
                "{id} (`{}` of {}) holds {}",
                safe(&list.name, 60),
                safe(&list.owner, 20),
                list.addresses
            ),
            Err(why) => format!("{id} cannot be read: {}", safe(why, 200)),
        })
    }
}

/// Whether it is the list of EC2 Instance Connect, which AWS owns: a way in that was opened on
/// purpose. Only the owner makes it that one: names of other lists are chosen by anybody.
pub(crate) fn is_instance_connect(list: &PrefixList) -> bool {
    list.owner == "AWS" && list.name.ends_with(".ec2-instance-connect")
}

/// Whether a list that the policy accepts still holds no more than it may: whoever may change it
/// may open port 22 with it.
pub(crate) fn is_narrow(addresses: &AddressSet) -> bool {
    let (v4, v6) = addresses.public().sizes();
    v4 <= ACCEPTABLE.0 && v6 <= ACCEPTABLE.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nets: &[&str]) -> AddressSet {
        nets.iter().map(|net| net.parse::<ipnet::IpNet>().unwrap()).collect()
    }

    #[test]
    fn r2_1a_an_acceptable_list_admits_no_more_than_one_network_of_the_operator() {
        for (nets, narrow) in [
            (vec![], true),
            (vec!["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"], true),
            (vec!["10.0.0.0/8", "172.16.0.0/12", "fc00::/7"], true), // internal counts nothing
            (vec!["11.0.0.0/8"], true),
            (vec!["11.0.0.0/8", "1.2.3.4/32"], false),
            (vec!["0.0.0.0/1", "128.0.0.0/1"], false),
            (vec!["1.0.0.0/9", "3.0.0.0/9", "5.0.0.0/9"], false), // apart, but as many
            (vec!["2000::/16"], true),
            (vec!["2000::/15"], false),
            (vec!["::/0"], false),
        ] {
            assert_eq!(is_narrow(&set(&nets)), narrow, "{nets:?}");
        }
    }

    #[test]
    fn r2_1a_only_awss_own_list_is_instance_connect() {
        let list = |owner: &str, name: &str| PrefixList {
            id: "pl-0001".into(),
            name: name.into(),
            owner: owner.into(),
            max_entries: None,
            addresses: AddressSet::default(),
        };
        let name = "com.amazonaws.eu-west-1.ec2-instance-connect";
        assert!(is_instance_connect(&list("AWS", name)));
        assert!(is_instance_connect(&list(
            "AWS",
            "com.amazonaws.eu-west-1.ipv6.ec2-instance-connect"
        )));
        assert!(!is_instance_connect(&list("111111111111", name)));
        assert!(!is_instance_connect(&list(
            "AWS",
            "com.amazonaws.global.cloudfront.origin-facing"
        )));
    }
}
