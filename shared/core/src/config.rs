//! The operator's policy: one TOML file, read once, checked whole, never changed.
//!
//! It is deployed inside the function's package and read from nowhere else: an allow-list in a
//! store is an allow-list that an attacker may write. Its hash is in every plan. Whoever reads the
//! file passes its text; nothing here opens one.
//!
//! A control adds its keys as a table of its own: a module like that of [`SshAccess`], one field,
//! one line in `Config::read`. The shipped `config/backstop.toml` documents every key; a test says
//! so.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use toml::de::DeTable;

pub use exemption::Exemption;
pub use guards::Guards;
pub use imdsv2::{AllowedTemplate, ContainerHost, HopLimit, Imdsv2};
pub use inventory::Inventory;
pub use mistakes::{Mistake, Mistakes};
pub use notify::Notify;
pub use principals::Principals;
pub use revoke_sessions::RevokeSessions;
pub use scope::{Production, ScopeRule, TagRule};
pub use ssh_access::{AllowedKeyPair, BastionGroup, SshAccess};

use crate::ident;
use crate::text::safe;
use crate::words::Mode;
use table::{Notes, Table};

mod exemption;
mod guards;
mod imdsv2;
mod inventory;
mod mistakes;
mod notify;
mod principals;
mod revoke_sessions;
mod scope;
mod shape;
mod ssh_access;
mod table;
#[cfg(test)]
mod tests;

/// The responders of the suite: each is a function, a pair of roles and a folder of this name.
pub const RESPONDERS: [&str; 10] = [
    "imdsv2",
    "ssh-access",
    "ecr-scanning",
    "inspector-coverage",
    "lambda-privilege",
    "eks-identity",
    "golden-ami",
    "patch-windows",
    "isolate-instance",
    "revoke-sessions",
];

/// An exemption that ends this soon is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// An exemption that lasts longer than this is worth one too.
const LONG: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The operator's policy, parsed and valid.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "The policy of Backstop")]
pub struct Config {
    /// What the unattended lane may do: `observe` assesses and notifies, `plan` also keeps a plan
    /// that a person can approve, `enforce` also applies what its class allows.
    #[serde(default = "observe")]
    mode: Mode,
    /// Settings of one responder, by its name.
    #[serde(default)]
    responders: BTreeMap<String, ResponderRule>,
    /// Where Backstop looks, and what of it is production.
    #[serde(default)]
    pub scope: ScopeRule,
    /// Principals that are never touched, and those that are Backstop.
    #[serde(default)]
    pub principals: Principals,
    /// What stops an unattended response, in figures.
    #[serde(default)]
    pub guards: Guards,
    /// What is remembered of the time before an event.
    #[serde(default)]
    pub inventory: Inventory,
    /// Resources that are left alone until a date.
    #[serde(default, rename = "exemption")]
    pub exemptions: Vec<Exemption>,
    /// The policy of `imdsv2`.
    #[serde(default)]
    pub imdsv2: Imdsv2,
    /// The policy of `ssh-access`.
    #[serde(default)]
    pub ssh_access: SshAccess,
    /// The policy of `revoke-sessions`.
    #[serde(default)]
    pub revoke_sessions: RevokeSessions,
    /// Who hears of an incident.
    #[serde(default)]
    pub notify: Notify,
    #[serde(skip)]
    hash: OnceLock<String>,
}

/// Settings of one responder that replace the global ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResponderRule {
    /// The mode of this responder, instead of the global one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
}

fn observe() -> Mode {
    Mode::Observe
}

impl Config {
    /// Reads a policy. An exemption that has expired is no mistake here: a deployed function must
    /// start on the day after.
    ///
    /// # Errors
    /// Every mistake at once, each with its key, its line and one hint.
    pub fn parse(text: &str, _now: Timestamp) -> Result<Self, Mistakes> {
        Self::read(text, None)
    }

    /// Reads a policy, for a person: an exemption that has expired is a mistake too.
    ///
    /// # Errors
    /// Every mistake at once, each with its key, its line and one hint.
    pub fn check(text: &str, now: Timestamp) -> Result<Self, Mistakes> {
        Self::read(text, Some(now))
    }

    fn read(text: &str, now: Option<Timestamp>) -> Result<Self, Mistakes> {
        let notes = Notes::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let start = error.span().map_or(text.len(), |span| span.start);
            let message = format!("column {}: {}", notes.position(start).1, error.message());
            let hint = "what follows it is checked once this is right";
            notes.add(Some(start), String::new(), message, Some(hint.to_owned()));
        }
        if !errors.is_empty() {
            // What the rest means is a guess now.
            return Err(notes.mistakes());
        }
        let mut t = Table::root(document.get_ref(), &notes);
        let mode = t.word("mode", Mode::ALL, Mode::name).unwrap_or_else(observe);
        let responders = ResponderRule::read_all(t.table("responders"));
        let enforced = mode == Mode::Enforce
            || responders.values().any(|rule| rule.mode == Some(Mode::Enforce));
        let mut ids = Vec::new();
        let mut config = Self {
            mode,
            responders,
            scope: ScopeRule::read(t.table("scope"), enforced),
            principals: Principals::read(t.table("principals")),
            guards: Guards::read(t.table("guards")),
            exemptions: t.tables("exemption", |t| Exemption::read(t, &mut ids, now)),
            imdsv2: Imdsv2::read(t.table("imdsv2")),
            ssh_access: SshAccess::read(t.table("ssh-access")),
            inventory: Inventory::read(t.table("inventory")),
            revoke_sessions: RevokeSessions::read(t.table("revoke-sessions")),
            notify: Notify::read(t.table("notify")),
            hash: OnceLock::new(),
        };
        t.finish();
        config.exemptions.sort_by(|a, b| a.id.cmp(&b.id));
        let mistakes = notes.mistakes();
        if mistakes.0.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    /// SHA-256, in hexadecimal, of the canonical JSON (RFC 8785) of everything in it. Comments and
    /// order do not count; a default that is written out does not either.
    ///
    /// Made when the first plan needs it: it would be a tenth of the start of a function.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            // Nothing in it cannot be written as JSON. If it ever could not, the other form tells
            // two policies apart just as well.
            let canonical = serde_json_canonicalizer::to_vec(self);
            ident::sha256(&canonical.unwrap_or_else(|_| format!("{self:?}").into_bytes()))
        })
    }

    /// The JSON Schema of the file, for editors and for the documentation.
    pub fn schema() -> serde_json::Value {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        settings.into_generator().into_root_schema_for::<Self>().to_value()
    }

    /// What is allowed and most likely not meant, one line each.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        for (key, empty) in [
            ("scope.accounts", self.scope.accounts.is_empty()),
            ("scope.regions", self.scope.regions.is_empty()),
        ] {
            if empty {
                warnings.push(format!("`{key}` is empty: nothing is in scope"));
            }
        }
        if self.scope.production.is_empty() {
            let what = "`scope.production` is empty: nothing is acted upon unattended";
            warnings.push(what.to_owned());
        }
        for exemption in &self.exemptions {
            let what = format!("the exemption `{}`", safe(&exemption.id, 80));
            warnings.extend(ending(&what, exemption.expires, now));
            let account = exemption.account.as_ref();
            if account.is_some_and(|account| !self.scope.accounts.contains(account)) {
                warnings.push(format!("{what} is for an account that is not in scope"));
            }
        }
        for bastion in &self.ssh_access.bastion_groups {
            let what = format!("the bastion `{}`", bastion.group_id);
            warnings.extend(ending(&what, bastion.until, now));
        }
        warnings
    }

    /// What the unattended lane of a responder may do: its own mode, else the global one.
    pub fn mode(&self, responder: &str) -> Mode {
        self.responders.get(responder).and_then(|rule| rule.mode).unwrap_or(self.mode)
    }

    /// Whether an account and a Region are in scope.
    pub fn in_scope(&self, account: &str, region: &str) -> bool {
        self.has_account(account) && self.scope.regions.iter().any(|r| r == region)
    }

    /// Every account and Region in scope.
    pub fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        let regions = &self.scope.regions;
        self.scope.accounts.iter().flat_map(move |account| {
            regions.iter().map(move |region| (account.as_str(), region.as_str()))
        })
    }

    /// Whether a resource is production, by its account, its VPC and its live tags.
    pub fn is_production(
        &self,
        account: &str,
        vpc: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> bool {
        self.has_account(account) && self.scope.production.holds(account, vpc, tags)
    }

    /// Whether it is the ARN of a role of this suite: `backstop-<responder>-<lane>` in an account
    /// and a partition in scope, or one that `principals.own` names. Nothing but the whole ARN
    /// counts: anybody may choose a session name.
    pub fn is_own(&self, arn: &str) -> bool {
        let suites = shape::role_parts(arn).is_some_and(|(parts, role)| {
            principals::suite_role(role)
                && self.has_account(parts.account)
                && self.scope.regions.iter().any(|r| ident::partition(r) == parts.partition)
        });
        suites || self.principals.own.iter().any(|own| own == arn)
    }

    /// Whether it is the ARN of a principal that must never be a target: one that `principals`
    /// names, the suite's own roles, and those of AWS and of the platform (spec §1.5).
    pub fn is_protected(&self, arn: &str) -> bool {
        self.principals.protects(arn) || self.is_own(arn)
    }

    /// The exemption that keeps a responder from acting on a resource now.
    pub fn exemption_for(
        &self,
        responder: &str,
        account: &str,
        resource_arn: &str,
        now: Timestamp,
    ) -> Option<&Exemption> {
        self.exemptions.iter().find(|e| e.holds(responder, account, resource_arn, now))
    }

    fn has_account(&self, account: &str) -> bool {
        self.scope.accounts.iter().any(|a| a == account)
    }
}

impl ResponderRule {
    fn read_all(mut t: Table<'_>) -> BTreeMap<String, Self> {
        let mut rules = BTreeMap::new();
        for name in RESPONDERS {
            if t.has(name) {
                let mut t = t.table(name);
                let mode = t.word("mode", Mode::ALL, Mode::name);
                t.finish();
                rules.insert(name.to_owned(), Self { mode });
            } else {
                t.knows(name);
            }
        }
        t.finish();
        rules
    }
}

/// What is worth saying about the end of an exception.
fn ending(what: &str, end: Timestamp, now: Timestamp) -> Option<String> {
    let left = now.duration_until(end);
    if left <= SignedDuration::ZERO {
        Some(format!("{what} ended at {end} and counts no more"))
    } else if left <= SOON {
        Some(format!("{what} ends at {end}"))
    } else if left > LONG {
        Some(format!("{what} lasts until {end}: more than a year"))
    } else {
        None
    }
}
