//! Alerts: calls that weaken a control by another way than its signals do. Each is told, by a row
//! of the responder's manifest, and left to a person; none is acted upon.
//!
//! A row is enough: it names the call, what the call opens, and how soon somebody must look.

use serde::Serialize;
use serde_json::Value;

use crate::assessment::{Assessment, Finding, Scope, Violation};
use crate::candidate::{Candidate, Origin};
use crate::event::{Envelope, Record};
use crate::ident::{Shape, partition};
use crate::text::safe;
use crate::words::Urgency;

/// One call that is told whenever it succeeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Alert {
    /// `X1.7`.
    pub id: &'static str,
    /// The event's source, such as `aws.ec2`.
    pub source: &'static str,
    /// The record's, such as `ec2.amazonaws.com`.
    pub event_source: &'static str,
    /// The call, exactly as CloudTrail names it.
    pub event_name: &'static str,
    /// What it opens, in one line.
    pub title: &'static str,
    /// How soon somebody must look.
    pub urgency: Urgency,
    /// What the call is about, if the record says it in a way that can be checked.
    pub about: Option<About>,
}

/// The resource that a call is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    /// What the identifier is called in a candidate, such as `instance_id`.
    pub name: &'static str,
    /// The record's member that holds it, at any depth and in any case, such as `instanceId`.
    pub member: &'static str,
    /// What it must look like: nothing else is taken from the record.
    pub shape: Shape,
    /// What stands before it in the resource part of its ARN, such as `instance/`.
    pub resource: &'static str,
}

/// What a candidate without a known resource is called.
const UNNAMED: &str = "unnamed";

/// How many identifiers a fact names.
const SHOWN: usize = 10;

/// The candidate of the row that an event is for, if it is for one. Pure. The event must have been
/// trusted before.
pub fn detect(alerts: &[Alert], event: &Envelope) -> Option<Candidate> {
    let record = event.record()?;
    let alert = alerts.iter().find(|alert| {
        event.source == alert.source && record.is(alert.event_source, alert.event_name)
    })?;
    let key = event.key()?.to_owned();
    let ids = alert.about.map(|about| identifiers(record, &about)).unwrap_or_default();
    let (account, region) = (event.account.as_str(), event.region.as_str());
    let resource = match (alert.about, ids.as_slice()) {
        (Some(about), [one]) => format!("{}{one}", about.resource),
        _ => UNNAMED.to_owned(),
    };
    let service = alert.source.strip_prefix("aws.").unwrap_or(alert.source);
    // The ARNs of IAM name no Region.
    let place = if service == "iam" { "" } else { region };
    let name = alert.about.map(|about| about.name.to_owned()).filter(|_| !ids.is_empty());
    Some(Candidate {
        signal: alert.id.to_owned(),
        resource: format!("arn:{}:{service}:{place}:{account}:{resource}", partition(region)),
        account: account.to_owned(),
        region: region.to_owned(),
        ids: name.map(|name| (name, ids)).into_iter().collect(),
        origin: Origin::Event {
            key,
            name: record.event_name.clone(),
            time: record.event_time.or(event.time),
            actor: record.actor(),
        },
    })
}

/// What the record says that the call is about: each identifier once, in order.
fn identifiers(record: &Record, about: &About) -> Vec<String> {
    let mut found = Vec::new();
    for part in [&record.request, &record.response] {
        let mut work = vec![part.view().json()];
        while let Some(value) = work.pop() {
            match value {
                Value::Object(members) => {
                    for (key, member) in members {
                        match member.as_str() {
                            Some(text) if key.eq_ignore_ascii_case(about.member) => {
                                if about.shape.fits(text) {
                                    found.push(text.to_owned());
                                }
                            }
                            _ => work.push(member),
                        }
                    }
                }
                Value::Array(elements) => work.extend(elements),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The assessment of a candidate that a row made; none if no row has its signal. There is nothing
/// to read and nothing to do: only a person can say whether the call was meant.
pub fn assess<C>(alerts: &[Alert], candidate: &Candidate) -> Option<Assessment<C>> {
    let alert = alerts.iter().find(|alert| alert.id == candidate.signal)?;
    let finding = Finding {
        signal: alert.id.to_owned(),
        title: format!("{}: {}", alert.event_name, alert.title),
        facts: facts(candidate),
        urgency: alert.urgency,
        blast_radius: None,
        follow_up: vec![
            "whether it was meant only a person can tell: ask who made the call, and put it right \
             by hand if it was not"
                .to_owned(),
        ],
        property: alert.event_name.to_owned(),
    };
    Some(Assessment::Violation(Box::new(Violation {
        finding,
        steps: Vec::new(),
        choice: None,
        incomplete: false,
        scope: Scope::default(),
    })))
}

/// Who called what, when and about what. Names that callers chose are made safe.
fn facts(candidate: &Candidate) -> Vec<String> {
    let mut facts = Vec::new();
    if let Origin::Event { name, time, actor, .. } = &candidate.origin {
        let who = actor.arn.as_deref().or(actor.invoked_by.as_deref()).unwrap_or("somebody");
        let from = actor.source_ip.as_deref().unwrap_or("an unknown address");
        let when = time.map(|time| format!(" at {time}")).unwrap_or_default();
        facts.push(format!(
            "{} called {}{when}, from {}",
            safe(who, 200),
            safe(name, 80),
            safe(from, 80)
        ));
    }
    for (name, ids) in &candidate.ids {
        let shown: Vec<&str> = ids.iter().take(SHOWN).map(String::as_str).collect();
        let more = ids.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        facts.push(format!("{name}: {}{more}", shown.join(", ")));
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Payload, parse};

    const ALERTS: &[Alert] = &[
        Alert {
            id: "X1.10",
            source: "aws.ec2",
            event_source: "ec2.amazonaws.com",
            event_name: "AssociateIamInstanceProfile",
            title: "a host gets a role",
            urgency: Urgency::Ticket,
            about: Some(About {
                name: "instance_id",
                member: "instanceId",
                shape: Shape::Instance,
                resource: "instance/",
            }),
        },
        Alert {
            id: "X1.12",
            source: "aws.ec2",
            event_source: "ec2.amazonaws.com",
            event_name: "CreateFleet",
            title: "a fleet launches",
            urgency: Urgency::Info,
            about: None,
        },
    ];

    fn event(name: &str, source: &str, request: &Value, response: &Value) -> Envelope {
        let event = json!({
            "id": "e", "detail-type": "AWS API Call via CloudTrail", "source": source,
            "account": "111111111111", "region": "eu-west-1",
            "detail": {
                "eventSource": "ec2.amazonaws.com", "eventName": name, "eventID": "k",
                "eventTime": "2026-11-23T12:00:00Z", "sourceIPAddress": "203.0.113.7",
                "userIdentity": { "arn": "arn:aws:sts::111111111111:assumed-role/a/b\u{202e}\n" },
                "requestParameters": request, "responseElements": response,
            },
        });
        let Payload::Event(event) = parse(&event.to_string()).unwrap() else { panic!("no event") };
        *event
    }

    fn associated(id: &Value) -> Envelope {
        let request = json!({ "AssociateIamInstanceProfileRequest": { "InstanceId": id } });
        event("AssociateIamInstanceProfile", "aws.ec2", &request, &Value::Null)
    }

    #[test]
    fn a_row_points_at_what_the_record_names_and_at_nothing_that_has_another_shape() {
        let one = detect(ALERTS, &associated(&json!("i-0abc1234"))).unwrap();
        assert_eq!(one.resource, "arn:aws:ec2:eu-west-1:111111111111:instance/i-0abc1234");
        assert_eq!((one.signal.as_str(), one.all("instance_id").len()), ("X1.10", 1));
        for odd in [json!("i-0abc; rm -rf /"), json!(5), json!(["i-0abc1234"]), Value::Null] {
            let unnamed = detect(ALERTS, &associated(&odd)).unwrap();
            assert_eq!(unnamed.resource, "arn:aws:ec2:eu-west-1:111111111111:unnamed", "{odd}");
            assert!(unnamed.ids.is_empty());
        }
        let two = json!({ "a": [{ "instanceId": "i-0abc1234" }, { "INSTANCEID": "i-0abc1235" }] });
        let two = detect(ALERTS, &event("AssociateIamInstanceProfile", "aws.ec2", &two, &two));
        let two = two.unwrap();
        assert_eq!(two.resource, "arn:aws:ec2:eu-west-1:111111111111:unnamed");
        assert_eq!(two.all("instance_id"), ["i-0abc1234", "i-0abc1235"]);
        let fleet = detect(ALERTS, &event("CreateFleet", "aws.ec2", &json!({}), &json!({})));
        assert_eq!(fleet.unwrap().resource, "arn:aws:ec2:eu-west-1:111111111111:unnamed");
        for (name, source) in [("CreateFleets", "aws.ec2"), ("CreateFleet", "my.ec2")] {
            assert_eq!(detect(ALERTS, &event(name, source, &json!({}), &json!({}))), None);
        }
    }

    #[test]
    fn a_row_is_told_with_who_what_and_when_and_holds_no_step() {
        let candidate = detect(ALERTS, &associated(&json!("i-0abc1234"))).unwrap();
        let Some(Assessment::Violation(violation)) = assess::<()>(ALERTS, &candidate) else {
            panic!("no violation")
        };
        assert!(violation.steps.is_empty());
        assert_eq!(violation.finding.urgency, Urgency::Ticket);
        assert_eq!(violation.finding.title, "AssociateIamInstanceProfile: a host gets a role");
        assert_eq!(
            violation.finding.facts,
            [
                "arn:aws:sts::111111111111:assumed-role/a/b\u{fffd}\u{fffd} called \
                 AssociateIamInstanceProfile at 2026-11-23T12:00:00Z, from 203.0.113.7",
                "instance_id: i-0abc1234",
            ]
        );
        let other = Candidate { signal: "S1.1".to_owned(), ..candidate };
        assert!(assess::<()>(ALERTS, &other).is_none());
    }
}
