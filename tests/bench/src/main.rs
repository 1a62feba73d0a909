//! `make bench`: every budget, measured on release builds, beside what it may be.
//!
//! The first argument is the function, the second a function that does nothing; both were built in
//! one run. Instructions are counted and round trips are read from a record, so that they do not
//! depend on what else the machine does; times and memory are medians or single readings.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use backstop_bench::function::Function;
use backstop_bench::slow::Slow;
use backstop_bench::table::{Row, Table};
use backstop_bench::{callgrind, elf, median, process, rounds};
use backstop_testkit::Scene;
use backstop_testkit::scene::{Allow, REGION};
use serde_json::{Value, json};

/// How many times what a function that does nothing costs at start.
const START: f64 = 3.0;
const CPU: Duration = Duration::from_micros(250);
const ROUNDS: usize = 3;
const RESIDENT: u64 = 24_000_000;
const GROWTH: i64 = 1_000_000;
const SIZE: u64 = 8_000_000;
/// How long every call is held back where rounds are counted: far above what it takes by itself.
const DELAY: Duration = Duration::from_millis(250);
/// How many events a time is measured over, and how often.
const EVENTS: usize = 2_000;
const TIMES: usize = 3;
/// The SDKs of the engine, and of `ssh-access`.
const SDKS: [&str; 5] = ["dynamodb", "ec2", "sns", "ssm", "sts"];
/// The account and Region of the fixtures.
const FIXTURES: (&str, &str) = ("111111111111", "us-east-1");
/// Events that reach the function and are no finding.
const NOTHING: [&str; 11] = [
    "authorize-egress",
    "authorize-icmp-type22",
    "authorize-tcp443",
    "authorize-udp22",
    "dry-run",
    "failed-call",
    "foreign-source",
    "launch-without-key",
    "modify-harmless",
    "replay",
    "sibling-revoke",
];
const CONTAINS: &str = "ec2:RevokeSecurityGroupIngress";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let mut given = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(function), Some(empty)) = (given.next(), given.next()) else {
        anyhow::bail!("hint: run `make bench`");
    };
    let scratch = std::env::temp_dir().join(format!("backstop-bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let bench = Bench { function, empty, scratch, runs: AtomicU64::new(0) };
    let mut table = Table::default();
    bench.start(&mut table)?;
    bench.no_finding(&mut table)?;
    bench.contained(&mut table).await?;
    bench.member(&mut table).await?;
    bench.memory(&mut table).await?;
    bench.binary(&mut table)?;
    table.0.push(Row::open("`replay`", "not built", "≥ 75 % of bare inflate speed"));
    std::fs::remove_dir_all(&bench.scratch)?;
    let mut out = std::io::stdout();
    writeln!(out, "\n{table}")?;
    let missed: Vec<&str> = table.missed().iter().map(|row| row.what.as_str()).collect();
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "over budget: {}", missed.join(", "))?;
    Ok(ExitCode::FAILURE)
}

struct Bench {
    function: PathBuf,
    empty: PathBuf,
    scratch: PathBuf,
    runs: AtomicU64,
}

/// What a function is started with.
struct Setting<'a> {
    endpoint: &'a str,
    account: &'a str,
    region: &'a str,
    /// The accounts of the policy, besides its own.
    others: &'a [&'a str],
}

impl Bench {
    /// A path of its own in the scratch folder.
    fn path(&self, what: &str) -> PathBuf {
        let n = self.runs.fetch_add(1, Ordering::Relaxed);
        self.scratch.join(format!("{n}-{what}"))
    }

    /// The environment of the function.
    fn environment(&self, setting: &Setting<'_>) -> Result<Vec<(&'static str, String)>> {
        let mut accounts = vec![setting.account];
        accounts.extend(setting.others);
        let accounts: BTreeSet<&str> = accounts.into_iter().collect();
        // As many actions as the benchmark makes: none is to be held.
        let policy = format!(
            "mode = \"enforce\"\n[scope]\naccounts = {}\nregions = [\"{REGION}\", \"{}\"]\n\
             home_region = \"{}\"\n[scope.production]\neverything = true\n[guards]\n\
             actions_per_10_min = 1000\nactions_per_hour = 5000\n",
            json!(accounts),
            FIXTURES.1,
            setting.region,
        );
        let path = self.path("backstop.toml");
        std::fs::write(&path, policy)?;
        let topic = |name: &str| {
            format!("arn:aws:sns:{}:{}:backstop-{name}", setting.region, setting.account)
        };
        Ok(vec![
            ("AWS_ENDPOINT_URL", setting.endpoint.to_owned()),
            ("AWS_REGION", setting.region.to_owned()),
            ("AWS_ACCESS_KEY_ID", setting.account.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "dummy".to_owned()),
            ("BACKSTOP_CONFIG", path.display().to_string()),
            ("BACKSTOP_TABLE", "backstop-journal".to_owned()),
            ("BACKSTOP_LANE", "unattended".to_owned()),
            ("BACKSTOP_TOPIC_PAGE", topic("page")),
            ("BACKSTOP_TOPIC_TICKET", topic("ticket")),
            ("BACKSTOP_TOPIC_INFO", topic("info")),
        ])
    }

    /// Starts a binary, which asks for its first event when this returns.
    fn run(&self, mut command: Command, setting: &Setting<'_>) -> Result<Function> {
        let environment = self.environment(setting)?;
        Function::start(&mut command, setting.account, &environment, &self.path("log"))
    }

    /// How many instructions a binary takes from exec until it waits for more than these events.
    fn instructions(&self, binary: &Path, setting: &Setting<'_>, events: &[&str]) -> Result<u64> {
        let profile = self.path("callgrind");
        let function = self.run(callgrind::command(binary, &profile), setting)?;
        for event in events {
            function.invoke(event)?;
        }
        function.end()?;
        callgrind::instructions(&std::fs::read_to_string(&profile)?)
            .with_context(|| format!("the profile of {}", binary.display()))
    }

    /// From exec to the first `GET /next`. HTTPS, as on Lambda, so that TLS is set up; nothing
    /// listens there, and nothing is sent.
    fn start(&self, table: &mut Table) -> Result<()> {
        let what = "start to the first `GET /next`, instructions";
        let budget = "≤ 3 × an empty `lambda_runtime` binary, aim 2";
        if !callgrind::is_installed() {
            table.0.push(Row::open(what, NO_VALGRIND, budget));
            return Ok(());
        }
        let setting = setting("https://127.0.0.1:1");
        let count = |binary: &Path| -> Result<f64> {
            let figures = (0..TIMES)
                .map(|_| self.instructions(binary, &setting, &[]))
                .collect::<Result<Vec<_>>>()?;
            Ok(millions(median(&figures).unwrap_or_default()))
        };
        let (ours, empty) = (count(&self.function)?, count(&self.empty)?);
        let ratio = ours / empty;
        let measured = format!("{ratio:.2} × ({ours:.2} M, empty {empty:.2} M)");
        table.0.push(Row::new(what, measured, budget, ratio <= START));
        Ok(())
    }

    /// What an event costs that needs no response.
    fn no_finding(&self, table: &mut Table) -> Result<()> {
        let fixtures = NOTHING.iter().map(|name| fixture(name)).collect::<Result<Vec<_>>>()?;
        let events = |n: usize| -> Vec<&str> {
            fixtures.iter().map(String::as_str).cycle().take(n).collect()
        };
        let aws = Silent::listen()?;
        let setting = setting(&aws.endpoint);
        let cost = |binary: &Path| -> Result<Duration> {
            let function = self.run(Command::new(binary), &setting)?;
            // The first ones fill caches that the others find full.
            let mut ignored = 0;
            for event in events(fixtures.len()) {
                let answer = function.invoke(event)?;
                ignored += usize::from(answer.get("ignored").is_some_and(Value::is_string));
            }
            ensure!(
                binary != self.function || ignored == fixtures.len(),
                "{ignored} of {} events were no finding",
                fixtures.len()
            );
            let before = process::cpu(function.pid())?;
            for event in events(EVENTS) {
                function.invoke(event)?;
            }
            let spent = process::cpu(function.pid())?.saturating_sub(before);
            function.end()?;
            Ok(spent / u32::try_from(EVENTS)?)
        };
        let (mut ours, mut empty) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            ours.push(cost(&self.function)?);
            empty.push(cost(&self.empty)?);
        }
        let ours = median(&ours).unwrap_or_default();
        let empty = median(&empty).unwrap_or_default();
        let calls = aws.calls();
        table.0.push(Row::new(
            "event that is no finding, AWS calls",
            format!("{calls} in {} events", TIMES * (EVENTS + fixtures.len())),
            "0",
            calls == 0,
        ));
        let own = ours.saturating_sub(empty);
        table.0.push(Row::new(
            "event that is no finding, CPU",
            format!("{} more than the empty one's {}", ms(own), ms(empty)),
            "≤ 0.25 ms",
            own <= CPU,
        ));
        let what = "event that is no finding, instructions";
        if !callgrind::is_installed() {
            table.0.push(Row::open(what, NO_VALGRIND, "–"));
            return Ok(());
        }
        // The difference of two runs: neither the start nor the first events count.
        let (few, many) = (fixtures.len(), fixtures.len() * 41);
        let each = |binary: &Path| -> Result<u64> {
            let less = self.instructions(binary, &setting, &events(few))?;
            let more = self.instructions(binary, &setting, &events(many))?;
            Ok(more.saturating_sub(less) / u64::try_from(many - few)?)
        };
        let (ours, empty) = (each(&self.function)?, each(&self.empty)?);
        let own = ours.saturating_sub(empty);
        let measured = format!("{} k more than the empty one's {} k", own / 1_000, empty / 1_000);
        table.0.push(Row::open(what, measured, "–"));
        Ok(())
    }

    /// How many round trips it takes to contain in the function's own account.
    async fn contained(&self, table: &mut Table) -> Result<()> {
        let scene = Scene::new().await?;
        let slow = Slow::in_front_of(scene.local.endpoint(), DELAY)?;
        let setting = Setting { region: REGION, account: scene.id(), ..setting(slow.endpoint()) };
        let function = self.run(Command::new(&self.function), &setting)?;
        for (n, which) in ["first event", "second event"].into_iter().enumerate() {
            contain(&scene, &function, n).await?;
            table.0.push(trips(which, &slow, ROUNDS));
        }
        function.end()
    }

    /// The same in a member account: the first time it must take on its role there.
    async fn member(&self, table: &mut Table) -> Result<()> {
        let (home, member) = (Scene::new().await?, Scene::new().await?);
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{}:root", home.id()) },
                "Action": "sts:AssumeRole",
            }],
        });
        aws_sdk_iam::Client::new(&member.connection.sdk_config())
            .create_role()
            .role_name("backstop-ssh-access-unattended")
            .assume_role_policy_document(trust.to_string())
            .send()
            .await?;
        let slow = Slow::in_front_of(home.local.endpoint(), DELAY)?;
        let setting = Setting {
            region: REGION,
            account: home.id(),
            others: &[member.id()],
            ..setting(slow.endpoint())
        };
        let function = self.run(Command::new(&self.function), &setting)?;
        for (n, (which, budget)) in [
            ("first event of a member account", ROUNDS + 1),
            ("second event of a member account", ROUNDS),
        ]
        .into_iter()
        .enumerate()
        {
            contain(&member, &function, n).await?;
            table.0.push(trips(which, &slow, budget));
        }
        function.end()
    }

    /// What a thousand events leave behind: 20 that are contained, 980 that are no finding.
    async fn memory(&self, table: &mut Table) -> Result<()> {
        const EACH: usize = 50;
        let fixtures = NOTHING.iter().map(|name| fixture(name)).collect::<Result<Vec<_>>>()?;
        let mut harmless = fixtures.iter().cycle();
        let scene = Scene::new().await?;
        let setting = Setting {
            region: REGION,
            account: scene.id(),
            others: &[FIXTURES.0],
            ..setting(scene.local.endpoint())
        };
        let function = self.run(Command::new(&self.function), &setting)?;
        let mut after = Vec::new();
        for n in 1..=1_000 {
            if n % EACH == 0 {
                contain(&scene, &function, n).await?;
            } else if let Some(event) = harmless.next() {
                function.invoke(event)?;
            }
            if n == 100 || n == 1_000 {
                after.push(process::memory(function.pid())?);
            }
        }
        function.end()?;
        let [early, late] = after.as_slice() else { anyhow::bail!("two readings, not {after:?}") };
        table.0.push(Row::new(
            "memory after 1,000 events, 20 of them contained",
            format!("{:.1} MB, at most {:.1} MB", millions(late.resident), millions(late.most)),
            "≤ 24 MB",
            late.most <= RESIDENT,
        ));
        let growth = i64::try_from(late.resident)? - i64::try_from(early.resident)?;
        table.0.push(Row::new(
            "memory, growth from the 100th to the 1,000th event",
            format!("{} kB", growth / 1_000),
            "≤ 1 MB",
            growth <= GROWTH,
        ));
        Ok(())
    }

    /// The binary itself.
    fn binary(&self, table: &mut Table) -> Result<()> {
        let binary = std::fs::read(&self.function)?;
        let size = u64::try_from(binary.len())?;
        let stripped = elf::is_stripped(&binary);
        let state = if stripped { "" } else { ", not stripped" };
        table.0.push(Row::new(
            "ELF of one responder, stripped",
            format!("{:.2} MB{state}", millions(size)),
            "≤ 8 MB, aim 5",
            stripped && size <= SIZE,
        ));
        // This program links more: that it shows proves that the look finds what there is.
        let own = elf::sdks(&std::fs::read(std::env::current_exe()?)?);
        ensure!(own.contains("iam"), "the SDKs of a binary cannot be told any more: {own:?}");
        let linked = elf::sdks(&binary);
        let wanted: BTreeSet<String> = SDKS.iter().map(|&sdk| sdk.to_owned()).collect();
        table.0.push(Row::new(
            "AWS SDKs linked",
            linked.iter().cloned().collect::<Vec<_>>().join(", "),
            &SDKS.join(", "),
            linked == wanted,
        ));
        Ok(())
    }
}

const NO_VALGRIND: &str = "valgrind is not installed (`apt-get install valgrind`)";

/// Where the fixtures are from, and AWS at that endpoint.
fn setting(endpoint: &str) -> Setting<'_> {
    Setting { endpoint, account: FIXTURES.0, region: FIXTURES.1, others: &[] }
}

fn fixture(name: &str) -> Result<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/ssh-access/fixtures");
    let path = Path::new(folder).join(format!("{name}.json"));
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Opens port 22 in a group of its own, and has the function close it.
async fn contain(scene: &Scene, function: &Function, n: usize) -> Result<()> {
    let group = scene.group(&format!("group-{n}")).await?;
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await?;
    let answer = function.invoke(&scene.recorded().authorized(&group, &[rule]).to_string())?;
    let outcome = answer.pointer("/incidents/0/outcome").and_then(Value::as_str);
    ensure!(outcome == Some("contained"), "not contained: {answer}");
    Ok(())
}

fn trips(which: &str, slow: &Slow, budget: usize) -> Row {
    let calls = slow.take();
    let rounds = rounds::until(&calls, CONTAINS);
    let made = rounds.len();
    Row::new(
        &format!("{which}, round trips until contained"),
        format!("{made}: {} ({} calls in all)", rounds::words(&rounds), calls.len()),
        &format!("≤ {budget}"),
        (1..=budget).contains(&made),
    )
}

/// An AWS that must not be called: it counts who comes.
struct Silent {
    endpoint: String,
    came: Arc<AtomicU64>,
}

impl Silent {
    fn listen() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let came = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&came);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { endpoint, came })
    }

    fn calls(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn millions(figure: u64) -> f64 {
    figure as f64 / 1e6
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
