//! The cases of every action: a new action is not done without its own here.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use backstop_actions::ec2::{
    Authorize, Modify, ModifyMetadataDefaults, ModifyMetadataOptions, Revoke, rules_of,
};
use backstop_actions::iam::RevokeSessions;
use backstop_aws::Account;
use backstop_core::action::Action;
use backstop_core::net::PortRange;
use backstop_core::responder::Responder;
use backstop_testkit::Scene;
use backstop_testkit::hosts::Launch;
use backstop_testkit::laws::action::{self, Case, Fresh};
use backstop_testkit::laws::{Broken, Defaults, Group, Host, Tally};
use backstop_testkit::scene::{Allow, REGION};
use imdsv2::Imdsv2;
use ssh_access::SshAccess;

use super::roles::{CONSOLE, FOREIGN, Holder, OLDER};

/// What a rule lets in, and from where, before there is a group to say it of.
#[derive(Clone, Copy)]
enum From {
    Range(&'static str),
    PrefixList,
    Group,
}

type Ports = Option<(i32, i32)>;

/// A fresh group with one more rule in it. Returns the group and that rule's id.
async fn opened(
    scene: &Scene,
    others: usize,
    (protocol, ports, from): (&str, Ports, From),
    tags: &[(&str, &str)],
) -> Result<(Group, String)> {
    let group = Group::new(scene, others).await?;
    let source = match from {
        From::Range(cidr) => cidr.to_owned(),
        From::PrefixList => scene.prefix_list(&group.id, &["198.51.100.0/24"]).await?,
        From::Group => scene.group(&format!("source of {}", group.id)).await?,
    };
    let description = Some("it's \"ours\" $(id)").filter(|_| !tags.is_empty());
    let rule =
        scene.allow(&group.id, Allow { protocol, ports, source: &source, description }).await?;
    let id = rule.security_group_rule_id().context("a rule without an id")?.to_owned();
    if !tags.is_empty() {
        scene.tag(&id, tags).await?;
    }
    Ok((group, id))
}

/// A case of revoke.
fn revoke(name: &str, protocol: &'static str, ports: Ports, from: From) -> Case<Revoke> {
    revoke_tagged(name, protocol, ports, from, &[])
}

fn revoke_tagged(
    name: &str,
    protocol: &'static str,
    ports: Ports,
    from: From,
    tags: &'static [(&'static str, &'static str)],
) -> Case<Revoke> {
    Case::new(name, move |scene, others| {
        Box::pin(async move {
            let (group, rule_id) = opened(scene, others, (protocol, ports, from), tags).await?;
            let action = Revoke {
                account: scene.id().to_owned(),
                region: REGION.to_owned(),
                group_id: group.id.clone(),
                rule_id,
            };
            Ok(Fresh { action, thing: Box::new(group) })
        })
    })
}

/// A case of authorize: the rule was there, was read as the inventory reads it, and is gone.
fn authorize(
    name: &str,
    protocol: &'static str,
    ports: Ports,
    from: From,
    tags: &'static [(&'static str, &'static str)],
) -> Case<Authorize> {
    Case::new(name, move |scene, others| {
        Box::pin(async move {
            let (group, id) = opened(scene, others, (protocol, ports, from), tags).await?;
            let rules = rules_of(&scene.account, &group.id).await?;
            let rule = rules.into_iter().find(|r| r.id == id).context("no such rule")?.rule;
            scene.revoke(&group.id, &id).await?;
            let action = Authorize {
                account: scene.id().to_owned(),
                region: REGION.to_owned(),
                group_id: group.id.clone(),
                rule,
            };
            Ok(Fresh { action, thing: Box::new(group) })
        })
    })
}

/// A case of modify: the rule keeps its source and gets other ports.
fn modify(
    name: &str,
    ports: (i32, i32),
    from: From,
    tags: &'static [(&'static str, &'static str)],
) -> Case<Modify> {
    Case::new(name, move |scene, others| {
        Box::pin(async move {
            let (group, id) = opened(scene, others, ("tcp", Some(ports), from), tags).await?;
            let rules = rules_of(&scene.account, &group.id).await?;
            let rule = rules.into_iter().find(|r| r.id == id).context("no such rule")?.rule;
            let to = rule.with_ports(PortRange::new(20, 21).context("no range")?);
            let action = Modify::new(scene.id(), REGION, &group.id, &id, &to);
            Ok(Fresh { action, thing: Box::new(group) })
        })
    })
}

const SSH: Ports = Some((22, 22));
const TAGS: &[(&str, &str)] = &[("team", "edge & \"core\""), ("empty", "")];

/// The rule that has everything a rule can have: also what the broken actions are tried on.
pub(super) fn everything() -> Case<Revoke> {
    revoke_tagged("IPv4, description, tags", "tcp", SSH, From::Range("0.0.0.0/0"), TAGS)
}

fn revokes() -> Vec<Case<Revoke>> {
    vec![
        everything(),
        revoke("IPv6", "tcp", SSH, From::Range("2001:db8::/32")),
        revoke("all traffic", "-1", None, From::Range("10.1.0.0/16")),
        revoke("ICMP", "icmp", Some((8, -1)), From::Range("10.1.0.0/16")),
        revoke("ICMPv6", "icmpv6", Some((128, 0)), From::Range("::/0")),
        revoke("UDP range", "udp", Some((1, 65535)), From::Range("203.0.113.7/32")),
        revoke("protocol by number", "50", None, From::Range("10.1.0.0/16")),
        revoke("prefix list", "tcp", SSH, From::PrefixList),
        revoke("security group", "tcp", SSH, From::Group),
    ]
}

fn authorizes() -> Vec<Case<Authorize>> {
    vec![
        authorize("IPv4, description, tags", "tcp", SSH, From::Range("0.0.0.0/0"), TAGS),
        authorize("IPv6", "tcp", SSH, From::Range("2001:db8::/32"), &[]),
        authorize("all traffic", "-1", None, From::Range("10.1.0.0/16"), &[]),
        authorize("ICMP", "icmp", Some((8, -1)), From::Range("10.1.0.0/16"), &[]),
        authorize("prefix list", "tcp", SSH, From::PrefixList, &[]),
        authorize("security group", "tcp", SSH, From::Group, &[]),
    ]
}

fn modifies() -> Vec<Case<Modify>> {
    vec![
        modify("IPv4, description, tags", (20, 25), From::Range("0.0.0.0/0"), TAGS),
        modify("IPv6", (0, 65535), From::Range("2001:db8::/32"), &[]),
        modify("prefix list", (20, 25), From::PrefixList, &[]),
        modify("security group", (20, 22), From::Group, &[]),
    ]
}

/// A case of the options of an instance.
fn options(
    name: &str,
    launch: Launch<'static>,
    require_tokens: bool,
    hop_limit: Option<i32>,
) -> Case<ModifyMetadataOptions> {
    Case::new(name, move |scene, others| {
        Box::pin(async move {
            let host = Host::new(scene, others, launch).await?;
            let action = ModifyMetadataOptions {
                account: scene.id().to_owned(),
                region: REGION.to_owned(),
                instance_id: host.id.clone(),
                require_tokens,
                hop_limit,
            };
            Ok(Fresh { action, thing: Box::new(host) })
        })
    })
}

fn of_options() -> Vec<Case<ModifyMetadataOptions>> {
    let far = Launch { hops: 3, ..Launch::OPEN };
    vec![
        options("tokens", Launch::OPEN, true, None),
        options("tokens and hop limit", far, true, Some(1)),
        options("hop limit", Launch { hops: 64, ..Launch::STRICT }, false, Some(2)),
        options("tokens, a hop limit that stays", far, true, None),
    ]
}

/// A case of the defaults of the account: set as they are said to be, whatever came before.
fn defaults(
    name: &str,
    tokens: &'static str,
    enforced: &'static str,
    enforce: bool,
) -> Case<ModifyMetadataDefaults> {
    Case::new(name, move |scene, _| {
        Box::pin(async move {
            let ec2 = scene.account.ec2();
            ec2.modify_instance_metadata_defaults()
                .http_tokens(tokens.into())
                .http_tokens_enforced(enforced.into())
                .http_put_response_hop_limit(2)
                .send()
                .await?;
            let action = ModifyMetadataDefaults {
                account: scene.id().to_owned(),
                region: REGION.to_owned(),
                enforce,
            };
            Ok(Fresh { action, thing: Box::new(Defaults) })
        })
    })
}

fn of_defaults() -> Vec<Case<ModifyMetadataDefaults>> {
    vec![
        defaults("optional", "optional", "disabled", true),
        defaults("no preference", "no-preference", "no-preference", false),
        defaults("enforced stays", "optional", "enabled", false),
        defaults("only enforced", "required", "disabled", true),
    ]
}

/// Every law on an action: what needs no fault on every case, behind a page of others on the first,
/// every fault and every crash on the first two.
async fn all<A: Action<Account>>(
    scene: &Scene,
    cases: &[Case<A>],
    tally: &mut Tally,
) -> Result<(), Broken> {
    for case in cases {
        action::plain(scene, case, tally).await?;
    }
    for case in cases.iter().take(1) {
        action::page_two(scene, case, tally).await?;
    }
    for case in cases.iter().take(2) {
        action::faults(scene, case, tally).await?;
        action::partial(scene, case, tally).await?;
    }
    action::used::<A>(tally)
}

/// The actions that have cases here. One line per action, and one test.
const WITH_CASES: &[&str] = &[
    <Revoke as Action<Account>>::NAME,
    <Modify as Action<Account>>::NAME,
    <Authorize as Action<Account>>::NAME,
    <ModifyMetadataOptions as Action<Account>>::NAME,
    <ModifyMetadataDefaults as Action<Account>>::NAME,
    <RevokeSessions as Action<Account>>::NAME,
];

#[tokio::test]
async fn revoke_obeys_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &revokes(), &mut tally).await;
    super::verdict("ec2.security-group-rule.revoke/1", kept, &tally);
}

#[tokio::test]
async fn modify_obeys_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &modifies(), &mut tally).await;
    super::verdict("ec2.security-group-rule.modify/1", kept, &tally);
}

#[tokio::test]
async fn authorize_obeys_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &authorizes(), &mut tally).await;
    super::verdict("ec2.security-group-rule.authorize/1", kept, &tally);
}

#[tokio::test]
async fn metadata_options_obey_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &of_options(), &mut tally).await;
    super::verdict("ec2.instance-metadata-options.modify/1", kept, &tally);
}

#[tokio::test]
async fn metadata_defaults_obey_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &of_defaults(), &mut tally).await;
    super::verdict("ec2.instance-metadata-defaults.modify/1", kept, &tally);
}

/// A case of revoke-sessions: a role with a policy of that name already, or without.
fn sessions(name: &str, path: &'static str, policy: Option<&'static str>) -> Case<RevokeSessions> {
    Case::new(name, move |scene, others| {
        Box::pin(async move {
            let role = Holder::new(scene, others, path, policy).await?;
            let later_than = role.cut_off(scene).await?;
            let action = RevokeSessions {
                account: scene.id().to_owned(),
                role_arn: role.arn.clone(),
                role_name: role.name.clone(),
                later_than,
            };
            Ok(Fresh { action, thing: Box::new(role) })
        })
    })
}

fn revocations() -> Vec<Case<RevokeSessions>> {
    vec![
        sessions("no policy yet", "/", None),
        sessions("an older cut-off, to the letter", "/ci/build/", Some(OLDER)),
        sessions("the console's", "/", Some(CONSOLE)),
        sessions("a policy of that name that denies something else", "/", Some(FOREIGN)),
    ]
}

#[tokio::test]
async fn revoke_sessions_obeys_every_law() {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = all(&scene, &revocations(), &mut tally).await;
    super::verdict("iam.role.revoke-sessions/1", kept, &tally);
}

#[test]
fn every_action_of_every_responder_has_cases() {
    let responders: &[&dyn Responder<Account>] =
        &[&Imdsv2, &revoke_sessions::RevokeSessions, &SshAccess];
    let used: BTreeSet<&str> =
        responders.iter().flat_map(|r| r.actions()).map(|kind| kind.name).collect();
    let tried: BTreeSet<&str> = WITH_CASES.iter().copied().collect();
    assert_eq!(used, tried, "an action without law cases, or cases of an action that nobody uses");
}

/// The one thing that is no law: an id of another group is refused, whatever it holds.
#[tokio::test]
async fn revoke_refuses_a_rule_of_another_group() {
    let scene = Scene::new().await.unwrap();
    let (one, other) = (scene.group("one").await.unwrap(), scene.group("other").await.unwrap());
    let rule = scene.allow(&other, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let revoke = Revoke {
        account: scene.id().to_owned(),
        region: REGION.to_owned(),
        group_id: one,
        rule_id: rule.security_group_rule_id().unwrap().to_owned(),
    };
    revoke.observe(&scene.account).await.unwrap_err();
    assert_eq!(scene.rules(&other).await.unwrap().len(), 1);
}
