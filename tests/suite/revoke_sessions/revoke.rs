//! The cut-off, who uses the role, what it may read.

use backstop_actions::iam::POLICY_NAME;
use backstop_core::error::Class as ErrorClass;
use backstop_core::words::{Class, Outcome, StepStatus};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::REGION;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    approve, attended, cut_off, cut_off_at, document, machine, put, revoked, role, role_in, run,
    sweep, tell,
};

/// Launches instances with an instance profile of a role. Returns their ids.
pub(super) async fn instances(scene: &Scene, role: &str, count: i32) -> Vec<String> {
    let iam = scene.account.iam();
    let profile = iam.create_instance_profile().instance_profile_name(role).send().await.unwrap();
    let arn = profile.instance_profile.unwrap().arn;
    let add = iam.add_role_to_instance_profile().instance_profile_name(role).role_name(role);
    add.send().await.unwrap();
    let profile = aws_sdk_ec2::types::IamInstanceProfileSpecification::builder().arn(arn).build();
    let launch = scene.account.ec2().run_instances().image_id("ami-12c6146b");
    let launch = launch.min_count(count).max_count(count).subnet_id(&scene.subnet);
    let launched = launch.iam_instance_profile(profile).send().await.unwrap();
    let ids = launched.instances.unwrap_or_default().into_iter();
    ids.filter_map(|instance| instance.instance_id).collect()
}

/// Makes functions with a role.
fn functions(scene: &Scene, role_arn: &str, names: &[String]) {
    let lambda = scene.local.service(scene.id(), REGION, "lambda");
    for name in names {
        let made = json!({
            "FunctionName": name, "Role": role_arn, "Runtime": "python3.12", "Handler": "a.b",
            "Code": { "ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==" },
        });
        let headers = [("content-type", "application/json")];
        lambda
            .send("POST", "/2015-03-31/functions", &headers, made.to_string().as_bytes())
            .unwrap();
    }
}

#[tokio::test]
async fn sr_1_a_person_sees_who_uses_the_role_and_releases_the_cut_off() {
    let scene = Scene::new().await.unwrap();
    let (arn, other) = (role(&scene, "web").await.unwrap(), role(&scene, "other").await.unwrap());
    let mut ids = instances(&scene, "web", 2).await;
    ids.sort();
    instances(&scene, "other", 1).await;
    // More than a page of functions, and those that use the role on the last.
    let others: Vec<String> = (0..51).map(|n| format!("a-{n:02}")).collect();
    functions(&scene, &other, &others);
    functions(&scene, &arn, &["zz-one".to_owned()]);
    let machine = attended(&scene);
    let mark = scene.mark().unwrap();

    let plan = tell(&machine, &run(&scene, "web", false)).await.unwrap();
    assert_eq!(plan.outcome, Some(Outcome::Planned), "{}", plan.reason);
    assert_eq!(scene.changes(mark).unwrap(), [""; 0], "a plan changes nothing");
    let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((step.class, step.status), (Class::Approval, StepStatus::Held));
    assert_eq!((step.resource.as_str(), &step.foreseen), (arn.as_str(), &None));
    let radius = plan.blast_radius.clone().unwrap();
    let users = format!("2 instances ({}) and 1 function (zz-one)", ids.join(", "));
    for said in [&users, "other Regions", "EKS pods", "ECS tasks"] {
        assert!(radius.contains(said), "{said}: {radius}");
    }
    let facts = plan.facts.join("\n");
    for said in [&arn, "up to 60 min", "have not been revoked before"] {
        assert!(facts.contains(said), "{said}: {facts}");
    }
    let follow_up = plan.follow_up.join("\n");
    for said in
        ["close the way in first", "ECR (12 h)", "stop and start", "its description", "restart"]
    {
        assert!(follow_up.contains(said), "{said}: {follow_up}");
    }
    assert!(plan.follow_up[0].starts_with("close the way in first"), "{follow_up}");

    let mark = scene.mark().unwrap();
    let before = Timestamp::now();
    let done = tell(&machine, &approve(&plan)).await.unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(scene.changes(mark).unwrap(), ["iam:PutRolePolicy"]);
    let time = cut_off(&scene, "web").await.unwrap();
    let lead = SignedDuration::from_secs(30);
    assert!(time >= before + lead, "{time} is less than 30 s ahead of {before}");
    assert_eq!(time.subsec_nanosecond(), 0);
    assert_eq!(cut_off(&scene, "other").await, None);
    assert_eq!(done.steps[0].after.as_ref().unwrap()["cut_off"], json!(time));
    assert_eq!(done.steps[0].undo_from, Some(time + SignedDuration::from_hours(12)));

    // The policy is what the console writes.
    let text = document(&scene, "web", POLICY_NAME).await.unwrap();
    let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statement = json!({
        "Effect": "Deny", "Action": ["*"], "Resource": ["*"],
        "Condition": { "DateLessThan": { "aws:TokenIssueTime": time.to_string() } },
    });
    assert_eq!(policy, json!({ "Version": "2012-10-17", "Statement": [statement] }));
}

#[tokio::test]
async fn sr_1_a_cut_off_moves_on_and_is_never_moved_back() {
    let scene = Scene::new().await.unwrap();
    let later = Timestamp::now() + SignedDuration::from_mins(10);
    for name in ["older", "later"] {
        role(&scene, name).await.unwrap();
    }
    put(&scene, "older", POLICY_NAME, &cut_off_at("2026-01-01T00:00:00Z")).await.unwrap();
    put(&scene, "later", POLICY_NAME, &cut_off_at(&later.to_string())).await.unwrap();

    let mark = scene.mark().unwrap();
    let machine = attended(&scene);
    for apply in [false, true] {
        let nothing = tell(&machine, &run(&scene, "later", apply)).await.unwrap();
        assert_eq!(nothing.outcome, Some(Outcome::Compliant), "{}", nothing.reason);
        assert!(nothing.reason.contains("never moved back"), "{}", nothing.reason);
    }
    assert_eq!(scene.changes(mark).unwrap(), [""; 0]);
    assert_eq!(cut_off(&scene, "later").await, Some(later));

    let done = revoked(&scene, "older").await;
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert!(cut_off(&scene, "older").await.unwrap() > Timestamp::now());
    assert!(done.facts.iter().any(|f| f.contains("2026-01-01T00:00:00Z are denied already")));
}

#[tokio::test]
async fn sr_1_somebody_elses_cut_off_after_the_plan_is_not_written_over() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let machine = attended(&scene);
    let plan = tell(&machine, &run(&scene, "web", false)).await.unwrap();
    let theirs = Timestamp::now() + SignedDuration::from_mins(10);
    put(&scene, "web", POLICY_NAME, &cut_off_at(&theirs.to_string())).await.unwrap();
    let mark = scene.mark().unwrap();
    let refused = machine.invoke(&approve(&plan)).await.unwrap_err();
    assert!(refused.to_string().contains("live state has changed"), "{refused}");
    assert_eq!(scene.changes(mark).unwrap(), [""; 0]);
    assert_eq!(cut_off(&scene, "web").await, Some(theirs));
}

#[tokio::test]
async fn sr_1_what_a_policy_of_that_name_denies_besides_stays_denied() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
    put(&scene, "web", POLICY_NAME, deny).await.unwrap();
    let done = revoked(&scene, "web").await;
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert!(done.facts.iter().any(|fact| fact.contains("1 other statements, which stay")));
    let text = document(&scene, "web", POLICY_NAME).await.unwrap();
    let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    assert_eq!(statements.len(), 2, "{text}");
    assert_eq!(statements[0]["Action"], "s3:*", "{text}");
}

#[tokio::test]
async fn sr_1_protected_roles_are_held_without_a_step() {
    let scene = Scene::new().await.unwrap();
    let glass = format!("arn:aws:iam::{}:role/Break*", scene.id());
    let how = How::default().attended().and(&format!("[principals]\nprotected = [\"{glass}\"]\n"));
    let machine = machine(&scene, &how);
    let reserved = "/aws-reserved/sso.amazonaws.com/";
    let cdk = format!("cdk-hnb659fds-cfn-exec-role-{}-{REGION}", scene.id());
    for (path, name) in [
        ("/", "BreakGlass"),
        ("/", "OrganizationAccountAccessRole"),
        ("/", "AWSControlTowerExecution"),
        ("/", "backstop-revoke-sessions-attended"),
        ("/", cdk.as_str()),
        (reserved, "AWSReservedSSO_Admin_0123456789abcdef"),
        ("/aws-service-role/x.amazonaws.com/", "AWSServiceRoleForX"),
        ("/it's/$(id)/", "odd-path"),
    ] {
        role_in(&scene, path, name).await.unwrap();
        let mark = scene.mark().unwrap();
        for apply in [false, true] {
            let held = tell(&machine, &run(&scene, name, apply)).await.unwrap();
            assert_eq!(held.outcome, Some(Outcome::Held), "{name}: {}", held.reason);
            assert!(held.steps.is_empty() && held.plan_hash.is_none(), "{name}: {held:?}");
            let said = ["is a protected principal", "that Backstop does not take"];
            assert!(said.iter().any(|said| held.reason.contains(said)), "{name}: {}", held.reason);
        }
        assert_eq!(scene.changes(mark).unwrap(), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn sr_1_a_role_that_is_not_there_needs_nothing() {
    let scene = Scene::new().await.unwrap();
    role_in(&scene, "/ci/", "build").await.unwrap();
    let machine = attended(&scene);
    for absent in ["nobody", "build/build", "x/build"] {
        let nothing = tell(&machine, &run(&scene, absent, true)).await.unwrap();
        assert_eq!(nothing.outcome, Some(Outcome::Compliant), "{absent}: {}", nothing.reason);
        assert!(nothing.absent && nothing.reason.contains("there is no role"), "{nothing:?}");
    }
    // With its path or without, it is one role.
    let plan = tell(&machine, &run(&scene, "build", false)).await.unwrap();
    let same = tell(&machine, &run(&scene, "ci/build", false)).await.unwrap();
    assert_eq!(plan.steps[0].resource, same.steps[0].resource);
    // Gone between plan and release.
    scene.account.iam().delete_role().role_name("build").send().await.unwrap();
    let refused = machine.invoke(&approve(&plan)).await.unwrap_err();
    assert!(refused.to_string().contains("live state has changed"), "{refused}");
}

#[tokio::test]
async fn sr_1_injection_attempts_are_refused_or_shown_as_text() {
    let scene = Scene::new().await.unwrap();
    let machine = attended(&scene);
    let mark = scene.mark().unwrap();
    for name in [
        "web; aws iam delete-role --role-name web",
        "$(id)",
        "`id`",
        "web\n--policy-name x",
        "web'",
        "arn:aws:iam::111111111111:role/web",
        "*",
    ] {
        let refused = machine.invoke(&run(&scene, name, true)).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Invalid, "{name}: {refused}");
    }
    assert!(scene.calls(mark).unwrap().iter().all(|call| call.service != "iam"));

    role(&scene, "web").await.unwrap();
    let hostile = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
        "Resource": "arn:aws:secretsmanager:eu-west-1:1:secret:\u{1b}[2J\u{202e}$(id)\n`id`",
    }] });
    put(&scene, "web", "x", &hostile.to_string()).await.unwrap();
    let plan = tell(&machine, &run(&scene, "web", false)).await.unwrap();
    let said = format!("{plan:?}");
    assert!(said.contains("rotate the secret arn:aws:secretsmanager"), "{said}");
    for line in &plan.follow_up {
        assert!(!line.contains(['\u{1b}', '\u{202e}', '\n']), "{line:?}");
    }
}

#[tokio::test]
async fn r1_3_r2_3_the_rotation_list_has_what_every_policy_lets_the_role_read() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let iam = scene.account.iam();
    let inline = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:GetParameter*","Resource":"arn:aws:ssm:eu-west-1:1:parameter/app/*"}]}"#;
    put(&scene, "web", "inline", inline).await.unwrap();
    // The version that is in force counts, not the first.
    let first = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
    let second = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-west-1:1:key/1"}]}"#;
    let managed = iam.create_policy().policy_name("managed").policy_document(first).send().await;
    let arn = managed.unwrap().policy.unwrap().arn.unwrap();
    let version = iam.create_policy_version().policy_arn(&arn).policy_document(second);
    version.set_as_default(true).send().await.unwrap();
    for arn in [arn.as_str(), "arn:aws:iam::aws:policy/AdministratorAccess"] {
        iam.attach_role_policy().role_name("web").policy_arn(arn).send().await.unwrap();
    }
    let plan = tell(&attended(&scene), &run(&scene, "web", false)).await.unwrap();
    let said = plan.follow_up.join("\n");
    for line in [
        "rotate any secret of Secrets Manager (allowed by AdministratorAccess)",
        "rotate what any parameter of Systems Manager holds (allowed by AdministratorAccess)",
        "rotate what the parameter holds: arn:aws:ssm:eu-west-1:1:parameter/app/* (allowed by inline)",
        "count as read what the KMS key has encrypted: arn:aws:kms:eu-west-1:1:key/1 (allowed by managed)",
        "Not subtracted: denies",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[tokio::test]
async fn sr_1_full_inline_policies_fail_the_step_and_are_not_tried_again() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    scene.local.fail(scene.id(), "iam", "PutRolePolicy", 1, 409, "LimitExceeded").unwrap();
    let failed = revoked(&scene, "web").await;
    assert_eq!(failed.outcome, Some(Outcome::Failed), "{}", failed.reason);
    for said in ["LimitExceeded", "leave no room", "AWSDenyAll"] {
        assert!(failed.reason.contains(said), "{said}: {}", failed.reason);
    }
    assert_eq!(cut_off(&scene, "web").await, None);
}

#[tokio::test]
async fn sr_1_users_that_cannot_be_read_are_said_and_stop_nobody() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    for (service, operation) in [
        ("lambda", "ListFunctions"),
        ("iam", "ListInstanceProfilesForRole"),
        ("iam", "ListAttachedRolePolicies"),
    ] {
        scene.local.fail(scene.id(), service, operation, 1, 403, "AccessDenied").unwrap();
    }
    let plan = tell(&attended(&scene), &run(&scene, "web", false)).await.unwrap();
    assert_eq!(plan.steps.len(), 1, "{}", plan.reason);
    let radius = plan.blast_radius.unwrap_or_default();
    assert!(radius.contains("instances that could not be read"), "{radius}");
    assert!(radius.contains("functions that could not be read"), "{radius}");
    assert!(
        plan.follow_up.iter().any(|line| line.contains("is not known")),
        "{:?}",
        plan.follow_up
    );
}

#[tokio::test]
async fn sr_1_nothing_but_a_person_starts_it() {
    let scene = Scene::new().await.unwrap();
    let arn = role(&scene, "web").await.unwrap();
    let unattended = machine(&scene, &How::default());
    let candidate = json!({
        "signal": "SR-1", "account": scene.id(), "region": REGION, "resource": arn,
        "ids": { "role_name": ["web"] }, "origin": { "kind": "request", "incident": "x-1" },
    });
    let request = json!({ "backstop": { "request": { "candidate": candidate, "incident": "x-1" }}});
    let refused = unattended.invoke(&request).await.unwrap_err();
    assert!(refused.to_string().contains("takes no requests"), "{refused}");
    unattended.invoke(&run(&scene, "web", true)).await.unwrap_err();

    let group = scene.group("web").await.unwrap();
    let allow = backstop_testkit::scene::Allow::tcp(22, "0.0.0.0/0");
    let rule = scene.allow(&group, allow).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let reply = unattended.invoke(&event).await.unwrap();
    assert!(reply.incidents.is_empty(), "{reply:?}");
    let reply = unattended.invoke(&sweep()).await.unwrap();
    assert!(reply.incidents.is_empty(), "{reply:?}");
    assert_eq!(cut_off(&scene, "web").await, None);
}
