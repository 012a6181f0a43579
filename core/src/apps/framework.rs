//! Frameworks: a file each in `frameworks/`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::repository::RepositoryFolder;
use super::{SecretForm, go, java, node, php, python, ruby, rust};

/// What reads the dependencies of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AppLanguage {
    Dockerfile,
    Php,
    Ruby,
    Python,
    Java,
    Go,
    Rust,
    Node,
    Static,
}

impl AppLanguage {
    const fn word(self) -> &'static str {
        match self {
            AppLanguage::Dockerfile => "dockerfile",
            AppLanguage::Php => "php",
            AppLanguage::Ruby => "ruby",
            AppLanguage::Python => "python",
            AppLanguage::Java => "java",
            AppLanguage::Go => "go",
            AppLanguage::Rust => "rust",
            AppLanguage::Node => "node",
            AppLanguage::Static => "static",
        }
    }

    const fn usual_version(self) -> Option<&'static str> {
        match self {
            AppLanguage::Php => Some(php::USUAL),
            AppLanguage::Ruby => Some(ruby::USUAL),
            AppLanguage::Python => Some(python::USUAL),
            AppLanguage::Java => Some(java::USUAL),
            AppLanguage::Go => Some(go::USUAL),
            AppLanguage::Rust => Some(rust::USUAL),
            AppLanguage::Node => Some(node::USUAL),
            AppLanguage::Dockerfile | AppLanguage::Static => None,
        }
    }
}

/// One framework, as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Framework {
    /// `django`.
    pub name: String,
    /// `Django`.
    pub title: String,
    pub language: AppLanguage,
    /// What it is known by: one of the files, and one of the dependencies.
    #[serde(default)]
    pub known_by: KnownBy,
    /// Others of its language that it is, too, and that it comes before: Next.js serves by itself what is built with Vite.
    #[serde(default)]
    pub before: Vec<String>,
    /// Where it listens if nothing else is said.
    pub port: u16,
    /// Words of its command; `${…}` is what the language has found out. Empty: the language knows.
    #[serde(default)]
    pub start: Vec<String>,
    /// The command before an update.
    #[serde(default)]
    pub release: Vec<String>,
    /// Without this file there is nothing to run before an update.
    pub release_file: Option<String>,
    /// Commands of the build, after what it depends on is there; each with the text without which it is left out, if any.
    #[serde(default)]
    pub build: Vec<BuildStep>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretWord>,
    #[serde(default)]
    pub volumes: BTreeMap<String, String>,
    /// Folders that it writes to while it runs.
    #[serde(default)]
    pub writes: Vec<String>,
    /// Packages that its command needs and that people forget: by name, the version that is installed then.
    #[serde(default)]
    pub adds: BTreeMap<String, String>,
}

/// What a framework is known by.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownBy {
    /// One of these files, where there are any here.
    #[serde(default)]
    pub files: Vec<String>,
    /// One of these dependencies, where there are any here.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

/// One command of a build.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildStep {
    pub run: String,
    /// Left out unless a text of the app has this in it.
    pub only_with: Option<String>,
}

/// How a secret looks, as a word.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SecretWord {
    Hex,
    Base64,
}

impl From<SecretWord> for SecretForm {
    fn from(word: SecretWord) -> Self {
        match word {
            SecretWord::Hex => SecretForm::Hex,
            SecretWord::Base64 => SecretForm::Base64,
        }
    }
}

const TEXTS: [&str; 15] = [
    include_str!("frameworks/django.toml"),
    include_str!("frameworks/dockerfile.toml"),
    include_str!("frameworks/express.toml"),
    include_str!("frameworks/fastapi.toml"),
    include_str!("frameworks/flask.toml"),
    include_str!("frameworks/go.toml"),
    include_str!("frameworks/laravel.toml"),
    include_str!("frameworks/next.toml"),
    include_str!("frameworks/nuxt.toml"),
    include_str!("frameworks/rails.toml"),
    include_str!("frameworks/rust.toml"),
    include_str!("frameworks/spring.toml"),
    include_str!("frameworks/static.toml"),
    include_str!("frameworks/symfony.toml"),
    include_str!("frameworks/vite.toml"),
];

pub(super) static ALL: LazyLock<Vec<Framework>> =
    LazyLock::new(|| TEXTS.into_iter().filter_map(|text| read(text).ok()).collect());

fn read(text: &str) -> Result<Framework, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// The names that `framework:` takes.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|framework| framework.name.as_str()).collect()
}

/// What people read of a framework.
#[derive(Debug, Clone, Copy)]
pub struct KnownFramework {
    /// `django`.
    pub name: &'static str,
    /// `Django`.
    pub title: &'static str,
    pub language: &'static str,
    /// The version of its language where no file says one; `None`: it has none.
    pub version: Option<&'static str>,
    pub port: u16,
    /// One of these files, where there are any here.
    pub files: &'static [String],
    /// One of these dependencies, where there are any here.
    pub dependencies: &'static [String],
}

/// Every framework, by name.
pub fn known() -> impl Iterator<Item = KnownFramework> {
    ALL.iter().map(|framework| KnownFramework {
        name: &framework.name,
        title: &framework.title,
        language: framework.language.word(),
        version: framework.language.usual_version(),
        port: framework.port,
        files: &framework.known_by.files,
        dependencies: &framework.known_by.dependencies,
    })
}

/// One by its name.
pub(super) fn find(name: &str) -> Option<&'static Framework> {
    ALL.iter().find(|framework| framework.name == name)
}

impl Framework {
    /// Whether an app with these dependencies is one.
    pub fn is(&self, app: &RepositoryFolder<'_>, dependencies: &BTreeMap<String, String>) -> bool {
        let KnownBy { files, dependencies: names } = &self.known_by;
        let has_file = files.is_empty() || files.iter().any(|file| app.has(file));
        let has_dependency = names.is_empty() || names.iter().any(|name| dependencies.contains_key(name));
        has_file && has_dependency
    }

    /// The dependency that it is known by, and the file that names it.
    pub fn dependency<'a>(&'a self, dependencies: &'a BTreeMap<String, String>) -> Option<(&'a str, &'a str)> {
        let names = &self.known_by.dependencies;
        names.iter().find_map(|name| Some((name.as_str(), dependencies.get(name)?.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_framework_is_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/apps/frameworks");
        let mut files: Vec<String> = Vec::new();
        for entry in folder.read_dir().unwrap() {
            files.push(entry.unwrap().file_name().to_string_lossy().trim_end_matches(".toml").to_owned());
        }
        files.sort();
        let read: Vec<Framework> = TEXTS.into_iter().map(|text| read(text).unwrap()).collect();
        assert_eq!(read.iter().map(|framework| framework.name.clone()).collect::<Vec<_>>(), files);
        for framework in &read {
            assert!(framework.before.iter().all(|name| files.contains(name)), "{}", framework.name);
        }
    }
}
