//! SR-1: given what IAM holds, when a person starts the runbook, then what.

mod deployed; // the function, the command, the SSM document, the printed lines
mod interrupted; // lost answers, and who ends what was begun
mod revoke; // the cut-off, who uses the role, what it may read
mod undo; // not before the last session has ended

use anyhow::{Context as _, Result};
use backstop_actions::iam::{CutOff, POLICY_NAME};
use backstop_aws::Account;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::report::{Reply, Reported};
use backstop_core::responder::{Detection, Memory, Responder, Survey};
use backstop_testkit::machine::How;
use backstop_testkit::scene::REGION;
use backstop_testkit::{Machine, Scene};
use jiff::Timestamp;
use revoke_sessions::RevokeSessions;
use serde_json::{Value, json};

pub(crate) use crate::laws::roles::{TRUST, document};
use crate::ssh_access::one;

fn machine(scene: &Scene, how: &How) -> Machine {
    Machine::new(Box::new(RevokeSessions), scene, how).unwrap()
}

/// The responder where a policy names preauthorised roles: under a name of its own, because the
/// deployed unattended role is bound to those of the deployment's policy, which names none.
#[derive(Debug)]
struct Preauthorising;

static SPECIMEN: Manifest = Manifest { responder: "revoke-specimen", ..revoke_sessions::MANIFEST };

#[async_trait::async_trait]
impl Responder<Account> for Preauthorising {
    fn manifest(&self) -> &'static Manifest {
        &SPECIMEN
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        RevokeSessions.actions()
    }

    fn detect(&self, event: &Envelope) -> Detection {
        RevokeSessions.detect(event)
    }

    fn target(&self, run: &Run, key: &str) -> backstop_core::Result<Vec<Candidate>> {
        RevokeSessions.target(run, key)
    }

    async fn survey(
        &self,
        account: &Account,
        memory: &Memory,
        origin: &Origin,
    ) -> backstop_core::Result<Survey> {
        RevokeSessions.survey(account, memory, origin).await
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> backstop_core::Result<Assessment<Account>> {
        RevokeSessions.assess(candidate, account, memory).await
    }
}

fn attended(scene: &Scene) -> Machine {
    machine(scene, &How::default().attended())
}

/// A role of that name under a path. Returns its ARN.
async fn role_in(scene: &Scene, path: &str, name: &str) -> Result<String> {
    let made = scene.account.iam().create_role().role_name(name).path(path);
    let made = made.assume_role_policy_document(TRUST).send().await?;
    Ok(made.role.context("no role")?.arn)
}

pub(crate) async fn role(scene: &Scene, name: &str) -> Result<String> {
    role_in(scene, "/", name).await
}

/// Gives a role an inline policy.
async fn put(scene: &Scene, role: &str, policy: &str, text: &str) -> Result<()> {
    let put = scene.account.iam().put_role_policy().role_name(role).policy_name(policy);
    put.policy_document(text).send().await?;
    Ok(())
}

/// The policy that a cut-off is in, as the console writes it.
fn cut_off_at(time: &str) -> String {
    CutOff::NONE.with(time)
}

/// The cut-off of a role, none if it has no policy of that name.
async fn cut_off(scene: &Scene, role: &str) -> Option<Timestamp> {
    let text = document(scene, role, POLICY_NAME).await.ok()?;
    CutOff::read(&text).unwrap().time()
}

fn run(scene: &Scene, role: &str, apply: bool) -> Value {
    json!({ "backstop": { "run": {
        "runbook": "revoke-sessions.revoke", "target": { "role_name": role },
        "account": scene.id(), "region": REGION, "apply": apply,
        "requested_by": "alice", "reason": "INC-42",
    }}})
}

fn approve(incident: &Reported) -> Value {
    json!({ "backstop": { "approve": {
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice",
    }}})
}

fn undo(incident: &str, force: bool) -> Value {
    json!({ "backstop": { "undo": {
        "incident": incident, "requested_by": "alice", "reason": "it was ours", "force": force,
    }}})
}

fn show(incident: &str) -> Value {
    json!({ "backstop": { "show": { "incident": incident }}})
}

fn sweep() -> Value {
    json!({ "backstop": { "sweep": {} } })
}

/// Invokes a machine, and returns the one incident.
async fn tell(machine: &Machine, order: &Value) -> backstop_core::Result<Reported> {
    let reply: Reply = machine.invoke(order).await?;
    Ok(one(reply).unwrap())
}

/// Makes the plan for a role, and releases it.
async fn revoked(scene: &Scene, role: &str) -> Reported {
    let machine = attended(scene);
    let plan = tell(&machine, &run(scene, role, false)).await.unwrap();
    tell(&machine, &approve(&plan)).await.unwrap()
}
