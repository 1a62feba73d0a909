//! The deployed Automation documents: their scripts are run against the deployed function, from
//! the form to the change. Automation itself is not emulated: its references are filled in here.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use backstop_testkit::Scene;
use backstop_testkit::scene::{Allow, REGION};
use serde_json::{Map, Value, json};

use crate::process::deployed;

/// What `aws:executeScript` does: defines the handler, and calls it with the payload.
const EXECUTE: &str = r"
import json, sys
step = json.load(sys.stdin)
defined = {'__name__': 'script'}
exec(step['Script'], defined)
print(json.dumps(defined[step['Handler']](step['InputPayload'], {})))
";

/// An execution of a document: the form, and the outputs of the steps that were run.
pub(crate) struct Execution {
    pub(crate) scene: Scene,
    steps: Vec<Value>,
    pub(crate) known: Map<String, Value>,
}

impl Execution {
    /// Starts the deployed document of that name with a form; what it leaves out has its default.
    pub(crate) fn start(scene: Scene, document: &str, form: &Value) -> Self {
        let ssm = scene.local.service(scene.id(), REGION, "ssm");
        let answer = ssm.json("AmazonSSM.GetDocument", &json!({ "Name": document })).unwrap();
        let content: Value = serde_json::from_str(answer["Content"].as_str().unwrap()).unwrap();
        let mut known = Map::new();
        known.insert("automation:EXECUTION_ID".to_owned(), json!("4711"));
        for (name, field) in content["parameters"].as_object().unwrap() {
            let given = form.get(name).or(field.get("default"));
            known.insert(name.clone(), given.unwrap_or_else(|| panic!("{name}")).clone());
        }
        for name in form.as_object().unwrap().keys() {
            assert!(known.contains_key(name), "the form has no field {name}");
        }
        Self { scene, steps: content["mainSteps"].as_array().unwrap().clone(), known }
    }

    /// Runs a script step; what it returns is what later steps know.
    pub(crate) fn run(&mut self, name: &str) -> Result<Value, String> {
        let step = self.steps.iter().find(|step| step["name"] == name).unwrap().clone();
        let mut inputs = step["inputs"].clone();
        inputs["InputPayload"] = self.filled(&inputs["InputPayload"]);
        let mut child = Command::new(python())
            .args(["-c", EXECUTE])
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.scene.local.endpoint())
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", self.scene.id())
            .env("AWS_SECRET_ACCESS_KEY", "dummy")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(inputs.to_string().as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        let payload: Value = serde_json::from_slice(&done.stdout).unwrap();
        for output in step["outputs"].as_array().unwrap() {
            let path = output["Selector"].as_str().unwrap().strip_prefix("$.Payload.").unwrap();
            let key = format!("{name}.{}", output["Name"].as_str().unwrap());
            self.known.insert(key, payload[path].clone());
        }
        Ok(payload)
    }

    /// A value with its references filled in.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                match text.strip_prefix("{{ ").and_then(|t| t.strip_suffix(" }}")) {
                    Some(name) => self.known.get(name).unwrap_or_else(|| panic!("{name}")).clone(),
                    None => value.clone(),
                }
            }
            Value::Object(members) => {
                members.iter().map(|(key, one)| (key.clone(), self.filled(one))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.clone(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where boto3 is installed, as in Automation")]
pub(crate) fn python() -> std::path::PathBuf {
    let venv = std::env::var_os("BACKSTOP_VENV").unwrap(); // hint: run `make test`
    Path::new(&venv).join("moto/bin/python")
}

pub(crate) fn form(scene: &Scene, target: &Value) -> Value {
    let mut form = json!({
        "Account": scene.id(), "Region": REGION, "RequestedBy": "alice", "Reason": "INC-42",
        "Approvers": ["arn:aws:iam::111111111111:role/OnCall"],
    });
    for (name, value) in target.as_object().unwrap() {
        form[name] = value.clone();
    }
    form
}

#[tokio::test]
async fn r2_1a_a_runbook_in_systems_manager_applies_what_was_approved() {
    let (scene, _function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::range(20, 30, "0.0.0.0/0")).await.unwrap();
    let account = scene.id().to_owned();
    let filled = form(&scene, &json!({ "GroupId": group }));
    let mut execution = Execution::start(scene, "backstop-ssh-access-revoke-ingress", &filled);
    let plan = execution.run("Plan").unwrap();
    assert_eq!(plan["decision"], "approve", "{plan}");
    let message = plan["message"].as_str().unwrap();
    assert!(message.contains("tcp 20-30") && message.contains("narrow"), "{message}");
    assert_eq!(execution.scene.rules(&group).await.unwrap(), ["tcp 20-30 from 0.0.0.0/0"]);

    let decision = json!([{ "Approver": format!("arn:aws:iam::{account}:role/OnCall") }]);
    execution.known.insert("Approve.ApproverDecisions".to_owned(), decision);
    let applied = execution.run("Apply").unwrap();
    assert!(applied["result"].as_str().unwrap().contains("contained"), "{applied}");
    let mut left = execution.scene.rules(&group).await.unwrap();
    left.sort();
    assert_eq!(left, ["tcp 20-21 from 0.0.0.0/0", "tcp 23-30 from 0.0.0.0/0"]);

    // The same approval again: it was used.
    let again = execution.run("Apply").unwrap_err();
    assert!(again.contains("not applied"), "{again}");
}

#[tokio::test]
async fn r2_1a_a_runbook_that_finds_nothing_ends_before_the_approval() {
    let (scene, _function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let filled = form(&scene, &json!({ "GroupId": group }));
    let mut execution = Execution::start(scene, "backstop-ssh-access-revoke-ingress", &filled);
    let plan = execution.run("Plan").unwrap();
    assert_eq!(plan["decision"], "nothing", "{plan}");

    // Nothing at all is filled in: the function's own words reach the person.
    for field in ["GroupId", "RuleId", "InstanceId"] {
        execution.known.insert(field.to_owned(), json!(""));
    }
    let refused = execution.run("Plan").unwrap_err();
    assert!(refused.contains("invalid: "), "{refused}");
}
