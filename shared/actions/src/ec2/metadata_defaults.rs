//! The defaults of the metadata service for new instances of an account in a Region, and
//! `ec2.instance-metadata-defaults.modify/1`, which requires IMDSv2 of them.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DefaultHttpTokensEnforcedState, ManagedBy, MetadataDefaultHttpTokensState,
};
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::Result;
use backstop_core::ident::ec2_arn;
use backstop_core::manifest::{Permissions, Statement};
use serde::{Deserialize, Serialize};

/// Nothing is set: the AMI and EC2 decide at each launch.
const NO_PREFERENCE: &str = "no-preference";

/// The defaults of an account in a Region. What is `None` has no preference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetadataDefaults {
    /// `optional` or `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_tokens: Option<String>,
    /// `enabled`: EC2 refuses launches that do not require IMDSv2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_tokens_enforced: Option<String>,
    /// The hop limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_put_response_hop_limit: Option<i32>,
    /// `enabled` or `disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_endpoint: Option<String>,
    /// `enabled` or `disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_metadata_tags: Option<String>,
    /// Whether a declarative policy of the organisation sets them: then the account cannot.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_policy: bool,
}

impl MetadataDefaults {
    /// Whether IMDSv2 is required of new instances that say nothing else.
    pub fn requires_tokens(&self) -> bool {
        self.http_tokens.as_deref() == Some("required")
    }

    /// Whether EC2 refuses launches without IMDSv2.
    pub fn enforces(&self) -> bool {
        self.http_tokens_enforced.as_deref() == Some("enabled")
    }
}

/// The defaults of the account in its Region.
///
/// # Errors
/// The class of EC2's refusal.
pub async fn metadata_defaults(account: &Account) -> Result<MetadataDefaults> {
    let answer = account
        .ec2()
        .get_instance_metadata_defaults()
        .send()
        .await
        .classed("ec2:GetInstanceMetadataDefaults")?;
    let Some(level) = answer.account_level else { return Ok(MetadataDefaults::default()) };
    let said = |text: &str| Some(text.to_owned()).filter(|text| text != NO_PREFERENCE);
    Ok(MetadataDefaults {
        http_tokens: level.http_tokens.and_then(|o| said(o.as_str())),
        http_tokens_enforced: level.http_tokens_enforced.and_then(|o| said(o.as_str())),
        // EC2 shows no preference as -1, or not at all.
        http_put_response_hop_limit: level.http_put_response_hop_limit.filter(|n| *n > 0),
        http_endpoint: level.http_endpoint.and_then(|o| said(o.as_str())),
        instance_metadata_tags: level.instance_metadata_tags.and_then(|o| said(o.as_str())),
        by_policy: level.managed_by == Some(ManagedBy::DeclarativePolicy),
    })
}

/// The ARN that stands for the defaults of an account in a Region: AWS has none for them.
pub fn metadata_defaults_arn(region: &str, account: &str) -> String {
    ec2_arn(region, account, "instance-metadata-defaults", "account")
}

/// Requires IMDSv2 of the new instances of an account in a Region, and lets EC2 refuse others
/// where it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModifyMetadataDefaults {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Whether EC2 is to refuse launches that do not require IMDSv2, too.
    #[serde(default)]
    pub enforce: bool,
}

const MODIFY: &[Statement] = &[Statement {
    actions: &["ec2:ModifyInstanceMetadataDefaults"],
    resource: "*",
    conditions: &[],
    why: "sets the defaults of the account in a Region; EC2 supports no resource-level permission \
          for it",
}];

#[async_trait]
impl Action<Account> for ModifyMetadataDefaults {
    const NAME: &'static str = "ec2.instance-metadata-defaults.modify/1";
    const PERMISSIONS: Permissions = Permissions {
        observe: &[Statement {
            actions: &["ec2:GetInstanceMetadataDefaults"],
            resource: "*",
            conditions: &[],
            why: "reads the defaults before and after; EC2 supports no resource-level permission \
                  for it",
        }],
        apply: MODIFY,
        undo: MODIFY,
    };
    type State = MetadataDefaults;

    fn describe(&self, before: &Self::State) -> Description {
        let Self { account, region, enforce } = self;
        let tokens = before.http_tokens.as_deref().unwrap_or(NO_PREFERENCE);
        let enforced = before.http_tokens_enforced.as_deref().unwrap_or(NO_PREFERENCE);
        let more = if *enforce { ", and refuse launches without it" } else { "" };
        Description {
            resource: metadata_defaults_arn(region, account),
            summary: format!("require IMDSv2 of new instances in {region}{more}"),
            command: self.command("required", "enabled"),
            undo_command: Some(self.command(tokens, enforced)),
        }
    }

    fn foreseen(&self, before: &Self::State) -> Option<Self::State> {
        let mut after = before.clone();
        after.http_tokens = Some("required".to_owned());
        if self.enforce {
            after.http_tokens_enforced = Some("enabled".to_owned());
        }
        Some(after)
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        metadata_defaults(account).await
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        state.requires_tokens() && (!self.enforce || state.enforces())
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        self.change(account, "required", "enabled").await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        let tokens = before.http_tokens.as_deref().unwrap_or(NO_PREFERENCE);
        let enforced = before.http_tokens_enforced.as_deref().unwrap_or(NO_PREFERENCE);
        self.change(account, tokens, enforced).await?;
        Ok(self.clone())
    }
}

impl ModifyMetadataDefaults {
    async fn change(&self, account: &Account, tokens: &str, enforced: &str) -> Result<()> {
        account
            .ec2()
            .modify_instance_metadata_defaults()
            .http_tokens(MetadataDefaultHttpTokensState::from(tokens))
            .set_http_tokens_enforced(
                self.enforce.then(|| DefaultHttpTokensEnforcedState::from(enforced)),
            )
            .send()
            .await
            .classed("ec2:ModifyInstanceMetadataDefaults")
            .map(drop)
    }

    fn command(&self, tokens: &str, enforced: &str) -> String {
        let more = if self.enforce {
            format!(" --http-tokens-enforced {enforced}")
        } else {
            String::new()
        };
        format!(
            "aws ec2 modify-instance-metadata-defaults --region {} --http-tokens {tokens}{more}",
            self.region
        )
    }
}
