//! The words of the trade as types: each is spelled once, here, and nowhere as a bare string.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares an enum whose variants have one spelling in JSON, text, metrics and the journal.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling used everywhere.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// How soon a person must look at a finding, from the control's threshold table.
    Urgency {
        /// Recorded and reported, nobody is called.
        Info = "info",
        /// A ticket, in working hours.
        Ticket = "ticket",
        /// Somebody is woken.
        Page = "page",
    }
}

words! {
    /// What may run without a person (spec §0).
    Class {
        /// Runs unattended once the guards pass.
        Auto = "auto",
        /// Runs unattended only when the extra condition that its reason names holds.
        Guarded = "guarded",
        /// Runs after a person releases that exact plan.
        Approval = "approval",
        /// Never run by Backstop: the exact commands stand in the incident.
        Human = "human",
        /// Collects evidence, changes nothing.
        Read = "read",
        /// Calls a person; signals and thresholds have this class.
        Alert = "alert",
    }
}

words! {
    /// What the unattended lane may do; later is more.
    Mode {
        /// Assesses and notifies, keeps no plan.
        Observe = "observe",
        /// Also stores the steps and their hash, so that a person can approve them.
        Plan = "plan",
        /// Also applies what its class allows.
        Enforce = "enforce",
    }
}

words! {
    /// Who started it: each lane has its own function, its own role and its own payloads.
    Lane {
        /// Events and schedules.
        Unattended = "unattended",
        /// A person: run, approve, undo.
        Attended = "attended",
    }
}

words! {
    /// How an incident ended, or where it stands.
    Outcome {
        /// Nothing is wrong now.
        Compliant = "compliant",
        /// Notified, no plan kept.
        Observed = "observed",
        /// The plan is kept; nothing was applied because the mode is `plan`.
        Planned = "planned",
        /// Nothing was applied: a guard or a class stopped every step.
        Held = "held",
        /// Some steps were applied and verified, the rest is held.
        Partial = "partial",
        /// All containing steps were applied and verified.
        Contained = "contained",
        /// A step failed.
        Failed = "failed",
        /// Taken back by a person.
        Undone = "undone",
        /// Another incident already stands for this.
        Duplicate = "duplicate",
    }
}

words! {
    /// A limit that stops the unattended lane and calls a person.
    Limit {
        /// The resource was put right too often lately.
        Fight = "fight",
        /// The function acted too often lately.
        Breaker = "breaker",
    }
}

words! {
    /// The severity that the source gives a control.
    Severity {
        /// `MEDIUM` in the source.
        Medium = "medium",
        /// `HIGH` in the source.
        High = "high",
        /// `CRITICAL` in the source.
        Critical = "critical",
    }
}

words! {
    /// Where one step of an incident stands.
    StepStatus {
        /// Waits for a person or a guard.
        Held = "held",
        /// Decided, not begun.
        Planned = "planned",
        /// The entry is written, the call may have been made.
        Applying = "applying",
        /// The call answered; not yet seen in a fresh describe.
        Applied = "applied",
        /// A fresh describe shows it.
        Verified = "verified",
        /// Nothing to do: it was already so.
        Satisfied = "satisfied",
        /// Refused for good, or not seen in a fresh describe.
        Failed = "failed",
        /// Being taken back.
        Undoing = "undoing",
        /// Taken back, and seen in a fresh describe.
        Undone = "undone",
        /// Could not be taken back; a person is needed.
        UndoFailed = "undo-failed",
    }
}

impl Mode {
    /// The stricter of the two: a deployment may be stricter than the file, never looser.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        self.min(other)
    }
}

impl Outcome {
    /// Whether the incident waits for a person to release what is left of its plan.
    pub const fn awaits_approval(self) -> bool {
        matches!(self, Self::Planned | Self::Held | Self::Partial)
    }
}
