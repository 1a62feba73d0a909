//! What a security group rule admits: protocols, ports and sources, as sets that can be reckoned
//! with exactly.

mod addresses;
mod ports;

pub use addresses::AddressSet;
pub use ports::{Coverage, PortRange, Protocol, tcp_coverage};
