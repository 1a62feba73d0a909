//! One security group rule, as it is read, written down, and put back.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroupRule,
    SecurityGroupRuleRequest, Tag, TagSpecification, UserIdGroupPair,
};
use backstop_aws::{Account, Classify};
use backstop_core::net::PortRange;
use backstop_core::text::shell;
use backstop_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a rule lets traffic in from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An IPv4 range, as EC2 writes it.
    CidrIpv4(String),
    /// An IPv6 range, as EC2 writes it.
    CidrIpv6(String),
    /// A prefix list.
    PrefixList(String),
    /// Another security group, or the same one.
    Group {
        /// Its id.
        group_id: String,
        /// Its owner, where EC2 tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_id: Option<String>,
        /// Its VPC, where it is a peered one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vpc_id: Option<String>,
        /// The peering connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peering: Option<String>,
    },
}

/// What a rule admits and how it is labelled; its id is not part of it, because a rule that is put
/// back gets a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol number, or `-1` for all.
    pub protocol: String,
    /// The first port; the ICMP type; none or -1 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_port: Option<i32>,
    /// The last port; the ICMP code; none or -1 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_port: Option<i32>,
    /// Where from.
    pub source: Source,
    /// The description. Chosen by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The rule's own tags. Chosen by others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A rule with what identifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRule {
    /// `sgr-…`.
    pub id: String,
    /// `sg-…`.
    pub group_id: String,
    /// The account that owns the group.
    pub owner: Option<String>,
    /// Whether it lets traffic out.
    pub is_egress: bool,
    /// What it admits.
    pub rule: Rule,
}

impl LiveRule {
    /// # Errors
    /// `Bug` if EC2 left out what every rule has.
    fn read(rule: SecurityGroupRule) -> Result<Self> {
        let missing = |what: &str| Error::bug(format!("a security group rule without {what}"));
        let id = rule.security_group_rule_id.ok_or_else(|| missing("an id"))?;
        let source = if let Some(cidr) = rule.cidr_ipv4 {
            Source::CidrIpv4(cidr)
        } else if let Some(cidr) = rule.cidr_ipv6 {
            Source::CidrIpv6(cidr)
        } else if let Some(list) = rule.prefix_list_id {
            Source::PrefixList(list)
        } else if let Some(group) = rule.referenced_group_info {
            Source::Group {
                group_id: group.group_id.ok_or_else(|| missing("its referenced group"))?,
                user_id: group.user_id,
                vpc_id: group.vpc_id.filter(|_| group.vpc_peering_connection_id.is_some()),
                peering: group.vpc_peering_connection_id,
            }
        } else {
            return Err(missing(&format!("a source (`{id}`)")));
        };
        Ok(Self {
            group_id: rule.group_id.ok_or_else(|| missing("a group"))?,
            owner: rule.group_owner_id,
            is_egress: rule.is_egress.ok_or_else(|| missing("a direction"))?,
            rule: Rule {
                protocol: rule.ip_protocol.ok_or_else(|| missing("a protocol"))?,
                from_port: rule.from_port,
                to_port: rule.to_port,
                source,
                description: rule.description.filter(|d| !d.is_empty()),
                tags: rule
                    .tags
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
                    // AWS's own tags cannot be put back, so they are no part of what is restored.
                    .filter(|(key, _)| !key.starts_with("aws:"))
                    .collect(),
            },
            id,
        })
    }
}

impl Rule {
    /// Whether both admit the same: EC2 refuses a second rule that does.
    pub fn admits_same(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.from_port == other.from_port
            && self.to_port == other.to_port
            && self.source == other.source
    }

    /// The same rule without tags.
    #[must_use]
    pub fn untagged(&self) -> Self {
        Self { tags: BTreeMap::new(), ..self.clone() }
    }

    /// The same rule with other ports: its source, description and tags are untouched.
    #[must_use]
    pub fn with_ports(&self, ports: PortRange) -> Self {
        Self {
            from_port: Some(ports.from().into()),
            to_port: Some(ports.to().into()),
            ..self.clone()
        }
    }

    /// The rule as EC2 wants it for a modification: whole, for what is left out is removed.
    pub(crate) fn request(&self) -> SecurityGroupRuleRequest {
        let request = SecurityGroupRuleRequest::builder()
            .ip_protocol(&self.protocol)
            .set_from_port(self.from_port)
            .set_to_port(self.to_port)
            .set_description(self.description.clone());
        match &self.source {
            Source::CidrIpv4(cidr) => request.cidr_ipv4(cidr),
            Source::CidrIpv6(cidr) => request.cidr_ipv6(cidr),
            Source::PrefixList(id) => request.prefix_list_id(id),
            Source::Group { group_id, .. } => request.referenced_group_id(group_id),
        }
        .build()
    }

    /// The same as the AWS CLI wants it.
    pub(crate) fn request_json(&self) -> Value {
        let mut request = serde_json::Map::new();
        request.insert("IpProtocol".into(), json!(self.protocol));
        request.extend(self.from_port.map(|p| ("FromPort".to_owned(), json!(p))));
        request.extend(self.to_port.map(|p| ("ToPort".to_owned(), json!(p))));
        let (key, value) = match &self.source {
            Source::CidrIpv4(cidr) => ("CidrIpv4", cidr),
            Source::CidrIpv6(cidr) => ("CidrIpv6", cidr),
            Source::PrefixList(id) => ("PrefixListId", id),
            Source::Group { group_id, .. } => ("ReferencedGroupId", group_id),
        };
        request.insert(key.into(), json!(value));
        request.extend(self.description.as_ref().map(|d| ("Description".to_owned(), json!(d))));
        Value::Object(request)
    }

    /// The rule as EC2 wants it for an authorisation.
    pub(crate) fn permission(&self) -> IpPermission {
        let description = self.description.clone();
        let mut permission = IpPermission::builder().ip_protocol(&self.protocol);
        // `-1` takes no ports.
        if self.protocol != "-1" {
            permission = permission.set_from_port(self.from_port).set_to_port(self.to_port);
        }
        match &self.source {
            Source::CidrIpv4(cidr) => permission
                .ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(description).build()),
            Source::CidrIpv6(cidr) => permission.ipv6_ranges(
                Ipv6Range::builder().cidr_ipv6(cidr).set_description(description).build(),
            ),
            Source::PrefixList(id) => permission.prefix_list_ids(
                PrefixListId::builder().prefix_list_id(id).set_description(description).build(),
            ),
            Source::Group { group_id, user_id, vpc_id, peering } => permission.user_id_group_pairs(
                UserIdGroupPair::builder()
                    .group_id(group_id)
                    .set_user_id(user_id.clone())
                    .set_vpc_id(vpc_id.clone())
                    .set_vpc_peering_connection_id(peering.clone())
                    .set_description(description)
                    .build(),
            ),
        }
        .build()
    }

    /// The rule's own tags, for an authorisation.
    pub(crate) fn tag_specification(&self) -> Option<TagSpecification> {
        let tags: Vec<Tag> = self
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        (!tags.is_empty()).then(|| {
            TagSpecification::builder()
                .resource_type(ResourceType::SecurityGroupRule)
                .set_tags(Some(tags))
                .build()
        })
    }

    /// `--ip-permissions` and `--tag-specifications` of the AWS CLI, quoted.
    pub(crate) fn cli_arguments(&self) -> String {
        let mut permission = serde_json::Map::new();
        permission.insert("IpProtocol".into(), json!(self.protocol));
        if self.protocol != "-1" {
            permission.extend(self.from_port.map(|p| ("FromPort".to_owned(), json!(p))));
            permission.extend(self.to_port.map(|p| ("ToPort".to_owned(), json!(p))));
        }
        let mut of = |list: &str, mut source: Value| {
            if let (Some(description), Some(source)) = (&self.description, source.as_object_mut()) {
                source.insert("Description".into(), json!(description));
            }
            permission.insert(list.to_owned(), json!([source]));
        };
        match &self.source {
            Source::CidrIpv4(cidr) => of("IpRanges", json!({ "CidrIp": cidr })),
            Source::CidrIpv6(cidr) => of("Ipv6Ranges", json!({ "CidrIpv6": cidr })),
            Source::PrefixList(id) => of("PrefixListIds", json!({ "PrefixListId": id })),
            Source::Group { group_id, user_id, vpc_id, peering } => {
                let mut pair = serde_json::Map::new();
                pair.insert("GroupId".into(), json!(group_id));
                pair.extend(user_id.as_ref().map(|v| ("UserId".to_owned(), json!(v))));
                pair.extend(vpc_id.as_ref().map(|v| ("VpcId".to_owned(), json!(v))));
                pair.extend(
                    peering.as_ref().map(|v| ("VpcPeeringConnectionId".to_owned(), json!(v))),
                );
                of("UserIdGroupPairs", Value::Object(pair));
            }
        }
        let mut line = format!("--ip-permissions {}", shell(&json!([permission]).to_string()));
        let tags: Vec<Value> =
            self.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        if !tags.is_empty() {
            let specification =
                json!([{ "ResourceType": "security-group-rule", "Tags": tags }]).to_string();
            line.extend([" --tag-specifications ", &shell(&specification)]);
        }
        line
    }

    /// The rule in a few words: `tcp 22 from 0.0.0.0/0`.
    pub fn words(&self) -> String {
        let protocol = if self.protocol == "-1" { "all traffic" } else { &self.protocol };
        let ports = match (self.from_port, self.to_port) {
            (Some(from), Some(to)) if self.protocol != "-1" && from == to => format!(" {from}"),
            (Some(from), Some(to)) if self.protocol != "-1" => format!(" {from}-{to}"),
            _ => String::new(),
        };
        let source = match &self.source {
            Source::CidrIpv4(cidr) | Source::CidrIpv6(cidr) => cidr,
            Source::PrefixList(id) => id,
            Source::Group { group_id, .. } => group_id,
        };
        format!("{protocol}{ports} from {source}")
    }
}

/// How many rules a page holds: EC2's maximum.
const PAGE: i32 = 1000;

/// How many values a filter takes: EC2's maximum.
const VALUES: usize = 200;

/// Every rule of a group, over all pages.
///
/// # Errors
/// `Missing` if there is no such group.
pub async fn rules_of(account: &Account, group_id: &str) -> Result<Vec<LiveRule>> {
    rules_of_all(account, &[group_id]).await
}

/// Every rule of several groups, over all pages, by id.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn rules_of_all(account: &Account, group_ids: &[&str]) -> Result<Vec<LiveRule>> {
    let mut rules = Vec::new();
    for some in group_ids.chunks(VALUES) {
        let values = some.iter().map(ToString::to_string).collect();
        let filter = Filter::builder().name("group-id").set_values(Some(values)).build();
        rules.extend(every_rule(account, Some(filter)).await?);
    }
    // EC2 promises no order, and the order of a plan is part of its hash.
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

/// Every rule of every group of the account in the Region, over all pages, by id.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn all_rules(account: &Account) -> Result<Vec<LiveRule>> {
    let mut rules = every_rule(account, None).await?;
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(rules)
}

async fn every_rule(account: &Account, filter: Option<Filter>) -> Result<Vec<LiveRule>> {
    let mut rules = Vec::new();
    let mut next = None;
    loop {
        let page = account
            .ec2()
            .describe_security_group_rules()
            .set_filters(filter.clone().map(|filter| vec![filter]))
            .max_results(PAGE)
            .set_next_token(next)
            .send()
            .await
            .classed("ec2:DescribeSecurityGroupRules")?;
        for rule in page.security_group_rules.unwrap_or_default() {
            rules.push(LiveRule::read(rule)?);
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(rules);
        }
    }
}

/// One rule, none if it is gone.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn rule_by_id(account: &Account, rule_id: &str) -> Result<Option<LiveRule>> {
    let answer = account
        .ec2()
        .describe_security_group_rules()
        .security_group_rule_ids(rule_id)
        .send()
        .await
        .classed("ec2:DescribeSecurityGroupRules");
    match answer {
        Ok(answer) => answer
            .security_group_rules
            .unwrap_or_default()
            .into_iter()
            .next()
            .map(LiveRule::read)
            .transpose(),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an ingress rule of a group admits, none if it is gone.
///
/// # Errors
/// `Conflict` if the rule is another group's, or lets traffic out.
pub(super) async fn ingress_by_id(
    account: &Account,
    group_id: &str,
    rule_id: &str,
) -> Result<Option<Rule>> {
    match rule_by_id(account, rule_id).await? {
        Some(live) if live.group_id != group_id || live.is_egress => {
            Err(Error::conflict(format!("`{rule_id}` is no ingress rule of `{group_id}`")))
        }
        live => Ok(live.map(|live| live.rule)),
    }
}
