//! The AWS CLI, as a person uses it who pastes a line of a plan into a shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::local::Local;

/// The AWS CLI with the credentials of one account of the local AWS.
#[derive(Clone, Debug)]
pub struct AwsCli {
    endpoint: String,
    account: String,
    bin: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "where the AWS CLI is installed")]
fn bin() -> Result<PathBuf> {
    let venv = std::env::var_os("BACKSTOP_VENV")
        .context("BACKSTOP_VENV is not set; hint: run `make test`")?;
    let bin = Path::new(&venv).join("cli/bin");
    ensure!(bin.join("aws").is_file(), "the AWS CLI is not installed; hint: run `make test`");
    Ok(bin)
}

impl AwsCli {
    /// The CLI for an account of the AWS at that endpoint.
    ///
    /// # Errors
    /// If the endpoint is not on this machine, or the CLI is not installed.
    pub fn at(endpoint: &str, account: &str) -> Result<Self> {
        let endpoint = Local::at(endpoint)?.endpoint().to_owned();
        Ok(Self { endpoint, account: account.to_owned(), bin: bin()? })
    }

    /// Runs one line in `bash`, exactly as it stands. Returns what it printed.
    ///
    /// # Errors
    /// If the line fails; the error has the line and all that it said.
    pub fn run(&self, line: &str) -> Result<String> {
        // An empty environment: no proxy, no profile and no other endpoint can lead it elsewhere,
        // and no Region of the environment can make up for one that the line lacks.
        let done = Command::new("bash")
            .args(["-c", line])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.bin.display()))
            .env("HOME", "/dev/null") // has no aliases of the CLI
            .env("LC_ALL", "C.UTF-8")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", &self.account)
            .env("AWS_SECRET_ACCESS_KEY", "dummy")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_PAGER", "")
            .stdin(Stdio::null())
            .output()
            .context("cannot start bash")?;
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(
            done.status.success(),
            "{}: {line}\nstdout: {}\nstderr: {}",
            done.status,
            out.trim(),
            String::from_utf8_lossy(&done.stderr).trim()
        );
        Ok(out)
    }

    /// Shares a resource of this account, a security group or a prefix list, with another account.
    ///
    /// # Errors
    /// If the local AWS refuses.
    pub fn share(&self, region: &str, arn: &str, with: &str) -> Result<()> {
        self.run(&format!(
            "aws ram create-resource-share --region {region} --name shared --resource-arns {arn} \
             --principals {with}"
        ))
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_elsewhere_is_refused() {
        for endpoint in [
            "https://ec2.eu-west-1.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1:80@example.com",
            "http://127.0.0.1:",
            "",
        ] {
            let refused = AwsCli::at(endpoint, "111111111111").unwrap_err().to_string();
            assert!(refused.contains("not a loopback endpoint"), "{endpoint}: {refused}");
        }
    }
}
