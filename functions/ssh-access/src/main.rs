//! The Lambda function of `aws-work-02`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backstop_lambda::run(|| Box::new(ssh_access::SshAccess))
}
