//! Incidents as text, JSON, Markdown and HTML.

use backstop_core::report::Reported;
use backstop_core::text::safe;
use backstop_core::words::Outcome;
use jiff::Timestamp;

/// How incidents are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For programs; fields are only ever added.
    Json,
    /// For a ticket or a chat.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

/// What they are shown on, and when.
#[expect(dead_code, reason = "every format is still the same text")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// How.
    pub(crate) format: Format,
    /// The time that relative times are told from.
    pub(crate) now: Timestamp,
    /// Whether text has colours.
    pub(crate) colour: bool,
    /// How many columns text may have.
    pub(crate) width: usize,
}

/// A list of incidents.
pub(crate) fn incidents(incidents: &[Reported], _look: &Look) -> String {
    let mut text = String::new();
    for one in incidents {
        let outcome = one.outcome.map_or("open", Outcome::name);
        text.push_str(&line(format_args!("{}  {outcome:<9}  {}", one.id, one.resource)));
    }
    text
}

/// One incident.
pub(crate) fn incident(one: &Reported, _look: &Look) -> String {
    let mut text = format!(
        "{}  {}: {}\n",
        one.id,
        one.outcome.map_or("open", Outcome::name),
        safe(&one.reason, 300)
    );
    text.push_str(&line(format_args!("  {} ({} {})", one.resource, one.account, one.region)));
    for step in &one.steps {
        text.push_str(&line(format_args!(
            "  {}  [{}] {} ({})",
            step.n, step.status, step.action, step.class
        )));
        text.push_str(&line(format_args!(
            "     {} -> {}",
            step.before,
            step.after.clone().unwrap_or_default()
        )));
        text.push_str(&line(format_args!("     {}", step.command)));
        if let Some(undo) = &step.undo_command {
            text.push_str(&line(format_args!("     undo: {undo}")));
        }
    }
    if let Some(hash) = &one.plan_hash {
        text.push_str(&line(format_args!("  plan {hash}")));
    }
    text
}

fn line(text: std::fmt::Arguments<'_>) -> String {
    format!("{text}\n")
}
