//! The thing that a law is tried on, as AWS shows it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Value, json};

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
