//! The reversible changes to AWS: one module per service, one cargo feature per service.

#[cfg(feature = "ec2")]
pub mod ec2;
