//! A night on call, as the terminal shows it: found, held, approved, looked at, taken back.

use super::Person;
use crate::generated::fresh_or_written;

/// `text` with what differs from run to run replaced: given words, ids, hashes, times.
pub(super) fn plain(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (word, replacement) in known {
        text = text.replace(word, replacement);
    }
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let (taken, replacement) = replaced(rest).unwrap_or_else(|| (c.len_utf8(), c.to_string()));
        shown.push_str(&replacement);
        rest = rest.get(taken..).unwrap_or_default();
    }
    shown
}

/// How much at the start of `text` differs from run to run, and what stands for it.
fn replaced(text: &str) -> Option<(usize, String)> {
    let hex = |text: &str| {
        text.bytes().take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)).count()
    };
    for prefix in ["sgr-", "sg-", "oi-"] {
        let digits = text.strip_prefix(prefix).map_or(0, hex);
        if digits >= 8 {
            return Some((prefix.len() + digits, format!("{prefix}…")));
        }
    }
    if hex(text) == 64 {
        return Some((64, "HASH".to_owned()));
    }
    if hex(text) == 12 && text.get(12..).is_some_and(|rest| rest.starts_with('…')) {
        return Some((12 + '…'.len_utf8(), "HASH".to_owned()));
    }
    // `2026-11-23T12:00:00.123Z`, and a date alone.
    let shape = |pattern: &str| {
        let fits = |(p, b): (u8, u8)| if p == b'0' { b.is_ascii_digit() } else { p == b };
        text.len() >= pattern.len() && pattern.bytes().zip(text.bytes()).all(fits)
    };
    if shape("0000-00-00T00:00:00") || shape("0000-00-00 00:00:00") {
        let fraction = text
            .bytes()
            .skip(19)
            .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'Z'))
            .count();
        return Some((19 + fraction, "TIME".to_owned()));
    }
    if shape("00:00:00.000") {
        return Some((12, "TIME".to_owned()));
    }
    // How wide a span is, and so what stands before it, differs too.
    if let Some(spaces) = Some(text.bytes().take_while(|b| *b == b' ').count()).filter(|n| *n > 2) {
        return Some((spaces, "  ".to_owned()));
    }
    span(text).map(|taken| (taken, "SPAN".to_owned()))
}

/// The length of a span at the start of `text`: `61 ms`, `1.2 s`, `2 h 3 min`.
fn span(text: &str) -> Option<usize> {
    let one = |text: &str| {
        let number = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let unit = text.get(number..)?.strip_prefix(' ')?;
        let word = unit.bytes().take_while(u8::is_ascii_alphabetic).count();
        let known = ["ms", "s", "min", "h", "d"].contains(&unit.get(..word)?);
        (number > 0 && known).then_some(number + 1 + word)
    };
    let first = one(text)?;
    let second = text.get(first..).and_then(|rest| rest.strip_prefix(' ')).and_then(one);
    Some(first + second.map_or(0, |more| 1 + more))
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let text = "é sg-0123456789abcdef0 at 2026-11-23T12:00:00.5Z, not sg-web or 2026";
    assert_eq!(plain(text, &[]), "é sg-… at TIME, not sg-web or 2026");
    let text = "held 2 h 3 min ago     +61 ms · 12:00:04.061, in 3.5 s: 2 steps";
    assert_eq!(plain(text, &[]), "held SPAN ago  +SPAN · TIME, in SPAN: 2 steps");
    assert_eq!(plain(&"0f".repeat(32), &[]), "HASH");
}

#[tokio::test]
async fn generated_transcript_is_fresh() {
    let person = Person::on_call().await;
    let (group, incident) = person.held("web").await;
    let mut transcript: Vec<String> = Vec::new();
    let mut session = |line: &str, answer: &str, expected: i32| {
        let (code, said) = person.answers(line, answer);
        assert_eq!(code, expected, "{line}: {said}");
        transcript.push(format!("$ {line}\n{said}[exit {code}]\n"));
    };
    session("backstop incidents --outcome held", "", 0);
    session(&format!("backstop show {incident}"), "", 0);
    let run = format!(
        "backstop run ssh-access.revoke-ingress --group-id {group} --reason 'is it still open?'"
    );
    session(&run, "", 1);
    session(&format!("backstop approve {incident} --approved-by alice"), "yes", 0);
    session(&run, "", 0);
    session(&format!("backstop show {incident}"), "", 0);
    let undo = format!("backstop undo {incident} --requested-by bob --reason 'planned work'");
    session(&undo, "no", 1);
    session(&undo, "yes", 0);
    session(&format!("backstop show {incident}"), "", 0);
    session(&undo, "", 5);
    assert_eq!(person.scene.rules(&group).await.unwrap(), ["tcp 20-30 from 10.0.0.0/8"]);

    // The ids of the runs that only planned.
    let listed = person.reads("backstop incidents");
    let mut ids: Vec<String> = listed["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    ids.reverse(); // the oldest first
    ids.retain(|id| *id != incident);
    let names: Vec<String> = (1..=ids.len()).map(|n| format!("ssh-access-DATE-RUN{n}")).collect();
    let mut known = vec![
        (incident.as_str(), "ssh-access-DATE-INCIDENT"),
        (person.scene.id(), "111111111111"),
        (person.scene.vpc.as_str(), "vpc-…"),
    ];
    known.extend(ids.iter().map(String::as_str).zip(names.iter().map(String::as_str)));
    let transcript = transcript.join("\n");
    assert!(!transcript.contains('\u{1b}'), "NO_COLOR is set");
    fresh_or_written("tests/suite/operator/transcript.txt", &plain(&transcript, &known));
}
