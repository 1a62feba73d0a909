//! Puts a real function and the rules of its manifest into the local AWS.

use std::io::{Cursor, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{DeadLetterConfig, Environment, FunctionCode, Runtime};
use aws_smithy_types::timeout::TimeoutConfig;
use backstop_core::responder::Responder;
use backstop_core::words::Lane;
use jiff::SignedDuration;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::policy;
use crate::scene::{REGION, Scene};
use crate::wait::until;

/// A deployed function.
#[derive(Debug)]
pub struct Deployed {
    /// Its name.
    pub function: String,
    /// The URL of its dead-letter queue.
    pub dead_letters: String,
    lambda: aws_sdk_lambda::Client,
    events: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
}

/// What is deployed.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// The binary, as cargo built it.
    pub binary: &'a Path,
    /// The policy that goes with it.
    pub policy: &'a str,
    /// The lane.
    pub lane: Lane,
    /// Environment variables that replace or add to the usual ones.
    pub environment: &'a [(&'a str, &'a str)],
}

impl Package<'_> {
    /// The deployment package: `bootstrap` and `backstop.toml`.
    fn zip(&self) -> Result<Vec<u8>> {
        let binary = std::fs::read(self.binary)
            .with_context(|| format!("cannot read `{}`", self.binary.display()))?;
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        // Stored, not deflated: it only travels over loopback.
        let stored = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(false);
        zip.start_file("bootstrap", stored.unix_permissions(0o755))?;
        zip.write_all(&binary)?;
        zip.start_file("backstop.toml", stored.unix_permissions(0o644))?;
        zip.write_all(self.policy.as_bytes())?;
        Ok(zip.finish()?.into_inner())
    }
}

impl Deployed {
    /// Deploys a responder into a scene: role, function, queue, rules, targets.
    ///
    /// # Errors
    /// If the local AWS refuses any of it.
    pub async fn new<C: Send + Sync + 'static>(
        scene: &Scene,
        responder: &dyn Responder<C>,
        package: Package<'_>,
    ) -> Result<Self> {
        let config = scene.connection.sdk_config();
        let (account, manifest) = (scene.id(), responder.manifest());
        let name = format!("backstop-{}-{}", manifest.responder, package.lane);
        let role = role(scene, responder, &name, package.lane).await?;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = format!("{name}-dlq");
        let dead_letters = sqs
            .create_queue()
            .queue_name(&queue)
            .send()
            .await?
            .queue_url
            .context("no queue URL")?;
        // A dev build is large: the upload takes longer than a call of a function may.
        let minute = Duration::from_mins(1);
        let patient = TimeoutConfig::builder()
            .operation_timeout(minute)
            .operation_attempt_timeout(minute)
            .build();
        let lambda = aws_sdk_lambda::Client::from_conf(
            aws_sdk_lambda::config::Builder::from(&config).timeout_config(patient).build(),
        );
        let topic = |urgency: &str| format!("arn:aws:sns:{REGION}:{account}:backstop-{urgency}");
        let mut environment = Environment::builder()
            .variables("BACKSTOP_CONFIG", "backstop.toml")
            .variables("BACKSTOP_TABLE", "backstop-journal")
            .variables("BACKSTOP_LANE", package.lane.name())
            .variables("BACKSTOP_TOPIC_PAGE", topic("page"))
            .variables("BACKSTOP_TOPIC_TICKET", topic("ticket"))
            .variables("BACKSTOP_TOPIC_INFO", topic("info"));
        for (key, value) in package.environment {
            environment = environment.variables(*key, *value);
        }
        let function = lambda
            .create_function()
            .function_name(&name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(role)
            .memory_size(256)
            .timeout(60)
            .environment(environment.build())
            .dead_letter_config(
                DeadLetterConfig::builder()
                    .target_arn(format!("arn:aws:sqs:{REGION}:{account}:{queue}"))
                    .build(),
            )
            .code(FunctionCode::builder().zip_file(Blob::new(package.zip()?)).build())
            .send()
            .await
            .context("cannot create the function")?;
        let arn = function.function_arn.context("no function ARN")?;
        let events = aws_sdk_eventbridge::Client::new(&config);
        if package.lane == Lane::Unattended {
            for rule in manifest.rules {
                let rule_name = format!("{name}-{}", rule.name);
                events
                    .put_rule()
                    .name(&rule_name)
                    .event_pattern(rule.pattern().to_string())
                    .send()
                    .await?;
                let target = aws_sdk_eventbridge::types::Target::builder()
                    .id("function")
                    .arn(&arn)
                    .build()?;
                events.put_targets().rule(&rule_name).targets(target).send().await?;
                lambda
                    .add_permission()
                    .function_name(&name)
                    .statement_id(&rule_name)
                    .action("lambda:InvokeFunction")
                    .principal("events.amazonaws.com")
                    .source_arn(format!("arn:aws:events:{REGION}:{account}:rule/{rule_name}"))
                    .send()
                    .await?;
            }
        }
        Ok(Self { function: name, dead_letters, lambda, events, sqs })
    }

    /// Puts events on the bus, as CloudTrail does.
    ///
    /// # Errors
    /// If the bus refuses one.
    pub async fn put(&self, events: &[Value]) -> Result<()> {
        for event in events {
            let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
            let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
                .source(text("source"))
                .detail_type(text("detail-type"))
                .detail(event.get("detail").unwrap_or(&Value::Null).to_string())
                .build();
            let answer = self.events.put_events().entries(entry).send().await?;
            anyhow::ensure!(answer.failed_entry_count == 0, "the bus refused an event: {answer:?}");
        }
        Ok(())
    }

    /// Invokes the function and waits for its answer. The inner error is the function's.
    ///
    /// # Errors
    /// If Lambda refuses.
    pub async fn invoke(&self, payload: &Value) -> Result<Result<Value, Value>> {
        let answer = self
            .lambda
            .invoke()
            .function_name(&self.function)
            .payload(Blob::new(payload.to_string()))
            .send()
            .await
            .context("cannot invoke the function")?;
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let body =
            serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
        Ok(if answer.function_error.is_some() { Err(body) } else { Ok(body) })
    }

    /// The next message in the dead-letter queue.
    ///
    /// # Errors
    /// If none comes in time.
    pub async fn dead_letter(&self, most: SignedDuration) -> Result<String> {
        until("a dead letter", most, async || {
            let answer = self
                .sqs
                .receive_message()
                .queue_url(&self.dead_letters)
                .wait_time_seconds(0)
                .send()
                .await?;
            Ok(answer.messages.unwrap_or_default().into_iter().next().and_then(|m| m.body))
        })
        .await
    }
}

/// The role of one lane, with the manifest's statements.
async fn role<C: Send + Sync + 'static>(
    scene: &Scene,
    responder: &dyn Responder<C>,
    name: &str,
    lane: Lane,
) -> Result<String> {
    let iam = aws_sdk_iam::Client::new(&scene.connection.sdk_config());
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "lambda.amazonaws.com" },
            "Action": "sts:AssumeRole",
        }],
    });
    let arn = iam
        .create_role()
        .role_name(name)
        .assume_role_policy_document(trust.to_string())
        .send()
        .await?
        .role
        .map(|role| role.arn)
        .context("no role ARN")?;
    let statements = policy::statements(responder.manifest(), responder.actions(), lane);
    iam.put_role_policy()
        .role_name(name)
        .policy_name("backstop")
        .policy_document(policy::document(&statements, scene.id(), REGION).to_string())
        .send()
        .await?;
    Ok(arn)
}
