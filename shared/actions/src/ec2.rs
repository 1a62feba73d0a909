//! EC2: security group rules.

mod authorize;
mod reads;
mod revoke;
mod rule;

pub use authorize::Authorize;
pub use reads::{Group, Interface, Launched, Which, group, instances, interfaces};
pub use revoke::Revoke;
pub use rule::{LiveRule, Rule, Source, rule_by_id, rules_of};
