//! A git server over HTTP: `git-upload-pack` of repositories in a folder, as `git http-backend` answers a fetch. Nothing is pushed
//! here: who wants another commit makes it in the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as PathOf, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use git2::{Commit, IndexAddOption, Oid, Repository, RepositoryInitOptions, Signature};

use crate::serve::{Server, serve};

const BRANCH: &str = "main";
const CAPABILITIES: &str = "multi_ack_detailed shallow no-progress agent=amarre-sim/1";
const FLUSH: &[u8] = b"0000";

/// Repositories, and the server that has them.
#[derive(Debug)]
pub struct Git {
    /// Where it answers.
    pub server: Server,
    folder: PathBuf,
}

impl Git {
    /// Serves the repositories of a folder.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(folder: PathBuf) -> std::io::Result<Self> {
        let router = Router::new()
            .route("/{name}/info/refs", get(refs))
            .route("/{name}/git-upload-pack", post(pack))
            .with_state(folder.clone());
        Ok(Self { server: serve(router, 0).await?, folder })
    }

    /// As `git clone` takes it.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.url())
    }

    /// Where the working copy of a repository is.
    pub fn work(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes files into the working copy of a repository, which is made where there is none, and commits them.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn commit(&self, name: &str, who: &str, message: &str, files: &[(&str, &str)]) -> std::io::Result<()> {
        let work = self.work(name);
        for (path, text) in files {
            let path = work.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&work))?;
            std::fs::write(path, text)?;
        }
        commit(&work, who, message).map_err(|error| std::io::Error::other(error.message().to_owned()))
    }
}

fn commit(work: &Path, who: &str, message: &str) -> Result<(), git2::Error> {
    let repository = match Repository::open(work) {
        Ok(repository) => repository,
        Err(_) => Repository::init_opts(work, RepositoryInitOptions::new().initial_head(BRANCH).mkpath(true))?,
    };
    let mut index = repository.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repository.find_tree(index.write_tree()?)?;
    let address = format!("{}@example.org", who.to_lowercase().replace(' ', "."));
    let author = Signature::now(who, &address)?;
    let parent = repository.head().and_then(|head| head.peel_to_commit()).ok();
    let parents: Vec<&Commit<'_>> = parent.iter().collect();
    repository.commit(Some("HEAD"), &author, &author, message, &tree, &parents)?;
    Ok(())
}

/// A line with its length in front.
fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

/// What the repository has: `GET /NAME/info/refs?service=git-upload-pack`.
async fn refs(State(folder): State<PathBuf>, PathOf(name): PathOf<String>) -> Response {
    match listed(&folder, &name) {
        Ok(list) => answer("advertisement", list),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn listed(folder: &Path, name: &str) -> Result<Vec<u8>, git2::Error> {
    let repository = open(folder, name)?;
    let head = repository.head()?.peel_to_commit()?.id();
    let mut heads = vec![("HEAD".to_owned(), head)];
    for reference in repository.references()?.flatten() {
        let name = reference.name().ok().map(str::to_owned);
        heads.extend(name.zip(reference.target()));
    }
    let mut out = line("# service=git-upload-pack\n");
    out.extend_from_slice(FLUSH);
    for (at, (name, id)) in heads.iter().enumerate() {
        let more = if at == 0 { format!("\0symref=HEAD:refs/heads/{BRANCH} {CAPABILITIES}") } else { String::new() };
        out.extend(line(&format!("{id} {name}{more}\n")));
    }
    out.extend_from_slice(FLUSH);
    Ok(out)
}

fn open(folder: &Path, name: &str) -> Result<Repository, git2::Error> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Err(git2::Error::from_str("no name of a repository"));
    }
    Repository::open(folder.join(name))
}

fn answer(what: &str, body: Vec<u8>) -> Response {
    let kind = format!("application/x-git-upload-pack-{what}");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache".to_owned())], body).into_response()
}

/// What a client asks for.
#[derive(Debug, Default)]
struct Wanted {
    wants: Vec<Oid>,
    haves: BTreeSet<Oid>,
    depth: Option<usize>,
    is_done: bool,
}

impl Wanted {
    fn read(mut body: &[u8]) -> Self {
        let mut wanted = Self::default();
        while let Some((length, rest)) = body.split_at_checked(4) {
            let length = std::str::from_utf8(length).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
            let Some(length) = length else { break };
            if length < 4 {
                body = rest;
                continue;
            }
            let Some((said, rest)) = rest.split_at_checked(length - 4) else { break };
            body = rest;
            let said = String::from_utf8_lossy(said);
            let mut words = said.split_whitespace();
            match (words.next(), words.next()) {
                (Some("want"), Some(id)) => wanted.wants.extend(Oid::from_str(id).ok()),
                (Some("have"), Some(id)) => wanted.haves.extend(Oid::from_str(id).ok()),
                (Some("deepen"), Some(depth)) => wanted.depth = depth.parse().ok(),
                (Some("done"), _) => wanted.is_done = true,
                _ => (),
            }
        }
        wanted
    }
}

/// `POST /NAME/git-upload-pack`
async fn pack(State(folder): State<PathBuf>, PathOf(name): PathOf<String>, body: Bytes) -> Response {
    match packed(&folder, &name, &Wanted::read(&body)) {
        Ok(out) => answer("result", out),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.message().to_owned()).into_response(),
    }
}

fn packed(folder: &Path, name: &str, wanted: &Wanted) -> Result<Vec<u8>, git2::Error> {
    let repository = open(folder, name)?;
    let (commits, ends) = reached(&repository, wanted)?;
    let mut out = Vec::new();
    if wanted.depth.is_some() {
        ends.iter().for_each(|id| out.extend(line(&format!("shallow {id}\n"))));
        out.extend_from_slice(FLUSH);
    }
    if !wanted.is_done {
        if !wanted.haves.is_empty() {
            out.extend(line("NAK\n"));
        }
        return Ok(out);
    }
    out.extend(line("NAK\n"));
    let mut builder = repository.packbuilder()?;
    for id in commits {
        builder.insert_commit(id)?;
    }
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack)?;
    out.extend_from_slice(&pack);
    Ok(out)
}

/// The commits that are sent, and those of them whose parents are not.
fn reached(repository: &Repository, wanted: &Wanted) -> Result<(Vec<Oid>, Vec<Oid>), git2::Error> {
    let depth = wanted.depth.unwrap_or(usize::MAX);
    let mut known: BTreeMap<Oid, usize> = BTreeMap::new();
    let (mut commits, mut ends) = (Vec::new(), Vec::new());
    let mut next: Vec<(Oid, usize)> = wanted.wants.iter().map(|id| (*id, 1)).collect();
    while let Some((id, at)) = next.pop() {
        if known.get(&id).is_some_and(|before| *before <= at) {
            continue;
        }
        if known.insert(id, at).is_none() {
            commits.push(id);
        }
        let commit = repository.find_commit(id)?;
        if at < depth {
            next.extend(commit.parent_ids().map(|parent| (parent, at + 1)));
        }
    }
    for (id, at) in &known {
        if *at >= depth && repository.find_commit(*id)?.parent_count() > 0 {
            ends.push(*id);
        }
    }
    Ok((commits, ends))
}
