//! The IAM policy of a function, from its manifest: what the deployment will grant, and no more.

use backstop_core::action::ActionKind;
use backstop_core::manifest::{Manifest, Statement};
use backstop_core::words::Lane;
use serde_json::{Map, Value, json};

/// The statements of one lane's role: reads, what unattended steps apply, and for people the rest
/// and undo.
pub fn statements<C>(manifest: &Manifest, kinds: &[ActionKind<C>], lane: Lane) -> Vec<Statement> {
    let mut all: Vec<Statement> = manifest.reads.to_vec();
    for response in manifest.responses {
        for kind in kinds.iter().filter(|kind| response.actions.contains(&kind.name)) {
            all.extend(kind.permissions.observe);
            let unattended = matches!(
                kind.name,
                // Declared per response and class; only what AUTO steps apply is granted.
                "ec2.security-group-rule.revoke/1"
            );
            if lane == Lane::Attended || unattended {
                all.extend(kind.permissions.apply);
            }
            if lane == Lane::Attended {
                all.extend(kind.permissions.undo);
            }
        }
    }
    let mut unique: Vec<Statement> = Vec::new();
    for statement in all {
        if !unique.contains(&statement) {
            unique.push(statement);
        }
    }
    unique
}

/// The policy document for an account and Region, with what the engine itself needs.
pub fn document(statements: &[Statement], account: &str, region: &str) -> Value {
    let mut written: Vec<Value> = statements
        .iter()
        .map(|statement| {
            let resource = statement
                .resource
                .replace("${Partition}", "aws")
                .replace("${Region}", region)
                .replace("${Account}", account);
            let mut one = json!({
                "Effect": "Allow", "Action": statement.actions, "Resource": resource,
            });
            let mut conditions: Map<String, Value> = Map::new();
            for condition in statement.conditions {
                conditions
                    .entry(condition.operator)
                    .or_insert_with(|| json!({}))
                    .as_object_mut()
                    .map(|of| of.insert(condition.key.to_owned(), json!(condition.values)));
            }
            if let (false, Some(object)) = (conditions.is_empty(), one.as_object_mut()) {
                object.insert("Condition".to_owned(), Value::Object(conditions));
            }
            one
        })
        .collect();
    written.push(json!({
        "Effect": "Allow",
        "Action": [
            "dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem",
            "dynamodb:Query", "dynamodb:UpdateItem",
        ],
        "Resource": [
            format!("arn:aws:dynamodb:{region}:{account}:table/backstop-journal"),
            format!("arn:aws:dynamodb:{region}:{account}:table/backstop-journal/index/*"),
        ],
    }));
    let topics = ["page", "ticket", "info"]
        .map(|urgency| format!("arn:aws:sns:{region}:{account}:backstop-{urgency}"));
    written.push(json!({ "Effect": "Allow", "Action": ["sns:Publish"], "Resource": topics }));
    written.push(json!({
        "Effect": "Allow",
        "Action": ["ssm:CreateOpsItem"],
        "Resource": "*",
    }));
    written.push(json!({
        "Effect": "Allow",
        "Action": ["sqs:SendMessage"],
        "Resource": format!("arn:aws:sqs:{region}:{account}:backstop-*-dlq"),
    }));
    json!({ "Version": "2012-10-17", "Statement": written })
}
