//! Which instances use an instance profile.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;
use backstop_aws::{Account, Classify};
use backstop_core::Result;

/// How many values a filter takes: EC2's maximum.
const VALUES: usize = 200;

/// The ids of the instances that use one of the instance profiles, by its ARN, over all pages.
/// Those that are gone, or on their way, are not among them.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn instances_with_profiles(
    account: &Account,
    profiles: &[String],
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for some in profiles.chunks(VALUES) {
        let profile = Filter::builder()
            .name("iam-instance-profile.arn")
            .set_values(Some(some.to_vec()))
            .build();
        let state = Filter::builder()
            .name("instance-state-name")
            .set_values(Some(
                ["pending", "running", "stopping", "stopped"].map(str::to_owned).to_vec(),
            ))
            .build();
        let mut next = None;
        loop {
            let page = account
                .ec2()
                .describe_instances()
                .filters(profile.clone())
                .filters(state.clone())
                .max_results(1000) // EC2's maximum
                .set_next_token(next)
                .send()
                .await
                .classed("ec2:DescribeInstances")?;
            let instances = page.reservations.unwrap_or_default().into_iter();
            let instances = instances.flat_map(|r| r.instances.unwrap_or_default());
            found.extend(instances.filter_map(|instance| instance.instance_id));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
    }
    Ok(found)
}
