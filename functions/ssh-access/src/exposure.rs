//! Whether one rule admits SSH, and from where: the classification of spec §3.4.

use backstop_actions::ec2::{LiveRule, Source};
use backstop_core::net::{Coverage, is_public, tcp_coverage};
use ipnet::IpNet;

/// The port of SSH.
const SSH: u16 = 22;

/// Where a rule that admits SSH lets it in from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A range with at least one public address.
    Public,
    /// A range of internal addresses only.
    Internal,
    /// A public range within one that the policy names as the operator's own.
    Corporate,
    /// A prefix list: what is in it is not in the rule.
    PrefixList(String),
    /// A security group.
    Group,
    /// A range that cannot be read. Unknown is not safe.
    Unreadable(String),
}

/// How a rule admits SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    /// How wide.
    pub(crate) coverage: Coverage,
    /// From where.
    pub(crate) origin: Origin,
}

/// How the rule admits SSH, none if it does not.
pub(crate) fn exposure(live: &LiveRule, corporate: &[IpNet]) -> Option<Exposure> {
    if live.is_egress {
        return None;
    }
    let rule = &live.rule;
    let coverage = tcp_coverage(&rule.protocol, rule.from_port, rule.to_port, SSH);
    if coverage == Coverage::None {
        return None;
    }
    let origin = match &rule.source {
        Source::CidrIpv4(cidr) | Source::CidrIpv6(cidr) => match cidr.parse::<IpNet>() {
            Ok(net) if corporate.iter().any(|own| own.contains(&net)) => Origin::Corporate,
            Ok(net) if is_public(&net) => Origin::Public,
            Ok(_) => Origin::Internal,
            Err(_) => Origin::Unreadable(cidr.clone()),
        },
        Source::PrefixList(id) => Origin::PrefixList(id.clone()),
        Source::Group { .. } => Origin::Group,
    };
    Some(Exposure { coverage, origin })
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

    #[test]
    fn r2_1a_every_row_of_the_classification() {
        use Coverage as C;
        use Origin as O;
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
                Some((C::Exact, O::PrefixList("pl-0001".into()))),
            ),
            (live("tcp", 22, 22, group), Some((C::Exact, O::Group))),
            (
                live("tcp", 22, 22, v4("not a range")),
                Some((C::Exact, O::Unreadable("not a range".into()))),
            ),
            (live("tcp", 23, 21, v4("0.0.0.0/0")), Some((C::Unreadable, O::Public))),
            (live("udp", 22, 22, v4("0.0.0.0/0")), None),
            (live("icmp", 22, 22, v4("0.0.0.0/0")), None),
            (live("icmpv6", -1, -1, v6("::/0")), None),
            (live("tcp", 443, 443, v4("0.0.0.0/0")), None),
        ];
        for (rule, expected) in cases {
            let found = exposure(&rule, &[]).map(|e| (e.coverage, e.origin));
            assert_eq!(found, expected, "{:?}", rule.rule);
        }
        let mut egress = live("tcp", 22, 22, v4("0.0.0.0/0"));
        egress.is_egress = true;
        assert_eq!(exposure(&egress, &[]), None);
        let own = ["198.51.100.0/24".parse().unwrap()];
        let origin = |cidr: &str| {
            exposure(&live("tcp", 22, 22, Source::CidrIpv4(cidr.into())), &own).unwrap().origin
        };
        assert_eq!(origin("198.51.100.7/32"), O::Corporate);
        assert_eq!(origin("198.51.0.0/16"), O::Public, "wider than the operator's own");
    }
}
