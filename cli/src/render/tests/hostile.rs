//! Text that others chose, at its worst, in every place of an incident that can hold it.

use backstop_core::report::{Reply, Reported};
use serde_json::{Value, json};

use super::{look, one};
use crate::render::{Format, Look, incident, incidents};

/// One text for each thing that it must not do.
const HOSTILE: [&str; 12] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'> &lt;b&gt; {{ 7*7 }} {% raw %}",
    "| a | b |\n|---|---|\n# heading\n- item",
    "[click](https://evil.example) ![i](x) <https://evil.example> https://evil.example www.evil.example",
    "```\n$(reboot)\n```` `id` ~~~ @channel bob@evil.example",
    "\x1b[2J\x1b]0;owned\x07\x1b[31mred\u{9b}31m\r\x08\x7f",
    "abc\u{202e}fed\u{2066}\u{200b}\u{feff}\u{e0041}",
    "'; reboot; echo '\\''$(reboot)`reboot`",
    "\\",
    "1. one",
    "   - [ ] task",
    "===",
];

/// The `held` incident with `text` wherever it can be.
fn poisoned(text: &str) -> Reported {
    let mut value = serde_json::to_value(one("held")).unwrap();
    // What an action prints as a command is quoted by it, as it is here.
    let command = format!("aws x --description {}", backstop_core::text::shell(text));
    poison(&mut value, text);
    for step in value["steps"].as_array_mut().unwrap() {
        (step["command"], step["undo_command"]) = (json!(command), json!(command));
        step["before"] = json!({ text: text, "list": [text, 1], "deep": [{ text: [text] }] });
        step["after"] = json!({ "list": [] });
    }
    // One for a person, the others for an approval.
    value["steps"][0]["class"] = json!("human");
    value["choice"] = json!({ "default": text, "options": [[text, text]] });
    serde_json::from_value(value).unwrap()
}

/// Replaces every text that is no word of ours.
fn poison(value: &mut Value, text: &str) {
    const OURS: [&str; 10] = [
        "urgency",
        // One that is no plain name has no line to paste.
        "event",
        "outcome",
        "class",
        "status",
        "change",
        "at",
        "happened_at",
        "claimed_at",
        "approvable_until",
    ];
    match value {
        Value::String(said) => text.clone_into(said),
        Value::Array(elements) => elements.iter_mut().for_each(|e| poison(e, text)),
        Value::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| !OURS.contains(&name.as_str()))
            .for_each(|(_, member)| poison(member, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn printed(format: Format) -> impl Iterator<Item = (&'static str, [String; 2])> {
    HOSTILE.into_iter().map(move |text| {
        let reported = poisoned(text);
        let look = Look { width: 80, ..look(format) };
        let page = incident(&reported, &look);
        (text, [page, incidents(&[reported], &look)])
    })
}

/// Whether a terminal, a browser or an editor would do something else than show it.
fn is_hidden(c: char) -> bool {
    c != '\n' && backstop_core::text::safe(&c.to_string(), 1) != c.to_string()
}

#[test]
fn a_terminal_shows_it_and_does_nothing() {
    for (text, pages) in printed(Format::Text) {
        for page in pages {
            assert!(!page.contains(is_hidden), "{text:?}: {page}");
        }
    }
}

#[test]
fn json_reads_back_to_the_same_and_does_nothing_to_a_terminal() {
    for (text, pages) in printed(Format::Json) {
        for page in pages {
            assert!(!page.contains(is_hidden), "{text:?}: {page}");
            let read: Reply = serde_json::from_str(&page).unwrap();
            assert_eq!(read.incidents, [poisoned(text)], "{text:?}");
        }
    }
}

/// What of `page` lies outside the given fences, line by line.
fn without_fences(page: &str) -> (String, Vec<String>) {
    let (mut prose, mut code) = (String::new(), Vec::new());
    let mut fence: Option<&str> = None;
    for line in page.lines() {
        match fence {
            None if line.starts_with("```") => fence = Some(line.trim_end_matches("sh")),
            Some(end) if line == end => fence = None,
            None => prose.extend([line, "\n"]),
            Some(_) => code.push(line.to_owned()),
        }
    }
    assert_eq!(fence, None, "a fence was left open: {page}");
    (prose, code)
}

/// How a line begins, and how many cells it has: what others wrote adds no block and no cell.
fn shape(prose: &str) -> Vec<(String, usize)> {
    prose
        .lines()
        .map(|line| {
            // Within a heading or a cell nothing begins.
            let begins = match line.chars().next() {
                Some('#') => line.chars().take_while(|c| *c == '#').collect(),
                Some('|') => "|".to_owned(),
                _ => line.chars().take_while(|c| "-*+=> ".contains(*c)).collect(),
            };
            (begins, line.replace(r"\\", "").replace(r"\|", "").matches('|').count())
        })
        .collect()
}

#[test]
fn markdown_shows_it_and_makes_nothing_of_it() {
    let plain = poisoned("plain");
    let shape_of = |reported: &Reported| {
        shape(&without_fences(&incident(reported, &look(Format::Markdown))).0)
    };
    for (text, [page, table]) in printed(Format::Markdown) {
        let (prose, code) = without_fences(&page);
        assert!(code.iter().all(|line| !line.contains(is_hidden)), "{text:?}: {page}");
        for prose in [&prose, &table] {
            for live in ["<", "](", "://", "www.", "@c", "@e", "`", "~~"] {
                let escaped = prose.replace(r"\`", "").replace(r"\~", "").replace(r"\]\(", "");
                assert!(!escaped.contains(live), "{text:?} left `{live}`: {prose}");
            }
        }
        assert_eq!(table.lines().count(), 5, "one row: {table}");
        assert_eq!(shape(&prose), shape_of(&plain), "{text:?}: {prose}");
    }
}

#[test]
fn html_shows_it_and_makes_nothing_of_it() {
    let ours = ["<!doctype html>", "<html lang=\"en\">"];
    for (text, pages) in printed(Format::Html) {
        for page in pages {
            assert!(page.starts_with(ours[0]) && page.contains(ours[1]));
            for live in ["<script", "<img", "<svg onload", "onerror=alert(1)>", "<b>", "<https"] {
                assert!(!page.contains(live), "{text:?} left `{live}`");
            }
            let content = page.split("</style>").nth(1).unwrap();
            assert!(!content.contains(is_hidden), "{text:?}");
            // An attribute holds nothing of others: a quote in it would end it.
            for tag in content.split('<').skip(1).filter_map(|t| t.split('>').next()) {
                assert!(!tag.contains("evil") && !tag.contains("alert"), "{text:?}: <{tag}>");
                assert_eq!(tag.matches('"').count() % 2, 0, "{text:?}: <{tag}>");
            }
        }
    }
}

#[test]
fn html_loads_nothing_and_runs_nothing() {
    for name in ["contained", "undone"] {
        let page = incident(&one(name), &look(Format::Html));
        for live in
            ["http://", "https://", "src=", "href=", "url(", "@import", "<script", " style="]
        {
            assert!(!page.contains(live), "{name}: {live}");
        }
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = data_encoding::BASE64.encode(&<sha2::Sha256 as sha2::Digest>::digest(style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
        );
        let escaped = policy.replace('\'', "&#39;");
        assert!(page.contains(&format!("content=\"{escaped}\"")), "the style is the one it names");
    }
}

/// Every line that is offered to be pasted, in every format, does in a shell what its words say,
/// and nothing else: `aws` and `backstop` are given the words that were quoted.
#[test]
fn a_shell_line_is_one_command_and_its_words() {
    let folder = std::env::temp_dir().join(format!("backstop-render-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for text in HOSTILE {
        let page = incident(&poisoned(text), &look(Format::Text));
        let lines: Vec<&str> = page
            .lines()
            .filter_map(|l| l.strip_prefix("      "))
            .filter(|l| l.starts_with("aws ") || l.starts_with("backstop "))
            .collect();
        assert!(lines.len() >= 7, "{page}");
        for line in lines {
            let script = format!(
                "PATH={}\naws() {{ printf '%s\\0' aws \"$@\"; }}; backstop() {{ printf '%s\\0' backstop \"$@\"; }}\n{line}\n",
                folder.display()
            );
            let said = std::process::Command::new("bash")
                .args(["-c", &script])
                .env("LC_ALL", "C.UTF-8")
                .current_dir(&folder)
                .output()
                .unwrap();
            let words = String::from_utf8(said.stdout).unwrap();
            let words: Vec<&str> = words.split_terminator('\0').collect();
            let (last, first) = (words.last().copied(), words.first().copied());
            assert!(said.status.success() && said.stderr.is_empty(), "{line}: {words:?}");
            match first {
                Some("aws") if words.contains(&"lookup-events") => {
                    assert_eq!(words.get(3..5), Some(&["--region", text][..]), "{line}");
                }
                Some("aws") => assert_eq!(words, ["aws", "x", "--description", text], "{line}"),
                Some("backstop") => {
                    assert!(words.contains(&text), "{line}: {words:?}");
                    assert!(last == Some(text) || last == Some("WHY"), "{line}: {words:?}");
                }
                _ => panic!("{line}: {words:?}"),
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
