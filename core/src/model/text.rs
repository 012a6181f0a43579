//! Sentences with arguments, made where the decision is. `Display` is English; other languages are a matter of who shows it.
//!
//! ```text
//! text!("{container} writes to volume {volume}", container, volume)
//! text!(n; "1 change waits", "{n} changes wait")
//! ```
//!
//! Each template has its French pattern in `src/words/fr.txt`. The names in a template and the arguments are compared when the
//! program is compiled.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::address::ProviderId;
use super::code::Code;
use super::kinds::Kind;
use super::time::{Millis, Timestamp};

/// A template that is nothing but words of somebody else.
const FOREIGN: &str = "{said}";

/// A language of terminal and pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Language {
    /// As HTML and locales name it: `fr`.
    pub const fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Fr => "fr",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Language::En => Language::Fr,
            Language::Fr => Language::En,
        }
    }

    /// Of `fr`, `fr_FR.UTF-8` or `fr-CA`. `None`: a language that Amarre does not speak.
    pub fn parse(tag: &str) -> Option<Self> {
        let tag = tag.to_ascii_lowercase();
        let word = tag.split(['_', '-', '.', '@', ';']).next().unwrap_or_default();
        [Language::En, Language::Fr].into_iter().find(|language| language.code() == word)
    }
}

/// A sentence: its English template and the arguments in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Text {
    template: Cow<'static, str>,
    args: BTreeMap<Cow<'static, str>, Arg>,
}

/// One argument. A secret cannot be one: it has no text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// A name: of a service, a container, a file, a provider, a command.
    Name(String),
    /// What a vendor, a program or a person said, or a sentence that has no template yet. Never translated.
    Foreign(String),
    /// A number of things.
    Count(i64),
    /// An amount of money, in hundredths: with two digits after the decimal sign of the reader.
    Money(i64),
    /// A span, in milliseconds.
    Span(Millis),
    /// An instant, in milliseconds since the epoch; shown in local time, as `03 Dec 18:00:00`.
    Date(Timestamp),
    /// An instant of this day, shown as `18:00:00`.
    Clock(Timestamp),
    /// A day, by its instant in UTC, shown as `9 Jan`.
    Day(Timestamp),
    /// A kind of resource.
    Kind(Kind),
    /// An error code.
    Code(Code),
    /// A sentence within the sentence.
    Text(Box<Text>),
    /// Several, with commas.
    List(Vec<Arg>),
}

/// Makes a [`Text`]: a template, then the arguments by name. With a number first, the second template is for any number but one.
#[macro_export]
macro_rules! text {
    (@arg $name:ident) => { $crate::model::text::Arg::from($name) };
    (@arg $name:ident = $value:expr) => { $crate::model::text::Arg::from($value) };
    ($n:ident; $one:literal, $many:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = $crate::model::text::check($one, &[stringify!($n) $(, stringify!($name))*], false);
        const _: () = $crate::model::text::check($many, &[stringify!($n) $(, stringify!($name))*], true);
        let n = $crate::model::text::Arg::from($n);
        let template = if n == $crate::model::text::Arg::Count(1) { $one } else { $many };
        $crate::model::text::Text::new(
            template,
            vec![(stringify!($n), n) $(, (stringify!($name), $crate::text!(@arg $name $(= $value)?)))*],
        )
    }};
    ($template:literal $(, $name:ident $(= $value:expr)?)* $(,)?) => {{
        const _: () = $crate::model::text::check($template, &[$(stringify!($name)),*], true);
        $crate::model::text::Text::new($template, vec![$((stringify!($name), $crate::text!(@arg $name $(= $value)?))),*])
    }};
}

/// Stops the compiler where a name in a template has no argument, or where `is_whole` and an argument has no place.
pub const fn check(template: &str, names: &[&str], is_whole: bool) {
    let bytes = template.as_bytes();
    let (mut at, mut used) = (0, 0_u64);
    while at < bytes.len() {
        if bytes[at] == b'{' {
            let begin = at + 1;
            while bytes[at] != b'}' {
                at += 1;
            }
            let (mut one, mut is_known) = (0, false);
            while one < names.len() {
                if is_name(bytes, begin, at, names[one].as_bytes()) {
                    (is_known, used) = (true, used | 1 << one);
                }
                one += 1;
            }
            assert!(is_known, "a name in the template has no argument");
        }
        at += 1;
    }
    assert!(!is_whole || used + 1 == 1 << names.len(), "an argument has no place in the template");
}

const fn is_name(bytes: &[u8], begin: usize, end: usize, name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() && begin + at < end && bytes[begin + at] == name[at] {
        at += 1;
    }
    at == name.len() && begin + at == end
}

impl Text {
    /// For [`text!`](crate::text).
    pub fn new(template: &'static str, args: Vec<(&'static str, Arg)>) -> Self {
        let args = args.into_iter().map(|(name, arg)| (Cow::Borrowed(name), arg)).collect();
        Self { template: Cow::Borrowed(template), args }
    }

    /// What somebody else said, or a sentence without a template: never translated.
    pub fn foreign(said: impl Into<String>) -> Self {
        Self::new(FOREIGN, vec![("said", Arg::Foreign(said.into()))])
    }

    /// The English template.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The arguments by name.
    pub fn args(&self) -> impl Iterator<Item = (&str, &Arg)> {
        self.args.iter().map(|(name, arg)| (name.as_ref(), arg))
    }

    /// Whether one of its arguments is a file, alone or with the number of a line: what to do is done there.
    pub fn is_about_file(&self, file: &str) -> bool {
        let is_line =
            |rest: &str| rest.strip_prefix(':').is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let is_it = |text: &str| text.strip_prefix(file).is_some_and(|rest| rest.is_empty() || is_line(rest));
        !file.is_empty()
            && self.args.values().any(|arg| match arg {
                Arg::Name(text) | Arg::Foreign(text) => is_it(text),
                Arg::Text(text) => text.is_about_file(file),
                Arg::Count(_)
                | Arg::Money(_)
                | Arg::Span(_)
                | Arg::Date(_)
                | Arg::Clock(_)
                | Arg::Day(_)
                | Arg::Kind(_)
                | Arg::Code(_)
                | Arg::List(_) => false,
            })
    }

    /// In a document: the English sentence under `key`, and beside it the template and the arguments, where it has a
    /// template of its own.
    pub fn insert_into(&self, document: &mut serde_json::Map<String, serde_json::Value>, key: &str) {
        document.insert(key.to_owned(), serde_json::Value::String(self.to_string()));
        if !self.is_foreign()
            && let Ok(serde_json::Value::Object(parts)) = serde_json::to_value(self)
        {
            document.extend(parts);
        }
    }

    /// The same with other words where somebody else's or a name stand in it.
    pub fn map_words(&mut self, other: &dyn Fn(&str) -> String) {
        self.args.values_mut().for_each(|arg| arg.map_words(other));
    }

    /// As it is stored: the template, and the arguments as JSON. `None`: it has no template of its own.
    pub fn parts(&self) -> Option<(&str, String)> {
        if self.is_foreign() {
            return None;
        }
        Some((&self.template, serde_json::to_string(&self.args).ok()?))
    }

    /// What [`Text::parts`] gave. `None`: this version cannot read the arguments.
    pub fn from_parts(template: String, args: &str) -> Option<Self> {
        Some(Self { template: Cow::Owned(template), args: serde_json::from_str(args).ok()? })
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.template.is_empty() || self.is_foreign() && self.to_string().is_empty()
    }

    /// Whether all of it is somebody else's words.
    pub fn is_foreign(&self) -> bool {
        self.template == FOREIGN
    }

    /// The template with its arguments, each as `show` has it.
    pub fn fill(&self, show: &dyn Fn(&Arg) -> String) -> String {
        let mut out = String::new();
        let mut rest = self.template.as_ref();
        while let Some((before, (name, after))) = rest.split_once('{').and_then(|(a, b)| Some((a, b.split_once('}')?)))
        {
            out.push_str(before);
            if let Some(arg) = self.args.get(name) {
                out.push_str(&show(arg));
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.fill(&ToString::to_string))
    }
}

impl Arg {
    fn map_words(&mut self, other: &dyn Fn(&str) -> String) {
        match self {
            Arg::Name(text) | Arg::Foreign(text) => *text = other(text),
            Arg::Text(text) => text.map_words(other),
            Arg::List(items) => items.iter_mut().for_each(|item| item.map_words(other)),
            Arg::Count(_) | Arg::Money(_) | Arg::Span(_) | Arg::Date(_) | Arg::Clock(_) | Arg::Day(_) => (),
            Arg::Kind(_) | Arg::Code(_) => (),
        }
    }
}

/// An instant is shown in UTC here.
impl fmt::Display for Arg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Name(text) | Arg::Foreign(text) => formatter.write_str(text),
            Arg::Count(n) => write!(formatter, "{n}"),
            Arg::Money(cents) => write!(formatter, "{}.{:02}", cents / 100, cents.rem_euclid(100)),
            Arg::Span(span) => write!(formatter, "{span}"),
            Arg::Date(at) | Arg::Clock(at) => formatter.write_str(&at.rfc3339()),
            Arg::Day(at) => {
                let day = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
                write!(formatter, "{}", day.strftime("%-d %b"))
            }
            Arg::Kind(kind) => formatter.write_str(&kind.label()),
            Arg::Code(code) => write!(formatter, "{code}"),
            Arg::Text(text) => write!(formatter, "{text}"),
            Arg::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                formatter.write_str(&items.join(", "))
            }
        }
    }
}

impl From<&str> for Arg {
    fn from(name: &str) -> Self {
        Arg::Name(name.to_owned())
    }
}

impl From<&String> for Arg {
    fn from(name: &String) -> Self {
        Arg::Name(name.clone())
    }
}

impl From<String> for Arg {
    fn from(name: String) -> Self {
        Arg::Name(name)
    }
}

impl From<&ProviderId> for Arg {
    fn from(provider: &ProviderId) -> Self {
        Arg::Name(provider.to_string())
    }
}

impl From<usize> for Arg {
    fn from(n: usize) -> Self {
        Arg::Count(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Arg {
    fn from(n: i64) -> Self {
        Arg::Count(n)
    }
}

impl From<Millis> for Arg {
    fn from(span: Millis) -> Self {
        Arg::Span(span)
    }
}

impl From<Kind> for Arg {
    fn from(kind: Kind) -> Self {
        Arg::Kind(kind)
    }
}

impl From<Code> for Arg {
    fn from(code: Code) -> Self {
        Arg::Code(code)
    }
}

/// A sentence that has no template yet, or was somebody else's from the beginning.
impl From<&str> for Text {
    fn from(said: &str) -> Self {
        Text::foreign(said)
    }
}

impl From<String> for Text {
    fn from(said: String) -> Self {
        Text::foreign(said)
    }
}

impl From<&String> for Text {
    fn from(said: &String) -> Self {
        Text::foreign(said)
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Text> for Arg {
    fn from(text: Text) -> Self {
        Arg::Text(Box::new(text))
    }
}

impl<T: Into<Arg>> From<Vec<T>> for Arg {
    fn from(items: Vec<T>) -> Self {
        Arg::List(items.into_iter().map(Into::into).collect())
    }
}
