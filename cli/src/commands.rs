//! The verbs.

pub(crate) mod config;
pub(crate) mod controls;
pub(crate) mod explain;
pub(crate) mod manifest;

use clap::ValueEnum;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; fields are only ever added.
    Json,
}
