//! What a person points at. Nothing else does.

use std::collections::BTreeMap;

use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::Run;
use backstop_core::ident::{Shape, role_arn};
use backstop_core::text::safe;
use backstop_core::{Error, Result};

/// The roles of a person's target, each once.
pub(crate) fn target(run: &Run, key: &str) -> Result<Vec<Candidate>> {
    const HINT: &str = "it takes `role_name`, one or several: the role's name, with or without its \
                        path";
    if let Some(name) = run.target.keys().find(|name| *name != "role_name") {
        let message = format!("`{}` takes no `{}`", run.runbook, safe(name, 40));
        return Err(Error::invalid(message).hint(HINT));
    }
    let mut roles: Vec<&String> = run.target.values().flatten().collect();
    roles.sort();
    roles.dedup();
    if roles.is_empty() {
        return Err(Error::invalid(format!("`{}` needs a target", run.runbook)).hint(HINT));
    }
    let candidate = |role: &String| {
        let role = Shape::Role.check(role)?;
        let (path, name) = role.rsplit_once('/').unwrap_or(("", role));
        let mut ids = BTreeMap::from([("role_name".to_owned(), vec![name.to_owned()])]);
        if !path.is_empty() {
            ids.insert("path".to_owned(), vec![format!("/{path}/")]);
        }
        Ok(Candidate {
            signal: "SR-1".to_owned(),
            resource: role_arn(&run.region, &run.account, role),
            account: run.account.clone(),
            region: run.region.clone(),
            ids,
            origin: Origin::Person {
                claimed: run.requested_by.clone(),
                reason: run.reason.clone(),
                key: key.to_owned(),
            },
        })
    };
    roles.into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(target: &[(&str, &[&str])]) -> Run {
        let values = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
        Run {
            runbook: crate::manifest::REVOKE.to_owned(),
            target: target.iter().map(|(name, all)| ((*name).to_owned(), values(all))).collect(),
            account: "111111111111".to_owned(),
            region: "eu-west-1".to_owned(),
            apply: false,
            requested_by: "alice".to_owned(),
            reason: "INC-42".to_owned(),
        }
    }

    #[test]
    fn sr_1_a_target_is_one_role_or_several() {
        let found = target(&run(&[("role_name", &["web", "ci/build", "web"])]), "k").unwrap();
        let resources: Vec<&str> = found.iter().map(|c| c.resource.as_str()).collect();
        assert_eq!(
            resources,
            ["arn:aws:iam::111111111111:role/ci/build", "arn:aws:iam::111111111111:role/web"]
        );
        let [build, web] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (build.one("role_name").unwrap(), build.one("path").unwrap()),
            ("build", "/ci/")
        );
        assert_eq!((web.one("role_name").unwrap(), web.all("path").len()), ("web", 0));
    }

    #[test]
    fn sr_1_no_other_target_is_taken() {
        for wrong in [
            &[] as &[(&str, &[&str])],
            &[("role_name", &[])],
            &[("role_name", &[""])],
            &[("role_name", &["web", "$(id)"])],
            &[("role_name", &["arn:aws:iam::111111111111:role/web"])],
            &[("role_name", &["web' --policy-name x"])],
            &[("role_name", &["web"]), ("path", &["/x/"])],
            &[("instance_id", &["i-0123456789abcdef0"])],
        ] {
            let refused = target(&run(wrong), "k").unwrap_err();
            assert_eq!(refused.class(), backstop_core::error::Class::Invalid, "{wrong:?}");
        }
    }
}
