//! The journal as a timeline: when each change was, and how long it took.

use backstop_core::incident::{Change, Entry};
use backstop_core::report::Reported;
use backstop_core::words::Outcome;
use jiff::{SignedDuration, Timestamp};

use super::clean::clean;
use super::story::Tone;
use super::time::{instant, span};

/// A pause that is longer parts the timeline: what came after it is drawn on a scale of its own.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// The length of the scale that bars are drawn on.
const SCALE: u32 = 1_000;

/// One entry of the journal.
#[derive(Debug)]
pub(super) struct Moment {
    /// When.
    pub(super) at: Timestamp,
    /// The time of day.
    pub(super) clock: String,
    /// Since the first entry, or the first after a pause, such as `+61 ms`.
    pub(super) since: String,
    /// What happened.
    pub(super) words: String,
    /// How it is marked.
    pub(super) tone: Tone,
    /// How long nothing happened before it, where that parts the timeline, and when it is.
    pub(super) pause: Option<Pause>,
    /// Where its bar begins, of 1000.
    pub(super) from: u32,
    /// How long its bar is: from the entry before it to this one.
    pub(super) length: u32,
}

/// A time in which nothing happened.
#[derive(Debug)]
pub(super) struct Pause {
    /// How long it was.
    pub(super) length: String,
    /// When it ended, since the first entry.
    pub(super) until: String,
}

/// The entries in order.
pub(super) fn moments(entries: &[Entry]) -> Vec<Moment> {
    let Some(first) = entries.first() else { return Vec::new() };
    let mut moments = Vec::new();
    let parts = entries.chunk_by(|a, b| b.at.duration_since(a.at) <= PAUSE);
    let mut last: Option<Timestamp> = None;
    for part in parts {
        let (Some(begin), Some(end)) = (part.first(), part.last()) else { continue };
        let place =
            |at: Timestamp| place(at.duration_since(begin.at), end.at.duration_since(begin.at));
        let mut before = begin.at;
        let mut pause = last.map(|last| Pause {
            length: span(begin.at.duration_since(last)),
            until: format!("+{}", span(begin.at.duration_since(first.at))),
        });
        for same in part.chunk_by(are_one) {
            let Some(entry) = same.first() else { continue };
            let (from, to) = (place(before), place(entry.at));
            moments.push(Moment {
                at: entry.at,
                clock: instant(entry.at),
                since: format!("+{}", span(entry.at.duration_since(begin.at))),
                words: clean(&words(same)),
                tone: tone(&entry.change),
                pause: pause.take(),
                from: from.min(to),
                length: to.saturating_sub(from),
            });
            before = entry.at;
        }
        last = Some(end.at);
    }
    moments
}

/// Whether two entries are told as one: steps that are held at once for one reason.
fn are_one(one: &Entry, other: &Entry) -> bool {
    match (&one.change, &other.change) {
        (Change::StepHeld { reason: a, .. }, Change::StepHeld { reason: b, .. }) => {
            a == b && one.at == other.at
        }
        _ => false,
    }
}

fn words(same: &[Entry]) -> String {
    let steps: Vec<String> =
        same.iter().filter_map(|e| e.change.step()).map(|n| n.to_string()).collect();
    match same {
        [Entry { change: Change::StepHeld { reason, .. }, .. }, _, ..] => {
            format!("steps {} held: {reason}", steps.join(", "))
        }
        [entry, ..] => entry.change.words(),
        [] => String::new(),
    }
}

/// Where a span lies on the scale of a longer one. Clocks of two owners may differ: what lies
/// outside is drawn at the end.
fn place(span: SignedDuration, of: SignedDuration) -> u32 {
    let (span, of) = (span.as_micros().max(0), of.as_micros().max(1));
    u32::try_from(span.min(of) * i128::from(SCALE) / of).unwrap_or(SCALE)
}

fn tone(change: &Change) -> Tone {
    match change {
        Change::StepVerified { .. } | Change::StepSatisfied { .. } => Tone::Good,
        Change::StepFailed { .. } | Change::StepUndoFailed { .. } | Change::ReportFailed { .. } => {
            Tone::Bad
        }
        Change::Held { .. } | Change::StepHeld { .. } => Tone::Waits,
        Change::Closed { outcome, .. } => Tone::of(Some(*outcome)),
        Change::Claimed
        | Change::Resumed
        | Change::Assessed { .. }
        | Change::Planned { .. }
        | Change::StepApplying { .. }
        | Change::StepApplied { .. }
        | Change::Approved { .. }
        | Change::StepUndoing { .. }
        | Change::StepUndone { .. }
        | Change::Reported { .. } => Tone::Plain,
    }
}

/// A point of the response that anybody understands.
#[derive(Debug)]
pub(super) struct Milestone {
    /// What it is.
    pub(super) label: &'static str,
    /// When.
    pub(super) at: Timestamp,
    /// The time of day.
    pub(super) clock: String,
    /// Since the milestone before.
    pub(super) after: Option<String>,
    /// How it is marked.
    pub(super) tone: Tone,
}

/// The milestones in order.
pub(super) fn milestones(incident: &Reported) -> Vec<Milestone> {
    let entries = incident.entries.as_deref().unwrap_or_default();
    let first = |is: fn(&Change) -> bool| entries.iter().find(|e| is(&e.change)).map(|e| e.at);
    let last = |is: fn(&Change) -> bool| entries.iter().rfind(|e| is(&e.change)).map(|e| e.at);
    let undone = matches!(incident.outcome, Some(Outcome::Undone));
    let in_part = matches!(incident.outcome, Some(Outcome::Partial | Outcome::Failed));
    let contained = if in_part { "contained in part" } else { "contained" };
    let mut points: Vec<(&'static str, Tone, Timestamp)> = [
        ("call made", Tone::Plain, incident.happened_at),
        ("noticed", Tone::Plain, incident.claimed_at),
        (
            "held",
            Tone::Waits,
            first(|c| matches!(c, Change::Held { .. } | Change::StepHeld { .. })),
        ),
        ("people told", Tone::Plain, first(|c| matches!(c, Change::Reported { .. }))),
        ("approved", Tone::Plain, last(|c| matches!(c, Change::Approved { .. }))),
        (contained, Tone::Good, incident.contained_at),
        ("proven", Tone::Good, last(|c| matches!(c, Change::StepVerified { .. }))),
        ("step failed", Tone::Bad, last(|c| matches!(c, Change::StepFailed { .. }))),
        (
            "taken back",
            Tone::Plain,
            last(|c| matches!(c, Change::StepUndone { .. })).filter(|_| undone),
        ),
        ("undo failed", Tone::Bad, last(|c| matches!(c, Change::StepUndoFailed { .. }))),
    ]
    .into_iter()
    .filter_map(|(label, tone, at)| Some((label, tone, at?)))
    .collect();
    points.sort_by_key(|(_, _, at)| *at);
    let mut before: Option<Timestamp> = None;
    let mut milestones = Vec::new();
    for (label, tone, at) in points {
        let after = before.map(|b| format!("+{}", span(at.duration_since(b))));
        milestones.push(Milestone { label, at, clock: instant(at), after, tone });
        before = Some(at);
    }
    milestones
}
