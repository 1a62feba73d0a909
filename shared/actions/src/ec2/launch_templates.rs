//! The versions of launch templates, as far as the metadata service of what they launch goes.

use aws_sdk_ec2::types::LaunchTemplateVersion;
use backstop_aws::{Account, Classify};
use backstop_core::Result;

/// What a launch template is found by.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// Its id, `lt-…`.
    Id(&'a str),
    /// Its name.
    Name(&'a str),
}

/// One version of a launch template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateVersion {
    /// The template, `lt-…`.
    pub template: String,
    /// Its number.
    pub number: i64,
    /// Whether it is what launches that name no version get.
    pub is_default: bool,
    /// `optional` or `required`; none if the version leaves it to the account and the AMI.
    pub http_tokens: Option<String>,
    /// The hop limit; none if the version leaves it to the account and the AMI.
    pub hop_limit: Option<i32>,
    /// `enabled` or `disabled`.
    pub http_endpoint: Option<String>,
    /// The service that manages the template, if one does.
    pub managed_by: Option<String>,
}

/// Some versions of a launch template, by number, `$Default` or `$Latest`; each once.
///
/// # Errors
/// `Missing` if there is no such template or version.
pub async fn template_versions(
    account: &Account,
    template: Named<'_>,
    versions: &[&str],
) -> Result<Vec<TemplateVersion>> {
    let mut ask = account
        .ec2()
        .describe_launch_template_versions()
        .set_versions(Some(versions.iter().map(|v| (*v).to_owned()).collect()));
    ask = match template {
        Named::Id(id) => ask.launch_template_id(id),
        Named::Name(name) => ask.launch_template_name(name),
    };
    let answer = ask.send().await.classed("ec2:DescribeLaunchTemplateVersions")?;
    let mut found: Vec<TemplateVersion> =
        answer.launch_template_versions.unwrap_or_default().into_iter().filter_map(of).collect();
    found.sort_by_key(|version| version.number);
    found.dedup_by_key(|version| version.number);
    Ok(found)
}

fn of(version: LaunchTemplateVersion) -> Option<TemplateVersion> {
    let options = version.launch_template_data.and_then(|data| data.metadata_options);
    let options = options.as_ref();
    let managed = version.operator.filter(|operator| operator.managed == Some(true));
    Some(TemplateVersion {
        template: version.launch_template_id?,
        number: version.version_number?,
        is_default: version.default_version == Some(true),
        http_tokens: options.and_then(|o| Some(o.http_tokens.as_ref()?.as_str().to_owned())),
        hop_limit: options.and_then(|o| o.http_put_response_hop_limit),
        http_endpoint: options.and_then(|o| Some(o.http_endpoint.as_ref()?.as_str().to_owned())),
        managed_by: managed.map(|by| by.principal.unwrap_or_else(|| "a service".to_owned())),
    })
}
