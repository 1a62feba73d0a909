//! Files that are derived from the code are fresh. `make generate` writes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Whether a test's name begins with a spec id: `s2_1_…`, `r2_1a_…`, `x2_14_…`.
fn is_scenario(name: &str) -> bool {
    let mut parts = name.splitn(3, '_');
    let (Some(control), Some(number), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digits = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    control.len() == 2
        && control.starts_with(['s', 't', 'r', 'x'])
        && control.ends_with(|c: char| c.is_ascii_digit())
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
}

#[test]
fn generated_scenarios_are_fresh() {
    let mut files = Vec::new();
    for folder in ["shared", "functions", "cli", "tests"] {
        rust_files(&root().join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) =
                line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))
            {
                let name = rest.split('(').next().unwrap_or_default();
                if is_test && is_scenario(name) {
                    names.insert(name.to_owned());
                }
                is_test = false;
            }
        }
    }
    let fresh: String = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
    fresh_or_written("cli/catalogue/scenarios.txt", &fresh);
}

/// Compares a kept file with what it is derived from; `make generate` writes it instead.
#[expect(clippy::disallowed_methods, reason = "how `make generate` asks for the file")]
pub(crate) fn fresh_or_written(path: &str, fresh: &str) {
    let file = root().join(path);
    if std::env::var_os("BACKSTOP_BLESS").is_some() {
        std::fs::write(&file, fresh).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == fresh, "{path} is stale; hint: run `make generate`");
}

/// What the deployment is made from: synthesis needs no Rust.
#[test]
fn generated_manifest_is_fresh() {
    let answer = std::process::Command::new(crate::process::binary("backstop"))
        .arg("manifest")
        .output()
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");
    fresh_or_written("infra/manifest.json", &String::from_utf8(answer.stdout).unwrap());
}

/// The docs of a responder have these headings, in this order: the catalogue is made from them.
const HEADINGS: [&str; 7] = [
    "What it detects",
    "Why it matters",
    "What it does",
    "What it can break",
    "How to undo it",
    "What it does not do",
    "References",
];

#[test]
fn every_responder_has_the_headings() {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("functions")).unwrap() {
        let library = entry.unwrap().path().join("src/lib.rs");
        let text = std::fs::read_to_string(&library).unwrap();
        let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("//! # ")).collect();
        assert_eq!(headings, HEADINGS, "{}", library.display());
        checked += 1;
    }
    assert!(checked >= 1);
}
