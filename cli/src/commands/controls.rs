//! `backstop controls`.

use std::io::Write;

use crate::catalogue::{self, Row};
use crate::commands::Format;
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop controls --control aws-work-02`")]
pub(crate) struct Args {
    /// Only this control, such as `aws-work-02`.
    #[arg(long)]
    control: Option<String>,
    /// Also the signals that the source forgot (X ids).
    #[arg(long)]
    all: bool,
    /// How to print it; `json` always prints every id.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let controls = catalogue::controls();
    if let Some(wanted) = &args.control
        && !controls.iter().any(|c| c.id == wanted)
    {
        return Err(backstop_core::Error::invalid(format!("there is no control `{wanted}`"))
            .hint("they are aws-work-01 to aws-work-08")
            .into());
    }
    let chosen = |control: &str| args.control.as_deref().is_none_or(|wanted| wanted == control);
    let rows: Vec<Row> = catalogue::rows().into_iter().filter(|row| chosen(row.control)).collect();
    let mut out = std::io::stdout().lock();
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)?;
        writeln!(out, "{text}")?;
        return Ok(Exit::Done);
    }
    for control in controls.iter().filter(|c| chosen(c.id)) {
        writeln!(
            out,
            "{}  {}  {}  {}",
            control.id, control.severity, control.typology, control.responder
        )?;
        writeln!(out, "  {}", control.title)?;
        for (framework, value) in &control.compliance {
            writeln!(out, "  {framework:<40} {value}")?;
        }
        for row in rows.iter().filter(|r| r.control == control.id) {
            if row.id.starts_with('X') && !args.all && !row.built {
                continue;
            }
            let built = if row.built { "built" } else { "-" };
            writeln!(
                out,
                "  {:<6} {:<8} {:<5} {:>3} scenarios  {}",
                row.id,
                row.class,
                built,
                row.scenarios.len(),
                row.text.chars().take(100).collect::<String>()
            )?;
        }
        writeln!(out)?;
    }
    let built = rows.iter().filter(|r| r.built).count();
    writeln!(out, "{built} of {} ids built", rows.len())?;
    Ok(Exit::Done)
}
