//! EC2: security group rules, and the instance metadata service.

mod authorize;
mod launch_templates;
mod metadata_defaults;
mod metadata_options;
mod modify;
mod prefix_list;
mod profiles;
mod reads;
mod revoke;
mod rule;

pub use authorize::Authorize;
pub use launch_templates::{Named, TemplateVersion, template_versions};
pub use metadata_defaults::{
    MetadataDefaults, ModifyMetadataDefaults, metadata_defaults, metadata_defaults_arn,
};
pub use metadata_options::{Host, MetadataOptions, ModifyMetadataOptions, host, hosts};
pub use modify::Modify;
pub use prefix_list::{PrefixList, prefix_list};
pub use profiles::instances_with_profiles;
pub use reads::{Group, Interface, Launched, Which, group, instances, interfaces};
pub use revoke::Revoke;
pub use rule::{LiveRule, Rule, Source, all_rules, rule_by_id, rules_of, rules_of_all};
