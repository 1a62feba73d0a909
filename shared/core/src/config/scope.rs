//! Where Backstop looks, and what of it is production.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::shape;
use super::table::Table;
use crate::ident::Shape;

/// Where Backstop looks. Events from anywhere else are ignored, and say so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScopeRule {
    /// The accounts, 12 digits each, as strings. Empty: nothing is in scope.
    #[schemars(inner(regex(pattern = Shape::Account.pattern())))]
    pub accounts: Vec<String>,
    /// The Regions. Empty: nothing is in scope. Records of IAM and other global services are in
    /// us-east-1.
    #[schemars(inner(regex(pattern = Shape::Region.pattern())))]
    pub regions: Vec<String>,
    /// The Region in which the functions and the journal live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = Shape::Region.pattern()))]
    pub home_region: Option<String>,
    /// What of it is production: only that is acted upon unattended.
    pub production: Production,
}

/// What is production: everything, or whatever any one of the other keys names. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Production {
    /// Everything in scope. Excludes the other keys.
    pub everything: bool,
    /// Whole accounts, each of them in `scope.accounts`.
    #[schemars(inner(regex(pattern = Shape::Account.pattern())))]
    pub accounts: Vec<String>,
    /// Whole VPCs.
    #[schemars(inner(regex(pattern = shape::hex_pattern("vpc"))))]
    pub vpcs: Vec<String>,
    /// Tags of the live resource. Whoever may write a tag may leave production with it: prefer
    /// accounts and VPCs.
    pub tags: Vec<TagRule>,
}

/// One tag that makes a resource production.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagRule {
    /// The tag's key, exactly as it is written.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Its values, each exactly as it is written; one of them is enough.
    #[schemars(length(min = 1))]
    pub values: Vec<String>,
}

impl ScopeRule {
    /// `enforced` says that a mode is `enforce`: then the scope must hold something.
    pub(super) fn read(mut t: Table<'_>, enforced: bool) -> Self {
        let accounts = t.list("accounts", shape::of(Shape::Account));
        let regions = t.list("regions", shape::of(Shape::Region));
        for (key, list) in [("accounts", &accounts), ("regions", &regions)] {
            // One that only holds mistakes is not empty.
            if enforced && list.is_empty() && t.list_is_empty(key) {
                let hint = "list what Backstop may change, or set the mode to `observe`";
                t.note(key, "nothing is in scope, but a mode is `enforce`", hint);
            }
        }
        let home_region = t.text("home_region", shape::of(Shape::Region));
        let production = Production::read(t.table("production"), &accounts);
        t.finish();
        Self { accounts, regions, home_region, production }
    }
}

impl Production {
    fn read(mut t: Table<'_>, in_scope: &[String]) -> Self {
        let mut production = Self {
            everything: t.flag("everything", false),
            accounts: t.list("accounts", |text| {
                let account = shape::of(Shape::Account)(text)?;
                if in_scope.contains(&account) {
                    Ok(account)
                } else {
                    Err(shape::wrong(
                        format!("`{account}` is not in scope"),
                        "add it to `scope.accounts`, or take it out here",
                    ))
                }
            }),
            vpcs: t.list("vpcs", shape::hex("vpc")),
            tags: t.tables("tags", |mut t| {
                let rule = TagRule {
                    key: t.needed("key", shape::text),
                    values: t.list("values", |text| Ok(text.to_owned())),
                };
                if t.list_is_empty("values") {
                    t.note("values", "it names no value", "list the values that mean production");
                }
                t.finish();
                rule
            }),
        };
        production.tags.sort();
        if production.everything && (t.has("accounts") || t.has("vpcs") || t.has("tags")) {
            t.note(
                "everything",
                "`true` leaves nothing for `accounts`, `vpcs` and `tags` to say",
                "keep `everything`, or the other keys",
            );
        }
        t.finish();
        production
    }

    /// Whether anything at all can be production.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.accounts.is_empty() && self.vpcs.is_empty() && self.tags.is_empty()
    }

    pub(super) fn holds(
        &self,
        account: &str,
        vpc: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> bool {
        self.everything
            || self.accounts.iter().any(|a| a == account)
            || vpc.is_some_and(|vpc| self.vpcs.iter().any(|v| v == vpc))
            || self
                .tags
                .iter()
                .any(|rule| tags.get(&rule.key).is_some_and(|value| rule.values.contains(value)))
    }
}
