//! What an event or a person points at. Pure: the event is a hint, live state decides.

use std::collections::BTreeMap;

use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Envelope, Record, Run, View};
use backstop_core::ident::{Shape, ec2_arn};
use backstop_core::responder::Detection;
use backstop_core::text::safe;
use backstop_core::{Error, Result};

use crate::exposure::could_admit;

const EC2: &str = "ec2.amazonaws.com";

type Ids = BTreeMap<String, Vec<String>>;

fn nothing(why: impl Into<String>) -> Detection {
    Detection::Nothing(why.into())
}

pub(crate) fn detect(event: &Envelope) -> Detection {
    let Some(record) = event.record() else {
        return nothing(format!("no signal of aws-work-02: `{}`", safe(&event.detail_type, 80)));
    };
    let Some(key) = event.key() else {
        return nothing("it has neither `eventID` nor `id`: it could not be told from another");
    };
    let found = if record.is(EC2, "AuthorizeSecurityGroupIngress") {
        authorized(record)
    } else if record.is(EC2, "ModifySecurityGroupRules") {
        modified(record)
    } else if record.is(EC2, "RunInstances") {
        launched(record)
    } else {
        return nothing(format!("no signal of aws-work-02: `{}`", safe(&record.event_name, 80)));
    };
    let points = match found {
        Ok(points) => points,
        Err(why) => return nothing(why),
    };
    let origin = Origin::Event {
        key: key.to_owned(),
        name: record.event_name.clone(),
        time: record.event_time.or(event.time),
        actor: record.actor(),
    };
    let at = |point: Point| point.at(&event.account, &event.region, &origin);
    Detection::Candidates(points.into_iter().map(at).collect())
}

/// What a record points at, before it is known where.
pub(crate) struct Point {
    signal: &'static str,
    kind: &'static str,
    id: String,
    ids: Ids,
}

impl Point {
    pub(crate) fn group(signal: &'static str, id: &str, rules: Vec<String>) -> Self {
        let mut ids = Ids::from([("group_id".to_owned(), vec![id.to_owned()])]);
        if !rules.is_empty() {
            ids.insert("rule_id".to_owned(), rules);
        }
        Self { signal, kind: "security-group", id: id.to_owned(), ids }
    }

    /// The candidate that it is in an account and a Region.
    pub(crate) fn at(self, account: &str, region: &str, origin: &Origin) -> Candidate {
        Candidate {
            signal: self.signal.to_owned(),
            resource: ec2_arn(region, account, self.kind, &self.id),
            account: account.to_owned(),
            region: region.to_owned(),
            ids: self.ids,
            origin: origin.clone(),
        }
    }

    /// Something of that kind, but the record does not say which: nothing is safe to assume.
    fn unnamed(signal: &'static str, kind: &'static str) -> Self {
        Self { signal, kind, id: "unnamed".to_owned(), ids: Ids::new() }
    }

    fn instance(id: &str) -> Self {
        let ids = Ids::from([("instance_id".to_owned(), vec![id.to_owned()])]);
        Self { signal: "S2.1", kind: "instance", id: id.to_owned(), ids }
    }
}

const NO_SSH: &str = "no rule in it can admit TCP 22";

/// Points at a group, if `id` is one.
fn group_point(
    signal: &'static str,
    id: Option<String>,
    rules: Vec<String>,
) -> Result<Vec<Point>, String> {
    let Some(id) = id else { return Ok(vec![Point::unnamed(signal, "security-group")]) };
    if !Shape::SecurityGroup.fits(&id) {
        return Err(format!("`{}` is not {}", safe(&id, 60), Shape::SecurityGroup.words()));
    }
    Ok(vec![Point::group(signal, &id, rules)])
}

/// X2.1. The rule set of the answer names every rule that was created, in both forms of the
/// request (spec §1.2, families A and C); old or shortened records have none.
fn authorized(record: &Record) -> Result<Vec<Point>, String> {
    let created = record.response.list("securityGroupRuleSet");
    if record.request.is_absent() && created.is_empty() {
        return Ok(vec![Point::unnamed("X2.1", "security-group")]);
    }
    if created.is_empty() {
        let id = record.request.text("groupId");
        return if requested(record) {
            group_point("X2.1", id, Vec::new())
        } else {
            Err(NO_SSH.into())
        };
    }
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unnamed = false;
    for rule in created {
        let ports = (rule.integer("fromPort"), rule.integer("toPort"));
        if rule.boolean("isEgress") == Some(true)
            || !could_admit(rule.text("ipProtocol").as_deref(), ports.0, ports.1)
        {
            continue;
        }
        let group = rule.text("groupId").or_else(|| record.request.text("groupId"));
        match (group, rule.text("securityGroupRuleId")) {
            (Some(group), Some(id)) if Shape::SecurityGroupRule.fits(&id) => {
                groups.entry(group).or_default().push(id);
            }
            (Some(group), _) => {
                unnamed = true;
                groups.entry(group).or_default();
            }
            (None, _) => unnamed = true,
        }
    }
    if groups.is_empty() {
        let unnamed = unnamed.then(|| vec![Point::unnamed("X2.1", "security-group")]);
        return unnamed.ok_or_else(|| NO_SSH.into());
    }
    let (mut points, mut wrong) = (Vec::new(), None);
    for (group, rules) in groups {
        // One rule without an id: look at the whole group, and act on nothing unattended.
        let rules = if unnamed { Vec::new() } else { rules };
        match group_point("X2.1", Some(group), rules) {
            Ok(found) => points.extend(found),
            Err(why) => wrong = Some(why),
        }
    }
    // One that is no id does not hide the others.
    match wrong {
        Some(why) if points.is_empty() => Err(why),
        _ => Ok(points),
    }
}

/// Whether the request of an authorisation could admit SSH: items form or flat form.
fn requested(record: &Record) -> bool {
    let items = record.request.list("ipPermissions");
    let flat = record.request.text("ipProtocol");
    if items.is_empty() {
        let ports = (record.request.integer("fromPort"), record.request.integer("toPort"));
        return could_admit(flat.as_deref(), ports.0, ports.1);
    }
    items.iter().any(|item| {
        could_admit(
            item.text("ipProtocol").as_deref(),
            item.integer("fromPort"),
            item.integer("toPort"),
        )
    })
}

/// X2.2. Wrapped; one rule is an object, several are an array; a member that is not there was not
/// changed, so it could be anything.
fn modified(record: &Record) -> Result<Vec<Point>, String> {
    if record.request.is_absent() {
        return Ok(vec![Point::unnamed("X2.2", "security-group")]);
    }
    let request = record.request.unwrapped("ModifySecurityGroupRules");
    let rules = request.list("SecurityGroupRule");
    let mut ids = Vec::new();
    let mut complete = true;
    let mut any = rules.is_empty();
    for rule in rules {
        let to: View<'_> = rule.get("SecurityGroupRule");
        let ports = (to.integer("FromPort"), to.integer("ToPort"));
        if !could_admit(to.text("IpProtocol").as_deref(), ports.0, ports.1) {
            continue;
        }
        any = true;
        match rule.text("SecurityGroupRuleId") {
            Some(id) if Shape::SecurityGroupRule.fits(&id) => ids.push(id),
            _ => complete = false,
        }
    }
    if !any {
        return Err(NO_SSH.into());
    }
    let ids = if complete { ids } else { Vec::new() };
    group_point("X2.2", request.text("GroupId"), ids)
}

/// S2.1. The answer says what each instance was really launched with, whoever launched it; the
/// request of Auto Scaling and of templates has no key (spec §3.1).
fn launched(record: &Record) -> Result<Vec<Point>, String> {
    let instances = record.response.list("instancesSet");
    if instances.is_empty() {
        // CloudTrail leaves out an answer above 100 KB. The token of the call still finds them.
        let token = record.request.text("clientToken").filter(|t| is_token(t));
        return match token {
            Some(token) if record.response.is_absent() => Ok(vec![Point {
                signal: "S2.1",
                kind: "instance",
                id: format!("client-token:{token}"),
                ids: Ids::from([("client_token".to_owned(), vec![token])]),
            }]),
            _ if record.response.is_absent() => Ok(vec![Point::unnamed("S2.1", "instance")]),
            _ => Err("it names no instance".to_owned()),
        };
    }
    let points: Vec<Point> = instances
        .iter()
        .filter(|instance| instance.text("keyName").is_some())
        .filter_map(|instance| instance.text("instanceId"))
        .filter(|id| Shape::Instance.fits(id))
        .map(|id| Point::instance(&id))
        .collect();
    if points.is_empty() { Err("no instance in it has a key pair".to_owned()) } else { Ok(points) }
}

/// A client token as callers and AWS make them: at most 64 ASCII characters (EC2 API).
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What a person's target points at.
pub(crate) fn target(run: &Run, key: &str) -> Result<Vec<Candidate>> {
    const KNOWN: [(&str, Shape); 3] = [
        ("group_id", Shape::SecurityGroup),
        ("rule_id", Shape::SecurityGroupRule),
        ("instance_id", Shape::Instance),
    ];
    for (name, values) in &run.target {
        let (_, shape) = KNOWN.iter().find(|(known, _)| known == name).ok_or_else(|| {
            Error::invalid(format!("`{}` takes no `{}`", run.runbook, safe(name, 40)))
                .hint("it takes `group_id` with or without `rule_id`, or `instance_id`")
        })?;
        for value in values {
            shape.check(value)?;
        }
    }
    let values = |name: &str| run.target.get(name).cloned().unwrap_or_default();
    let points: Vec<Point> = match (values("group_id").as_slice(), values("instance_id").as_slice())
    {
        ([group], []) => vec![Point::group("R2.1a", group, values("rule_id"))],
        ([], instances @ [_, ..]) if values("rule_id").is_empty() => {
            instances.iter().map(|id| Point { signal: "R2.1a", ..Point::instance(id) }).collect()
        }
        _ => {
            return Err(Error::invalid(format!("`{}` needs one target", run.runbook))
                .hint("give `group_id` with or without `rule_id`, or `instance_id`"));
        }
    };
    let origin = Origin::Person {
        claimed: run.requested_by.clone(),
        reason: run.reason.clone(),
        key: key.to_owned(),
    };
    Ok(points.into_iter().map(|point| point.at(&run.account, &run.region, &origin)).collect())
}
