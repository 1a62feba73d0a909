//! What there is to tell of an incident, the same in every format. All text in it is clean: formats
//! escape only what means something to them.

use backstop_core::report::{Reported, ReportedStep};
use backstop_core::words::{Class, Outcome, StepStatus, Urgency};
use jiff::Timestamp;

use super::clean::{clean, visible};
use super::difference::Difference;
use super::next::{self, Next};
use super::time::{clock, distance};
use super::timeline::{self, Milestone, Moment};
use crate::standing;

/// What is said of a step that was taken back.
pub(super) const TAKEN_BACK: &str = "as before: it was taken back";

/// What is said of a step that no command takes back.
pub(super) const NO_UNDO: &str = "not possible with one command";

/// What it means that there is nothing to look at.
const ABSENT: &str = "What it is about is not there: gone, or never was under this id.";

/// Why a step cannot be taken back yet.
pub(super) const TOO_SOON: &str = "what it keeps out would be let in again";

/// How something is marked: never by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Done and proven.
    Good,
    /// A person must decide.
    Waits,
    /// It went wrong.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    /// Of an outcome; none while it runs.
    pub(super) fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Contained | Outcome::Compliant) => Self::Good,
            Some(Outcome::Planned | Outcome::Held | Outcome::Partial) => Self::Waits,
            Some(Outcome::Failed) => Self::Bad,
            Some(Outcome::Observed | Outcome::Undone | Outcome::Duplicate) | None => Self::Plain,
        }
    }

    fn of_step(status: StepStatus) -> Self {
        match status {
            StepStatus::Verified | StepStatus::Satisfied => Self::Good,
            StepStatus::Held | StepStatus::Planned => Self::Waits,
            StepStatus::Failed | StepStatus::UndoFailed => Self::Bad,
            StepStatus::Applying
            | StepStatus::Applied
            | StepStatus::Undoing
            | StepStatus::Undone => Self::Plain,
        }
    }

    /// A sign that stands for it where there is no colour.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Waits => "‖",
            Self::Bad => "✗",
            Self::Plain => "·",
        }
    }

    /// Its name in a style sheet.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waits => "waits",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// One incident.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) id: String,
    /// What is wrong.
    pub(super) title: String,
    pub(super) outcome: &'static str,
    pub(super) tone: Tone,
    /// What the outcome means.
    pub(super) means: &'static str,
    pub(super) reason: String,
    pub(super) urgency: Urgency,
    pub(super) control: String,
    pub(super) signal: String,
    pub(super) resource: String,
    pub(super) account: String,
    pub(super) region: String,
    /// Who or what pointed at it.
    pub(super) source: Option<String>,
    /// When it began: the call, else the claim.
    pub(super) began: Option<Instant>,
    pub(super) touches: Option<String>,
    pub(super) facts: Vec<String>,
    pub(super) plan: Option<Plan>,
    pub(super) options: Vec<Alternative>,
    pub(super) steps: Vec<Step>,
    pub(super) aftermath: Vec<String>,
    pub(super) follow_up: Vec<String>,
    pub(super) next: Vec<Next>,
    pub(super) milestones: Vec<Milestone>,
    pub(super) timeline: Vec<Moment>,
}

/// A point in time, as a machine and as people read it.
#[derive(Debug)]
pub(super) struct Instant {
    pub(super) at: Timestamp,
    pub(super) clock: String,
    pub(super) distance: String,
}

impl Instant {
    fn of(at: Timestamp, now: Timestamp) -> Self {
        Self { at, clock: clock(at), distance: distance(now, at) }
    }
}

/// The plan that `approve` accepts.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) hash: String,
    pub(super) until: Option<Instant>,
    pub(super) expired: bool,
}

/// One option of the plan's choice.
#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) name: String,
    pub(super) means: String,
    pub(super) default: bool,
}

/// One step of the plan.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) n: u32,
    /// What it does.
    pub(super) summary: String,
    pub(super) resource: String,
    pub(super) class: Class,
    /// Where it stands.
    pub(super) status: &'static str,
    pub(super) tone: Tone,
    /// What its command is: what Backstop did or would do, or what a person has to.
    pub(super) command_is: &'static str,
    /// What its undo is: of what was done, or of what would be.
    pub(super) undo_is: &'static str,
    pub(super) option: Option<String>,
    pub(super) needs: Option<u32>,
    pub(super) reason: String,
    pub(super) detail: Option<String>,
    pub(super) difference: Difference,
    pub(super) command: String,
    pub(super) undo: Option<String>,
    /// From when it can be taken back, while that is still to come.
    pub(super) undo_from: Option<Instant>,
}

impl Step {
    fn of(step: &ReportedStep, all: &[ReportedStep], now: Timestamp) -> Self {
        let summary = if step.summary.is_empty() { &step.action } else { &step.summary };
        let waits = matches!(step.status, StepStatus::Held | StepStatus::Planned);
        let other = |s: &ReportedStep| {
            s.option.is_some() && s.option != step.option && standing::has_run(s)
        };
        let passed_over = waits && step.option.is_some() && all.iter().any(other);
        Self {
            n: step.n,
            summary: clean(summary),
            resource: clean(&step.resource),
            class: step.class,
            status: if passed_over { "not chosen" } else { step.status.name() },
            tone: if passed_over { Tone::Plain } else { Tone::of_step(step.status) },
            command_is: match (step.class, waits) {
                (Class::Human, _) => "run it by hand",
                (_, true) => "would run",
                (_, false) if step.status == StepStatus::Failed => "tried",
                (_, false) => "ran",
            },
            undo_is: if standing::has_run(step) { "undo" } else { "its undo" },
            option: step.option.as_deref().map(clean),
            needs: step.needs,
            reason: clean(&step.reason),
            detail: step.detail.as_deref().filter(|_| !passed_over).map(clean),
            difference: Difference::of(step),
            command: visible(&step.command),
            undo: step.undo_command.as_deref().map(visible),
            undo_from: standing::undo_from(step, now).map(|at| Instant::of(at, now)),
        }
    }
}

impl Story {
    /// Of what a function answered.
    pub(super) fn of(incident: &Reported, now: Timestamp) -> Self {
        let lines = |lines: &[String]| lines.iter().map(|l| clean(l)).collect();
        let approvable = standing::approvable(incident, now);
        let default = default(incident, approvable);
        Self {
            id: clean(&incident.id),
            title: incident.title.as_deref().map_or_else(
                || clean(&format!("{} on {}", incident.signal, incident.resource)),
                clean,
            ),
            outcome: incident.outcome.map_or("open", Outcome::name),
            tone: if incident.absent { Tone::Plain } else { Tone::of(incident.outcome) },
            means: if incident.absent { ABSENT } else { means(incident.outcome) },
            reason: clean(&incident.reason),
            urgency: incident.urgency,
            control: clean(&incident.control),
            signal: clean(&incident.signal),
            resource: clean(&incident.resource),
            account: clean(&incident.account),
            region: clean(&incident.region),
            source: incident.source.as_deref().map(clean),
            began: incident.happened_at.or(incident.claimed_at).map(|at| Instant::of(at, now)),
            touches: incident.blast_radius.as_deref().map(clean),
            facts: lines(&incident.facts),
            plan: incident.plan_hash.as_deref().map(|hash| Plan {
                hash: clean(hash),
                until: incident.approvable_until.map(|at| Instant::of(at, now)),
                expired: !approvable && incident.approvable_until.is_some_and(|u| u <= now),
            }),
            options: incident
                .choice
                .iter()
                .flat_map(|choice| &choice.options)
                .map(|(name, means)| Alternative {
                    name: clean(name),
                    means: clean(means),
                    default: default == Some(name.as_str()),
                })
                .collect(),
            steps: incident.steps.iter().map(|s| Step::of(s, &incident.steps, now)).collect(),
            aftermath: lines(&incident.aftermath),
            follow_up: lines(&incident.follow_up),
            next: next::next(incident, now)
                .into_iter()
                .map(|n| Next { what: clean(&n.what), command: visible(&n.command) })
                .collect(),
            milestones: timeline::milestones(incident),
            timeline: timeline::moments(incident.entries.as_deref().unwrap_or_default()),
        }
    }
}

/// The option that an approval takes if it names none.
fn default(incident: &Reported, approvable: bool) -> Option<&str> {
    let open = standing::options(incident);
    let first = open.first().filter(|_| approvable).map(|(name, _)| *name);
    first.or_else(|| incident.choice.as_ref().map(|choice| choice.default.as_str()))
}

/// What an outcome means to a person.
const fn means(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        None => "It is being worked on.",
        Some(Outcome::Compliant) => "Nothing is wrong now.",
        Some(Outcome::Observed) => "People were told; nothing was planned or changed.",
        Some(Outcome::Planned) => "The plan is kept; nothing was changed.",
        Some(Outcome::Held) => "Nothing was changed: it waits for a person.",
        Some(Outcome::Partial) => "A part is in force and proven; the rest waits for a person.",
        Some(Outcome::Contained) => "Every step that contains is in force and proven.",
        Some(Outcome::Failed) => "A step, or the undo of one, failed: a person is needed.",
        Some(Outcome::Undone) => "A person took the response back.",
        Some(Outcome::Duplicate) => "Another incident already stands for this.",
    }
}
