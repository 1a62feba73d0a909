//! Asks a person on the terminal, once, before anything is changed.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use backstop_core::Error;
use backstop_core::event::Operator;

use crate::exit::{Exit, Failure};

/// Whether the person at the terminal says yes; `yes` says it for them.
///
/// The whole word is wanted: a key that was hit by mistake changes nothing.
pub(crate) fn agreed(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    let (input, mut talk) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !talk.is_terminal() {
        return Err(Failure::Ended(
            Exit::Held,
            Error::invalid("nothing was changed: nobody can be asked without a terminal")
                .hint("look at the plan above, then repeat with `--yes`"),
        ));
    }
    write!(talk, "{question} Type `yes`: ")?;
    talk.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(true);
    }
    tell("nothing was changed");
    Ok(false)
}

/// Says what is waited for, on a terminal only, and takes it away once it is there.
pub(crate) async fn waiting<T>(for_what: &str, done: impl Future<Output = T>) -> T {
    let seen = std::io::stderr().is_terminal();
    // Nothing can be done about a terminal that is gone.
    let show = |text: &str| {
        let mut talk = std::io::stderr().lock();
        drop(talk.write_all(text.as_bytes()).and_then(|()| talk.flush()));
    };
    if seen {
        show(&format!("{for_what} …"));
    }
    let done = done.await;
    if seen {
        show("\r\x1b[K"); // to the first column, and erase the line (ECMA-48)
    }
    done
}

/// Says something to the person that is not data.
pub(crate) fn tell(text: &str) {
    // Nothing can be done about a terminal that is gone.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// How to look what came of the order that is under way, if it leaves something behind.
static UNDER_WAY: Mutex<Option<String>> = Mutex::new(None);

/// An order that changes something is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay;

impl UnderWay {
    /// Notes an order.
    pub(crate) fn begins(order: &Operator) -> Self {
        let look = match order {
            Operator::Approve(approve) => Some(format!("backstop show {}", approve.incident)),
            Operator::Undo(undo) => Some(format!("backstop show {}", undo.incident)),
            Operator::Run(_) => Some("backstop incidents".to_owned()),
            Operator::Show(_)
            | Operator::Incidents(_)
            | Operator::Sweep(_)
            | Operator::Request(_) => None,
        };
        *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) = look;
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whoever interrupts the command is told if that does not stop what was asked for.
#[expect(clippy::exit, reason = "an interrupt ends the process, from a thread of its own")]
pub(crate) fn on_interrupt() -> Result<(), Failure> {
    /// What a shell expects of a process that SIGINT ended: 128 + 2.
    const INTERRUPTED: i32 = 130;
    ctrlc::set_handler(|| {
        let under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(look) = under_way else { std::process::exit(INTERRUPTED) };
        let error = Error::transient("interrupted: what was asked for may be done")
            .hint(format!("look with `{look}`; the sweep ends what lies open"));
        std::process::exit(Failure::from(error).report() as i32)
    })
    .map_err(|e| Failure::Other(e.into()))
}
