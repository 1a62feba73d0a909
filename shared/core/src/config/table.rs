//! Reads a table key by key and notes every mistake instead of stopping at the first: what cannot
//! be read is replaced by its default, and whoever asked for the policy gets the notes instead.

use std::cell::RefCell;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistakes::{Mistake, Mistakes};
use super::shape::{self, Wrong, nearest, shown};

/// The smallest and the greatest value of a number.
pub(super) type Bounds = (u32, u32);

/// The text of a policy, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    text: &'a str,
    mistakes: RefCell<Vec<(Option<usize>, Mistake)>>,
}

/// A table of the text: it remembers what it was asked for, so that the rest is unknown.
#[derive(Debug)]
pub(super) struct Table<'a> {
    keys: Option<&'a DeTable<'a>>,
    path: String,
    start: Option<usize>,
    asked: Vec<&'a str>,
    notes: &'a Notes<'a>,
}

/// A kind of value, and how it is written.
#[derive(Clone, Copy)]
struct Kind(&'static str, &'static str);

const TEXT: Kind = Kind("text", "put it in quotes");
const NUMBER: Kind = Kind("a whole number", "write it without quotes, unit or fraction");
const FLAG: Kind = Kind("a boolean", "write `true` or `false`, without quotes");
const TIME: Kind = Kind("a date or time", "write `2027-01-31` or `2027-01-31T17:00:00Z`");
const LIST: Kind = Kind("a list", "put it in brackets: `[…]`");
const TABLES: Kind =
    Kind("a list of tables", "write its name in double brackets, `[[…]]`, each time");
const TABLE: Kind = Kind("a table", "write its name in brackets, `[…]`, and its keys below");

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Notes<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, mistakes: RefCell::default() }
    }

    pub(super) fn add(
        &self,
        start: Option<usize>,
        path: String,
        message: String,
        hint: Option<String>,
    ) {
        let line = start.map(|start| self.position(start).0);
        self.mistakes.borrow_mut().push((start, Mistake { path, message, hint, line }));
    }

    /// The line and the column of a byte, the first being 1.
    pub(super) fn position(&self, start: usize) -> (usize, usize) {
        let before = self.text.get(..start).unwrap_or(self.text);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (before.bytes().filter(|b| *b == b'\n').count() + 1, column)
    }

    /// All that is wrong, in the order of the text; what stands nowhere comes last.
    pub(super) fn mistakes(self) -> Mistakes {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|(start, _)| (start.is_none(), *start));
        Mistakes(mistakes.into_iter().map(|(_, mistake)| mistake).collect())
    }
}

impl<'a> Table<'a> {
    pub(super) fn root(keys: &'a DeTable<'a>, notes: &'a Notes<'a>) -> Self {
        Self { keys: Some(keys), path: String::new(), start: None, asked: Vec::new(), notes }
    }

    /// Whether the text gives the key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.is_some_and(|keys| keys.contains_key(key))
    }

    /// Makes a key known that need not be read.
    pub(super) fn knows(&mut self, key: &'a str) {
        self.asked.push(key);
    }

    /// Whether the text gives no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_none_or(DeTable::is_empty)
    }

    /// Notes a mistake at a key, or at the table itself if `key` is empty or missing.
    pub(super) fn note(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let at = self.keys.and_then(|keys| keys.get_key_value(key));
        let start = at.map(|(key, _)| key.span().start).or(self.start);
        self.notes.add(start, self.path_of(key), message.into(), Some(hint.into()));
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.path.clone(),
            _ => format!("{}.{key}", self.path),
        }
    }

    fn get(&mut self, key: &'a str) -> Option<Value<'a>> {
        self.knows(key);
        self.keys?.get(key)
    }

    /// The value of a key, if it is there and `take` knows what to do with it.
    fn take<T>(
        &mut self,
        key: &'a str,
        wanted: Kind,
        take: impl FnOnce(&DeValue<'a>) -> Option<Result<T, Wrong>>,
    ) -> Option<T> {
        let value = self.get(key)?;
        self.settle(self.path_of(key), value, wanted, take(value.get_ref()))
    }

    fn settle<T>(
        &self,
        path: String,
        value: Value<'a>,
        wanted: Kind,
        taken: Option<Result<T, Wrong>>,
    ) -> Option<T> {
        let wrong = match taken {
            Some(Ok(taken)) => return Some(taken),
            Some(Err(wrong)) => wrong,
            None => {
                let Kind(kind, how) = wanted;
                shape::wrong(format!("it is {}, not {kind}", kind_of(value.get_ref()).0), how)
            }
        };
        self.notes.add(Some(value.span().start), path, wrong.message, Some(wrong.hint));
        None
    }

    pub(super) fn flag(&mut self, key: &'a str, default: bool) -> bool {
        self.take(key, FLAG, |value| value.as_bool().map(Ok)).unwrap_or(default)
    }

    pub(super) fn number(&mut self, key: &'a str, default: u32, (min, max): Bounds) -> u32 {
        let read = |value: &DeValue<'a>| {
            let number = value.as_integer()?;
            let fits = u32::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|n| (min..=max).contains(n));
            Some(fits.ok_or_else(|| {
                let message = format!("{} is out of bounds", shown(&number.to_string()));
                shape::wrong(
                    message,
                    format!("it lies between {min} and {max}; the default is {default}"),
                )
            }))
        };
        self.take(key, NUMBER, read).unwrap_or(default)
    }

    /// One word of a list, by its spelling.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'a str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        self.text(key, |text| {
            all.iter().copied().find(|word| name(*word) == text).ok_or_else(|| {
                let names = all.iter().map(|word| name(*word));
                shape::wrong(format!("{} is unknown", shown(text)), nearest(text, names))
            })
        })
    }

    /// Text of a shape, if the key is there.
    pub(super) fn text<T>(
        &mut self,
        key: &'a str,
        shape: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.take(key, TEXT, |value| value.as_str().map(shape))
    }

    /// Text of a shape, which must be there.
    pub(super) fn needed<T: Default>(
        &mut self,
        key: &'a str,
        shape: impl Fn(&str) -> Result<T, Wrong>,
    ) -> T {
        self.need(key);
        self.text(key, shape).unwrap_or_default()
    }

    /// A time, which must be there: in quotes or as TOML writes dates.
    pub(super) fn time(&mut self, key: &'a str) -> Option<Timestamp> {
        self.need(key);
        let read = |value: &DeValue<'a>| match value.as_datetime() {
            Some(time) => Some(shape::time(&time.to_string())),
            None => value.as_str().map(shape::time),
        };
        self.take(key, TIME, read)
    }

    fn need(&self, key: &str) {
        if !self.has(key) {
            self.note(key, "it is missing", "add it: there is no default");
        }
    }

    /// Texts of a shape, in order, each once: a list of the policy is a set.
    pub(super) fn list<T: Ord>(
        &mut self,
        key: &'a str,
        shape: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<T> {
        let items = self.items(key, LIST);
        let mut list: Vec<T> = items
            .filter_map(|(path, value)| {
                self.settle(path, value, TEXT, value.get_ref().as_str().map(&shape))
            })
            .collect();
        list.sort();
        list.dedup();
        list
    }

    /// Whether the list of a key is not there or has no entry, right or wrong.
    pub(super) fn list_is_empty(&self, key: &str) -> bool {
        self.keys
            .and_then(|keys| keys.get(key))
            .is_none_or(|value| value.get_ref().as_array().is_some_and(|items| items.is_empty()))
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables<T>(&mut self, key: &'a str, mut read: impl FnMut(Self) -> T) -> Vec<T> {
        self.items(key, TABLES)
            .filter_map(|(path, value)| {
                let table = value.get_ref().as_table().map(Ok);
                let keys = Some(self.settle(path.clone(), value, TABLE, table)?);
                Some(read(Self {
                    keys,
                    path,
                    start: Some(value.span().start),
                    asked: Vec::new(),
                    notes: self.notes,
                }))
            })
            .collect()
    }

    fn items(
        &mut self,
        key: &'a str,
        wanted: Kind,
    ) -> impl Iterator<Item = (String, Value<'a>)> + use<'a> {
        let path = self.path_of(key);
        let items = self.get(key).and_then(|value| {
            self.settle(path.clone(), value, wanted, value.get_ref().as_array().map(Ok))
        });
        items
            .into_iter()
            .flat_map(|items| items.iter())
            .enumerate()
            .map(move |(n, v)| (format!("{path}[{n}]"), v))
    }

    /// The table of `[key]`, empty if it is not there.
    pub(super) fn table(&mut self, key: &'a str) -> Self {
        let path = self.path_of(key);
        let value = self.get(key);
        let keys = value.and_then(|value| {
            self.settle(path.clone(), value, TABLE, value.get_ref().as_table().map(Ok))
        });
        let start = value.map(|value| value.span().start);
        Self { keys, path, start, asked: Vec::new(), notes: self.notes }
    }

    /// The keys of the table, for one whose keys are not known beforehand.
    pub(super) fn names(&self) -> Vec<&'a str> {
        self.keys
            .map(|keys| keys.keys().map(|key| key.get_ref().as_ref()).collect())
            .unwrap_or_default()
    }

    /// Notes every key that was not asked for.
    pub(super) fn finish(self) {
        for name in self.names() {
            if !self.asked.contains(&name) {
                let hint = nearest(name, self.asked.iter().copied());
                self.note(name, "there is no such key", hint);
            }
        }
    }
}

fn kind_of(value: &DeValue<'_>) -> Kind {
    match value {
        DeValue::String(_) => TEXT,
        DeValue::Integer(_) => NUMBER,
        DeValue::Float(_) => Kind("a number with a fraction", ""),
        DeValue::Boolean(_) => FLAG,
        DeValue::Datetime(_) => TIME,
        DeValue::Array(_) => LIST,
        DeValue::Table(_) => TABLE,
    }
}
