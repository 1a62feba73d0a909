//! IAM: the sessions of a role, and what is known of it.

mod cut_off;
mod reads;
mod revoke_sessions;

pub use cut_off::{CutOff, POLICY_NAME};
pub use reads::{Policy, Role, instance_profiles, policies, role};
pub use revoke_sessions::{LEAD, LONGEST_SESSION, RevokeSessions, Standing, standing};
