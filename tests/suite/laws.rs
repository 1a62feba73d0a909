//! The laws, on every action and on every responder.

mod actions; // the cases of every action of EC2
mod broken; // each law catches what it is made to catch
mod ssh; // the canonical scenario of ssh-access

use backstop_testkit::laws::{Broken, Tally};

/// How many orders of two deliveries are tried: so many, or what a deeper run asks for.
#[expect(clippy::disallowed_methods, reason = "a deeper run asks for more")]
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("BACKSTOP_SEEDS").ok().and_then(|text| text.parse().ok());
    0..asked.unwrap_or(usual)
}

/// Prints what was run, and fails with the law that is broken.
fn verdict(what: &str, kept: Result<(), Broken>, tally: &Tally) {
    println!("{what}\n{}", tally.table());
    if let Err(broken) = kept {
        panic!("{broken}");
    }
}
