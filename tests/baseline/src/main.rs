//! A Lambda function that does nothing: what `make bench` measures the real ones against.
//!
//! The same runtime, the same features and the same kind of payload as `shared/lambda`; no AWS SDK.

use std::convert::Infallible;
use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(async {
        let service =
            service_fn(async |_: LambdaEvent<Box<RawValue>>| Ok::<_, Infallible>("nothing"));
        match Box::pin(lambda_runtime::run(service)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    })
}
