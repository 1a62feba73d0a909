//! What a role declares and what a call needs, by IAM action.

use backstop_aws::permissions::ENGINE;
use backstop_core::action::ActionKind;
use backstop_core::manifest::{Manifest, Statement};
use backstop_core::words::Lane;

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
