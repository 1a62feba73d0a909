//! The laws that every action and every responder inherits.
//!
//! A law is a function that runs its cases and says how many there were, or which one broke it.
//! Nothing here panics: a test can show that a law catches what it is made to catch.

pub mod action;
pub mod end;
pub mod responder;
pub mod thing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use thing::{Defaults, Group, Host, Seen, Thing};

/// Declares the laws with the sentence that each is.
macro_rules! laws {
    ($($(#[$doc:meta])* $law:ident = $text:literal),+ $(,)?) => {
        /// One law.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Law { $($(#[$doc])* $law),+ }

        impl Law {
            /// Every law.
            pub const ALL: &'static [Self] = &[$(Self::$law),+];

            /// The law in one sentence.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$law => $text),+ }
            }
        }
    };
}

laws! {
    /// Of actions.
    LooksOnly = "observing and describing change nothing",
    /// Of actions.
    Satisfies = "apply satisfies",
    /// Of actions.
    Foreseen = "what is seen after is what the plan foresaw",
    /// Of actions.
    AgainIdle = "apply again changes nothing",
    /// Of actions.
    Restores = "undo restores what was seen before",
    /// Of actions.
    UndoAgainIdle = "undo again changes nothing",
    /// Of actions.
    ReadsBack = "the journaled form reads back to the same",
    /// Of actions.
    ErrorClass = "a call that goes wrong is an error of its class",
    /// Of actions.
    Repeats = "repeated after a fault it ends where the run without one does",
    /// Of actions.
    NoFalseSuccess = "access denied is never success",
    /// Of actions.
    PartialUndone = "undo restores from every partial state",
    /// Of actions and responders.
    Declared = "every call is declared",
    /// Of actions.
    Used = "every declared action is used",
    /// Of actions and responders.
    PageTwo = "page two is read",
    /// Of actions.
    Beside = "what else is there stays untouched",
    /// Of responders.
    Retry = "any call may fail: the retry ends where the run without a fault does",
    /// Of responders.
    SdkRetry = "with the SDK's retries the first delivery succeeds alone",
    /// Of responders.
    Refusals = "any call may be refused: never silence, never a false claim",
    /// Of responders.
    CrashDelivery = "the process may die at any call: the next delivery resumes",
    /// Of responders.
    CrashSweep = "the process may die at any call: the sweep resumes",
    /// Of responders.
    TwoDeliveries = "two deliveries at once contain once",
    /// Of responders.
    TwoEvents = "two events about one resource at once end as one after the other",
    /// Of responders.
    Redelivery = "a redelivery after hours changes nothing",
    /// Of responders.
    AlreadyRight = "an event about what is right by now changes nothing",
    /// Of responders.
    Modes = "observe and plan modes change nothing",
    /// Of responders.
    UndoPartial = "a containment that stopped anywhere can be taken back, or is left as it is",
    /// Of responders.
    UndoInterrupted = "an undo that stopped anywhere ends, repeated, restored once",
    /// Of responders.
    UndoRefused = "an undo that is refused changes nothing",
    /// Of responders.
    ApproveInterrupted = "an approval that stopped anywhere ends, repeated, with each change made once",
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// Why a law could not be shown to hold.
#[derive(Debug)]
pub enum Broken {
    /// It does not.
    Law {
        /// Which one.
        law: Law,
        /// The case: whose, the n-th call, the operation, the fault, the seed and its order.
        case: String,
        /// What differed.
        what: String,
    },
    /// The scene did not play along: nothing is known about the law.
    Scene(anyhow::Error),
}

impl Broken {
    /// The law that is broken, none if the scene failed.
    pub const fn law(&self) -> Option<Law> {
        match self {
            Self::Law { law, .. } => Some(*law),
            Self::Scene(_) => None,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Law { law, case, what } => write!(f, "law `{law}` broken by {case}: {what}"),
            Self::Scene(error) => write!(f, "the scene did not play along: {error:#}"),
        }
    }
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Self::Scene(error)
    }
}

impl From<backstop_core::Error> for Broken {
    fn from(error: backstop_core::Error) -> Self {
        Self::Scene(anyhow::anyhow!("{error}"))
    }
}

/// What a law comes to.
pub type Kept<T = ()> = Result<T, Broken>;

/// The broken law of a case.
fn broken<T>(law: Law, case: impl fmt::Display, what: impl fmt::Display) -> Kept<T> {
    Err(Broken::Law { law, case: case.to_string(), what: what.to_string() })
}

/// Breaks the law unless it holds; what differed is told only then.
fn hold(law: Law, holds: bool, case: impl fmt::Display, what: impl FnOnce() -> String) -> Kept<()> {
    if holds { Ok(()) } else { broken(law, case, what()) }
}

/// What was run, and which declared permissions it used.
#[derive(Debug, Default)]
pub struct Tally {
    cases: BTreeMap<Law, usize>,
    notes: BTreeMap<String, usize>,
    used: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Tally {
    /// Counts cases of a law.
    pub fn count(&mut self, law: Law, cases: usize) {
        *self.cases.entry(law).or_default() += cases;
    }

    /// Counts something that is no law.
    pub fn note(&mut self, what: &str, times: usize) {
        *self.notes.entry(what.to_owned()).or_default() += times;
    }

    /// How many cases of a law were run.
    pub fn cases(&self, law: Law) -> usize {
        self.cases.get(&law).copied().unwrap_or_default()
    }

    fn use_of(&mut self, action: &'static str, needed: String) {
        self.used.entry(action).or_default().insert(needed);
    }

    /// A small table: law and cases.
    pub fn table(&self) -> String {
        let laws = self.cases.iter().map(|(law, n)| (law.text().to_owned(), n));
        let notes = self.notes.iter().map(|(what, n)| (format!("  ({what})"), n));
        let rows: Vec<(String, &usize)> = laws.chain(notes).collect();
        let wide = rows.iter().map(|(text, _)| text.chars().count()).max().unwrap_or_default();
        rows.iter()
            .map(|(text, n)| format!("{text:<wide$} | {n:>5}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}
