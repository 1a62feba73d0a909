//! What assessments read of IAM before they decide.

use std::collections::BTreeMap;

use backstop_aws::{Account, Classify};
use backstop_core::{Error, Result};
use jiff::{SignedDuration, Timestamp};

/// A role as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its ARN, with its path.
    pub arn: String,
    /// Its path, such as `/` or `/service-role/`.
    pub path: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The policy that is its permissions boundary.
    pub boundary: Option<String>,
    /// The longest session that somebody can ask for.
    pub max_session: SignedDuration,
    /// When and in which Region it was used last, as far back as IAM keeps it.
    pub last_used: Option<(Timestamp, Option<String>)>,
    /// Who may assume it: the trust policy.
    pub trust: Option<String>,
}

impl Role {
    /// Its name.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

/// One policy of a role.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name. Chosen by others.
    pub name: String,
    /// Whether it is part of the role, and not attached to it.
    pub inline: bool,
    /// What it says, or why that could not be read.
    pub document: Result<String>,
}

/// `text` with the octets that IAM encodes in it decoded (RFC 3986).
///
/// # Errors
/// `Bug` if that is no text.
pub(super) fn decoded(text: &str) -> Result<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let octet = (*first == b'%')
            .then(|| Some(digit(tail.first())? * 16 + digit(tail.get(1))?))
            .flatten()
            .and_then(|octet| u8::try_from(octet).ok());
        out.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8(out).map_err(|_| Error::bug("a policy document of IAM is not UTF-8"))
}

/// The role of that name, none if there is none. IAM's names are unique without their paths.
///
/// # Errors
/// The class of IAM's refusal.
pub async fn role(account: &Account, name: &str) -> Result<Option<Role>> {
    let answer = account.iam().get_role().role_name(name).send().await.classed("iam:GetRole");
    let role = match answer {
        Ok(answer) => answer.role.ok_or_else(|| Error::bug("`iam:GetRole` answered no role"))?,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let last_used = role.role_last_used.and_then(|used| {
        let time = Timestamp::from_second(used.last_used_date?.secs()).ok()?;
        Some((time, used.region))
    });
    Ok(Some(Role {
        arn: role.arn,
        path: role.path,
        tags: role.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        boundary: role.permissions_boundary.and_then(|b| b.permissions_boundary_arn),
        // What IAM does not say is its default.
        max_session: SignedDuration::from_secs(role.max_session_duration.unwrap_or(3600).into()),
        last_used,
        trust: role.assume_role_policy_document.as_deref().map(decoded).transpose()?,
    }))
}

/// The document of an inline policy of a role, none if the role or the policy is not there.
///
/// # Errors
/// The class of IAM's refusal.
pub(super) async fn inline_policy(
    account: &Account,
    role: &str,
    policy: &str,
) -> Result<Option<String>> {
    let answer = account
        .iam()
        .get_role_policy()
        .role_name(role)
        .policy_name(policy)
        .send()
        .await
        .classed("iam:GetRolePolicy");
    match answer {
        Ok(answer) => decoded(&answer.policy_document).map(Some),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The ARNs of the instance profiles that hold the role, over all pages.
///
/// # Errors
/// The class of IAM's refusal.
pub async fn instance_profiles(account: &Account, role: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let page = account
            .iam()
            .list_instance_profiles_for_role()
            .role_name(role)
            .set_marker(marker)
            .send()
            .await
            .classed("iam:ListInstanceProfilesForRole")?;
        found.extend(page.instance_profiles.into_iter().map(|profile| profile.arn));
        marker = page.marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            return Ok(found);
        }
    }
}

/// Every policy of the role, attached and inline, over all pages. One whose document cannot be read
/// is among them, and says so; only what passes by itself is an error.
///
/// # Errors
/// The class of IAM's refusal to list them.
pub async fn policies(account: &Account, role: &str) -> Result<Vec<Policy>> {
    let (attached, inline) = futures::join!(attached(account, role), inline(account, role));
    let mut all = attached?;
    all.extend(inline?);
    let passing =
        |policy: &Policy| policy.document.as_ref().err().filter(|e| e.is_transient()).cloned();
    match all.iter().find_map(passing) {
        Some(error) => Err(error),
        None => Ok(all),
    }
}

async fn attached(account: &Account, role: &str) -> Result<Vec<Policy>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let page = account
            .iam()
            .list_attached_role_policies()
            .role_name(role)
            .set_marker(marker)
            .send()
            .await
            .classed("iam:ListAttachedRolePolicies")?;
        let policies = page.attached_policies.unwrap_or_default().into_iter();
        found.extend(
            policies.filter_map(|p| Some((p.policy_name.unwrap_or_default(), p.policy_arn?))),
        );
        marker = page.marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    let read = found.into_iter().map(async |(name, arn)| {
        let document = default_version(account, &arn).await;
        Policy { name, inline: false, document }
    });
    Ok(futures::future::join_all(read).await)
}

/// The document of the version of a managed policy that is in force.
async fn default_version(account: &Account, arn: &str) -> Result<String> {
    let policy =
        account.iam().get_policy().policy_arn(arn).send().await.classed("iam:GetPolicy")?.policy;
    let version = policy
        .and_then(|policy| policy.default_version_id)
        .ok_or_else(|| Error::bug("`iam:GetPolicy` answered no default version"))?;
    let answer = account
        .iam()
        .get_policy_version()
        .policy_arn(arn)
        .version_id(version)
        .send()
        .await
        .classed("iam:GetPolicyVersion")?;
    let document = answer.policy_version.and_then(|version| version.document);
    decoded(&document.ok_or_else(|| Error::bug("`iam:GetPolicyVersion` answered no document"))?)
}

async fn inline(account: &Account, role: &str) -> Result<Vec<Policy>> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let page = account
            .iam()
            .list_role_policies()
            .role_name(role)
            .set_marker(marker)
            .send()
            .await
            .classed("iam:ListRolePolicies")?;
        names.extend(page.policy_names);
        marker = page.marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    let read = names.into_iter().map(async |name| {
        let document = inline_policy(account, role, &name).await.and_then(|document| {
            document.ok_or_else(|| Error::missing("it is gone since it was listed"))
        });
        Policy { name, inline: true, document }
    });
    Ok(futures::future::join_all(read).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iam_encodes_is_decoded() {
        for (text, expected) in [
            ("%7B%22Version%22%3A%222012-10-17%22%7D", r#"{"Version":"2012-10-17"}"#),
            ("{\"plain\": 1}", "{\"plain\": 1}"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%C3%A9+%20", "é+ "),
        ] {
            assert_eq!(decoded(text).unwrap(), expected);
        }
        decoded("%ff").unwrap_err();
    }
}
