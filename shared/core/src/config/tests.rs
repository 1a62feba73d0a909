use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::error::{Class, Error};

const SHIPPED: &str = include_str!("../../../../config/backstop.toml");
const LOCAL: &str = include_str!("../../../../tests/aws/backstop.toml");

const ARN: &str = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc";
const EXEMPTION: &str = r#"
[[exemption]]
id = "a"
responder = "ssh-access"
resource = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc"
owner = "o"
reason = "r"
ticket = "t"
expires = "2026-12-31"
"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-23T12:00:00Z")
}

fn parse(text: &str) -> Config {
    Config::parse(text, now()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// What `check` says about `text`.
fn said(text: &str) -> String {
    Config::check(text, now()).map_or_else(|mistakes| mistakes.to_string(), |_| "fine".to_owned())
}

/// Mistakes with their hints, as they are printed.
type Said = &'static [(&'static str, &'static str)];

fn assert_said(text: &str, expected: Said) {
    let expected: Vec<_> =
        expected.iter().map(|(m, hint)| format!("{m}\n  hint: {hint}")).collect();
    assert_eq!(said(text), expected.join("\n"), "for:\n{text}");
}

#[test]
fn config_mistakes_are_said_with_line_key_cause_and_hint() {
    assert_eq!((said("").as_str(), said(EXEMPTION).as_str()), ("fine", "fine"));
    for (text, expected) in MISTAKES {
        assert_said(text, expected);
    }
}

#[test]
fn config_mistakes_in_an_exemption_are_said() {
    for (from, to, expected) in IN_EXEMPTION {
        assert!(EXEMPTION.contains(from), "{from}");
        assert_said(&EXEMPTION.replace(from, to), expected);
    }
    let twice: Said =
        &[("line 12: exemption[1].id: `a` is the id of another one", "give each an id of its own")];
    assert_said(&EXEMPTION.repeat(2), twice);
}

#[test]
fn config_error_is_invalid_and_holds_every_mistake() {
    let mistakes = Config::parse("a = 1\nb = 2", now()).unwrap_err();
    assert_eq!(mistakes.0.iter().map(|m| m.line).collect::<Vec<_>>(), [Some(1), Some(2)]);
    let error = Error::from(mistakes);
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("line 1: a: ") && error.to_string().contains("line 2: b: "));
    assert_eq!(error.hint_text(), Some("run `backstop config check` before you deploy"));
}

#[test]
fn config_hash_depends_on_values_only() {
    let one = parse(
        "mode = \"plan\" # why\n[scope]\naccounts = [\"111122223333\", \"444455556666\"]\n\
         regions = [\"eu-west-1\"]\n[guards]\nfight_limit = 3\n",
    );
    assert_eq!(one.hash().len(), 64);
    let same = "# another comment\nmode = \"plan\"\n[guards]\nfight_limit = 3\n\
                fight_window_secs = 3600\n[scope]\nregions = [\"eu-west-1\", \"eu-west-1\"]\n\
                accounts = [\"444455556666\", \"111122223333\"]\n";
    assert_eq!(one.hash(), parse(same).hash());
    for (from, to) in [
        ("limit = 3", "limit = 4"),
        ("444455556666", "444455556667"),
        ("\"plan\"", "\"observe\""),
        ("[scope]", "[notify]\nops_item = false\n[scope]"),
        ("[scope]", "[responders.imdsv2]\nmode = \"observe\"\n[scope]"),
        ("[scope]", "[ssh-access]\ncorporate_cidrs = [\"203.0.113.0/24\"]\n[scope]"),
    ] {
        assert!(same.contains(from), "{from}");
        assert_ne!(one.hash(), parse(&same.replace(from, to)).hash(), "{to}");
    }

    let other = EXEMPTION.replace("id = \"a\"", "id = \"b\"");
    let both = parse(&format!("{EXEMPTION}{other}"));
    assert_eq!(both.hash(), parse(&format!("{other}{EXEMPTION}")).hash());
    // The text decides, not the day: two functions that start on two days agree.
    let later = Config::parse(EXEMPTION, at("2030-01-01T00:00:00Z")).unwrap();
    assert_eq!(parse(EXEMPTION).hash(), later.hash());
}

/// The keys of a schema by their paths, such as `exemption[].id`. A table whose keys are names has
/// one entry, `*`.
fn keys(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(schema, &path, found);
        keys(&schema["items"], &format!("{path}[]"), found);
        keys(&schema["additionalProperties"], &format!("{path}.*"), found);
        found.insert(path, schema.clone());
    }
}

fn schema_keys() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    keys(&Config::schema(), "", &mut found);
    assert!(found.len() > 40, "{found:?}");
    found
}

/// The keys of a file in the same form.
fn written(table: &toml::Table, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if path == "responders" { "*" } else { key };
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        value.as_table().iter().for_each(|table| written(table, &path, found));
        for table in value.as_array().into_iter().flatten().filter_map(toml::Value::as_table) {
            written(table, &format!("{path}[]"), found);
        }
        found.insert(path);
    }
}

fn written_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    written(&text.parse().unwrap(), "", &mut found);
    found
}

/// A file with its examples taken for real: lines that begin with `#` and a key or a table.
fn with_examples(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The comment before a key of the shipped file, in one line.
fn comment(path: &str) -> String {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let from = if table.is_empty() { Some(0) } else { SHIPPED.find(&format!("\n[{table}]\n")) };
    let section = from.and_then(|from| SHIPPED.get(from..));
    let section = section.unwrap_or_else(|| panic!("no [{table}]"));
    let (before, _) =
        section.split_once(&format!("\n{key} = ")).unwrap_or_else(|| panic!("{path}"));
    let (_, comment) = before.rsplit_once("\n\n").unwrap();
    comment.replace("\n# ", " ")
}

#[test]
fn config_shipped_file_changes_nothing() {
    let shipped = Config::check(SHIPPED, now()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(shipped.mode("ssh-access"), Mode::Observe);
    assert_eq!(shipped.hash(), parse("").hash(), "a value in it is not the default");
    for name in RESPONDERS.iter().chain(&principals::PATHS).chain(&principals::NAMES) {
        assert!(SHIPPED.contains(name), "`{name}` is not named");
    }
}

#[test]
fn config_shipped_file_and_schema_have_the_same_keys() {
    let examples = with_examples(SHIPPED);
    assert_eq!(said(&examples), "fine", "with its examples");
    let mut schema: BTreeSet<String> = schema_keys().into_keys().collect();
    schema.insert("responders.*".to_owned());
    assert_eq!(schema, written_in(&examples));
}

#[test]
fn config_shipped_file_says_every_default_and_bound() {
    let live = written_in(SHIPPED);
    let mut bounds = 0;
    for (path, schema) in schema_keys() {
        assert!(schema["description"].is_string(), "{path}: not described");
        let default = &schema["default"];
        if default.is_null() || default.is_object() || !schema["items"]["properties"].is_null() {
            continue;
        }
        assert!(live.contains(&path), "{path}: has a default, but only as an example");
        let comment = comment(&path);
        assert!(comment.contains(&format!("Default {default}")), "{path}: {default}: {comment}");
        let (Some(min), Some(max)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64())
        else {
            assert!(!default.is_number(), "{path}: no bounds");
            continue;
        };
        bounds += 1;
        assert!(
            comment.contains(&format!(", {min} to {max}")),
            "{path}: {min} to {max}: {comment}"
        );
        let (table, key) = path.rsplit_once('.').unwrap();
        // Each of the two that depend on each other needs the other where it is not in the way.
        let other = match key {
            "actions_per_10_min" => "actions_per_hour = 5000",
            "actions_per_hour" => "actions_per_10_min = 1",
            _ => "",
        };
        let fine = |n: i128| said(&format!("[{table}]\n{other}\n{key} = {n}")) == "fine";
        let (min, max) = (i128::from(min), i128::from(max));
        assert_eq!([min - 1, min, max, max + 1].map(fine), [false, true, true, false], "{path}");
    }
    assert_eq!(bounds, 13);
}

#[test]
fn config_local_file_enforces_in_the_whole_account() {
    let local = Config::check(LOCAL, now()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(RESPONDERS.iter().all(|responder| local.mode(responder) == Mode::Enforce));
    assert!(local.in_scope("111111111111", "us-east-1"));
    assert!(local.is_production("111111111111", None, &BTreeMap::new()));
    assert_eq!(local.imdsv2, Imdsv2::default());
    assert_eq!(local.ssh_access, SshAccess::default());
    assert_eq!(local.principals, Principals::default());
    assert!(local.exemptions.is_empty());
    assert!(local.warnings(now()).is_empty(), "{:?}", local.warnings(now()));
}

#[test]
fn config_mode_of_a_responder_replaces_the_global_one() {
    let config = parse(
        "mode = \"plan\"\n[responders.ssh-access]\nmode = \"observe\"\n[responders.imdsv2]\n\
         [responders.golden-ami]\nmode = \"enforce\"\n\
         [scope]\naccounts = [\"111122223333\"]\nregions = [\"eu-west-1\"]",
    );
    assert_eq!(config.mode("ssh-access"), Mode::Observe);
    assert_eq!(config.mode("imdsv2"), Mode::Plan);
    assert_eq!(config.mode("patch-windows"), Mode::Plan);
    assert_eq!(config.mode("golden-ami"), Mode::Enforce);
}

#[test]
fn config_scope_and_production() {
    let config = parse(
        "[scope]\naccounts = [\"111122223333\", \"444455556666\"]\n\
         regions = [\"us-east-1\", \"eu-west-1\"]\n\
         [scope.production]\naccounts = [\"444455556666\"]\nvpcs = [\"vpc-0abc\"]\n\
         [[scope.production.tags]]\nkey = \"env\"\nvalues = [\"prod\", \"live\"]",
    );
    for (account, region, expected) in [
        ("111122223333", "eu-west-1", true),
        ("111122223333", "eu-west-2", false),
        ("999999999999", "eu-west-1", false),
        ("", "", false),
    ] {
        assert_eq!(config.in_scope(account, region), expected, "{account} {region}");
    }
    let places: Vec<_> = config.places().collect();
    assert_eq!(places.len(), 4);
    assert_eq!(places[0], ("111122223333", "eu-west-1"));

    let tags = |value: &str| BTreeMap::from([("env".to_owned(), value.to_owned())]);
    let none = BTreeMap::new();
    for (account, vpc, tags, expected) in [
        ("444455556666", None, &none, true),
        ("111122223333", None, &none, false),
        ("111122223333", Some("vpc-0abc"), &none, true),
        ("111122223333", Some("vpc-0abd"), &none, false),
        ("111122223333", None, &tags("prod"), true),
        ("111122223333", None, &tags("live"), true),
        ("111122223333", None, &tags("Prod"), false),
        ("999999999999", Some("vpc-0abc"), &tags("prod"), false),
    ] {
        assert_eq!(
            config.is_production(account, vpc, tags),
            expected,
            "{account} {vpc:?} {tags:?}"
        );
    }
    let empty = parse("[scope.production]\neverything = true");
    assert!(!empty.in_scope("111122223333", "eu-west-1"), "an empty scope holds nothing");
    assert!(!empty.is_production("111122223333", None, &none));
}

#[test]
fn config_own_and_protected_principals() {
    let config = parse(
        "[scope]\naccounts = [\"111122223333\"]\nregions = [\"eu-west-1\"]\n[principals]\n\
         protected = [\"arn:aws:iam::111122223333:role/BreakGlass*\", \
                      \"arn:aws:iam::444455556666:user/root-of-ci\"]\n\
         own = [\"arn:aws:iam::444455556666:role/x/backstop\"]",
    );
    for (arn, own, protected) in [
        ("arn:aws:iam::111122223333:role/backstop-ssh-access-unattended", true, true),
        ("arn:aws:iam::111122223333:role/backstop-imdsv2-attended", true, true),
        ("arn:aws:iam::444455556666:role/x/backstop", true, true),
        // Another partition, account, path, lane, responder or kind of principal.
        ("arn:aws-cn:iam::111122223333:role/backstop-imdsv2-attended", false, false),
        ("arn:aws:iam::999999999999:role/backstop-ssh-access-unattended", false, false),
        ("arn:aws:iam::111122223333:role/x/backstop-ssh-access-unattended", false, false),
        ("arn:aws:iam::111122223333:role/backstop-ssh-access-unattended2", false, false),
        ("arn:aws:iam::111122223333:role/backstop-ssh-access-other", false, false),
        ("arn:aws:iam::111122223333:role/backstop-ssh-accessunattended", false, false),
        ("arn:aws:iam::111122223333:role/backstop-evil-attended", false, false),
        ("arn:aws:iam::111122223333:user/backstop-ssh-access-attended", false, false),
        ("arn:aws:iam:eu-west-1:111122223333:role/backstop-imdsv2-attended", false, false),
        ("arn:aws:sts::111122223333:assumed-role/backstop-imdsv2-attended/x", false, false),
        ("arn:aws:iam::111122223333:role/BreakGlassAdmin", false, true),
        ("arn:aws:iam::444455556666:role/BreakGlassAdmin", false, false),
        ("arn:aws:iam::444455556666:user/root-of-ci", false, true),
        ("arn:aws:iam::444455556666:user/root-of-ci2", false, false),
        ("arn:aws:iam::444455556666:role/aws-service-role/ssm.amazonaws.com/A", false, true),
        ("arn:aws:iam::444455556666:role/aws-reserved/sso.amazonaws.com/A", false, true),
        ("arn:aws:iam::444455556666:role/x/aws-reserved/A", false, false),
        ("arn:aws:iam::444455556666:role/OrganizationAccountAccessRole", false, true),
        ("arn:aws:iam::444455556666:role/OrganizationAccountAccessRole2", false, false),
        ("arn:aws:iam::444455556666:role/AWSControlTowerExecution", false, true),
        ("arn:aws:iam::444455556666:role/cdk-x-cfn-exec-role-444455556666-eu-west-1", false, true),
        ("arn:aws:iam::444455556666:role/cdk-x-deploy-role-444455556666-eu-west-1", false, true),
        ("arn:aws:iam::444455556666:role/cdk-x-cfn-exec-role-111122223333-eu-west-1", false, false),
        ("arn:aws:iam::444455556666:role/cdk-x-evil-role-444455556666-eu-west-1", false, false),
        (ARN, false, false),
        ("", false, false),
    ] {
        assert_eq!(config.is_own(arn), own, "own: {arn}");
        assert_eq!(config.is_protected(arn), protected, "protected: {arn}");
    }
}

#[test]
fn config_exemption_holds_one_responder_off_until_it_ends() {
    let here = "111122223333";
    let config = parse(EXEMPTION);
    for (responder, account, resource, when, expected) in [
        ("ssh-access", here, ARN, "2026-11-23T12:00:00Z", true),
        ("ssh-access", here, ARN, "2026-12-31T23:59:59.999Z", true),
        ("ssh-access", here, ARN, "2027-01-01T00:00:00Z", false),
        ("imdsv2", here, ARN, "2026-11-23T12:00:00Z", false),
        ("ssh-access", here, &format!("{ARN}0"), "2026-11-23T12:00:00Z", false),
    ] {
        let found = config.exemption_for(responder, account, resource, at(when));
        assert_eq!(found.is_some(), expected, "{responder} {account} {resource} {when}");
    }

    for end in
        ["\"2026-12-31T10:00:00+01:00\"", "2026-12-31T10:00:00+01:00", "2026-12-31 09:00:00Z"]
    {
        let text = EXEMPTION.replace("sg-0abc\"", "*\"").replace("\"2026-12-31\"", end);
        let config = parse(&text);
        assert!(config.exemption_for("ssh-access", here, ARN, now()).is_some());
        assert_eq!(config.exemptions[0].expires, at("2026-12-31T09:00:00Z"), "{end}");
    }
    assert_eq!(parse(&EXEMPTION.replace("\"2026-12-31\"", "2026-12-31")).hash(), config.hash());

    let bucket = "arn:aws:s3:::b";
    let config = parse(&EXEMPTION.replace(ARN, &format!("{bucket}\"\naccount = \"{here}")));
    assert!(config.exemption_for("ssh-access", here, bucket, now()).is_some());
    assert!(config.exemption_for("ssh-access", "444455556666", bucket, now()).is_none());
}

#[test]
fn config_ended_exemption_is_a_mistake_for_people_and_nothing_to_a_function() {
    let later = at("2027-06-01T00:00:00Z");
    assert!(Config::check(EXEMPTION, later).is_err());
    assert!(Config::parse(EXEMPTION, later).is_ok());
    let config = parse(EXEMPTION);
    let warned =
        |now| config.warnings(now).into_iter().filter(|w| w.contains("exemption")).collect();
    for (when, expected) in [
        ("2025-11-23T12:00:00Z", Some("lasts until 2027-01-01T00:00:00Z: more than a year")),
        ("2026-11-23T12:00:00Z", None),
        ("2026-12-17T23:59:59Z", None),
        ("2026-12-18T00:00:00Z", Some("ends at 2027-01-01T00:00:00Z")),
        ("2027-01-01T00:00:00Z", Some("ended at 2027-01-01T00:00:00Z and counts no more")),
    ] {
        let expected: Vec<_> =
            expected.map(|e| format!("the exemption `a` {e}")).into_iter().collect();
        let warned: Vec<String> = warned(at(when));
        assert_eq!(warned, expected, "{when}");
    }
}

#[test]
fn config_without_effect_is_a_warning() {
    assert_eq!(
        parse("").warnings(now()),
        [
            "`scope.accounts` is empty: nothing is in scope",
            "`scope.regions` is empty: nothing is in scope",
            "`scope.production` is empty: nothing is acted upon unattended",
        ]
    );
    let text = EXEMPTION.replace(ARN, "arn:aws:s3:::b\"\naccount = \"444455556666");
    let expected = "the exemption `a` is for an account that is not in scope".to_owned();
    assert!(parse(&text).warnings(now()).contains(&expected));
}

#[test]
fn config_ssh_access_lists() {
    let config = parse(
        "[ssh-access]\ncorporate_cidrs = [\"203.0.113.0/24\", \"2001:db8::/32\", \"198.51.100.7\"]",
    );
    let nets: Vec<_> = config.ssh_access.corporate_cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(nets, ["198.51.100.7/32", "203.0.113.0/24", "2001:db8::/32"]);

    let config = parse(
        "[[ssh-access.bastion_group]]\ngroup_id = \"sg-0abc\"\nuntil = 2026-11-30\nreason = \"r\"\n\
         [[ssh-access.allowed_key_pair]]\nrole = \"arn:aws:iam::111122223333:role/ci/packer\"",
    );
    let ssh = &config.ssh_access;
    assert!(ssh.bastion("sg-0abc", now()).is_some_and(|b| b.reason == "r"));
    assert!(ssh.bastion("sg-0abd", now()).is_none());
    assert!(ssh.bastion("sg-0abc", at("2026-12-01T00:00:00Z")).is_none());
    assert_eq!(ssh.allowed_key_pairs.len(), 1);
    let warning = "the bastion `sg-0abc` ends at 2026-12-01T00:00:00Z".to_owned();
    assert!(config.warnings(now()).contains(&warning), "{:?}", config.warnings(now()));
}

#[test]
fn config_revoke_sessions_names_whole_roles() {
    let role = "arn:aws:iam::111122223333:role/ci/deployer";
    let config = parse(&format!("[revoke-sessions]\npreauthorised = [\"{role}\"]"));
    assert!(config.revoke_sessions.is_preauthorised(role));
    for other in ["arn:aws:iam::111122223333:role/deployer", &format!("{role}2"), "*", ""] {
        assert!(!config.revoke_sessions.is_preauthorised(other), "{other}");
    }
    assert!(!parse("").revoke_sessions.is_preauthorised(role));
    let wild = said("[revoke-sessions]\npreauthorised = [\"arn:aws:iam::111122223333:role/*\"]");
    assert!(wild.contains("is not the ARN of a role"), "{wild}");
}

#[test]
fn config_guards_become_limits() {
    let limits = parse("[guards]\nfight_limit = 3\nfight_window_secs = 600").guards.limits();
    assert_eq!((limits.fights, limits.fight_window.as_secs()), (3, 600));
    assert_eq!((limits.per_10_min, limits.per_hour), (10, 30));
}

/// A text, and what is wrong with it.
const MISTAKES: &[(&str, Said)] = &[
    (
        "mode = \"enforce",
        &[(
            "line 1: column 16: invalid basic string, expected `\"`",
            "what follows it is checked once this is right",
        )],
    ),
    (
        "[guards]\nfight_limit = 2\nfight_limit = 3",
        &[("line 3: column 1: duplicate key", "what follows it is checked once this is right")],
    ),
    ("mode = \"enforced\"", &[("line 1: mode: `enforced` is unknown", "did you mean `enforce`?")]),
    (
        "mode = \"on\"",
        &[("line 1: mode: `on` is unknown", "known here: `observe`, `plan`, `enforce`")],
    ),
    ("mode = true", &[("line 1: mode: it is a boolean, not text", "put it in quotes")]),
    (
        "mode = \"\\u001b[2J\"",
        &[("line 1: mode: `\u{fffd}[2J` is unknown", "known here: `observe`, `plan`, `enforce`")],
    ),
    (
        "[guard]\nfight_limit = 3",
        &[("line 1: guard: there is no such key", "did you mean `guards`?")],
    ),
    (
        "[notify]\nslack = \"#ops\"",
        &[(
            "line 2: notify.slack: there is no such key",
            "known here: `ops_item`, `ops_item_min_urgency`",
        )],
    ),
    (
        "scope = 1",
        &[(
            "line 1: scope: it is a whole number, not a table",
            "write its name in brackets, `[…]`, and its keys below",
        )],
    ),
    (
        "[responders.ssh-acces]\nmode = \"plan\"",
        &[("line 1: responders.ssh-acces: there is no such key", "did you mean `ssh-access`?")],
    ),
    (
        "[responders]\nssh-access = \"plan\"",
        &[(
            "line 2: responders.ssh-access: it is text, not a table",
            "write its name in brackets, `[…]`, and its keys below",
        )],
    ),
    (
        "[responders.ssh-access]\nmod = \"plan\"",
        &[("line 2: responders.ssh-access.mod: there is no such key", "did you mean `mode`?")],
    ),
    (
        "[scope]\naccounts = [111122223333, \"11112222333\"]",
        &[
            ("line 2: scope.accounts[0]: it is a whole number, not text", "put it in quotes"),
            (
                "line 2: scope.accounts[1]: `11112222333` is not an account id (12 digits)",
                "copy it from the console or the AWS CLI",
            ),
        ],
    ),
    (
        "[scope]\naccounts = [\n  \"111122223333\",\n  \"11112222333\",\n]",
        &[(
            "line 4: scope.accounts[1]: `11112222333` is not an account id (12 digits)",
            "copy it from the console or the AWS CLI",
        )],
    ),
    (
        "[scope]\nregions = [\"Frankfurt\"]\nhome_region = \"eu\"",
        &[
            (
                "line 2: scope.regions[0]: `Frankfurt` is not a Region (such as `eu-west-1`)",
                "copy it from the console or the AWS CLI",
            ),
            (
                "line 3: scope.home_region: `eu` is not a Region (such as `eu-west-1`)",
                "copy it from the console or the AWS CLI",
            ),
        ],
    ),
    (
        "[scope]\nregions = \"eu-west-1\"",
        &[("line 2: scope.regions: it is text, not a list", "put it in brackets: `[…]`")],
    ),
    (
        "mode = \"enforce\"",
        &[
            (
                "scope.accounts: nothing is in scope, but a mode is `enforce`",
                "list what Backstop may change, or set the mode to `observe`",
            ),
            (
                "scope.regions: nothing is in scope, but a mode is `enforce`",
                "list what Backstop may change, or set the mode to `observe`",
            ),
        ],
    ),
    (
        "[responders.imdsv2]\nmode = \"enforce\"\n[scope]\naccounts = []\nregions = [\"eu-west-1\"]",
        &[(
            "line 4: scope.accounts: nothing is in scope, but a mode is `enforce`",
            "list what Backstop may change, or set the mode to `observe`",
        )],
    ),
    (
        "mode = \"enforce\"\n[scope]\naccounts = [1]\nregions = [\"eu-west-1\"]",
        &[("line 3: scope.accounts[0]: it is a whole number, not text", "put it in quotes")],
    ),
    (
        "[scope.production]\naccounts = [\"111122223333\"]",
        &[(
            "line 2: scope.production.accounts[0]: `111122223333` is not in scope",
            "add it to `scope.accounts`, or take it out here",
        )],
    ),
    (
        "[scope.production]\neverything = true\nvpcs = [\"vpc-XYZ\"]",
        &[
            (
                "line 2: scope.production.everything: `true` leaves nothing for `accounts`, \
             `vpcs` and `tags` to say",
                "keep `everything`, or the other keys",
            ),
            (
                "line 3: scope.production.vpcs[0]: `vpc-XYZ` is not `vpc-` and hexadecimal \
             digits",
                "copy it from the console or the AWS CLI",
            ),
        ],
    ),
    (
        "[[scope.production.tags]]\nkey = \"env\"",
        &[(
            "line 1: scope.production.tags[0].values: it names no value",
            "list the values that mean production",
        )],
    ),
    (
        "[principals]\nprotected = [\"*\", \"arn:aws:iam::*:role/x\"]",
        &[
            (
                "line 2: principals.protected[0]: `*` is not the ARN of a resource",
                "write `arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc`; a `*` may \
             stand for its end, not for all of the resource",
            ),
            (
                "line 2: principals.protected[1]: `arn:aws:iam::*:role/x` has a wildcard inside",
                "only one `*` at the end is understood",
            ),
        ],
    ),
    (
        "[principals]\nown = [\"arn:aws:iam::111122223333:role/b*\", \"arn:aws:iam::111122223333:user/b\"]",
        &[
            (
                "line 2: principals.own[0]: `arn:aws:iam::111122223333:role/b*` is not the ARN \
             of a role",
                "write `arn:aws:iam::111122223333:role/name`, in full",
            ),
            (
                "line 2: principals.own[1]: `arn:aws:iam::111122223333:user/b` is not the ARN \
             of a role",
                "write `arn:aws:iam::111122223333:role/name`, in full",
            ),
        ],
    ),
    (
        "[guards]\nmax_event_age_secs = 5",
        &[(
            "line 2: guards.max_event_age_secs: `5` is out of bounds",
            "it lies between 60 and 21600; the default is 900",
        )],
    ),
    (
        "[guards]\nfight_limit = -1\nfleet_share_percent = 0x65",
        &[
            (
                "line 2: guards.fight_limit: `-1` is out of bounds",
                "it lies between 1 and 10; the default is 2",
            ),
            (
                "line 3: guards.fleet_share_percent: `0x65` is out of bounds",
                "it lies between 1 and 100; the default is 5",
            ),
        ],
    ),
    (
        "[guards]\nfight_window_secs = \"1h\"\nfight_limit = 2.5",
        &[
            (
                "line 2: guards.fight_window_secs: it is text, not a whole number",
                "write it without quotes, unit or fraction",
            ),
            (
                "line 3: guards.fight_limit: it is a number with a fraction, not a whole number",
                "write it without quotes, unit or fraction",
            ),
        ],
    ),
    (
        "[guards]\nactions_per_10_min = 50",
        &[(
            "line 1: guards.actions_per_hour: 30 is less than `actions_per_10_min`",
            "raise it to that, or lower the other",
        )],
    ),
    (
        "[exemption]\nid = \"a\"",
        &[(
            "line 1: exemption: it is a table, not a list of tables",
            "write its name in double brackets, `[[…]]`, each time",
        )],
    ),
    (
        "[ssh-access]\ncorporate_cidrs = [\"203.0.113.7/24\", \"10.0.0/8\", \"0.0.0.0/0\", \"::/0\"]",
        &[
            (
                "line 2: ssh-access.corporate_cidrs[0]: `203.0.113.7/24` has host bits",
                "write `203.0.113.0/24` or `203.0.113.7/32`",
            ),
            (
                "line 2: ssh-access.corporate_cidrs[1]: `10.0.0/8` is not a CIDR block",
                "write it as `203.0.113.0/24` or `2001:db8::/32`",
            ),
            (
                "line 2: ssh-access.corporate_cidrs[2]: `0.0.0.0/0` is wider than /8: it would \
             admit everybody",
                "list the networks that are yours",
            ),
            (
                "line 2: ssh-access.corporate_cidrs[3]: `::/0` is wider than /16: it would \
             admit everybody",
                "list the networks that are yours",
            ),
        ],
    ),
    (
        "[ssh-access]\nacceptable_prefix_lists = [\"sg-0abc\"]\nssm_baseline_roles = [\"app\"]",
        &[
            (
                "line 2: ssh-access.acceptable_prefix_lists[0]: `sg-0abc` is not a prefix list \
             id (`pl-` and hexadecimal digits)",
                "copy it from the console or the AWS CLI",
            ),
            (
                "line 3: ssh-access.ssm_baseline_roles[0]: `app` is not the ARN of a role",
                "write `arn:aws:iam::111122223333:role/name`, in full",
            ),
        ],
    ),
    (
        "[imdsv2]\nconfig_rules = [\"a b\"]\n[imdsv2.hop_limit]\nothers = 65\n\
         [[imdsv2.hop_limit.host]]\n[[imdsv2.hop_limit.host]]\ninstance_profile = \"ecs\"",
        &[
            (
                "line 2: imdsv2.config_rules[0]: `a b` is not a name (letters, digits and \
                 `+=,.@_/-`)",
                "copy it from the console or the AWS CLI",
            ),
            (
                "line 4: imdsv2.hop_limit.others: `65` is out of bounds",
                "it lies between 1 and 64; the default is 1",
            ),
            (
                "line 5: imdsv2.hop_limit.host[0]: it names no host",
                "give `instance_profile`, `auto_scaling_group` or `launch_template`",
            ),
            (
                "line 7: imdsv2.hop_limit.host[1].instance_profile: `ecs` is not the ARN of an \
                 instance profile",
                "write `arn:aws:iam::111122223333:instance-profile/name`, in full",
            ),
        ],
    ),
    (
        "[[imdsv2.launch_template]]\nid = \"lt-0abc\"\nversions = [\"$Latest\"]\n\
         [[imdsv2.launch_template]]\nid = \"lt-0abc\"",
        &[
            (
                "line 3: imdsv2.launch_template[0].versions[0]: `$Latest` is not the number of a \
                 version",
                "write it as \"3\": no `$Latest`",
            ),
            (
                "line 4: imdsv2.launch_template[1].versions: it names no version",
                "list the numbers, each in quotes",
            ),
        ],
    ),
    (
        "[[ssh-access.allowed_key_pair]]\n[[ssh-access.allowed_key_pair]]\nlaunch_template = \"x\"",
        &[
            (
                "line 1: ssh-access.allowed_key_pair[0]: it names no launch",
                "give `key_name`, `launch_template`, `auto_scaling_group` or `role`",
            ),
            (
                "line 3: ssh-access.allowed_key_pair[1].launch_template: `x` is not `lt-` and \
             hexadecimal digits",
                "copy it from the console or the AWS CLI",
            ),
        ],
    ),
    (
        "[[ssh-access.bastion_group]]\ngroup = \"sg-0abc\"\nuntil = 2026-13-01",
        &[(
            "line 3: column 9: invalid date, expected month between 01 and 12",
            "what follows it is checked once this is right",
        )],
    ),
    (
        "[[ssh-access.bastion_group]]\ngroup_id = \"sg-xyz\"\nuntil = 12:00:00\nreason = \"\"",
        &[
            (
                "line 2: ssh-access.bastion_group[0].group_id: `sg-xyz` is not a security group \
             id (`sg-` and hexadecimal digits)",
                "copy it from the console or the AWS CLI",
            ),
            (
                "line 3: ssh-access.bastion_group[0].until: `12:00:00` is not a date or a time \
             with an offset",
                "write `2027-01-31` or `2027-01-31T17:00:00Z`",
            ),
            ("line 4: ssh-access.bastion_group[0].reason: it is empty", "write it out"),
        ],
    ),
    (
        "[notify]\nops_item = \"yes\"\nops_item_min_urgency = \"high\"",
        &[
            (
                "line 2: notify.ops_item: it is text, not a boolean",
                "write `true` or `false`, without quotes",
            ),
            (
                "line 3: notify.ops_item_min_urgency: `high` is unknown",
                "known here: `info`, `ticket`, `page`",
            ),
        ],
    ),
];

/// A change of [`EXEMPTION`], and what is wrong with it then.
const IN_EXEMPTION: &[(&str, &str, Said)] = &[
    (
        "\"2026-12-31\"",
        "\"2026-11-22\"",
        &[(
            "line 9: exemption[0].expires: it ended at 2026-11-23T00:00:00Z",
            "delete the exemption, or have its owner renew it",
        )],
    ),
    (
        "\"2026-12-31\"",
        "2026-12-31T10:00:00",
        &[(
            "line 9: exemption[0].expires: `2026-12-31T10:00:00` is not a date or a time \
             with an offset",
            "write `2027-01-31` or `2027-01-31T17:00:00Z`",
        )],
    ),
    (
        "expires = \"2026-12-31\"",
        "",
        &[("line 2: exemption[0].expires: it is missing", "add it: there is no default")],
    ),
    (
        "owner",
        "ownr",
        &[
            ("line 2: exemption[0].owner: it is missing", "add it: there is no default"),
            ("line 6: exemption[0].ownr: there is no such key", "did you mean `owner`?"),
        ],
    ),
    ("\"t\"", "\" \"", &[("line 8: exemption[0].ticket: it is empty", "write it out")]),
    (
        "sg-0abc\"",
        "sg-0abc\"\naccount = \"999999999999\"",
        &[(
            "line 6: exemption[0].account: `999999999999` is not the account of the \
             resource, `111122223333`",
            "leave `account` out: the ARN names it",
        )],
    ),
    (
        "security-group/sg-0abc",
        "*",
        &[(
            "line 5: exemption[0].resource: `arn:aws:ec2:eu-west-1:111122223333:*` is not \
             the ARN of a resource",
            "write `arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc`; a `*` may \
             stand for its end, not for all of the resource",
        )],
    ),
    (
        "ssh-access",
        "aws-work-02",
        &[(
            "line 4: exemption[0].responder: `aws-work-02` is not a responder",
            "known here: `imdsv2`, `ssh-access`, `ecr-scanning`, `inspector-coverage`, \
             `lambda-privilege`, `eks-identity`, `golden-ami`, `patch-windows`, \
             `isolate-instance`, `revoke-sessions`",
        )],
    ),
];
