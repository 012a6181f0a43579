//! Apps: from the files of a repository to how it is built, started and prepared, each with its reason.
//!
//! ```text
//! files ─► which framework (frameworks/*.toml) ─► what its language says (python.rs, node.rs, …) ─► Dockerfile
//!                     │                                        │
//!                     └────────── a question, where a guess could be wrong ──────────┘
//! ```
//!
//! A framework is a file in `frameworks/`: what it is known by, its port, its commands, what it needs. A language is a module:
//! dependencies, versions, the package manager. Sources: `docs/apps.md`.

mod bases;
mod checkout;
mod context;
mod detect;
mod dockerfile_line;
mod framework;
mod go;
mod ignore;
mod java;
mod node;
mod php;
mod procfile;
mod python;
mod recipe;
mod repository;
mod ruby;
mod rust;
mod site;
mod versions;

use std::collections::BTreeMap;

use crate::model::{Code, Text};

pub use bases::{at_digest, bases, pinned};
pub use checkout::Checkout;
pub use context::{SENT_BELOW, from_below};
pub use detect::{detect, own_dockerfile};
pub use framework::{KnownFramework, known as known_frameworks, names as framework_names};
pub use ignore::SentFiles;
pub use repository::{FILES_MAX, Repository, TEXT_BYTES_MAX, is_read};

/// The code of an app whose database nothing names.
pub const DATABASE_UNSET: Code = Code::A0777;
/// The code of a ref that is no branch and no tag, and of a commit that lies on none.
pub const NOT_OF_A_BRANCH: Code = Code::A0779;
/// The code of a commit that cannot be built.
pub const NOT_BUILDABLE: Code = Code::A0775;

/// What a manifest says already, so that nothing is guessed or asked in its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// The folder of the app; empty = the whole repository.
    pub path: &'a str,
    /// `None` = to be found out.
    pub framework: Option<&'a str>,
    /// Of the app's folder.
    pub dockerfile: Option<&'a str>,
    pub port: Option<u16>,
    /// Whether its command is said.
    pub has_command: bool,
    /// Whether the job before an update is said, or that there is none.
    pub has_release: bool,
    /// Arguments of the build.
    pub args: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Wish<'a> {
    /// An argument of the build.
    fn arg(&self, name: &str) -> Option<&'a str> {
        self.args?.get(name).map(String::as_str)
    }

    /// The names of arguments that a Dockerfile may name.
    pub(crate) fn arg_names(&self) -> Vec<String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name =
            |name: &&String| !name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(fits);
        self.args.into_iter().flat_map(BTreeMap::keys).filter(is_name).cloned().collect()
    }
}

/// What detection has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detection {
    /// How the app is built and run.
    Found(Box<DetectedApp>),
    /// What a person has to say first.
    Asked(Vec<AppQuestion>),
}

/// How an app is built and run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectedApp {
    /// `django`.
    pub framework: String,
    /// `Django`.
    pub title: String,
    /// Why, one for each thing that was found out.
    pub reasons: Vec<AppReason>,
    /// The folder that is sent to the engine; empty = the whole repository.
    pub context: String,
    pub dockerfile: Dockerfile,
    pub port: u16,
    /// Run once on a new image before it serves; none: nothing.
    pub release: Option<Vec<String>>,
    /// Variables that it is run with.
    pub environment: BTreeMap<String, String>,
    /// Variables that Amarre makes once: how each looks.
    pub secrets: BTreeMap<String, SecretForm>,
    /// Folders that outlive a container, by the name of the volume.
    pub volumes: BTreeMap<String, String>,
    /// What is good to know, and what nothing is to be done about.
    pub notes: Vec<Text>,
    /// Variables of which it reads a database's address and that have no default, with the file.
    pub database: BTreeMap<String, String>,
}

/// The Dockerfile of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dockerfile {
    /// One of the repository: its path in the context, and its text.
    Own(String, String),
    /// Written by Amarre.
    Made(String),
}

impl Default for Dockerfile {
    fn default() -> Self {
        Self::Made(String::new())
    }
}

impl Dockerfile {
    pub fn text(&self) -> &str {
        match self {
            Self::Own(_, text) | Self::Made(text) => text,
        }
    }
}

/// How a secret looks that Amarre makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// 64 hex digits.
    Hex,
    /// `base64:` and 32 bytes, as Laravel has its key.
    Base64,
}

impl SecretForm {
    /// `hex`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }

    /// Of the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Hex, Self::Base64].into_iter().find(|form| form.word() == word)
    }
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppReason {
    /// What: a word of [`DetectedPart`].
    pub part: DetectedPart,
    /// What it is: `3.13`.
    pub value: String,
    /// From where: `.python-version says so`.
    pub because: Text,
}

/// What is found out of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DetectedPart {
    Framework,
    /// The version of its language.
    Version,
    /// What installs what it depends on.
    Manager,
    /// How it is built.
    Build,
    Port,
    /// What starts it.
    Start,
    /// What is run before an update.
    Release,
}

impl DetectedPart {
    /// `start`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Framework => "framework",
            Self::Version => "version",
            Self::Manager => "package manager",
            Self::Build => "build",
            Self::Port => "port",
            Self::Start => "start",
            Self::Release => "release",
        }
    }
}

/// What a person has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppQuestion {
    pub code: Code,
    /// What is not clear, and why.
    pub text: Text,
    /// What can be written in the manifest, one of them: `path: apps/web`.
    pub choices: Vec<String>,
}
