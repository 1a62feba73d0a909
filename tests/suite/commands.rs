//! The contract of a step's AWS CLI lines: run as they are printed, they end where the action and
//! its undo end, in every property that EC2 shows but the ids.
//!
//! An action is under the law with one line per case: [`law`] with what the group holds and how
//! the action is made for it. It makes two equal groups; on one the action does it, on the other
//! the line.

use backstop_actions::ec2::{Authorize, Modify, Revoke, rules_of};
use backstop_aws::Account;
use backstop_core::action::Action;
use backstop_core::error::Class;
use backstop_core::ident::ec2_arn;
use backstop_core::net::PortRange;
use backstop_core::words::Outcome;
use backstop_testkit::Scene;
use backstop_testkit::aws_cli::AwsCli;
use backstop_testkit::machine::How;
use backstop_testkit::scene::{Allow, SecurityGroupRule};

use super::ssh_access::deliver;

/// A rule as a test asks for it: what it admits, and its tags.
type Labelled<'a> = (Allow<'a>, &'a [(&'a str, &'a str)]);

/// A rule that a group holds, for the action that is about it.
struct Held {
    account: String,
    region: String,
    group_id: String,
    rule_id: String,
}

/// A source that stands for the group itself.
const ITSELF: &str = "sg-itself";

/// A description with all that a shell could take for its own.
const QUOTES: &str = r#"it's "ours" $(id) `id` ${HOME} $HOME \ \' ! * ? ~ # ; & | < > %s {a,b} -x"#;

/// Every character that EC2 allows in a description.
const LEGAL: &str = "azAZ09 ._-:/()#,@[]+=&;{}!$*";

/// Tags may have any character.
const ODD_TAGS: &[(&str, &str)] = &[
    ("--region", "us-east-1"),
    ("It's \"a\" key $(id)", "`id` 'and' \"quotes\" \\ \\n \\\\"),
    ("empty", ""),
    ("file", "file:///etc/hostname"),
    ("lines", "one\ntwo\r\n\tthree "),
    ("locator", "http://127.0.0.1:1/"),
    ("schön", "日本 🦀 – é"),
];

const fn any(protocol: &str, ports: Option<(i32, i32)>) -> Labelled<'_> {
    (Allow { protocol, ports, source: "203.0.113.0/24", description: None }, &[])
}

const fn from(source: &str) -> Labelled<'_> {
    (Allow::tcp(22, source), &[])
}

const fn said(description: &str) -> Labelled<'_> {
    (Allow { description: Some(description), ..Allow::tcp(22, "203.0.113.0/24") }, &[])
}

const fn tagged<'a>(tags: &'a [(&'a str, &'a str)]) -> Labelled<'a> {
    (Allow::tcp(22, "2001:db8::/32"), tags)
}

async fn put(scene: &Scene, group: &str, (allow, tags): Labelled<'_>) -> SecurityGroupRule {
    let source = if allow.source == ITSELF { group } else { allow.source };
    scene.allow_tagged(group, Allow { source, ..allow }, tags).await.unwrap()
}

/// A group with that rule, and with one that nobody may touch.
async fn holding(scene: &Scene, name: &str, rule: Labelled<'_>) -> Held {
    let group_id = scene.group(name).await.unwrap();
    scene.allow(&group_id, Allow::tcp(80, "198.51.100.0/24")).await.unwrap();
    let made = put(scene, &group_id, rule).await;
    Held {
        account: scene.id().to_owned(),
        region: "eu-west-1".to_owned(),
        rule_id: made.security_group_rule_id().unwrap().to_owned(),
        group_id,
    }
}

/// The line ends where the action ends, and the line that takes it back where the undo ends.
async fn law<A: Action<Account>>(scene: &Scene, rule: Labelled<'_>, make: impl Fn(&Held) -> A) {
    let n = scene.mark().unwrap(); // names the groups of a case
    let by_action = holding(scene, &format!("action-{n}"), rule).await;
    let by_line = holding(scene, &format!("line-{n}"), rule).await;
    let start = scene.shown(&by_action.group_id).await.unwrap();
    assert_eq!(scene.shown(&by_line.group_id).await.unwrap(), start, "the law needs equal groups");

    let account = &scene.account;
    let action = make(&by_action);
    let before = action.observe(account).await.unwrap();
    action.apply(account).await.unwrap();
    let applied = scene.shown(&by_action.group_id).await.unwrap();
    assert_ne!(applied, start, "{action:?}: the law needs something to do");
    action.undo(account, &before).await.unwrap();
    let undone = scene.shown(&by_action.group_id).await.unwrap();

    let cli = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    let same = make(&by_line);
    let said = same.describe(&same.observe(account).await.unwrap());
    cli.run(&said.command).unwrap();
    let now = scene.shown(&by_line.group_id).await.unwrap();
    assert_eq!(now, applied, "{}: ends elsewhere than apply of {action:?}", said.command);
    let line = said.undo_command.unwrap();
    cli.run(&line).unwrap();
    let now = scene.shown(&by_line.group_id).await.unwrap();
    assert_eq!(now, undone, "{line}: ends elsewhere than undo of {action:?}");
    assert_eq!(undone, start, "{action:?}: undo");
}

async fn revoke(scene: &Scene, rule: Labelled<'_>) {
    let make = |held: &Held| Revoke {
        account: held.account.clone(),
        region: held.region.clone(),
        group_id: held.group_id.clone(),
        rule_id: held.rule_id.clone(),
    };
    law(scene, rule, make).await;
}

/// The group holds another rule; the one to be authorized is read where it stands.
async fn authorize(scene: &Scene, rule: Labelled<'_>) {
    let name = format!("pattern-{}", scene.mark().unwrap());
    let pattern = scene.group(&name).await.unwrap();
    let id = put(scene, &pattern, rule).await.security_group_rule_id().unwrap().to_owned();
    let rules = rules_of(&scene.account, &pattern).await.unwrap();
    let wanted = rules.into_iter().find(|live| live.id == id).unwrap().rule;
    let make = |held: &Held| Authorize {
        account: held.account.clone(),
        region: held.region.clone(),
        group_id: held.group_id.clone(),
        rule: wanted.clone(),
    };
    law(scene, from("192.0.2.0/24"), make).await;
}

/// The rule is read where it stands, and becomes the same with other ports.
async fn modify(scene: &Scene, rule: Labelled<'_>) {
    let name = format!("pattern-{}", scene.mark().unwrap());
    let pattern = scene.group(&name).await.unwrap();
    let id = put(scene, &pattern, rule).await.security_group_rule_id().unwrap().to_owned();
    let rules = rules_of(&scene.account, &pattern).await.unwrap();
    let found = rules.into_iter().find(|live| live.id == id).unwrap().rule;
    let ports = PortRange::new(8000, 8999).unwrap();
    let to = found.with_ports(ports);
    let make =
        |held: &Held| Modify::new(&held.account, &held.region, &held.group_id, &held.rule_id, &to);
    law(scene, rule, make).await;
}

async fn prefix_list(scene: &Scene) -> String {
    let list = scene.account.ec2().create_managed_prefix_list();
    let list = list.prefix_list_name("office").max_entries(3).address_family("IPv4");
    list.send().await.unwrap().prefix_list.unwrap().prefix_list_id.unwrap()
}

#[tokio::test]
async fn revoke_by_its_line_for_every_kind_of_source() {
    let scene = Scene::new().await.unwrap();
    let (list, group) = (prefix_list(&scene).await, scene.group("bastion").await.unwrap());
    revoke(&scene, from("0.0.0.0/0")).await;
    revoke(&scene, from("2001:db8::/32")).await;
    revoke(&scene, from(&list)).await;
    revoke(&scene, from(&group)).await;
    revoke(&scene, from("999900000001/sg-0123456789abcdef0")).await;
}

#[tokio::test]
async fn revoke_by_its_line_for_every_kind_of_protocol() {
    let scene = Scene::new().await.unwrap();
    revoke(&scene, any("-1", None)).await;
    revoke(&scene, any("tcp", Some((20, 25)))).await;
    revoke(&scene, any("udp", Some((0, 65535)))).await;
    revoke(&scene, any("icmp", Some((8, -1)))).await;
    revoke(&scene, any("icmp", Some((-1, -1)))).await;
    revoke(&scene, any("icmpv6", None)).await;
    revoke(&scene, any("50", None)).await;
}

#[tokio::test]
async fn revoke_by_its_line_for_every_text() {
    let scene = Scene::new().await.unwrap();
    revoke(&scene, said(QUOTES)).await;
    revoke(&scene, said(LEGAL)).await;
    revoke(&scene, tagged(ODD_TAGS)).await;
}

#[tokio::test]
async fn authorize_by_its_line_for_every_kind_of_source() {
    let scene = Scene::new().await.unwrap();
    let (list, group) = (prefix_list(&scene).await, scene.group("bastion").await.unwrap());
    authorize(&scene, from("0.0.0.0/0")).await;
    authorize(&scene, from("2001:db8::/32")).await;
    authorize(&scene, from(&list)).await;
    authorize(&scene, from(&group)).await;
    authorize(&scene, from("999900000001/sg-0123456789abcdef0")).await;
}

#[tokio::test]
async fn authorize_by_its_line_for_every_kind_of_protocol() {
    let scene = Scene::new().await.unwrap();
    authorize(&scene, any("-1", None)).await;
    authorize(&scene, any("tcp", Some((20, 25)))).await;
    authorize(&scene, any("icmp", Some((8, -1)))).await;
    authorize(&scene, any("icmpv6", None)).await;
    authorize(&scene, any("50", None)).await;
}

#[tokio::test]
async fn authorize_by_its_line_for_every_text() {
    let scene = Scene::new().await.unwrap();
    authorize(&scene, said(QUOTES)).await;
    authorize(&scene, said(LEGAL)).await;
    authorize(&scene, tagged(ODD_TAGS)).await;
}

#[tokio::test]
async fn modify_by_its_line_for_every_kind_of_source_and_text() {
    let scene = Scene::new().await.unwrap();
    let (list, group) = (prefix_list(&scene).await, scene.group("bastion").await.unwrap());
    modify(&scene, from("0.0.0.0/0")).await;
    modify(&scene, from("2001:db8::/32")).await;
    modify(&scene, from(&list)).await;
    modify(&scene, from(&group)).await;
    modify(&scene, any("tcp", Some((0, 65535)))).await;
    modify(&scene, said(QUOTES)).await;
    modify(&scene, tagged(ODD_TAGS)).await;
}

#[tokio::test]
async fn a_rule_that_names_its_own_group_goes_and_comes_back_by_line() {
    let scene = Scene::new().await.unwrap();
    revoke(&scene, from(ITSELF)).await;
}

#[tokio::test]
async fn the_lines_of_a_reply_undo_what_was_contained() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let open = Allow { description: Some(QUOTES), ..Allow::tcp(22, "0.0.0.0/0") };
    let rule = scene.allow_tagged(&group, open, ODD_TAGS).await.unwrap();
    let before = scene.shown(&group).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);

    let contained = deliver(&scene, &How::default(), &event).await.unwrap();

    assert_eq!(contained.outcome, Some(Outcome::Contained), "{}", contained.reason);
    assert_ne!(scene.shown(&group).await.unwrap(), before);
    let line = contained.steps[0].undo_command.as_ref().unwrap();
    AwsCli::at(scene.local.endpoint(), scene.id()).unwrap().run(line).unwrap();
    assert_eq!(scene.shown(&group).await.unwrap(), before, "{line}");
}

#[tokio::test]
async fn the_lines_of_a_reply_do_and_undo_what_was_held() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let clean = scene.shown(&group).await.unwrap();
    let wide =
        Allow { protocol: "-1", ports: None, source: "0.0.0.0/0", description: Some(QUOTES) };
    let rule = scene.allow_tagged(&group, wide, ODD_TAGS).await.unwrap();
    let before = scene.shown(&group).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);

    let held = deliver(&scene, &How::default(), &event).await.unwrap();

    assert_eq!(held.outcome, Some(Outcome::Held), "{}", held.reason);
    assert_eq!(scene.shown(&group).await.unwrap(), before);
    let step = &held.steps[0];
    let cli = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    cli.run(&step.command).unwrap();
    assert_eq!(scene.shown(&group).await.unwrap(), clean, "{}", step.command);
    let line = step.undo_command.as_ref().unwrap();
    cli.run(line).unwrap();
    assert_eq!(scene.shown(&group).await.unwrap(), before, "{line}");
}

#[tokio::test]
async fn what_another_account_shares_is_refused_by_action_and_line() {
    let (owner, scene) = (Scene::new().await.unwrap(), Scene::new().await.unwrap());
    let held = holding(&owner, "shared", from("0.0.0.0/0")).await;
    let before = owner.shown(&held.group_id).await.unwrap();
    let arn = ec2_arn(&held.region, owner.id(), "security-group", &held.group_id);
    let theirs = AwsCli::at(owner.local.endpoint(), owner.id()).unwrap();
    theirs.share(&held.region, &arn, scene.id()).unwrap();

    let action = Revoke {
        account: scene.id().to_owned(),
        region: held.region.clone(),
        group_id: held.group_id.clone(),
        rule_id: held.rule_id.clone(),
    };
    let seen = action.observe(&scene.account).await.unwrap();
    assert!(seen.is_some(), "a participant sees the rule");
    let refused = action.apply(&scene.account).await.unwrap_err();
    assert_eq!(refused.class(), Class::Denied, "{refused}");
    let mine = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    let refused = mine.run(&action.describe(&seen).command).unwrap_err().to_string();
    assert!(refused.contains("UnauthorizedOperation"), "{refused}");
    assert_eq!(owner.shown(&held.group_id).await.unwrap(), before);
}

#[tokio::test]
async fn a_line_that_fails_says_what_it_said() {
    let scene = Scene::new().await.unwrap();
    let cli = AwsCli::at(scene.local.endpoint(), scene.id()).unwrap();
    let line = "aws ec2 delete-security-group --region eu-west-1 --group-id sg-0123456789abcdef0";
    let error = cli.run(line).unwrap_err().to_string();
    assert!(error.contains(line) && error.contains("InvalidGroup.NotFound"), "{error}");
}
