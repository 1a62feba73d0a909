//! What tests and the demo share: the local AWS, scenes in it, records as AWS emits them, faults,
//! and the suite that every journal store passes. Everything here panics or fails with a message
//! that names what went wrong; nothing here is deployed.

pub mod aws_cli;
pub mod cargo_lambda;
pub mod conformance;
pub mod faults;
pub mod hosts;
pub mod laws;
pub mod local;
pub mod machine;
pub mod records;
pub mod scene;

pub use faults::{Fault, Faults};
pub use local::{Call, Local};
pub use machine::{Machine, StillClock};
pub use scene::Scene;
pub use turns::Turns;

pub mod deploy;
pub mod policy;
pub mod turns;
pub mod wait;
pub mod wire;
