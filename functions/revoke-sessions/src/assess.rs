//! The one decision, from live state: a role that a person points at.

use backstop_actions::iam::{self, LEAD, POLICY_NAME, Role, Standing};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::Candidate;
use backstop_core::config::Config;
use backstop_core::ident::Shape;
use backstop_core::plan::Step;
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::{Class, Urgency};
use jiff::Timestamp;

use crate::rotation;
use crate::users::Users;

pub(crate) async fn assess(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let name = candidate.one("role_name")?;
    let path = candidate.all("path").first();
    let found = iam::role(account, name).await?;
    let Some(role) = found.filter(|role| path.is_none_or(|path| *path == role.path)) else {
        return Ok(Assessment::Absent(format!(
            "there is no role `{}{name}` in {}",
            path.map_or("", String::as_str),
            candidate.account
        )));
    };
    if let Some(why) = untouchable(&role, &memory.config) {
        return Ok(Assessment::Unknown(why));
    }
    let standing = iam::standing(account, &role).await?;
    let ahead = memory.now.saturating_add(LEAD).unwrap_or(Timestamp::MAX);
    if let Some(cut_off) = standing.cut_off.filter(|cut_off| *cut_off >= ahead) {
        return Ok(Assessment::Compliant(format!(
            "the sessions of `{name}` that are issued until {cut_off} are denied everything \
             already; a cut-off is never moved back"
        )));
    }
    let (users, policies) = futures::join!(Users::of(account, &role), iam::policies(account, name));
    let users = users?;
    let mut follow_up = first_of_all(&role);
    follow_up.extend(users.follow_up());
    follow_up.extend(rotation::lines(policies)?);
    let (class, reason) = class(&role, &memory.config);
    let action = iam::RevokeSessions {
        account: candidate.account.clone(),
        role_arn: role.arn.clone(),
        role_name: name.to_owned(),
        later_than: standing.cut_off,
    };
    let finding = Finding {
        signal: candidate.signal.clone(),
        title: format!("a person wants the sessions of the role {name} revoked"),
        facts: facts(&role, &standing, memory.now)?,
        urgency: Urgency::Ticket,
        blast_radius: Some(users.words(account.region())),
        follow_up,
        property: "role-sessions".to_owned(),
    };
    let production = memory.config.is_production(&candidate.account, None, &role.tags);
    Ok(Assessment::Violation(Box::new(Violation {
        finding,
        steps: vec![Step::new(action, &Some(standing), class, reason)?],
        choice: None,
        incomplete: false,
        scope: Scope { production, hands_off: None },
    })))
}

/// Why nobody may revoke the sessions of a role with this, if so: then there is no step, and
/// nothing to approve.
fn untouchable(role: &Role, config: &Config) -> Option<String> {
    let arn = safe(&role.arn, 200);
    if config.is_protected(&role.arn) {
        return Some(format!("`{arn}` is a protected principal: it is never changed"));
    }
    // Whether one is protected is told by its ARN: by one that is odd, it could not be.
    let plain = role.arn.split_once(":role/").is_some_and(|(_, role)| Shape::Role.fits(role));
    (!plain).then(|| format!("`{arn}` has characters in its path that Backstop does not take"))
}

/// What may run the revocation, and why.
fn class(role: &Role, config: &Config) -> (Class, String) {
    if config.revoke_sessions.is_preauthorised(&role.arn) {
        (Class::Guarded, "the policy names the role as preauthorised".to_owned())
    } else {
        (Class::Approval, "whoever uses the role loses access at once".to_owned())
    }
}

fn facts(role: &Role, standing: &Standing, now: Timestamp) -> Result<Vec<String>> {
    let mut facts = vec![format!("role {}", role.arn)];
    facts.push(match &role.last_used {
        Some((time, Some(region))) => format!("last used {time} in {}", safe(region, 30)),
        Some((time, None)) => format!("last used {time}"),
        None => "IAM knows of no use of it; it keeps 400 days, and shows a use late".to_owned(),
    });
    facts.push(format!(
        "who assumes it may ask for sessions of up to {} min; what AWS's services obtain is not \
         bound by that",
        role.max_session.as_mins()
    ));
    facts.push(match standing.cut_off {
        Some(cut_off) => format!(
            "sessions issued until {cut_off} are denied already ({} min ago): this adds those \
             issued since, new legitimate ones among them",
            now.duration_since(cut_off).as_mins()
        ),
        None => "its sessions have not been revoked before".to_owned(),
    });
    let others = standing.policy()?.others();
    if others > 0 {
        facts.push(format!(
            "its policy {POLICY_NAME} has {others} other statements, which stay in force"
        ));
    }
    if let Some(boundary) = &role.boundary {
        facts.push(format!("its permissions boundary is {}", safe(boundary, 200)));
    }
    Ok(facts)
}

/// What a person has to know before all else.
fn first_of_all(role: &Role) -> Vec<String> {
    let mut lines = vec![
        "close the way in first (instance metadata, pod identity, trust policy, leaked keys of \
         whoever may assume the role): a session that is obtained after the cut-off is untouched"
            .to_owned(),
    ];
    if trusts_itself(role) {
        lines.push(
            "its trust policy lets the role assume itself: a session can renew itself until the \
             deny is in force everywhere. Take that out first"
                .to_owned(),
        );
    }
    lines.push(
        "IAM takes a while until it denies everywhere, and the 30 s ahead are no guarantee: look \
         in CloudTrail for denied calls, and for none that succeed"
            .to_owned(),
    );
    lines.push(
        "what was made with a session lives on: tokens for ECR (12 h), open Session Manager \
         sessions (end them with `ssm terminate-session`), tokens for EKS (minutes). Sessions of \
         other roles that were assumed from this one are not revoked: revoke those roles too"
            .to_owned(),
    );
    lines.push(
        "leave the cut-off in force: it hinders no new session, and cannot be taken back before \
         the last session that it denies has ended (12 h)"
            .to_owned(),
    );
    lines
}

/// Whether the trust policy names the role itself, or a session of it.
fn trusts_itself(role: &Role) -> bool {
    let session = role
        .arn
        .split_once(":iam::")
        .and_then(|(partition, rest)| {
            let (account, _) = rest.split_once(':')?;
            Some(format!("{partition}:sts::{account}:assumed-role/{}/", role.name()))
        })
        .unwrap_or_default();
    let trust = role.trust.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let trust: serde_json::Value = trust.unwrap_or_default();
    rotation::statements(&trust).any(|statement| {
        let principals = statement.pointer("/Principal/AWS").map(rotation::texts);
        statement.get("Effect").is_some_and(|effect| effect == "Allow")
            && principals
                .unwrap_or_default()
                .iter()
                .any(|one| *one == role.arn || one.starts_with(&session))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::SignedDuration;

    use super::*;

    fn role(arn: &str, trust: &str) -> Role {
        Role {
            arn: arn.to_owned(),
            path: "/".to_owned(),
            tags: BTreeMap::new(),
            boundary: None,
            max_session: SignedDuration::from_hours(1),
            last_used: None,
            trust: Some(trust.to_owned()),
        }
    }

    fn config(more: &str) -> Config {
        let scope = "[scope]\naccounts = [\"111111111111\"]\nregions = [\"eu-west-1\"]\n";
        Config::parse(&format!("{scope}{more}"), Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn sr_1_roles_that_are_never_touched() {
        let config =
            config("[principals]\nprotected = [\"arn:aws:iam::111111111111:role/Break*\"]");
        for (name, touched) in [
            ("web", true),
            ("ci/deployer", true),
            ("BreakGlass", false),
            ("aws-service-role/x.amazonaws.com/AWSServiceRoleForX", false),
            ("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_1", false),
            ("OrganizationAccountAccessRole", false),
            ("AWSControlTowerExecution", false),
            ("cdk-hnb659fds-cfn-exec-role-111111111111-eu-west-1", false),
            ("backstop-revoke-sessions-attended", false),
            ("backstop-ssh-access-unattended", false),
            ("a'b/web", false),
            ("a/$(id)/web", false),
        ] {
            let role = role(&format!("arn:aws:iam::111111111111:role/{name}"), "{}");
            assert_eq!(untouchable(&role, &config).is_none(), touched, "{name}");
        }
    }

    #[test]
    fn sr_1_guarded_only_where_the_policy_names_the_role() {
        let config = config(
            "[revoke-sessions]\npreauthorised = [\"arn:aws:iam::111111111111:role/ci/web\"]",
        );
        for (name, expected) in
            [("ci/web", Class::Guarded), ("web", Class::Approval), ("ci/web2", Class::Approval)]
        {
            let role = role(&format!("arn:aws:iam::111111111111:role/{name}"), "{}");
            assert_eq!(class(&role, &config).0, expected, "{name}");
        }
    }

    #[test]
    fn sr_1_a_role_that_may_assume_itself_is_told_of() {
        let arn = "arn:aws:iam::111111111111:role/ci/web";
        for (principal, itself) in [
            (r#""arn:aws:iam::111111111111:role/ci/web""#, true),
            (r#"["arn:aws:iam::111111111111:root","arn:aws:iam::111111111111:role/ci/web"]"#, true),
            (r#""arn:aws:sts::111111111111:assumed-role/web/alice""#, true),
            (r#""arn:aws:iam::111111111111:role/web""#, false),
            (r#""arn:aws:iam::111111111111:root""#, false),
        ] {
            let trust = format!(
                r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":{principal}}},"Action":"sts:AssumeRole"}}}}"#
            );
            assert_eq!(trusts_itself(&role(arn, &trust)), itself, "{principal}");
        }
        assert!(!trusts_itself(&role(arn, "no policy")));
    }
}
