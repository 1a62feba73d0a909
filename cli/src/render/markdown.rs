//! GitHub Flavored Markdown, which chats, wikis and trackers read too.

use backstop_core::text::markdown;

use super::story::{NO_UNDO, Step, Story, TAKEN_BACK, TOO_SOON};

/// Paragraphs, lists, tables, fences: what an empty line parts.
type Blocks = Vec<String>;

/// Several incidents, as a table.
pub(super) fn table(stories: &[Story]) -> String {
    let mut blocks = vec!["# Incidents".to_owned()];
    if stories.is_empty() {
        blocks.push("No incidents.".to_owned());
    } else {
        let rows = stories.iter().map(|s| {
            let when = s.began.as_ref().map(|b| b.clock.as_str()).unwrap_or_default();
            [&s.id, when, s.urgency.name(), s.outcome, &s.title].map(prose)
        });
        blocks.push(rows_of(["incident", "when", "urgency", "outcome", "what"], rows));
    }
    written(&blocks)
}

/// One incident in full.
pub(super) fn page(story: &Story) -> String {
    let mut blocks = vec![
        format!("# {}", prose(&story.title)),
        format!("**{}** · {} · {}", story.outcome.to_uppercase(), story.urgency, story.means),
        format!("Why: {}", prose(&story.reason)),
        particulars(story),
    ];
    list(&mut blocks, "What was found", &story.facts);
    plan(&mut blocks, story);
    list(&mut blocks, "What a fresh look said afterwards", &story.aftermath);
    list(&mut blocks, "What to know", &story.follow_up);
    blocks.push("## What you can do".to_owned());
    for next in &story.next {
        blocks.extend([before_a_fence(&prose(&next.what)), fence(&next.command)]);
    }
    timeline(&mut blocks, story);
    written(&blocks)
}

fn written(blocks: &[String]) -> String {
    blocks.join("\n\n") + "\n"
}

fn particulars(story: &Story) -> String {
    let place = format!("{} ({} {})", story.resource, story.account, story.region);
    let signal = format!("{}, signal {}", story.control, story.signal);
    let rows = [
        ("where", Some(&place)),
        ("who", story.source.as_ref()),
        ("when", story.began.as_ref().map(|b| &b.clock)),
        ("touches", story.touches.as_ref()),
        ("control", Some(&signal)),
        ("incident", Some(&story.id)),
    ];
    let rows = rows.into_iter().filter_map(|(label, v)| Some([label.to_owned(), prose(v?)]));
    rows_of(["", ""], rows)
}

fn plan(blocks: &mut Blocks, story: &Story) {
    if story.steps.is_empty() {
        return;
    }
    blocks.push("## The plan".to_owned());
    for step in &story.steps {
        one_step(blocks, step);
    }
    let options: Vec<String> = story
        .options
        .iter()
        .map(|option| {
            let default = if option.default { " (the default)" } else { "" };
            format!("- option **{}**{default}: {}", prose(&option.name), prose(&option.means))
        })
        .collect();
    if !options.is_empty() {
        blocks.push(options.join("\n"));
    }
    if let Some(plan) = &story.plan {
        let word = if plan.expired { "expired" } else { "approvable until" };
        let until = plan.until.as_ref().map(|u| format!(", {word} {}", u.clock));
        blocks.push(format!("Plan {}{}.", prose(&plan.hash), until.unwrap_or_default()));
    }
}

fn one_step(blocks: &mut Blocks, step: &Step) {
    let option = step.option.as_ref().map(|o| format!(", option {}", prose(o))).unwrap_or_default();
    let needs = step.needs.map(|n| format!(", after step {n}")).unwrap_or_default();
    blocks.extend([
        format!("### {}. {}", step.n, prose(&step.summary)),
        format!("**{}** ({}{option}{needs}): {}", step.status, step.class, prose(&step.reason)),
    ]);
    if let Some(detail) = &step.detail {
        blocks.push(format!("{}: {}", step.status, prose(detail)));
    }
    blocks.push(difference(step));
    if step.difference.taken_back {
        blocks.push(format!("Now {TAKEN_BACK}."));
    }
    blocks.extend([before_a_fence(step.command_is), fence(&step.command)]);
    match &step.undo {
        Some(undo) => blocks.extend([before_a_fence(step.undo_is), fence(undo)]),
        None => blocks.push(format!("Undo: {NO_UNDO}.")),
    }
    if let Some(from) = &step.undo_from {
        blocks.push(format!("Not before {}, {}: {TOO_SOON}.", from.clock, from.distance));
    }
}

fn difference(step: &Step) -> String {
    let difference = &step.difference;
    let cell = |value: &Option<String>| prose(value.as_deref().unwrap_or("–"));
    let rows = difference.rows.iter().map(|row| {
        let after = cell(&row.after);
        let after = if row.changed { format!("**{after}**") } else { after };
        [prose(&row.name), cell(&row.before), after]
    });
    let said = |text: Option<&str>| text.map(|t| format!("*{t}*")).unwrap_or_default();
    let is_said = difference.before.is_some() || difference.after.is_some();
    let last = [String::new(), said(difference.before), said(difference.after)];
    rows_of(["property", "before", difference.after_is()], rows.chain(is_said.then_some(last)))
}

fn timeline(blocks: &mut Blocks, story: &Story) {
    if story.timeline.is_empty() {
        return;
    }
    let rows = story.timeline.iter().flat_map(|moment| {
        let pause = moment.pause.as_ref().map(|pause| {
            let later = format!("*{} later*", pause.length);
            [format!("**{}**", pause.until), String::new(), later]
        });
        let row = [moment.since.clone(), moment.clock.clone(), prose(&moment.words)];
        pause.into_iter().chain([row])
    });
    blocks.extend(["## Timeline".to_owned(), rows_of(["since", "time (UTC)", "what"], rows)]);
}

fn list(blocks: &mut Blocks, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        let items: Vec<String> = lines.iter().map(|line| format!("- {}", first(line))).collect();
        blocks.extend([format!("## {heading}"), items.join("\n")]);
    }
}

/// Prose of any length: it was shortened before.
fn prose(text: &str) -> String {
    markdown(text, usize::MAX)
}

/// Prose where a line begins: what would begin a list, a heading or indented code is escaped too.
fn first(text: &str) -> String {
    let prose = prose(text.trim_start());
    let digits = prose.bytes().take_while(u8::is_ascii_digit).count();
    match prose.split_at_checked(digits) {
        Some((number, rest)) if digits > 0 && rest.starts_with(['.', ')']) => {
            format!("{number}\\{rest}")
        }
        _ if prose.starts_with(['-', '+', '=']) => format!("\\{prose}"),
        _ => prose,
    }
}

fn rows_of<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let lines = [row(&head.map(str::to_owned)), format!("|{}", "---|".repeat(N))];
    lines.into_iter().chain(rows.map(|cells| row(&cells))).collect::<Vec<_>>().join("\n")
}

/// A command in a fence that is longer than every run of backticks in it.
fn fence(command: &str) -> String {
    let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{command}\n{fence}")
}

/// With a capital at its beginning and a colon at its end.
fn before_a_fence(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}:", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_is_in_it() {
        assert_eq!(fence("a"), "```sh\na\n```");
        assert_eq!(fence("a\n````\nb"), "`````sh\na\n````\nb\n`````");
    }
}
