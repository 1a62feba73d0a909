//! The policy of `ssh-access` (aws-work-02).

use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::shape;
use super::table::{Bounds, Table};
use crate::ident::Shape;

const INTERFACES: Bounds = (0, 1_000);

/// The policy of `ssh-access` (aws-work-02). Every allow-list is empty by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SshAccess {
    /// How many network interfaces a security group may be attached to when a rule of it is revoked
    /// unattended. With more, the revocation waits for a person. 0: unattended only if unused.
    #[schemars(range(min = INTERFACES.0, max = INTERFACES.1))]
    pub max_interfaces: u32,
    /// Networks of the operator's own that have public addresses: as internal ones, a ticket. At least /8 (IPv6:
    /// /16): a wider one would admit everybody.
    #[schemars(with = "Vec<String>")]
    pub corporate_cidrs: Vec<IpNet>,
    /// Prefix lists that may be the source of a rule for exactly port 22, for as long as they can
    /// be read and hold no more public addresses than an IPv4 /8 and an IPv6 /16.
    #[schemars(inner(regex(pattern = Shape::PrefixList.pattern())))]
    pub acceptable_prefix_lists: Vec<String>,
    /// Launches that may name a key pair: they are a ticket, not a page.
    #[serde(rename = "allowed_key_pair")]
    pub allowed_key_pairs: Vec<AllowedKeyPair>,
    /// Whether port 22 from internal addresses, corporate networks, security groups in scope or EC2
    /// Instance Connect pages.
    pub strict_internal: bool,
    /// Security groups of bastions, to be replaced by Session Manager by a date.
    #[serde(rename = "bastion_group")]
    pub bastion_groups: Vec<BastionGroup>,
    /// ARNs of the roles that must hold `AmazonSSMManagedInstanceCore`. Only to these is it
    /// attached again.
    pub ssm_baseline_roles: Vec<String>,
}

/// A launch that may name a key pair. Every key that is given must hold; at least one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AllowedKeyPair {
    /// The key pair's name. Whoever launches chooses it: give another key with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The launch template's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = shape::hex_pattern("lt")))]
    pub launch_template: Option<String>,
    /// The Auto Scaling group's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group: Option<String>,
    /// The ARN of the role that launches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A security group of a bastion: until a date its rules are changed only by an approval.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BastionGroup {
    /// The security group.
    #[schemars(regex(pattern = Shape::SecurityGroup.pattern()))]
    pub group_id: String,
    /// When it ends: a date (the end of that day, UTC) or an RFC 3339 time.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// Why it still exists.
    #[schemars(length(min = 1))]
    pub reason: String,
}

impl Default for SshAccess {
    fn default() -> Self {
        Self {
            max_interfaces: 20,
            corporate_cidrs: Vec::new(),
            acceptable_prefix_lists: Vec::new(),
            allowed_key_pairs: Vec::new(),
            strict_internal: false,
            bastion_groups: Vec::new(),
            ssm_baseline_roles: Vec::new(),
        }
    }
}

impl SshAccess {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let mut ssh = Self {
            max_interfaces: t.number("max_interfaces", d.max_interfaces, INTERFACES),
            corporate_cidrs: t.list("corporate_cidrs", shape::cidr),
            acceptable_prefix_lists: t
                .list("acceptable_prefix_lists", shape::of(Shape::PrefixList)),
            allowed_key_pairs: t.tables("allowed_key_pair", AllowedKeyPair::read),
            strict_internal: t.flag("strict_internal", d.strict_internal),
            bastion_groups: t.tables("bastion_group", BastionGroup::read),
            ssm_baseline_roles: t.list("ssm_baseline_roles", shape::role),
        };
        ssh.allowed_key_pairs.sort();
        ssh.bastion_groups.sort();
        t.finish();
        ssh
    }

    /// The bastion that the security group belongs to, unless its date has passed.
    pub fn bastion(&self, group_id: &str, now: Timestamp) -> Option<&BastionGroup> {
        self.bastion_groups.iter().find(|b| b.group_id == group_id && b.until > now)
    }
}

impl AllowedKeyPair {
    fn read(mut t: Table<'_>) -> Self {
        let allowed = Self {
            key_name: t.text("key_name", shape::text),
            launch_template: t.text("launch_template", shape::hex("lt")),
            auto_scaling_group: t.text("auto_scaling_group", shape::text),
            role: t.text("role", shape::role),
        };
        if t.is_empty() {
            t.note(
                "",
                "it names no launch",
                "give `key_name`, `launch_template`, `auto_scaling_group` or `role`",
            );
        }
        t.finish();
        allowed
    }
}

impl BastionGroup {
    fn read(mut t: Table<'_>) -> Self {
        let bastion = Self {
            group_id: t.needed("group_id", shape::of(Shape::SecurityGroup)),
            until: t.time("until").unwrap_or_default(),
            reason: t.needed("reason", shape::text),
        };
        t.finish();
        bastion
    }
}
