//! What a binary says of itself.

use std::collections::BTreeSet;

/// The AWS SDK crates that are linked into a binary, such as `iam`.
///
/// Where the SDK may panic it keeps the path of its source file, and that names the crate and its
/// version (`aws-sdk-iam-1.133.0`); stripping does not remove it.
pub fn sdks(binary: &[u8]) -> BTreeSet<String> {
    const PREFIX: &[u8] = b"aws-sdk-";
    let mut found = BTreeSet::new();
    let mut rest = binary;
    while let Some(at) = rest.windows(PREFIX.len()).position(|window| window == PREFIX) {
        rest = rest.get(at + PREFIX.len()..).unwrap_or_default();
        let name: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_alphanumeric).collect();
        let version = rest.get(name.len()..).unwrap_or_default();
        if matches!(version, [b'-', digit, ..] if digit.is_ascii_digit()) && !name.is_empty() {
            found.insert(String::from_utf8_lossy(&name).into_owned());
        }
    }
    found
}

/// Whether the symbol table was removed.
pub fn is_stripped(binary: &[u8]) -> bool {
    let table = b".symtab\0";
    !binary.windows(table.len()).any(|window| window == table)
}

#[cfg(test)]
mod tests {
    use super::{is_stripped, sdks};

    #[test]
    fn crates_are_told_by_the_paths_of_their_sources() {
        let binary = b"\0/src/aws-sdk-iam-1.133.0/src/client.rs\0aws-sdk-rust/1.5.0\0\
            /src/aws-sdk-ec2-1.274.0/src/config.rs/aws-sdk-ec2-1.274.0/x aws-sdk-\0aws-sdk-s3";
        assert_eq!(sdks(binary).into_iter().collect::<Vec<_>>(), ["ec2", "iam"]);
        assert!(sdks(b"").is_empty());
    }

    #[test]
    fn a_symbol_table_has_a_name() {
        assert!(!is_stripped(b"\0.text\0.symtab\0.strtab\0"));
        assert!(is_stripped(b"\0.text\0.shstrtab\0"));
    }
}
