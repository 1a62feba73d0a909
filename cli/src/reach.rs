//! How a responder is reached: the deployed function of the attended lane, or its engine here.

mod deployed;
mod in_process;

pub(crate) use in_process::policy_of;

use std::fmt::Debug;
use std::path::PathBuf;

use async_trait::async_trait;
use backstop_core::Error;
use backstop_core::event::{Operator, Show};
use backstop_core::report::{Reply, Reported};

use crate::exit::{Exit, Failure};
use crate::principal::Principal;

/// Asks the attended lane of a responder.
#[async_trait]
pub(crate) trait Reach: Debug + Send + Sync {
    /// What the responder answers.
    async fn ask(&self, responder: &str, order: &Operator) -> Result<Reply, Unanswered>;
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The responder refuses.
    Refused(Error),
    /// The responder was not reached, or its answer was lost.
    Unreached(Error),
}

impl Unanswered {
    /// Why.
    pub(crate) const fn error(&self) -> &Error {
        match self {
            Self::Refused(error) | Self::Unreached(error) => error,
        }
    }

    /// Whether the responder was not reached, or its answer lost.
    pub(crate) const fn is_unreached(&self) -> bool {
        matches!(self, Self::Unreached(_))
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            // What people ask for is not there: the input is wrong, not AWS.
            Unanswered::Refused(error) if error.is_missing() => Self::Ended(Exit::Usage, error),
            Unanswered::Refused(error) | Unanswered::Unreached(error) => error.into(),
        }
    }
}

// Which way is taken. No doc comment: clap would take it for what the verb is about.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Way {
    /// Run the engine here, with your own credentials, instead of asking the deployed function.
    #[arg(long, help_heading = "Reach")]
    local: bool,
    /// The policy of `--local`: the one that is deployed, or plans of the function do not fit.
    #[arg(
        long,
        default_value = "config/backstop.toml",
        value_name = "file",
        help_heading = "Reach"
    )]
    pub(crate) config: PathBuf,
    /// The Region where Backstop is deployed; that of your credentials unless given.
    #[arg(long, value_name = "region", help_heading = "Reach")]
    home_region: Option<String>,
}

/// The operator, and the way to the responders.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) principal: Principal,
    reach: Box<dyn Reach>,
}

impl Desk {
    /// Finds the credentials, and takes the way.
    pub(crate) async fn open(way: &Way) -> Result<Self, Failure> {
        let principal = Principal::find(way.home_region.as_deref()).await?;
        let reach: Box<dyn Reach> = if way.local {
            Box::new(in_process::InProcess::new(&principal, &way.config).await?)
        } else {
            Box::new(deployed::Deployed::new(principal.connection()))
        };
        Ok(Self { principal, reach })
    }

    /// The way that was taken.
    pub(crate) fn reach(&self) -> &dyn Reach {
        &*self.reach
    }

    /// What the responder answers.
    pub(crate) async fn ask(&self, responder: &str, order: &Operator) -> Result<Reply, Unanswered> {
        self.reach.ask(responder, order).await
    }

    /// One incident whole.
    pub(crate) async fn show(&self, responder: &str, id: &str) -> Result<Reported, Failure> {
        show(self.reach(), responder, id).await
    }
}

/// One incident whole.
pub(crate) async fn show(
    reach: &dyn Reach,
    responder: &str,
    id: &str,
) -> Result<Reported, Failure> {
    let reply = reach.ask(responder, &Operator::Show(Show { incident: id.to_owned() })).await?;
    let shown = reply.incidents.into_iter().next();
    Ok(shown.ok_or_else(|| Error::bug(format!("`{responder}` did not show `{id}`")))?)
}
