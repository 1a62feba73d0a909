//! The shapes of values: each takes the text of a value and gives what it means, or why it is
//! wrong and what to do about it.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;

use super::RESPONDERS;
use crate::ident::Shape;
use crate::text::safe;

/// Why a value is wrong, and what to do about it.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: String,
}

pub(super) fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), hint: hint.into() }
}

const COPY: &str = "copy it from the console or the AWS CLI";

/// `text` as it is shown in a message.
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", safe(text, 80))
}

fn is_not(text: &str, what: &str, hint: impl Into<String>) -> Wrong {
    wrong(format!("{} is not {what}", shown(text)), hint)
}

/// Text that says something.
pub(super) fn text(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        Err(wrong("it is empty", "write it out"))
    } else {
        Ok(text.to_owned())
    }
}

/// An identifier of a shape that events have too.
pub(super) fn of(shape: Shape) -> impl Fn(&str) -> Result<String, Wrong> {
    move |text| {
        if shape.fits(text) { Ok(text.to_owned()) } else { Err(is_not(text, shape.words(), COPY)) }
    }
}

/// The regular expression of `prefix` and hexadecimal digits.
pub(super) fn hex_pattern(prefix: &str) -> String {
    format!("^{prefix}-[0-9a-f]{{4,32}}$")
}

/// `prefix` and hexadecimal digits: identifiers that only a policy names.
pub(super) fn hex(prefix: &'static str) -> impl Fn(&str) -> Result<String, Wrong> {
    move |text| {
        let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        let fits = digits.is_some_and(|d| {
            (4..=32).contains(&d.len()) && d.bytes().all(|b| b"0123456789abcdef".contains(&b))
        });
        if fits {
            Ok(text.to_owned())
        } else {
            let what = format!("`{prefix}-` and hexadecimal digits");
            Err(is_not(text, &what, COPY))
        }
    }
}

/// A network or one address, without host bits, and not so wide that it admits everybody.
pub(super) fn cidr(text: &str) -> Result<IpNet, Wrong> {
    let one = || text.parse().map(|address: IpAddr| IpNet::from(address));
    let net: IpNet = text.parse().or_else(|_| one()).map_err(|_| {
        is_not(text, "a CIDR block", "write it as `203.0.113.0/24` or `2001:db8::/32`")
    })?;
    let widest = if net.addr().is_ipv4() { 8 } else { 16 };
    if net.trunc() != net {
        let hint = format!("write `{}` or `{}/{}`", net.trunc(), net.addr(), net.max_prefix_len());
        return Err(wrong(format!("{} has host bits", shown(text)), hint));
    }
    if net.prefix_len() < widest {
        let message = format!("{} is wider than /{widest}: it would admit everybody", shown(text));
        return Err(wrong(message, "list the networks that are yours"));
    }
    Ok(net)
}

/// The parts of an ARN.
#[derive(Debug)]
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

/// The parts of `text`, if it is the ARN of something.
pub(super) fn arn(text: &str) -> Option<Arn<'_>> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    let arn = Arn {
        partition: parts.next()?,
        service: parts.next()?,
        region: parts.next()?,
        account: parts.next()?,
        resource: parts.next()?,
    };
    let known = arn.partition == "aws" || arn.partition.starts_with("aws-");
    let owned = arn.account.is_empty() || arn.account == "aws" || Shape::Account.fits(arn.account);
    let full = !arn.service.is_empty() && !arn.resource.is_empty();
    (known && owned && full && text.bytes().all(|b| b.is_ascii_graphic())).then_some(arn)
}

/// The path and name of a role, and its account, if `text` is the ARN of one.
pub(super) fn role_parts(text: &str) -> Option<(Arn<'_>, &str)> {
    let arn = arn(text)?;
    let role = arn.resource.strip_prefix("role/")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b);
    let fits = arn.service == "iam" && arn.region.is_empty() && Shape::Account.fits(arn.account);
    (fits && !role.ends_with('/') && role.bytes().all(plain)).then_some((arn, role))
}

/// The ARN of one resource, or the beginning of one and `*`.
pub(super) fn arn_prefix(text: &str) -> Result<String, Wrong> {
    let stem = text.strip_suffix('*').unwrap_or(text);
    if stem.contains('*') || stem.contains('?') {
        return Err(wrong(
            format!("{} has a wildcard inside", shown(text)),
            "only one `*` at the end is understood",
        ));
    }
    if arn(stem).is_none() {
        let hint = "write `arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc`; a `*` may \
                    stand for its end, not for all of the resource";
        return Err(is_not(text, "the ARN of a resource", hint));
    }
    Ok(text.to_owned())
}

/// The ARN of a role, in full.
pub(super) fn role(text: &str) -> Result<String, Wrong> {
    if role_parts(text).is_some() {
        Ok(text.to_owned())
    } else {
        Err(is_not(
            text,
            "the ARN of a role",
            "write `arn:aws:iam::111122223333:role/name`, in full",
        ))
    }
}

/// The ARN of an instance profile, in full.
pub(super) fn instance_profile(text: &str) -> Result<String, Wrong> {
    let profile = arn(text).filter(|arn| {
        let name = arn.resource.strip_prefix("instance-profile/");
        arn.service == "iam" && name.is_some_and(|name| !name.is_empty() && !name.contains('*'))
    });
    if profile.is_some() {
        Ok(text.to_owned())
    } else {
        Err(is_not(
            text,
            "the ARN of an instance profile",
            "write `arn:aws:iam::111122223333:instance-profile/name`, in full",
        ))
    }
}

/// The number of a version, as text.
pub(super) fn version(text: &str) -> Result<String, Wrong> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits && !text.is_empty() && !text.starts_with('0') {
        Ok(text.to_owned())
    } else {
        Err(is_not(text, "the number of a version", "write it as \"3\": no `$Latest`"))
    }
}

/// One of the suite's responders.
pub(super) fn responder(text: &str) -> Result<String, Wrong> {
    if RESPONDERS.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(is_not(text, "a responder", nearest(text, RESPONDERS.iter().copied())))
    }
}

/// A date, which means the end of that day in UTC, or an RFC 3339 time.
pub(super) fn time(text: &str) -> Result<Timestamp, Wrong> {
    let end = match text.len() {
        10 => text.parse::<Date>().and_then(Date::tomorrow).map(|day| format!("{day}T00:00:00Z")),
        _ => Ok(text.to_owned()),
    };
    let end = end.and_then(|end| end.parse::<Timestamp>()).ok();
    end.ok_or_else(|| {
        is_not(
            text,
            "a date or a time with an offset",
            "write `2027-01-31` or `2027-01-31T17:00:00Z`",
        )
    })
}

/// Whether `pattern`, which may end in `*`, names `arn`.
pub(super) fn matches(pattern: &str, arn: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => arn.starts_with(stem),
        None => pattern == arn,
    }
}

/// What somebody who wrote `text` most likely meant.
pub(super) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(text, name), name))
        .min()
        .filter(|(distance, name)| distance * 3 <= name.len().max(3));
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!(
            "known here: {}",
            known.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}
