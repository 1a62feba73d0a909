//! How single fields of a foreign record are read.
//!
//! A field that a decision hangs on must have its type: [`essential`]. Every other field reads as
//! unknown when AWS one day sends something else, because an odd user agent must not stop a
//! containment.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What a JSON value is, for messages: never its content, which may be secret.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A string; missing, null and empty are unknown, anything else is an error.
pub(super) fn essential<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(present(from)?.filter(|text| !text.is_empty()))
}

/// A string, also an empty one: that it stands there is what counts.
pub(super) fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(from)?;
    if value.is_null() { Ok(None) } else { string(value).map(Some) }
}

/// An object, or nothing. A derived structure would also take a list, member by member.
pub(super) fn object<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    struct Members<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned + Default> Visitor<'de> for Members<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E: de::Error>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members))
        }
    }

    from.deserialize_any(Members(PhantomData))
}

/// A string that must be there.
pub(super) fn required<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    string(Value::deserialize(from)?)
}

fn string<E: de::Error>(value: Value) -> Result<String, E> {
    if let Value::String(text) = value {
        Ok(text)
    } else {
        Err(E::custom(format!("expected a string, found {}", kind(&value))))
    }
}

/// A string; anything else is unknown.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(string::<de::value::Error>(Value::deserialize(from)?).ok().filter(|text| !text.is_empty()))
}

/// A boolean, also as text; anything else is unknown.
pub(super) fn boolean<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(truth(&Value::deserialize(from)?))
}

/// A list of strings; what is no string is left out, what is no list is empty.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let Value::Array(elements) = Value::deserialize(from)? else { return Ok(Vec::new()) };
    Ok(elements.into_iter().filter_map(|e| e.as_str().map(str::to_owned)).collect())
}

/// A time; what cannot be read is unknown.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Value::deserialize(from)?.as_str().and_then(instant))
}

/// What a truth value says, as JSON or as text.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value.as_str() {
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Some(_) | None => value.as_bool(),
    }
}

/// RFC 3339, or the form that log normalisers write, which has no offset and means UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", text).ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_or_unknown() {
        let cases = [
            ("2023-07-10T11:55:22Z", Some(1_688_990_122)),
            ("2024-12-16 18:41:07.000000000", Some(1_734_374_467)),
            ("2024-12-16 18:41:07", Some(1_734_374_467)),
            ("2024-12-16T18:41:07", None),
            ("2024-12-16", None),
            ("Thu Sep 05 13:06:56.334 UTC 2024", None),
            ("Dec 3, 2021, 6:02:30 PM", None),
            ("1688990122", None),
            ("9999999-12-16T18:41:07Z", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(instant(text).map(Timestamp::as_second), seconds, "{text:?}");
        }
    }
}
