//! The policy of `revoke-sessions` (SR-1).

use schemars::JsonSchema;
use serde::Serialize;

use super::shape;
use super::table::Table;

/// The policy of `revoke-sessions` (SR-1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeSessions {
    /// ARNs of the roles, in full, whose sessions may be revoked without an approval each time: the
    /// unattended function may write the policy of these, and of no other.
    #[schemars(inner(regex(pattern = "^arn:")))]
    pub preauthorised: Vec<String>,
}

impl RevokeSessions {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let revoke = Self { preauthorised: t.list("preauthorised", shape::role) };
        t.finish();
        revoke
    }

    /// Whether the operator has released the revocation of that role beforehand: by its whole ARN.
    pub fn is_preauthorised(&self, arn: &str) -> bool {
        self.preauthorised.iter().any(|role| role == arn)
    }
}
