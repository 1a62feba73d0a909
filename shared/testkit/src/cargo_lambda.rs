//! The function under cargo-lambda, as a contributor runs it: `watch` and `invoke`.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::Value;

use crate::scene::{REGION, Scene};
use crate::wait::until;

/// `cargo lambda watch`, ended when it goes out of scope.
struct Watch {
    child: Child,
    folder: PathBuf,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Ended by its id; it ends the function that it started.
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

#[expect(clippy::disallowed_methods, reason = "where cargo-lambda is installed")]
fn program() -> Result<PathBuf> {
    let venv = std::env::var_os("BACKSTOP_VENV")
        .context("BACKSTOP_VENV is not set; hint: run `make test`")?;
    let program = Path::new(&venv).join("tools/bin/cargo-lambda");
    ensure!(program.is_file(), "cargo-lambda is not installed; hint: run `make test`");
    Ok(program)
}

/// Serves the function with `watch`, sends one event with `invoke`, and returns the answer.
///
/// # Errors
/// If cargo-lambda does not start, or the function fails.
pub async fn invoke(scene: &Scene, function: &str, policy: &str, event: &Value) -> Result<Value> {
    let program = program()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no root")?;
    let folder = std::env::temp_dir().join(format!("backstop-watch-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("backstop.toml");
    std::fs::write(&config, policy.replace("{account}", scene.id()))?;
    let data = folder.join("event.json");
    std::fs::write(&data, event.to_string())?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    let topic = |urgency: &str| format!("arn:aws:sns:{REGION}:{}:backstop-{urgency}", scene.id());
    let mut child = Command::new(&program)
        .args(["lambda", "watch", "-A", "127.0.0.1", "-P", &port, "--ignore-changes"])
        .current_dir(root)
        .env("AWS_ENDPOINT_URL", scene.local.endpoint())
        .env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", scene.id())
        .env("AWS_SECRET_ACCESS_KEY", "dummy")
        .env("BACKSTOP_CONFIG", &config)
        .env("BACKSTOP_TABLE", "backstop-journal")
        .env("BACKSTOP_LANE", "unattended")
        .env("BACKSTOP_TOPIC_PAGE", topic("page"))
        .env("BACKSTOP_TOPIC_TICKET", topic("ticket"))
        .env("BACKSTOP_TOPIC_INFO", topic("info"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start cargo-lambda")?;
    let log = child.stdout.take().context("no output")?;
    let watch = Watch { child, folder };
    // Its log must be read, or it stops when the pipe is full.
    let reader = std::thread::spawn(move || {
        BufReader::new(log).lines().map_while(std::io::Result::ok).collect::<Vec<_>>()
    });
    let address = format!("127.0.0.1:{port}");
    until("cargo-lambda to listen", SignedDuration::from_secs(30), async || {
        Ok(std::net::TcpStream::connect(&address).ok().map(drop))
    })
    .await?;
    let done = Command::new(&program)
        .args(["lambda", "invoke", "-A", "127.0.0.1", "-P", &port, function, "--data-file"])
        .arg(&data)
        .output()?;
    drop(watch);
    let log = reader.join().unwrap_or_default();
    ensure!(
        done.status.success(),
        "invoke failed: {}\n{}",
        String::from_utf8_lossy(&done.stderr),
        log.join("\n")
    );
    serde_json::from_slice(&done.stdout)
        .with_context(|| format!("odd answer: {}", String::from_utf8_lossy(&done.stdout)))
}
