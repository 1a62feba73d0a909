//! The thing that a law is tried on, as AWS shows it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use backstop_actions::ec2::Which;
use serde_json::{Value, json};

use crate::hosts::Launch;
use crate::scene::Scene;

/// A thing as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// All of it, without the ids that AWS makes anew when it is put back.
    pub whole: Value,
    /// What was there beside what the work is about, ids included: it must not be touched.
    pub beside: Value,
}

/// What an action or a responder works on, read back without either.
#[async_trait]
pub trait Thing: Debug + Send + Sync {
    /// Reads it now.
    async fn read(&self, scene: &Scene) -> Result<Seen>;
}

/// A number that names the next thing.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name that no other thing of this process has.
pub fn fresh_name() -> String {
    format!("law-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A security group with other rules in it than the one that matters.
#[derive(Clone, Debug)]
pub struct Group {
    /// `sg-…`.
    pub id: String,
    beside: BTreeSet<String>,
}

impl Group {
    /// A fresh group with that many other rules, one at least; they come before what is made later.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn new(scene: &Scene, others: usize) -> Result<Self> {
        let id = scene.group(&fresh_name()).await?;
        let beside = scene.crowd(&id, others.max(1)).await?.into_iter().collect();
        Ok(Self { id, beside })
    }
}

#[async_trait]
impl Thing for Group {
    async fn read(&self, scene: &Scene) -> Result<Seen> {
        let rules = backstop_actions::ec2::rules_of(&scene.account, &self.id).await?;
        let mut whole = Vec::new();
        let mut beside = Vec::new();
        for live in rules {
            let shown = json!({ "egress": live.is_egress, "rule": live.rule });
            if self.beside.contains(&live.id) {
                beside.push(json!({ "id": live.id, "rule": live.rule }));
            }
            whole.push(shown.to_string());
        }
        whole.sort();
        Ok(Seen { whole: json!(whole), beside: json!(beside) })
    }
}

/// An instance, beside others that are as they should be.
#[derive(Clone, Debug)]
pub struct Host {
    /// `i-…`.
    pub id: String,
    beside: Vec<String>,
}

impl Host {
    /// A fresh instance, and that many others, one at least, which come before it.
    ///
    /// # Errors
    /// If EC2 refuses.
    pub async fn new(scene: &Scene, others: usize, launch: Launch<'_>) -> Result<Self> {
        let count = i32::try_from(others.max(1))?;
        let beside = scene.hosts(count, Launch::STRICT, None).await?;
        let beside = beside.into_iter().filter_map(|instance| instance.instance_id).collect();
        Ok(Self { id: scene.host(launch).await?, beside })
    }
}

#[async_trait]
impl Thing for Host {
    async fn read(&self, scene: &Scene) -> Result<Seen> {
        let mut beside = Vec::new();
        for ids in self.beside.chunks(100) {
            let hosts = backstop_actions::ec2::hosts(&scene.account, Some(Which::Ids(ids))).await?;
            beside
                .extend(hosts.into_iter().map(|host| json!({ "id": host.id, "is": host.options })));
        }
        let host = backstop_actions::ec2::host(&scene.account, &self.id).await?;
        let whole = host.map(|h| json!({ "state": h.state, "tags": h.tags, "is": h.options }));
        Ok(Seen { whole: json!(whole), beside: json!(beside) })
    }
}

/// The defaults of the account: there is one of it, and nothing beside it.
#[derive(Clone, Copy, Debug)]
pub struct Defaults;

#[async_trait]
impl Thing for Defaults {
    async fn read(&self, scene: &Scene) -> Result<Seen> {
        let defaults = backstop_actions::ec2::metadata_defaults(&scene.account).await?;
        Ok(Seen { whole: json!(defaults), beside: json!([]) })
    }
}
