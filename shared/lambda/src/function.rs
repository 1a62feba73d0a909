//! The engine of one function, wired to AWS.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use backstop_aws::notify::Topics;
use backstop_aws::{Account, Connection, DynamoStore, FixedClock, Members, SystemClock, Telling};
use backstop_core::clock::{Clock, Deadline};
use backstop_core::config::Config;
use backstop_core::engine::{Accounts, Engine, Invocation};
use backstop_core::ident::Shape;
use backstop_core::journal::Journal;
use backstop_core::report::Reply;
use backstop_core::responder::Responder;
use backstop_core::words::{Lane, Mode};
use backstop_core::{Error, Result};
use jiff::Timestamp;
use lambda_runtime::Context;

use crate::emf::Emf;
use crate::settings::Settings;

/// One function: everything that needs no event is ready before the first one.
#[derive(Debug)]
pub struct Function {
    parts: Mutex<Option<Parts>>,
    engine: OnceLock<Engine<Account>>,
}

/// What the engine is made of, once the account is known.
#[derive(Debug)]
struct Parts {
    responder: Box<dyn Responder<Account>>,
    config: Arc<Config>,
    journal: Journal,
    clock: Arc<dyn Clock>,
    connection: Connection,
    topics: Topics,
    lane: Lane,
    mode: Mode,
}

impl Function {
    /// The function of a responder.
    ///
    /// # Errors
    /// `Invalid` if the policy is, with every mistake in it.
    pub fn new(responder: Box<dyn Responder<Account>>, settings: Settings) -> Result<Self> {
        let clock: Arc<dyn Clock> = match settings.now {
            Some(now) => Arc::new(FixedClock::at(now)),
            None => Arc::new(SystemClock),
        };
        let config = Config::parse(&settings.policy, clock.now()).map_err(|mistakes| {
            Error::from(mistakes).context(format!("the policy `{}`", settings.policy_path))
        })?;
        for warning in config.warnings(clock.now()) {
            tracing::warn!(%warning, "policy");
        }
        let file = config.mode(responder.manifest().responder);
        let mode = match settings.mode {
            None => file,
            Some(asked) if settings.loopback => {
                if asked > file {
                    tracing::warn!(%asked, %file, "the mode is looser than the policy: AWS is local");
                }
                asked
            }
            Some(asked) => file.stricter(asked),
        };
        let connection =
            settings.connection.for_lane(responder.manifest().responder, settings.lane)?;
        let parts = Parts {
            responder,
            config: Arc::new(config),
            journal: Journal::new(Arc::new(DynamoStore::new(&connection, &settings.table))),
            clock,
            connection,
            topics: settings.topics,
            lane: settings.lane,
            mode,
        };
        Ok(Self { parts: Mutex::new(Some(parts)), engine: OnceLock::new() })
    }

    /// The engine; made at the first event, whose function ARN says which account is home.
    fn engine(&self, context: &Context) -> Result<&Engine<Account>> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let home = {
            let known = parts.as_ref().map(|p| p.config.scope.accounts.as_slice());
            home_account(&context.invoked_function_arn, known.unwrap_or_default())?
        };
        if let Some(parts) = parts.take() {
            let accounts: Arc<dyn Accounts<Account>> = Arc::new(Members::new(
                &home,
                parts.connection.clone(),
                parts.responder.manifest().responder,
                parts.lane,
            ));
            let notifier = Telling::new(&parts.connection, parts.topics, Arc::clone(&accounts));
            let engine = Engine {
                responder: parts.responder,
                journal: parts.journal,
                accounts,
                notifier: Arc::new(notifier),
                meter: Arc::new(Emf),
                clock: parts.clock,
                config: parts.config,
                lane: parts.lane,
                mode: parts.mode,
            };
            if self.engine.set(engine).is_err() {
                return Err(Error::bug("the engine was made twice"));
            }
        }
        self.engine.get().ok_or_else(|| Error::bug("the engine could not be made"))
    }

    /// Handles one event.
    ///
    /// # Errors
    /// As [`Engine::handle`].
    pub async fn handle(&self, text: &str, context: &Context) -> Result<Reply> {
        let engine = self.engine(context)?;
        let now = engine.clock.now();
        let given = i64::try_from(context.deadline)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        // The deadline is real time, whatever time the clock says.
        let left = Deadline::of(given, Timestamp::now()).left(Timestamp::now());
        let until = now.saturating_add(left).unwrap_or(now);
        let invocation = Invocation {
            request_id: context.request_id.clone(),
            owner: format!("{}@{}", context.request_id, Timestamp::now().as_nanosecond()),
            deadline: Deadline::of(until, now),
        };
        let answer = engine.handle(text, &invocation).await;
        if let Err(error) = &answer {
            tracing::error!(class = error.class().name(), %error, "failed");
        }
        answer
    }
}

/// The account that the function runs in. cargo-lambda's ARN names none; then the scope does, if
/// it holds exactly one.
fn home_account(function_arn: &str, scope: &[String]) -> Result<String> {
    let named = function_arn.split(':').nth(4).filter(|id| Shape::Account.fits(id));
    match (named, scope) {
        (Some(id), _) => Ok(id.to_owned()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Error::invalid(format!(
            "the function's ARN `{}` names no account",
            backstop_core::text::safe(function_arn, 120)
        ))
        .hint("run it locally with a policy whose `scope.accounts` holds one account")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_account_is_the_functions() {
        let arn = "arn:aws:lambda:eu-west-1:111111111111:function:backstop-ssh-access";
        let two = ["222222222222".to_owned(), "333333333333".to_owned()];
        assert_eq!(home_account(arn, &two).unwrap(), "111111111111");
        assert_eq!(home_account("function-arn", &two[..1]).unwrap(), "222222222222");
        assert!(home_account("function-arn", &two).is_err());
    }
}
