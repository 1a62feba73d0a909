//! Protocols and ports.

use std::fmt;

/// The protocol of a rule.
///
/// Source: EC2 API, `IpPermission` (`IpProtocol`); IANA, Assigned Internet Protocol Numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `-1`: all protocols, and all ports of them.
    All,
    /// `tcp`, 6.
    Tcp,
    /// `udp`, 17.
    Udp,
    /// `icmp`, 1: its "ports" are type and code.
    Icmp,
    /// `icmpv6`, 58: its "ports" are type and code.
    IcmpV6,
    /// Any other number. Has no ports.
    Other(u8),
}

impl Protocol {
    /// Reads a protocol as EC2 writes it: a name, a number, or `-1`. None if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "-1" | "all" => Self::All,
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "icmp" => Self::Icmp,
            "icmpv6" => Self::IcmpV6,
            number => match number.parse::<u8>().ok()? {
                6 => Self::Tcp,
                17 => Self::Udp,
                1 => Self::Icmp,
                58 => Self::IcmpV6,
                other => Self::Other(other),
            },
        })
    }
}

/// Ports from the first to the last, both included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    from: u16,
    to: u16,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// The range, none if it would be empty.
    pub const fn new(from: u16, to: u16) -> Option<Self> {
        if from <= to { Some(Self { from, to }) } else { None }
    }

    /// The first port.
    pub const fn from(self) -> u16 {
        self.from
    }

    /// The last port.
    pub const fn to(self) -> u16 {
        self.to
    }

    /// Whether the port is in it.
    pub const fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }

    /// What is left of it without one port: nothing, one range, or the one below and the one above.
    pub fn without(self, port: u16) -> impl Iterator<Item = Self> {
        let pieces = if self.contains(port) {
            let below = port.checked_sub(1).and_then(|to| Self::new(self.from, to));
            let above = port.checked_add(1).and_then(|from| Self::new(from, self.to));
            [below, above]
        } else {
            [Some(self), None]
        };
        pieces.into_iter().flatten()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

/// How a rule's protocol and ports relate to one TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Does not admit it: another protocol, or other ports.
    None,
    /// Admits that port and nothing else.
    Exact,
    /// Admits a wider range of TCP ports.
    Range(PortRange),
    /// Admits all traffic (protocol `-1`): it has no finite complement, so it is never split.
    AllTraffic,
    /// Its protocol or its ports cannot be read. Unknown is neither safe nor guilty.
    Unreadable,
}

/// How the protocol and ports of a rule, as EC2 gives them, cover the TCP port `port`.
///
/// For ICMP the "ports" are type and code, and other protocol numbers have no ports: a naive
/// `from <= 22 <= to` would hit ICMP type 22 (spec §3.4). Missing ports of TCP, and -1, mean all of
/// them. Source: EC2 API, `SecurityGroupRule`.
pub fn tcp_coverage(protocol: &str, from: Option<i32>, to: Option<i32>, port: u16) -> Coverage {
    match Protocol::parse(protocol) {
        None => return Coverage::Unreadable,
        Some(Protocol::All) => return Coverage::AllTraffic,
        Some(Protocol::Udp | Protocol::Icmp | Protocol::IcmpV6 | Protocol::Other(_)) => {
            return Coverage::None;
        }
        Some(Protocol::Tcp) => {}
    }
    let bound = |given: Option<i32>, open: u16| match given {
        None | Some(-1) => Some(open),
        Some(n) => u16::try_from(n).ok(),
    };
    let (from, to) = (bound(from, 0), bound(to, u16::MAX));
    let range = from.zip(to).and_then(|(from, to)| PortRange::new(from, to));
    match range {
        None => Coverage::Unreadable,
        Some(range) if !range.contains(port) => Coverage::None,
        Some(range) if range.from == range.to => Coverage::Exact,
        Some(range) => Coverage::Range(range),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: u16, to: u16) -> Coverage {
        Coverage::Range(PortRange::new(from, to).unwrap())
    }

    #[test]
    fn r2_1a_coverage_of_one_port_per_spec_3_4() {
        use Coverage as C;
        for (protocol, from, to, expected) in [
            ("tcp", Some(22), Some(22), C::Exact),
            ("6", Some(22), Some(22), C::Exact),
            ("TCP", Some(22), Some(22), C::Exact),
            ("tcp", Some(0), Some(65535), range(0, 65535)),
            ("6", Some(20), Some(25), range(20, 25)),
            ("tcp", Some(22), Some(23), range(22, 23)),
            ("tcp", Some(21), Some(22), range(21, 22)),
            ("tcp", None, None, range(0, 65535)),
            ("tcp", Some(-1), Some(-1), range(0, 65535)),
            ("tcp", Some(23), Some(443), C::None),
            ("tcp", Some(0), Some(21), C::None),
            ("tcp", Some(-2), Some(22), C::Unreadable),
            ("tcp", Some(23), Some(21), C::Unreadable),
            ("tcp", Some(22), Some(70_000), C::Unreadable),
            ("sctp?", Some(22), Some(22), C::Unreadable),
            ("", Some(22), Some(22), C::Unreadable),
            ("-1", None, None, C::AllTraffic),
            ("-1", Some(-1), Some(-1), C::AllTraffic),
            ("udp", Some(22), Some(22), C::None),
            ("17", Some(0), Some(65535), C::None),
            ("icmp", Some(22), Some(22), C::None),
            ("1", Some(22), Some(-1), C::None),
            ("icmp", Some(-1), Some(-1), C::None),
            ("icmpv6", Some(0), Some(255), C::None),
            ("58", Some(22), Some(22), C::None),
            ("50", None, None, C::None),
            ("132", Some(22), Some(22), C::None), // SCTP
            ("256", Some(22), Some(22), C::Unreadable),
        ] {
            assert_eq!(
                tcp_coverage(protocol, from, to, 22),
                expected,
                "{protocol} {from:?} {to:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn r2_1a_without_a_port_every_other_port_stays_and_only_that_one_goes(
            (from, to) in (any::<u16>(), any::<u16>()).prop_map(|(a, b)| (a.min(b), a.max(b))),
            port: u16,
            probe: u16,
        ) {
            let whole = PortRange::new(from, to).unwrap();
            let pieces: Vec<PortRange> = whole.without(port).collect();
            for probe in [probe, port, port.saturating_sub(1), port.saturating_add(1), from, to] {
                let left = pieces.iter().filter(|piece| piece.contains(probe)).count();
                let expected = usize::from(whole.contains(probe) && probe != port);
                prop_assert_eq!(left, expected, "{} without {} at {}", whole, port, probe);
            }
            prop_assert!(pieces.is_sorted());
        }

        #[test]
        fn r2_1a_coverage_is_what_the_ports_say(
            from in -3i32..70_000, to in -3i32..70_000, port: u16,
        ) {
            let covered = match tcp_coverage("tcp", Some(from), Some(to), port) {
                Coverage::Exact => Some((i32::from(port), i32::from(port))),
                Coverage::Range(range) => Some((i32::from(range.from()), i32::from(range.to()))),
                Coverage::None | Coverage::AllTraffic | Coverage::Unreadable => None,
            };
            let low = if from == -1 { 0 } else { from };
            let high = if to == -1 { 65_535 } else { to };
            let admits = (0..=65_535).contains(&low) && (0..=65_535).contains(&high)
                && (low..=high).contains(&i32::from(port));
            prop_assert_eq!(covered, admits.then_some((low, high)));
        }
    }
}
