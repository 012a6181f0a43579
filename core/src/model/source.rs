//! What a source holds beside manifests, and where a revision of it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::repository_place::RepositoryPlace;
use super::time::Timestamp;

/// Files beside the manifests, by path as shown (`services/cloud/php.ini`): Compose files, `.env` files, what is
/// delivered into containers.
pub type Assets = BTreeMap<String, Asset>;

/// One file of the source that is no manifest, or a file or folder there that is known by name only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its content, or why it is not here.
    pub bytes: Result<Arc<[u8]>, NotRead>,
    /// In bytes.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Why a file or folder that is in the source has no content here. It is there all the same: a manifest that names it has
/// an error, and never gets an empty folder in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// The file, or all files together, are larger than a source may hold.
    TooLarge,
    /// It could not be read, and why.
    Denied(String),
    /// A symbolic link, with what it leads to as it is written: from its own folder, or absolute.
    Link(String),
    /// A submodule of a repository.
    Submodule,
    /// The folder in which git keeps a repository.
    GitFolder,
    /// A hidden folder with more files than are read of one.
    HiddenFolder,
    /// Neither file nor folder nor link.
    Special,
    /// In the repository, beside the folder that is followed; this one.
    BesideFolder(String),
}

impl Asset {
    /// A file that was read.
    pub fn of(bytes: impl Into<Arc<[u8]>>, executable: bool) -> Self {
        let bytes = bytes.into();
        Self { size: bytes.len() as u64, bytes: Ok(bytes), executable }
    }

    /// What is known by name only.
    pub fn unread(why: NotRead) -> Self {
        Self { bytes: Err(why), size: 0, executable: false }
    }

    /// Its content, if it is here.
    pub fn content(&self) -> Option<&[u8]> {
        self.bytes.as_deref().ok()
    }

    /// Whether it is a file of a few lines that says where Git LFS keeps the real one.
    pub fn is_lfs_pointer(&self) -> bool {
        self.content().is_some_and(|bytes| bytes.len() <= LFS_BYTES_MAX && bytes.starts_with(LFS))
    }
}

/// How a pointer of Git LFS begins.
pub const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1";
/// The longest pointer of Git LFS.
pub const LFS_BYTES_MAX: usize = 1024;

/// One commit of a git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// 40 hex digits.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// The author's name.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

/// A manifest on its own, with the other files that it uses. Reading it again gives the same service with the same places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// As shown.
    pub file: String,
    /// Its own text, after as many empty lines as stood before it.
    pub text: String,
    /// Compose files, `.env` files and what is delivered.
    pub assets: Assets,
}

/// A file, or a folder with all that is in it, as it is copied into a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bundle {
    /// 16 hex digits of SHA-256 over paths, contents and what may be executed.
    pub digest: String,
    /// By path below the target; the path of a single file is empty.
    pub files: BTreeMap<String, BundleFile>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundleFile {
    pub bytes: Arc<[u8]>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// What plans refer to by digest and only the wire client holds.
pub type Payloads = BTreeMap<String, Bundle>;

impl Bundle {
    /// Takes files by path.
    pub fn new(files: BTreeMap<String, BundleFile>) -> Self {
        let mut hash = Sha256::new();
        for (path, file) in &files {
            hash.update([u8::from(file.executable)]);
            // Lengths in front: no two lists of files give the same bytes.
            hash.update((path.len() as u64).to_be_bytes());
            hash.update(path.as_bytes());
            hash.update((file.bytes.len() as u64).to_be_bytes());
            hash.update(&file.bytes);
        }
        Self { digest: hex::encode(&hash.finalize()[..8]), files }
    }

    /// A single file.
    pub fn of_file(bytes: Arc<[u8]>, executable: bool) -> Self {
        Self::new(BTreeMap::from([(String::new(), BundleFile { bytes, executable })]))
    }
}

/// Whether a file of a source is read as manifests: YAML, but for Compose files, which manifests name.
pub fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return false };
    stem != "compose" && !stem.starts_with("compose.") && !stem.starts_with("docker-compose")
}

/// Whether a hidden name belongs to a source all the same: `.env`, `.env.production`, `.db.env`, `.env_db`.
pub fn is_env_file(name: &str) -> bool {
    name.starts_with('.') && name.split(['.', '_', '-']).any(|part| part == "env")
}

/// Whether a hidden name is of no use in a container: git's own, what keeps an empty folder in a repository, and what
/// editors, desktops and network shares leave for a while. A folder that holds nothing else is empty.
pub fn is_no_content(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        ".gitattributes",
        ".gitignore",
        ".gitkeep",
        ".gitmodules",
        ".keep",
        ".empty",
        ".placeholder",
        ".DS_Store",
        ".directory",
    ];
    const BEGINNINGS: [&str; 5] = [".#", "._", ".nfs", ".fuse_hidden", ".goutputstream-"];
    let is_swap = name.len() > 5 && [".swp", ".swo", ".swx", ".swn"].iter().any(|end| name.ends_with(end));
    name.starts_with('.')
        && (NAMES.contains(&name)
            || BEGINNINGS.iter().any(|known| name.starts_with(known))
            || is_swap
            || name.ends_with('~')
            || name.ends_with('#'))
}

/// Whether a path has a hidden file or folder in it.
pub fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// Whether a hidden file is in the source under the rule of those that are not hidden: it is read wherever it lies.
pub fn is_known_hidden(name: &str) -> bool {
    is_env_file(name) || is_build_file(name)
}

/// Whether a hidden name is one that builds read, and nothing else: `.dockerignore`, `.npmrc`, `.eslintrc.json`.
pub fn is_build_file(name: &str) -> bool {
    const BEGINNINGS: [&str; 22] = [
        "babelrc",
        "browserslistrc",
        "bundle",
        "dockerignore",
        "eslint",
        "flaskenv",
        "htaccess",
        "node-version",
        "npmrc",
        "nvmrc",
        "parcelrc",
        "pnpmfile",
        "postcssrc",
        "prettier",
        "python-version",
        "ruby-version",
        "slugignore",
        "stylelint",
        "swcrc",
        "terserrc",
        "tool-versions",
        "yarnrc",
    ];
    let Some(name) = name.strip_prefix('.') else { return false };
    let stem = name.split('.').next().unwrap_or_default();
    BEGINNINGS
        .iter()
        .any(|known| stem == *known || stem.strip_prefix(known).is_some_and(|rest| matches!(rest, "rc" | "ignore")))
}

impl Commit {
    /// Seven digits of its id.
    pub fn short(&self) -> &str {
        self.id.get(..7).unwrap_or(&self.id)
    }
}

/// Which commit last touched which file, as far as the history that was fetched tells. What stands in no map is not
/// known, and is not guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// By path as shown: the commit that made the file what it is.
    pub changed: BTreeMap<String, Commit>,
    /// By path as shown: the commit that removed the file.
    pub removed: BTreeMap<String, Commit>,
    /// Services whose manifest was removed: the file in which it stood.
    pub gone: BTreeMap<String, String>,
}

/// What git calls the default branch of a server.
pub const HEAD: &str = "HEAD";

/// What is followed in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRef {
    /// The branch that the server calls its default.
    Default,
    /// A branch, as it moves.
    Branch(String),
    Tag(String),
}

impl GitRef {
    /// Its name in the repository: `refs/heads/main`.
    pub fn full(&self) -> String {
        match self {
            GitRef::Default => HEAD.to_owned(),
            GitRef::Branch(name) => format!("refs/heads/{name}"),
            GitRef::Tag(name) => format!("refs/tags/{name}"),
        }
    }

    /// `main`, `v1`.
    pub fn name(&self) -> &str {
        match self {
            GitRef::Default => HEAD,
            GitRef::Branch(name) | GitRef::Tag(name) => name,
        }
    }
}

impl std::fmt::Display for GitRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GitRef::Default => f.write_str("the default branch"),
            GitRef::Branch(name) => write!(f, "branch {name}"),
            GitRef::Tag(name) => write!(f, "tag {name}"),
        }
    }
}

/// Where a repository is, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GitUrl {
    /// `https://git.example.org/ops/services.git`
    Http(String),
    /// `git@git.example.org:ops/services.git` or `ssh://git@git.example.org:22/ops/services.git`
    Ssh {
        /// As it was written.
        text: String,
        /// `git`
        user: Option<String>,
        /// A name or an address.
        host: String,
        /// 22 where none is said.
        port: Option<u16>,
        /// As the server has it.
        path: String,
    },
}

impl std::fmt::Display for GitUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GitUrl::Http(text) | GitUrl::Ssh { text, .. } => text,
        })
    }
}

impl GitUrl {
    /// Reads a URL as `git clone` takes it.
    ///
    /// # Errors
    /// What is wrong with it, never with a password that stands in it, and how to mend it.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let text = text.trim().trim_end_matches('/');
        if text.is_empty() || text.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return Err(("the URL is empty or has spaces in it".to_owned(), EXAMPLES.to_owned()));
        }
        match text.split_once("://") {
            Some(("https" | "http", rest)) => http(text, rest),
            Some(("ssh", rest)) => ssh(text, rest),
            Some((scheme, _)) => Err((format!("{scheme}:// is not supported"), EXAMPLES.to_owned())),
            None => scp(text),
        }
    }

    /// Reads the URL of a repository that policy judges, in its one spelling: what was compared is what is requested.
    ///
    /// # Errors
    /// As [`GitUrl::parse`], and what could be read in two ways.
    pub fn parse_strictly(text: &str) -> Result<Self, (String, String)> {
        Self::parse(text)?;
        let place = RepositoryPlace::parse(text.trim());
        let place = place.map_err(|why| (format!("the URL is not plain: {why}"), EXAMPLES.to_owned()))?;
        Self::parse(&place.to_string())
    }

    /// Whether what is sent can be read on the way, or goes no further than this machine.
    pub fn is_open(&self) -> bool {
        let GitUrl::Http(text) = self else { return false };
        let Some(rest) = text.strip_prefix("http://") else { return false };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once(':').filter(|_| !authority.ends_with(']')).map_or(authority, |(host, _)| host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
    }
}

const EXAMPLES: &str = "write https://git.example.org/ops/services.git or git@git.example.org:ops/services.git";

fn http(text: &str, rest: &str) -> Result<GitUrl, (String, String)> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        let hint = "leave out what stands before `@`, and use `username:` and `token: {file: …}` beside `url:`";
        return Err(("the URL has credentials in it".to_owned(), hint.to_owned()));
    }
    if path.contains(['?', '#']) {
        return Err(("the URL has a `?` or `#` in it".to_owned(), EXAMPLES.to_owned()));
    }
    check_host(authority)?;
    if path.is_empty() {
        return Err(("the URL names no repository".to_owned(), EXAMPLES.to_owned()));
    }
    Ok(GitUrl::Http(text.to_owned()))
}

fn ssh(text: &str, rest: &str) -> Result<GitUrl, (String, String)> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':').filter(|_| !place.ends_with(']')) {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            Ok(_) | Err(_) => return Err((format!("`{port}` is not a port"), EXAMPLES.to_owned())),
        },
        None => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // `ssh://host/~anna/x` is below somebody's home.
    let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
    over_ssh(text, user, host, port, path)
}

fn scp(text: &str) -> Result<GitUrl, (String, String)> {
    let Some((place, path)) = text.split_once(':') else {
        let message = "it is neither https:// nor user@host:path";
        return Err((message.to_owned(), format!("{EXAMPLES}; a folder of this machine is `source: {{folder: …}}`")));
    };
    let (user, host) = match place.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, place),
    };
    over_ssh(text, user, host, None, path.to_owned())
}

fn over_ssh(
    text: &str,
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    path: String,
) -> Result<GitUrl, (String, String)> {
    if user.is_some_and(|user| user.contains(':')) {
        let hint = "leave out the password; ssh signs in with a key, `ssh_key: …` beside `url:`";
        return Err(("the URL has a password in it".to_owned(), hint.to_owned()));
    }
    check_host(host)?;
    // What begins with a dash would be an option of ssh or of git.
    let is_word = |word: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !word.is_empty() && !word.starts_with('-') && word.bytes().all(fits)
    };
    if user.is_some_and(|user| !is_word(user)) {
        return Err(("the user of the URL is not a name".to_owned(), EXAMPLES.to_owned()));
    }
    if path.trim_matches('/').is_empty() || path.starts_with('-') {
        return Err(("the URL names no repository".to_owned(), EXAMPLES.to_owned()));
    }
    Ok(GitUrl::Ssh { text: text.to_owned(), user: user.map(str::to_owned), host: host.to_owned(), port, path })
}

fn check_host(authority: &str) -> Result<(), (String, String)> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':' | b'[' | b']');
    if authority.is_empty() || authority.starts_with('-') || !authority.bytes().all(fits) {
        return Err(("the URL names no host".to_owned(), EXAMPLES.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_files_are_no_manifests() {
        let manifests = ["a/gitea.yaml", "b.yml", "a/my-compose.yaml", "composer.yaml"];
        assert!(manifests.iter().all(|path| is_manifest(path)));
        let others = [
            "compose.yaml",
            "a/compose.yml",
            "compose.prod.yaml",
            "docker-compose.yml",
            "a/docker-compose-x.yaml",
            "x.ini",
        ];
        assert!(!others.iter().any(|path| is_manifest(path)));
    }

    #[test]
    fn a_bundle_is_known_by_its_files() {
        let of = |files: &[(&str, &str, bool)]| {
            let file = |(path, text, executable): &(&str, &str, bool)| {
                ((*path).to_owned(), BundleFile { bytes: text.as_bytes().into(), executable: *executable })
            };
            Bundle::new(files.iter().map(file).collect()).digest
        };
        let all = [
            of(&[("a", "x", false)]),
            of(&[("a", "x", true)]),
            of(&[("b", "x", false)]),
            of(&[("a", "xb", false)]),
            of(&[("a", "x", false), ("b", "", false)]),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], of(&[("a", "x", false)]));
    }

    #[test]
    fn urls_are_read_as_git_reads_them() {
        let ssh = |text: &str| match GitUrl::parse(text).unwrap() {
            GitUrl::Ssh { user, host, port, path, .. } => (user.unwrap_or_default(), host, port, path),
            GitUrl::Http(_) => panic!("{text}"),
        };
        let (git, host) = ("git".to_owned(), "git.example.org".to_owned());
        let path = |path: &str| path.to_owned();
        assert_eq!(ssh("git@git.example.org:ops/x.git"), (git.clone(), host.clone(), None, path("ops/x.git")));
        assert_eq!(ssh("ssh://git@git.example.org/ops/x"), (git.clone(), host.clone(), None, path("/ops/x")));
        assert_eq!(ssh("ssh://git@git.example.org:2222/~a/x"), (git, host, Some(2222), path("~a/x")));
        assert_eq!(ssh("ssh://[2001:db8::1]:22/x"), (path(""), path("2001:db8::1"), Some(22), path("/x")));
        assert_eq!(GitUrl::parse("https://a.example/x/").unwrap().to_string(), "https://a.example/x");
    }

    #[test]
    fn a_token_goes_over_plain_http_to_this_machine_only() {
        let is_open = |text: &str| GitUrl::parse(text).unwrap().is_open();
        for text in ["http://git.example.org/x", "http://localhost.example.org/x", "http://127.example.org:80/x"] {
            assert!(is_open(text), "{text}");
        }
        for text in ["https://git.example.org/x", "http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]:1/x"] {
            assert!(!is_open(text), "{text}");
        }
    }

    #[test]
    fn no_credentials_and_no_options_stand_in_a_url() {
        let wrong = [
            "https://anna:hunter2@git.example.org/x.git",
            "https://hunter2@git.example.org/x.git",
            "ssh://anna:hunter2@git.example.org/x.git",
            "ssh://-oProxyCommand=hunter2/x",
            "-oProxyCommand=hunter2@host:x",
            "git@host:--upload-pack=hunter2",
            "git@-oProxyCommand=hunter2:x",
            "file:///srv/hunter2",
            "git://git.example.org/hunter2",
            "/srv/hunter2",
            "https://git.example.org",
            "https://git.example.org/x?token=hunter2",
            "ssh://git.example.org:99999/hunter2 ",
            "",
        ];
        for text in wrong {
            let (message, hint) = GitUrl::parse(text).expect_err(text);
            assert!(!format!("{message} {hint}").contains("hunter2"), "{message}: {hint}");
        }
    }
}
