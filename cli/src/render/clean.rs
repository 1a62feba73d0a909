//! What others chose, made safe before any format sees it.

use backstop_core::text::safe;

/// The longest text that is shown whole: far more than AWS allows a name, a description or a tag.
const LONGEST: usize = 2_000;

/// Text that others may have chosen, without control and invisible characters.
pub(crate) fn clean(text: &str) -> String {
    safe(text, LONGEST)
}

/// A command with every character of it visible, that still does the same in `bash`: what `clean`
/// would replace stands as `$'\u202e'`, outside the quotes it was in. A word stays on its line; only
/// what ends a command begins a new one.
pub(crate) fn visible(command: &str) -> String {
    let mut line = String::with_capacity(command.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in command.chars() {
        let hidden = safe(c.encode_utf8(&mut [0; 4]), 1) != c.to_string();
        match c {
            '\'' if !escaped => quoted = !quoted,
            _ if hidden && (quoted || c != '\n') => {
                let quote = if quoted { "'" } else { "" };
                let code = u32::from(c);
                let named = match c {
                    '\n' => r"\n".to_owned(),
                    '\t' => r"\t".to_owned(),
                    _ if code > 0xffff => format!(r"\U{code:08x}"),
                    _ => format!(r"\u{code:04x}"),
                };
                line.extend([quote, "$'", &named, "'", quote]);
                escaped = false;
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !quoted && !escaped;
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_core::text::shell;

    #[test]
    fn two_commands_are_two_lines_and_a_word_is_one() {
        assert_eq!(visible("aws a\naws b 'c\nd'"), "aws a\naws b 'c'$'\\n''d'");
    }

    #[test]
    fn a_visible_line_is_the_same_to_a_shell() {
        for word in [
            "plain",
            "it's $(id) `id` \\ \"quoted\"",
            "a\u{202e}b'\u{200b}'c",
            "two\nlines\tand\u{7f}more",
            "\u{feff}\\'\u{2066}",
            "\u{e0041}tag",
        ] {
            let line = visible(&format!("printf %s {}", shell(word)));
            assert_eq!(clean(&line), line, "nothing is hidden in it");
            let said = std::process::Command::new("bash")
                .args(["-c", &line])
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word, "{line}");
        }
    }
}
