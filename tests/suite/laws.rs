//! The laws, on every action and on every responder.

mod actions; // the cases of every action of EC2
mod broken; // each law catches what it is made to catch
mod ssh; // the canonical scenario of ssh-access

use backstop_testkit::laws::{Broken, Tally};

/// Prints what was run, and fails with the law that is broken.
fn verdict(what: &str, kept: Result<(), Broken>, tally: &Tally) {
    println!("{what}\n{}", tally.table());
    if let Err(broken) = kept {
        panic!("{broken}");
    }
}
