//! HTML: one page that is complete in itself. No script, no external resource; what others chose is
//! escaped by the template engine, which cannot be told to forget it but by a `safe` in a template.

use askama::Template;
use data_encoding::BASE64;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::Look;
use super::story::{NO_UNDO, Story, TAKEN_BACK, TOO_SOON, Tone};
use super::time::clock;

/// The style of every page.
pub(super) const STYLE: &str = include_str!("../../templates/style.css");

/// What every page has around its content: `templates/page.html`.
struct Page {
    title: String,
    style: &'static str,
    /// The `Content-Security-Policy`: nothing is loaded, nothing runs, nothing is sent; only this
    /// style, by its hash.
    policy: String,
    printed: Timestamp,
    printed_clock: String,
    version: &'static str,
}

impl Page {
    fn new(title: &str, look: &Look) -> Self {
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        Self {
            title: title.to_owned(),
            style: STYLE,
            policy: format!(
                "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
            ),
            printed: look.now,
            printed_clock: clock(look.now),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// One bar of parts: how many of each, out of all.
struct Chart {
    parts: Vec<Part>,
}

/// One part of a bar.
struct Part {
    name: String,
    count: usize,
    tone: Tone,
    from: usize,
    length: usize,
}

/// The length of a bar.
const LENGTH: usize = 1_000;
/// The room between two parts.
const GAP: usize = 4;

impl Chart {
    /// Of what was counted, in the order it comes in.
    fn of(counted: impl Iterator<Item = (String, Tone)>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (name, tone) in counted {
            match parts.iter_mut().find(|p| p.name == name) {
                Some(part) => part.count += 1,
                None => parts.push(Part { name, count: 1, tone, from: 0, length: 0 }),
            }
        }
        let all: usize = parts.iter().map(|p| p.count).sum();
        let mut from = 0;
        for part in &mut parts {
            let share = LENGTH * part.count / all.max(1);
            (part.from, part.length) = (from, share.saturating_sub(GAP).max(1));
            from += share;
        }
        Self { parts }
    }

    /// The same in words, for whoever does not see it.
    fn words(&self) -> String {
        let each: Vec<String> =
            self.parts.iter().map(|p| format!("{} {}", p.count, p.name)).collect();
        each.join(", ")
    }
}

#[derive(Template)]
#[template(path = "incident.html", whitespace = "minimize")]
struct Incident<'a> {
    page: Page,
    story: &'a Story,
    chart: Chart,
}

#[derive(Template)]
#[template(path = "incidents.html", whitespace = "minimize")]
struct Incidents<'a> {
    page: Page,
    stories: &'a [Story],
    chart: Chart,
}

/// One incident in full.
pub(super) fn page(story: &Story, look: &Look) -> String {
    let title = format!("{}: {}", story.outcome, story.title);
    let chart = Chart::of(story.steps.iter().map(|s| (s.status.to_owned(), s.tone)));
    written(&Incident { page: Page::new(&title, look), story, chart })
}

/// Several incidents, as a table.
pub(super) fn table(stories: &[Story], look: &Look) -> String {
    let chart = Chart::of(stories.iter().map(|s| (s.outcome.to_owned(), s.tone)));
    written(&Incidents { page: Page::new("Incidents", look), stories, chart })
}

/// Prose in parts: what stands between backticks is code. Where they do not pair, nothing is.
fn parts(prose: &str) -> Vec<(bool, &str)> {
    if prose.matches('`').count().is_multiple_of(2) {
        prose.split('`').enumerate().map(|(n, part)| (!n.is_multiple_of(2), part)).collect()
    } else {
        vec![(false, prose)]
    }
}

fn written(page: &impl Template) -> String {
    // It fails only if the writer does, and a string takes everything.
    page.render().unwrap_or_default() + "\n"
}
