//! The demo: one contained, one held, one ignored, told as it happens.
//!
//! Everything in it is real but AWS: the synthesised stacks, the deployed function, its rules,
//! the bus that matches them, the journal, the notices. The local AWS is another process on loopback.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use backstop_core::incident::{Header, Incident};
use backstop_core::journal::Journal;
use backstop_core::words::{Lane, Outcome};
use backstop_testkit::deploy::{Deployed, Package};
use backstop_testkit::scene::Allow;
use backstop_testkit::wait::until;
use backstop_testkit::{Local, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The account that the local policy has in scope.
const ACCOUNT: &str = "111111111111";
const POLICY: &str = include_str!("../aws/backstop.toml");
const MOST: SignedDuration = SignedDuration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let binary = PathBuf::from(std::env::args_os().nth(1).context("hint: run `make demo`")?);
    let mut tell = Teller::new();
    let scene = Scene::bare(Local::from_env()?, ACCOUNT).await?;
    tell.heading("The scene")?;
    let web = scene.group("web-prod").await?;
    scene.allow(&web, Allow::tcp(443, "0.0.0.0/0")).await?;
    let instances = scene.launch(2, &web, None).await?;
    let ids: Vec<&str> = instances.iter().filter_map(|i| i.instance_id()).collect();
    tell.line("vpc", &scene.vpc)?;
    tell.line("group", &format!("{web} (web-prod), tcp 443 from 0.0.0.0/0"))?;
    tell.line("instances", &ids.join(", "))?;
    let package = Package { binary: &binary, policy: POLICY, environment: &[] };
    let function = Deployed::new(&scene, "ssh-access", package).await?;
    tell.line(
        "function",
        &format!(
            "{}, deployed with its rules by CloudFormation",
            function.function(Lane::Unattended)
        ),
    )?;
    let show = Show { scene: &scene, function: &function, journal: journal(&scene) };

    tell.heading("1. Somebody opens port 22 to the world")?;
    let allow =
        Allow { description: Some("quick fix, will close later"), ..Allow::tcp(22, "0.0.0.0/0") };
    let rule = scene.allow(&web, allow).await?;
    let contained = show.happens(&scene.recorded().authorized(&web, &[rule]), &mut tell).await?;
    show.proof(&web, &mut tell).await?;

    tell.heading("2. Somebody opens every port to an internal network")?;
    let wide =
        Allow { protocol: "tcp", ports: Some((0, 65535)), source: "10.0.0.0/8", description: None };
    let rule = scene.allow(&web, wide).await?;
    let held = show.happens(&scene.recorded().authorized(&web, &[rule]), &mut tell).await?;
    show.proof(&web, &mut tell).await?;

    tell.heading("3. Somebody replays last week's event")?;
    let rule = scene.allow(&web, Allow::tcp(22, "203.0.113.0/24")).await?;
    let mut replayed = scene.recorded().authorized(&web, &[rule]);
    if let Some(object) = replayed.as_object_mut() {
        object.insert("replay-name".to_owned(), json!("last-week"));
    }
    let ignored = show.ignored(&replayed, &mut tell)?;
    show.proof(&web, &mut tell).await?;

    tell.heading("What it came to")?;
    for (n, (told, wanted)) in
        [(outcome(&contained), "contained"), (outcome(&held), "held"), (ignored, "ignored")]
            .into_iter()
            .enumerate()
    {
        tell.line(&format!("{}", n + 1), &told)?;
        anyhow::ensure!(told.starts_with(wanted), "the demo's case {} ended as: {told}", n + 1);
    }
    tell.line("next", "what is held waits for an `approve` order, what is contained can be undone")
}

fn outcome(incident: &Incident) -> String {
    let outcome = incident.header.outcome.map_or("open", Outcome::name);
    format!("{outcome}: {}", incident.header.reason)
}

fn journal(scene: &Scene) -> Journal {
    Journal::new(Arc::new(backstop_aws::DynamoStore::new(&scene.connection, "backstop-journal")))
}

struct Show<'a> {
    scene: &'a Scene,
    function: &'a Deployed,
    journal: Journal,
}

impl Show<'_> {
    /// Puts the event on the bus, waits for the report, and tells the incident.
    async fn happens(&self, event: &Value, tell: &mut Teller) -> Result<Incident> {
        let known: Vec<String> = self.today().await?.into_iter().map(|h| h.id).collect();
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or("unknown");
        tell.line("event", &format!("{} of {}", text("/detail/eventName"), text("/source")))?;
        tell.line(
            "who",
            &format!(
                "{} from {}",
                text("/detail/userIdentity/arn"),
                text("/detail/sourceIPAddress")
            ),
        )?;
        let put = Timestamp::now();
        self.function.put(std::slice::from_ref(event))?;
        let header = until("the function's report", MOST, async || {
            Ok(self.today().await?.into_iter().find(|h| h.reported && !known.contains(&h.id)))
        })
        .await?;
        let incident = self.journal.show(&header.id).await?;
        tell.incident(&incident)?;
        if let Some(contained) = incident.header.contained_at {
            let ms = |at: Timestamp| at.duration_since(put).as_millis();
            let text = format!(
                "contained {} ms after the event was put on the bus, {} ms after it was claimed",
                ms(contained),
                contained.duration_since(incident.header.claimed_at).as_millis()
            );
            tell.line("time", &format!("{text} (dev build, measured in this run)"))?;
        }
        Ok(incident)
    }

    async fn today(&self) -> Result<Vec<Header>> {
        let today = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        Ok(self.journal.day(today).await?)
    }

    /// An event that changes nothing: invoked, because the bus takes no `replay-name` from others
    /// and because the reason is in the answer.
    fn ignored(&self, event: &Value, tell: &mut Teller) -> Result<String> {
        let answer =
            self.function.invoke(Lane::Unattended, event)?.map_err(|e| anyhow::anyhow!("{e}"))?;
        let why = answer.get("ignored").and_then(Value::as_str).unwrap_or("not ignored");
        tell.line("ignored", why)?;
        Ok(format!("ignored: {why}"))
    }

    /// What EC2 says now.
    async fn proof(&self, group: &str, tell: &mut Teller) -> Result<()> {
        let rules = self.scene.rules(group).await?;
        tell.line("proof", &format!("describe-security-group-rules of {group} now shows:"))?;
        for rule in rules {
            tell.line("", &rule)?;
        }
        Ok(())
    }
}

/// Tells it to a person: colour only where a person reads.
struct Teller {
    out: std::io::Stdout,
    colour: bool,
}

impl Teller {
    #[expect(clippy::disallowed_methods, reason = "the user's wish for plain text")]
    fn new() -> Self {
        use std::io::IsTerminal;
        let out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out, colour }
    }

    fn heading(&mut self, text: &str) -> Result<()> {
        let (on, off) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(self.out, "\n{on}{text}{off}")?;
        Ok(())
    }

    fn line(&mut self, label: &str, text: &str) -> Result<()> {
        let (on, off) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        writeln!(self.out, "  {on}{label:<10}{off} {text}")?;
        Ok(())
    }

    fn incident(&mut self, incident: &Incident) -> Result<()> {
        let header = &incident.header;
        if let Some(finding) = &header.finding {
            self.line("found", &finding.title)?;
            self.line("urgency", finding.urgency.name())?;
            if let Some(radius) = &finding.blast_radius {
                self.line("touches", radius)?;
            }
        }
        for step in &incident.steps {
            let option = step.option.as_ref().map(|o| format!(", option {o}")).unwrap_or_default();
            self.line(
                &format!("step {}", step.n),
                &format!("{} ({}{option}): {}", step.status, step.class, step.summary),
            )?;
            self.line("", &format!("why: {}", step.reason))?;
            self.line("", &step.command)?;
            if let (Some(undo), Some(_)) = (&step.undo_command, &step.after) {
                self.line("  undo", undo)?;
            }
        }
        let start = header.claimed_at;
        for entry in &incident.entries {
            let ms = entry.at.duration_since(start).as_millis();
            self.line(&format!("+{ms} ms"), &entry.change.words())?;
        }
        self.line(
            "outcome",
            &format!("{}: {}", header.outcome.map_or("open", Outcome::name), header.reason),
        )?;
        self.line("incident", &header.id)
    }
}
