//! Whether one rule admits SSH, and from where: the classification of spec §3.4.

use backstop_actions::ec2::{LiveRule, Source};
use backstop_core::net::{AddressSet, Coverage, tcp_coverage};
use backstop_core::text::safe;
use ipnet::IpNet;

use crate::lists::{Lists, is_instance_connect};

/// The port of SSH.
pub(crate) const SSH: u16 = 22;

/// Where a rule that admits SSH lets it in from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// At least one public address that is not the operator's own.
    Public,
    /// Internal addresses only.
    Internal,
    /// Public addresses, all of them within networks that the policy names as the operator's own.
    Corporate,
    /// EC2 Instance Connect, by the prefix list that AWS owns.
    InstanceConnect,
    /// A security group of an account in scope.
    Group,
    /// A security group of that account, which is not in scope: nobody here says who is in it.
    ForeignGroup(String),
    /// It cannot be read, and why. Unknown is not safe.
    Unreadable(String),
}

/// How a rule admits SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    /// How wide.
    pub(crate) coverage: Coverage,
    /// From where.
    pub(crate) origin: Origin,
    /// The prefix list that its source is.
    pub(crate) list: Option<String>,
    /// The addresses that it admits; none where its source is a group, or unreadable.
    pub(crate) addresses: AddressSet,
}

impl Exposure {
    /// Whether it admits somebody from outside, or that cannot be told.
    pub(crate) fn is_serious(&self) -> bool {
        self.coverage == Coverage::Unreadable
            || match self.origin {
                Origin::Public | Origin::Unreadable(_) | Origin::ForeignGroup(_) => true,
                Origin::Internal | Origin::Corporate | Origin::InstanceConnect | Origin::Group => {
                    false
                }
            }
    }
}

/// What sources are judged by.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// The prefix lists that rules name.
    pub(crate) lists: &'a Lists,
    /// The operator's own networks.
    pub(crate) own: AddressSet,
    /// The accounts in scope.
    pub(crate) accounts: &'a [String],
}

/// How the protocol and ports of an ingress rule cover port 22; none if they do not, or it is no
/// ingress rule.
pub(crate) fn coverage(live: &LiveRule) -> Option<Coverage> {
    let rule = &live.rule;
    let coverage = tcp_coverage(&rule.protocol, rule.from_port, rule.to_port, SSH);
    (!live.is_egress && coverage != Coverage::None).then_some(coverage)
}

/// How the rule admits SSH, none if it does not.
pub(crate) fn exposure(live: &LiveRule, known: &Known<'_>) -> Option<Exposure> {
    let coverage = coverage(live)?;
    let of = |addresses: AddressSet, list| Exposure {
        coverage,
        origin: origin(&addresses, &known.own),
        list,
        addresses,
    };
    let unknown =
        |origin, list| Exposure { coverage, origin, list, addresses: AddressSet::default() };
    Some(match &live.rule.source {
        Source::CidrIpv4(cidr) | Source::CidrIpv6(cidr) => match cidr.parse::<IpNet>() {
            Ok(net) => of(net.into(), None),
            Err(_) => {
                unknown(Origin::Unreadable(format!("`{}` is no range", safe(cidr, 60))), None)
            }
        },
        Source::PrefixList(id) => match known.lists.get(id) {
            Ok(list) if is_instance_connect(list) => Exposure {
                origin: Origin::InstanceConnect,
                ..of(list.addresses.clone(), Some(id.clone()))
            },
            Ok(list) => of(list.addresses.clone(), Some(id.clone())),
            Err(why) => unknown(Origin::Unreadable(why), Some(id.clone())),
        },
        Source::Group { user_id: Some(owner), .. } if !known.accounts.contains(owner) => {
            unknown(Origin::ForeignGroup(owner.clone()), None)
        }
        Source::Group { .. } => unknown(Origin::Group, None),
    })
}

/// What addresses are. Ranges that are not the operator's own offend whole: whoever admits one
/// public address admits the public.
fn origin(addresses: &AddressSet, own: &AddressSet) -> Origin {
    let public = addresses.public();
    if public.is_empty() {
        Origin::Internal
    } else if public.is_subset(own) {
        Origin::Corporate
    } else {
        Origin::Public
    }
}

/// Whether protocol and ports as an event gives them could admit SSH. What is missing could be
/// anything, so it could.
pub(crate) fn could_admit(protocol: Option<&str>, from: Option<i64>, to: Option<i64>) -> bool {
    let Some(protocol) = protocol else { return true };
    let port = |given: Option<i64>| given.map(|n| i32::try_from(n).unwrap_or(i32::MIN));
    tcp_coverage(protocol, port(from), port(to), SSH) != Coverage::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_actions::ec2::Rule;
    use backstop_core::net::PortRange;

    fn live(protocol: &str, from: i32, to: i32, source: Source) -> LiveRule {
        LiveRule {
            id: "sgr-0001".into(),
            group_id: "sg-0001".into(),
            owner: None,
            is_egress: false,
            rule: Rule {
                protocol: protocol.into(),
                from_port: Some(from),
                to_port: Some(to),
                source,
                description: None,
                tags: std::collections::BTreeMap::new(),
            },
        }
    }

    fn own(nets: &[&str]) -> AddressSet {
        nets.iter().map(|net| net.parse::<IpNet>().unwrap()).collect()
    }

    #[test]
    fn r2_1a_every_row_of_the_classification() {
        use Coverage as C;
        use Origin as O;
        let (lists, accounts) = (Lists::default(), ["111111111111".to_owned()]);
        let known = Known { lists: &lists, own: own(&[]), accounts: &accounts };
        let of = |user_id: &str| Source::Group {
            group_id: "sg-0001".into(),
            user_id: Some(user_id.into()),
            vpc_id: None,
            peering: None,
        };
        let v4 = |cidr: &str| Source::CidrIpv4(cidr.into());
        let v6 = |cidr: &str| Source::CidrIpv6(cidr.into());
        let group = Source::Group {
            group_id: "sg-0001".into(),
            user_id: None,
            vpc_id: None,
            peering: None,
        };
        let range = C::Range(PortRange::ALL);
        let cases = [
            (live("tcp", 22, 22, v4("0.0.0.0/0")), Some((C::Exact, O::Public))),
            (live("6", 22, 22, v4("0.0.0.0/0")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v6("::/0")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("198.51.100.7/32")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("0.0.0.0/1")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("10.0.0.0/8")), Some((C::Exact, O::Internal))),
            (live("tcp", 22, 22, v6("fd00::/8")), Some((C::Exact, O::Internal))),
            (live("tcp", 0, 65535, v4("0.0.0.0/0")), Some((range, O::Public))),
            (live("-1", -1, -1, v4("0.0.0.0/0")), Some((C::AllTraffic, O::Public))),
            (
                live("tcp", 22, 22, Source::PrefixList("pl-0001".into())),
                Some((C::Exact, O::Unreadable("it was not read".into()))),
            ),
            (live("tcp", 22, 22, v4("11.0.0.0/8")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("10.0.0.0/7")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v6("2002::/16")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v6("::ffff:10.0.0.0/104")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("224.0.0.0/4")), Some((C::Exact, O::Public))),
            (live("tcp", 22, 22, v4("100.64.0.0/10")), Some((C::Exact, O::Internal))),
            (live("tcp", 22, 22, group), Some((C::Exact, O::Group))),
            (live("tcp", 22, 22, of("111111111111")), Some((C::Exact, O::Group))),
            (
                live("tcp", 22, 22, of("999999999999")),
                Some((C::Exact, O::ForeignGroup("999999999999".into()))),
            ),
            (
                live("tcp", 22, 22, v4("not a range")),
                Some((C::Exact, O::Unreadable("`not a range` is no range".into()))),
            ),
            (live("tcp", 23, 21, v4("0.0.0.0/0")), Some((C::Unreadable, O::Public))),
            (live("udp", 22, 22, v4("0.0.0.0/0")), None),
            (live("icmp", 22, 22, v4("0.0.0.0/0")), None),
            (live("icmpv6", -1, -1, v6("::/0")), None),
            (live("tcp", 443, 443, v4("0.0.0.0/0")), None),
        ];
        for (rule, expected) in cases {
            let found = exposure(&rule, &known).map(|e| (e.coverage, e.origin));
            assert_eq!(found, expected, "{:?}", rule.rule);
        }
        let mut egress = live("tcp", 22, 22, v4("0.0.0.0/0"));
        egress.is_egress = true;
        assert_eq!(exposure(&egress, &known), None);
        let own = own(&["198.51.100.0/25", "198.51.100.128/25"]);
        let origin = |cidr: &str| {
            let rule = live("tcp", 22, 22, Source::CidrIpv4(cidr.into()));
            exposure(&rule, &Known { own: own.clone(), ..known }).unwrap().origin
        };
        assert_eq!(origin("198.51.100.7/32"), O::Corporate);
        assert_eq!(origin("198.51.100.0/24"), O::Corporate, "two networks side by side");
        assert_eq!(origin("198.51.0.0/16"), O::Public, "wider than the operator's own");
    }
}
