//! Lambda: which functions use a role.

mod reads;

pub use reads::functions_with_role;
