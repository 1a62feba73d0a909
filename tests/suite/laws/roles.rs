//! A role, as IAM shows it.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use backstop_actions::iam::{CutOff, POLICY_NAME};
use backstop_testkit::Scene;
use backstop_testkit::laws::thing::fresh_name;
use backstop_testkit::laws::{Seen, Thing};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// An older cut-off, spaced as nobody but a person would.
pub(super) const OLDER: &str = r#"{ "Version" : "2012-10-17", "Statement" : [ { "Resource": "*",
    "Sid": "Revoked", "Effect": "Deny", "Action": "*",
    "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"}} } ] }"#;

/// What the IAM console writes.
pub(super) const CONSOLE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-02-03T04:05:06.789Z"}}}]}"#;

/// A deny that must not get lost, with all that a shell could take for its own.
pub(super) const FOREIGN: &str = r#"{"Version":"2012-10-17","Statement":{"Sid":"Keep","Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::it's $(id) `id` \"x\" \\u0000/*"]}}"#;

/// Who may assume the roles of the tests.
pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role with other inline policies than the one that matters.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) name: String,
    pub(super) arn: String,
    made: Timestamp,
}

impl Holder {
    /// A fresh role with that many other inline policies, one at least.
    pub(super) async fn new(
        scene: &Scene,
        others: usize,
        path: &str,
        policy: Option<&str>,
    ) -> Result<Self> {
        let (iam, name) = (scene.account.iam(), fresh_name());
        let made = iam.create_role().role_name(&name).path(path).assume_role_policy_document(TRUST);
        let arn = made.send().await?.role.context("no role")?.arn;
        let read = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
        let other = (0..others.max(1)).map(|n| (format!("other-{n}"), read));
        let own = policy.map(|text| (POLICY_NAME.to_owned(), text));
        for (policy, text) in other.chain(own) {
            let put = iam.put_role_policy().role_name(&name).policy_name(policy);
            put.policy_document(text).send().await?;
        }
        Ok(Self { name, arn, made: Timestamp::now() })
    }

    async fn document(&self, scene: &Scene, policy: &str) -> Result<String> {
        document(scene, &self.name, policy).await
    }

    /// The cut-off that it has.
    pub(super) async fn cut_off(&self, scene: &Scene) -> Result<Option<Timestamp>> {
        let Ok(document) = self.document(scene, POLICY_NAME).await else { return Ok(None) };
        Ok(CutOff::read(&document)?.time())
    }
}

/// An inline policy of a role, to the letter.
pub(crate) async fn document(scene: &Scene, role: &str, policy: &str) -> Result<String> {
    let answer = scene.account.iam().get_role_policy().role_name(role).policy_name(policy);
    let answer = answer.send().await?;
    // As the emulator encodes it: nothing in it but octets.
    let mut octets = Vec::new();
    let mut rest = answer.policy_document.as_str();
    while let Some((head, tail)) = rest.split_once('%') {
        octets.extend(head.bytes());
        let (digits, after) = tail.split_at(2);
        octets.push(u8::from_str_radix(digits, 16)?);
        rest = after;
    }
    octets.extend(rest.bytes());
    Ok(String::from_utf8(octets)?)
}

#[async_trait]
impl Thing for Holder {
    /// A cut-off that was made since is a time that two runs do not have in common: where it lies,
    /// and not when, is compared.
    async fn read(&self, scene: &Scene) -> Result<Seen> {
        let list = scene.account.iam().list_role_policies().role_name(&self.name).send().await?;
        let (mut own, mut beside) = (Value::Null, Vec::new());
        for policy in list.policy_names {
            let text = self.document(scene, &policy).await?;
            if policy == POLICY_NAME {
                let cut_off = CutOff::read(&text)?.time();
                let new = cut_off.filter(|time| *time >= self.made);
                own = match new {
                    Some(time) => {
                        let ahead = time.duration_since(self.made);
                        let soon = ahead >= SignedDuration::from_secs(30)
                            && ahead <= SignedDuration::from_mins(5);
                        json!([text.replace(&time.to_string(), "TIME"), soon])
                    }
                    None => json!(text),
                };
            } else {
                beside.push(json!({ "policy": policy, "text": text }));
            }
        }
        Ok(Seen { whole: json!({ "own": own, "beside": beside }), beside: json!(beside) })
    }
}
