//! R1.3, R2.3: what the role's policies let it read. Whoever held a session may have read it, and
//! only a person can rotate it.

use std::collections::{BTreeMap, BTreeSet};

use backstop_actions::iam::Policy;
use backstop_core::Result;
use backstop_core::text::safe;
use serde_json::Value;

/// How many lines are printed; the rest is counted.
const SHOWN: usize = 20;

/// What is read with which calls, and what its ARNs begin with after the account.
struct Kind {
    /// What a line calls it.
    one: &'static str,
    any: &'static str,
    service: &'static str,
    whole: &'static str,
    calls: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind {
        one: "rotate the secret",
        any: "rotate any secret of Secrets Manager",
        service: "secretsmanager",
        whole: "secret:*",
        calls: &["secretsmanager:GetSecretValue"],
    },
    Kind {
        one: "rotate what the parameter holds:",
        any: "rotate what any parameter of Systems Manager holds",
        service: "ssm",
        whole: "parameter/*",
        calls: &[
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:GetParametersByPath",
            "ssm:GetParameterHistory",
        ],
    },
    Kind {
        one: "count as read what the KMS key has encrypted:",
        any: "count as read what any KMS key has encrypted",
        service: "kms",
        whole: "key/*",
        calls: &["kms:Decrypt"],
    },
];

/// The statements of a policy: one, or a list.
pub(crate) fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    match policy.get("Statement") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
    .iter()
}

/// The texts of a value: one, or a list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// Whether a pattern of IAM names `text`: `*` is any text, `?` any one character; case is nothing.
fn names(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    // The places in the pattern that may be reached after each character of the text.
    let pattern: Vec<char> = pattern.chars().collect();
    let stars = |mut at: BTreeSet<usize>| {
        let mut next: Vec<usize> = at.iter().copied().collect();
        while let Some(n) = next.pop() {
            if pattern.get(n) == Some(&'*') && at.insert(n + 1) {
                next.push(n + 1);
            }
        }
        at
    };
    let mut at = stars(BTreeSet::from([0]));
    for letter in text.chars() {
        let step = |n: usize| match pattern.get(n)? {
            '*' => Some(n),
            '?' => Some(n + 1),
            same if *same == letter => Some(n + 1),
            _ => None,
        };
        at = stars(at.into_iter().filter_map(step).collect());
    }
    at.contains(&pattern.len())
}

/// Whether a statement is about one of the calls.
fn allows(statement: &Value, calls: &[&str]) -> bool {
    let any = |call: &&str, patterns: &[&str]| patterns.iter().any(|p| names(p, call));
    if statement.get("Effect").is_none_or(|effect| effect != "Allow") {
        return false;
    }
    if let Some(patterns) = statement.get("Action").map(texts) {
        return calls.iter().any(|call| any(call, &patterns));
    }
    let patterns = statement.get("NotAction").map(texts);
    patterns.is_some_and(|patterns| calls.iter().any(|call| !any(call, &patterns)))
}

/// Whether a resource pattern can name something of a kind, and whether it names all of them.
fn scope(pattern: &str, kind: &Kind) -> Option<bool> {
    if pattern == "*" {
        return Some(true);
    }
    let mut fields = pattern.splitn(6, ':');
    let (arn, _partition, service) = (fields.next()?, fields.next(), fields.next());
    // A pattern that is no whole ARN, such as `arn:*`, may name anything.
    let Some(service) = service.filter(|_| arn == "arn") else { return Some(true) };
    if !names(service, kind.service) {
        return None;
    }
    let rest: Vec<&str> = fields.collect();
    let whole = |n: usize| rest.get(n) == Some(&"*");
    let named = rest.get(2).is_none_or(|rest| *rest == "*" || *rest == kind.whole);
    Some(rest.len() < 3 || whole(0) && whole(1) && named)
}

/// What is read, by line, and the policies that allow it.
type Readable = BTreeMap<(usize, String), BTreeSet<String>>;

/// What is to be rotated, one line each, for a person.
///
/// # Errors
/// `Transient` if the policies may be read later.
pub(crate) fn lines(policies: Result<Vec<Policy>>) -> Result<Vec<String>> {
    let policies = match policies {
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            return Ok(vec![format!(
                "what the role may read is not known, so rotate by hand whatever it needs: its \
                 policies could not be listed: {error}"
            )]);
        }
        Ok(policies) => policies,
    };
    let mut readable = Readable::new();
    let mut unread = Vec::new();
    for policy in &policies {
        let name = safe(&policy.name, 64);
        let document = policy.document.as_ref().map_err(ToString::to_string);
        match document.and_then(|text| {
            serde_json::from_str::<Value>(text).map_err(|_| "it is not JSON".to_owned())
        }) {
            Ok(document) => {
                for statement in statements(&document) {
                    add(&mut readable, statement, &name);
                }
            }
            Err(why) => unread.push(format!(
                "what the policy `{name}` lets it read is not in this list: {}",
                safe(&why, 200)
            )),
        }
    }
    let mut lines = vec![summary(&readable)];
    let all = readable.len();
    for ((kind, pattern), by) in readable.into_iter().take(SHOWN) {
        let Some(kind) = KINDS.get(kind) else { continue };
        let what = if pattern.is_empty() {
            kind.any.to_owned()
        } else {
            format!("{} {pattern}", kind.one)
        };
        lines
            .push(format!("{what} (allowed by {})", by.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if all > SHOWN {
        lines.push(format!("and {} more: read the role's policies", all - SHOWN));
    }
    lines.extend(unread.into_iter().take(SHOWN));
    Ok(lines)
}

fn summary(readable: &Readable) -> String {
    let what = if readable.is_empty() {
        "no policy of the role lets it read a secret, a parameter or with a key"
    } else {
        "rotate by hand what the role may read, for whoever held a session may have read it"
    };
    format!(
        "{what}. Not subtracted: denies, conditions, the permissions boundary, SCPs. Not added: \
         resource policies and grants that name the role, and data in S3, DynamoDB and elsewhere"
    )
}

fn add(readable: &mut Readable, statement: &Value, by: &str) {
    for (n, kind) in KINDS.iter().enumerate().filter(|(_, kind)| allows(statement, kind.calls)) {
        let mut put = |pattern: String| {
            let policies = readable.entry((n, pattern)).or_default();
            policies.insert(by.to_owned());
        };
        if let Some(patterns) = statement.get("Resource").map(texts) {
            for pattern in patterns {
                match scope(pattern, kind) {
                    Some(true) => put(String::new()),
                    Some(false) => put(safe(pattern, 200)),
                    None => {}
                }
            }
        } else if let Some(patterns) = statement.get("NotResource").map(texts) {
            let left: Vec<String> = patterns
                .iter()
                .filter(|pattern| scope(pattern, kind).is_some())
                .take(3)
                .map(|pattern| safe(pattern, 100))
                .collect();
            put(if left.is_empty() {
                String::new()
            } else {
                format!("any but {}", left.join(", "))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(documents: &[&str]) -> Vec<String> {
        let policies = documents.iter().zip(1..).map(|(document, n)| Policy {
            name: format!("p{n}"),
            inline: true,
            document: Ok((*document).to_owned()),
        });
        lines(Ok(policies.collect())).unwrap().into_iter().skip(1).collect()
    }

    fn allow(action: &str, resource: &str) -> String {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":{action},"Resource":{resource}}}}}"#)
    }

    const SECRET: &str = r#""arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-*""#;

    #[test]
    fn r1_3_r2_3_what_each_statement_lets_it_read() {
        let any = "rotate any secret of Secrets Manager (allowed by p1)";
        let one = "rotate the secret arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-* (allowed by p1)";
        let everything = &[
            any,
            "rotate what any parameter of Systems Manager holds (allowed by p1)",
            "count as read what any KMS key has encrypted (allowed by p1)",
        ];
        for (document, expected) in [
            (allow(r#""secretsmanager:GetSecretValue""#, r#""*""#), &[any] as &[&str]),
            (allow(r#""secretsmanager:GetSecretValue""#, SECRET), &[one]),
            (allow(r#"["s3:*","SecretsManager:getsecret*"]"#, SECRET), &[one]),
            (allow(r#""secretsmanager:GetSecretValu?""#, SECRET), &[one]),
            (allow(r#""*""#, r#""*""#), everything),
            (allow(r#""*""#, SECRET), &[one]),
            (allow(r#""*""#, r#""arn:aws:secretsmanager:*:*:secret:*""#), &[any]),
            (allow(r#""*""#, r#""arn:*""#), everything),
            (allow(r#""*""#, r#""arn:aws:s3:::bucket/*""#), &[]),
            (allow(r#""secretsmanager:Describe*""#, r#""*""#), &[]),
            (allow(r#""secretsmanager:PutSecretValue""#, r#""*""#), &[]),
            (
                allow(r#""ssm:GetParametersByPath""#, r#""arn:aws:ssm:*:*:parameter/app/*""#),
                &[
                    "rotate what the parameter holds: arn:aws:ssm:*:*:parameter/app/* (allowed by p1)",
                ],
            ),
            (
                allow(r#""kms:Decrypt""#, r#""arn:aws:kms:eu-west-1:1:key/1""#),
                &[
                    "count as read what the KMS key has encrypted: arn:aws:kms:eu-west-1:1:key/1 (allowed by p1)",
                ],
            ),
            (
                format!(
                    r#"{{"Statement":[{{"Effect":"Allow","NotAction":["ssm:*","kms:*"],"NotResource":{SECRET}}}]}}"#
                ),
                &[
                    "rotate the secret any but arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-* (allowed by p1)",
                ],
            ),
            (allow(r#""*""#, r#""*""#).replace("Allow", "Deny"), &[]),
            ("{}".to_owned(), &[]),
        ] {
            assert_eq!(said(&[&document]), expected, "{document}");
        }
    }

    #[test]
    fn r1_3_the_list_is_bounded_says_what_it_lacks_and_holds_no_control_characters() {
        let many: Vec<String> =
            (0..25).map(|n| format!("\"arn:aws:kms:r:1:key/{n:02}\"")).collect();
        let lines = said(&[&allow(r#""kms:Decrypt""#, &format!("[{}]", many.join(",")))]);
        assert_eq!(lines.len(), 21, "{lines:?}");
        assert_eq!(lines.last().unwrap(), "and 5 more: read the role's policies");
        let unread = said(&["no policy", &allow(r#""kms:*""#, "\"*\"")]);
        assert!(
            unread.iter().any(|line| line.contains("`p1`") && line.contains("not in this list"))
        );
        let odd = said(&[&allow(r#""kms:*""#, r#""arn:aws:kms:r:1:key/\u001b[2J\n""#)]);
        assert!(!odd.join("").contains(['\u{1b}', '\n']), "{odd:?}");
    }
}
