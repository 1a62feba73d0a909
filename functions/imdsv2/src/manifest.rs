//! What this responder declares.

use backstop_core::alert::{About, Alert};
use backstop_core::ident::Shape;
use backstop_core::manifest::{
    Compliance, Manifest, Parameter, Query, Response, Rule, Runbook, Schedule, Signal, Statement,
    Threshold, Use,
};
use backstop_core::words::{Class, Severity, Urgency};

/// The runbook of R1.1a.
pub(crate) const REQUIRE_TOKENS: &str = "imdsv2.require-tokens";

/// What EC2 emits when the state of an instance changes.
pub(crate) const STATE_CHANGE: &str = "EC2 Instance State-change Notification";

/// What AWS Config emits when a resource begins or ceases to comply with a rule.
pub(crate) const CONFIG_CHANGE: &str = "Config Rules Compliance Change";

const fn cell(framework: &'static str, value: &'static str) -> Compliance {
    Compliance { framework, value }
}

const fn signal(id: &'static str, title: &'static str) -> Signal {
    Signal { id, title }
}

/// A call of EC2 that is told.
const fn alert(
    id: &'static str,
    event_name: &'static str,
    title: &'static str,
    urgency: Urgency,
    about: Option<About>,
) -> Alert {
    Alert {
        id,
        source: "aws.ec2",
        event_source: "ec2.amazonaws.com",
        event_name,
        title,
        urgency,
        about,
    }
}

/// A call of EC2 Auto Scaling that is told.
const fn scaling(
    id: &'static str,
    event_name: &'static str,
    title: &'static str,
    urgency: Urgency,
    about: About,
) -> Alert {
    Alert {
        id,
        source: "aws.autoscaling",
        event_source: "autoscaling.amazonaws.com",
        event_name,
        title,
        urgency,
        about: Some(about),
    }
}

const INSTANCE: About = About {
    name: "instance_id",
    member: "instanceId",
    shape: Shape::Instance,
    resource: "instance/",
};

const TEMPLATE: About = About {
    name: "launch_template_id",
    member: "launchTemplateId",
    shape: Shape::LaunchTemplate,
    resource: "launch-template/",
};

const GROUP: About = About {
    name: "auto_scaling_group",
    member: "autoScalingGroupName",
    shape: Shape::Name,
    resource: "autoScalingGroup:*:autoScalingGroupName/",
};

const CONFIGURATION: About = About {
    name: "launch_configuration",
    member: "launchConfigurationName",
    shape: Shape::Name,
    resource: "launchConfiguration:*:launchConfigurationName/",
};

/// What may weaken the control by another way, and is left to a person.
const ALERTS: &[Alert] = &[
    alert(
        "X1.5",
        "DeleteLaunchTemplateVersions",
        "versions are gone that a good one could be made from",
        Urgency::Ticket,
        Some(TEMPLATE),
    ),
    scaling(
        "X1.6",
        "CreateLaunchConfiguration",
        "a launch configuration has metadata options of its own, and no version to go back to",
        Urgency::Ticket,
        CONFIGURATION,
    ),
    scaling(
        "X1.7",
        "UpdateAutoScalingGroup",
        "the group may launch from another template or version from now on",
        Urgency::Info,
        GROUP,
    ),
    alert(
        "X1.8",
        "ModifyImageAttribute",
        "an attribute of an image changed, among which is whether it asks for IMDSv2",
        Urgency::Info,
        None,
    ),
    alert(
        "X1.9",
        "RegisterImage",
        "an image that does not ask for IMDSv2 launches instances that allow IMDSv1",
        Urgency::Info,
        None,
    ),
    alert(
        "X1.10",
        "AssociateIamInstanceProfile",
        "an instance got a role: where it answers IMDSv1, the role is within reach",
        Urgency::Ticket,
        Some(INSTANCE),
    ),
    alert(
        "X1.11",
        "ReplaceIamInstanceProfileAssociation",
        "an instance got another role: where it answers IMDSv1, the role is within reach",
        Urgency::Ticket,
        Some(INSTANCE),
    ),
    alert(
        "X1.12",
        "CreateFleet",
        "a fleet launches instances; each is looked at when it runs",
        Urgency::Info,
        None,
    ),
    alert(
        "X1.13",
        "RequestSpotInstances",
        "Spot launches instances; each is looked at when it runs",
        Urgency::Info,
        None,
    ),
    alert(
        "X1.14",
        "RequestSpotFleet",
        "a Spot fleet launches instances; each is looked at when it runs",
        Urgency::Info,
        None,
    ),
];

/// What `imdsv2` declares.
pub const MANIFEST: Manifest = Manifest {
    responder: "imdsv2",
    control: "aws-work-01",
    title: "Configure every EC2 instance with IMDSv2 token-required and hop-limit = 1",
    severity: Severity::Critical,
    typology: "PREVENTIVE",
    compliance: &[
        cell("CIS AWS Foundations v3.0.0", "4.x (verify)"),
        cell("CIS Microsoft Azure Foundations v3.0.0", "n/a"),
        cell("CIS GCP Foundation v4.0.0", "n/a"),
        cell("CIS OCI Foundation v2.0.0", "n/a"),
        cell("NIST SP 800-53 rev5", "AC-3; CM-7; SC-8"),
        cell("ISO/IEC 27001:2022", "A.8.20; A.8.25"),
        cell("ISO/IEC 27017:2015", "CLD.9.5.1"),
    ],
    signals: &[
        signal("S1.1", "the metadata options of an instance are changed"),
        signal("S1.2", "an instance is launched, or runs, that answers IMDSv1"),
        signal("S1.3", "AWS Config finds that an instance allows IMDSv1"),
        signal("X1.1", "the account's defaults for new instances are changed"),
        signal("X1.2", "a launch template is created"),
        signal("X1.3", "a version of a launch template is created"),
        signal("X1.4", "another version of a launch template becomes the default"),
        signal("X1.15", "an instance is started, and what was changed before comes into force"),
    ],
    alerts: ALERTS,
    thresholds: &[
        Threshold {
            id: "T1.1",
            urgency: Urgency::Page,
            title: "IMDSv1 answered by a running instance in production that has an instance \
                    profile, or allowed by the account's defaults: page, else ticket",
        },
        Threshold {
            id: "T1.2",
            urgency: Urgency::Ticket,
            title: "IMDSv1 on an instance from a launch template version that is not on the \
                    allow-list: ticket; from one that is, and outside production: info",
        },
        Threshold {
            id: "T1.3",
            urgency: Urgency::Page,
            title: "a hop limit above what the kind of host may have: page where a call raised \
                    it in production, else ticket",
        },
    ],
    responses: &[Response {
        id: "R1.1a",
        class: Class::Auto,
        title: "require IMDSv2 again, and put back a hop limit that was raised: unattended only \
                where the inventory knows that it was so; defaults of the account by approval",
        actions: &[
            Use { action: "ec2.instance-metadata-options.modify/1", class: Class::Auto },
            Use { action: "ec2.instance-metadata-defaults.modify/1", class: Class::Approval },
        ],
    }],
    rules: &[
        Rule::api_calls(
            "metadata",
            "aws.ec2",
            &["ModifyInstanceMetadataOptions", "ModifyInstanceMetadataDefaults"],
        ),
        Rule::api_calls("launches", "aws.ec2", &["RunInstances", "StartInstances"]),
        Rule::api_calls(
            "launch-templates",
            "aws.ec2",
            &["CreateLaunchTemplate", "CreateLaunchTemplateVersion", "ModifyLaunchTemplate"],
        ),
        Rule::api_calls(
            "alerts",
            "aws.ec2",
            &[
                "DeleteLaunchTemplateVersions",
                "ModifyImageAttribute",
                "RegisterImage",
                "AssociateIamInstanceProfile",
                "ReplaceIamInstanceProfileAssociation",
                "CreateFleet",
                "RequestSpotInstances",
                "RequestSpotFleet",
            ],
        ),
        Rule::api_calls(
            "scaling-alerts",
            "aws.autoscaling",
            &["CreateLaunchConfiguration", "UpdateAutoScalingGroup"],
        ),
        Rule::native("running", "aws.ec2", STATE_CHANGE),
        Rule::native("config", "aws.config", CONFIG_CHANGE),
    ],
    schedules: &[Schedule {
        name: "sweep",
        expression: "rate(1 hour)",
        title: "resumes what is unfinished",
    }],
    runbooks: &[Runbook {
        name: REQUIRE_TOKENS,
        response: "R1.1a",
        title: "Require IMDSv2 of an instance",
        parameters: &[Parameter {
            name: "instance_id",
            title: "the instance",
            shape: Shape::Instance,
            example: "i-0123456789abcdef0",
            default: None,
        }],
    }],
    reads: &[Statement {
        actions: &[
            "ec2:DescribeInstances",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:GetInstanceMetadataDefaults",
        ],
        resource: "*",
        conditions: &[],
        why: "reads live state before it decides; EC2 supports no resource-level permission for \
              these",
    }],
    queries: &[Query {
        name: "metadata-options",
        title: "Every call that may have opened the metadata service, with its true field paths \
                (spec §2.2); of a launch of several instances it shows the first",
        text: r#"fields @timestamp, eventName, userIdentity.arn, errorCode,
  requestParameters.ModifyInstanceMetadataOptionsRequest.InstanceId as modInstance,
  requestParameters.ModifyInstanceMetadataOptionsRequest.HttpTokens as modTokens,
  requestParameters.ModifyInstanceMetadataOptionsRequest.HttpPutResponseHopLimit as modHop,
  responseElements.instancesSet.items.0.instanceId as runInstance,
  responseElements.instancesSet.items.0.metadataOptions.httpTokens as runTokens,
  responseElements.instancesSet.items.0.metadataOptions.httpPutResponseHopLimit as runHop
| filter eventSource = "ec2.amazonaws.com" and not ispresent(errorCode)
| filter eventName in ["ModifyInstanceMetadataOptions","ModifyInstanceMetadataDefaults","RunInstances","CreateLaunchTemplate","CreateLaunchTemplateVersion","ModifyLaunchTemplate"]
| filter modTokens = "optional" or modHop > 1 or runTokens = "optional" or runHop > 1
     or eventName in ["ModifyInstanceMetadataDefaults","CreateLaunchTemplate","CreateLaunchTemplateVersion","ModifyLaunchTemplate"]
| sort @timestamp desc"#,
    }],
    commands: &[],
};
