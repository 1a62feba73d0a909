//! ssh-access, broken in one place each.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use backstop_actions::ec2::{Authorize, Modify, Revoke, Rule, rules_of};
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, ActionKind, Description};
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::error::Result;
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::{Manifest, Permissions};
use backstop_core::responder::{Detection, Memory, Responder, Survey};
use backstop_testkit::Scene;
use backstop_testkit::laws::responder::{self, Bench, Scenario};
use backstop_testkit::laws::{Broken, Law, Tally};
use serde::{Deserialize, Serialize};
use ssh_access::SshAccess;

use super::actions::{
    BelievesItself, FailsToUndoTwice, Flaw, Flawed, ForgetsDescription, Honest, Pretends,
    SwallowsLoss, first_page,
};
use super::caught;
use crate::laws::ssh::{ONE, Opened, Ranged};

/// How it decides, if not as the real one does.
#[async_trait]
trait Judgement: std::fmt::Debug + Send + Sync + 'static {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        SshAccess.assess(candidate, account, memory).await
    }
}

/// Under a name of its own: what a specimen calls is not held against the real one's roles.
static MANIFEST: Manifest = Manifest { responder: "ssh-specimen", ..ssh_access::MANIFEST };

/// ssh-access with a flawed action, a flawed judgement, or both.
#[derive(Debug)]
struct With<F, J>(PhantomData<(F, J)>);

impl<F: Flaw, J: Judgement> With<F, J> {
    const ACTIONS: &'static [ActionKind<Account>] =
        &[ActionKind::of::<Flawed<F>>(), ActionKind::of::<Authorize>()];

    fn boxed() -> Box<dyn Responder<Account>> {
        Box::new(Self(PhantomData))
    }
}

#[async_trait]
impl<F: Flaw, J: Judgement> Responder<Account> for With<F, J> {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        Self::ACTIONS
    }

    fn detect(&self, event: &Envelope) -> Detection {
        SshAccess.detect(event)
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        SshAccess.target(run, key)
    }

    async fn survey(&self, _: &Account, _: &Memory, _: &Origin) -> Result<Survey> {
        Ok(Survey::default())
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        J::assess(candidate, account, memory).await
    }
}

/// Decides as the real one.
#[derive(Debug)]
struct Sound;

impl Judgement for Sound {}

/// Acts where it should only look.
#[derive(Debug)]
struct Meddles;

#[async_trait]
impl Judgement for Meddles {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        let tag = aws_sdk_ec2::types::Tag::builder().key("seen").value("yes").build();
        let call = account.ec2().create_tags().resources(candidate.one("group_id")?).tags(tag);
        call.send().await.classed("ec2:CreateTags")?;
        SshAccess.assess(candidate, account, memory).await
    }
}

/// The rules of the events that it has seen: what a process keeps, and no other process knows.
static SEEN: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// Keeps in its memory what it has seen, and takes it for done.
#[derive(Debug)]
struct Remembers;

#[async_trait]
impl Judgement for Remembers {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        let key = candidate.all("rule_id").join(",");
        let new = SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        if new {
            return SshAccess.assess(candidate, account, memory).await;
        }
        Ok(Assessment::Compliant("seen before".to_owned()))
    }
}

/// Acts on whatever is open in the group, and not on what the event opened.
#[derive(Debug)]
struct TakesAll;

#[async_trait]
impl Judgement for TakesAll {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        let group = candidate.one("group_id")?;
        let open = rules_of(account, group)
            .await?
            .into_iter()
            .filter(|live| !live.is_egress && live.rule.from_port == Some(22));
        let mut all = candidate.clone();
        all.ids.insert("rule_id".to_owned(), open.map(|live| live.id).collect());
        SshAccess.assess(&all, account, memory).await
    }
}

/// Believes the event: it plans what live state has no need of.
#[derive(Debug)]
struct Believes;

#[async_trait]
impl Judgement for Believes {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        _: &Memory,
    ) -> Result<Assessment<Account>> {
        use backstop_core::assessment::{Finding, Scope, Violation};
        use backstop_core::plan::Step;
        use backstop_core::words::{Class, Urgency};
        let rule_id = candidate.one("rule_id")?.to_owned();
        let revoke = Revoke {
            account: candidate.account.clone(),
            region: candidate.region.clone(),
            group_id: candidate.one("group_id")?.to_owned(),
            rule_id,
        };
        let before = revoke.observe(account).await?;
        Ok(Assessment::Violation(Box::new(Violation {
            finding: Finding {
                signal: candidate.signal.clone(),
                title: "the event says so".to_owned(),
                facts: Vec::new(),
                urgency: Urgency::Page,
                blast_radius: None,
                follow_up: Vec::new(),
                property: "ssh-ingress".to_owned(),
            },
            steps: vec![Step::new(revoke, &before, Class::Auto, "the event says so")?],
            choice: None,
            incomplete: false,
            scope: Scope { production: true, hands_off: None },
        })))
    }
}

/// Makes a call that its manifest does not declare.
#[derive(Debug)]
struct LooksAround;

#[async_trait]
impl Judgement for LooksAround {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        account.ec2().describe_vpcs().send().await.classed("ec2:DescribeVpcs")?;
        SshAccess.assess(candidate, account, memory).await
    }
}

/// Looks for the rule of the event on the first page of the group's.
#[derive(Debug)]
struct ReadsOnePage;

#[async_trait]
impl Judgement for ReadsOnePage {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        let (group, rule) = (candidate.one("group_id")?, candidate.one("rule_id")?);
        if first_page(account, group, rule).await? {
            return SshAccess.assess(candidate, account, memory).await;
        }
        Ok(Assessment::Compliant("the rule is gone".to_owned()))
    }
}

/// Makes its own client, which gives up at the first fault.
#[derive(Debug)]
struct GivesUp;

#[async_trait]
impl Judgement for GivesUp {
    async fn assess(
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        let once = aws_sdk_ec2::config::retry::RetryConfig::disabled();
        let config = account.ec2().config().to_builder().retry_config(once).build();
        let client = aws_sdk_ec2::Client::from_conf(config);
        client
            .describe_security_groups()
            .group_ids(candidate.one("group_id")?)
            .send()
            .await
            .classed("ec2:DescribeSecurityGroups")?;
        SshAccess.assess(candidate, account, memory).await
    }
}

/// Modify, which makes its call again where it should only look.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Restless(Modify);

#[async_trait]
impl Action<Account> for Restless {
    const NAME: &'static str = <Modify as Action<Account>>::NAME;
    const PERMISSIONS: Permissions = <Modify as Action<Account>>::PERMISSIONS;
    type State = Option<Rule>;

    fn describe(&self, before: &Self::State) -> Description {
        Action::describe(&self.0, before)
    }

    fn foreseen(&self, before: &Self::State) -> Option<Self::State> {
        Action::foreseen(&self.0, before)
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        let state = self.0.observe(account).await?;
        if Action::satisfied(&self.0, &state) {
            self.0.apply(account).await?;
        }
        Ok(state)
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        Action::satisfied(&self.0, state)
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        self.0.apply(account).await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        self.0.undo(account, before).await.map(Self)
    }
}

/// ssh-access with a modify that makes its call again where it should only look.
#[derive(Debug)]
struct PutsRight;

#[async_trait]
impl Responder<Account> for PutsRight {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        const KINDS: &[ActionKind<Account>] = &[
            ActionKind::of::<Restless>(),
            ActionKind::of::<Authorize>(),
            ActionKind::of::<Revoke>(),
        ];
        KINDS
    }

    fn detect(&self, event: &Envelope) -> Detection {
        SshAccess.detect(event)
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        SshAccess.target(run, key)
    }

    async fn survey(&self, _: &Account, _: &Memory, _: &Origin) -> Result<Survey> {
        Ok(Survey::default())
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        SshAccess.assess(candidate, account, memory).await
    }
}

/// Specimen → the law that must catch it.
pub(super) const CATCHES: &[(&str, Law)] = &[
    ("an action that swallows what may pass", Law::Retry),
    ("a client of its own without retries", Law::SdkRetry),
    ("an action that swallows and pretends", Law::Refusals),
    ("remembers in the process: next delivery", Law::CrashDelivery),
    ("remembers in the process: sweep", Law::CrashSweep),
    ("remembers in the process: two at once", Law::TwoDeliveries),
    ("acts on what other events opened", Law::TwoEvents),
    ("acts while it assesses: redelivery", Law::Redelivery),
    ("believes the event", Law::AlreadyRight),
    ("acts while it assesses: modes", Law::Modes),
    ("an action that forgets in undo", Law::UndoPartial),
    ("an action that cannot undo twice", Law::UndoInterrupted),
    ("an action that puts right what it looks at", Law::UndoRefused),
    ("an action that believes itself", Law::ApproveInterrupted),
    ("a responder with an undeclared call", Law::Declared),
    ("a responder that reads only page one", Law::PageTwo),
];

type Make = fn() -> Box<dyn Responder<Account>>;

fn specimen(name: &str) -> Make {
    match name {
        "an action that swallows what may pass" => With::<SwallowsLoss, Sound>::boxed,
        "a client of its own without retries" => With::<Honest, GivesUp>::boxed,
        "an action that swallows and pretends" => With::<Pretends, Sound>::boxed,
        "remembers in the process: next delivery"
        | "remembers in the process: sweep"
        | "remembers in the process: two at once" => With::<Honest, Remembers>::boxed,
        "acts on what other events opened" => With::<Honest, TakesAll>::boxed,
        "acts while it assesses: redelivery" | "acts while it assesses: modes" => {
            With::<Honest, Meddles>::boxed
        }
        "believes the event" => With::<Honest, Believes>::boxed,
        "an action that forgets in undo" => With::<ForgetsDescription, Sound>::boxed,
        "an action that puts right what it looks at" => || Box::new(PutsRight),
        "an action that believes itself" => With::<BelievesItself, Sound>::boxed,
        "an action that cannot undo twice" => With::<FailsToUndoTwice, Sound>::boxed,
        "a responder with an undeclared call" => With::<Honest, LooksAround>::boxed,
        "a responder that reads only page one" => With::<Honest, ReadsOnePage>::boxed,
        other => panic!("`{other}` is not there"),
    }
}

async fn run(bench: &Bench<'_>, law: Law) -> std::result::Result<(), Broken> {
    let tally = &mut Tally::default();
    match law {
        Law::Retry => Box::pin(responder::retry(bench, tally)).await,
        Law::SdkRetry => Box::pin(responder::sdk_retry(bench, tally)).await,
        Law::Refusals => Box::pin(responder::refusals(bench, tally)).await,
        Law::CrashDelivery => Box::pin(responder::next_delivery(bench, tally)).await,
        Law::CrashSweep => Box::pin(responder::sweep(bench, tally)).await,
        Law::TwoDeliveries => Box::pin(responder::two_deliveries(bench, 0..25, tally)).await,
        Law::TwoEvents => Box::pin(responder::two_events(bench, 0..20, tally)).await,
        Law::Redelivery => Box::pin(responder::redelivery(bench, tally)).await,
        Law::AlreadyRight => Box::pin(responder::already_right(bench, tally)).await,
        Law::Modes => Box::pin(responder::modes(bench, tally)).await,
        Law::UndoPartial => Box::pin(responder::partial(bench, tally)).await,
        Law::UndoInterrupted => Box::pin(responder::interrupted(bench, tally)).await,
        Law::UndoRefused => Box::pin(responder::refused(bench, tally)).await,
        Law::ApproveInterrupted => Box::pin(responder::approved(bench, tally)).await,
        Law::PageTwo => Box::pin(responder::page_two(bench, tally)).await,
        Law::Declared => Box::pin(responder::declared(bench, tally)).await,
        Law::LooksOnly
        | Law::Satisfies
        | Law::Foreseen
        | Law::AgainIdle
        | Law::Restores
        | Law::UndoAgainIdle
        | Law::ReadsBack
        | Law::ErrorClass
        | Law::Repeats
        | Law::NoFalseSuccess
        | Law::PartialUndone
        | Law::Used
        | Law::Beside => panic!("`{law}` is a law of actions"),
    }
}

/// The specimens from `first` on, `count` of them; each in an account of its own.
async fn all_caught(from: usize, to: usize) {
    let mut missed = Vec::new();
    for &(name, law) in &CATCHES[from..to] {
        let scene = Scene::new().await.unwrap();
        let broken =
            Opened { name: "a broken ssh-access", sources: ONE, responder: specimen(name) };
        let ranged = Ranged(specimen(name));
        // Only what was changed into something else can be overtaken.
        let scenario: &dyn Scenario = if law == Law::UndoRefused { &ranged } else { &broken };
        let kept = run(&Bench::new(&scene, scenario), law).await;
        missed.extend(caught(name, law, kept).err());
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// What the specimens are wrapped in breaks none of the laws that cost little.
#[tokio::test]
async fn the_wrapper_of_the_specimens_is_sound() {
    let sound = Opened {
        name: "a wrapped ssh-access",
        sources: ONE,
        responder: With::<Honest, Sound>::boxed,
    };
    let laws = [
        Law::Redelivery,
        Law::AlreadyRight,
        Law::Modes,
        Law::PageTwo,
        Law::Declared,
        Law::Refusals,
    ];
    let scene = Scene::new().await.unwrap();
    for law in laws {
        let kept = run(&Bench::new(&scene, &sound), law).await;
        kept.unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[tokio::test]
async fn the_laws_of_faults_and_crashes_catch_their_specimens() {
    all_caught(0, 5).await;
}

#[tokio::test]
async fn the_other_laws_of_responders_catch_their_specimens() {
    all_caught(5, CATCHES.len()).await;
}
