//! What incidents look like, from answers in the shape of the functions' own, and what hostile text
//! can do to it: nothing.

mod contrast;
mod hostile;

use std::path::PathBuf;

use backstop_core::report::{Reply, Reported};

use super::*;

const FORMATS: [(Format, &str); 3] =
    [(Format::Text, "txt"), (Format::Markdown, "md"), (Format::Html, "html")];

fn look(format: Format) -> Look {
    Look { format, now: "2026-11-23T04:00:00Z".parse().unwrap(), colour: false, width: 100 }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/incidents").join(name)
}

fn answer(name: &str) -> Vec<Reported> {
    let text = std::fs::read_to_string(fixture(&format!("{name}.json"))).unwrap();
    serde_json::from_str::<Reply>(&text).unwrap().incidents
}

fn one(name: &str) -> Reported {
    answer(name).remove(0)
}

/// `make generate` writes them; whoever does looks at the difference.
#[test]
#[expect(clippy::disallowed_methods, reason = "how `make generate` asks for the files")]
fn generated_incidents_look_as_they_did() {
    let mut stale = Vec::new();
    for name in ["contained", "held", "partial", "failed", "undone", "listed", "empty"] {
        for (format, ending) in FORMATS {
            let answer = answer(name);
            let look = match name {
                "undone" | "listed" => {
                    Look { now: "2026-11-23T09:30:00Z".parse().unwrap(), ..look(format) }
                }
                _ => look(format),
            };
            let fresh = match name {
                "listed" | "empty" => incidents(&answer, &look),
                _ => incident(&answer[0], &look),
            };
            let file = fixture(&format!("{name}.{ending}"));
            if std::env::var_os("BACKSTOP_BLESS").is_some() {
                std::fs::write(&file, &fresh).unwrap();
            }
            if std::fs::read_to_string(&file).unwrap_or_default() != fresh {
                stale.push(file);
            }
        }
    }
    assert!(stale.is_empty(), "{stale:#?} differ; hint: run `make generate` and look at them");
}

#[test]
fn json_is_the_answer_itself() {
    let printed = incident(&one("undone"), &look(Format::Json));
    let read: Reply = serde_json::from_str(&printed).unwrap();
    assert_eq!(read.incidents, answer("undone"));
    let printed = incidents(&[], &look(Format::Json));
    assert_eq!(serde_json::from_str::<Reply>(&printed).unwrap(), Reply::default());
}

#[test]
fn text_fits_and_commands_are_whole() {
    for name in ["contained", "held", "partial", "failed", "undone"] {
        let reported = one(name);
        for width in [60, 80, 100, 160] {
            let text = incident(&reported, &Look { width, ..look(Format::Text) });
            for line in text.lines() {
                let is_command =
                    line.starts_with("      aws ") || line.starts_with("      backstop ");
                // A word that is longer than a line has one of its own.
                let words = line.split_whitespace().count();
                let fits = unicode_width::UnicodeWidthStr::width(line) <= width;
                assert!(fits || is_command || words <= 2, "{name} at {width}: {line}");
            }
            let table = incidents(&answer("listed"), &Look { width, ..look(Format::Text) });
            for line in table.lines() {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= width.max(80), "{table}");
            }
            for step in &reported.steps {
                assert!(text.contains(&format!("\n      {}\n", step.command)), "{text}");
            }
        }
    }
}

#[test]
fn colours_are_only_there_if_wanted_and_change_nothing_else() {
    for name in ["partial", "failed"] {
        let plain = incident(&one(name), &look(Format::Text));
        assert!(!plain.contains('\x1b'));
        let coloured = incident(&one(name), &Look { colour: true, ..look(Format::Text) });
        let mut stripped = coloured.clone();
        for code in ["\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_ne!(coloured, plain);
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
    }
}

#[test]
fn a_plan_that_has_expired_is_not_offered() {
    let mut held = one("held");
    let offered = |incident: &Reported| super::incident(incident, &look(Format::Text));
    assert!(offered(&held).contains("backstop approve "), "while it can be approved");
    assert!(!offered(&held).contains("backstop run "));
    held.approvable_until = Some("2026-11-23T03:59:59Z".parse().unwrap());
    let text = offered(&held);
    assert!(!text.contains("backstop approve "), "{text}");
    // Of this rule, as it was found, and not of the whole group.
    let anew = "backstop run ssh-access.revoke-ingress --group-id sg-0a1b2c3d4e5f60718 --rule-id \
                sgr-0c0ffee0c0ffee010 --account 111111111111 --region eu-west-1 --reason 'WHY'";
    assert!(text.contains(anew), "{text}");
}

#[test]
fn what_is_in_force_can_be_taken_back_and_nothing_else() {
    for (name, offered) in [
        ("contained", true),
        ("partial", true),
        ("held", false),
        ("failed", false),
        ("undone", false),
    ] {
        let text = incident(&one(name), &look(Format::Text));
        assert_eq!(text.contains("backstop undo "), offered, "{name}: {text}");
    }
    // Its call may have been made.
    let mut failed = one("failed");
    failed.steps[0].in_force = true;
    let text = incident(&failed, &look(Format::Text));
    assert!(text.contains("backstop undo ") && !text.contains("backstop approve "), "{text}");
}

#[test]
fn an_option_that_has_begun_is_the_only_one() {
    let mut held = one("held");
    let offered = |incident: &Reported| {
        let text = super::incident(incident, &look(Format::Text));
        ["narrow", "revoke"].map(|o| text.contains(&format!("--option {o}")))
    };
    assert_eq!(offered(&held), [true, true]);
    held.steps[0].status = backstop_core::words::StepStatus::Verified;
    assert_eq!(offered(&held), [true, false]);
}

/// A table row, an answer to `run`, a function of an older release: they say less.
#[test]
fn what_an_answer_does_not_say_is_left_out() {
    let mut said = serde_json::to_value(one("contained")).unwrap();
    let rest = ["title", "source", "happened_at", "claimed_at", "contained_at", "facts", "entries"];
    for name in rest.into_iter().chain(["blast_radius", "follow_up", "aftermath"]) {
        said.as_object_mut().unwrap().remove(name);
    }
    let reported: Reported = serde_json::from_value(said).unwrap();
    for (format, _) in FORMATS {
        let page = incident(&reported, &look(format));
        assert!(page.contains("X2.1 on arn:aws:ec2"), "{page}");
        assert!(page.contains("revoke-security-group-ingress"), "{page}");
        for heading in ["Timeline", "At a glance", "What to know", "afterwards", "touches"] {
            assert!(!page.contains(heading), "`{heading}` is empty: {page}");
        }
    }
}

#[test]
fn what_only_a_person_does_comes_first() {
    let mut held = one("held");
    let step = &mut held.steps[0];
    step.class = backstop_core::words::Class::Human;
    step.command = "aws ec2 stop-instances --instance-ids i-0abc\naws ec2 wait x".to_owned();
    for (format, _) in FORMATS {
        let page = incident(&held, &look(format)).replace("<span>", "").replace("</span>", "");
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no `{text}`: {page}"));
        assert!(page.contains("un it by hand"), "{page}");
        assert!(at("o step 1 by hand") < at("backstop approve"), "{page}");
    }
    let text = incident(&held, &look(Format::Text));
    assert_eq!(text.matches("\n      aws ec2 wait x\n").count(), 2, "{text}");
}
