//! The IAM policy of a function, from its manifest: what the deployment will grant, and no more.

use backstop_aws::permissions::ENGINE;
use backstop_core::action::ActionKind;
use backstop_core::manifest::{Manifest, Statement};
use backstop_core::words::Lane;
use serde_json::{Map, Value, json};

use crate::local::Call;

/// The statements of one lane's role: reads, what may run unattended; for people the rest, and
/// undo; and what the engine itself needs.
pub fn statements<C>(manifest: &Manifest, kinds: &[ActionKind<C>], lane: Lane) -> Vec<Statement> {
    let mut all: Vec<Statement> = manifest.reads.to_vec();
    for used in manifest.responses.iter().flat_map(|response| response.actions) {
        for kind in kinds.iter().filter(|kind| kind.name == used.action) {
            all.extend(kind.permissions.observe);
            if lane == Lane::Attended || used.unattended() {
                all.extend(kind.permissions.apply);
            }
            if lane == Lane::Attended {
                all.extend(kind.permissions.undo);
            }
        }
    }
    all.extend(ENGINE);
    let mut unique: Vec<Statement> = Vec::new();
    for statement in all {
        if !unique.contains(&statement) {
            unique.push(statement);
        }
    }
    unique
}

/// The IAM actions that a call needs. A transaction is allowed by what it is made of, and tags that
/// a call gives to what it makes need a permission of their own.
pub fn needs(call: &Call) -> Vec<String> {
    let mut needed = match call.name().as_str() {
        "dynamodb:TransactWriteItems" => vec!["dynamodb:PutItem".to_owned()],
        name => vec![name.to_owned()],
    };
    if call.service == "ec2" && has(call, "TagSpecification") {
        needed.push("ec2:CreateTags".to_owned());
    }
    needed
}

/// Whether a call has a parameter of that name, or one of the list of that name.
pub(crate) fn has(call: &Call, parameter: &str) -> bool {
    let starts = |key: &String| key.starts_with(parameter);
    call.params.as_object().is_some_and(|params| params.keys().any(starts))
}

/// The policy document for an account and Region.
pub fn document(statements: &[Statement], account: &str, region: &str) -> Value {
    let written: Vec<Value> = statements
        .iter()
        .map(|statement| {
            let mut one = json!({
                "Effect": "Allow",
                "Action": statement.actions,
                "Resource": resources(statement.resource, account, region),
            });
            let mut conditions: Map<String, Value> = Map::new();
            for condition in statement.conditions {
                let of = conditions.entry(condition.operator).or_insert_with(|| json!({}));
                if let Some(of) = of.as_object_mut() {
                    of.insert(condition.key.to_owned(), json!(condition.values));
                }
            }
            if let (false, Some(object)) = (conditions.is_empty(), one.as_object_mut()) {
                object.insert("Condition".to_owned(), Value::Object(conditions));
            }
            one
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": written })
}

fn resources(resource: &str, account: &str, region: &str) -> Vec<String> {
    match resource {
        "${Table}" => {
            let table = format!("arn:aws:dynamodb:{region}:{account}:table/backstop-journal");
            vec![format!("{table}/index/*"), table]
        }
        "${Topics}" => ["page", "ticket", "info"]
            .map(|urgency| format!("arn:aws:sns:{region}:{account}:backstop-{urgency}"))
            .to_vec(),
        "${MemberRoles}" => vec!["arn:aws:iam::*:role/backstop-*".to_owned()],
        "${Key}" => vec![format!("arn:aws:kms:{region}:{account}:key/*")],
        "${Logs}" => {
            vec![format!("arn:aws:logs:{region}:{account}:log-group:/aws/lambda/backstop-*:*")]
        }
        "${DeadLetters}" => vec![format!("arn:aws:sqs:{region}:{account}:backstop-*-dlq")],
        other => vec![
            other
                .replace("${Partition}", "aws")
                .replace("${Region}", region)
                .replace("${Account}", account),
        ],
    }
}
