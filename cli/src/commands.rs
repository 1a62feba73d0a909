//! The verbs.

pub(crate) mod approve;
pub(crate) mod config;
pub(crate) mod controls;
pub(crate) mod dlq;
pub(crate) mod explain;
pub(crate) mod incidents;
pub(crate) mod manifest;
pub(crate) mod run;
pub(crate) mod undo;

use std::io::{IsTerminal, Write};

use backstop_core::Error;
use backstop_core::ident::Shape;
use backstop_core::report::Reported;
use clap::ValueEnum;
use jiff::Timestamp;

use crate::ask::tell;
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Reach, show};
use crate::render::{self, Look};
use crate::{catalogue, environment};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; fields are only ever added.
    Json,
}

/// How many columns text has.
const WIDTH: usize = 100;

/// How incidents are shown here and now, where that is written to.
fn look(format: render::Format, to: &impl IsTerminal) -> Look {
    let colour = format == render::Format::Text && environment::colour(to);
    Look { format, now: Timestamp::now(), colour, width: WIDTH }
}

/// Prints incidents as data; as JSON it is the answer of the function (design §4).
fn print(incidents: &[Reported], format: render::Format) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let look = look(format, &out);
    let together = matches!(format, render::Format::Json | render::Format::Html);
    if together && incidents.len() != 1 {
        // One answer, one page: not several behind each other.
        write!(out, "{}", render::incidents(incidents, &look))?;
        return Ok(());
    }
    for one in incidents {
        write!(out, "{}", render::incident(one, &look))?;
    }
    Ok(())
}

/// Shows what a person is about to be asked about: as data if it is read as text, else as talk.
fn preview(incidents: &[Reported], format: render::Format) -> Result<(), Failure> {
    // What happened when is not what is asked about: the plan is to stand above the question.
    let shown: Vec<Reported> =
        incidents.iter().map(|one| Reported { entries: None, ..one.clone() }).collect();
    if format == render::Format::Text {
        let printed = print(&shown, format);
        if let Err(Failure::Closed) = printed {
            // Nobody has seen what would be asked about.
            let error =
                Error::invalid("nothing was changed: the output is closed, nobody sees the plan");
            let hint = "let it be read to its end, or print it with `--format json`";
            return Err(Failure::Ended(Exit::Held, error.hint(hint)));
        }
        return printed;
    }
    let mut talk = std::io::stderr();
    for one in &shown {
        write!(talk, "{}", render::incident(one, &look(render::Format::Text, &talk)))?;
    }
    Ok(())
}

/// The exit code of what was done, once it was printed. Who closed the output has read enough; what
/// became of the order is not less true for it.
fn ended(printed: Result<(), Failure>, exit: Exit) -> Result<Exit, Failure> {
    match printed {
        Ok(()) | Err(Failure::Closed) => Ok(exit),
        Err(failure) => Err(failure),
    }
}

/// Prints how an incident stands after an order that ended in an error: a part of it may be done.
async fn stands(reach: &dyn Reach, responder: &str, id: &str, format: render::Format) {
    match show(reach, responder, id).await {
        // The error that is told after it decides how the command ends.
        Ok(shown) => drop(print(&[Reported { entries: None, ..shown }], format)),
        Err(_) => tell(&format!("how it stands now could not be read: `backstop show {id}`")),
    }
}

/// What an argument must look like.
fn shaped(shape: Shape) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text: &str| {
        if shape.fits(text) {
            Ok(text.to_owned())
        } else {
            Err(format!("it is not {}", shape.words()))
        }
    }
}

/// The id of an incident, as an argument.
fn incident_id(text: &str) -> Result<String, String> {
    shaped(Shape::Incident)(text)
}

/// The responder that an incident belongs to: its id begins with the name.
fn responder_of(id: &str) -> Result<&'static str, Failure> {
    let names: Vec<&'static str> =
        catalogue::responders().iter().map(|r| r.manifest().responder).collect();
    // `<responder>-<yyyymmdd>-<12 characters>`
    let owner = id.rsplitn(3, '-').nth(2);
    names.iter().copied().find(|name| Some(*name) == owner).ok_or_else(|| {
        Error::invalid(format!("the incident `{id}` belongs to no responder"))
            .hint(format!(
                "its id begins with the responder's name, of which there is: {}",
                names.join(", ")
            ))
            .into()
    })
}

/// The incident that can be approved for what a run made: the plan may be open already, from an
/// event or another run, and then it is the one that holds it.
async fn holder(desk: &Desk, responder: &str, made: Reported) -> Result<Reported, Failure> {
    let Some(open) = &made.duplicate_of else { return Ok(made) };
    tell(&format!("{}: {}", made.id, made.reason));
    Ok(Reported { entries: None, ..desk.show(responder, open).await? })
}
