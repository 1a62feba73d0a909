//! X1.2 to X1.4: launch templates that launch with IMDSv1. Read and told; no step changes one.

use std::collections::BTreeMap;

use backstop_actions::ec2::{
    MetadataDefaults, Named, TemplateVersion, metadata_defaults, template_versions,
};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::Candidate;
use backstop_core::config::Config;
use backstop_core::responder::Memory;
use backstop_core::text::safe;
use backstop_core::words::Urgency;

pub(crate) async fn assess(
    candidate: &Candidate,
    account: &Account,
    memory: &Memory,
) -> Result<Assessment<Account>> {
    let id = candidate.all("launch_template_id").first();
    let name = candidate.all("launch_template_name").first();
    let template = match (id, name) {
        (Some(id), _) => Named::Id(id),
        (None, Some(name)) => Named::Name(name),
        (None, None) => {
            return Ok(Assessment::Unknown(
                "the record does not say which launch template it is about".to_owned(),
            ));
        }
    };
    let number = candidate.all("version").first().map(String::as_str);
    let versions: Vec<&str> = number.into_iter().chain(["$Default", "$Latest"]).collect();
    let (found, defaults) =
        futures::join!(template_versions(account, template, &versions), metadata_defaults(account));
    let found = match found {
        Ok(found) => found,
        Err(error) if error.is_missing() => return Ok(Assessment::Absent(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(judged(candidate, &found, &defaults?, &memory.config))
}

/// What a version launches with, if that is too much.
fn fault(
    version: &TemplateVersion,
    defaults: &MetadataDefaults,
    config: &Config,
) -> Option<String> {
    if version.http_endpoint.as_deref() == Some("disabled") {
        return None;
    }
    let number = version.number;
    let most = config.imdsv2.hop_limit.containers.max(config.imdsv2.hop_limit.eks);
    let hops = version.hop_limit.and_then(|hops| u32::try_from(hops).ok());
    let allowed = config.imdsv2.launch_templates.iter().any(|allowed| {
        allowed.id == version.template && allowed.versions.contains(&number.to_string())
    });
    match version.http_tokens.as_deref() {
        Some("required") => {
            let hops = hops.filter(|hops| *hops > most)?;
            Some(format!("version {number} launches with the hop limit {hops}"))
        }
        _ if allowed => None,
        None if defaults.requires_tokens() => None,
        None => Some(format!(
            "version {number} says nothing of tokens, and the account requires none: the AMI \
             decides"
        )),
        Some(tokens) => Some(format!("version {number} launches with tokens {}", safe(tokens, 20))),
    }
}

fn judged(
    candidate: &Candidate,
    versions: &[TemplateVersion],
    defaults: &MetadataDefaults,
    config: &Config,
) -> Assessment<Account> {
    let faults: Vec<(&TemplateVersion, String)> = versions
        .iter()
        .filter_map(|version| Some((version, fault(version, defaults, config)?)))
        .collect();
    let Some((first, _)) = faults.first() else {
        return Assessment::Compliant(
            "the versions in use require IMDSv2, or the policy allows them".to_owned(),
        );
    };
    let template = safe(&first.template, 60);
    // Explicitly open is a ticket (T1.2); what only says nothing is for information.
    let silent = faults.iter().all(|(version, _)| version.http_tokens.is_none());
    let mut facts: Vec<String> = faults.iter().map(|(_, fault)| fault.clone()).collect();
    if faults.iter().any(|(version, _)| version.is_default) {
        facts.push("it is the version that launches get which name none".to_owned());
    }
    let managed = versions.iter().find_map(|version| version.managed_by.as_deref());
    let mut follow_up = vec![
        format!(
            "make a version from the last good one, never from $Latest, whose other content \
             somebody may have changed: `aws ec2 create-launch-template-version --region {} \
             --launch-template-id {template} --source-version GOOD --launch-template-data \
             '{{\"MetadataOptions\":{{\"HttpTokens\":\"required\",\"HttpEndpoint\":\"enabled\"}}}}'`; \
             compare the two, then make it the default with `aws ec2 modify-launch-template`",
            candidate.region
        ),
        "groups that use $Latest take a new version at once, those that use $Default with the \
         change of the default, those that name a number never; instances that run stay as they are"
            .to_owned(),
    ];
    if let Some(by) = managed {
        follow_up.push(format!("{template} is managed by {}: change it there", safe(by, 80)));
    }
    Assessment::Violation(Box::new(Violation {
        finding: Finding {
            signal: candidate.signal.clone(),
            title: format!("{template} launches instances that may answer IMDSv1"),
            facts,
            urgency: if silent { Urgency::Info } else { Urgency::Ticket },
            blast_radius: None,
            follow_up,
            property: "launch-template-metadata".to_owned(),
        },
        steps: Vec::new(),
        choice: None,
        incomplete: false,
        scope: Scope {
            production: config.is_production(&candidate.account, None, &BTreeMap::new()),
            hands_off: managed.map(|by| format!("it is managed by {}", safe(by, 80))),
        },
    }))
}
