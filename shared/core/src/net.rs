//! What a security group rule admits: protocols, ports and sources.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How a rule's protocol and ports relate to one TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Does not admit it: another protocol, or other ports.
    None,
    /// Admits that port and nothing else.
    Exact,
    /// Admits a wider range of TCP ports.
    Range {
        /// The first port.
        from: u16,
        /// The last port.
        to: u16,
    },
    /// Admits all traffic (protocol `-1`): it has no finite complement, so it is never split.
    AllTraffic,
}

/// How the protocol and ports of a rule, as EC2 gives them, cover the TCP port `port`.
///
/// For ICMP the "ports" are type and code, and other protocol numbers have no ports: a naive
/// `from <= 22 <= to` would hit ICMP type 22 (spec §3.4). Missing ports of TCP mean all of them.
/// Source: EC2 API, `SecurityGroupRule`.
pub fn tcp_coverage(protocol: &str, from: Option<i32>, to: Option<i32>, port: u16) -> Coverage {
    match protocol.to_ascii_lowercase().as_str() {
        "-1" | "all" => Coverage::AllTraffic,
        "tcp" | "6" => {
            let bound = |given: Option<i32>, open: u16| match given {
                None | Some(-1) => Some(open),
                Some(n) => u16::try_from(n).ok(),
            };
            match (bound(from, 0), bound(to, u16::MAX)) {
                (Some(from), Some(to)) if from <= port && port <= to => {
                    if from == to {
                        Coverage::Exact
                    } else {
                        Coverage::Range { from, to }
                    }
                }
                _ => Coverage::None,
            }
        }
        _ => Coverage::None,
    }
}

/// Ranges whose addresses cannot be a source from outside the operator's own networks. Everything
/// else counts as public, the documentation, multicast, reserved and 6to4 ranges included: a rule
/// for those admits nobody who is entitled to come in.
///
/// Source: the IANA special-purpose address registries, entries that are not globally reachable
/// and are in use inside networks.
const INTERNAL_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8), // RFC 1918
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12), // RFC 1918
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16), // RFC 1918
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10), // RFC 6598, also used inside VPCs
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), // RFC 3927, link-local
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8), // RFC 1122, loopback
];

const INTERNAL_V6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), // RFC 4193, unique local
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), // RFC 4291, link-local
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),                      // RFC 4291, loopback
];

/// Whether any address of `net` is public. A range that holds one public address offends whole.
pub fn is_public(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => !INTERNAL_V4.iter().any(|internal| internal.contains(net)),
        IpNet::V6(net) => !INTERNAL_V6.iter().any(|internal| internal.contains(net)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_1a_coverage_of_one_port_per_spec_3_4() {
        use Coverage as C;
        for (protocol, from, to, expected) in [
            ("tcp", Some(22), Some(22), C::Exact),
            ("6", Some(22), Some(22), C::Exact),
            ("TCP", Some(22), Some(22), C::Exact),
            ("tcp", Some(0), Some(65535), C::Range { from: 0, to: 65535 }),
            ("tcp", Some(20), Some(25), C::Range { from: 20, to: 25 }),
            ("tcp", Some(22), Some(23), C::Range { from: 22, to: 23 }),
            ("tcp", None, None, C::Range { from: 0, to: 65535 }),
            ("tcp", Some(23), Some(443), C::None),
            ("tcp", Some(0), Some(21), C::None),
            ("tcp", Some(-2), Some(22), C::None),
            ("-1", None, None, C::AllTraffic),
            ("-1", Some(-1), Some(-1), C::AllTraffic),
            ("udp", Some(22), Some(22), C::None),
            ("17", Some(0), Some(65535), C::None),
            ("icmp", Some(22), Some(22), C::None),
            ("icmp", Some(-1), Some(-1), C::None),
            ("icmpv6", Some(0), Some(255), C::None),
            ("58", Some(22), Some(22), C::None),
            ("50", None, None, C::None),
        ] {
            assert_eq!(
                tcp_coverage(protocol, from, to, 22),
                expected,
                "{protocol} {from:?} {to:?}"
            );
        }
    }

    #[test]
    fn r2_1a_a_range_with_one_public_address_is_public() {
        for (net, public) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("0.0.0.0/1", true),
            ("128.0.0.0/1", true),
            ("8.0.0.0/5", true), // holds 10/8 and more
            ("10.0.0.0/7", true),
            ("10.0.0.0/8", false),
            ("10.1.2.3/32", false),
            ("172.16.0.0/12", false),
            ("172.16.0.0/11", true),
            ("192.168.255.0/24", false),
            ("100.64.0.0/10", false),
            ("100.128.0.0/10", true),
            ("169.254.169.254/32", false),
            ("203.0.113.7/32", true),
            ("224.0.0.0/4", true),
            ("fc00::/7", false),
            ("fd12:3456::/32", false),
            ("fe80::/10", false),
            ("2000::/3", true),
            ("2002::/16", true),
            ("::1/128", false),
            ("::ffff:10.0.0.0/104", true),
        ] {
            assert_eq!(is_public(&net.parse().unwrap()), public, "{net}");
        }
    }
}
