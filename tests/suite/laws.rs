//! The laws, on every action and on every responder.

mod actions; // the cases of every action of EC2
mod broken; // each law catches what it is made to catch
mod imds; // the canonical scenario of imdsv2
pub(crate) mod roles; // a role, as the actions of IAM are tried on it
mod ssh; // the canonical scenario of ssh-access

use backstop_testkit::laws::{Broken, Tally};

/// How many seeds a deeper run asks for, if this is one: `BACKSTOP_CHAOS=200`. It also tries every
/// law of responders on a plan of two steps.
#[expect(clippy::disallowed_methods, reason = "a deeper run asks for more")]
fn deeper() -> Option<u64> {
    std::env::var("BACKSTOP_CHAOS").ok().and_then(|text| text.parse().ok())
}

/// The seeds of the orders that are tried: so many, or what a deeper run asks for.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..deeper().unwrap_or(usual)
}

/// Prints what was run, and fails with the law that is broken.
fn verdict(what: &str, kept: Result<(), Broken>, tally: &Tally) {
    println!("{what}\n{}", tally.table());
    if let Err(broken) = kept {
        panic!("{broken}");
    }
}
