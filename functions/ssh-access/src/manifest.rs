//! What this responder declares.

use backstop_core::ident::Shape;
use backstop_core::manifest::{
    Command, Compliance, Manifest, NOT_IN_THE_SOURCE, Parameter, Query, Response, Rule, Runbook,
    Schedule, Signal, Statement, Threshold, Use,
};
use backstop_core::words::{Class, Severity, Urgency};

const fn lost(framework: &'static str) -> Compliance {
    Compliance { framework, value: NOT_IN_THE_SOURCE }
}

/// The runbook of R2.1a.
pub(crate) const REVOKE_INGRESS: &str = "ssh-access.revoke-ingress";

/// What `ssh-access` declares.
pub const MANIFEST: Manifest = Manifest {
    responder: "ssh-access",
    control: "aws-work-02",
    title: "Replace SSH with Session Manager on every EC2 instance; delete the bastion fleet",
    severity: Severity::High,
    typology: "PREVENTIVE",
    compliance: &[
        lost("CIS AWS Foundations v3.0.0"),
        lost("CIS Microsoft Azure Foundations v3.0.0"),
        lost("CIS GCP Foundation v4.0.0"),
        lost("CIS OCI Foundation v2.0.0"),
        lost("NIST SP 800-53 rev5"),
        lost("ISO/IEC 27001:2022"),
        lost("ISO/IEC 27017:2015"),
    ],
    signals: &[
        Signal { id: "S2.1", title: "an instance is launched with a key pair" },
        Signal { id: "X2.1", title: "a security group rule that admits SSH is authorised" },
        Signal { id: "X2.2", title: "a security group rule is changed into one that admits SSH" },
    ],
    alerts: &[],
    thresholds: &[Threshold {
        id: "T2.1",
        urgency: Urgency::Page,
        title: "a key pair in production that is not on the allow-list: page, else ticket",
    }],
    responses: &[Response {
        id: "R2.1a",
        class: Class::Auto,
        title: "revoke port-22 ingress: unattended only what the event opened, exactly TCP 22, \
                to a public source; a wider range is narrowed or revoked by approval",
        actions: &[
            Use { action: "ec2.security-group-rule.revoke/1", class: Class::Auto },
            Use { action: "ec2.security-group-rule.modify/1", class: Class::Approval },
            Use { action: "ec2.security-group-rule.authorize/1", class: Class::Approval },
        ],
    }],
    rules: &[
        Rule::api_calls(
            "security-groups",
            "aws.ec2",
            &["AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"],
        ),
        Rule::api_calls("launches", "aws.ec2", &["RunInstances"]),
    ],
    schedules: &[Schedule {
        name: "sweep",
        expression: "rate(1 hour)",
        title: "keeps the inventory, finds what events missed, resumes what is unfinished",
    }],
    runbooks: &[Runbook {
        name: REVOKE_INGRESS,
        response: "R2.1a",
        title: "Revoke the rules of a group, or of an instance's groups, that admit SSH",
        parameters: &[
            Parameter {
                name: "group_id",
                title: "the security group",
                shape: Shape::SecurityGroup,
                example: "sg-0123456789abcdef0",
                default: None,
            },
            Parameter {
                name: "rule_id",
                title: "the rules of that group, if not all of them",
                shape: Shape::SecurityGroupRule,
                example: "sgr-0123456789abcdef0",
                default: None,
            },
            Parameter {
                name: "instance_id",
                title: "the instance whose groups are meant",
                shape: Shape::Instance,
                example: "i-0123456789abcdef0",
                default: None,
            },
        ],
    }],
    reads: &[
        Statement {
            actions: &[
                "ec2:DescribeInstances",
                "ec2:DescribeManagedPrefixLists",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroupRules",
                "ec2:DescribeSecurityGroups",
            ],
            resource: "*",
            conditions: &[],
            why: "reads live state before it decides; EC2 supports no resource-level permission for \
              these",
        },
        Statement {
            actions: &["ec2:GetManagedPrefixListEntries"],
            resource: "arn:${Partition}:ec2:${Region}:*:prefix-list/*",
            conditions: &[],
            why: "resolves the prefix lists that rules name; AWS and other accounts own some of them",
        },
    ],
    queries: &[Query {
        name: "ssh-paths",
        title: "Every call that may have opened a way in by SSH (spec §3.2)",
        text: r#"fields @timestamp, eventName, userIdentity.arn, awsRegion, recipientAccountId
| filter not ispresent(errorCode)
| filter (eventSource="ec2.amazonaws.com" and eventName in ["AuthorizeSecurityGroupIngress","ModifySecurityGroupRules","CreateSecurityGroup","ModifyManagedPrefixList","RunInstances","CreateLaunchTemplateVersion","ModifyInstanceAttribute","ModifyNetworkInterfaceAttribute"])
    or eventSource="ec2-instance-connect.amazonaws.com"
| sort @timestamp desc"#,
    }],
    commands: &[Command {
        name: "authorized-keys",
        title: "Takes one public key out of every authorized_keys file, and puts it back",
        content: include_str!("../commands/authorized-keys.json"),
    }],
};
