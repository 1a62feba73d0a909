//! The deployed function.
