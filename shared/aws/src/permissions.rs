//! What the engine itself needs, whatever the control: the journal, the notices, the tickets.

use backstop_core::manifest::{Condition, Statement};

/// The statements that every role of the suite has. `${Table}`, `${Indexes}`, `${Topics}`, `${Key}`,
/// `${MemberRoles}`, `${DeadLetters}` and `${Logs}` are filled in by the deployment.
pub const ENGINE: &[Statement] = &[
    Statement {
        actions: &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        resource: "${Table}",
        conditions: &[],
        why: "the journal: whole items are put under a condition, alone or in a transaction; never \
              UpdateItem, DeleteItem or Scan",
    },
    Statement {
        actions: &["dynamodb:Query"],
        resource: "${Indexes}",
        conditions: &[],
        why: "the journal's indexes: the incidents of a day, and those that are unfinished",
    },
    Statement {
        actions: &["sns:Publish"],
        resource: "${Topics}",
        conditions: &[],
        why: "tells people",
    },
    Statement {
        actions: &["kms:Decrypt", "kms:GenerateDataKey"],
        resource: "${Key}",
        conditions: &[
            Condition {
                operator: "StringLike",
                key: "kms:ViaService",
                values: &["sns.*.amazonaws.com"],
            },
            // The resource of a KMS permission is a key, never its alias.
            Condition {
                operator: "ForAnyValue:StringEquals",
                key: "kms:ResourceAliases",
                values: &["alias/backstop"],
            },
        ],
        why: "the topics are encrypted: SNS uses their key as whoever publishes, and nothing else \
              may",
    },
    Statement {
        actions: &["ssm:CreateOpsItem"],
        resource: "*",
        conditions: &[],
        why: "opens the ticket; creating an OpsItem supports no narrower resource",
    },
    Statement {
        actions: &["sts:AssumeRole"],
        resource: "${MemberRoles}",
        conditions: &[],
        why: "works in the member accounts of the scope, as the role of this responder and lane",
    },
    Statement {
        actions: &["sqs:SendMessage"],
        resource: "${DeadLetters}",
        conditions: &[],
        why: "Lambda writes what failed for good to the function's dead-letter queue as this role",
    },
    Statement {
        actions: &["logs:CreateLogStream", "logs:PutLogEvents"],
        resource: "${Logs}",
        conditions: &[],
        why: "Lambda writes the function's log, and the measures in it, as this role",
    },
];
