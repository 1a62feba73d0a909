//! The options of an instance's metadata service, and `ec2.instance-metadata-options.modify/1`,
//! which makes them stricter.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    HttpTokensState, Instance, InstanceMetadataOptionsState, InstanceStateName,
};
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::Result;
use backstop_core::ident::ec2_arn;
use backstop_core::manifest::{Condition, Permissions, Statement};
use serde::{Deserialize, Serialize};

use super::reads::{Which, described, tags};

/// The options of an instance's metadata service, as EC2 shows them. What is `None` EC2 did not
/// say.
#[derive(Clone, Debug, Default, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetadataOptions {
    /// `optional`: IMDSv1 answers too. `required`: IMDSv2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_tokens: Option<String>,
    /// How many hops the answer with the token of IMDSv2 may travel: 1 to 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_put_response_hop_limit: Option<i32>,
    /// `disabled`: no version answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_endpoint: Option<String>,
    /// Whether the service also answers over IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_protocol_ipv6: Option<String>,
    /// Whether it also tells the instance's tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_metadata_tags: Option<String>,
    /// Whether a change of them is still being carried out. Not on a stopped instance, where it
    /// comes into force at the next start.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
}

/// Whether a change is in force yet is no part of what the options are: a plan would be another
/// one a moment later, and an undo refused.
impl PartialEq for MetadataOptions {
    fn eq(&self, other: &Self) -> bool {
        let settings = |of: &Self| {
            (
                of.http_tokens.clone(),
                of.http_put_response_hop_limit,
                of.http_endpoint.clone(),
                of.http_protocol_ipv6.clone(),
                of.instance_metadata_tags.clone(),
            )
        };
        settings(self) == settings(other)
    }
}

impl MetadataOptions {
    /// Whether the service is switched off.
    pub fn is_off(&self) -> bool {
        self.http_endpoint.as_deref() == Some("disabled")
    }

    /// Whether only IMDSv2 is answered.
    pub fn requires_tokens(&self) -> bool {
        self.http_tokens.as_deref() == Some("required")
    }

    /// The same without saying whether a change is in force: what a plan is made from.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { pending: false, ..self.clone() }
    }

    /// What an instance has.
    fn of(instance: &Instance) -> Self {
        let Some(options) = &instance.metadata_options else { return Self::default() };
        let stopped = matches!(state_of(instance), "stopped" | "stopping");
        let waits = options.state == Some(InstanceMetadataOptionsState::Pending);
        Self {
            http_tokens: options.http_tokens.as_ref().map(|o| o.as_str().to_owned()),
            http_put_response_hop_limit: options.http_put_response_hop_limit,
            http_endpoint: options.http_endpoint.as_ref().map(|o| o.as_str().to_owned()),
            http_protocol_ipv6: options.http_protocol_ipv6.as_ref().map(|o| o.as_str().to_owned()),
            instance_metadata_tags: options
                .instance_metadata_tags
                .as_ref()
                .map(|o| o.as_str().to_owned()),
            pending: waits && !stopped,
        }
    }
}

/// An instance, as far as its metadata service goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `i-…`.
    pub id: String,
    /// `pending`, `running` …
    pub state: String,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its tags. Those that begin with `aws:` cannot be set by users.
    pub tags: BTreeMap<String, String>,
    /// The ARN of the instance profile, whose role's credentials the service hands out.
    pub profile: Option<String>,
    /// The service that manages it, if one does: EC2 lets nobody else change it.
    pub managed_by: Option<String>,
    /// The options.
    pub options: MetadataOptions,
}

impl Host {
    /// Whether it is gone, or going for good.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "terminated" | "shutting-down")
    }
}

fn state_of(instance: &Instance) -> &str {
    instance
        .state
        .as_ref()
        .and_then(|s| s.name.as_ref())
        .map(InstanceStateName::as_str)
        .unwrap_or_default()
}

/// The instance of that id, none if EC2 knows none. One that is gone is shown for a while.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn host(account: &Account, id: &str) -> Result<Option<Host>> {
    let answer = account
        .ec2()
        .describe_instances()
        .instance_ids(id)
        .send()
        .await
        .classed("ec2:DescribeInstances");
    let reservations = match answer {
        Ok(answer) => answer.reservations.unwrap_or_default(),
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let instances = reservations.into_iter().flat_map(|r| r.instances.unwrap_or_default());
    Ok(instances.filter_map(as_host).find(|host| host.id == id))
}

/// The instances with the options of their metadata service, over all pages; all of the account in
/// the Region if it is not said which. Of one that is gone nothing may be there, or its last state.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn hosts(account: &Account, which: Option<Which<'_>>) -> Result<Vec<Host>> {
    Ok(described(account, which).await?.into_iter().filter_map(as_host).collect())
}

fn as_host(instance: Instance) -> Option<Host> {
    let options = MetadataOptions::of(&instance);
    let state = state_of(&instance).to_owned();
    let managed = instance.operator.filter(|operator| operator.managed == Some(true));
    Some(Host {
        id: instance.instance_id?,
        state,
        vpc: instance.vpc_id,
        tags: tags(instance.tags),
        profile: instance.iam_instance_profile.and_then(|profile| profile.arn),
        managed_by: managed.map(|by| by.principal.unwrap_or_else(|| "a service".to_owned())),
        options,
    })
}

/// Requires IMDSv2 of one instance, or lowers its hop limit, or both.
///
/// Only what is asked for is sent, so that everything else stays as it is; the endpoint never is:
/// one that somebody switched off must stay off (spec §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyMetadataOptions {
    /// The account that owns the instance.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// The instance, `i-…`.
    pub instance_id: String,
    /// Whether IMDSv2 is required from now on; there is no way to ask for the contrary.
    pub require_tokens: bool,
    /// The hop limit from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop_limit: Option<i32>,
}

/// The endpoint is never in such a call.
const NO_ENDPOINT: Condition =
    Condition { operator: "Null", key: "ec2:Attribute/HttpEndpoint", values: &["true"] };

#[async_trait]
impl Action<Account> for ModifyMetadataOptions {
    const NAME: &'static str = "ec2.instance-metadata-options.modify/1";
    const PERMISSIONS: Permissions = Permissions {
        observe: &[Statement {
            actions: &["ec2:DescribeInstances"],
            resource: "*",
            conditions: &[],
            why: "reads the options before and after; EC2 supports no resource-level permission \
                  for it",
        }],
        apply: &[Statement {
            actions: &["ec2:ModifyInstanceMetadataOptions"],
            resource: "arn:${Partition}:ec2:${Region}:${Account}:instance/*",
            conditions: &[
                Condition {
                    operator: "StringEqualsIfExists",
                    key: "ec2:Attribute/HttpTokens",
                    values: &["required"],
                },
                NO_ENDPOINT,
            ],
            // Not bound to production by `aws:ResourceTag`: an instance is production by its
            // account or VPC too.
            why: "requires IMDSv2 and lowers hop limits, and can neither allow IMDSv1 nor switch \
                  the service on; the instances in scope are known only at run time",
        }],
        undo: &[Statement {
            actions: &["ec2:ModifyInstanceMetadataOptions"],
            resource: "arn:${Partition}:ec2:${Region}:${Account}:instance/*",
            conditions: &[NO_ENDPOINT],
            why: "puts back the options that were changed, for a person",
        }],
    };
    /// The options as they stand, none once the instance is gone.
    type State = Option<MetadataOptions>;

    fn describe(&self, before: &Self::State) -> Description {
        let Self { account, region, instance_id, require_tokens, hop_limit } = self;
        let mut what = Vec::new();
        if *require_tokens {
            what.push("require IMDSv2".to_owned());
        }
        if let Some(limit) = hop_limit {
            what.push(format!("set the hop limit to {limit}"));
        }
        let tokens = require_tokens.then_some("required");
        Description {
            resource: ec2_arn(region, account, "instance", instance_id),
            summary: format!("{} on {instance_id}", what.join(" and ")),
            command: self.command(tokens, *hop_limit),
            undo_command: before.as_ref().map(|before| {
                let (tokens, limit) = self.old(before);
                self.command(tokens, limit)
            }),
        }
    }

    fn foreseen(&self, before: &Self::State) -> Option<Self::State> {
        let after = before.as_ref().map(|before| MetadataOptions {
            http_tokens: if self.require_tokens {
                Some("required".to_owned())
            } else {
                before.http_tokens.clone()
            },
            http_put_response_hop_limit: self.hop_limit.or(before.http_put_response_hop_limit),
            pending: false,
            ..before.clone()
        });
        Some(after)
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        let host = host(account, &self.instance_id).await?.filter(|host| !host.is_gone());
        Ok(host.map(|host| host.options))
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        let Some(now) = state else { return true };
        // What answers nobody needs no stricter answer.
        now.is_off()
            || (!self.require_tokens || now.requires_tokens())
                && self.hop_limit.is_none_or(|n| now.http_put_response_hop_limit == Some(n))
                && !now.pending
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        let tokens = self.require_tokens.then_some("required");
        self.change(account, tokens, self.hop_limit).await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        if let Some(before) = before {
            let (tokens, limit) = self.old(before);
            self.change(account, tokens, limit).await?;
        }
        Ok(self.clone())
    }
}

impl ModifyMetadataOptions {
    /// What the changed options were before.
    fn old<'a>(&self, before: &'a MetadataOptions) -> (Option<&'a str>, Option<i32>) {
        (
            before.http_tokens.as_deref().filter(|_| self.require_tokens),
            before.http_put_response_hop_limit.filter(|_| self.hop_limit.is_some()),
        )
    }

    async fn change(
        &self,
        account: &Account,
        tokens: Option<&str>,
        hop_limit: Option<i32>,
    ) -> Result<()> {
        if tokens.is_none() && hop_limit.is_none() {
            return Ok(());
        }
        let answer = account
            .ec2()
            .modify_instance_metadata_options()
            .instance_id(&self.instance_id)
            .set_http_tokens(tokens.map(HttpTokensState::from))
            .set_http_put_response_hop_limit(hop_limit)
            .send()
            .await
            .classed("ec2:ModifyInstanceMetadataOptions");
        match answer {
            // What is gone answers nobody.
            Err(error) if error.is_missing() => Ok(()),
            other => other.map(drop),
        }
    }

    fn command(&self, tokens: Option<&str>, hop_limit: Option<i32>) -> String {
        let Self { region, instance_id, .. } = self;
        let tokens = tokens.map(|tokens| format!(" --http-tokens {tokens}")).unwrap_or_default();
        let limit =
            hop_limit.map(|n| format!(" --http-put-response-hop-limit {n}")).unwrap_or_default();
        format!(
            "aws ec2 modify-instance-metadata-options --region {region} --instance-id \
             {instance_id}{tokens}{limit}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(require_tokens: bool, hop_limit: Option<i32>) -> ModifyMetadataOptions {
        ModifyMetadataOptions {
            account: "111111111111".into(),
            region: "eu-west-1".into(),
            instance_id: "i-0001".into(),
            require_tokens,
            hop_limit,
        }
    }

    fn options(tokens: &str, hops: i32, endpoint: &str, pending: bool) -> MetadataOptions {
        MetadataOptions {
            http_tokens: Some(tokens.into()),
            http_put_response_hop_limit: Some(hops),
            http_endpoint: Some(endpoint.into()),
            pending,
            ..MetadataOptions::default()
        }
    }

    #[test]
    fn it_is_done_once_it_is_in_force_or_answers_nobody() {
        let (tokens, both) = (action(true, None), action(true, Some(1)));
        for (action, now, done) in [
            (&tokens, Some(options("required", 2, "enabled", false)), true),
            (&tokens, Some(options("required", 2, "enabled", true)), false),
            (&tokens, Some(options("optional", 1, "enabled", false)), false),
            (&tokens, Some(options("optional", 1, "disabled", false)), true),
            (&tokens, Some(MetadataOptions::default()), false),
            (&tokens, None, true),
            (&both, Some(options("required", 2, "enabled", false)), false),
            (&both, Some(options("required", 1, "enabled", false)), true),
        ] {
            assert_eq!(Action::satisfied(action, &now), done, "{action:?} {now:?}");
        }
    }

    #[test]
    fn whether_a_change_is_in_force_is_no_part_of_what_is_compared() {
        let waits = options("required", 1, "enabled", true);
        assert_eq!(waits, waits.settled());
        assert_ne!(waits, options("required", 2, "enabled", true));
    }

    #[test]
    fn the_lines_name_what_changes_and_never_the_endpoint() {
        let before = Some(options("optional", 3, "enabled", false));
        let said = action(true, Some(1)).describe(&before);
        let line = "aws ec2 modify-instance-metadata-options --region eu-west-1 --instance-id \
                    i-0001 --http-tokens";
        assert_eq!(said.command, format!("{line} required --http-put-response-hop-limit 1"));
        let undo = format!("{line} optional --http-put-response-hop-limit 3");
        assert_eq!(said.undo_command, Some(undo));
        let only = action(true, None).describe(&before);
        assert_eq!(only.undo_command, Some(format!("{line} optional")));
    }
}
