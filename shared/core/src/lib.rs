//! What every responder shares and no responder may do for itself: the words, the events, the
//! engine, the rules of the journal, the guards, the operator's policy.
//!
//! No AWS SDK, no environment, no clock of its own: `C`, an opaque context, reaches AWS.

pub mod action;
pub mod alert;
pub mod assessment;
pub mod candidate;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
pub mod ident;
pub mod incident;
pub mod journal;
pub mod manifest;
pub mod metrics;
pub mod net;
pub mod plan;
pub mod report;
pub mod responder;
pub mod text;
pub mod trust;
pub mod words;

pub use error::{Context, Error, Result};
