//! What a prefix list holds: a rule names it, and never says what is in it.

use aws_sdk_ec2::types::Filter;
use backstop_aws::{Account, Classify};
use backstop_core::net::AddressSet;
use backstop_core::text::safe;
use backstop_core::{Error, Result};
use ipnet::IpNet;

/// A managed prefix list with its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixList {
    /// `pl-…`.
    pub id: String,
    /// Its name. Chosen by its owner.
    pub name: String,
    /// The account that owns it; `AWS` for AWS's own.
    pub owner: String,
    /// How many entries it may hold: as many rules of a group's quota does a rule that names it
    /// take (EC2, prefix lists: quotas).
    pub max_entries: Option<u32>,
    /// What its entries hold together.
    pub addresses: AddressSet,
}

/// How many entries a page holds: EC2's maximum.
const PAGE: i32 = 100;

/// The prefix list of that id, over all pages of its entries.
///
/// # Errors
/// `Missing` if there is none, or it is not shared with this account; `Bug` if an entry is no range.
pub async fn prefix_list(account: &Account, id: &str) -> Result<PrefixList> {
    let (list, addresses) = futures::join!(described(account, id), addresses(account, id));
    Ok(PrefixList { addresses: addresses?, ..list? })
}

async fn described(account: &Account, id: &str) -> Result<PrefixList> {
    let list = account
        .ec2()
        .describe_managed_prefix_lists()
        .filters(Filter::builder().name("prefix-list-id").values(id).build())
        .send()
        .await
        .classed("ec2:DescribeManagedPrefixLists")?
        .prefix_lists
        .unwrap_or_default()
        .into_iter()
        .next()
        .ok_or_else(|| Error::missing(format!("the prefix list `{id}` does not exist")))?;
    Ok(PrefixList {
        id: id.to_owned(),
        name: list.prefix_list_name.unwrap_or_default(),
        owner: list.owner_id.unwrap_or_default(),
        max_entries: list.max_entries.and_then(|n| u32::try_from(n).ok()),
        addresses: AddressSet::default(),
    })
}

async fn addresses(account: &Account, id: &str) -> Result<AddressSet> {
    let mut nets: Vec<IpNet> = Vec::new();
    let mut next = None;
    loop {
        let page = account
            .ec2()
            .get_managed_prefix_list_entries()
            .prefix_list_id(id)
            .max_results(PAGE)
            .set_next_token(next)
            .send()
            .await
            .classed("ec2:GetManagedPrefixListEntries")?;
        for entry in page.entries.unwrap_or_default() {
            let cidr = entry.cidr.unwrap_or_default();
            let range = cidr.parse().map_err(|_| {
                Error::bug(format!("the prefix list `{id}` holds `{}`, no range", safe(&cidr, 60)))
            })?;
            nets.push(range);
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(nets.into_iter().collect());
        }
    }
}
