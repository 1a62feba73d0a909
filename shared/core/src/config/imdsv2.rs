//! The policy of `imdsv2` (aws-work-01).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::shape;
use super::table::{Bounds, Table};
use crate::ident::Shape;

/// What EC2 takes.
const HOPS: Bounds = (1, 64);

/// The policy of `imdsv2` (aws-work-01). Every allow-list is empty by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Imdsv2 {
    /// Parts of the names of the AWS Config rules that say which instances allow IMDSv1. Security
    /// Hub and conformance packs put their own before and after.
    #[schemars(inner(regex(pattern = Shape::Name.pattern())))]
    pub config_rules: Vec<String>,
    /// Whether new instances of every account in scope are to require IMDSv2 by default: then the
    /// account's defaults are set so by an approval, whatever they were before.
    pub require_by_default: bool,
    /// How far the answer of the metadata service may travel, by kind of host.
    pub hop_limit: HopLimit,
    /// Versions of launch templates that may launch with IMDSv1 outside production.
    #[serde(rename = "launch_template")]
    pub launch_templates: Vec<AllowedTemplate>,
}

/// The hop limits that are allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HopLimit {
    /// For the nodes of an EKS cluster, by the tag that only AWS can set.
    #[schemars(range(min = HOPS.0, max = HOPS.1))]
    pub eks: u32,
    /// For the hosts of containers that `host` names.
    #[schemars(range(min = HOPS.0, max = HOPS.1))]
    pub containers: u32,
    /// For every other instance.
    #[schemars(range(min = HOPS.0, max = HOPS.1))]
    pub others: u32,
    /// Hosts of containers: ECS, Docker, Elastic Beanstalk, Batch, Kubernetes of your own.
    #[serde(rename = "host")]
    pub hosts: Vec<ContainerHost>,
}

/// Hosts of containers. Every key that is given must hold; at least one is. None of them is a tag
/// that users can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerHost {
    /// The ARN of the instance profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^arn:"))]
    pub instance_profile: Option<String>,
    /// The Auto Scaling group's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group: Option<String>,
    /// The launch template's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = Shape::LaunchTemplate.pattern()))]
    pub launch_template: Option<String>,
}

/// Versions of a launch template.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedTemplate {
    /// The launch template's id.
    #[schemars(regex(pattern = Shape::LaunchTemplate.pattern()))]
    pub id: String,
    /// The numbers of its versions, as text. `$Latest` and `$Default` are no numbers: whoever may
    /// change the template would choose what they are.
    #[schemars(length(min = 1), inner(regex(pattern = "^[1-9][0-9]*$")))]
    pub versions: Vec<String>,
}

impl Default for Imdsv2 {
    fn default() -> Self {
        Self {
            config_rules: vec!["ec2-imdsv2-check".to_owned()],
            require_by_default: false,
            hop_limit: HopLimit::default(),
            launch_templates: Vec::new(),
        }
    }
}

impl Default for HopLimit {
    fn default() -> Self {
        Self { eks: 2, containers: 2, others: 1, hosts: Vec::new() }
    }
}

impl Imdsv2 {
    pub(super) fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let given = t.has("config_rules");
        let rules = t.list("config_rules", shape::of(Shape::Name));
        let mut imdsv2 = Self {
            config_rules: if given { rules } else { d.config_rules },
            require_by_default: t.flag("require_by_default", d.require_by_default),
            hop_limit: HopLimit::read(t.table("hop_limit")),
            launch_templates: t.tables("launch_template", AllowedTemplate::read),
        };
        imdsv2.launch_templates.sort();
        t.finish();
        imdsv2
    }

    /// Whether a Config rule of that name is one of those that the policy names.
    pub fn knows_rule(&self, name: &str) -> bool {
        self.config_rules.iter().any(|part| name.contains(part.as_str()))
    }

    /// Whether an instance was launched from a version of a template that the policy allows. Tags
    /// that begin with `aws:` cannot be set by users.
    pub fn allows_template(&self, tags: &BTreeMap<String, String>) -> bool {
        let id = tags.get("aws:ec2launchtemplate:id");
        let version = tags.get("aws:ec2launchtemplate:version");
        self.launch_templates.iter().any(|allowed| {
            id == Some(&allowed.id) && version.is_some_and(|v| allowed.versions.contains(v))
        })
    }
}

impl HopLimit {
    fn read(mut t: Table<'_>) -> Self {
        let d = Self::default();
        let mut limits = Self {
            eks: t.number("eks", d.eks, HOPS),
            containers: t.number("containers", d.containers, HOPS),
            others: t.number("others", d.others, HOPS),
            hosts: t.tables("host", ContainerHost::read),
        };
        limits.hosts.sort();
        t.finish();
        limits
    }
}

impl ContainerHost {
    fn read(mut t: Table<'_>) -> Self {
        let host = Self {
            instance_profile: t.text("instance_profile", shape::instance_profile),
            auto_scaling_group: t.text("auto_scaling_group", shape::text),
            launch_template: t.text("launch_template", shape::of(Shape::LaunchTemplate)),
        };
        if t.is_empty() {
            t.note(
                "",
                "it names no host",
                "give `instance_profile`, `auto_scaling_group` or `launch_template`",
            );
        }
        t.finish();
        host
    }

    /// Whether an instance with these properties is one of them.
    pub fn holds(&self, profile: Option<&str>, tags: &BTreeMap<String, String>) -> bool {
        let tag = |key: &str| tags.get(key).map(String::as_str);
        let same = |wanted: Option<&String>, is: Option<&str>| {
            wanted.is_none_or(|wanted| is == Some(wanted.as_str()))
        };
        // One without a key is a mistake, and holds nothing.
        *self != Self::default()
            && same(self.instance_profile.as_ref(), profile)
            && same(self.auto_scaling_group.as_ref(), tag("aws:autoscaling:groupName"))
            && same(self.launch_template.as_ref(), tag("aws:ec2launchtemplate:id"))
    }
}

impl AllowedTemplate {
    fn read(mut t: Table<'_>) -> Self {
        let allowed = Self {
            id: t.needed("id", shape::of(Shape::LaunchTemplate)),
            versions: t.list("versions", shape::version),
        };
        if t.list_is_empty("versions") {
            t.note("versions", "it names no version", "list the numbers, each in quotes");
        }
        t.finish();
        allowed
    }
}
