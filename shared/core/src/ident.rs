//! Identifiers checked by shape before they are used: no event text reaches a call unchecked.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The shapes of identifiers, as AWS gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `sg-` and hexadecimal digits: 8 before 2018, 17 now.
    SecurityGroup,
    /// `sgr-` and hexadecimal digits.
    SecurityGroupRule,
    /// `i-` and hexadecimal digits.
    Instance,
    /// `pl-` and hexadecimal digits.
    PrefixList,
    /// `lt-` and hexadecimal digits.
    LaunchTemplate,
    /// A name that AWS lets people choose, of the characters that need no escape anywhere.
    Name,
    /// 12 digits.
    Account,
    /// Such as `eu-west-1` or `us-gov-west-1`.
    Region,
    /// An incident id of this suite.
    Incident,
    /// The name of an IAM role, or its path and its name: `web`, `service-role/web`.
    Role,
}

/// Whether `text` is `prefix` and 4 to 32 lowercase hexadecimal digits. The bounds are generous:
/// lengths have changed before, and records of other tools shorten them.
fn hex_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (4..=32).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Whether `text` is a role's name of 1 to 64 characters, behind a path of whole segments or none.
/// IAM lets a path hold any printable character; one with others than a name may have is not taken.
fn role(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let segment = |s: &str| !s.is_empty() && s.bytes().all(plain);
    let name = text.rsplit('/').next().unwrap_or_default();
    text.len() <= 512 + 64 && name.len() <= 64 && text.split('/').all(segment)
}

impl Shape {
    /// Whether `text` has this shape.
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::SecurityGroup => hex_id(text, "sg-"),
            Self::SecurityGroupRule => hex_id(text, "sgr-"),
            Self::Instance => hex_id(text, "i-"),
            Self::PrefixList => hex_id(text, "pl-"),
            Self::LaunchTemplate => hex_id(text, "lt-"),
            Self::Name => {
                (1..=255).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b))
            }
            Self::Account => text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()),
            Self::Region => {
                let parts: Vec<&str> = text.split('-').collect();
                (3..=5).contains(&parts.len())
                    && parts.last().is_some_and(|n| !n.is_empty() && n.parse::<u8>().is_ok())
                    && parts.iter().all(|p| {
                        !p.is_empty()
                            && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                    })
            }
            Self::Incident => {
                text.len() <= 100
                    && text.contains('-')
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
            Self::Role => role(text),
        }
    }

    /// The shape in words, for messages.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecurityGroup => "a security group id (`sg-` and hexadecimal digits)",
            Self::SecurityGroupRule => "a security group rule id (`sgr-` and hexadecimal digits)",
            Self::Instance => "an instance id (`i-` and hexadecimal digits)",
            Self::PrefixList => "a prefix list id (`pl-` and hexadecimal digits)",
            Self::LaunchTemplate => "a launch template id (`lt-` and hexadecimal digits)",
            Self::Name => "a name (letters, digits and `+=,.@_/-`)",
            Self::Account => "an account id (12 digits)",
            Self::Region => "a Region (such as `eu-west-1`)",
            Self::Incident => "an incident id (as an `incidents` order lists them)",
            Self::Role => "the name of a role, with or without its path (such as `ci/deployer`)",
        }
    }

    /// The shape as a regular expression, for forms that check it before Backstop does.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::SecurityGroup => "^sg-[0-9a-f]{4,32}$",
            Self::SecurityGroupRule => "^sgr-[0-9a-f]{4,32}$",
            Self::Instance => "^i-[0-9a-f]{4,32}$",
            Self::PrefixList => "^pl-[0-9a-f]{4,32}$",
            Self::LaunchTemplate => "^lt-[0-9a-f]{4,32}$",
            Self::Name => "^[A-Za-z0-9+=,.@_/-]{1,255}$",
            Self::Account => "^[0-9]{12}$",
            Self::Region => "^[a-z0-9]+(-[a-z0-9]+){1,3}-[0-9]{1,3}$",
            Self::Incident => "^[a-z0-9-]{1,100}$",
            Self::Role => "^([A-Za-z0-9_+=,.@-]+/){0,8}[A-Za-z0-9_+=,.@-]{1,64}$",
        }
    }

    /// `text`, if it has this shape.
    ///
    /// # Errors
    /// `Invalid`, naming what was expected. The text is shown shortened and escaped.
    pub fn check(self, text: &str) -> Result<&str> {
        if self.fits(text) {
            Ok(text)
        } else {
            Err(Error::invalid(format!(
                "`{}` is not {}",
                crate::text::safe(text, 60),
                self.words()
            )))
        }
    }
}

/// The partition that a Region lies in.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The ARN of an EC2 resource, such as `ec2_arn("eu-west-1", "111111111111", "security-group", id)`.
pub fn ec2_arn(region: &str, account: &str, kind: &str, id: &str) -> String {
    format!("arn:{}:ec2:{region}:{account}:{kind}/{id}", partition(region))
}

/// The ARN of a role, by its path and its name: IAM's ARNs name no Region, only its partition.
pub fn role_arn(region: &str, account: &str, role: &str) -> String {
    format!("arn:{}:iam::{account}:role/{role}", partition(region))
}

/// SHA-256 in lowercase hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The incident id: the same event about the same resource gives the same id, so that a claim is
/// one conditional put. The date is the event's, so that a redelivery after midnight finds it.
pub fn incident_id(
    responder: &str,
    date: jiff::civil::Date,
    account: &str,
    region: &str,
    event_key: &str,
    resource: &str,
) -> String {
    // Length-prefixed: no two different lists of parts hash alike.
    let mut hash = Sha256::new();
    for part in [responder, account, region, event_key, resource] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let short: String = data_encoding::BASE32_NOPAD
        .encode(&hash.finalize())
        .to_ascii_lowercase()
        .chars()
        .take(12)
        .collect();
    format!("{responder}-{}-{short}", date.strftime("%Y%m%d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_take_what_aws_gives_and_nothing_else() {
        let cases = [
            (Shape::SecurityGroup, "sg-0123456789abcdef0", true),
            (Shape::SecurityGroup, "sg-abcd", true),
            (Shape::SecurityGroup, "sg-0123; rm -rf /", false),
            (Shape::SecurityGroup, "sgr-0123456789abcdef0", false),
            (Shape::SecurityGroup, "SG-0123456789abcdef0", false),
            (Shape::SecurityGroup, "", false),
            (Shape::SecurityGroupRule, "sgr-0a11552a7d225f5c7", true),
            (Shape::Instance, "i-12345678", true),
            (Shape::Instance, "mi-12345678", false),
            (Shape::LaunchTemplate, "lt-0123456789abcdef0", true),
            (Shape::LaunchTemplate, "lt-01234567;", false),
            (Shape::Name, "securityhub-ec2-imdsv2-check-1a2b", true),
            (Shape::Name, "", false),
            (Shape::Name, "a b", false),
            (Shape::Name, "a`b", false),
            (Shape::Account, "111111111111", true),
            (Shape::Account, "11111111111", false),
            (Shape::Account, "١١١١١١١١١١١١", false),
            (Shape::Region, "eu-west-1", true),
            (Shape::Region, "us-gov-west-1", true),
            (Shape::Region, "ap-southeast-7", true),
            (Shape::Region, "global", false),
            (Shape::Region, "eu-west-1/..", false),
            (Shape::Incident, "ssh-access-20261123-abcdefghijkl", true),
            (Shape::Incident, "i#1", false),
            (Shape::Role, "web", true),
            (Shape::Role, "AWSServiceRoleForX_1+=,.@-", true),
            (Shape::Role, "service-role/web", true),
            (Shape::Role, "a/b/c/web", true),
            (Shape::Role, "/web", false),
            (Shape::Role, "web/", false),
            (Shape::Role, "a//web", false),
            (Shape::Role, "", false),
            (Shape::Role, "arn:aws:iam::111111111111:role/web", false),
            (Shape::Role, "web; rm -rf /", false),
            (Shape::Role, "$(id)", false),
            (Shape::Role, "web\n", false),
            (Shape::Role, "wéb", false),
            (Shape::Role, &"w".repeat(64), true),
            (Shape::Role, &"w".repeat(65), false),
            (Shape::Role, &format!("{}/web", "p".repeat(600)), false),
        ];
        for (shape, text, fits) in cases {
            assert_eq!(shape.fits(text), fits, "{shape:?} {text:?}");
        }
    }

    #[test]
    fn an_incident_id_depends_on_every_part() {
        let date = jiff::civil::date(2026, 11, 23);
        let id = |r, a, g, k, s| incident_id(r, date, a, g, k, s);
        let one = id("ssh-access", "111111111111", "eu-west-1", "k", "arn");
        assert_eq!(one, id("ssh-access", "111111111111", "eu-west-1", "k", "arn"));
        assert!(one.starts_with("ssh-access-20261123-"), "{one}");
        assert!(Shape::Incident.fits(&one));
        for other in [
            id("imdsv2", "111111111111", "eu-west-1", "k", "arn"),
            id("ssh-access", "111111111112", "eu-west-1", "k", "arn"),
            id("ssh-access", "111111111111", "eu-west-2", "k", "arn"),
            id("ssh-access", "111111111111", "eu-west-1", "ka", "rn"),
        ] {
            assert_ne!(one, other);
        }
    }
}
