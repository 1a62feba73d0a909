//! The one decision about a candidate, from live state and memory.

use serde::{Deserialize, Serialize};

use crate::plan::{Choice, Step};
use crate::words::Urgency;

/// What live state and memory say about a candidate.
#[derive(Debug)]
pub enum Assessment<C> {
    /// Nothing is wrong now, and why that is known.
    Compliant(String),
    /// What the event names is not there: gone, or not visible yet. The engine looks again while
    /// the event is young, because EC2 shows a new thing only after a moment.
    Absent(String),
    /// It cannot be told: neither safe nor guilty. Holds the response and calls a person.
    Unknown(String),
    /// Something is wrong.
    Violation(Box<Violation<C>>),
}

impl<C> Assessment<C> {
    /// Whether a part of what the event names is not there.
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Absent(_) => true,
            Self::Violation(violation) => violation.incomplete,
            Self::Compliant(_) | Self::Unknown(_) => false,
        }
    }
}

/// What is wrong, and what would put it right.
#[derive(Debug)]
pub struct Violation<C> {
    /// For people.
    pub finding: Finding,
    /// What would put it right, in order. None if only a person can.
    pub steps: Vec<Step<C>>,
    /// The one choice that the steps may hold.
    pub choice: Option<Choice>,
    /// Whether a part of what the event names is not there, or not visible yet.
    pub incomplete: bool,
    /// What the guards need to know of the live resource.
    pub scope: Scope,
}

/// What is wrong, in words and figures for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The signal or threshold that it is.
    pub signal: String,
    /// One line. Text chosen by others is made safe before it gets here.
    pub title: String,
    /// What was seen, one line each.
    #[serde(default)]
    pub facts: Vec<String>,
    /// How soon a person must look.
    pub urgency: Urgency,
    /// What a response would touch, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<String>,
    /// What a person has to do or know, one line each.
    #[serde(default)]
    pub follow_up: Vec<String>,
    /// Which property of the resource is wrong: tickets about the same one are the same ticket.
    pub property: String,
}

/// Where the live resource stands, for the guards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whether the operator's policy counts it as production.
    pub production: bool,
    /// Why the responder itself would not touch it, if so: managed by a service, owned by another.
    pub hands_off: Option<String>,
}
