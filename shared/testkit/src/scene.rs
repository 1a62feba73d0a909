//! A small account: a VPC, groups, rules, instances, key pairs.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
pub use aws_sdk_ec2::types::SecurityGroupRule;
use aws_sdk_ec2::types::{
    AddPrefixListEntry, Filter, Instance, InstanceType, IpPermission, IpRange, Ipv6Range,
    PrefixListId, ResourceType, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, Tag,
    TagSpecification, UserIdGroupPair,
};
use backstop_aws::{Account, Connection, Credentials};
use jiff::Timestamp;

use crate::local::{Call, Local};
use crate::records::Recorded;

/// An account of its own in the local AWS.
#[derive(Debug)]
pub struct Scene {
    /// The local AWS.
    pub local: Local,
    /// The account.
    pub account: Account,
    /// The way to it.
    pub connection: Connection,
    /// The VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    events: AtomicU64,
}

/// The Region of every scene.
pub const REGION: &str = "eu-west-1";

/// A range of ports from a source, as a rule is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Allow<'a> {
    /// `tcp`, `-1` …
    pub protocol: &'a str,
    /// First and last port.
    pub ports: Option<(i32, i32)>,
    /// A range of addresses, a prefix list, or a group: `sg-…` of this account, or with its owner
    /// `111122223333/sg-…`.
    pub source: &'a str,
    /// The description.
    pub description: Option<&'a str>,
}

impl<'a> Allow<'a> {
    /// TCP `port` from `source`.
    pub const fn tcp(port: i32, source: &'a str) -> Self {
        Self::range(port, port, source)
    }

    /// TCP `from` to `to` from `source`.
    pub const fn range(from: i32, to: i32, source: &'a str) -> Self {
        Self { protocol: "tcp", ports: Some((from, to)), source, description: None }
    }

    /// Everything from `source`.
    pub const fn all(source: &'a str) -> Self {
        Self { protocol: "-1", ports: None, source, description: None }
    }

    fn permission(self) -> IpPermission {
        let mut permission = IpPermission::builder().ip_protocol(self.protocol);
        if let Some((from, to)) = self.ports {
            permission = permission.from_port(from).to_port(to);
        }
        let description = self.description.map(str::to_owned);
        if self.source.starts_with("pl-") {
            permission = permission.prefix_list_ids(
                PrefixListId::builder()
                    .prefix_list_id(self.source)
                    .set_description(description)
                    .build(),
            );
        } else if let Some(at) = self.source.find("sg-") {
            let (owner, group) = self.source.split_at(at);
            let owner = owner.strip_suffix('/').map(str::to_owned);
            permission = permission.user_id_group_pairs(
                UserIdGroupPair::builder()
                    .group_id(group)
                    .set_user_id(owner)
                    .set_description(description)
                    .build(),
            );
        } else if self.source.contains(':') {
            permission = permission.ipv6_ranges(
                Ipv6Range::builder().cidr_ipv6(self.source).set_description(description).build(),
            );
        } else {
            permission = permission.ip_ranges(
                IpRange::builder().cidr_ip(self.source).set_description(description).build(),
            );
        }
        permission.build()
    }
}

impl Scene {
    /// A fresh account with a VPC, the journal's table and the topics.
    ///
    /// # Errors
    /// If the local AWS does not play along.
    pub async fn new() -> Result<Self> {
        Self::in_account(Local::from_env()?, &Local::fresh_account()).await
    }

    /// The same in a given account.
    ///
    /// # Errors
    /// If the local AWS does not play along.
    pub async fn in_account(local: Local, id: &str) -> Result<Self> {
        local.set_up(id, REGION)?;
        Self::bare(local, id).await
    }

    /// A given account with a VPC: table and topics come with a deployment.
    ///
    /// # Errors
    /// If the local AWS does not play along.
    pub async fn bare(local: Local, id: &str) -> Result<Self> {
        let connection = Self::connection(&local, id)?;
        let account = Account::new(id, connection.clone());
        let vpc = account
            .ec2()
            .create_vpc()
            .cidr_block("10.0.0.0/16")
            .send()
            .await?
            .vpc
            .and_then(|v| v.vpc_id)
            .context("no VPC id")?;
        let subnet = account
            .ec2()
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block("10.0.0.0/24")
            .send()
            .await?
            .subnet
            .and_then(|s| s.subnet_id)
            .context("no subnet id")?;
        Ok(Self { local, account, connection, vpc, subnet, events: AtomicU64::new(0) })
    }

    /// The way to an account of the local AWS: its id is the access key.
    ///
    /// # Errors
    /// Never, in truth: there is no CA bundle to be wrong.
    pub fn connection(local: &Local, account: &str) -> Result<Connection> {
        let credentials = Credentials {
            access_key_id: account.to_owned(),
            secret_access_key: "dummy".to_owned(),
            session_token: None,
        };
        let connection = Connection::open(REGION, Some(local.endpoint()), &credentials, None)?;
        Ok(connection.with_attempts(1))
    }

    /// The account's id.
    pub fn id(&self) -> &str {
        self.account.id()
    }

    /// A group.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn group(&self, name: &str) -> Result<String> {
        self.account
            .ec2()
            .create_security_group()
            .group_name(name)
            .description("made by a test")
            .vpc_id(&self.vpc)
            .send()
            .await?
            .group_id
            .context("no group id")
    }

    /// Authorises a rule.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn allow(&self, group: &str, allow: Allow<'_>) -> Result<SecurityGroupRule> {
        self.allow_tagged(group, allow, &[]).await
    }

    /// Authorises a rule that has tags.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn allow_tagged(
        &self,
        group: &str,
        allow: Allow<'_>,
        tags: &[(&str, &str)],
    ) -> Result<SecurityGroupRule> {
        let tags: Vec<Tag> = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(*value).build())
            .collect();
        let tagged = (!tags.is_empty()).then(|| {
            TagSpecification::builder()
                .resource_type(ResourceType::SecurityGroupRule)
                .set_tags(Some(tags))
                .build()
        });
        self.account
            .ec2()
            .authorize_security_group_ingress()
            .group_id(group)
            .ip_permissions(allow.permission())
            .set_tag_specifications(tagged.map(|tagged| vec![tagged]))
            .send()
            .await?
            .security_group_rules
            .and_then(|rules| rules.into_iter().next())
            .context("no rule")
    }

    /// Takes an ingress rule away.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn revoke(&self, group: &str, rule: &str) -> Result<()> {
        self.account
            .ec2()
            .revoke_security_group_ingress()
            .group_id(group)
            .security_group_rule_ids(rule)
            .send()
            .await?;
        Ok(())
    }

    /// Puts tags on a rule, or on anything else that EC2 holds.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn tag(&self, id: &str, tags: &[(&str, &str)]) -> Result<()> {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        self.account
            .ec2()
            .create_tags()
            .resources(id)
            .set_tags(Some(tags.collect()))
            .send()
            .await?;
        Ok(())
    }

    /// A prefix list of the account's own.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn prefix_list(&self, name: &str, cidrs: &[&str]) -> Result<String> {
        let entries =
            cidrs.iter().map(|cidr| AddPrefixListEntry::builder().cidr(*cidr).build()).collect();
        let family = if cidrs.iter().any(|c| c.contains(':')) { "IPv6" } else { "IPv4" };
        self.account
            .ec2()
            .create_managed_prefix_list()
            .prefix_list_name(name)
            .address_family(family)
            .max_entries(i32::try_from(cidrs.len().max(1))?)
            .set_entries(Some(entries))
            .send()
            .await?
            .prefix_list
            .and_then(|list| list.prefix_list_id)
            .context("no prefix list id")
    }

    /// Authorises that many rules in one call: more than a page, if it is asked for.
    /// TCP 443 from ranges of its own. Returns their ids.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn crowd(&self, group: &str, count: usize) -> Result<Vec<String>> {
        let ranges =
            (0..count).map(|n| IpRange::builder().cidr_ip(format!("10.9.{n}.0/24")).build());
        let permission = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(443)
            .to_port(443)
            .set_ip_ranges(Some(ranges.collect()))
            .build();
        let rules = self
            .account
            .ec2()
            .authorize_security_group_ingress()
            .group_id(group)
            .ip_permissions(permission)
            .send()
            .await?
            .security_group_rules
            .unwrap_or_default();
        Ok(rules.into_iter().filter_map(|rule| rule.security_group_rule_id).collect())
    }

    /// A rule as EC2 shows it.
    ///
    /// # Errors
    /// If EC2 shows none of that id.
    pub async fn rule(&self, group: &str, rule: &str) -> Result<SecurityGroupRule> {
        let answer = self
            .account
            .ec2()
            .describe_security_group_rules()
            .security_group_rule_ids(rule)
            .send()
            .await?;
        let rules = answer.security_group_rules.unwrap_or_default();
        rules.into_iter().find(|r| r.group_id() == Some(group)).context("no such rule")
    }

    /// Changes a rule into TCP `port` from `source`.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn widen(&self, group: &str, rule: &str, port: i32, source: &str) -> Result<()> {
        self.modify(group, rule, (port, port), source).await
    }

    /// Changes a rule into TCP with these ports from `source`.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn modify(
        &self,
        group: &str,
        rule: &str,
        (from, to): (i32, i32),
        source: &str,
    ) -> Result<()> {
        let to = SecurityGroupRuleRequest::builder()
            .ip_protocol("tcp")
            .from_port(from)
            .to_port(to)
            .cidr_ipv4(source)
            .build();
        let update = SecurityGroupRuleUpdate::builder()
            .security_group_rule_id(rule)
            .security_group_rule(to)
            .build();
        self.account
            .ec2()
            .modify_security_group_rules()
            .group_id(group)
            .security_group_rules(update)
            .send()
            .await?;
        Ok(())
    }

    /// Every rule of a group as EC2 shows it, in all its properties but the ids of the rule and of
    /// the group, sorted: what two groups have in common if they admit the same.
    ///
    /// # Errors
    /// If EC2 refuses, or shows more than one page.
    pub async fn shown(&self, group: &str) -> Result<Vec<SecurityGroupRule>> {
        let answer = self
            .account
            .ec2()
            .describe_security_group_rules()
            .filters(Filter::builder().name("group-id").values(group).build())
            .send()
            .await?;
        ensure!(answer.next_token.is_none(), "{group} has more rules than a page");
        let mut rules = answer.security_group_rules.unwrap_or_default();
        for rule in &mut rules {
            rule.security_group_rule_id = None;
            rule.security_group_rule_arn = None;
            rule.group_id = None;
            if let Some(source) = &mut rule.referenced_group_info
                && source.group_id.as_deref() == Some(group)
            {
                source.group_id = Some("itself".to_owned());
            }
            if let Some(tags) = &mut rule.tags {
                tags.sort_by(|a, b| a.key.cmp(&b.key));
            }
        }
        rules.sort_by_key(|rule| format!("{rule:?}"));
        Ok(rules)
    }

    /// The ingress rules of a group, in words, sorted.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn rules(&self, group: &str) -> Result<Vec<String>> {
        let mut words: Vec<String> = backstop_actions::ec2::rules_of(&self.account, group)
            .await?
            .into_iter()
            .filter(|rule| !rule.is_egress)
            .map(|rule| rule.rule.words())
            .collect();
        words.sort();
        Ok(words)
    }

    /// Launches instances with that group, with or without a key pair.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn launch(
        &self,
        count: i32,
        group: &str,
        key: Option<&str>,
    ) -> Result<Vec<Instance>> {
        if let Some(key) = key {
            let there = self
                .account
                .ec2()
                .describe_key_pairs()
                .filters(Filter::builder().name("key-name").values(key).build())
                .send()
                .await?;
            if there.key_pairs().is_empty() {
                self.account.ec2().create_key_pair().key_name(key).send().await?;
            }
        }
        let answer = self
            .account
            .ec2()
            .run_instances()
            .image_id("ami-12c6146b")
            .instance_type(InstanceType::T3Micro)
            .min_count(count)
            .max_count(count)
            .security_group_ids(group)
            .subnet_id(&self.subnet)
            .set_key_name(key.map(str::to_owned))
            .send()
            .await?;
        Ok(answer.instances.unwrap_or_default())
    }

    /// Launches an instance with a key pair under a client token.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn launch_with_token(&self, group: &str, key: &str, token: &str) -> Result<()> {
        self.account
            .ec2()
            .run_instances()
            .image_id("ami-12c6146b")
            .instance_type(InstanceType::T3Micro)
            .min_count(1)
            .max_count(1)
            .security_group_ids(group)
            .subnet_id(&self.subnet)
            .key_name(key)
            .client_token(token)
            .send()
            .await?;
        Ok(())
    }

    /// What the next event is recorded with: now, by a role called `deployer`.
    pub fn recorded(&self) -> Recorded {
        self.recorded_at(Timestamp::now())
    }

    /// The same at a given time.
    pub fn recorded_at(&self, time: Timestamp) -> Recorded {
        Recorded {
            account: self.id().to_owned(),
            region: REGION.to_owned(),
            time,
            role: ("deployer".to_owned(), "alice".to_owned()),
            n: self.events.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The number of the last call so far: what comes later is new.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn mark(&self) -> Result<u64> {
        self.local.last()
    }

    /// The calls since a mark.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn calls(&self, since: u64) -> Result<Vec<Call>> {
        self.local.calls(self.id(), since)
    }

    /// The names of the calls since a mark that changed something.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn changes(&self, since: u64) -> Result<Vec<String>> {
        Ok(self.calls(since)?.iter().filter(|c| c.mutates()).map(Call::name).collect())
    }

    /// What was published since a mark: topic and readable text.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn notices(&self, since: u64) -> Result<Vec<(String, String)>> {
        Ok(self
            .calls(since)?
            .into_iter()
            .filter(|call| call.name() == "sns:Publish" && call.error.is_none())
            .map(|call| {
                let text = |key: &str| {
                    call.params.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
                };
                let topic = text("TopicArn").rsplit('-').next().unwrap_or_default().to_owned();
                let message: serde_json::Value =
                    serde_json::from_str(&text("Message")).unwrap_or_default();
                let email = message.get("email").and_then(|v| v.as_str()).unwrap_or_default();
                (topic, email.to_owned())
            })
            .collect())
    }
}
