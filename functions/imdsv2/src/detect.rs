//! What an event or a person points at. Pure: the event is a hint, live state decides.

use std::collections::BTreeMap;

use backstop_actions::ec2::metadata_defaults_arn;
use backstop_core::alert;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Detail, Envelope, Params, Record, Run};
use backstop_core::ident::{Shape, ec2_arn};
use backstop_core::responder::Detection;
use backstop_core::text::safe;
use backstop_core::{Error, Result};

use crate::MANIFEST;
use crate::manifest::{CONFIG_CHANGE, STATE_CHANGE};

const EC2: &str = "ec2.amazonaws.com";

/// What a call asked to be changed, in our words: the name of a candidate's identifiers.
pub(crate) const CHANGED: &str = "changed";
/// IMDSv1 was asked for.
pub(crate) const OPTIONAL: &str = "tokens-optional";
/// The hop limit was asked for.
pub(crate) const HOP_LIMIT: &str = "hop-limit";
/// The service over IPv6 was asked for.
pub(crate) const IPV6: &str = "ipv6";

type Ids = BTreeMap<String, Vec<String>>;

fn nothing(why: impl Into<String>) -> Detection {
    Detection::Nothing(why.into())
}

pub(crate) fn detect(event: &Envelope) -> Detection {
    let Some(key) = event.key() else {
        return nothing("it has neither `eventID` nor `id`: it could not be told from another");
    };
    let (found, name, time, actor) = match &event.detail {
        Detail::Api(record) => {
            if let Some(candidate) = alert::detect(MANIFEST.alerts, event) {
                return Detection::Candidates(vec![candidate]);
            }
            let time = record.event_time.or(event.time);
            (called(record), record.event_name.clone(), time, record.actor())
        }
        Detail::Native(detail) => {
            let found = emitted(event, detail);
            (
                found,
                event.detail_type.clone(),
                event.time,
                backstop_core::candidate::Actor::default(),
            )
        }
    };
    let points = match found {
        Ok(points) => points,
        Err(why) => return nothing(why),
    };
    let origin = Origin::Event { key: key.to_owned(), name, time, actor };
    let at = |point: Point| point.at(&event.account, &event.region, &origin);
    Detection::Candidates(points.into_iter().map(at).collect())
}

/// What a recorded call points at.
fn called(record: &Record) -> Result<Vec<Point>, String> {
    if record.is(EC2, "ModifyInstanceMetadataOptions") {
        modified(record)
    } else if record.is(EC2, "RunInstances") {
        launched(record)
    } else if record.is(EC2, "StartInstances") {
        started(record)
    } else if record.is(EC2, "ModifyInstanceMetadataDefaults") {
        Ok(vec![Point::new("X1.1", Kind::Defaults)])
    } else if record.is(EC2, "CreateLaunchTemplate") {
        template("X1.2", record)
    } else if record.is(EC2, "CreateLaunchTemplateVersion") {
        template("X1.3", record)
    } else if record.is(EC2, "ModifyLaunchTemplate") {
        template("X1.4", record)
    } else {
        Err(format!("no signal of aws-work-01: `{}`", safe(&record.event_name, 80)))
    }
}

/// What an event of a service points at.
fn emitted(event: &Envelope, detail: &Params) -> Result<Vec<Point>, String> {
    match (event.source.as_str(), event.detail_type.as_str()) {
        ("aws.ec2", STATE_CHANGE) => running(detail),
        ("aws.config", CONFIG_CHANGE) => evaluated(detail),
        _ => Err(format!("no signal of aws-work-01: `{}`", safe(&event.detail_type, 80))),
    }
}

/// What something is, for its ARN.
#[derive(Clone, Copy)]
enum Kind {
    Instance,
    Template,
    Defaults,
}

/// What an event points at, before it is known where.
struct Point {
    signal: &'static str,
    kind: Kind,
    id: String,
    ids: Ids,
}

impl Point {
    /// Something of that kind, but the record does not say which: nothing is safe to assume.
    fn new(signal: &'static str, kind: Kind) -> Self {
        Self { signal, kind, id: "unnamed".to_owned(), ids: Ids::new() }
    }

    fn instance(signal: &'static str, id: &str) -> Self {
        Self::new(signal, Kind::Instance).known(id).with("instance_id", vec![id.to_owned()])
    }

    fn known(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    fn with(mut self, name: &str, ids: Vec<String>) -> Self {
        if !ids.is_empty() {
            self.ids.insert(name.to_owned(), ids);
        }
        self
    }

    /// The candidate that it is in an account and a Region.
    fn at(self, account: &str, region: &str, origin: &Origin) -> Candidate {
        let resource = match self.kind {
            Kind::Instance => ec2_arn(region, account, "instance", &self.id),
            Kind::Template => ec2_arn(region, account, "launch-template", &self.id),
            Kind::Defaults => metadata_defaults_arn(region, account),
        };
        Candidate {
            signal: self.signal.to_owned(),
            resource,
            account: account.to_owned(),
            region: region.to_owned(),
            ids: self.ids,
            origin: origin.clone(),
        }
    }
}

/// The instance of that id, if it is one.
fn instance(signal: &'static str, id: Option<String>) -> Result<Point, String> {
    let Some(id) = id else { return Ok(Point::new(signal, Kind::Instance)) };
    if Shape::Instance.fits(&id) {
        Ok(Point::instance(signal, &id))
    } else {
        Err(format!("`{}` is not {}", safe(&id, 60), Shape::Instance.words()))
    }
}

/// S1.1. Wrapped; what is not in the request was not changed, and says nothing of what it is.
fn modified(record: &Record) -> Result<Vec<Point>, String> {
    let request = record.request.unwrapped("ModifyInstanceMetadataOptions");
    let response = record.response.unwrapped("ModifyInstanceMetadataOptions");
    let id = request.text("InstanceId").or_else(|| response.text("instanceId"));
    let mut changed = Vec::new();
    for (member, word) in [("HttpPutResponseHopLimit", HOP_LIMIT), ("HttpProtocolIpv6", IPV6)] {
        if !request.get(member).is_absent() {
            changed.push(word.to_owned());
        }
    }
    if request.text("HttpTokens").as_deref() == Some("optional") {
        changed.push(OPTIONAL.to_owned());
    }
    Ok(vec![instance("S1.1", id)?.with(CHANGED, changed)])
}

/// S1.2. The answer says what every instance was really launched with; the request of Auto
/// Scaling, of a template and of whoever relies on defaults says nothing (spec §2.1).
fn launched(record: &Record) -> Result<Vec<Point>, String> {
    let instances = record.response.list("instancesSet");
    if instances.is_empty() {
        if !record.response.is_absent() {
            return Err("it names no instance".to_owned());
        }
        // CloudTrail leaves out an answer above 100 KB. The token of the call still finds them.
        let token = record.request.text("clientToken").filter(|token| is_token(token));
        let unnamed = Point::new("S1.2", Kind::Instance);
        return Ok(vec![match token {
            Some(token) => {
                unnamed.known(&format!("client-token:{token}")).with("client_token", vec![token])
            }
            None => unnamed,
        }]);
    }
    let mut points = Vec::new();
    for launched in instances {
        let options = launched.get("metadataOptions");
        let told = |member: &str| options.text(member);
        // Only what is told to be harmless is left out: records from before 2019 tell nothing.
        let off = told("httpEndpoint").as_deref() == Some("disabled");
        let strict = told("httpTokens").as_deref() == Some("required")
            && options.integer("httpPutResponseHopLimit") == Some(1);
        if off || strict {
            continue;
        }
        let id = launched.text("instanceId");
        if let Some(id) = id.filter(|id| Shape::Instance.fits(id)) {
            points.push(Point::instance("S1.2", &id));
        }
    }
    if points.is_empty() {
        Err("every instance in it requires IMDSv2, or answers nobody".to_owned())
    } else {
        Ok(points)
    }
}

/// X1.15. What was changed while an instance was stopped comes into force now.
fn started(record: &Record) -> Result<Vec<Point>, String> {
    let named = |part: &Params| -> Vec<String> {
        part.list("instancesSet").iter().filter_map(|i| i.text("instanceId")).collect()
    };
    let mut ids = named(&record.response);
    if ids.is_empty() {
        ids = named(&record.request);
    }
    if ids.is_empty() {
        return Ok(vec![Point::new("X1.15", Kind::Instance)]);
    }
    ids.sort();
    ids.dedup();
    let fit = ids.iter().filter(|id| Shape::Instance.fits(id));
    let points: Vec<Point> = fit.map(|id| Point::instance("X1.15", id)).collect();
    if points.is_empty() { Err("it names no instance".to_owned()) } else { Ok(points) }
}

/// X1.2 to X1.4. The answer has the id; the request may have the name only.
fn template(signal: &'static str, record: &Record) -> Result<Vec<Point>, String> {
    let request = record.request.unwrapped(&record.event_name);
    let response = record.response.unwrapped(&record.event_name);
    let made = match signal {
        "X1.3" => response.get("launchTemplateVersion"),
        _ => response.get("launchTemplate"),
    };
    let number = match signal {
        "X1.2" => Some("1".to_owned()),
        "X1.3" => number(made.text("versionNumber")),
        _ => number(request.text("SetDefaultVersion").or(request.text("DefaultVersion"))),
    };
    let version: Vec<String> = number.into_iter().collect();
    let point = Point::new(signal, Kind::Template);
    let id = made.text("launchTemplateId").or_else(|| request.text("LaunchTemplateId"));
    if let Some(id) = id {
        return if Shape::LaunchTemplate.fits(&id) {
            let ids = vec![id.clone()];
            Ok(vec![point.known(&id).with("launch_template_id", ids).with("version", version)])
        } else {
            Err(format!("`{}` is not {}", safe(&id, 60), Shape::LaunchTemplate.words()))
        };
    }
    let name = request.text("LaunchTemplateName").filter(|name| Shape::Name.fits(name));
    let names = name.into_iter().collect();
    Ok(vec![point.with("launch_template_name", names).with("version", version)])
}

/// A version's number, which CloudTrail may write as `3`, `3.0` or `"3"`.
fn number(text: Option<String>) -> Option<String> {
    let text = text?;
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    let fits = !digits.is_empty() && digits.len() <= 18;
    (fits && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.to_owned())
}

/// S1.2, whoever launched it: Auto Scaling, Fleet, Spot, EKS, and what was changed while stopped.
fn running(detail: &Params) -> Result<Vec<Point>, String> {
    match detail.text("state").as_deref() {
        // Where it does not say, live state will.
        Some("running") | None => Ok(vec![instance("S1.2", detail.text("instance-id"))?]),
        Some(other) => Err(format!("the instance is {}, not running", safe(other, 40))),
    }
}

/// S1.3. Which rules count the policy says, and only the assessment knows the policy.
fn evaluated(detail: &Params) -> Result<Vec<Point>, String> {
    let kind = detail.text("resourceType");
    if kind.as_deref() != Some("AWS::EC2::Instance") {
        return Err("it is not about an instance".to_owned());
    }
    let verdict = detail.path("newEvaluationResult.complianceType").json().as_str();
    if verdict.is_some_and(|verdict| verdict != "NON_COMPLIANT") {
        return Err("the Config rule does not say NON_COMPLIANT".to_owned());
    }
    let rule = detail.text("configRuleName").filter(|name| Shape::Name.fits(name));
    let point = instance("S1.3", detail.text("resourceId"))?;
    Ok(vec![point.with("config_rule", rule.into_iter().collect())])
}

/// A client token as callers and AWS make them: at most 64 ASCII characters (EC2 API).
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What a person's target points at.
pub(crate) fn target(run: &Run, key: &str) -> Result<Vec<Candidate>> {
    const HINT: &str = "it takes `instance_id`";
    if let Some(name) = run.target.keys().find(|name| *name != "instance_id") {
        return Err(
            Error::invalid(format!("`{}` takes no `{}`", run.runbook, safe(name, 40))).hint(HINT)
        );
    }
    let ids = run.target.get("instance_id").cloned().unwrap_or_default();
    if ids.is_empty() {
        return Err(Error::invalid(format!("`{}` needs one target", run.runbook)).hint(HINT));
    }
    let origin = Origin::Person {
        claimed: run.requested_by.clone(),
        reason: run.reason.clone(),
        key: key.to_owned(),
    };
    let mut candidates = Vec::new();
    for id in &ids {
        let id = Shape::Instance.check(id)?;
        candidates.push(Point::instance("R1.1a", id).at(&run.account, &run.region, &origin));
    }
    Ok(candidates)
}
