//! What this responder declares.

use backstop_core::ident::Shape;
use backstop_core::manifest::{
    Compliance, Manifest, NOT_IN_THE_SOURCE, Parameter, Query, Response, Runbook, Schedule,
    Statement, Use,
};
use backstop_core::words::{Class, Severity};

const fn lost(framework: &'static str) -> Compliance {
    Compliance { framework, value: NOT_IN_THE_SOURCE }
}

/// The runbook of SR-1.
pub(crate) const REVOKE: &str = "revoke-sessions.revoke";

/// What `revoke-sessions` declares.
pub const MANIFEST: Manifest = Manifest {
    responder: "revoke-sessions",
    control: "SR-1",
    title: "Revoke the sessions of a role, once the way in is closed",
    severity: Severity::High,
    typology: NOT_IN_THE_SOURCE,
    compliance: &[
        lost("CIS AWS Foundations v3.0.0"),
        lost("CIS Microsoft Azure Foundations v3.0.0"),
        lost("CIS GCP Foundation v4.0.0"),
        lost("CIS OCI Foundation v2.0.0"),
        lost("NIST SP 800-53 rev5"),
        lost("ISO/IEC 27001:2022"),
        lost("ISO/IEC 27017:2015"),
    ],
    // A person starts it: an event that could, could stop whoever uses the role.
    signals: &[],
    alerts: &[],
    thresholds: &[],
    responses: &[Response {
        id: "SR-1",
        class: Class::Guarded,
        title: "revoke the sessions of a role: by approval, without one only for the roles that \
                the policy names; protected roles never",
        actions: &[Use { action: "iam.role.revoke-sessions/1", class: Class::Guarded }],
    }],
    rules: &[],
    schedules: &[Schedule {
        name: "sweep",
        expression: "rate(1 hour)",
        title: "tells of what was interrupted, and ends it where that needs no person",
    }],
    runbooks: &[Runbook {
        name: REVOKE,
        response: "SR-1",
        title: "Deny everything to the sessions of a role that have been issued so far",
        parameters: &[Parameter {
            name: "role_name",
            title: "the role, with or without its path",
            shape: Shape::Role,
            example: "web-server",
            default: None,
        }],
    }],
    reads: &[
        Statement {
            actions: &[
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
            ],
            resource: "arn:${Partition}:iam::${Account}:role/*",
            conditions: &[],
            why: "reads the role, who uses it and what it may read; which role, a person says",
        },
        Statement {
            actions: &["iam:GetPolicy", "iam:GetPolicyVersion"],
            resource: "arn:${Partition}:iam::*:policy/*",
            conditions: &[],
            why: "reads what the attached policies allow, for the rotation list; AWS owns some",
        },
        Statement {
            actions: &["ec2:DescribeInstances", "lambda:ListFunctions"],
            resource: "*",
            conditions: &[],
            why: "finds the instances and functions that use the role; neither supports a \
                  resource-level permission",
        },
    ],
    queries: &[Query {
        name: "denied-and-allowed",
        title: "What the sessions of a role did after the cut-off: denied calls and, against it, \
                successful ones; put the role's name for ROLE (spec §1.6 f)",
        text: r#"fields @timestamp, eventName, eventSource, errorCode, sourceIPAddress, userIdentity.accessKeyId, userIdentity.sessionContext.attributes.creationDate
| filter userIdentity.type="AssumedRole" and userIdentity.sessionContext.sessionIssuer.userName="ROLE"
| sort @timestamp desc"#,
    }],
    commands: &[],
};
