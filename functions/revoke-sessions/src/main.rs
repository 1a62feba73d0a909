//! The Lambda function of SR-1.

use std::process::ExitCode;

fn main() -> ExitCode {
    backstop_lambda::run(|| Box::new(revoke_sessions::RevokeSessions))
}
