//! Text that other people chose, made safe to show: names, descriptions, user agents.

/// `text` without control or invisible formatting characters, at most `max` characters long.
pub fn safe(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    for (n, c) in text.chars().enumerate() {
        if n == max {
            shown.push('…');
            break;
        }
        // Bidirectional overrides and zero-width characters make a name read as another.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        shown.push(if hidden { '\u{fffd}' } else { c });
    }
    shown
}

/// `text` made safe, with the characters escaped that mean something in the Markdown that Amazon Q,
/// Slack and GitHub render: no links, no mentions, no code. What would be made a link by itself is
/// broken by a space of no width, as GitHub Flavored Markdown 6.9 makes links of escaped text too.
pub fn markdown(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for c in safe(text, max).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '|' | '~' => {
                shown.push('\\');
                shown.push(c);
            }
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '@' => shown.push_str("@\u{200b}"),
            '/' if shown.ends_with(':') => shown.push_str("\u{200b}/"),
            '.' if shown.ends_with(['w', 'W']) => shown.push_str("\u{200b}."),
            other => shown.push(other),
        }
    }
    shown
}

/// `word` quoted for a POSIX shell.
pub fn shell(word: &str) -> String {
    let plain = !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_shortened_and_stripped() {
        assert_eq!(safe("a\nb\u{202e}c", 10), "a\u{fffd}b\u{fffd}c");
        assert_eq!(safe("abcdef", 3), "abc…");
        assert_eq!(markdown("<!channel> [x](y)", 40), r"&lt;!channel&gt; \[x\]\(y\)");
        assert_eq!(markdown("https://a.b www.a.b", 40), "https:\u{200b}//a.b www\u{200b}.a.b");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted) in [
            ("sg-0abc", "sg-0abc"),
            ("", "''"),
            ("it's $(id)", r"'it'\''s $(id)'"),
            ("a b", "'a b'"),
            ("*", "'*'"),
        ] {
            assert_eq!(shell(word), quoted);
        }
    }
}
