//! Principals that Backstop never touches, and those that are Backstop itself.

use schemars::JsonSchema;
use serde::Serialize;

use super::table::Table;
use super::{RESPONDERS, shape};
use crate::words::Lane;

/// Roles that nobody but AWS or a platform team may change: the beginnings of paths, and whole
/// names (spec §1.5). Those of the CDK are told by [`cdk_role`], the suite's by [`suite_role`].
pub(super) const PATHS: [&str; 2] = ["aws-service-role/", "aws-reserved/"];
pub(super) const NAMES: [&str; 5] = [
    "OrganizationAccountAccessRole",
    "AWSControlTowerExecution",
    "AWSControlTowerAdmin",
    "AWSCloudFormationStackSetAdministrationRole",
    "AWSCloudFormationStackSetExecutionRole",
];

/// Principals that Backstop never touches, and those that are Backstop itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Principals {
    /// ARNs, or beginnings of ARNs and `*`, that are never a target: break-glass roles above all.
    /// The roles of AWS services, of Identity Center, of Control Tower, of CloudFormation and the
    /// CDK, `OrganizationAccountAccessRole` and the suite's own are protected without being listed.
    #[schemars(inner(regex(pattern = "^arn:")))]
    pub protected: Vec<String>,
    /// ARNs of further roles that are Backstop: what they do is recorded and not acted upon. The
    /// suite's roles, `backstop-<responder>-<lane>`, are known without being listed.
    #[schemars(inner(regex(pattern = "^arn:")))]
    pub own: Vec<String>,
}

impl Principals {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let principals = Self {
            protected: t.list("protected", shape::arn_prefix),
            own: t.list("own", shape::role),
        };
        t.finish();
        principals
    }

    pub(super) fn protects(&self, arn: &str) -> bool {
        self.protected.iter().any(|pattern| shape::matches(pattern, arn)) || by_default(arn)
    }
}

fn by_default(arn: &str) -> bool {
    let Some((arn, role)) = shape::role_parts(arn) else { return false };
    let name = role.rsplit('/').next().unwrap_or(role);
    PATHS.iter().any(|path| role.starts_with(path))
        || NAMES.contains(&name)
        || cdk_role(name, arn.account)
}

/// Whether it is the role of one of the suite's functions, by its name with its path.
pub(super) fn suite_role(role: &str) -> bool {
    role.strip_prefix("backstop-").is_some_and(|rest| {
        Lane::ALL.iter().any(|lane| {
            rest.strip_suffix(lane.name())
                .and_then(|r| r.strip_suffix('-'))
                .is_some_and(|r| RESPONDERS.contains(&r))
        })
    })
}

/// Whether it is a role of the CDK's bootstrap stack:
/// `cdk-<qualifier>-<use>-role-<account>-<region>`.
fn cdk_role(name: &str, account: &str) -> bool {
    let Some((head, tail)) = name.strip_prefix("cdk-").and_then(|rest| rest.split_once("-role-"))
    else {
        return false;
    };
    let uses = ["cfn-exec", "deploy", "file-publishing", "image-publishing", "lookup"];
    tail.strip_prefix(account).is_some_and(|region| region.starts_with('-'))
        && head.split_once('-').is_some_and(|(_, used)| uses.contains(&used))
}
