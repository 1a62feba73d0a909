//! Whether the metadata service of one instance answers more than it may: T1.1 and T1.3. Pure.

use backstop_actions::ec2::{Host, MetadataOptions};
use backstop_core::config::{HopLimit, Imdsv2};

/// What kind of host an instance is, for its hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostClass {
    /// A node of an EKS cluster, by a tag that users cannot set.
    Eks,
    /// A host of containers that the policy names.
    Containers,
    /// Anything else: 1 is right.
    Other,
}

impl HostClass {
    pub(crate) fn of(host: &Host, limits: &HopLimit) -> Self {
        if host.tags.contains_key("aws:eks:cluster-name") {
            return Self::Eks;
        }
        let profile = host.profile.as_deref();
        if limits.hosts.iter().any(|named| named.holds(profile, &host.tags)) {
            Self::Containers
        } else {
            Self::Other
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Eks => "a node of an EKS cluster",
            Self::Containers => "a host of containers by the policy",
            Self::Other => "no host of containers that is known",
        }
    }
}

/// What is wrong with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// IMDSv1 is answered.
    pub(crate) exposed: bool,
    /// What it is for its hop limit.
    pub(crate) class: HostClass,
    /// The hop limit that is allowed.
    pub(crate) allowed: i32,
    /// Its own, where it is above that.
    pub(crate) above: Option<i32>,
}

impl Judged {
    /// Whether anything is wrong.
    pub(crate) const fn is_wrong(&self) -> bool {
        self.exposed || self.above.is_some()
    }
}

/// What is wrong with an instance.
///
/// # Errors
/// Why it cannot be told: what EC2 does not say is neither safe nor guilty.
pub(crate) fn judge(host: &Host, policy: &Imdsv2) -> Result<Judged, String> {
    let class = HostClass::of(host, &policy.hop_limit);
    let allowed = match class {
        HostClass::Eks => policy.hop_limit.eks,
        HostClass::Containers => policy.hop_limit.containers,
        HostClass::Other => policy.hop_limit.others,
    };
    let allowed = i32::try_from(allowed).unwrap_or(i32::MAX);
    let options = &host.options;
    // Switched off, it answers nobody, whatever the rest says.
    if options.is_off() {
        return Ok(Judged { exposed: false, class, allowed, above: None });
    }
    let MetadataOptions { http_tokens: Some(_), http_put_response_hop_limit: Some(hops), .. } =
        options
    else {
        return Err(format!("EC2 does not show the metadata options of {}", host.id));
    };
    let above = Some(*hops).filter(|hops| *hops > allowed);
    Ok(Judged { exposed: !options.requires_tokens(), class, allowed, above })
}

#[cfg(test)]
mod tests {
    use backstop_core::config::ContainerHost;

    use super::*;

    pub(crate) fn host(tokens: Option<&str>, hops: Option<i32>, endpoint: &str) -> Host {
        Host {
            id: "i-0001".into(),
            state: "running".into(),
            vpc: None,
            tags: std::collections::BTreeMap::new(),
            profile: Some("arn:aws:iam::111111111111:instance-profile/ecs".into()),
            managed_by: None,
            options: MetadataOptions {
                http_tokens: tokens.map(Into::into),
                http_put_response_hop_limit: hops,
                http_endpoint: Some(endpoint.into()),
                ..MetadataOptions::default()
            },
        }
    }

    #[test]
    fn t1_1_t1_3_every_row_of_the_judgement() {
        let policy = Imdsv2::default();
        for (tokens, hops, endpoint, exposed, above) in [
            ("optional", 1, "enabled", true, None),
            ("optional", 2, "enabled", true, Some(2)),
            ("required", 2, "enabled", false, Some(2)),
            ("required", 64, "enabled", false, Some(64)),
            ("required", 1, "enabled", false, None),
            ("optional", 64, "disabled", false, None),
            ("something new", 1, "enabled", true, None),
        ] {
            let judged = judge(&host(Some(tokens), Some(hops), endpoint), &policy).unwrap();
            assert_eq!((judged.exposed, judged.above), (exposed, above), "{tokens} {hops}");
            assert_eq!(judged.is_wrong(), exposed || above.is_some());
        }
        judge(&host(None, Some(1), "enabled"), &policy).unwrap_err();
        judge(&host(Some("required"), None, "enabled"), &policy).unwrap_err();
        assert!(!judge(&host(None, None, "disabled"), &policy).unwrap().is_wrong());
    }

    #[test]
    fn t1_3_a_host_of_containers_is_known_by_what_users_cannot_set() {
        let mut policy = Imdsv2::default();
        let mut two = host(Some("required"), Some(2), "enabled");
        let class = |host: &Host, policy: &Imdsv2| judge(host, policy).unwrap().class;
        assert_eq!(class(&two, &policy), HostClass::Other);
        for tag in ["eks:cluster-name", "kubernetes.io/cluster/a", "Name"] {
            two.tags.insert(tag.into(), "x".into());
        }
        assert_eq!(class(&two, &policy), HostClass::Other, "anybody may set these");
        policy.hop_limit.hosts = vec![ContainerHost {
            instance_profile: two.profile.clone(),
            auto_scaling_group: Some("web".into()),
            launch_template: None,
        }];
        assert_eq!(class(&two, &policy), HostClass::Other, "both keys must hold");
        two.tags.insert("aws:autoscaling:groupName".into(), "web".into());
        assert_eq!(class(&two, &policy), HostClass::Containers);
        policy.hop_limit.hosts = vec![ContainerHost::default()];
        assert_eq!(class(&two, &policy), HostClass::Other, "no key names nothing");
        two.tags.insert("aws:eks:cluster-name".into(), "x".into());
        assert_eq!(class(&two, &policy), HostClass::Eks);
        assert!(!judge(&two, &policy).unwrap().is_wrong());
        two.options.http_put_response_hop_limit = Some(3);
        assert_eq!(judge(&two, &policy).unwrap().above, Some(3), "a node needs 2, not 3");
    }
}
