//! AWS as Backstop reaches it: clients per account and Region, the journal in DynamoDB, notices
//! over SNS, tickets in OpsCenter, and the one place that turns AWS's error codes into classes.

pub mod account;
pub mod classify;
pub mod clock;
pub mod connect;
pub mod dynamo;
pub mod notify;
pub mod permissions;

pub use account::{Account, Members};
pub use classify::Classify;
pub use clock::{FixedClock, SystemClock};
pub use connect::{Connection, Credentials};
pub use dynamo::DynamoStore;
pub use notify::{Telling, Topics};
