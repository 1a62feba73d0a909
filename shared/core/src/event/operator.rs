//! What people, schedules and other functions of the suite ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::lenient::kind;
use super::shaped;
use crate::candidate::Candidate;
use crate::error::{Error, Result};
use crate::text::safe;
use crate::words::Outcome;

/// One request: `{"backstop": {"<verb>": {…}}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    /// Look at everything once.
    Sweep(Sweep),
    /// Another function asks to look at one resource.
    Request(Box<Request>),
    /// A person starts a runbook.
    Run(Run),
    /// A person releases held steps.
    Approve(Approve),
    /// A person takes steps back.
    Undo(Undo),
    /// One incident whole.
    Show(Show),
    /// The incidents of this function.
    Incidents(Incidents),
}

/// Look at everything once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The schedule of the manifest that sent it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time that it was scheduled for: a second delivery of it finds what the first has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// Another function asks to look at one resource. Nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The resource.
    pub candidate: Candidate,
    /// The incident that asks.
    pub incident: String,
}

/// A person starts a runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The runbook, such as `ssh-access.revoke-ingress`.
    pub runbook: String,
    /// What it is about: one identifier or several per name.
    #[serde(deserialize_with = "target")]
    pub target: BTreeMap<String, Vec<String>>,
    /// The account of the target.
    pub account: String,
    /// The Region of the target.
    pub region: String,
    /// Whether to apply the plan; else it is only made.
    pub apply: bool,
    /// Who asks, as claimed.
    pub requested_by: String,
    /// Why.
    pub reason: String,
}

/// A person releases held steps of the plan that they saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The incident.
    pub incident: String,
    /// The hash of the plan that was seen.
    pub plan_hash: String,
    /// Who approves, as claimed.
    pub approved_by: String,
    /// Which steps; all held ones if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<u32>>,
    /// Which option of the plan's choice; its default if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
}

/// A person takes steps back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The incident.
    pub incident: String,
    /// Who asks, as claimed.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// Which step; all if not given, last first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The steps that the person was shown as in force: refused if there are others by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Vec<u32>>,
    /// Later changes that the person has seen and means to overwrite, as long as they are still
    /// what was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overwrite: Vec<Overwrite>,
    /// Whether to overwrite any later change, seen or not.
    #[serde(default)]
    pub force: bool,
}

/// A later change that may be overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overwrite {
    /// The step that it came after.
    pub step: u32,
    /// The state that was seen.
    pub now: Value,
}

/// One incident whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The incident.
    pub incident: String,
}

/// Which incidents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incidents {
    /// Only those that ended so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Only those since this time or date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

impl Operator {
    /// The verb.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sweep(_) => "sweep",
            Self::Request(_) => "request",
            Self::Run(_) => "run",
            Self::Approve(_) => "approve",
            Self::Undo(_) => "undo",
            Self::Show(_) => "show",
            Self::Incidents(_) => "incidents",
        }
    }
}

/// The verbs and what each takes, for hints.
const VERBS: [(&str, &str); 7] = [
    ("sweep", "optional: schedule, slot"),
    ("request", "candidate, incident"),
    ("run", "runbook, target, account, region, apply, requested_by, reason"),
    ("approve", "incident, plan_hash, approved_by; optional: steps, option"),
    ("undo", "incident, requested_by, reason; optional: step, shown, overwrite, force"),
    ("show", "incident"),
    ("incidents", "optional: outcome, since"),
];

impl Operator {
    /// The payload that asks for this.
    ///
    /// # Errors
    /// `Bug` if it cannot be written as JSON.
    pub fn payload(&self) -> Result<String> {
        serde_json::to_string(&BTreeMap::from([("backstop", self)])).map_err(|e| {
            Error::bug(format!("the payload `{}` cannot be written: {e}", self.name()))
        })
    }

    /// Reads a payload that has a member `backstop`.
    pub(super) fn read(mut payload: Map<String, Value>) -> Result<Self> {
        let asked = payload.remove("backstop").unwrap_or_default();
        let verbs = VERBS.map(|(verb, _)| verb).join(", ");
        let wrong = |what: String| {
            Err(Error::invalid(what).hint(format!(
                "write `{{\"backstop\": {{\"<verb>\": {{…}}}}}}`; the verbs are {verbs}"
            )))
        };
        if let Some(other) = payload.keys().next() {
            return wrong(format!(
                "`backstop` stands alone in a payload, but there is also `{}`",
                safe(other, 40)
            ));
        }
        let Value::Object(asked) = asked else {
            return wrong(format!("`backstop` is {}, not an object", kind(&asked)));
        };
        let mut names = asked.keys().map(|verb| format!("`{}`", safe(verb, 40)));
        let (Some(verb), None) = (asked.keys().next(), asked.keys().nth(1)) else {
            return wrong(if asked.is_empty() {
                "`backstop` names no verb".to_owned()
            } else {
                let first: Vec<String> = names.by_ref().take(3).collect();
                format!("`backstop` names {} verbs, not one: {}", asked.len(), first.join(", "))
            });
        };
        let Some((verb, takes)) = VERBS.into_iter().find(|(known, _)| known == verb) else {
            return wrong(format!("`backstop` knows no verb `{}`", safe(verb, 40)));
        };
        // A derived structure would also take a list, member by member.
        if let Some(other) = asked.values().find(|v| !v.is_object()) {
            return wrong(format!("`backstop.{verb}` is {}, not an object", kind(other)));
        }
        shaped(Value::Object(asked), "backstop")
            .map_err(|e| e.hint(format!("`{verb}` takes: {takes}")))
    }
}

/// `{"group_id": "sg-0abc"}` or `{"group_id": ["sg-0abc", "sg-0abd"]}`.
fn target<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let target = BTreeMap::<String, OneOrMany>::deserialize(from)?;
    Ok(target.into_iter().map(|(name, values)| (name, values.0)).collect())
}

struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let several = match Value::deserialize(from)? {
            Value::Array(several) => several,
            one @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => vec![one],
        };
        let texts = several.iter().map(|value| {
            value.as_str().map(str::to_owned).ok_or_else(|| {
                let found = kind(value);
                de::Error::custom(format!("expected a string or a list of strings, found {found}"))
            })
        });
        texts.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Payload, parse};

    fn refused(payload: &str) -> (String, String) {
        let error = parse(payload).unwrap_err();
        (error.to_string(), error.hint_text().unwrap().to_owned())
    }

    /// One of each verb with everything that it can have.
    const ALL: [&str; 7] = [
        r#"{"backstop":{"sweep":{"schedule":"sweep","slot":"2026-11-23T12:00:00Z"}}}"#,
        r#"{"backstop":{"request":{"candidate":{"signal":"S7.1","account":"111111111111","region":"eu-west-1","resource":"arn:aws:ec2:eu-west-1:111111111111:instance/i-0aaa1111","ids":{"instance_id":["i-0aaa1111"]},"origin":{"kind":"request","incident":"golden-ami-1"}},"incident":"golden-ami-1"}}}"#,
        r#"{"backstop":{"run":{"runbook":"ssh-access.revoke-ingress","target":{"group_id":"sg-0abc","rule_id":["sgr-1","sgr-2"]},"account":"111111111111","region":"eu-west-1","apply":false,"requested_by":"alice","reason":"INC-42"}}}"#,
        r#"{"backstop":{"approve":{"incident":"i-1","plan_hash":"abc","approved_by":"alice","steps":[1,2],"option":"narrow"}}}"#,
        r#"{"backstop":{"undo":{"incident":"i-1","requested_by":"alice","reason":"r","step":1,"force":true}}}"#,
        r#"{"backstop":{"show":{"incident":"i-1"}}}"#,
        r#"{"backstop":{"incidents":{"outcome":"held","since":"2026-03-02"}}}"#,
    ];

    #[test]
    fn every_verb_is_read_and_written() {
        for (text, (verb, takes)) in ALL.into_iter().zip(VERBS) {
            let payload = parse(text).unwrap();
            assert_eq!(payload.kind(), format!("`{verb}`"));
            let Payload::Operator(operator) = &payload else { panic!("{payload:?}") };
            assert_eq!(operator.name(), verb);
            assert_eq!(parse(&operator.payload().unwrap()).unwrap(), payload);
            // The hint names what there is.
            let written: Value = serde_json::from_str(&operator.payload().unwrap()).unwrap();
            for field in written["backstop"][verb].as_object().unwrap().keys() {
                assert!(takes.contains(field.as_str()), "`{verb}` has `{field}`");
            }
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_left_out() {
        for text in [
            r#"{"backstop":{"approve":{"incident":"i-1","plan_hash":"abc","approved_by":"alice"}}}"#,
            r#"{"backstop":{"undo":{"incident":"i-1","requested_by":"alice","reason":"r"}}}"#,
            r#"{"backstop":{"incidents":{}}}"#,
            r#"{"backstop":{"sweep":{}}}"#,
        ] {
            let Payload::Operator(operator) = parse(text).unwrap() else { panic!("{text}") };
            if let Operator::Undo(undo) = operator {
                assert_eq!((undo.step, undo.force), (None, false));
            }
        }
    }

    #[test]
    fn a_target_is_one_or_several() {
        let Payload::Operator(Operator::Run(run)) = parse(ALL[2]).unwrap() else { panic!() };
        assert_eq!(run.target["group_id"], ["sg-0abc"]);
        assert_eq!(run.target["rule_id"], ["sgr-1", "sgr-2"]);
    }

    #[test]
    fn a_wrong_request_is_told_what_is_right() {
        let run = |from: &str, to: &str| ALL[2].replace(from, to);
        for (text, says, hint) in [
            (r#"{"backstop":{}}"#.to_owned(), "names no verb", "sweep, request, run"),
            (r#"{"backstop":[]}"#.to_owned(), "`backstop` is a list", "sweep, request, run"),
            (r#"{"backstop":null}"#.to_owned(), "`backstop` is null", "sweep, request, run"),
            (
                r#"{"backstop":{"run":{},"undo":{}}}"#.to_owned(),
                "names 2 verbs, not one: `run`, `undo`",
                "undo, show",
            ),
            (r#"{"backstop":{"destroy":{}}}"#.to_owned(), "no verb `destroy`", "undo, show"),
            (r#"{"backstop":{"Sweep":{}}}"#.to_owned(), "no verb `Sweep`", "sweep"),
            (r#"{"backstop":{"sweep":null}}"#.to_owned(), "`backstop.sweep` is null", "sweep"),
            (r#"{"backstop":{"show":["i-1"]}}"#.to_owned(), "`backstop.show` is a list", "show"),
            (
                r#"{"backstop":{"sweep":{"all":true}}}"#.to_owned(),
                "`backstop.sweep.all`: unknown field `all`",
                "optional: schedule, slot",
            ),
            (
                r#"{"backstop":{"show":{}}}"#.to_owned(),
                "`backstop.show`: missing field `incident`",
                "takes: incident",
            ),
            (
                run(r#""apply":false"#, r#""apply":"no""#),
                "`backstop.run.apply`",
                "`run` takes: runbook",
            ),
            (run(r#""apply":false,"#, ""), "`backstop.run`: missing field `apply`", "apply"),
            (
                run(r#""sg-0abc""#, "5"),
                "`backstop.run.target.group_id`: expected a string or a list of strings, found a number",
                "target",
            ),
            (
                run(r#""sgr-2""#, "{}"),
                "`backstop.run.target.rule_id`: expected a string or a list of strings, found an object",
                "target",
            ),
            (run(r#""reason""#, r#""because""#), "`backstop.run.because`: unknown field", "reason"),
            (ALL[3].replace("[1,2]", "[1,-2]"), "`backstop.approve.steps[1]`", "optional: steps"),
            (
                ALL[6].replace("held", "great"),
                "`backstop.incidents.outcome`: unknown variant `great`",
                "outcome",
            ),
            (
                ALL[1].replace(r#""account":"111111111111","#, ""),
                "`backstop.request.candidate`: missing field `account`",
                "candidate",
            ),
        ] {
            let (message, told) = refused(&text);
            assert!(message.contains(says), "{text}\ngave   {message}\nwanted {says}");
            assert!(told.contains(hint), "{text}\ngave   {told}\nwanted {hint}");
        }
    }
}
