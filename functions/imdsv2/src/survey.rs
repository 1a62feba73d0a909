//! What live state points at without an event, and what the inventory keeps of it.

use std::collections::BTreeMap;

use backstop_actions::ec2::{self, Host, MetadataDefaults, metadata_defaults_arn};
use backstop_aws::Account;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::config::Config;
use backstop_core::ident::ec2_arn;
use backstop_core::responder::{Known, Memory, Survey};
use backstop_core::{Error, Result};
use serde::Serialize;

use crate::MANIFEST;
use crate::judge::{Judged, judge};

/// Every instance of the account in the Region, and its defaults.
pub(crate) async fn survey(account: &Account, memory: &Memory, origin: &Origin) -> Result<Survey> {
    let (hosts, defaults) =
        futures::join!(ec2::hosts(account, None), ec2::metadata_defaults(account));
    let place = (account.id(), account.region());
    surveyed(place, origin, &hosts?, &defaults?, &memory.config)
}

/// What the instance, or the defaults, of a candidate are like now.
pub(crate) async fn remember(candidate: &Candidate, account: &Account) -> Result<Vec<Known>> {
    if MANIFEST.alerts.iter().any(|alert| alert.id == candidate.signal) {
        // Nothing of it is compared later.
        return Ok(Vec::new());
    }
    let resource = candidate.resource.clone();
    if resource == metadata_defaults_arn(account.region(), account.id()) {
        return Ok(vec![known(resource, &ec2::metadata_defaults(account).await?)?]);
    }
    // Of a launch by its token, each instance has an event of its own when it runs.
    let Ok(id) = candidate.one("instance_id") else { return Ok(Vec::new()) };
    let host = ec2::host(account, id).await?.filter(|host| !host.is_gone());
    host.map(|host| known(resource, &host.options.settled())).into_iter().collect()
}

fn known(resource: String, state: &impl Serialize) -> Result<Known> {
    let state = serde_json::to_value(state)
        .map_err(|e| Error::bug(format!("cannot write down a snapshot: {e}")))?;
    Ok(Known { resource, state })
}

/// What the instances and the defaults of an account in a Region come to. Pure.
fn surveyed(
    (account, region): (&str, &str),
    origin: &Origin,
    hosts: &[Host],
    defaults: &MetadataDefaults,
    config: &Config,
) -> Result<Survey> {
    let mut survey = Survey::default();
    let candidate = |signal: &str, resource: String, ids| Candidate {
        signal: signal.to_owned(),
        account: account.to_owned(),
        region: region.to_owned(),
        resource,
        ids,
        origin: origin.clone(),
    };
    for host in hosts.iter().filter(|host| !host.is_gone()) {
        let arn = ec2_arn(region, account, "instance", &host.id);
        // What cannot be told is looked at as well.
        if judge(host, &config.imdsv2).as_ref().map_or(true, Judged::is_wrong) {
            let ids = BTreeMap::from([("instance_id".to_owned(), vec![host.id.clone()])]);
            survey.candidates.push(candidate("S1.1", arn.clone(), ids));
        }
        survey.known.push(known(arn, &host.options.settled())?);
    }
    let arn = metadata_defaults_arn(region, account);
    // What has no preference is nobody's mistake before it is known to have been otherwise.
    let optional = defaults.http_tokens.as_deref() == Some("optional");
    if optional || config.imdsv2.require_by_default && !defaults.requires_tokens() {
        survey.candidates.push(candidate("X1.1", arn.clone(), BTreeMap::new()));
    }
    survey.known.push(known(arn, defaults)?);
    Ok(survey)
}

#[cfg(test)]
mod tests {
    use backstop_actions::ec2::MetadataOptions;

    use super::*;

    fn host(id: &str, state: &str, tokens: &str, hops: i32) -> Host {
        Host {
            id: id.into(),
            state: state.into(),
            vpc: None,
            tags: BTreeMap::new(),
            profile: None,
            managed_by: None,
            options: MetadataOptions {
                http_tokens: Some(tokens.into()),
                http_put_response_hop_limit: Some(hops),
                http_endpoint: Some("enabled".into()),
                pending: true,
                ..MetadataOptions::default()
            },
        }
    }

    #[test]
    fn s1_1_a_survey_points_at_what_is_wrong_and_keeps_everything() {
        const PLACE: (&str, &str) = ("111111111111", "eu-west-1");
        let config = Config::parse("", jiff::Timestamp::UNIX_EPOCH).unwrap();
        let origin = Origin::Sweep { slot: "s".to_owned(), at: None };
        let mut untold = host("i-0005", "running", "required", 1);
        untold.options.http_tokens = None;
        let hosts = [
            host("i-0001", "running", "required", 1),
            host("i-0002", "stopped", "optional", 1),
            host("i-0003", "running", "required", 2),
            host("i-0004", "terminated", "optional", 1),
            untold,
        ];
        let now = MetadataDefaults::default();
        let found = surveyed(PLACE, &origin, &hosts, &now, &config).unwrap();
        let ids: Vec<&str> =
            found.candidates.iter().map(|c| c.one("instance_id").unwrap()).collect();
        assert_eq!(ids, ["i-0002", "i-0003", "i-0005"]);
        let known: Vec<&str> = found.known.iter().map(|k| k.resource.as_str()).collect();
        assert_eq!(known.len(), 5, "four instances, and the defaults: {known:?}");
        assert!(known[0].ends_with(":instance/i-0001"));
        let kept: MetadataOptions = serde_json::from_value(found.known[0].state.clone()).unwrap();
        assert_eq!(kept, hosts[0].options);
        assert!(!kept.pending, "what is kept lasts");

        let now = MetadataDefaults { http_tokens: Some("optional".into()), ..now };
        let found = surveyed(PLACE, &origin, &[], &now, &config).unwrap();
        assert_eq!(found.candidates[0].signal, "X1.1");
    }
}
