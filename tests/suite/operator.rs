//! The operator's verbs: the real `backstop` against the deployed stacks, as a person types them.

mod dlq;
mod examples;
mod interrupted;
mod refused;
mod transcript;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use backstop_core::words::Lane;
use backstop_testkit::Scene;
use backstop_testkit::deploy::Deployed;
use backstop_testkit::machine::POLICY;
use backstop_testkit::scene::{Allow, REGION};
use serde_json::Value;

use crate::process::{binary, deployed};
use crate::rules::others;

/// Runs a line in a terminal and answers each question that it asks.
const IN_A_TERMINAL: &str = r#"
import os, pty, re, sys
line, answer = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "-c", line])
said = b""
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:  # the process is gone
        break
    if not more:
        break
    said += more
    if answer and said.endswith(b"Type `yes`: "):
        os.write(terminal, answer.encode() + b"\n")
# As it looks in the end: what was erased is gone.
said = re.sub(rb"[^\n]*\r\x1b\[K", b"", said.replace(b"\r\n", b"\n"))
sys.stdout.buffer.write(said)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// What a line did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A person on call, signed in to an account with the deployed stacks.
pub(crate) struct Person {
    pub(crate) scene: Scene,
    function: Deployed,
    /// Those of the other responders, for as long as somebody asks them.
    _others: Vec<Deployed>,
    /// Has the policy and nothing else; ends with the person.
    folder: PathBuf,
}

impl Drop for Person {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Person {
    pub(crate) async fn on_call() -> Self {
        let (scene, function) = deployed(&[]).await;
        // Who asks for incidents asks every responder.
        let others = others(&scene).await;
        let folder = std::env::temp_dir().join(format!("backstop-operator-{}", scene.id()));
        std::fs::create_dir_all(folder.join("config")).unwrap();
        let policy = POLICY.replace("{account}", scene.id());
        std::fs::write(folder.join("config/backstop.toml"), policy).unwrap();
        Self { scene, function, _others: others, folder }
    }

    /// A shell in which nothing but this account is known.
    fn shell(&self, program: &Path) -> Command {
        let mut shell = Command::new(program);
        let bin = binary("backstop");
        shell
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.parent().unwrap().display()))
            .env("HOME", &self.folder)
            .env("AWS_ENDPOINT_URL", self.scene.local.endpoint())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", self.scene.id())
            .env("AWS_SECRET_ACCESS_KEY", "dummy")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        shell
    }

    /// Types a line where nobody can be asked.
    pub(crate) fn types(&self, line: &str) -> Done {
        let done = self.shell(Path::new("/bin/bash")).args(["-c", line]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
    }

    /// Types a line in a terminal, and answers what is asked.
    pub(crate) fn answers(&self, line: &str, answer: &str) -> (i32, String) {
        let mut shell = self.shell(&crate::runbooks::python());
        let done =
            shell.env("NO_COLOR", "1").args(["-c", IN_A_TERMINAL, line, answer]).output().unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    }

    /// The answer of a line that prints JSON.
    pub(crate) fn reads(&self, line: &str) -> Value {
        let done = self.types(&format!("{line} --format json"));
        serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{line}: {e}: {done:?}"))
    }

    /// The calls since then that changed something; to ask a function is none.
    pub(crate) fn changes(&self, since: u64) -> Vec<String> {
        let mut changes = self.scene.changes(since).unwrap();
        changes.retain(|name| name != "lambda:Invoke");
        changes
    }

    /// A group with a rule that the unattended lane holds, and its incident.
    async fn held(&self, name: &str) -> (String, String) {
        let group = self.scene.group(name).await.unwrap();
        let rule = self.scene.allow(&group, Allow::range(20, 30, "10.0.0.0/8")).await.unwrap();
        let event = self.scene.recorded().authorized(&group, &[rule]);
        let held = self.function.invoke(Lane::Unattended, &event).unwrap().unwrap();
        assert_eq!(held["incidents"][0]["outcome"], "held", "{held}");
        (group, held["incidents"][0]["id"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_run_plans_asks_and_applies_what_was_shown() {
    let person = Person::on_call().await;
    let group = person.scene.group("web").await.unwrap();
    let run = format!("backstop run ssh-access.revoke-ingress --group-id {group} --reason INC-42");
    let right = person.types(&run);
    assert_eq!(right.code, 0, "nothing is wrong: {right:?}");

    person.scene.allow(&group, Allow::range(20, 30, "0.0.0.0/0")).await.unwrap();
    let mark = person.scene.mark().unwrap();
    let planned = person.types(&run);
    assert_eq!(planned.code, 1, "changes pending: {planned:?}");
    for said in ["aws ec2 revoke-security-group-ingress", "modify-security-group-rules"] {
        assert!(planned.out.contains(said), "{said}: {}", planned.out);
    }
    assert_eq!(person.changes(mark), [""; 0], "a plan changes nothing");

    // Nobody can be asked: refused, and the plan has been shown.
    let unasked = person.types(&format!("{run} --apply"));
    assert_eq!(unasked.code, 4, "{unasked:?}");
    assert!(unasked.out.contains("revoke-security-group-ingress"), "{unasked:?}");
    assert!(unasked.err.contains("hint: look at the plan above, then repeat with `--yes`"));
    // Anything but `yes` is no.
    for answer in ["no", "y", ""] {
        let (code, said) = person.answers(&format!("{run} --apply"), &format!("{answer} "));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("nothing was changed"), "{said}");
    }
    assert_eq!(person.changes(mark), [""; 0]);

    let (code, said) = person.answers(&format!("{run} --apply --option narrow"), "yes");
    assert_eq!(code, 0, "{said}");
    // The person needs nothing but to invoke the function.
    let own: Vec<String> = person
        .scene
        .calls(mark)
        .unwrap()
        .iter()
        .filter(|call| !call.principal.as_deref().unwrap_or_default().contains("backstop-"))
        .map(backstop_testkit::Call::name)
        .filter(|name| name != "lambda:Invoke" && name != "sts:GetCallerIdentity")
        .collect();
    assert!(own.is_empty(), "{own:?}");
    // Who it was is known without being said.
    let listed = person.reads("backstop incidents --outcome contained");
    let id = listed["incidents"][0]["id"].as_str().unwrap();
    let shown = person.reads(&format!("backstop show {id}"));
    let entries = shown["incidents"][0]["entries"].as_array().unwrap();
    let approved = entries.iter().find(|entry| entry["change"] == "approved").unwrap();
    assert_eq!(approved["by"], format!("arn:aws:iam::{}:root", person.scene.id()));
    let mut rules = person.scene.rules(&group).await.unwrap();
    rules.sort();
    assert_eq!(rules, ["tcp 20-21 from 0.0.0.0/0", "tcp 23-30 from 0.0.0.0/0"]);
}

#[tokio::test]
async fn one_run_on_several_instances_tells_of_each() {
    let person = Person::on_call().await;
    let scene = &person.scene;
    let launch = async |group: &str, count| {
        let launched = scene.launch(count, group, None).await.unwrap();
        let ids = launched.into_iter().map(|i| i.instance_id.unwrap());
        ids.map(|id| format!("--instance-id {id}")).collect::<Vec<_>>()
    };
    let (open, closed) = (scene.group("open").await.unwrap(), scene.group("closed").await.unwrap());
    scene.allow(&open, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    // Two in the open group, so that the second has nothing left to do; one where nothing is wrong.
    let mut ids = launch(&open, 2).await;
    ids.extend(launch(&closed, 1).await);
    let run = format!(
        "backstop run ssh-access.revoke-ingress {} --reason INC-42 --apply --yes",
        ids.join(" ")
    );
    let chosen = person.types(&format!("{run} --option narrow"));
    assert_eq!(chosen.code, 2, "no plan holds a choice: {chosen:?}");
    assert_eq!(scene.rules(&open).await.unwrap(), ["tcp 22 from 0.0.0.0/0"]);

    let done = person.types(&format!("{run} --format json"));
    assert_eq!(done.code, 0, "{done:?}");
    let reply: Value = serde_json::from_str(&done.out).unwrap();
    let outcomes: Vec<_> = reply["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["contained", "compliant"], "{reply}");
    assert!(done.err.contains("nothing is left to apply"), "{}", done.err);
    assert_eq!(scene.rules(&open).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_engine_here_and_the_deployed_function_say_the_same() {
    let person = Person::on_call().await;
    let (group, incident) = person.held("web").await;
    let (other, twin) = person.held("twin").await;
    let same = |line: &str| {
        let deployed = person.types(line);
        let here = person.types(&format!("{line} --local"));
        assert_eq!(deployed.code, here.code, "{line}: {deployed:?} {here:?}");
        // The two look at different times.
        let timeless = |text: &str| transcript::plain(text, &[]);
        assert_eq!(timeless(&deployed.out), timeless(&here.out), "{line}");
        assert!(!here.out.is_empty(), "{line}: {here:?}");
    };
    same("backstop incidents");
    for format in ["text", "json", "markdown", "html"] {
        same(&format!("backstop show {incident} --format {format}"));
    }
    // What changes something is done to twins, and told apart by ids and times alone.
    let alike = |line: &str, also: &str| {
        let deployed = person.types(&format!("backstop {line} {incident} {also}"));
        let here = person.types(&format!("backstop {line} {twin} {also} --local"));
        assert_eq!((deployed.code, here.code), (0, 0), "{deployed:?} {here:?}");
        let shown = |done: &Done, incident: &str, group: &str| {
            let known = [
                (incident, "INCIDENT"),
                (group, "GROUP"),
                ("(web)", "(NAME)"),
                ("(twin)", "(NAME)"),
            ];
            (transcript::plain(&done.out, &known), transcript::plain(&done.err, &known))
        };
        assert_eq!(shown(&deployed, &incident, &group), shown(&here, &twin, &other), "{line}");
    };
    alike("approve", "--yes");
    alike("show", "");
    alike("undo", "--yes");
    alike("show", "");
    for group in [group, other] {
        assert_eq!(person.scene.rules(&group).await.unwrap(), ["tcp 20-30 from 10.0.0.0/8"]);
    }
}
