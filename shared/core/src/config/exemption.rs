//! What is left alone, by whose decision and until when.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::shape;
use super::table::Table;
use crate::ident::Shape;

/// A resource that one responder leaves alone until a date. It suppresses the action, never the
/// alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exemption {
    /// A name of its own, shown in every incident that it holds.
    #[schemars(length(min = 1))]
    pub id: String,
    /// The responder that it binds, such as `ssh-access`.
    pub responder: String,
    /// The ARN of the resource, or the beginning of one and `*`.
    #[schemars(regex(pattern = "^arn:"))]
    pub resource: String,
    /// The account that it holds in; every account in scope without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = Shape::Account.pattern()))]
    pub account: Option<String>,
    /// Who answers for it.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// Why.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// Where it was decided.
    #[schemars(length(min = 1))]
    pub ticket: String,
    /// When it ends: a date (the end of that day, UTC) or an RFC 3339 time.
    #[schemars(with = "String")]
    pub expires: Timestamp,
}

impl Exemption {
    /// `seen` holds the ids before this one; with `now`, one that has expired is a mistake.
    pub(super) fn read(mut t: Table<'_>, seen: &mut Vec<String>, now: Option<Timestamp>) -> Self {
        let expires = t.time("expires");
        if let (Some(expires), Some(now)) = (expires, now)
            && expires <= now
        {
            let hint = "delete the exemption, or have its owner renew it";
            t.note("expires", format!("it ended at {expires}"), hint);
        }
        let exemption = Self {
            id: t.needed("id", shape::text),
            responder: t.needed("responder", shape::responder),
            resource: t.needed("resource", shape::arn_prefix),
            account: t.text("account", shape::of(Shape::Account)),
            owner: t.needed("owner", shape::text),
            reason: t.needed("reason", shape::text),
            ticket: t.needed("ticket", shape::text),
            expires: expires.unwrap_or_default(),
        };
        if seen.contains(&exemption.id) {
            let message = format!("{} is the id of another one", shape::shown(&exemption.id));
            t.note("id", message, "give each an id of its own");
        } else if !exemption.id.is_empty() {
            seen.push(exemption.id.clone());
        }
        let theirs = shape::arn(&exemption.resource).map(|arn| arn.account).unwrap_or_default();
        if let Some(account) = exemption.account.as_deref()
            && !theirs.is_empty()
            && account != theirs
        {
            let message = format!("`{account}` is not the account of the resource, `{theirs}`");
            t.note("account", message, "leave `account` out: the ARN names it");
        }
        t.finish();
        exemption
    }

    /// Whether it has ended.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    pub(super) fn holds(
        &self,
        responder: &str,
        account: &str,
        resource: &str,
        now: Timestamp,
    ) -> bool {
        self.responder == responder
            && self.account.as_deref().is_none_or(|a| a == account)
            && shape::matches(&self.resource, resource)
            && !self.expired(now)
    }
}
