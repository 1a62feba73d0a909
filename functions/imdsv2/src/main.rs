//! The Lambda function of `aws-work-01`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backstop_lambda::run(|| Box::new(imdsv2::Imdsv2))
}
