//! Scenarios per control, the journal's conformance, the real binaries, the catalogue.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test panics where it fails, and prints what it found"
)]

mod bad_input; // what wrong input gets
mod cli; // the `backstop` command
mod commands; // the AWS CLI lines of a step, run as they are printed
mod engine; // guards, modes, lanes, resumption
mod generated; // files that are derived from the code
mod imdsv2; // aws-work-01
mod journal; // one suite for both stores
mod laws; // the laws of every action and every responder
mod metrics; // what is measured, and the lines that CloudWatch reads
mod operator; // the operator at a terminal, against the deployed stacks
mod process; // the real binary through EventBridge and Lambda
mod revoke_sessions; // SR-1
mod rules; // what the deployed rules match
mod runbooks; // the deployed Automation documents, from the form to the change
mod ssh_access; // aws-work-02
