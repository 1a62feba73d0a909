//! Dead letters: shown without being taken, and planned anew.

use backstop_core::words::Lane;
use backstop_testkit::scene::{Allow, REGION};
use serde_json::{Value, json};

use super::Person;
use crate::process::MOST;

const QUEUE: &str = "backstop-ssh-access-unattended-dlq";

/// A queue that responders share.
const SHARED: &str = "backstop-heartbeat-dlq";

impl Person {
    /// Asks SQS about a queue, as somebody else does.
    fn sqs(&self, action: &str, queue: &str, mut body: Value) -> Value {
        let sqs = self.scene.local.service(self.scene.id(), REGION, "sqs");
        let url = sqs.json("AmazonSQS.GetQueueUrl", &json!({ "QueueName": queue })).unwrap();
        body["QueueUrl"] = url["QueueUrl"].clone();
        sqs.json(&format!("AmazonSQS.{action}"), &body).unwrap()
    }

    /// The next calls of that operation are refused so.
    fn refuses(&self, (service, operation): (&str, &str), times: u32, status: u16, code: &str) {
        let (local, account) = (&self.scene.local, self.scene.id());
        local.fail(account, service, operation, times, status, code).unwrap();
    }

    /// Puts a message into the queue, as Lambda does after the third failure; the local AWS's
    /// Lambda sets no attributes.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
    fn fails(&self, body: &str) -> String {
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let message = json!({
            "MessageBody": body,
            "MessageAttributes": {
                "RequestID": text("5d1b7f9e-0000-4000-8000-000000000001"),
                "ErrorCode": { "DataType": "Number", "StringValue": "200" },
                "ErrorMessage": text("`ec2:DescribeSecurityGroupRules`: Throttling\u{202e}"),
            },
        });
        let sent = self.sqs("SendMessage", QUEUE, message);
        sent["MessageId"].as_str().unwrap().to_owned()
    }

    /// Puts a message into the queue about a rule of a new group, which the attended lane can plan.
    async fn fails_about(&self, name: &str) -> String {
        let group = self.scene.group(name).await.unwrap();
        let rule = self.scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        self.fails(&self.scene.recorded().authorized(&group, &[rule]).to_string())
    }

    fn waiting(&self) -> i64 {
        let queues = self.reads("backstop dlq list");
        let queue = queues.as_array().unwrap().iter().find(|q| q["queue"] == QUEUE).unwrap();
        queue["waiting"].as_i64().unwrap() + queue["in_flight"].as_i64().unwrap()
    }

    /// How many messages nobody can have now.
    fn in_flight(&self) -> i64 {
        let queues = self.reads("backstop dlq list");
        let queue = queues.as_array().unwrap().iter().find(|q| q["queue"] == QUEUE).unwrap();
        queue["in_flight"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn what_failed_is_looked_at_and_left_where_it_is() {
    let person = Person::on_call().await;
    let none = person.types("backstop dlq list");
    assert_eq!(none.code, 0, "{none:?}");
    let names: Vec<&str> =
        none.out.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        [
            "backstop-ssh-access-unattended-dlq",
            "backstop-ssh-access-attended-dlq",
            "backstop-ssh-access-rules-dlq",
            "backstop-imdsv2-unattended-dlq",
            "backstop-imdsv2-attended-dlq",
            "backstop-imdsv2-rules-dlq",
            "backstop-revoke-sessions-unattended-dlq",
            "backstop-revoke-sessions-attended-dlq",
            "backstop-revoke-sessions-rules-dlq",
            "backstop-heartbeat-dlq",
        ]
    );
    assert!(!none.out.contains("not deployed"), "these are the deployed names: {}", none.out);
    assert_eq!(person.types("backstop dlq show").code, 0);

    // A real one: the function could not read it.
    let group = person.scene.group("web").await.unwrap();
    let rule = person.scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let good = person.scene.recorded().authorized(&group, &[rule]);
    let mut broken = good.clone();
    broken["detail"]["recipientAccountId"] = json!({ "not": "an id" });
    person.function.put(&[broken]).unwrap();
    backstop_testkit::wait::until("the dead letter", MOST, async || {
        Ok((person.waiting() == 1).then_some(()))
    })
    .await
    .unwrap();
    let unreadable = person.types(&format!("backstop dlq show {QUEUE}"));
    assert_eq!(unreadable.code, 1, "{unreadable:?}");
    assert!(unreadable.out.contains("left where it is: cannot read `detail.recipientAccountId`"));

    // One that failed for a while.
    let id = person.fails(&good.to_string());
    for _ in 0..2 {
        let shown = person.types("backstop dlq show ssh-access");
        assert_eq!(shown.code, 1, "{shown:?}");
        for said in [
            id.as_str(),
            "failed    200: `ec2:DescribeSecurityGroupRules`: Throttling\u{fffd}",
            "from      5d1b7f9e-",
            "event     AuthorizeSecurityGroupIngress of aws.ec2",
            "would be  planned from live state: `ssh-access.revoke-ingress` for",
        ] {
            assert!(shown.out.contains(said), "`{said}` is not in: {}", shown.out);
        }
    }
    assert_eq!(person.waiting(), 2, "looking takes nothing");
    let listed = person.types("backstop dlq list");
    assert_eq!(listed.code, 1, "{listed:?}");
}

#[tokio::test]
async fn a_redrive_plans_and_applies_nothing() {
    let person = Person::on_call().await;
    let group = person.scene.group("web").await.unwrap();
    let rule = person.scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    // Young enough that the unattended function would act on it.
    let event = person.scene.recorded().authorized(&group, &[rule]);
    let mut replay = event.clone();
    replay["replay-name"] = json!("last-week");
    let good = person.fails(&event.to_string());
    let ignored = person.fails(&replay.to_string());
    let order =
        json!({ "backstop": { "show": { "incident": "ssh-access-20261123-aaaaaaaaaaaa" } } });
    let stays = person.fails(&order.to_string());
    let mut foreign = event.clone();
    foreign["account"] = json!("222222222222");
    let foreign = person.fails(&foreign.to_string());
    let mark = person.scene.mark().unwrap();

    let redrive = format!("backstop dlq redrive {QUEUE}");
    let told = person.types(&redrive);
    assert_eq!(told.code, 1, "{told:?}");
    for said in [
        format!("{good}  planned from live state: `ssh-access.revoke-ingress` for {group}"),
        format!("{ignored}  deleted: ignored, it is a replay"),
        format!("{stays}  left where it is: `show` is not planned anew"),
        // Deleted on the word of a policy that may not be the deployed one, it would be lost.
        format!("{foreign}  left where it is: 222222222222 in eu-west-1 is not in the scope"),
    ] {
        assert!(told.err.contains(&said), "`{said}` is not in: {}", told.err);
    }
    assert_eq!(person.types(&format!("{redrive} --apply")).code, 4, "nobody can be asked");
    assert_eq!(person.types(&format!("{redrive} --message nothing --apply --yes")).code, 2);
    assert_eq!(person.types("backstop dlq redrive ssh-access").code, 2);
    assert_eq!(person.waiting(), 4);
    assert_eq!(person.reads("backstop incidents")["incidents"], json!([]), "nothing was asked for");

    // AWS refuses: the message stays.
    person.refuses(("lambda", "Invoke"), 1, 500, "ServiceException");
    let failed = person.types(&format!("{redrive} --message {good} --apply --yes"));
    assert_eq!(failed.code, 3, "{failed:?}");
    assert_eq!(person.waiting(), 4, "deleted only once it is planned");

    let planned = person.reads(&format!("{redrive} --message {good} --apply --yes"));
    let incident = &planned["incidents"][0];
    assert_eq!(incident["outcome"], "planned", "{planned}");
    assert_eq!(person.waiting(), 3);
    let rest = person.types(&format!("{redrive} --apply --yes"));
    assert_eq!(rest.code, 1, "two stay: {rest:?}");
    assert_eq!(person.waiting(), 2);
    assert_eq!(person.changes(mark), [""; 0], "a redrive is plan-only");
    assert_eq!(person.scene.rules(&group).await.unwrap(), ["tcp 22 from 0.0.0.0/0"]);

    // A person releases it.
    let id = incident["id"].as_str().unwrap();
    assert_eq!(person.types(&format!("backstop approve {id} --yes")).code, 0);
    assert!(person.scene.rules(&group).await.unwrap().is_empty());
    let undo = person.types(&format!("backstop undo {id}"));
    assert!(undo.err.contains("differs: the rule comes back with a new id"), "{undo:?}");
    let unattended: Value = person.function.invoke(Lane::Unattended, &event).unwrap().unwrap();
    assert_eq!(unattended["incidents"][0]["outcome"], "compliant", "{unattended}");
}

#[tokio::test]
async fn what_was_planned_is_told_whatever_fails_beside_it() {
    let person = Person::on_call().await;
    let (first, _) = (person.fails_about("first").await, person.fails_about("second").await);
    let redrive = format!("backstop dlq redrive {QUEUE} --apply --yes --format json");

    // The first is not answered: the second is planned and told all the same.
    person.refuses(("lambda", "Invoke"), 1, 500, "ServiceException");
    let one = person.types(&redrive);
    assert_eq!(one.code, 3, "{one:?}");
    let told: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!(told["incidents"].as_array().unwrap().len(), 1, "{told}");
    let cause = format!("{first}  left where it is: `lambda:InvokeFunction`: ServiceException");
    assert!(one.err.contains(&cause), "{}", one.err);
    assert!(one.err.contains("\nerror: `lambda:InvokeFunction`"), "{}", one.err);
    assert_eq!((person.waiting(), person.in_flight()), (1, 0));

    // It is planned, and cannot be deleted.
    person.refuses(("sqs", "DeleteMessage"), 1, 403, "AccessDeniedException");
    let kept = person.types(&redrive);
    assert_eq!(kept.code, 3, "{kept:?}");
    let told: Value = serde_json::from_str(&kept.out).unwrap();
    let plan = &told["incidents"][0];
    assert_eq!(plan["outcome"], "planned", "{told}");
    assert!(kept.err.contains("hint: the managed policy `backstop-redriver`"), "{}", kept.err);
    assert_eq!((person.waiting(), person.in_flight()), (1, 0));

    // Its plan is open already: that one can be approved, and is what is told.
    let again = person.types(&redrive);
    assert_eq!(again.code, 1, "a plan waits: {again:?}");
    let told: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(told["incidents"][0]["id"], plan["id"], "{told}");
    assert_eq!(told["incidents"][0]["plan_hash"], plan["plan_hash"], "{told}");
    assert_eq!(person.waiting(), 0);
    let id = plan["id"].as_str().unwrap();
    assert_eq!(person.types(&format!("backstop approve {id} --yes")).code, 0);
}

#[tokio::test]
async fn a_plan_that_is_open_is_told_once() {
    let person = Person::on_call().await;
    // The unattended lane held it; its event comes to nothing elsewhere, twice.
    let group = person.scene.group("web").await.unwrap();
    let rule = person.scene.allow(&group, Allow::range(20, 30, "10.0.0.0/8")).await.unwrap();
    let event = person.scene.recorded().authorized(&group, &[rule]);
    let held = person.function.invoke(Lane::Unattended, &event).unwrap().unwrap();
    for _ in 0..2 {
        person.fails(&event.to_string());
    }
    let redrive = format!("backstop dlq redrive {QUEUE} --apply --yes --format json");
    let done = person.types(&redrive);
    assert_eq!(done.code, 4, "it is held: {done:?}");
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["incidents"].as_array().unwrap().len(), 1, "{told}");
    for what in ["id", "plan_hash"] {
        assert_eq!(told["incidents"][0][what], held["incidents"][0][what], "{told}");
    }
    assert_eq!(person.waiting(), 0);
}

#[tokio::test]
async fn what_somebody_holds_is_not_taken_for_nothing() {
    let person = Person::on_call().await;
    person.fails_about("web").await;
    let redrive = format!("backstop dlq redrive {QUEUE}");
    let mark = person.scene.mark().unwrap();
    assert_eq!(person.types(&redrive).code, 1);
    assert_eq!(person.types(&format!("{redrive} --apply")).code, 4, "nobody can be asked");
    let hidden: Vec<Value> = person
        .scene
        .calls(mark)
        .unwrap()
        .iter()
        .filter(|call| call.operation == "ReceiveMessage")
        .map(|call| call.params["VisibilityTimeout"].clone())
        .collect();
    // Each receives until there is nothing more.
    assert_eq!(hidden, [60; 4], "not for long, whatever becomes of who is asked");
    // Who is asked and gives up hides nothing, not even while the question is open.
    let mark = person.scene.mark().unwrap();
    let (code, said) = person.answers(&format!("{redrive} --apply"), "no");
    assert_eq!(code, 1, "{said}");
    let calls: Vec<String> =
        person.scene.calls(mark).unwrap().iter().map(backstop_testkit::Call::name).collect();
    assert_eq!(calls.last().unwrap(), "sqs:ChangeMessageVisibility", "{calls:?}");
    assert_eq!(person.in_flight(), 0);

    person.sqs("ReceiveMessage", QUEUE, json!({ "VisibilityTimeout": 900 }));
    let held = format!("{QUEUE}: 1 is held by somebody; visible again within 15 min");
    for line in ["backstop dlq show", &redrive, &format!("{redrive} --apply --yes")] {
        let done = person.types(line);
        assert_eq!(done.code, 1, "{line}: {done:?}");
        assert!(done.err.contains(&held), "{line}: {}", done.err);
        assert!(!done.err.contains("no message waits"), "{line}: {}", done.err);
    }
    assert_eq!(person.reads("backstop dlq show"), json!([{ "queue": QUEUE, "held": 1 }]));
}

#[tokio::test]
async fn what_cannot_be_put_back_keeps_nothing_else_hidden() {
    let person = Person::on_call().await;
    for name in ["one", "two", "three"] {
        person.fails_about(name).await;
    }
    // Somebody else has it by now, or it is visible again.
    for (n, code) in [(1, "MessageNotInflight"), (2, "InvalidParameterValue")] {
        person.refuses(("sqs", "ChangeMessageVisibility"), 1, 400, code);
        let shown = person.types(&format!("backstop dlq show {QUEUE}"));
        assert_eq!(shown.code, 1, "{code}: {shown:?}");
        assert!(!shown.err.contains(code), "{}", shown.err);
        // Here it was in flight all the same: the refusal was made up.
        assert_eq!((person.waiting(), person.in_flight()), (3, n), "{code}");
    }
    // Really refused: it is said, and is not the result.
    person.refuses(("sqs", "ChangeMessageVisibility"), 1, 403, "AccessDeniedException");
    let told = person.types(&format!("backstop dlq redrive {QUEUE}"));
    assert_eq!(told.code, 1, "{told:?}");
    let said = "not put back, and hidden for up to 1 min: `sqs:ChangeMessageVisibility`";
    assert!(told.err.contains(said), "{}", told.err);
}

#[tokio::test]
async fn what_is_not_shown_is_counted() {
    let person = Person::on_call().await;
    for batch in 0..11 {
        let entries: Vec<Value> = (0..10)
            .map(|n| json!({ "Id": n.to_string(), "MessageBody": format!("{batch}.{n}") }))
            .collect();
        person.sqs("SendMessageBatch", QUEUE, json!({ "Entries": entries }));
    }
    let all = person.types(&format!("backstop dlq show {QUEUE}"));
    assert_eq!(all.code, 1, "{all:?}");
    assert!(all.err.contains(&format!("{QUEUE}: at least 10 more wait")), "{}", all.err);
    let rows = person.reads(&format!("backstop dlq show {QUEUE}"));
    let last = rows.as_array().unwrap().last().unwrap();
    assert_eq!(*last, json!({ "queue": QUEUE, "more": 10 }));

    let redrive = format!("backstop dlq redrive {QUEUE}");
    let told = person.types(&redrive);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.err.contains(&format!("{QUEUE}: at least 10 more wait")), "{}", told.err);
    let one = person.types(&format!("{redrive} --message nothing"));
    assert_eq!(one.code, 2, "{one:?}");
    let said = "the message `nothing` is not among the first 100 that the queue gave\nhint: ";
    assert!(one.err.contains(said), "{}", one.err);
    assert_eq!((person.waiting(), person.in_flight()), (110, 0));
}

#[tokio::test]
async fn a_queue_that_refuses_hides_no_other() {
    /// The first that is asked.
    const FIRST: &str = "backstop-ssh-access-unattended-dlq";
    let person = Person::on_call().await;
    person.fails_about("web").await;
    let denied = |operation| {
        person.refuses(("sqs", operation), 1, 403, "AccessDeniedException");
    };
    denied("GetQueueAttributes");
    let listed = person.types("backstop dlq list");
    assert_eq!(listed.code, 3, "{listed:?}");
    let line = |name: &str| listed.out.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line(FIRST).contains("`sqs:GetQueueAttributes`: access denied"), "{}", listed.out);
    assert!(line(SHARED).ends_with('0'), "{}", listed.out);
    assert!(listed.err.contains("error: 1 of 10 queues did not answer"), "{}", listed.err);
    assert!(listed.err.contains("hint: the managed policy `backstop-redriver`"), "{}", listed.err);
    denied("GetQueueAttributes");
    let rows = person.reads("backstop dlq list");
    let rows = rows.as_array().unwrap();
    assert!(rows.iter().find(|r| r["queue"] == FIRST).unwrap()["error"].is_string(), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.get("error").is_some()).count(), 1, "{rows:?}");

    denied("GetQueueUrl");
    let shown = person.types("backstop dlq show");
    assert_eq!(shown.code, 3, "{shown:?}");
    assert!(shown.out.contains("  error     `sqs:GetQueueUrl`: access denied"), "{}", shown.out);
    person.sqs("SendMessage", SHARED, json!({ "MessageBody": "{}" }));
    denied("ReceiveMessage");
    let rows = person.reads("backstop dlq show");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0]["queue"] == FIRST && rows[0]["error"].is_string(), "{rows:?}");
    assert!(rows[1]["queue"] == SHARED && rows[1]["message"].is_string(), "{rows:?}");
}

#[tokio::test]
async fn a_shared_queue_loses_nothing_on_the_word_of_this_command() {
    let person = Person::on_call().await;
    let group = person.scene.group("web").await.unwrap();
    let rule = person.scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = person.scene.recorded().authorized(&group, &[rule]);
    event["detail"]["eventName"] = json!("SomethingNewIn2027");
    person.fails(&event.to_string());
    person.sqs("SendMessage", SHARED, json!({ "MessageBody": event.to_string() }));
    // The rules and the function of that responder brought it there, and this knows the responder.
    let own = person.types(&format!("backstop dlq redrive {QUEUE} --apply --yes"));
    assert_eq!(own.code, 0, "{own:?}");
    assert!(own.err.contains("deleted: `ssh-access` finds no signal in it"), "{}", own.err);
    assert_eq!(person.waiting(), 0);
    // One that is newer than this command may.
    let shared = person.types(&format!("backstop dlq redrive {SHARED} --apply --yes"));
    assert_eq!(shared.code, 1, "{shared:?}");
    let said = "left where it is: no responder that this command knows finds a signal in it";
    assert!(shared.err.contains(said), "{}", shared.err);
    let left = person.sqs("ReceiveMessage", SHARED, json!({}));
    assert_eq!(left["Messages"].as_array().unwrap().len(), 1, "{left}");
}

#[tokio::test]
async fn a_wrong_queue_or_policy_is_the_input_s_fault() {
    let person = Person::on_call().await;
    person.sqs("DeleteQueue", SHARED, json!({}));
    for line in ["show", "redrive"] {
        let gone = person.types(&format!("backstop dlq {line} {SHARED}"));
        assert_eq!(gone.code, 2, "{gone:?}");
        assert!(gone.err.contains("there is no queue"), "{}", gone.err);
    }
    assert!(person.types("backstop dlq list").out.contains("not deployed"));
    assert_eq!(person.types("backstop dlq show").code, 0, "what is not deployed holds nothing");
    // Outside the repository.
    for line in ["list", "show", &format!("redrive {QUEUE}"), "list --local"] {
        let lost = person.types(&format!("cd / && backstop dlq {line}"));
        assert_eq!(lost.code, 2, "{lost:?}");
        let said = "hint: say with `--config` which policy is deployed";
        assert!(lost.err.contains(said), "{line}: {}", lost.err);
        let help =
            person.types(&format!("backstop dlq {} --help", line.split(' ').next().unwrap()));
        assert!(help.out.contains("The policy that is deployed: "), "{}", help.out);
    }
}
