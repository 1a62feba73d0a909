//! What assessments read of EC2 before they decide.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Instance, PlatformValues, Tag};
use backstop_aws::{Account, Classify};
use backstop_core::{Error, Result};

/// A security group without its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `sg-…`.
    pub id: String,
    /// Its name. Chosen by others.
    pub name: String,
    /// The account that owns it.
    pub owner: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its tags. Those that begin with `aws:` cannot be set by users.
    pub tags: BTreeMap<String, String>,
}

/// A network interface that uses a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `eni-…`.
    pub id: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    /// `interface`, `ec2_instance_connect_endpoint`, `lambda` …
    pub kind: String,
    /// Every group that it has.
    pub groups: BTreeSet<String>,
    /// Its VPC: a group may be associated with others than its own.
    pub vpc: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// An instance, as far as remote access to it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// `i-…`.
    pub id: String,
    /// The key pair that it was launched with. Chosen by others.
    pub key_name: Option<String>,
    /// `pending`, `running` …
    pub state: String,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The groups of every interface, not of the primary one only.
    pub groups: BTreeSet<String>,
    /// Whether it runs Windows, where a key pair also decrypts the password.
    pub windows: bool,
}

pub(super) fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect()
}

/// The group of that id.
///
/// # Errors
/// `Missing` if there is none.
pub async fn group(account: &Account, id: &str) -> Result<Group> {
    let answer = account
        .ec2()
        .describe_security_groups()
        .group_ids(id)
        .send()
        .await
        .classed("ec2:DescribeSecurityGroups")?;
    let group = answer
        .security_groups
        .unwrap_or_default()
        .into_iter()
        .next()
        .ok_or_else(|| Error::missing(format!("the security group `{id}` does not exist")))?;
    Ok(Group {
        id: id.to_owned(),
        name: group.group_name.unwrap_or_default(),
        owner: group.owner_id,
        vpc: group.vpc_id,
        tags: tags(group.tags),
    })
}

/// Every interface that uses the group, over all pages.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn interfaces(account: &Account, group_id: &str) -> Result<Vec<Interface>> {
    let filter = Filter::builder().name("group-id").values(group_id).build();
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = account
            .ec2()
            .describe_network_interfaces()
            .filters(filter.clone())
            .max_results(1000) // EC2's maximum
            .set_next_token(next)
            .send()
            .await
            .classed("ec2:DescribeNetworkInterfaces")?;
        for interface in page.network_interfaces.unwrap_or_default() {
            found.push(Interface {
                id: interface.network_interface_id.unwrap_or_default(),
                instance: interface.attachment.and_then(|a| a.instance_id),
                kind: interface
                    .interface_type
                    .map(|kind| kind.as_str().to_owned())
                    .unwrap_or_default(),
                groups: interface
                    .groups
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|group| group.group_id)
                    .collect(),
                vpc: interface.vpc_id,
                tags: tags(interface.tag_set),
            });
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Which instances to read.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// By id.
    Ids(&'a [String]),
    /// By the token of the call that launched them.
    ClientToken(&'a str),
}

/// The instances, over all pages. An id that is gone is not an error: it is not among them.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn instances(account: &Account, which: Which<'_>) -> Result<Vec<Launched>> {
    Ok(described(account, Some(which)).await?.into_iter().filter_map(launched).collect())
}

/// The instances as EC2 describes them, over all pages; all of the account in the Region if it is
/// not said which.
pub(super) async fn described(
    account: &Account,
    which: Option<Which<'_>>,
) -> Result<Vec<Instance>> {
    // A filter, not ids: one id that is gone would make EC2 refuse the whole call.
    let filter = which.map(|which| match which {
        Which::Ids(ids) => {
            Filter::builder().name("instance-id").set_values(Some(ids.to_vec())).build()
        }
        Which::ClientToken(token) => Filter::builder().name("client-token").values(token).build(),
    });
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let page = account
            .ec2()
            .describe_instances()
            .set_filters(filter.clone().map(|filter| vec![filter]))
            .max_results(1000) // EC2's maximum
            .set_next_token(next)
            .send()
            .await
            .classed("ec2:DescribeInstances")?;
        for reservation in page.reservations.unwrap_or_default() {
            found.extend(reservation.instances.unwrap_or_default());
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn launched(instance: Instance) -> Option<Launched> {
    let windows = instance.platform == Some(PlatformValues::Windows);
    let of_interfaces = instance
        .network_interfaces
        .unwrap_or_default()
        .into_iter()
        .flat_map(|interface| interface.groups.unwrap_or_default());
    let groups = of_interfaces
        .chain(instance.security_groups.unwrap_or_default())
        .filter_map(|group| group.group_id)
        .collect();
    Some(Launched {
        id: instance.instance_id?,
        key_name: instance.key_name.filter(|name| !name.is_empty()),
        state: instance
            .state
            .and_then(|state| state.name)
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default(),
        vpc: instance.vpc_id,
        tags: tags(instance.tags),
        groups,
        windows,
    })
}
