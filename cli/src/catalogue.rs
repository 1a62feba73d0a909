//! The catalogue: what the source document demands, and what of it is built.
//!
//! The texts are the source's, verbatim; what it has lost says `not in the source`. `built` is
//! derived from the manifests, `scenarios` from the names of the tests.

use std::collections::{BTreeMap, BTreeSet};

use backstop_aws::Account;
use backstop_core::manifest::Manifest;
use backstop_core::responder::Responder;
use serde::Serialize;

const CONTROLS: &str = include_str!("../catalogue/controls.tsv");
const IDS: &str = include_str!("../catalogue/ids.tsv");
/// The tests that are named by a spec id; `make generate` writes it, a test says when it is stale.
const SCENARIOS: &str = include_str!("../catalogue/scenarios.txt");

/// Every responder there is: the one place where a new one is listed.
pub(crate) fn responders() -> Vec<Box<dyn Responder<Account>>> {
    vec![
        Box::new(ssh_access::SshAccess),
        Box::new(imdsv2::Imdsv2),
        Box::new(revoke_sessions::RevokeSessions),
    ]
}

/// One control, as the source describes it.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    pub(crate) id: &'static str,
    pub(crate) responder: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) typology: &'static str,
    pub(crate) title: &'static str,
    /// The compliance row: framework and cell.
    pub(crate) compliance: Vec<(&'static str, &'static str)>,
}

/// The frameworks of the compliance row, in the source's order and spelling.
const FRAMEWORKS: [&str; 7] = [
    "CIS AWS Foundations v3.0.0",
    "CIS Microsoft Azure Foundations v3.0.0",
    "CIS GCP Foundation v4.0.0",
    "CIS OCI Foundation v2.0.0",
    "NIST SP 800-53 rev5",
    "ISO/IEC 27001:2022",
    "ISO/IEC 27017:2015",
];

/// One signal, threshold, response or addition.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) control: &'static str,
    pub(crate) class: &'static str,
    pub(crate) responder: &'static str,
    pub(crate) built: bool,
    pub(crate) scenarios: Vec<&'static str>,
    /// The source's words.
    #[serde(skip)]
    pub(crate) text: &'static str,
}

/// The lines of a table after its heading, as cells.
fn table(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).filter(|line| !line.is_empty()).map(|line| line.split('\t').collect())
}

pub(crate) fn controls() -> Vec<Control> {
    table(CONTROLS)
        .filter_map(|cells| {
            let mut cells = cells.into_iter();
            Some(Control {
                id: cells.next()?,
                responder: cells.next()?,
                severity: cells.next()?,
                typology: cells.next()?,
                title: cells.next()?,
                compliance: FRAMEWORKS.into_iter().zip(cells).collect(),
            })
        })
        .collect()
}

/// The ids that a manifest declares.
fn declared(manifest: &Manifest) -> impl Iterator<Item = &'static str> {
    let signals = manifest.signals.iter().map(|s| s.id);
    let thresholds = manifest.thresholds.iter().map(|t| t.id);
    let alerts = manifest.alerts.iter().map(|a| a.id);
    signals.chain(alerts).chain(thresholds).chain(manifest.responses.iter().map(|r| r.id))
}

/// The id that a test is named by: `s2_1_…` is S2.1, `r2_1a_…` is R2.1a.
fn id_of(test: &str) -> Option<String> {
    let mut parts = test.splitn(3, '_');
    let (control, number) = (parts.next()?, parts.next()?);
    parts.next()?;
    Some(format!("{}.{number}", control.to_uppercase()))
}

pub(crate) fn rows() -> Vec<Row> {
    let of_control: BTreeMap<&str, &'static str> =
        controls().into_iter().map(|c| (c.id, c.responder)).collect();
    let built: BTreeSet<&str> =
        responders().iter().flat_map(|r| declared(r.manifest()).collect::<Vec<_>>()).collect();
    let mut scenarios: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for test in SCENARIOS.lines() {
        if let Some(id) = id_of(test) {
            scenarios.entry(id).or_default().push(test);
        }
    }
    table(IDS)
        .filter_map(|cells| match *cells.as_slice() {
            [id, control, class, text] => Some(Row {
                id,
                control,
                class,
                responder: of_control.get(control).copied().unwrap_or_default(),
                built: built.contains(id),
                scenarios: scenarios.get(id).cloned().unwrap_or_default(),
                text,
            }),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use backstop_core::manifest::NOT_IN_THE_SOURCE;

    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let rows = rows();
        let count = |letter: char| rows.iter().filter(|r| r.id.starts_with(letter)).count();
        assert_eq!((count('S'), count('T'), count('X')), (24, 24, 185));
        let steps: BTreeSet<&str> = rows
            .iter()
            .filter(|r| r.id.starts_with('R'))
            .map(|r| r.id.trim_end_matches(|c: char| c.is_ascii_lowercase()))
            .collect();
        assert_eq!(steps.len(), 24, "{steps:?}");
        let ids: BTreeSet<&str> = rows.iter().map(|r| r.id).collect();
        assert_eq!(ids.len(), rows.len(), "an id occurs twice");
        assert_eq!(controls().len(), 8);
        assert!(controls().iter().all(|c| c.compliance.len() == 7));
        assert!(rows.iter().all(|r| !r.responder.is_empty() && !r.text.is_empty()));
    }

    /// A procedure that controls call for is none of the source's: it is a row of its own nowhere.
    fn is_procedure(manifest: &Manifest) -> bool {
        ["ISO-1", "SR-1"].contains(&manifest.control)
    }

    #[test]
    fn every_declared_id_is_in_the_catalogue_with_its_class() {
        let rows: BTreeMap<&str, Row> = rows().into_iter().map(|r| (r.id, r)).collect();
        for responder in responders() {
            let manifest = responder.manifest();
            if is_procedure(manifest) {
                assert_eq!(declared(manifest).collect::<Vec<_>>(), [manifest.control]);
                continue;
            }
            for id in declared(manifest) {
                let row = rows.get(id).unwrap_or_else(|| panic!("{id} is not in the catalogue"));
                assert_eq!(row.control, manifest.control, "{id}");
                assert_eq!(row.responder, manifest.responder, "{id}");
            }
            for response in manifest.responses {
                assert_eq!(rows[response.id].class, response.class.name(), "{}", response.id);
            }
        }
    }

    #[test]
    fn every_alert_reaches_its_responder() {
        for responder in responders() {
            let manifest = responder.manifest();
            for alert in manifest.alerts {
                let service = alert.source.strip_prefix("aws.");
                let called = alert.event_source.strip_suffix(".amazonaws.com");
                assert!(service.is_some() && service == called, "{}: its sources", alert.id);
                let rules = manifest.rules;
                let known = rules.iter().any(|r| r.subscribes(alert.source, alert.event_name));
                assert!(known, "{}: no rule subscribes to {}", alert.id, alert.event_name);
            }
        }
    }

    #[test]
    fn a_manifest_says_what_the_source_says() {
        for responder in responders() {
            let manifest = responder.manifest();
            if is_procedure(manifest) {
                assert_eq!(manifest.typology, NOT_IN_THE_SOURCE);
                assert!(manifest.compliance.iter().all(|c| c.value == NOT_IN_THE_SOURCE));
                continue;
            }
            let control = controls().into_iter().find(|c| c.id == manifest.control).unwrap();
            assert_eq!(manifest.severity.name().to_uppercase(), control.severity);
            assert_eq!(manifest.typology, control.typology);
            let row: Vec<(&str, &str)> =
                manifest.compliance.iter().map(|c| (c.framework, c.value)).collect();
            assert_eq!(row, control.compliance);
        }
    }

    #[test]
    fn tests_are_named_by_id() {
        assert_eq!(id_of("s2_1_a_key_pair"), Some("S2.1".to_owned()));
        assert_eq!(id_of("r2_1a_revokes"), Some("R2.1a".to_owned()));
        assert_eq!(id_of("x2_14_x"), Some("X2.14".to_owned()));
        assert_eq!(id_of("other"), None);
    }
}
