//! Revoke, broken in one place each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use backstop_actions::ec2::{Authorize, Revoke, Rule, rules_of};
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::{Class, Error, Result};
use backstop_core::manifest::{Permissions, Statement};
use backstop_testkit::Scene;
use backstop_testkit::laws::action::{self, Case};
use backstop_testkit::laws::{Broken, Law, Tally};
use serde::{Deserialize, Serialize};

use super::caught;
use crate::laws::actions::everything;

const REAL: Permissions = <Revoke as Action<Account>>::PERMISSIONS;

/// What is wrong with it. What is left out is what the real one does.
#[async_trait]
pub(super) trait Flaw: Debug + Clone + Send + Sync + 'static {
    const PERMISSIONS: Permissions = REAL;

    async fn observe(it: &Revoke, account: &Account) -> Result<Option<Rule>> {
        it.observe(account).await
    }

    /// What is foreseen to be there afterwards.
    fn foreseen(_before: Option<&Rule>) -> Option<Rule> {
        None
    }

    fn satisfied(state: Option<&Rule>) -> bool {
        state.is_none()
    }

    async fn apply(it: &Revoke, account: &Account) -> Result<()> {
        it.apply(account).await
    }

    async fn undo(it: &Revoke, account: &Account, before: Option<&Rule>) -> Result<Revoke> {
        it.undo(account, &before.cloned()).await
    }
}

/// Revoke with a flaw, under the name of the real one and with its journaled form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Flawed<F> {
    #[serde(flatten)]
    it: Revoke,
    /// What its journaled form leaves out.
    #[expect(dead_code, reason = "shown by Debug only")]
    #[serde(skip)]
    made_here: bool,
    #[serde(skip)]
    flaw: PhantomData<F>,
}

impl<F> Flawed<F> {
    fn of(it: Revoke) -> Self {
        Self { it, made_here: false, flaw: PhantomData }
    }

    fn forgetful(it: Revoke) -> Self {
        Self { it, made_here: true, flaw: PhantomData }
    }
}

#[async_trait]
impl<F: Flaw> Action<Account> for Flawed<F> {
    const NAME: &'static str = <Revoke as Action<Account>>::NAME;
    const PERMISSIONS: Permissions = F::PERMISSIONS;
    type State = Option<Rule>;

    fn describe(&self, before: &Self::State) -> Description {
        Action::describe(&self.it, before)
    }

    fn foreseen(&self, before: &Self::State) -> Option<Self::State> {
        Some(F::foreseen(before.as_ref()))
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        F::observe(&self.it, account).await
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        F::satisfied(state.as_ref())
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        F::apply(&self.it, account).await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        F::undo(&self.it, account, before.as_ref()).await.map(Self::of)
    }
}

/// Declares flaws: a name, what is wrong, and the methods that are.
macro_rules! flaws {
    ($($(#[$doc:meta])* $flaw:ident { $($body:tt)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub(super) struct $flaw;

            #[async_trait]
            impl Flaw for $flaw { $($body)* }
        )+
    };
}

/// The rules that were called for: what a process keeps, and AWS does not know.
static CALLED: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// Some other rule of the group, from a range of its own.
async fn add(it: &Revoke, account: &Account, rule: Rule) -> Result<()> {
    let Revoke { account: owner, region, group_id, .. } = it.clone();
    Authorize { account: owner, region, group_id, rule }.apply(account).await
}

fn marker(port: i32) -> Rule {
    Rule {
        protocol: "tcp".to_owned(),
        from_port: Some(port),
        to_port: Some(port),
        source: backstop_actions::ec2::Source::CidrIpv4("192.0.2.0/24".to_owned()),
        description: None,
        tags: BTreeMap::new(),
    }
}

async fn remove(it: &Revoke, account: &Account, rule: &Rule) -> Result<()> {
    for live in rules_of(account, &it.group_id).await? {
        if !live.is_egress && live.rule.admits_same(rule) {
            Revoke { rule_id: live.id, ..it.clone() }.apply(account).await?;
        }
    }
    Ok(())
}

async fn tag(account: &Account, id: &str) -> Result<()> {
    let tag = aws_sdk_ec2::types::Tag::builder().key("seen").value("yes").build();
    let call = account.ec2().create_tags().resources(id).tags(tag);
    call.send().await.classed("ec2:CreateTags").map(drop)
}

/// Only the first page of the group's rules.
pub(super) async fn first_page(account: &Account, group: &str, id: &str) -> Result<bool> {
    let filter = aws_sdk_ec2::types::Filter::builder().name("group-id").values(group).build();
    let call = account.ec2().describe_security_group_rules().filters(filter).max_results(1000);
    let page = call.send().await.classed("ec2:DescribeSecurityGroupRules")?;
    Ok(page.security_group_rules().iter().any(|r| r.security_group_rule_id() == Some(id)))
}

flaws! {
    /// Nothing: the wrapper itself breaks no law.
    Honest {}

    /// Observes by mutating.
    TagsWhatItLooksAt {
        async fn observe(it: &Revoke, account: &Account) -> Result<Option<Rule>> {
            tag(account, &it.group_id).await?;
            it.observe(account).await
        }
    }

    /// Says that it did.
    DoesNothing {
        async fn apply(_: &Revoke, _: &Account) -> Result<()> {
            Ok(())
        }
    }

    /// Foresees that the rule stays.
    ForeseesNothing {
        fn foreseen(before: Option<&Rule>) -> Option<Rule> {
            before.cloned()
        }
    }

    /// Takes its own call for its effect: whoever looks after it sees what it wants.
    BelievesItself {
        async fn observe(it: &Revoke, account: &Account) -> Result<Option<Rule>> {
            let called = CALLED.lock().unwrap_or_else(PoisonError::into_inner).contains(&it.rule_id);
            if called { Ok(None) } else { it.observe(account).await }
        }
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            CALLED.lock().unwrap_or_else(PoisonError::into_inner).insert(it.rule_id.clone());
            it.apply(account).await
        }
    }

    /// The second time it does something else.
    NotIdempotent {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            if it.observe(account).await?.is_none() {
                return TakesOthersToo::apply(it, account).await;
            }
            it.apply(account).await
        }
    }

    /// Puts the rule back without its tags.
    ForgetsTags {
        async fn undo(it: &Revoke, account: &Account, before: Option<&Rule>) -> Result<Revoke> {
            let bare = before.cloned().map(|rule| Rule { tags: BTreeMap::new(), ..rule });
            it.undo(account, &bare).await
        }
    }

    /// Puts the rule back without its description.
    ForgetsDescription {
        async fn undo(it: &Revoke, account: &Account, before: Option<&Rule>) -> Result<Revoke> {
            let bare = before.cloned().map(|rule| Rule { description: None, ..rule });
            it.undo(account, &bare).await
        }
    }

    /// Where the rule is back already, it adds another.
    UndoesTwice {
        async fn undo(it: &Revoke, account: &Account, before: Option<&Rule>) -> Result<Revoke> {
            if let Some(rule) = before
                && rules_of(account, &it.group_id).await?.iter().any(|l| l.rule.admits_same(rule))
            {
                add(it, account, marker(2)).await?;
            }
            it.undo(account, &before.cloned()).await
        }
    }

    /// Where the rule is back already, it fails.
    FailsToUndoTwice {
        async fn undo(it: &Revoke, account: &Account, before: Option<&Rule>) -> Result<Revoke> {
            if let Some(rule) = before
                && rules_of(account, &it.group_id).await?.iter().any(|l| l.rule.admits_same(rule))
            {
                return Err(Error::conflict("the rule is there already"));
            }
            it.undo(account, &before.cloned()).await
        }
    }

    /// Every error is a mistake of ours, whatever may pass.
    LosesTheClass {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            it.apply(account).await.map_err(|error| Error::bug(error.to_string()))
        }
    }

    /// Where a call may pass, it makes another one instead, and says so.
    FallsBack {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            match it.apply(account).await {
                Err(error) if error.is_transient() => {
                    add(it, account, marker(3)).await?;
                    Err(error)
                }
                other => other,
            }
        }
    }

    /// Swallows a refusal.
    SwallowsDenied {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            match it.apply(account).await {
                Err(error) if error.class() == Class::Denied => Ok(()),
                other => other,
            }
        }
    }

    /// Swallows a refusal, and sees what it wants to see.
    Pretends {
        fn satisfied(_: Option<&Rule>) -> bool {
            true
        }
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            SwallowsDenied::apply(it, account).await
        }
    }

    /// Swallows what may pass: nothing repeats it.
    SwallowsLoss {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            match it.apply(account).await {
                Err(error) if error.is_transient() => Ok(()),
                other => other,
            }
        }
    }

    /// Applies in three calls, and undoes only what the second one did.
    LeavesAMarker {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            add(it, account, marker(4)).await?;
            it.apply(account).await?;
            remove(it, account, &marker(4)).await
        }
    }

    /// Makes a call that it does not declare.
    LooksAround {
        async fn observe(it: &Revoke, account: &Account) -> Result<Option<Rule>> {
            account.ec2().describe_vpcs().send().await.classed("ec2:DescribeVpcs")?;
            it.observe(account).await
        }
    }

    /// Declares more than it needs.
    AsksForMore {
        const PERMISSIONS: Permissions = Permissions {
            undo: &[
                Statement {
                    actions: &[
                        "ec2:AuthorizeSecurityGroupIngress",
                        "ec2:CreateTags",
                        "ec2:DeleteSecurityGroup",
                    ],
                    resource: "*",
                    conditions: &[],
                    why: "one never knows",
                },
            ],
            ..REAL
        };
    }

    /// Looks for the rule on the first page of the group's.
    ReadsOnePage {
        async fn observe(it: &Revoke, account: &Account) -> Result<Option<Rule>> {
            if first_page(account, &it.group_id, &it.rule_id).await? {
                return it.observe(account).await;
            }
            Ok(None)
        }
    }

    /// Revokes by what the group holds, and takes other rules too.
    TakesOthersToo {
        async fn apply(it: &Revoke, account: &Account) -> Result<()> {
            for live in rules_of(account, &it.group_id).await? {
                if !live.is_egress {
                    Revoke { rule_id: live.id, ..it.clone() }.apply(account).await?;
                }
            }
            Ok(())
        }
    }
}

/// Specimen → the law that must catch it.
pub(super) const CATCHES: &[(&str, Law)] = &[
    ("observes by mutating", Law::LooksOnly),
    ("does nothing", Law::Satisfies),
    ("foresees what does not come", Law::Foreseen),
    ("does something else the second time", Law::AgainIdle),
    ("forgets tags in undo", Law::Restores),
    ("undoes twice", Law::UndoAgainIdle),
    ("does not journal all of itself", Law::ReadsBack),
    ("loses the class of an error", Law::ErrorClass),
    ("falls back to another call", Law::Repeats),
    ("swallows a refusal", Law::NoFalseSuccess),
    ("leaves a marker where it was stopped", Law::PartialUndone),
    ("makes an undeclared call", Law::Declared),
    ("declares an unused grant", Law::Used),
    ("reads only page one", Law::PageTwo),
    ("takes other rules too", Law::Beside),
];

fn case<F: Flaw>() -> Case<Flawed<F>> {
    everything().map(Flawed::of)
}

/// Runs on a case what a law is part of.
async fn run<A: Action<Account>>(scene: &Scene, case: &Case<A>, law: Law) -> Result<(), Broken> {
    let mut tally = Tally::default();
    if matches!(law, Law::ErrorClass | Law::Repeats | Law::NoFalseSuccess) {
        return action::faults(scene, case, &mut tally).await;
    }
    if law == Law::PartialUndone {
        return action::partial(scene, case, &mut tally).await;
    }
    if law == Law::PageTwo {
        return action::page_two(scene, case, &mut tally).await;
    }
    action::plain(scene, case, &mut tally).await?;
    if law == Law::Used { action::used::<A>(&mut tally) } else { Ok(()) }
}

#[tokio::test]
async fn every_law_of_actions_catches_its_specimen() {
    let scene = &Scene::new().await.unwrap();
    for law in [Law::Used, Law::ErrorClass, Law::PartialUndone, Law::PageTwo] {
        run(scene, &case::<Honest>(), law).await.unwrap_or_else(|broken| panic!("{broken}"));
    }
    let mut missed = Vec::new();
    for &(specimen, law) in CATCHES {
        let kept = match specimen {
            "observes by mutating" => run(scene, &case::<TagsWhatItLooksAt>(), law).await,
            "does nothing" => run(scene, &case::<DoesNothing>(), law).await,
            "foresees what does not come" => run(scene, &case::<ForeseesNothing>(), law).await,
            "does something else the second time" => {
                run(scene, &case::<NotIdempotent>(), law).await
            }
            "forgets tags in undo" => run(scene, &case::<ForgetsTags>(), law).await,
            "undoes twice" => run(scene, &case::<UndoesTwice>(), law).await,
            "does not journal all of itself" => {
                run(scene, &everything().map(Flawed::<Honest>::forgetful), law).await
            }
            "loses the class of an error" => run(scene, &case::<LosesTheClass>(), law).await,
            "falls back to another call" => run(scene, &case::<FallsBack>(), law).await,
            "swallows a refusal" => run(scene, &case::<SwallowsDenied>(), law).await,
            "leaves a marker where it was stopped" => {
                run(scene, &case::<LeavesAMarker>(), law).await
            }
            "makes an undeclared call" => run(scene, &case::<LooksAround>(), law).await,
            "declares an unused grant" => run(scene, &case::<AsksForMore>(), law).await,
            "reads only page one" => run(scene, &case::<ReadsOnePage>(), law).await,
            "takes other rules too" => run(scene, &case::<TakesOthersToo>(), law).await,
            other => panic!("`{other}` is not there"),
        };
        missed.extend(caught(specimen, law, kept).err());
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
