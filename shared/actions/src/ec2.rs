//! EC2: security group rules.

mod authorize;
mod modify;
mod prefix_list;
mod profiles;
mod reads;
mod revoke;
mod rule;

pub use authorize::Authorize;
pub use modify::Modify;
pub use prefix_list::{PrefixList, prefix_list};
pub use profiles::instances_with_profiles;
pub use reads::{Group, Interface, Launched, Which, group, instances, interfaces};
pub use revoke::Revoke;
pub use rule::{LiveRule, Rule, Source, all_rules, rule_by_id, rules_of, rules_of_all};
