//! What is refused: each its own message, hint and exit code, and nothing is changed.

use backstop_core::journal::{Claimant, Journal};
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use jiff::{SignedDuration, Timestamp};

use super::{Done, Person};
use crate::ssh_access::machine;

/// Checks one line of the table, and prints it.
fn refused(done: &Done, name: &str, code: i32, said: &str) {
    let err = done.err.trim();
    println!("{name:<44} {} {}", done.code, err.replace('\n', " / "));
    assert_eq!(done.code, code, "{name}: {done:?}");
    assert!(err.contains("error: "), "{name}: {err}");
    assert!(err.contains(said), "{name}: `{said}` is not in: {err}");
    // Each has one hint; what the parser of the command line refuses, its usage.
    let hints = err.matches("hint: ").count();
    assert!(hints == 1 || err.contains("For more information, try"), "{name}: {hints}: {err}");
}

/// What is typed, the exit code, and what is said. `INCIDENT` is one that is held, about `GROUP`.
const BAD: &[(&str, &str, i32, &str)] = &[
    (
        "an unknown runbook",
        "backstop run ssh-access.revoke-ingres --reason x",
        2,
        "a similar subcommand exists: 'ssh-access.revoke-ingress'",
    ),
    ("no target", "RUN", 2, "--group-id <id>|--rule-id <id>|--instance-id <id>"),
    (
        "a malformed target",
        "RUN --group-id 'sg-1; reboot'",
        2,
        "'--group-id <id>': it is not a security group id",
    ),
    ("half a target", "RUN --rule-id sgr-0123456789abcdef0", 2, "needs one target"),
    (
        "a group that is not there",
        "RUN --group-id sg-0123456789abcdef0",
        2,
        "there is no security group sg-0123456789abcdef0 in ",
    ),
    (
        "a group that is not there, to be applied",
        "RUN --group-id sg-0123456789abcdef0 --apply --yes",
        2,
        "hint: nothing was applied; look at the ids, `--account` and `--region`",
    ),
    (
        "a rule of another group",
        "RUN --group-id GROUP --rule-id sgr-0123456789abcdef0",
        2,
        "sgr-0123456789abcdef0 is no rule of ",
    ),
    (
        "an instance that is not there",
        "RUN --instance-id i-0123456789abcdef0",
        2,
        "there is no running instance i-0123456789abcdef0 in ",
    ),
    ("no reason", "backstop run ssh-access.revoke-ingress --group-id GROUP", 2, "--reason <text>"),
    (
        "a malformed account",
        "RUN --group-id GROUP --account 42",
        2,
        "it is not an account id (12 digits)",
    ),
    (
        "an account out of scope",
        "RUN --group-id GROUP --account 999999999999",
        2,
        "999999999999 in eu-west-1 is not in the scope of the policy\nhint: ",
    ),
    (
        "a Region out of scope",
        "RUN --group-id GROUP --region us-west-2",
        2,
        "in us-west-2 is not in the scope of the policy\nhint: ",
    ),
    (
        "a wrong home Region",
        "RUN --group-id GROUP --home-region us-west-2",
        3,
        "there is no function `backstop-ssh-access-attended` in us-west-2\nhint: ",
    ),
    (
        "an unknown option of the choice",
        "backstop approve INCIDENT --option wide --yes",
        2,
        "has no option `wide`\nhint: it has: narrow, revoke",
    ),
    (
        "a step that is none",
        "backstop approve INCIDENT --steps 9 --yes",
        2,
        "would not be released\nhint: held are the steps: 1 (narrow), 2 (narrow), 3 (revoke)",
    ),
    (
        "another plan than the stored one",
        "backstop approve INCIDENT --plan-hash abc --yes",
        4,
        "hint: look at it with `backstop show`",
    ),
    (
        "an approval without a terminal",
        "backstop approve INCIDENT",
        4,
        "nobody can be asked without a terminal\nhint: ",
    ),
    ("a malformed incident id", "backstop approve 'i#1; reboot'", 2, "it is not an incident id"),
    (
        "an incident of no responder",
        "backstop show nobody-20261123-aaaaaaaaaaaa",
        2,
        "belongs to no responder\nhint: ",
    ),
    (
        "an incident that does not exist",
        "backstop show ssh-access-20261123-aaaaaaaaaaaa",
        2,
        "there is no incident `ssh-access-20261123-aaaaaaaaaaaa`\nhint: ",
    ),
    (
        "approving none",
        "backstop approve ssh-access-20261123-aaaaaaaaaaaa --yes",
        2,
        "there is no incident",
    ),
    (
        "undoing none",
        "backstop undo ssh-access-20261123-aaaaaaaaaaaa --yes",
        2,
        "there is no incident",
    ),
    (
        "undoing what was never done",
        "backstop undo INCIDENT --yes",
        5,
        "is held: nothing was changed that could be taken back\nhint: ",
    ),
    (
        "a step that is not in the plan",
        "backstop undo INCIDENT --step 9 --yes",
        5,
        "has no step 9\nhint: ",
    ),
    (
        "an unknown outcome",
        "backstop incidents --outcome great",
        2,
        "[possible values: compliant, observed",
    ),
    ("a time that is none", "backstop incidents --since soon", 2, "is no time\nhint"),
    (
        "an unknown responder",
        "backstop incidents --responder nobody",
        2,
        "there is no responder `nobody`\nhint: ",
    ),
    ("an unknown queue", "backstop dlq show orders", 2, "`orders`\nhint: the queues"),
    (
        "a policy that is not there",
        "backstop incidents --local --config nowhere.toml",
        2,
        "cannot read the policy `nowhere.toml`: No such file or directory (os error 2)\nhint: ",
    ),
    (
        "no credentials",
        "env -u AWS_ACCESS_KEY_ID backstop incidents",
        3,
        "no AWS credentials were found\nhint: ",
    ),
    (
        "no Region",
        "env -u AWS_REGION backstop incidents",
        2,
        "in which Region Backstop is deployed\nhint: ",
    ),
];

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let person = Person::on_call().await;
    let (group, incident) = person.held("web").await;
    let mark = person.scene.mark().unwrap();
    for (name, line, code, said) in BAD.iter().copied() {
        let line = line
            .replace("RUN", "backstop run ssh-access.revoke-ingress --reason INC-42")
            .replace("GROUP", &group)
            .replace("INCIDENT", &incident);
        refused(&person.types(&line), name, code, said);
    }
    assert_eq!(person.changes(mark), [""; 0], "none of these changes anything");
}

#[tokio::test]
async fn an_approval_is_bound_to_the_plan_that_was_shown() {
    let person = Person::on_call().await;
    let (group, incident) = person.held("web").await;
    let approve = format!("backstop approve {incident} --yes");
    // Somebody changes the rule: the plan would be another one.
    let shown = person.reads(&format!("backstop show {incident}"));
    let rule = shown["incidents"][0]["ids"]["rule_id"][0].as_str().unwrap();
    person.scene.modify(&group, rule, (21, 40), "192.168.0.0/16").await.unwrap();
    let mark = person.scene.mark().unwrap();
    let changed = person.types(&approve);
    refused(&changed, "live state has changed", 4, "live state has changed since the plan of");
    assert!(changed.err.contains("the plan that was shown (-)"), "{}", changed.err);
    let has = |mark: char, ports: &str| {
        changed.err.lines().any(|line| line.starts_with(mark) && line.contains(ports))
    };
    assert!(has('-', "tcp 20-30 from 10.0.0.0/8"), "{}", changed.err);
    assert!(has('+', "tcp 21-40 from 192.168.0.0/16"), "{}", changed.err);
    assert_eq!(person.changes(mark), [""; 0]);

    // The hint makes a new plan, and applies it once somebody says yes.
    let line = changed.err.split('`').find(|part| part.starts_with("backstop run ")).unwrap();
    let again = person.types(&format!("{} --yes", line.replace("WHY", "INC-43")));
    assert_eq!(again.code, 0, "{line}: {again:?}");
    refused(&person.types(&approve), "it is right by now", 4, "live state has changed");

    // Twice.
    let (_, incident) = person.held("other").await;
    let approve = format!("backstop approve {incident} --approved-by alice --yes");
    assert_eq!(person.types(&approve).code, 0);
    refused(&person.types(&approve), "approved twice", 2, "was approved by `alice` at ");

    // Two people at once: another has it in hand.
    let store = backstop_aws::DynamoStore::new(&person.scene.connection, "backstop-journal");
    let journal = Journal::new(std::sync::Arc::new(store));
    let mut who = Claimant {
        responder: "ssh-access",
        control: "aws-work-02",
        owner: "bob",
        now: Timestamp::now(),
    };
    who.now = who.now.saturating_add(SignedDuration::from_mins(2)).unwrap();
    let _hand = journal.reopen(&incident, &who).await.unwrap();
    let both = person.types(&format!("backstop undo {incident} --yes"));
    refused(&both, "two people at once, undo", 5, "another works on the incident");
    let (_, incident) = person.held("third").await;
    let _hand = journal.reopen(&incident, &who).await.unwrap();
    let both = person.types(&format!("backstop approve {incident} --yes"));
    refused(&both, "two people at once, approve", 3, "another works on the incident");
}

#[tokio::test]
async fn an_expired_plan_says_what_to_run() {
    let person = Person::on_call().await;
    let group = person.scene.group("web").await.unwrap();
    let rule = person.scene.allow(&group, Allow::range(20, 30, "10.0.0.0/8")).await.unwrap();
    let event = person.scene.recorded().authorized(&group, &[rule]);
    // Held five hours ago.
    let unattended = machine(&person.scene, &How::default()).unwrap();
    unattended.clock.forward(SignedDuration::from_hours(-5));
    let held = unattended.invoke(&event).await.unwrap();
    let id = &held.incidents[0].id;
    let mark = person.scene.mark().unwrap();
    let expired = person.types(&format!("backstop approve {id} --yes"));
    refused(&expired, "an expired plan", 4, "has expired\nhint: ");
    assert!(expired.out.is_empty(), "nobody is asked about it: {}", expired.out);
    assert!(expired.err.contains(&format!("--group-id {group}")), "{}", expired.err);
    assert_eq!(person.changes(mark), [""; 0]);
}

#[tokio::test]
async fn an_undo_does_not_overwrite_a_later_change() {
    let person = Person::on_call().await;
    let group = person.scene.group("web").await.unwrap();
    person.scene.allow(&group, Allow::range(20, 30, "0.0.0.0/0")).await.unwrap();
    let run = format!(
        "backstop run ssh-access.revoke-ingress --group-id {group} --reason INC-42 --apply \
         --option narrow --yes"
    );
    let applied = person.reads(&run);
    let id = applied["incidents"][0]["id"].as_str().unwrap().to_owned();
    let narrowed = person.scene.rules(&group).await.unwrap();
    assert_eq!(narrowed.len(), 2, "{narrowed:?} {applied}");

    // Somebody changes one of the two rules that are left.
    let rule = applied["incidents"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["action"] == "ec2.security-group-rule.modify/1")
        .unwrap();
    let id_of_rule = rule["command"]
        .as_str()
        .unwrap()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .find(|word| word.starts_with("sgr-"))
        .unwrap();
    person.scene.modify(&group, id_of_rule, (20, 20), "10.0.0.0/8").await.unwrap();
    let mark = person.scene.mark().unwrap();
    let step = format!("backstop undo {id} --step {} --yes", rule["n"]);
    let kept = person.types(&step);
    refused(&kept, "changed since", 5, "has changed since");
    assert!(kept.err.contains("before") && kept.err.contains("after"), "{}", kept.err);
    assert!(kept.err.contains("--force --reason WHY"), "{}", kept.err);
    assert_eq!(person.changes(mark), [""; 0], "a refused undo changes nothing");

    refused(&person.types(&format!("{step} --force")), "force without a reason", 2, "--reason");
    // What is there now is shown before it is asked whether to overwrite it; the rest follows.
    let force = format!("backstop undo {id} --force --reason 'it was ours'");
    let (code, said) = person.answers(&force, "yes");
    assert_eq!(code, 0, "{said}");
    let asked: Vec<&str> = said.split("Type `yes`: ").collect();
    let [first, second, rest] = asked.as_slice() else {
        panic!("{} questions: {said}", asked.len())
    };
    assert!(first.ends_with("Take it back? "), "{first}");
    assert!(second.ends_with("Overwrite what step 2 finds now? "), "{second}");
    let columns = ["before", "after", "now", "10.0.0.0/8"];
    assert!(columns.iter().all(|said| second.contains(said)), "{second}");
    assert!(rest.contains("UNDONE"), "{rest}");
    assert_eq!(person.scene.rules(&group).await.unwrap(), ["tcp 20-30 from 0.0.0.0/0"]);
    refused(
        &person.types(&format!("backstop undo {id} --yes")),
        "undoing an undone incident",
        5,
        "was taken back already\nhint: ",
    );
}
