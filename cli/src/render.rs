//! Incidents for people: text, Markdown, HTML.
//!
//! Pure: no AWS, no clock, no environment. What there is to tell is the same in every format
//! ([`story`]); a format decides how it looks, and escapes what others chose.

mod clean;
mod difference;
mod html;
mod markdown;
mod next;
mod story;
mod text;
mod time;
mod timeline;

#[cfg(test)]
mod tests;

use backstop_core::report::{Reply, Reported};
use clap::ValueEnum;
use jiff::Timestamp;

pub(crate) use clean::{clean, visible};
use story::Story;

/// How an incident is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// For programs: the answer of the function; fields are only ever added.
    Json,
    /// For a chat, a wiki, a pull request.
    Markdown,
    /// One page for a ticket, complete in itself.
    Html,
}

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The format.
    pub(crate) format: Format,
    /// What time it is.
    pub(crate) now: Timestamp,
    /// Whether text may have colours.
    pub(crate) colour: bool,
    /// How many columns text may have; commands are never broken.
    pub(crate) width: usize,
}

/// Several incidents, as a table.
pub(crate) fn incidents(incidents: &[Reported], look: &Look) -> String {
    let stories = || incidents.iter().map(|i| Story::of(i, look.now)).collect::<Vec<_>>();
    match look.format {
        Format::Text => text::table(&stories(), look),
        Format::Json => json(incidents),
        Format::Markdown => markdown::table(&stories()),
        Format::Html => html::table(&stories(), look),
    }
}

/// One incident in full.
pub(crate) fn incident(incident: &Reported, look: &Look) -> String {
    let story = || Story::of(incident, look.now);
    match look.format {
        Format::Text => text::page(&story(), look),
        Format::Json => json(std::slice::from_ref(incident)),
        Format::Markdown => markdown::page(&story()),
        Format::Html => html::page(&story(), look),
    }
}

/// The answer of a function, whole, so that whatever reads one reads this.
fn json(incidents: &[Reported]) -> String {
    let reply = Reply { incidents: incidents.to_vec(), ignored: None };
    // Strings, numbers and maps with text keys: there is nothing in it that JSON cannot hold.
    escaped(&serde_json::to_string_pretty(&reply).unwrap_or_default()) + "\n"
}

/// The same JSON with every character that a terminal would obey, or hide, written as `\uXXXX`: in
/// JSON they stand in strings only.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || clean(c.encode_utf8(&mut [0; 4])) == c.to_string() {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}
