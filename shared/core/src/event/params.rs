//! Tolerant navigation over what a call was asked and what it answered.
//!
//! CloudTrail writes the same list as `{"items": […]}`, `{"item": x}`, `[…]`, one object or `""`,
//! depending on the age of the call; and it re-types text, so that an id may arrive as a number.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::lenient::truth;

/// What stands in place of a secret.
pub const REMOVED: &str = "<removed>";

/// Keys whose values are removed, in lower case.
const SECRET: [&str; 9] = [
    "sessiontoken",
    "secretaccesskey",
    "keymaterial",
    "tokenvalue",
    "password",
    "masteruserpassword",
    "privatekey",
    "userdata",
    "token",
];

const ABSENT: Value = Value::Null;

/// `requestParameters`, `responseElements` or the `detail` of a native event, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Params(Value);

impl Params {
    /// What `value` holds, its secrets removed.
    pub fn new(mut value: Value) -> Self {
        redact(&mut value);
        Self(value)
    }

    /// A view of the whole.
    pub const fn view(&self) -> View<'_> {
        View(&self.0)
    }

    /// Whether it is null or missing: unknown, not empty.
    pub const fn is_absent(&self) -> bool {
        self.view().is_absent()
    }

    /// See [`View::unwrapped`].
    pub fn unwrapped(&self, event_name: &str) -> View<'_> {
        self.view().unwrapped(event_name)
    }

    /// See [`View::get`].
    pub fn get(&self, key: &str) -> View<'_> {
        self.view().get(key)
    }

    /// See [`View::path`].
    pub fn path(&self, path: &str) -> View<'_> {
        self.view().path(path)
    }

    /// See [`View::list`].
    pub fn list(&self, key: &str) -> Vec<View<'_>> {
        self.view().list(key)
    }

    /// See [`View::text`].
    pub fn text(&self, key: &str) -> Option<String> {
        self.view().text(key)
    }

    /// See [`View::texts`].
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.view().texts(key)
    }

    /// See [`View::integer`].
    pub fn integer(&self, key: &str) -> Option<i64> {
        self.view().integer(key)
    }

    /// See [`View::boolean`].
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.view().boolean(key)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::new)
    }
}

/// A part of [`Params`]; the absent part has only absent parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a>(&'a Value);

impl<'a> View<'a> {
    /// The JSON as it stands, null if absent.
    pub const fn json(self) -> &'a Value {
        self.0
    }

    /// Whether it is null or missing: unknown, not empty.
    pub const fn is_absent(self) -> bool {
        matches!(self.0, Value::Null)
    }

    /// The inside of the wrapper that newer EC2 calls have, `<Call>Request` or `<Call>Response`;
    /// itself if there is none.
    #[must_use]
    pub fn unwrapped(self, event_name: &str) -> Self {
        for end in ["Request", "Response"] {
            if let Some(inner) = self.find(&format!("{event_name}{end}")) {
                return inner;
            }
        }
        // Some wrappers are abbreviated (`DelTGwVpcAttachReq`). Only an only member can be one:
        // beside others it is a parameter of that name.
        let mut members = self.0.as_object().into_iter().flatten();
        if let (Some((name, inner)), None) = (members.next(), members.next())
            && ["Req", "Request", "Resp", "Response"].iter().any(|end| name.ends_with(end))
            && (inner.is_object() || inner.as_str() == Some(""))
        {
            return Self(inner);
        }
        self
    }

    /// The member of that name: exact, else whatever its case; absent if there is none.
    #[must_use]
    pub fn get(self, key: &str) -> Self {
        self.find(key).unwrap_or(Self(&ABSENT))
    }

    /// The member of a member, names joined by dots. Lists are not crossed: use [`View::list`].
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        path.split('.').fold(self, Self::get)
    }

    /// The elements of the list of that name, in any form in which CloudTrail writes one.
    pub fn list(self, key: &str) -> Vec<Self> {
        self.get(key).elements()
    }

    /// The scalar of that name as text; empty is unknown.
    pub fn text(self, key: &str) -> Option<String> {
        self.get(key).scalar()
    }

    /// The list of scalars of that name, in any form.
    pub fn texts(self, key: &str) -> Vec<String> {
        self.list(key).into_iter().filter_map(Self::scalar).collect()
    }

    /// The whole number of that name, also as text.
    pub fn integer(self, key: &str) -> Option<i64> {
        self.get(key).scalar()?.parse().ok()
    }

    /// The truth value of that name, also as text.
    pub fn boolean(self, key: &str) -> Option<bool> {
        truth(self.get(key).content())
    }

    /// Its own elements, if it is a list in any form; a single thing is a list of one.
    pub fn elements(self) -> Vec<Self> {
        // Only as an only member: an element may have a member of that name beside others.
        let inside = match self.0 {
            Value::Object(members) if members.len() == 1 => {
                members.get("items").or_else(|| members.get("item"))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        let list = inside.unwrap_or(self.0);
        let elements = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice);
        elements.iter().map(Self).filter(|element| !element.is_empty()).collect()
    }

    /// Whether it is nothing: CloudTrail writes an empty list or structure as `""` or `{}`.
    fn is_empty(self) -> bool {
        match self.0 {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
        }
    }

    /// Itself as text, if it is a scalar; empty is unknown.
    pub fn scalar(self) -> Option<String> {
        match self.content() {
            Value::String(text) => Some(text.clone()).filter(|t| !t.is_empty()),
            Value::Bool(truth) => Some(truth.to_string()),
            // An id that was re-typed to `123123123123.0` must not keep the `.0`.
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() => Some(float.to_string()),
                _ => Some(number.to_string()),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// What `{"tag": n, "content": x}` holds, else itself.
    fn content(self) -> &'a Value {
        match (self.0.get("tag"), self.0.get("content")) {
            (Some(_), Some(content)) => content,
            (Some(_) | None, _) => self.0,
        }
    }

    fn find(self, key: &str) -> Option<Self> {
        let Value::Object(members) = self.0 else { return None };
        members
            .get(key)
            .or_else(|| members.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v))
            .map(Self)
    }
}

/// Replaces what must not reach a log, a journal or a notification. A list of work instead of
/// recursion: the depth of the input is not the depth of our stack.
fn redact(value: &mut Value) {
    let mut work = vec![value];
    while let Some(value) = work.pop() {
        match value {
            Value::Array(elements) => work.extend(elements),
            Value::Object(members) => {
                for (key, member) in members {
                    if !SECRET.iter().any(|s| key.eq_ignore_ascii_case(s)) {
                        work.push(member);
                    } else if !member.is_null() {
                        *member = Value::String(REMOVED.to_owned());
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
