//! A responder as a Lambda function: settings, logs, the engine, the answer.

pub mod emf;
mod function;
mod settings;

use std::process::ExitCode;
use std::sync::Arc;

use backstop_aws::Account;
use backstop_core::Error;
use backstop_core::responder::Responder;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;

pub use function::Function;
pub use settings::Settings;

/// Runs a responder as a Lambda function until Lambda ends the process.
///
/// Everything that can be wrong with the deployment is wrong here, before the first event: the
/// process ends with status 1 and says why.
pub fn run(responder: fn() -> Box<dyn Responder<Account>>) -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_writer(std::io::stdout)
        .init();
    // One event at a time: more threads would only slow the start.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Error::bug(format!("cannot start the runtime: {error}"))),
    };
    runtime.block_on(async {
        let function = match Settings::from_env().and_then(|s| Function::new(responder(), s)) {
            Ok(function) => Arc::new(function),
            Err(error) => return failed(&error),
        };
        let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let function = Arc::clone(&function);
            async move {
                function.handle(event.payload.get(), &event.context).await.map_err(Failure)
            }
        });
        match Box::pin(lambda_runtime::run(service)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&Error::bug(format!("the Lambda runtime ended: {error}"))),
        }
    })
}

/// Says loudly why the function cannot start.
fn failed(error: &Error) -> ExitCode {
    let hint = error.hint_text().unwrap_or_default();
    tracing::error!(class = error.class().name(), %error, hint, "cannot start");
    ExitCode::FAILURE
}

/// An error as Lambda reports it: `errorType` is the class, stable and few.
#[derive(Debug)]
struct Failure(Error);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: error.class().name().to_owned(), error_message: error.written() }
    }
}
