//! Deploys the synthesised stacks into the local AWS, as `cdk deploy` does into AWS: the same
//! rules, functions, roles, queues and schedules, made by CloudFormation from the same templates.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use backstop_core::words::Lane;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;

use crate::local::Local;
use crate::scene::{REGION, Scene};
use crate::wait::until;
use crate::wire::Service;

/// The top-level properties that the local AWS drops (`GET /_backstop/dropped`), and why nothing here misses
/// them. A test fails when it drops another, and when no stack has one of these any more.
pub const DROPPED: &[(&str, &str, &str)] =
    &[("AWS::KMS::Key", "PendingWindowInDays", "how long a deleted key waits; none is deleted")];

/// A responder's stacks in an account, for as long as somebody looks at them.
#[derive(Debug)]
pub struct Deployed {
    local: Local,
    account: String,
    responder: String,
    /// The names of the stacks, each with its Region.
    stacks: Vec<(String, String)>,
    /// Where the packages are in S3.
    packages: Vec<String>,
}

impl Drop for Deployed {
    /// Its schedules would go on invoking its functions, and the packages take memory.
    fn drop(&mut self) {
        for (name, region) in self.stacks.iter().rev() {
            let stacks = self.service("cloudformation", region);
            drop(stacks.form("DeleteStack", &[("StackName", name)]));
        }
        for path in &self.packages {
            drop(self.service("s3", REGION).send("DELETE", path, &[], &[]));
        }
    }
}

/// What is deployed.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// The binary, as cargo built it.
    pub binary: &'a Path,
    /// The policy that goes with it.
    pub policy: &'a str,
    /// Environment variables that replace or add to those of the template, in both lanes.
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

/// A synthesised stack.
#[derive(Debug)]
struct Stack {
    name: String,
    region: String,
    template: Value,
}

impl Stack {
    /// The stacks that a responder needs, in the order that AWS wants them: its log groups before
    /// its functions.
    fn of(responder: &str) -> Result<Vec<Self>> {
        let folder = templates()?;
        let own = format!("backstop-{responder}");
        let mut stacks = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(name) = file.strip_suffix(".template.json") else { continue };
            let elsewhere = name.strip_prefix("backstop-forward-");
            let shared = ["backstop-journal", "backstop-shared"].contains(&name);
            if !shared && elsewhere.is_none() && name != own {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            stacks.push(Self {
                name: name.to_owned(),
                region: elsewhere.unwrap_or(REGION).to_owned(),
                template: serde_json::from_str(&text).with_context(|| file.to_owned())?,
            });
        }
        stacks.sort_by_key(|stack| (stack.name == own, stack.name.clone()));
        ensure!(
            stacks.last().is_some_and(|last| last.name == own),
            "`{}` has no stack for `{responder}`; hint: run `make synth-local`",
            folder.display()
        );
        Ok(stacks)
    }

    /// The properties of its functions.
    fn functions(&mut self) -> impl Iterator<Item = &mut Value> {
        let resources = self.template.get_mut("Resources").and_then(Value::as_object_mut);
        resources
            .into_iter()
            .flat_map(Map::values_mut)
            .filter(|resource| {
                resource.get("Type").and_then(Value::as_str) == Some("AWS::Lambda::Function")
            })
            .filter_map(|resource| resource.get_mut("Properties"))
    }
}

/// Where the synthesised stacks are.
fn templates() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("no root")?;
    let folder = root.join("infra/local.out");
    ensure!(folder.is_dir(), "`{}` does not exist; hint: run `make synth-local`", folder.display());
    Ok(folder)
}

impl Deployed {
    /// Deploys a responder into a bare scene, both lanes of it. Others may be deployed beside it.
    ///
    /// # Errors
    /// If the local AWS refuses any of it.
    pub async fn new(scene: &Scene, responder: &str, package: Package<'_>) -> Result<Self> {
        let (local, account) = (scene.local.clone(), scene.id().to_owned());
        let mut deployed = Self {
            local,
            account,
            responder: responder.to_owned(),
            stacks: Vec::new(),
            packages: Vec::new(),
        };
        let bucket = format!("cdk-hnb659fds-assets-{}-{REGION}", deployed.account);
        let mut stacks = Stack::of(responder)?;
        deployed.bootstrap(&bucket, &stacks)?;
        let zip = package.zip()?;
        for function in stacks.iter_mut().flat_map(Stack::functions) {
            let key = function.pointer("/Code/S3Key").and_then(Value::as_str);
            let path = format!("/{bucket}/{}", key.context("a function has no code in S3")?);
            if !deployed.packages.contains(&path) {
                deployed.upload(&path, &zip)?;
                deployed.packages.push(path);
            }
            let variables = function.pointer_mut("/Environment/Variables");
            let variables = variables.and_then(Value::as_object_mut).context("no environment")?;
            for (name, value) in package.environment {
                variables.insert((*name).to_owned(), json!(value));
            }
        }
        for stack in &stacks {
            deployed.stacks.push((stack.name.clone(), stack.region.clone()));
            deployed.create(&bucket, stack).await.with_context(|| stack.name.clone())?;
        }
        Ok(deployed)
    }

    /// What `cdk bootstrap` leaves in an account, as far as the stacks look at it.
    fn bootstrap(&self, bucket: &str, stacks: &[Stack]) -> Result<()> {
        for stack in stacks {
            self.service("ssm", &stack.region).json(
                "AmazonSSM.PutParameter",
                &json!({
                    "Name": "/cdk-bootstrap/hnb659fds/version", "Value": "30", "Type": "String",
                    "Overwrite": true,
                }),
            )?;
        }
        let here = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>\
             </CreateBucketConfiguration>"
        );
        let made =
            self.service("s3", REGION).send("PUT", &format!("/{bucket}"), &[], here.as_bytes());
        there_already(made.map(drop), "BucketAlreadyOwnedByYou")
    }

    fn upload(&self, path: &str, body: &[u8]) -> Result<()> {
        self.service("s3", REGION).send("PUT", path, &[], body).map(drop)
    }

    /// Creates a stack, unless another responder's deployment has.
    async fn create(&self, bucket: &str, stack: &Stack) -> Result<()> {
        // By way of S3, as CDK does: in the call itself it may be 51,200 bytes long, and some are
        // longer.
        let path = format!("/{bucket}/{}.template.json", stack.name);
        self.upload(&path, stack.template.to_string().as_bytes())?;
        let cloudformation = self.service("cloudformation", &stack.region);
        let url = format!("{}{path}", self.local.endpoint());
        let name = ("StackName", stack.name.as_str());
        let capability = ("Capabilities.member.1", "CAPABILITY_NAMED_IAM");
        let created =
            cloudformation.form("CreateStack", &[name, ("TemplateURL", &url), capability]);
        there_already(created.map(drop), "AlreadyExistsException")?;
        let status = until("the stack", SignedDuration::from_secs(60), async || {
            let answer = cloudformation.form("DescribeStacks", &[name])?;
            let status = text(&answer, "StackStatus").to_owned();
            Ok((!status.ends_with("_IN_PROGRESS")).then_some(status))
        })
        .await?;
        if status != "CREATE_COMPLETE" {
            let events = cloudformation.form("DescribeStackEvents", &[name])?;
            let reasons: Vec<&str> = events
                .split("<member>")
                .filter(|event| event.contains("CREATE_FAILED"))
                .map(|event| text(event, "ResourceStatusReason"))
                .collect();
            anyhow::bail!("{status}: {}", reasons.join("; "));
        }
        Ok(())
    }

    fn service(&self, name: &str, region: &str) -> Service {
        self.local.service(&self.account, region, name)
    }

    /// The name of the function of a lane.
    pub fn function(&self, lane: Lane) -> String {
        format!("backstop-{}-{lane}", self.responder)
    }

    /// The log of the function of a lane.
    ///
    /// # Errors
    /// If the local AWS does not answer.
    pub fn log(&self, lane: Lane) -> Result<Vec<String>> {
        let group = format!("/aws/lambda/{}", self.function(lane));
        self.local.log(&self.account, REGION, &group)
    }

    /// Puts events on the bus, as CloudTrail does.
    ///
    /// # Errors
    /// If the bus refuses one.
    pub fn put(&self, events: &[Value]) -> Result<()> {
        self.put_in(REGION, events)
    }

    /// The same in another Region.
    ///
    /// # Errors
    /// If the bus refuses one.
    pub fn put_in(&self, region: &str, events: &[Value]) -> Result<()> {
        let bus = self.service("events", region);
        for event in events {
            let entry = json!({
                "Source": event.get("source"),
                "DetailType": event.get("detail-type"),
                "Detail": event.get("detail").unwrap_or(&Value::Null).to_string(),
            });
            let answer = bus.json("AWSEvents.PutEvents", &json!({ "Entries": [entry] }))?;
            let failed = answer.get("FailedEntryCount");
            ensure!(failed == Some(&json!(0)), "the bus refused an event: {answer}");
        }
        Ok(())
    }

    /// Lets a schedule do now what it does at its time.
    ///
    /// # Errors
    /// If there is none of that name, or its role may not do it.
    pub fn fire(&self, schedule: &str) -> Result<()> {
        let sent = self.local.fire(&self.account, REGION, schedule)?;
        ensure!(sent, "the role of `{schedule}` may not do what the schedule does");
        Ok(())
    }

    /// Invokes the function of a lane and waits for its answer. The inner error is the function's.
    ///
    /// # Errors
    /// If Lambda refuses.
    pub fn invoke(&self, lane: Lane, payload: &Value) -> Result<Result<Value, Value>> {
        let path = format!("/2015-03-31/functions/{}/invocations", self.function(lane));
        let lambda = self.service("lambda", REGION);
        let answer = lambda.send("POST", &path, &[], payload.to_string().as_bytes())?;
        let body = serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body));
        Ok(if answer.function_error { Err(body) } else { Ok(body) })
    }

    /// The next message in the dead-letter queue of a lane.
    ///
    /// # Errors
    /// If none comes in time.
    pub async fn dead_letter(&self, lane: Lane, most: SignedDuration) -> Result<String> {
        let queue = format!("{}-dlq", self.function(lane));
        until("a dead letter", most, async || Ok(self.receive(&queue)?.into_iter().next())).await
    }

    /// Up to ten messages that are in a queue now, and now no more.
    ///
    /// # Errors
    /// If there is no such queue.
    pub fn receive(&self, queue: &str) -> Result<Vec<String>> {
        let sqs = self.service("sqs", REGION);
        let url = sqs.json("AmazonSQS.GetQueueUrl", &json!({ "QueueName": queue }))?;
        let url = url.get("QueueUrl").context("no queue URL")?;
        let answer = sqs.json(
            "AmazonSQS.ReceiveMessage",
            &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0 }),
        )?;
        let messages = answer.get("Messages").and_then(Value::as_array);
        let mut bodies = Vec::new();
        for message in messages.into_iter().flatten() {
            let receipt = message.get("ReceiptHandle");
            sqs.json(
                "AmazonSQS.DeleteMessage",
                &json!({ "QueueUrl": url, "ReceiptHandle": receipt }),
            )?;
            bodies.extend(message.get("Body").and_then(Value::as_str).map(str::to_owned));
        }
        Ok(bodies)
    }
}

/// What cannot be made because it is there is as good as made.
fn there_already(made: Result<()>, code: &str) -> Result<()> {
    match made {
        Err(error) if error.to_string().contains(code) => Ok(()),
        made => made,
    }
}

/// The text of an element of an XML answer; the stacks' names and reasons hold no markup.
fn text<'a>(xml: &'a str, element: &str) -> &'a str {
    let start = format!("<{element}>");
    let after = xml.split_once(start.as_str()).map_or("", |(_, after)| after);
    after.split_once('<').map_or("", |(text, _)| text)
}
