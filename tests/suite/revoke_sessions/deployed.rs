//! The deployed function, by the command and by Systems Manager; the lines that a plan prints.

use backstop_actions::iam::{POLICY_NAME, RevokeSessions, Standing};
use backstop_core::action::Action;
use backstop_core::words::Lane;
use backstop_testkit::aws_cli::AwsCli;
use backstop_testkit::deploy::Deployed;
use backstop_testkit::{Local, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{approve, cut_off, cut_off_at, document, put, role, role_in, run, sweep};
use crate::operator::Person;
use crate::process::deploy;
use crate::runbooks::{Execution, form};

/// An account with the stacks of this responder in it.
async fn deployed() -> (Scene, Deployed) {
    let scene = Scene::bare(Local::from_env().unwrap(), &Local::fresh_account()).await.unwrap();
    let function = deploy(&scene, "revoke-sessions", &[]).await;
    (scene, function)
}

#[tokio::test]
async fn sr_1_the_command_plans_asks_and_applies_and_an_undo_is_refused_with_the_time() {
    let person = Person::on_call().await;
    role_in(&person.scene, "/ci/", "build").await.unwrap();
    let line = "backstop run revoke-sessions.revoke --role-name ci/build --reason INC-42";
    let mark = person.scene.mark().unwrap();
    let planned = person.types(line);
    assert_eq!(planned.code, 1, "changes pending: {planned:?}");
    for said in [
        "aws iam put-role-policy --region us-east-1 --role-name build",
        "close the way in first",
        "0 functions",
    ] {
        assert!(planned.out.contains(said), "{said}: {}", planned.out);
    }
    assert_eq!(person.changes(mark), [""; 0], "a plan changes nothing");
    let (code, said) = person.answers(&format!("{line} --apply"), "yes");
    assert_eq!(code, 0, "{said}");
    assert_eq!(person.changes(mark), ["iam:PutRolePolicy"]);
    let time = cut_off(&person.scene, "build").await.unwrap();

    let listed = person.reads("backstop incidents --outcome contained");
    let id = listed["incidents"][0]["id"].as_str().unwrap();
    let refused = person.types(&format!("backstop undo {id} --reason INC-42 --yes"));
    assert_eq!(refused.code, 5, "{refused:?}");
    let from = (time + SignedDuration::from_hours(12)).to_string();
    assert!(format!("{refused:?}").contains(&from), "{from}: {refused:?}");
    assert_eq!(cut_off(&person.scene, "build").await, Some(time));

    let protected = person.types(
        "backstop run revoke-sessions.revoke --role-name backstop-revoke-sessions-attended \
         --reason INC-42",
    );
    assert!(protected.out.contains("is a protected principal"), "{protected:?}");
    assert_eq!(protected.code, 4, "{protected:?}");
    let wrong = person.types("backstop run revoke-sessions.revoke --role-name '$(id)' --reason x");
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[tokio::test]
async fn sr_1_a_runbook_in_systems_manager_applies_what_was_approved() {
    let (scene, _function) = deployed().await;
    role(&scene, "web").await.unwrap();
    let approver = format!("arn:aws:iam::{}:role/OnCall", scene.id());
    let filled = form(&scene, &json!({ "RoleName": "web" }));
    let mut execution = Execution::start(scene, "backstop-revoke-sessions-revoke", &filled);
    let plan = execution.run("Plan").unwrap();
    assert_eq!(plan["decision"], "approve", "{plan}");
    assert!(plan["message"].as_str().unwrap().contains("web"), "{plan}");
    assert_eq!(cut_off(&execution.scene, "web").await, None);
    let decision = json!([{ "Approver": approver }]);
    execution.known.insert("Approve.ApproverDecisions".to_owned(), decision);
    let applied = execution.run("Apply").unwrap();
    assert!(applied["result"].as_str().unwrap().contains("contained"), "{applied}");
    assert!(cut_off(&execution.scene, "web").await.is_some());
}

#[tokio::test]
async fn sr_1_the_deployed_role_writes_no_protected_role_and_the_other_lane_none() {
    let (scene, function) = deployed().await;
    role(&scene, "web").await.unwrap();
    let order = run(&scene, "web", true);
    let refused = function.invoke(Lane::Unattended, &order).unwrap().unwrap_err();
    assert_eq!(refused["errorType"], "invalid", "{refused}");
    let swept = function.invoke(Lane::Unattended, &sweep()).unwrap().unwrap();
    assert_eq!(swept["incidents"], json!([]), "{swept}");
    let plan = function.invoke(Lane::Attended, &run(&scene, "web", false)).unwrap().unwrap();
    let plan = serde_json::from_value(plan["incidents"][0].clone()).unwrap();
    let done = function.invoke(Lane::Attended, &approve(&plan)).unwrap().unwrap();
    assert_eq!(done["incidents"][0]["outcome"], "contained", "{done}");

    // What the boundary denies, whatever a policy of the roles may come to say.
    let iam = scene.account.iam();
    let boundary = format!("arn:aws:iam::{}:policy/backstop-revoke-sessions-boundary", scene.id());
    let version = iam.get_policy_version().policy_arn(&boundary).version_id("v1").send().await;
    let text = version.unwrap().policy_version.unwrap().document.unwrap();
    for denied in ["ProtectedRoles", "aws-reserved", "OrganizationAccountAccessRole", "cdk-"] {
        assert!(text.contains(denied), "{denied}: {text}");
    }
    for (lane, writes) in [("unattended", false), ("attended", true)] {
        let role = format!("backstop-revoke-sessions-{lane}");
        let policy = document(&scene, &role, "backstop").await.unwrap();
        assert_eq!(policy.contains("iam:PutRolePolicy"), writes, "{lane}: {policy}");
        assert_eq!(policy.contains("iam:DeleteRolePolicy"), writes, "{lane}: {policy}");
    }
}

/// The line ends where the action ends but for the time, and the line that takes it back where the
/// undo ends, to the letter.
#[tokio::test]
async fn sr_1_the_printed_lines_end_where_the_action_and_its_undo_end() {
    let scene = Scene::new().await.unwrap();
    let cli = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    let older = cut_off_at("2026-01-01T00:00:00Z");
    let odd = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "s3:*",
        "Resource": "arn:aws:s3:::it's \"x\" $(id) `id` ${HOME} \\ \\u0000 ! * ? %s/*",
    }] })
    .to_string();
    for (name, before) in [
        ("none", None),
        ("older", Some(older.as_str())),
        ("odd", Some(odd.as_str())),
        ("_+=,.@-", None),
    ] {
        let arn = role(&scene, name).await.unwrap();
        if let Some(before) = before {
            put(&scene, name, POLICY_NAME, before).await.unwrap();
        }
        let standing = Standing::of(SignedDuration::from_hours(1), before.map(Into::into)).unwrap();
        let action = RevokeSessions {
            account: scene.id().to_owned(),
            role_arn: arn,
            role_name: name.to_owned(),
            later_than: standing.cut_off,
        };
        let state = action.observe(&scene.account).await.unwrap();
        assert_eq!(state, Some(standing), "{name}");
        let said = action.describe(&state);

        action.apply(&scene.account).await.unwrap();
        let by_action = timeless(&scene, name).await;
        action.undo(&scene.account, &state).await.unwrap();
        let start = Timestamp::now();
        cli.run(&said.command).unwrap();
        let time = cut_off(&scene, name).await.unwrap();
        // GNU date leaves out what is less than a second.
        assert!(time >= start + SignedDuration::from_secs(29), "{time}, begun {start}");
        assert_eq!(timeless(&scene, name).await, by_action, "{}", said.command);
        assert!(action.satisfied(&action.observe(&scene.account).await.unwrap()), "{name}");
        let undo = said.undo_command.unwrap();
        cli.run(&undo).unwrap();
        let after = document(&scene, name, POLICY_NAME).await.ok();
        assert_eq!(after.as_deref(), before, "{undo}");
    }
}

/// The policy of a role without the time of its cut-off.
async fn timeless(scene: &Scene, name: &str) -> Value {
    let text = document(scene, name, POLICY_NAME).await.unwrap();
    let time = cut_off(scene, name).await.unwrap().to_string();
    serde_json::from_str(&text.replace(&time, "TIME")).unwrap()
}
