//! Sets of addresses of both families, and which of them are public.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::{BitAnd, BitOr, Sub};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use range_set_blaze::RangeSetBlaze;

/// Ranges that are set aside for use inside one network. Only these are internal: everything else
/// counts as public.
///
/// Decided by the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) and the
/// multicast registries. Internal is what they assign to private use, shared address space, unique
/// local use, link-local use and loopback. Public, on purpose, is also what is merely not routed:
/// documentation, benchmarking, reserved, discard-only, multicast; and what carries somebody else's
/// addresses: 6to4, Teredo, NAT64, IPv4-mapped. A rule for those admits nobody who is entitled to
/// come in, and a range that is let through by mistake is worse than one that is looked at.
const INTERNAL_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8), // RFC 1918, private use
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12), // RFC 1918, private use
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16), // RFC 1918, private use
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10), // RFC 6598, shared; VPCs use it too
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), // RFC 3927, link-local
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8), // RFC 1122, loopback
];

const INTERNAL_V6: [Ipv6Net; 3] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7), // RFC 4193, unique local
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10), // RFC 4291, link-local
    Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128),                      // RFC 4291, loopback
];

static INTERNAL: LazyLock<AddressSet> = LazyLock::new(|| {
    let v4 = INTERNAL_V4.into_iter().map(IpNet::from);
    v4.chain(INTERNAL_V6.into_iter().map(IpNet::from)).collect()
});

/// A set of IPv4 and IPv6 addresses. The families never mix: `::ffff:10.0.0.0/104` holds no IPv4
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    v4: RangeSetBlaze<Ipv4Addr>,
    v6: RangeSetBlaze<Ipv6Addr>,
}

impl AddressSet {
    /// The ranges that are set aside for use inside one network.
    pub fn internal() -> &'static Self {
        &INTERNAL
    }

    /// Every address of both families.
    pub fn everything() -> Self {
        [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())].into_iter().collect()
    }

    /// Those of it that are public.
    #[must_use]
    pub fn public(&self) -> Self {
        self - Self::internal()
    }

    /// Whether it holds no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether each of its addresses is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.v4.is_subset(&other.v4) && self.v6.is_subset(&other.v6)
    }

    /// How many IPv4 addresses it holds, and how many IPv6 addresses: of those at most
    /// `u128::MAX`, one less than there are.
    pub fn sizes(&self) -> (u64, u128) {
        let v6 = self.v6.ranges().fold(0u128, |sum, range| {
            let (first, last) = (u128::from(*range.start()), u128::from(*range.end()));
            sum.saturating_add((last - first).saturating_add(1))
        });
        (self.v4.len(), v6)
    }

    /// The fewest ranges in CIDR notation that hold exactly these addresses, in order.
    pub fn nets(&self) -> Vec<IpNet> {
        let v4 = self.v4.ranges().flat_map(|r| Ipv4Subnets::new(*r.start(), *r.end(), 0));
        let v6 = self.v6.ranges().flat_map(|r| Ipv6Subnets::new(*r.start(), *r.end(), 0));
        v4.map(IpNet::from).chain(v6.map(IpNet::from)).collect()
    }
}

impl From<IpNet> for AddressSet {
    fn from(net: IpNet) -> Self {
        [net].into_iter().collect()
    }
}

impl FromIterator<IpNet> for AddressSet {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push(net.network()..=net.broadcast()),
                IpNet::V6(net) => v6.push(net.network()..=net.broadcast()),
            }
        }
        Self { v4: v4.into_iter().collect(), v6: v6.into_iter().collect() }
    }
}

impl BitOr for &AddressSet {
    type Output = AddressSet;

    fn bitor(self, other: Self) -> AddressSet {
        AddressSet { v4: &self.v4 | &other.v4, v6: &self.v6 | &other.v6 }
    }
}

impl BitAnd for &AddressSet {
    type Output = AddressSet;

    fn bitand(self, other: Self) -> AddressSet {
        AddressSet { v4: &self.v4 & &other.v4, v6: &self.v6 & &other.v6 }
    }
}

impl Sub for &AddressSet {
    type Output = AddressSet;

    fn sub(self, other: Self) -> AddressSet {
        AddressSet { v4: &self.v4 - &other.v4, v6: &self.v6 - &other.v6 }
    }
}

/// How many addresses of each family, in words: `every public IPv4 address and 1 IPv6 address`.
impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Self::everything();
        let public = all.public();
        let (v4, v6) = self.sizes();
        let family = |name: &str, count: u128, is_all: bool, is_public: bool| match count {
            0 => None,
            _ if is_all => Some(format!("every {name} address")),
            _ if is_public => Some(format!("every public {name} address")),
            1 => Some(format!("1 {name} address")),
            // Nobody reads 38 digits: a power of two says the same.
            n if n >= 1 << 40 => Some(format!("some 2^{} {name} addresses", n.ilog2())),
            n => Some(format!("{n} {name} addresses")),
        };
        let words: Vec<String> = [
            family("IPv4", v4.into(), self.v4 == all.v4, public.v4.is_subset(&self.v4)),
            family("IPv6", v6, self.v6 == all.v6, public.v6.is_subset(&self.v6)),
        ]
        .into_iter()
        .flatten()
        .collect();
        f.write_str(&if words.is_empty() { "no address".to_owned() } else { words.join(" and ") })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// Whether any address of a range is public: then it offends whole.
    fn is_public(net: &IpNet) -> bool {
        !AddressSet::from(*net).public().is_empty()
    }

    fn set(nets: &[&str]) -> AddressSet {
        nets.iter().map(|net| net.parse::<IpNet>().unwrap()).collect()
    }

    /// Every row of the two registries (and multicast), and what we decided about it.
    const REGISTRIES: [(&str, &str, bool); 52] = [
        // IANA IPv4 Special-Purpose Address Registry.
        ("0.0.0.0/8", "this network", true),
        ("0.0.0.0/32", "this host on this network", true),
        ("10.0.0.0/8", "private use", false),
        ("100.64.0.0/10", "shared address space", false),
        ("127.0.0.0/8", "loopback", false),
        ("169.254.0.0/16", "link-local", false),
        ("172.16.0.0/12", "private use", false),
        ("192.0.0.0/24", "IETF protocol assignments", true),
        ("192.0.0.0/29", "IPv4 service continuity prefix", true),
        ("192.0.0.8/32", "IPv4 dummy address", true),
        ("192.0.0.9/32", "port control protocol anycast", true),
        ("192.0.0.10/32", "traversal using relays around NAT anycast", true),
        ("192.0.0.170/31", "NAT64/DNS64 discovery", true),
        ("192.0.2.0/24", "documentation (TEST-NET-1)", true),
        ("192.31.196.0/24", "AS112-v4", true),
        ("192.52.193.0/24", "AMT", true),
        ("192.88.99.0/24", "deprecated (6to4 relay anycast)", true),
        ("192.88.99.2/32", "6a44 relay anycast", true),
        ("192.168.0.0/16", "private use", false),
        ("192.175.48.0/24", "direct delegation AS112 service", true),
        ("198.18.0.0/15", "benchmarking", true),
        ("198.51.100.0/24", "documentation (TEST-NET-2)", true),
        ("203.0.113.0/24", "documentation (TEST-NET-3)", true),
        ("224.0.0.0/4", "multicast (its own registry)", true),
        ("240.0.0.0/4", "reserved", true),
        ("255.255.255.255/32", "limited broadcast", true),
        // IANA IPv6 Special-Purpose Address Registry.
        ("::1/128", "loopback", false),
        ("::/128", "unspecified", true),
        ("::ffff:0:0/96", "IPv4-mapped", true),
        ("64:ff9b::/96", "IPv4-IPv6 translation", true),
        ("64:ff9b:1::/48", "IPv4-IPv6 translation, local", true),
        ("100::/64", "discard-only", true),
        ("100:0:0:1::/64", "dummy prefix", true),
        ("2001::/23", "IETF protocol assignments", true),
        ("2001::/32", "Teredo", true),
        ("2001:1::1/128", "port control protocol anycast", true),
        ("2001:1::2/128", "traversal using relays around NAT anycast", true),
        ("2001:1::3/128", "DNS-SD service registration anycast", true),
        ("2001:2::/48", "benchmarking", true),
        ("2001:3::/32", "AMT", true),
        ("2001:4:112::/48", "AS112-v6", true),
        ("2001:10::/28", "deprecated (ORCHID)", true),
        ("2001:20::/28", "ORCHIDv2", true),
        ("2001:30::/28", "drone remote identification", true),
        ("2001:db8::/32", "documentation", true),
        ("2002::/16", "6to4", true),
        ("2620:4f:8000::/48", "direct delegation AS112 service", true),
        ("3fff::/20", "documentation", true),
        ("5f00::/16", "segment routing SIDs", true),
        ("fc00::/7", "unique local", false),
        ("fe80::/10", "link-local unicast", false),
        ("ff00::/8", "multicast (its own registry)", true),
    ];

    #[test]
    fn r2_1a_every_special_range_of_the_registries_is_decided() {
        for (net, name, public) in REGISTRIES {
            let all = set(&[net]);
            let expected = if public { all.clone() } else { AddressSet::default() };
            assert_eq!(all.public(), expected, "{net} ({name}) is of one kind throughout");
            assert_eq!(is_public(&net.parse().unwrap()), public, "{net} ({name})");
        }
        // And nothing is internal that the registries do not name so.
        let named: AddressSet = REGISTRIES
            .iter()
            .filter(|(_, _, public)| !public)
            .map(|(net, ..)| net.parse::<IpNet>().unwrap())
            .collect();
        assert_eq!(&named, AddressSet::internal());
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
            ("10.1.2.3/32", false),
            ("172.16.0.0/11", true),
            ("192.168.255.0/24", false),
            ("100.128.0.0/10", true),
            ("169.254.169.254/32", false),
            ("fd12:3456::/32", false),
            ("2000::/3", true),
            ("::ffff:10.0.0.0/104", true),
            ("8000::/1", true), // holds fc00::/7 and more
        ] {
            assert_eq!(is_public(&net.parse().unwrap()), public, "{net}");
        }
    }

    #[test]
    fn r2_1a_halves_make_a_whole() {
        let halves = set(&["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]);
        assert_eq!(halves, AddressSet::everything());
        assert_eq!(halves.nets(), ["0.0.0.0/0".parse().unwrap(), "::/0".parse::<IpNet>().unwrap()]);
        assert_eq!(halves.sizes(), (1 << 32, u128::MAX));
        assert_eq!(halves.to_string(), "every IPv4 address and every IPv6 address");
        assert_eq!(set(&["0.0.0.0/0"]).public().to_string(), "every public IPv4 address");
        assert_eq!(set(&["1.2.3.4/32"]).to_string(), "1 IPv4 address");
        assert_eq!(set(&["2001:db8::/32"]).to_string(), "some 2^96 IPv6 addresses");
        assert_eq!(set(&[]).to_string(), "no address");
    }

    fn nets() -> impl Strategy<Value = Vec<IpNet>> {
        // Short prefixes and few distinct bits, so that ranges overlap, touch and nest.
        let v4 = (any::<u8>(), any::<u8>(), 0u8..=32).prop_map(|(a, b, len)| {
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a & 0xf8, b & 0xc0, 0, b & 3), len).trunc())
        });
        let v6 = (any::<u16>(), any::<u8>(), 0u8..=128).prop_map(|(a, b, len)| {
            let address = Ipv6Addr::new(a & 0xfe00, 0, 0, 0, 0, 0, 0, u16::from(b & 3));
            IpNet::V6(Ipv6Net::new_assert(address, len).trunc())
        });
        prop::collection::vec(prop_oneof![v4, v6], 0..8)
    }

    /// A set changes only at the ends of its ranges: agreeing there and beside them is agreeing
    /// everywhere.
    fn probes(sets: [&[IpNet]; 2]) -> Vec<IpAddr> {
        let mut probes = Vec::new();
        for net in sets.into_iter().flatten() {
            match net {
                IpNet::V4(net) => {
                    for at in [net.network(), net.broadcast()].map(u32::from) {
                        let near = [at.wrapping_sub(1), at, at.wrapping_add(1)];
                        probes.extend(near.map(|n| IpAddr::V4(Ipv4Addr::from(n))));
                    }
                }
                IpNet::V6(net) => {
                    for at in [net.network(), net.broadcast()].map(u128::from) {
                        let near = [at.wrapping_sub(1), at, at.wrapping_add(1)];
                        probes.extend(near.map(|n| IpAddr::V6(Ipv6Addr::from(n))));
                    }
                }
            }
        }
        probes
    }

    fn holds(set: &AddressSet, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => set.v4.contains(address),
            IpAddr::V6(address) => set.v6.contains(address),
        }
    }

    proptest! {
        #[test]
        fn r2_1a_set_operations_are_exact(one in nets(), other in nets()) {
            let (a, b): (AddressSet, AddressSet) =
                (one.iter().copied().collect(), other.iter().copied().collect());
            let (or, and, less) = (&a | &b, &a & &b, &a - &b);
            for at in probes([&one, &other]) {
                let (in_a, in_b) = (
                    one.iter().any(|net| net.contains(&at)),
                    other.iter().any(|net| net.contains(&at)),
                );
                prop_assert_eq!(holds(&a, at), in_a, "{} in {:?}", at, one);
                prop_assert_eq!(holds(&or, at), in_a || in_b, "{}", at);
                prop_assert_eq!(holds(&and, at), in_a && in_b, "{}", at);
                prop_assert_eq!(holds(&less, at), in_a && !in_b, "{}", at);
            }
            prop_assert_eq!(a.is_subset(&b), less.is_empty());
            prop_assert!(and.is_subset(&a) && a.is_subset(&or));
        }

        #[test]
        fn r2_1a_cidr_notation_says_the_same_set(one in nets()) {
            let set: AddressSet = one.iter().copied().collect();
            let again: AddressSet = set.nets().into_iter().collect();
            prop_assert_eq!(&again, &set);
            prop_assert!(set.nets().len() <= one.len(), "never more ranges than were given");
        }

        #[test]
        fn r2_1a_public_is_what_no_internal_range_holds(one in nets()) {
            let set: AddressSet = one.iter().copied().collect();
            let internal: Vec<IpNet> = AddressSet::internal().nets();
            for at in probes([&one, &internal]) {
                let expected = one.iter().any(|net| net.contains(&at))
                    && !internal.iter().any(|net| net.contains(&at));
                prop_assert_eq!(holds(&set.public(), at), expected, "{}", at);
            }
            for net in &one {
                prop_assert_eq!(is_public(net), !AddressSet::from(*net).public().is_empty());
            }
        }
    }
}
