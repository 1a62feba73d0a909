//! What is left of a range of ports without port 22, and the steps that leave just that.
//!
//! Only ports change: each piece keeps the source, the description and the tags of its rule.

use backstop_actions::ec2::{LiveRule, Rule, Source};
use backstop_core::net::{Coverage, PortRange};

use crate::exposure::SSH;
use crate::live::Open;

/// One change that narrows a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Authorises the ports that lie beyond 22, before the rule loses them.
    Add {
        /// The rule that will lose them.
        from: &'a LiveRule,
        /// The rule that will have them.
        rule: Rule,
    },
    /// Changes the rule into what is left of it: its id and its tags stay.
    Shrink {
        /// The rule as it stands.
        from: &'a LiveRule,
        /// What it becomes.
        rule: Rule,
    },
    /// Revokes the rule: other rules of the group keep all that is left of it.
    Drop {
        /// The rule as it stands.
        from: &'a LiveRule,
    },
}

/// The changes that narrow rules of one source. Each stands on the one before it.
pub(crate) type Chain<'a> = Vec<Change<'a>>;

/// The changes that take port 22, and nothing else, from every range among `open`, in order: one
/// chain for each source and protocol, so that what fails for one does not stop another.
///
/// A piece that a rule of the group admits already is not authorised twice: EC2 refuses a second
/// rule that admits the same.
pub(crate) fn chains<'a>(open: &'a [Open], rules: &[LiveRule]) -> Vec<Chain<'a>> {
    let mut there: Vec<Rule> =
        rules.iter().filter(|live| !live.is_egress).map(|live| live.rule.clone()).collect();
    let mut chains: Vec<(&Rule, Chain<'a>)> = Vec::new();
    for open in open {
        let Coverage::Range(range) = open.exposure.coverage else { continue };
        let rule = &open.live.rule;
        let same = |first: &Rule| first.source == rule.source && first.protocol == rule.protocol;
        let at = chains.iter().position(|(first, _)| same(first));
        if at.is_none() {
            chains.push((rule, Vec::new()));
        }
        let last = chains.len().saturating_sub(1);
        let chain = chains.get_mut(at.unwrap_or(last));
        if let Some((_, chain)) = chain {
            chain.extend(narrow(&open.live, range, &mut there));
        }
    }
    chains.into_iter().map(|(_, chain)| chain).collect()
}

/// The changes that take port 22 from one rule; `there` is what the group admits by then.
fn narrow<'a>(live: &'a LiveRule, range: PortRange, there: &mut Vec<Rule>) -> Vec<Change<'a>> {
    let mut missing: Vec<Rule> = range
        .without(SSH)
        .map(|piece| live.rule.with_ports(piece))
        .filter(|piece| !there.iter().any(|rule| rule.admits_same(piece)))
        .collect();
    there.extend(missing.iter().cloned());
    // The lowest piece stays with the rule; what is beyond 22 comes first, as a rule of its own.
    if missing.is_empty() {
        return vec![Change::Drop { from: live }];
    }
    let shrunk = missing.remove(0);
    let mut changes: Vec<Change<'a>> =
        missing.into_iter().map(|rule| Change::Add { from: live, rule }).collect();
    changes.push(Change::Shrink { from: live, rule: shrunk });
    changes
}

/// EC2's default for the inbound rules of a group; IPv4 and IPv6 are counted apart (Amazon VPC
/// quotas, "Inbound or outbound rules per security group").
const QUOTA: usize = 60;

/// Which way of counting a source belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Says if the rules that narrowing adds may not fit into the group: a range whose addition EC2
/// refuses stays as it is.
///
/// The quota of the account may have been raised, and a prefix list counts as many rules as it may
/// have entries: `weight` says how many, one where that is not known.
pub(crate) fn quota(
    chains: &[Chain<'_>],
    rules: &[LiveRule],
    weight: impl Fn(&str) -> usize,
) -> Option<String> {
    let counts = |source: &Source, family: Family| match source {
        Source::CidrIpv4(_) => usize::from(family == Family::V4),
        Source::CidrIpv6(_) => usize::from(family == Family::V6),
        Source::PrefixList(id) => weight(id),
        Source::Group { .. } => 1,
    };
    let added: Vec<&Source> = chains
        .iter()
        .flatten()
        .filter_map(|change| match change {
            Change::Add { rule, .. } => Some(&rule.source),
            Change::Shrink { .. } | Change::Drop { .. } => None,
        })
        .collect();
    [(Family::V4, "IPv4"), (Family::V6, "IPv6")].into_iter().find_map(|(family, name)| {
        let more: usize = added.iter().map(|source| counts(source, family)).sum();
        let now: usize = rules
            .iter()
            .filter(|live| !live.is_egress)
            .map(|live| counts(&live.rule.source, family))
            .sum();
        (more > 0 && now + more > QUOTA).then(|| {
            format!(
                "narrowing adds {more} to at least {now} {name} rules of the group, and EC2's \
                 default quota is {QUOTA}: a range whose addition is refused stays as it is"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backstop_core::net::AddressSet;
    use proptest::prelude::*;

    use super::*;
    use crate::exposure::{Exposure, Origin};

    fn live(id: &str, from: i32, to: i32, source: &str) -> LiveRule {
        LiveRule {
            id: id.into(),
            group_id: "sg-0001".into(),
            owner: None,
            is_egress: false,
            rule: Rule {
                protocol: "tcp".into(),
                from_port: Some(from),
                to_port: Some(to),
                source: Source::CidrIpv4(source.into()),
                description: Some("ours".into()),
                tags: BTreeMap::from([("team".to_owned(), "edge".to_owned())]),
            },
        }
    }

    fn opened(live: &LiveRule) -> Open {
        let (from, to) = (live.rule.from_port.unwrap(), live.rule.to_port.unwrap());
        let (from, to) = (u16::try_from(from).unwrap(), u16::try_from(to).unwrap());
        Open {
            live: live.clone(),
            exposure: Exposure {
                coverage: Coverage::Range(PortRange::new(from, to).unwrap()),
                origin: Origin::Public,
                list: None,
                addresses: AddressSet::default(),
            },
            accepted: false,
            by_event: true,
            was: None,
        }
    }

    /// The chains in words, for ranges that are open beside rules that are not.
    fn words(open: &[LiveRule], others: &[LiveRule]) -> Vec<String> {
        let opened: Vec<Open> = open.iter().map(opened).collect();
        let rules: Vec<LiveRule> = open.iter().chain(others).cloned().collect();
        chains(&opened, &rules)
            .iter()
            .map(|chain| {
                let words: Vec<String> = chain
                    .iter()
                    .map(|change| match change {
                        Change::Add { from, rule } => {
                            assert_eq!(rule.description, from.rule.description, "kept");
                            assert_eq!(rule.tags, from.rule.tags, "kept");
                            format!("add {}", rule.words())
                        }
                        Change::Shrink { from, rule } => {
                            assert_eq!(rule.source, from.rule.source, "never another source");
                            format!("{} becomes {}", from.id, rule.words())
                        }
                        Change::Drop { from } => format!("drop {}", from.id),
                    })
                    .collect();
                words.join(", ")
            })
            .collect()
    }

    #[test]
    fn r2_1a_narrowing_adds_before_it_shrinks() {
        let world = "0.0.0.0/0";
        for (from, to, expected) in [
            (0, 65535, "add tcp 23-65535 from 0.0.0.0/0, a becomes tcp 0-21 from 0.0.0.0/0"),
            (20, 25, "add tcp 23-25 from 0.0.0.0/0, a becomes tcp 20-21 from 0.0.0.0/0"),
            (21, 23, "add tcp 23 from 0.0.0.0/0, a becomes tcp 21 from 0.0.0.0/0"),
            (22, 443, "a becomes tcp 23-443 from 0.0.0.0/0"),
            (1, 22, "a becomes tcp 1-21 from 0.0.0.0/0"),
        ] {
            assert_eq!(words(&[live("a", from, to, world)], &[]), [expected], "{from}-{to}");
        }
    }

    #[test]
    fn r2_1a_what_the_group_admits_already_is_not_added_twice() {
        let world = "0.0.0.0/0";
        let wide = live("a", 20, 25, world);
        let (below, above) = (live("b", 20, 21, world), live("c", 23, 25, world));
        let elsewhere = live("d", 23, 25, "10.0.0.0/8");
        let one = std::slice::from_ref(&wide);
        assert_eq!(
            words(one, std::slice::from_ref(&above)),
            ["a becomes tcp 20-21 from 0.0.0.0/0"]
        );
        assert_eq!(
            words(one, std::slice::from_ref(&below)),
            ["a becomes tcp 23-25 from 0.0.0.0/0"]
        );
        assert_eq!(words(one, &[below, above]), ["drop a"]);
        assert_eq!(
            words(one, &[elsewhere]),
            ["add tcp 23-25 from 0.0.0.0/0, a becomes tcp 20-21 from 0.0.0.0/0"],
            "another source admits something else"
        );
    }

    #[test]
    fn r2_1a_ranges_of_one_source_are_one_chain_and_those_of_another_are_not() {
        let (world, other) = ("0.0.0.0/0", "198.51.100.0/24");
        let ranges =
            [live("a", 0, 65535, world), live("b", 20, 25, other), live("c", 22, 65535, world)];
        assert_eq!(
            words(&ranges, &[]),
            [
                "add tcp 23-65535 from 0.0.0.0/0, a becomes tcp 0-21 from 0.0.0.0/0, drop c",
                "add tcp 23-25 from 198.51.100.0/24, b becomes tcp 20-21 from 198.51.100.0/24",
            ]
        );
    }

    #[test]
    fn r2_1a_a_quota_that_may_be_met_is_said() {
        let world = "0.0.0.0/0";
        let wide = live("a", 20, 25, world);
        let opened = [opened(&wide)];
        let mut rules = vec![wide];
        let full =
            |rules: &[LiveRule], weight: usize| quota(&chains(&opened, rules), rules, |_| weight);
        for n in 0..58 {
            rules.push(live(&format!("r{n}"), 443, 443, &format!("10.0.{n}.0/24")));
        }
        assert_eq!(full(&rules, 1), None, "59 and one more are 60");
        let mut list = live("l", 443, 443, world);
        list.rule.source = Source::PrefixList("pl-0001".into());
        rules.pop();
        rules.push(list);
        assert_eq!(full(&rules, 1), None);
        let said = full(&rules, 55).unwrap();
        assert!(said.contains("adds 1 to at least 113 IPv4 rules"), "{said}");
        for rule in &mut rules {
            if rule.id != "a" {
                rule.rule.source = Source::CidrIpv6("fd00::/8".into());
            }
        }
        assert_eq!(full(&rules, 1), None, "the other family is counted apart");
    }

    /// Ports of few values, so that ranges meet, touch and are the same.
    fn ranges() -> impl Strategy<Value = Vec<(i32, i32, bool)>> {
        let port = prop_oneof![Just(0), 19i32..26, Just(443), Just(65535)];
        let range = (port.clone(), port, any::<bool>())
            .prop_map(|(a, b, other)| (a.min(b), a.max(b), other));
        prop::collection::vec(range, 1..7)
    }

    /// Whether a rule among `rules` admits TCP `port` from `source`.
    fn admits(rules: &[Rule], port: i32, source: &Source) -> bool {
        let at = |rule: &Rule| {
            rule.source == *source && rule.from_port <= Some(port) && Some(port) <= rule.to_port
        };
        rules.iter().any(at)
    }

    proptest! {
        /// Whatever ranges a group holds: only port 22 closes, nothing opens, nobody is cut off on
        /// the way, and EC2 is never asked for a rule that is there already.
        #[test]
        fn r2_1a_narrowing_takes_port_22_and_nothing_else(ranges in ranges()) {
            let source = |other: bool| if other { "198.51.100.0/24" } else { "0.0.0.0/0" };
            let mut rules: Vec<LiveRule> = Vec::new();
            for (n, (from, to, other)) in ranges.into_iter().enumerate() {
                let rule = live(&format!("r{n}"), from, to, source(other));
                if !rules.iter().any(|there| there.rule.admits_same(&rule.rule)) {
                    rules.push(rule);
                }
            }
            let is_range = |rule: &&LiveRule| {
                let ports = rule.rule.from_port.zip(rule.rule.to_port);
                ports.is_some_and(|(from, to)| from <= 22 && 22 <= to && from != to)
            };
            let opened: Vec<Open> = rules.iter().filter(is_range).map(opened).collect();
            let before: Vec<Rule> = rules.iter().map(|live| live.rule.clone()).collect();
            let mut now = rules.clone();
            for change in chains(&opened, &rules).into_iter().flatten() {
                let at = |id: &str, now: &[LiveRule]| now.iter().position(|r| r.id == id).unwrap();
                let adds = match &change {
                    Change::Add { rule, .. } | Change::Shrink { rule, .. } => Some(rule.clone()),
                    Change::Drop { .. } => None,
                };
                if let Some(rule) = &adds {
                    let there = now.iter().any(|live| live.rule.admits_same(rule));
                    prop_assert!(!there, "EC2 would refuse {} twice", rule.words());
                }
                match change {
                    Change::Add { from, rule } => {
                        let id = format!("{}+", from.id);
                        now.push(LiveRule { id, rule, ..from.clone() });
                    }
                    Change::Shrink { from, rule } => {
                        let at = at(&from.id, &now);
                        now[at].rule = rule;
                    }
                    Change::Drop { from } => {
                        let at = at(&from.id, &now);
                        now.remove(at);
                    }
                }
                let then: Vec<Rule> = now.iter().map(|live| live.rule.clone()).collect();
                for from in [source(true), source(false)].map(|s| Source::CidrIpv4(s.into())) {
                    for port in [0, 1, 18, 19, 20, 21, 23, 24, 25, 26, 442, 443, 444, 65535] {
                        let (was, is) = (admits(&before, port, &from), admits(&then, port, &from));
                        prop_assert_eq!(was, is, "port {} from {:?}", port, from);
                    }
                }
            }
            for live in now.iter().filter(|live| live.rule.from_port != live.rule.to_port) {
                let range = (live.rule.from_port.unwrap(), live.rule.to_port.unwrap());
                prop_assert!(!(range.0..=range.1).contains(&22), "{} is left", live.rule.words());
            }
        }
    }
}
