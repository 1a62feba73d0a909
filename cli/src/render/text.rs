//! For a terminal: fits a width, wraps words and never commands.

use unicode_width::UnicodeWidthStr;

use super::Look;
use super::story::{NO_UNDO, Step, Story, TAKEN_BACK, TOO_SOON, Tone};

/// The column where values begin.
const LABEL: usize = 12;

/// The fewest columns that text is laid out for; narrower terminals wrap it themselves.
const NARROWEST: usize = 40;

/// One incident in full.
pub(super) fn page(story: &Story, look: &Look) -> String {
    let mut sheet = Sheet::new(look);
    for words in wrap(&story.title, sheet.room(0)) {
        sheet.line(&sheet.bold(&words));
    }
    let verdict = format!("{} {}", story.tone.sign(), story.outcome.to_uppercase());
    let verdict = sheet.toned(story.tone, &verdict);
    sheet.line(&format!("{verdict} · {}", story.urgency));
    for words in wrap(story.means, sheet.room(0)) {
        sheet.line(&words);
    }
    sheet.line("");
    sheet.field("why", &story.reason);
    sheet.field("where", &format!("{} ({} {})", story.resource, story.account, story.region));
    if let Some(source) = &story.source {
        sheet.field("who", source);
    }
    if let Some(began) = &story.began {
        sheet.field("when", &format!("{}, {}", began.clock, began.distance));
    }
    if let Some(touches) = &story.touches {
        sheet.field("touches", touches);
    }
    sheet.field("control", &format!("{}, signal {}", story.control, story.signal));
    sheet.field("incident", &story.id);
    sheet.bullets("What was found", &story.facts);
    plan(&mut sheet, story);
    sheet.bullets("What a fresh look said afterwards", &story.aftermath);
    sheet.bullets("What to know", &story.follow_up);
    sheet.heading("What you can do");
    for next in &story.next {
        sheet.bullet(&next.what);
        sheet.command(&next.command);
    }
    timeline(&mut sheet, story);
    sheet.out
}

fn plan(sheet: &mut Sheet, story: &Story) {
    if story.steps.is_empty() {
        return;
    }
    sheet.heading("The plan");
    for step in &story.steps {
        one_step(sheet, step);
    }
    for option in &story.options {
        let default = if option.default { " (the default)" } else { "" };
        sheet.field("option", &format!("{}{default}: {}", option.name, option.means));
    }
    if let Some(plan) = &story.plan {
        sheet.field("plan", &plan.hash);
        if let Some(until) = &plan.until {
            let word = if plan.expired { "expired" } else { "approvable until" };
            sheet.field("", &format!("{word} {}, {}", until.clock, until.distance));
        }
    }
}

fn one_step(sheet: &mut Sheet, step: &Step) {
    let head = format!("{}. {} {} · {}", step.n, step.tone.sign(), step.status, step.summary);
    for (n, words) in wrap(&head, sheet.room(3)).iter().enumerate() {
        let words = sheet.toned(step.tone, words);
        sheet.line(&format!("{}{words}", if n == 0 { "" } else { "   " }));
    }
    let option = step.option.as_ref().map(|o| format!(", option {o}")).unwrap_or_default();
    let needs = step.needs.map(|n| format!(", after step {n}")).unwrap_or_default();
    sheet.field("class", &format!("{}{option}{needs}", step.class));
    sheet.field("why", &step.reason);
    if let Some(detail) = &step.detail {
        sheet.field(step.status, detail);
    }
    let difference = &step.difference;
    if difference.before.is_none() && difference.after.is_none() {
        for row in difference.rows.iter().filter(|r| r.changed) {
            let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
            let line = format!("{}: {} → {}", row.name, or_none(&row.before), or_none(&row.after));
            sheet.field(if difference.foreseen { "changes" } else { "changed" }, &line);
        }
        let same: Vec<String> = difference
            .rows
            .iter()
            .filter(|r| !r.changed)
            .filter_map(|r| Some(format!("{}: {}", r.name, r.before.as_ref()?)))
            .collect();
        if !same.is_empty() {
            sheet.field("unchanged", &same.join(", "));
        }
    } else {
        sheet.field("before", &difference.before_line());
        sheet.field(&format!("→ {}", difference.after_is()), &difference.after_line());
    }
    if difference.taken_back {
        sheet.field("now", TAKEN_BACK);
    }
    sheet.field(step.command_is, "");
    sheet.command(&step.command);
    match &step.undo {
        Some(undo) => {
            sheet.field(step.undo_is, "");
            sheet.command(undo);
        }
        None => sheet.field(step.undo_is, NO_UNDO),
    }
    if let Some(from) = &step.undo_from {
        sheet.field("not before", &format!("{}, {}: {TOO_SOON}", from.clock, from.distance));
    }
    sheet.line("");
}

fn timeline(sheet: &mut Sheet, story: &Story) {
    // The widest span, and two columns before it.
    const SINCE: usize = 13;
    if story.timeline.is_empty() {
        return;
    }
    sheet.heading("Timeline");
    for moment in &story.timeline {
        if let Some(pause) = &moment.pause {
            let line = format!("{:>SINCE$} ⋮ {} later", pause.until, pause.length);
            sheet.line(&sheet.dim(&line));
        }
        let since = sheet.dim(&format!("{:>SINCE$}", moment.since));
        let sign = sheet.toned(moment.tone, moment.tone.sign());
        let indent = " ".repeat(SINCE + 3);
        for (n, words) in wrap(&moment.words, sheet.room(SINCE + 3)).iter().enumerate() {
            let before = if n == 0 { format!("{since} {sign} ") } else { indent.clone() };
            sheet.line(&format!("{before}{words}"));
        }
    }
}

/// The fewest columns in which words stand beside the others of a table.
const BESIDE: usize = 40;

/// Several incidents as a table. What each is about stands last, or below where there is no room.
pub(super) fn table(stories: &[Story], look: &Look) -> String {
    let mut sheet = Sheet::new(look);
    if stories.is_empty() {
        sheet.line("no incidents");
        return sheet.out;
    }
    let head = ["INCIDENT", "WHEN", "URGENCY", "OUTCOME"].map(str::to_owned);
    let rows: Vec<[String; 4]> = stories.iter().map(columns).collect();
    let mut widths = [0; 4];
    for row in std::iter::once(&head).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(UnicodeWidthStr::width(cell.as_str()));
        }
    }
    let padded = |row: &[String; 4]| {
        row.each_ref()
            .map(String::as_str)
            .into_iter()
            .zip(widths)
            .map(|(cell, width)| {
                let gap = width.saturating_sub(UnicodeWidthStr::width(cell)) + 2;
                format!("{cell}{}", " ".repeat(gap))
            })
            .collect::<Vec<_>>()
    };
    let before: usize = widths.iter().map(|width| width + 2).sum();
    let beside = sheet.room(before) >= BESIDE;
    let title = if beside { "WHAT" } else { "" };
    sheet.line(&sheet.bold(&format!("{}{title}", padded(&head).concat())));
    for (row, story) in rows.iter().zip(stories) {
        let mut cells = padded(row);
        if let Some(outcome) = cells.last_mut() {
            *outcome = sheet.toned(story.tone, outcome);
        }
        let mut line = cells.concat();
        let indent = if beside { before } else { 2 };
        if !beside {
            sheet.line(&line);
            line = " ".repeat(indent);
        }
        for words in wrap(&story.title, sheet.room(indent)) {
            sheet.line(&format!("{line}{words}"));
            line = " ".repeat(indent);
        }
    }
    sheet.out
}

fn columns(story: &Story) -> [String; 4] {
    [
        story.id.clone(),
        story.began.as_ref().map(|b| b.distance.clone()).unwrap_or_default(),
        story.urgency.to_string(),
        format!("{} {}", story.tone.sign(), story.outcome),
    ]
}

/// What is printed, line by line.
struct Sheet {
    out: String,
    colour: bool,
    width: usize,
}

impl Sheet {
    fn new(look: &Look) -> Self {
        Self { out: String::new(), colour: look.colour, width: look.width.max(NARROWEST) }
    }

    /// How many columns are left after `used`.
    fn room(&self, used: usize) -> usize {
        self.width.saturating_sub(used).max(1)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn toned(&self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Good => self.paint("1;32", text),
            Tone::Waits => self.paint("1;33", text),
            Tone::Bad => self.paint("1;31", text),
            Tone::Plain => text.to_owned(),
        }
    }

    fn line(&mut self, text: &str) {
        self.out.extend([text.trim_end(), "\n"]);
    }

    fn heading(&mut self, text: &str) {
        let text = self.bold(text);
        self.line("");
        self.line(&text);
    }

    /// A label and a value, wrapped.
    fn field(&mut self, label: &str, value: &str) {
        let label = format!("  {label:<LABEL$}");
        let lines = wrap(value, self.room(LABEL + 2));
        let first = lines.first().map(String::as_str).unwrap_or_default();
        let label = self.dim(&label);
        self.line(&format!("{label}{first}"));
        for words in lines.iter().skip(1) {
            self.line(&format!("{}{words}", " ".repeat(LABEL + 2)));
        }
    }

    fn bullet(&mut self, text: &str) {
        for (n, words) in wrap(text, self.room(4)).iter().enumerate() {
            self.line(&format!("  {} {words}", if n == 0 { "•" } else { " " }));
        }
    }

    fn bullets(&mut self, heading: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.heading(heading);
        for line in lines {
            self.bullet(line);
        }
    }

    /// A command, whole: what is broken cannot be pasted.
    fn command(&mut self, command: &str) {
        for line in command.lines() {
            self.line(&format!("      {line}"));
        }
    }
}

/// The words of a text in lines of at most `width` columns; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let wide = UnicodeWidthStr::width(word);
        if used > 0 && used + 1 + wide > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += wide;
    }
    lines.push(line);
    lines
}
