//! Who uses a role: all of them lose access at once.

use std::collections::BTreeSet;

use backstop_actions::iam::{self, Role};
use backstop_actions::{ec2, lambda};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::text::safe;

/// How many names a line has.
const SHOWN: usize = 10;

/// The users of a role that can be found; why they could not, where they could not.
pub(crate) struct Users {
    instances: Result<BTreeSet<String>, String>,
    functions: Result<BTreeSet<String>, String>,
}

/// What passes by itself is tried again; anything else is said, and keeps nobody from deciding.
fn said<T>(read: Result<T>) -> Result<Result<T, String>> {
    match read {
        Err(error) if error.is_transient() => Err(error),
        other => Ok(other.map_err(|error| error.to_string())),
    }
}

impl Users {
    /// The users of the role in the Region.
    ///
    /// # Errors
    /// `Transient` if a read may succeed later.
    pub(crate) async fn of(account: &Account, role: &Role) -> Result<Self> {
        let instances = async {
            let profiles = iam::instance_profiles(account, role.name()).await?;
            ec2::instances_with_profiles(account, &profiles).await
        };
        let (instances, functions) =
            futures::join!(instances, lambda::functions_with_role(account, &role.arn));
        Ok(Self { instances: said(instances)?, functions: said(functions)? })
    }

    /// Who loses access, and who may without being seen here.
    pub(crate) fn words(&self, region: &str) -> String {
        format!(
            "in {region} the role is used by {} and {}; all of them lose access at once. Not seen \
             here: other Regions, EKS pods (Pod Identity, IRSA), ECS tasks, other services, people \
             and accounts that assume it",
            listed(&self.instances, "instance"),
            listed(&self.functions, "function")
        )
    }

    /// How each of them gets new credentials.
    pub(crate) fn follow_up(&self) -> Vec<String> {
        let mut lines = Vec::new();
        // What could not be read may be there.
        let any =
            |users: &Result<BTreeSet<String>, String>| users.as_ref().is_ok_and(BTreeSet::is_empty);
        if !any(&self.instances) {
            lines.push(
                "an instance serves the denied credentials until EC2 rotates them, which takes \
                 hours: stop and start it, or give it another instance profile with another role"
                    .to_owned(),
            );
        }
        if !any(&self.functions) {
            lines.push(
                "a function's warm environments hold denied credentials until they are recycled: \
                 change something harmless of it, such as its description"
                    .to_owned(),
            );
        }
        lines.push(
            "pods and tasks hold denied credentials for up to 6 h: restart them. Whoever assumed \
             the role assumes it again"
                .to_owned(),
        );
        lines
    }
}

fn listed(users: &Result<BTreeSet<String>, String>, kind: &str) -> String {
    let users = match users {
        Ok(users) => users,
        Err(why) => return format!("{kind}s that could not be read ({})", safe(why, 200)),
    };
    let plural = if users.len() == 1 { "" } else { "s" };
    let mut names: Vec<String> = users.iter().take(SHOWN).map(|name| safe(name, 64)).collect();
    if users.len() > SHOWN {
        names.push("…".to_owned());
    }
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("{} {kind}{plural}{names}", users.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> BTreeSet<String> {
        (0..count).map(|n| format!("i-{n:03}")).collect()
    }

    #[test]
    fn sr_1_users_are_counted_and_named_up_to_a_bound() {
        for (users, expected) in [
            (Ok(some(0)), "0 instances"),
            (Ok(some(1)), "1 instance (i-000)"),
            (Ok(some(2)), "2 instances (i-000, i-001)"),
            (Err("denied".to_owned()), "instances that could not be read (denied)"),
        ] {
            assert_eq!(listed(&users, "instance"), expected);
        }
        assert!(listed(&Ok(some(11)), "instance").ends_with("i-009, …)"));
    }

    #[test]
    fn sr_1_what_could_not_be_read_may_be_there() {
        let users = |functions| Users { instances: Ok(some(0)), functions };
        assert_eq!(users(Ok(some(0))).follow_up().len(), 1);
        assert_eq!(users(Err("denied".to_owned())).follow_up().len(), 2);
    }
}
