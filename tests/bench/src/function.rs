//! A function's process, with Lambda and AWS as the benchmark makes them.

use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::runtime_api::RuntimeApi;

/// A running function that is ready for its first event. Ended, by its id, when it goes out of
/// scope.
#[derive(Debug)]
pub struct Function {
    child: Child,
    api: RuntimeApi,
}

impl Function {
    /// Starts the command as a function of `account`, with that environment and no other, and
    /// waits until it asks for its first event. What it says goes into `log`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(
        command: &mut Command,
        account: &str,
        environment: &[(&str, String)],
        log: &Path,
    ) -> Result<Self> {
        let arn = format!("arn:aws:lambda:eu-west-1:{account}:function:bench");
        let api = RuntimeApi::serve(&arn)?;
        let out = std::fs::File::create(log)?;
        let child = command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stderr(out.try_clone()?)
            .stdout(out)
            .spawn()
            .context("cannot start the function")?;
        let function = Self { child, api };
        function.api.ready().with_context(|| format!("the function's log: {}", log.display()))?;
        Ok(function)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hands it an event and waits for the answer.
    ///
    /// # Errors
    /// If it fails.
    pub fn invoke(&self, event: &str) -> Result<Value> {
        self.api.invoke(event)
    }

    /// Ends it as Lambda does, with SIGTERM, and waits until it is gone.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn end(mut self) -> Result<()> {
        Command::new("kill").arg(self.pid().to_string()).status().context("cannot run `kill`")?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
