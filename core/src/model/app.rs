//! An app: a service whose image is built from a repository.

use std::collections::BTreeMap;

use super::source::{Bundle, Commit, GitUrl};
use super::text::Text;
use super::time::Millis;
use super::value::SecretName;

/// What a manifest says of an app, and what follows from its repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct App {
    /// Where its files are.
    pub source: AppSource,
    /// How its image is built; `None`: the repository was not fetched yet.
    pub build: Option<Box<Build>>,
}

/// Where the files of an app are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AppSource {
    pub url: GitUrl,
    /// The app: what only its own key reads is no other's.
    pub app: String,
    /// A branch or a tag, also with `refs/heads/` or `refs/tags/` before it.
    pub reference: String,
    /// The id of a commit that the branch or tag has; `None`: its newest.
    pub commit: Option<String>,
    /// The folder of the app in it; empty = all of it.
    pub path: String,
    /// For HTTP: the secret that holds a token.
    pub token: Option<SecretName>,
    /// For ssh: the host key that the server has, as `ssh-ed25519 AAAA…`; `None`: one that Amarre's user knows.
    pub host_key: Option<String>,
}

impl AppSource {
    /// All of a repository, as its branch `main` has it.
    pub fn new(app: &str, url: GitUrl) -> Self {
        let (app, reference) = (app.to_owned(), "main".to_owned());
        Self { url, app, reference, commit: None, path: String::new(), token: None, host_key: None }
    }

    /// The name of what was fetched of it, among the other files of a source. No file has a name with `://` in it. What one
    /// manifest reads with its token, or of a server that it knows, is not another's.
    pub fn asset(&self) -> String {
        let token = self.token.as_ref().map(|SecretName(name)| name.as_str()).unwrap_or_default();
        let host_key = self.host_key.as_deref().unwrap_or_default();
        let commit = self.commit.as_ref().map(|commit| format!("@{commit}")).unwrap_or_default();
        let place = format!("app://{}#{}{commit}:{}", self.url, self.reference, self.path);
        let app = if matches!(self.url, GitUrl::Ssh { .. }) { self.app.as_str() } else { "" };
        [place.as_str(), token, host_key, app].join("\n").trim_end().to_owned()
    }

    /// The names that its branch or tag may have at the server, the first one that is there counts. No other ref is asked for: what
    /// strangers propose is below `refs/pull`, `refs/merge-requests` and the like.
    pub fn names(&self) -> Vec<String> {
        const BEGINNINGS: [&str; 2] = ["refs/heads/", "refs/tags/"];
        if BEGINNINGS.iter().any(|beginning| self.reference.starts_with(beginning)) {
            vec![self.reference.clone()]
        } else {
            BEGINNINGS.map(|beginning| format!("{beginning}{}", self.reference)).into()
        }
    }

    /// `main`, or `main at 5e1c0aa`.
    pub fn shown_reference(&self) -> String {
        let short = |commit: &String| commit.get(..7).unwrap_or(commit).to_owned();
        self.commit
            .as_ref()
            .map_or_else(|| self.reference.clone(), |commit| format!("{} at {}", self.reference, short(commit)))
    }

    /// Whether it is read with credentials.
    pub fn is_private(&self) -> bool {
        self.token.is_some() || matches!(self.url, GitUrl::Ssh { .. })
    }
}

/// The name of the digests that a person has moved on to, of images that a service is built from, among the other files of a source:
/// from image to digest, as JSON.
pub fn bases_asset(service: &str) -> String {
    format!("bases://{service}")
}

impl Build {
    /// Whether somebody else than Amarre wrote the Dockerfile.
    pub fn is_of_own_dockerfile(&self) -> bool {
        self.dockerfile_path.is_some() || self.files.is_some()
    }
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    /// Its name: `amarre/shop:9fb65dc1a78f`, after what goes in.
    pub image: String,
    /// The folder that the engine gets: of the repository, empty = all of it; of `files`, where they were in the source.
    pub context: String,
    /// What the engine gets, where it is built from files of the source itself; `None`: from a repository, at `commit`.
    pub files: Option<Bundle>,
    /// The Dockerfile: one file.
    pub dockerfile: Bundle,
    /// Where it lies in the context; `None`: Amarre wrote it.
    pub dockerfile_path: Option<String>,
    /// Images that it is made from.
    pub bases: Vec<String>,
    /// Digests of some of them that a person has moved on to.
    pub moved: BTreeMap<String, String>,
    /// The stage that is built; `None` = the last.
    pub target: Option<String>,
    /// Arguments of the build.
    pub args: BTreeMap<String, String>,
    /// It is cancelled after this.
    pub timeout: Millis,
    /// The commit; empty where it is built from files of the source.
    pub commit: Commit,
    /// The framework, as it calls itself.
    pub framework: String,
    /// What was found out: of what, what it is, and why.
    pub reasons: Vec<(&'static str, String, Text)>,
    /// What is good to know.
    pub notes: Vec<Text>,
}
