//! What is known of a repository: the paths of its files, and the texts of those that say what it is.

use std::collections::BTreeMap;

/// More paths are not looked at: what makes out a framework stands near the top.
pub const FILES_MAX: usize = 20_000;
/// Of one text; manifests of packages are smaller.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Files whose text says something, wherever they are.
const READ: [&str; 61] = [
    "Dockerfile",
    "Procfile",
    "Staticfile",
    "Gemfile",
    "Gemfile.lock",
    "Pipfile",
    "Cargo.toml",
    "Rocket.toml",
    "go.mod",
    "go.work",
    "package.json",
    "composer.json",
    "pyproject.toml",
    "runtime.txt",
    "requirements.txt",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "angular.json",
    "angular-cli.json",
    "pnpm-workspace.yaml",
    ".python-version",
    ".ruby-version",
    ".node-version",
    ".nvmrc",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
    ".java-version",
    ".sdkmanrc",
    "system.properties",
    "rust-toolchain",
    "rust-toolchain.toml",
    ".flaskenv",
    "alembic.ini",
    ".gitmodules",
    ".dockerignore",
    ".env.example",
    "database.yml",
    "application.rb",
    "application.properties",
    "application.yml",
    "application.yaml",
    "schema.prisma",
    "manage.py",
    "settings.py",
    "base.py",
    "production.py",
    "prod.py",
    "app.py",
    "main.py",
    "wsgi.py",
    "asgi.py",
    "application.py",
    "run.py",
    "server.py",
    "api.py",
    "__init__.py",
    "svelte.config.js",
];
/// The beginnings of names that have more than one end: `next.config.mjs`.
const READ_BEGINS: [&str; 6] =
    ["next.config.", "nuxt.config.", "vite.config.", "astro.config.", "requirements", "Dockerfile."];
/// Of Go and Rust, which file has the program is known by its text.
const MAIN_DEPTH_MAX: usize = 3;

/// Whether the text of a file is looked at; `path` from the top of the repository.
pub fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_main = name.ends_with(".go") && !name.ends_with("_test.go") && path.matches('/').count() <= MAIN_DEPTH_MAX;
    let is_list = path.contains("requirements/") && name.ends_with(".txt");
    let is_dockerfile = name.ends_with(".Dockerfile");
    READ.contains(&name)
        || READ_BEGINS.iter().any(|begin| name.starts_with(begin))
        || is_main
        || is_list
        || is_dockerfile
}

/// The files of a commit, by path from the top; the text where it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    files: BTreeMap<String, Option<String>>,
}

impl Repository {
    /// Takes files by path, with the text of those that [`is_read`].
    pub fn new(files: BTreeMap<String, Option<String>>) -> Self {
        Self { files }
    }

    /// One folder of it.
    pub(super) fn folder<'a>(&'a self, path: &'a str) -> RepositoryFolder<'a> {
        RepositoryFolder { repository: self, path: path.trim_matches('/') }
    }
}

/// A folder of a repository: paths are from here.
#[derive(Debug, Clone, Copy)]
pub(super) struct RepositoryFolder<'a> {
    repository: &'a Repository,
    /// From the top; empty = the top.
    pub path: &'a str,
}

impl<'a> RepositoryFolder<'a> {
    fn whole(&self, path: &str) -> String {
        if self.path.is_empty() { path.to_owned() } else { format!("{}/{path}", self.path) }
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.repository.files.contains_key(&self.whole(path))
    }

    /// The first of several files that is there.
    pub fn first<'b>(&self, paths: &[&'b str]) -> Option<&'b str> {
        paths.iter().copied().find(|path| self.has(path))
    }

    /// Its text; `None` also where it is no text.
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.repository.files.get(&self.whole(path))?.as_deref()
    }

    /// Paths from here, in order.
    pub fn paths(&self) -> impl Iterator<Item = &'a str> {
        let start = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        let below = self.repository.files.range(start.clone()..);
        let length = start.len();
        below
            .map(|(path, _)| path.as_str())
            .take_while(move |path| path.starts_with(&start))
            .map(move |path| &path[length..])
    }

    /// Paths from here, with their texts.
    pub fn texts(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let folder = *self;
        self.paths().filter_map(move |path| Some((path, folder.text(path)?)))
    }

    /// The folder above; `None` at the top.
    pub fn above(&self) -> Option<Self> {
        if self.path.is_empty() {
            return None;
        }
        let path = self.path.rsplit_once('/').map_or("", |(above, _)| above);
        Some(Self { path, ..*self })
    }

    /// Folders right below that hold files.
    pub fn folders(&self) -> Vec<&'a str> {
        let mut found: Vec<&str> =
            self.paths().filter_map(|path| path.split_once('/').map(|(folder, _)| folder)).collect();
        found.dedup();
        found
    }

    /// A folder below.
    pub fn below(&self, path: &'a str) -> Self {
        // A path of the repository begins with that of each of its folders, so it can be borrowed from there.
        let whole = self.whole(path);
        let start = format!("{whole}/");
        let found = self.repository.files.range(start.clone()..).next().filter(|(path, _)| path.starts_with(&start));
        Self { path: found.map_or(path, |(path, _)| &path[..whole.len()]), ..*self }
    }
}
