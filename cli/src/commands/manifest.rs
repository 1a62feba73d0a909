//! `backstop manifest`.

use std::io::Write;

use backstop_aws::permissions::ENGINE;
use serde_json::{Value, json};

use crate::catalogue;
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop manifest ssh-access`")]
pub(crate) struct Args {
    /// Only this responder.
    responder: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut manifests: Vec<Value> = Vec::new();
    for responder in catalogue::responders() {
        let manifest = responder.manifest();
        if args.responder.as_deref().is_some_and(|wanted| wanted != manifest.responder) {
            continue;
        }
        let mut value = serde_json::to_value(manifest).map_err(anyhow::Error::from)?;
        if let Some(object) = value.as_object_mut() {
            let rules: Vec<Value> = manifest
                .rules
                .iter()
                .map(|rule| {
                    json!({
                        "name": rule.name, "state": rule.state, "scope": rule.scope,
                        "pattern": rule.pattern(),
                    })
                })
                .collect();
            object.insert("rules".to_owned(), json!(rules));
            let actions: Vec<Value> = responder
                .actions()
                .iter()
                .map(|kind| json!({ "name": kind.name, "permissions": kind.permissions }))
                .collect();
            let runbooks: Vec<Value> = manifest
                .runbooks
                .iter()
                .map(|runbook| {
                    let parameters: Vec<Value> = runbook
                        .parameters
                        .iter()
                        .map(|p| {
                            json!({
                                "name": p.name, "title": p.title, "example": p.example,
                                "shape": p.shape, "pattern": p.shape.pattern(),
                            })
                        })
                        .collect();
                    json!({
                        "name": runbook.name, "response": runbook.response,
                        "title": runbook.title, "parameters": parameters,
                    })
                })
                .collect();
            object.insert("runbooks".to_owned(), json!(runbooks));
            object.insert("actions".to_owned(), json!(actions));
            object.insert("engine".to_owned(), json!(ENGINE));
        }
        manifests.push(value);
    }
    if let (Some(wanted), true) = (&args.responder, manifests.is_empty()) {
        let names: Vec<&str> =
            catalogue::responders().iter().map(|r| r.manifest().responder).collect();
        return Err(backstop_core::Error::invalid(format!("there is no responder `{wanted}`"))
            .hint(format!("there is: {}", names.join(", ")))
            .into());
    }
    let text = serde_json::to_string_pretty(&manifests).map_err(anyhow::Error::from)?;
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}
