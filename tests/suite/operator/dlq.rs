//! Dead letters: shown without being taken, and planned anew.

use backstop_core::words::Lane;
use backstop_testkit::scene::{Allow, REGION};
use serde_json::{Value, json};

use super::Person;
use crate::process::MOST;

const QUEUE: &str = "backstop-ssh-access-unattended-dlq";

impl Person {
    /// Puts a message into the queue, as Lambda does after the third failure; the local AWS's
    /// Lambda sets no attributes.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
    fn fails(&self, body: &str) -> String {
        let sqs = self.scene.local.service(self.scene.id(), REGION, "sqs");
        let url = sqs.json("AmazonSQS.GetQueueUrl", &json!({ "QueueName": QUEUE })).unwrap();
        let text = |value: &str| json!({ "DataType": "String", "StringValue": value });
        let message = json!({
            "QueueUrl": url["QueueUrl"], "MessageBody": body,
            "MessageAttributes": {
                "RequestID": text("5d1b7f9e-0000-4000-8000-000000000001"),
                "ErrorCode": { "DataType": "Number", "StringValue": "200" },
                "ErrorMessage": text("`ec2:DescribeSecurityGroupRules`: Throttling\u{202e}"),
            },
        });
        let sent = sqs.json("AmazonSQS.SendMessage", &message).unwrap();
        sent["MessageId"].as_str().unwrap().to_owned()
    }

    fn waiting(&self) -> i64 {
        let queues = self.reads("backstop dlq list");
        let queue = queues.as_array().unwrap().iter().find(|q| q["queue"] == QUEUE).unwrap();
        queue["waiting"].as_i64().unwrap() + queue["in_flight"].as_i64().unwrap()
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
    assert_eq!(person.types(&format!("{redrive} --message nothing --apply --yes")).code, 3);
    assert_eq!(person.types("backstop dlq redrive ssh-access").code, 2);
    assert_eq!(person.waiting(), 4);
    assert_eq!(person.reads("backstop incidents")["incidents"], json!([]), "nothing was asked for");

    // AWS refuses: the message stays.
    let (local, account) = (&person.scene.local, person.scene.id());
    local.fail(account, "lambda", "Invoke", 1, 500, "ServiceException").unwrap();
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
