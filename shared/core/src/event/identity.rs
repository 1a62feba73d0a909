//! Who a record says made the call.

use serde::Deserialize;

use super::lenient::{boolean, essential, object, text};

/// `userIdentity`, flattened. Names in it are chosen by the caller: shown, never trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Raw")]
pub struct Identity {
    /// What kind of principal it is.
    pub kind: IdentityKind,
    /// The ARN; services and other accounts have none. A role session's lacks the role's path.
    pub arn: Option<String>,
    /// The unique id; for a role session `AROA…:<session name>`.
    pub principal_id: Option<String>,
    /// The account that the principal belongs to.
    pub account_id: Option<String>,
    /// The name of a user, or the subject of a web identity.
    pub user_name: Option<String>,
    /// The AWS service that called, alone or for the principal.
    pub invoked_by: Option<String>,
    /// The id of the access key, not the key.
    pub access_key_id: Option<String>,
    /// The ARN of the role behind a session, with its path.
    pub issuer_arn: Option<String>,
    /// What issued the session: `Role`, `Root`, `IAMUser`.
    pub issuer_type: Option<String>,
    /// Whether the session was made with a second factor.
    pub mfa: Option<bool>,
    /// `1.0` or `2.0`: the version of the instance metadata service that gave the credentials.
    pub ec2_role_delivery: Option<String>,
    /// The identity provider of a web identity, or of the session made from one.
    pub federated_provider: Option<String>,
}

/// What kind of principal made the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdentityKind {
    /// An AWS service for itself.
    AwsService,
    /// An IAM user.
    IamUser,
    /// The account's root user.
    Root,
    /// A session of a role.
    AssumedRole,
    /// A role itself.
    Role,
    /// A principal of another account.
    AwsAccount,
    /// A session made by `GetFederationToken`.
    FederatedUser,
    /// A caller with a token of an `OpenID` Connect provider.
    WebIdentityUser,
    /// A caller with a SAML assertion.
    SamlUser,
    /// A user of IAM Identity Center.
    IdentityCenterUser,
    /// A user of a directory.
    Directory,
    /// AWS says that it does not know.
    Unknown,
    /// A kind that this version does not know.
    Other(String),
    /// The record does not say; service events do not.
    #[default]
    Absent,
}

impl From<Option<String>> for IdentityKind {
    fn from(kind: Option<String>) -> Self {
        let Some(kind) = kind else { return Self::Absent };
        match kind.as_str() {
            "AWSService" => Self::AwsService,
            "IAMUser" => Self::IamUser,
            "Root" => Self::Root,
            "AssumedRole" => Self::AssumedRole,
            "Role" => Self::Role,
            "AWSAccount" => Self::AwsAccount,
            "FederatedUser" => Self::FederatedUser,
            "WebIdentityUser" => Self::WebIdentityUser,
            "SAMLUser" => Self::SamlUser,
            "IdentityCenterUser" => Self::IdentityCenterUser,
            "Directory" => Self::Directory,
            "Unknown" => Self::Unknown,
            _ => Self::Other(kind),
        }
    }
}

/// `userIdentity` as CloudTrail nests it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    #[serde(rename = "type", deserialize_with = "essential")]
    kind: Option<String>,
    #[serde(deserialize_with = "essential")]
    arn: Option<String>,
    #[serde(deserialize_with = "text")]
    principal_id: Option<String>,
    #[serde(deserialize_with = "text")]
    account_id: Option<String>,
    #[serde(deserialize_with = "text")]
    user_name: Option<String>,
    #[serde(deserialize_with = "text")]
    invoked_by: Option<String>,
    #[serde(deserialize_with = "text")]
    access_key_id: Option<String>,
    #[serde(deserialize_with = "text")]
    identity_provider: Option<String>,
    #[serde(deserialize_with = "object")]
    session_context: SessionContext,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SessionContext {
    #[serde(deserialize_with = "object")]
    session_issuer: SessionIssuer,
    #[serde(deserialize_with = "object")]
    attributes: Attributes,
    #[serde(deserialize_with = "object")]
    web_id_federation_data: WebId,
    #[serde(deserialize_with = "text")]
    ec2_role_delivery: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SessionIssuer {
    #[serde(rename = "type", deserialize_with = "text")]
    kind: Option<String>,
    #[serde(deserialize_with = "essential")]
    arn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Attributes {
    #[serde(deserialize_with = "boolean")]
    mfa_authenticated: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WebId {
    #[serde(deserialize_with = "text")]
    federated_provider: Option<String>,
}

impl From<Raw> for Identity {
    fn from(raw: Raw) -> Self {
        let session = raw.session_context;
        Self {
            kind: raw.kind.into(),
            arn: raw.arn,
            principal_id: raw.principal_id,
            account_id: raw.account_id,
            user_name: raw.user_name,
            invoked_by: raw.invoked_by,
            access_key_id: raw.access_key_id,
            issuer_arn: session.session_issuer.arn,
            issuer_type: session.session_issuer.kind,
            mfa: session.attributes.mfa_authenticated,
            ec2_role_delivery: session.ec2_role_delivery,
            federated_provider: session
                .web_id_federation_data
                .federated_provider
                .or(raw.identity_provider),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn identity(value: Value) -> Identity {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn kinds_are_known_or_kept() {
        for (name, kind) in [
            (json!("AWSService"), IdentityKind::AwsService),
            (json!("IAMUser"), IdentityKind::IamUser),
            (json!("Root"), IdentityKind::Root),
            (json!("AssumedRole"), IdentityKind::AssumedRole),
            (json!("Role"), IdentityKind::Role),
            (json!("AWSAccount"), IdentityKind::AwsAccount),
            (json!("FederatedUser"), IdentityKind::FederatedUser),
            (json!("WebIdentityUser"), IdentityKind::WebIdentityUser),
            (json!("SAMLUser"), IdentityKind::SamlUser),
            (json!("IdentityCenterUser"), IdentityKind::IdentityCenterUser),
            (json!("Directory"), IdentityKind::Directory),
            (json!("Unknown"), IdentityKind::Unknown),
            (json!("Robot"), IdentityKind::Other("Robot".to_owned())),
            (json!(""), IdentityKind::Absent),
            (Value::Null, IdentityKind::Absent),
        ] {
            assert_eq!(identity(json!({"type": name})).kind, kind, "{name}");
        }
        assert_eq!(identity(json!({})), Identity::default());
    }

    #[test]
    fn a_session_tells_its_role_with_its_path() {
        let who = identity(json!({
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:i-0aaa1111bbb222201",
            "arn": "arn:aws:sts::111111111111:assumed-role/node/i-0aaa1111bbb222201",
            "accessKeyId": "",
            "invokedBy": "autoscaling.amazonaws.com",
            "sessionContext": {
                "ec2RoleDelivery": "1.0",
                "sessionIssuer": {
                    "type": "Role",
                    "arn": "arn:aws:iam::111111111111:role/path/node",
                    "userName": "node",
                },
                "webIdFederationData": {"federatedProvider": "arn:oidc", "attributes": {}},
                "attributes": {"mfaAuthenticated": "false"},
            },
        }));
        assert_eq!(who.issuer_arn.as_deref(), Some("arn:aws:iam::111111111111:role/path/node"));
        assert_eq!(who.issuer_type.as_deref(), Some("Role"));
        assert_eq!(who.access_key_id, None);
        assert_eq!(who.mfa, Some(false));
        assert_eq!(who.ec2_role_delivery.as_deref(), Some("1.0"));
        assert_eq!(who.federated_provider.as_deref(), Some("arn:oidc"));
        assert_eq!(who.invoked_by.as_deref(), Some("autoscaling.amazonaws.com"));
    }

    #[test]
    fn what_only_informs_may_have_any_type() {
        let odd = json!({
            "principalId": 5,
            "userName": ["x"],
            "sessionContext": {"attributes": {"mfaAuthenticated": 1}, "webIdFederationData": {}},
        });
        assert_eq!(identity(odd), Identity::default());
        assert_eq!(identity(json!({"sessionContext": null})), Identity::default());
    }

    #[test]
    fn what_own_and_protected_principals_are_compared_with_must_be_readable() {
        for value in [
            json!({"type": 5}),
            json!({"arn": ["arn:aws:iam::111111111111:role/backstop"]}),
            json!({"sessionContext": "x"}),
            json!({"sessionContext": []}),
            json!({"sessionContext": {"sessionIssuer": []}}),
            json!({"sessionContext": {"sessionIssuer": {"arn": 1}}}),
        ] {
            assert!(serde_json::from_value::<Identity>(value.clone()).is_err(), "{value}");
        }
    }
}
