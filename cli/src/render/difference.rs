//! The state of a resource before and after a step, property by property.

use std::collections::{BTreeMap, BTreeSet};

use backstop_core::report::ReportedStep;
use backstop_core::words::StepStatus;
use serde_json::Value;

use super::clean::clean;

/// Before and after.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// The properties of either state.
    pub(super) rows: Vec<Row>,
    /// What is to say of the state before, where it is not in the rows.
    pub(super) before: Option<&'static str>,
    /// What is to say of the state after, where it is not in the rows.
    pub(super) after: Option<&'static str>,
    /// Whether the state after is not seen but foreseen: the step has not run.
    pub(super) foreseen: bool,
    /// Whether the state before is there again.
    pub(super) taken_back: bool,
}

/// One property.
#[derive(Debug)]
pub(super) struct Row {
    /// Its path, such as `source.cidr_ipv4`.
    pub(super) name: String,
    /// Its value before.
    pub(super) before: Option<String>,
    /// Its value after, or the one that is foreseen; none too where neither is known.
    pub(super) after: Option<String>,
    /// Whether both are known, and differ.
    pub(super) changed: bool,
}

impl Difference {
    /// Of one step.
    pub(super) fn of(step: &ReportedStep) -> Self {
        // `null` is a state: it is what a thing that is gone reads as. Where a step was seen, it
        // is what was seen; where it has not run, what is foreseen; else nothing is known.
        let (state, foreseen) = match (&step.after, step.status) {
            (Some(state), _) => (Some(state), false),
            (None, StepStatus::Verified | StepStatus::Satisfied | StepStatus::Undone) => {
                (Some(&Value::Null), false)
            }
            (None, StepStatus::Held | StepStatus::Planned) => {
                (step.foreseen.as_ref(), step.foreseen.is_some())
            }
            (None, _) => (None, false),
        };
        let before = properties(&step.before);
        let after = state.map(properties);
        let names: BTreeSet<&String> =
            before.keys().chain(after.iter().flat_map(BTreeMap::keys)).collect();
        let both = !step.before.is_null() && state.is_some_and(|state| !state.is_null());
        let rows = names
            .into_iter()
            .map(|name| {
                let (was, is) = (before.get(name), after.as_ref().and_then(|a| a.get(name)));
                Row {
                    name: name.clone(),
                    before: was.cloned(),
                    after: is.cloned(),
                    changed: both && was != is,
                }
            })
            .collect();
        Self {
            rows,
            before: step.before.is_null().then_some("nothing is there"),
            after: match (state, step.status) {
                (Some(Value::Null), _) if foreseen => Some("nothing: it would be gone"),
                (Some(Value::Null), StepStatus::Undone) => Some("nothing: it was gone"),
                (Some(Value::Null), _) => Some("nothing: it is gone"),
                (Some(_), _) => None,
                (None, StepStatus::Held | StepStatus::Planned) => Some("not run: as before"),
                (None, _) => Some("not seen: look before you rely on it"),
            },
            foreseen,
            taken_back: step.status == StepStatus::Undone,
        }
    }

    /// What the state after is called.
    pub(super) const fn after_is(&self) -> &'static str {
        if self.foreseen { "would be" } else { "after" }
    }

    /// The state before, on one line.
    pub(super) fn before_line(&self) -> String {
        line(self.before, self.rows.iter().map(|r| (&r.name, r.before.as_ref())))
    }

    /// The state after, on one line.
    pub(super) fn after_line(&self) -> String {
        line(self.after, self.rows.iter().map(|r| (&r.name, r.after.as_ref())))
    }
}

fn line<'a>(
    said: Option<&str>,
    properties: impl Iterator<Item = (&'a String, Option<&'a String>)>,
) -> String {
    if let Some(said) = said {
        return said.to_owned();
    }
    let each: Vec<String> =
        properties.filter_map(|(name, value)| Some(format!("{name}: {}", value?))).collect();
    each.join(", ")
}

/// Every value of a state by its path.
fn properties(state: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect("", state, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    let below = |name: &str| {
        let name = clean(name);
        if path.is_empty() { name } else { format!("{path}.{name}") }
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(&below(name), member, found);
            }
        }
        Value::Array(elements) if elements.iter().any(|e| e.is_object() || e.is_array()) => {
            for (n, element) in elements.iter().enumerate() {
                collect(&below(&n.to_string()), element, found);
            }
        }
        Value::Array(elements) => {
            let each: Vec<String> = elements.iter().map(scalar).collect();
            found.insert(named(path), each.join(", "));
        }
        // Nothing is there: there is no property to name.
        Value::Null if path.is_empty() => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            found.insert(named(path), scalar(value));
        }
    }
}

fn named(path: &str) -> String {
    if path.is_empty() { "state".to_owned() } else { path.to_owned() }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| clean(&value.to_string()), clean)
}
