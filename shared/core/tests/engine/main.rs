//! The engine, over the journal in memory.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics where it fails")]

mod measures;
mod run;
mod sweep;
mod undo;
mod world;
