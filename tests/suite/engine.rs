//! The engine over the local AWS, beyond the laws: guards, modes, lanes, reports.

mod guards;
mod look;
mod report;
mod resume;
mod sweep;

use backstop_aws::Connection;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Faults, Machine, Scene};
use serde_json::Value;
use ssh_access::SshAccess;

use crate::ssh_access::one;

/// A group with a rule that the event opened.
async fn opened(scene: &Scene, name: &str) -> (String, Value) {
    let group = scene.group(name).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    (group, event)
}

const OPEN: [&str; 1] = ["tcp 22 from 0.0.0.0/0"];

/// An engine over a connection with faults.
fn faulty(scene: &Scene) -> (Machine, Faults) {
    let faults = Faults::around(scene.connection.http());
    let connection: Connection = scene.connection.clone().with_http(faults.client());
    // Many cases share an account: its breaker must not be what stops them.
    let how = How::default().and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 1000\n");
    let machine = Machine::over(Box::new(SshAccess), scene, &connection, &how).unwrap();
    (machine, faults)
}

/// The calls that the work makes when nothing goes wrong.
async fn calls_of_a_containment(scene: &Scene) -> Vec<String> {
    let (_, event) = opened(scene, "base").await;
    let (machine, faults) = faulty(scene);
    faults.clear();
    one(machine.invoke(&event).await.unwrap()).unwrap();
    faults.made()
}
