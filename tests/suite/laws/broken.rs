//! Each law is shown to catch something: actions and responders that are broken on purpose, each
//! otherwise the real one, and the law that must catch it.

mod actions;
mod responders;

use std::collections::BTreeSet;

use backstop_testkit::laws::{Broken, Law};

/// A specimen that a law must catch. Says so, or what happened instead.
fn caught(specimen: &str, law: Law, kept: Result<(), Broken>) -> Result<(), String> {
    match kept {
        Err(broken) if broken.law() == Some(law) => {
            println!("{specimen:<42} | {law}\n    {}", shortened(&broken.to_string()));
            Ok(())
        }
        Err(other) => Err(format!("{specimen}: meant for `{law}`, but {other}")),
        Ok(()) => Err(format!("{specimen}: `{law}` did not catch it")),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

#[test]
fn every_law_has_a_specimen() {
    let caught: BTreeSet<Law> =
        actions::CATCHES.iter().chain(responders::CATCHES).map(|(_, law)| *law).collect();
    let missing: Vec<&Law> = Law::ALL.iter().filter(|law| !caught.contains(law)).collect();
    assert!(missing.is_empty(), "no specimen shows that these catch anything: {missing:?}");
}
