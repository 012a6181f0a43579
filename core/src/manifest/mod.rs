//! Manifests: text to services and diagnostics. Pure: no files, no environment, no clock.
//!
//! A broken document harms its own service only: everything else of the revision is good. `load` never
//! fails and never panics, whatever the bytes.
//!
//! ```text
//! files ─► document (cut) ─► yaml (tree with places) ─► parse (kinds) ─► check (across) ─► Loaded
//!                                        │
//!                        compose: ─► project (files, variables, include, extends) ─► stack (services as containers)
//! ```

mod limits;
mod secret_keys;
mod yaml;
mod variables;
mod budget;
mod source_files;
mod opened_files;
mod scope;
mod named_files;
mod reader;
mod resolve;
mod schema_keys;
mod policy;
mod compose;
mod kinds;
mod parse;
mod render;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::app::AppSource;
use crate::model::site::{Authors, NginxPolicy, Policy};
use crate::model::source::is_manifest as is_manifest_name;
use crate::model::uses::{self, PolicyWord, Use, UseKind};
use crate::model::{Assets, Code, Service, Site};
use crate::text;

pub use crate::model::Document;

pub use kinds::schema::schema;
pub use limits::FILE_BYTES_MAX;
pub use parse::container_keys;
pub use policy::container_claims::names_of_containers;
pub use policy::name_claims::{ContestedName, NameClaims, subject};
pub use policy::totals::share;
pub use render::{render, with_compose_files};
pub use scope::{AllowedBy, Decision, Verdict};
pub use source_files::SourceFile;
pub use yaml::diagnostic::{Diagnostic, Severity};
pub use yaml::place::place;

use policy::cross_manifest::{DraftService, ReadScope};
use scope::Claims;
use source_files::{SourceFiles, folder_of, inside};
use yaml::diagnostic::{Problem, Spot, Widths};
use yaml::document::Piece;
use yaml::tree::{Node, NodeData};

/// As many as one file can hold in a megabyte, and still be read by a person.
pub const DOCUMENTS_PER_FILE_MAX: usize = 1024;
/// Ten times the largest site that was measured.
pub const MANIFESTS_MAX: usize = 10_000;

/// What the files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The good ones, by name.
    pub services: Vec<Service>,
    /// By file, line and column.
    pub diagnostics: Vec<Diagnostic>,
    /// Documents that could not be used.
    pub broken: Vec<Broken>,
    /// The text of each good service.
    pub texts: BTreeMap<String, Document>,
    /// The repositories that apps are built from, those of broken manifests as well: a commit may mend them.
    pub apps: BTreeMap<String, AppSource>,
}

/// A document that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// As shown.
    pub file: String,
    /// `None`: whose it is cannot be told.
    pub service: Option<String>,
}

/// Reads manifests; `assets` are the other files of the source, which they may name.
///
/// # Guarantees
/// Never fails and never panics. The order of `files` does not matter. A document with an error is in
/// `broken`, once, and its service is not in `services`. A file that does not look like a manifest and that a manifest
/// names, as a Compose file or to be delivered, is none.
///
/// # Repeats
/// The same files give the same answer.
pub fn load(files: &[SourceFile], assets: &Assets, site: &Site) -> Loaded {
    read_all(files, assets, site, ReadScope::All, false).0
}

/// Reads one manifest that was good before, without those that it was read beside then.
///
/// # Repeats
/// The same file gives the same answer.
pub fn load_again(file: &SourceFile, assets: &Assets, site: &Site) -> Loaded {
    read_all(std::slice::from_ref(file), assets, site, ReadScope::One, false).0
}

/// As [`load`], with what policy says of each use, in the order of files and lines.
///
/// # Repeats
/// The same files give the same answer.
pub fn explain(files: &[SourceFile], assets: &Assets, site: &Site) -> (Loaded, Vec<Decision>) {
    read_all(files, assets, site, ReadScope::All, true)
}

/// What each good manifest of a text uses, with the files of the source that it reads and the rights that policy gives it.
///
/// # Repeats
/// The same file gives the same answer.
pub fn uses_of_text(file: &SourceFile, assets: &Assets, site: &Site) -> Vec<(Service, BTreeSet<Use>)> {
    let (explained, decisions) = explain(std::slice::from_ref(file), assets, site);
    let rights = rights(&decisions);
    let lines = |service: &Service| match site.policy.nginx {
        NginxPolicy::Any => nginx_lines(service),
        NginxPolicy::None | NginxPolicy::Directives => BTreeSet::new(),
    };
    let lines: BTreeSet<Use> = explained.services.iter().flat_map(lines).collect();
    let Loaded { services, mut texts, .. } = load_again(file, assets, site);
    let with_uses = |service: Service| {
        let files = texts.remove(&service.name).map(|text| text.assets).unwrap_or_default();
        let mut uses = uses::of(&service, site);
        uses.extend(uses::listed(&service, files.into_keys().map(Use::File).collect()));
        // What stands in one file is one author's: a right of one of its manifests is one of all.
        uses.extend(rights.iter().chain(&lines).cloned());
        (service, uses)
    };
    services.into_iter().map(with_uses).collect()
}

/// What words of the policy allow that have no sort of their own among the uses.
fn rights(decisions: &[Decision]) -> BTreeSet<Use> {
    let is_of_a_sort = |word: &str| {
        UseKind::ALL.iter().any(|kind| matches!(kind.row().policy, PolicyWord::Word(known) if known == word))
    };
    let given = decisions.iter().filter(|one| matches!(one.verdict, Verdict::Allowed(AllowedBy::Policy(_))));
    let given = given.map(|one| &one.right).filter(|right| !is_of_a_sort(&right.word));
    given.map(|right| Use::Right { word: right.word.clone(), item: right.item.clone() }).collect()
}

fn nginx_lines(service: &Service) -> BTreeSet<Use> {
    let routes = service.routes.iter().map(|route| &route.advanced);
    let locations = service.routes.iter().flat_map(|route| &route.locations).map(|location| &location.advanced);
    let lines = routes.chain(locations).chain(service.answered.iter().map(|one| &one.advanced));
    lines.filter(|lines| !lines.is_empty()).map(|lines| Use::NginxLines(lines.clone())).collect()
}

/// What words of the policy would do for files that are broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Openable {
    /// Files with an error.
    pub broken: usize,
    /// How many of them pass with `authors: operators`.
    pub by_authors: usize,
    /// How many pass with one word alone, opened as far as `authors: operators` opens it.
    pub by_word: BTreeMap<&'static str, usize>,
}

/// Which words of the policy would let broken files pass. Reads all files again for each word that one of them needs.
///
/// # Repeats
/// The same files give the same answer.
pub fn openable(files: &[SourceFile], assets: &Assets, site: &Site) -> Openable {
    let (loaded, decisions) = explain(files, assets, site);
    let broken_files =
        |loaded: &Loaded| loaded.broken.iter().map(|broken| broken.file.clone()).collect::<BTreeSet<_>>();
    let broken = broken_files(&loaded);
    let passing = |words: &[&'static str]| {
        let mut opened = site.clone();
        words.iter().for_each(|word| opened.policy.open(word));
        if words.len() > 1 {
            opened.policy.authors = Some(Authors::Operators);
        }
        let still = broken_files(&load(files, assets, &opened));
        broken.iter().filter(|file| !still.contains(*file)).count()
    };
    // These two are decided upon without a right.
    let words_of =
        |codes: &[Code], word| loaded.diagnostics.iter().any(|one| codes.contains(&one.code)).then_some(word);
    let refused = decisions.iter().filter(|one| matches!(one.verdict, Verdict::Refused(_)));
    let mut needed: BTreeSet<&str> = refused.map(|one| one.right.word.as_str()).collect();
    needed
        .extend(words_of(&[Code::A0208], "records").into_iter().chain(words_of(&[Code::A0210, Code::A0211], "nginx")));
    if needed.is_empty() {
        return Openable { broken: broken.len(), ..Openable::default() };
    }
    let words: Vec<&'static str> = Policy::words().collect();
    let alone = words.iter().filter(|word| needed.contains(**word)).map(|word| (*word, passing(&[*word])));
    let by_word = alone.filter(|(_, count)| *count > 0).collect();
    Openable { broken: broken.len(), by_authors: passing(&words), by_word }
}

/// What the documents of a file call themselves, in order; `None`: that cannot be told.
pub fn names_in(text: &str) -> Vec<Option<String>> {
    let name = |piece: Piece<'_>| {
        let tree = yaml::tree::read(piece.text, piece.lines_before);
        if tree.root.is_none() && tree.problems.is_empty() {
            return None;
        }
        let said = |key: &str| match &tree.root {
            Some(root) => root.entry(key).and_then(|entry| entry.value.scalar()),
            None => yaml::document::scan(piece.text, key),
        };
        Some(said("name").and_then(|name| parse::name_of(said("kind"), name, said("type"))))
    };
    yaml::document::split(text).into_iter().filter_map(name).collect()
}

fn read_all(
    files: &[SourceFile],
    assets: &Assets,
    site: &Site,
    company: ReadScope,
    explains: bool,
) -> (Loaded, Vec<Decision>) {
    let mut order: Vec<&SourceFile> = files.iter().collect();
    order.sort_by(|left, right| left.path.cmp(&right.path));
    let source = SourceFiles::new(&order, assets);
    let mut drafts = Vec::new();
    let crowded = crowded_files(&order);
    for file in order {
        if crowded.contains(file.path.as_str()) {
            let message = text!("more than {most} manifests, many of them in this file", most = MANIFESTS_MAX);
            drafts.push(unusable(file, Problem::error(Code::A0108, Spot::at(1, 1), message)));
            continue;
        }
        read_file(file, &source, (site, explains), &mut drafts);
    }
    let named: BTreeSet<String> = drafts.iter().flat_map(|draft| draft.uses.keys().cloned()).collect();
    drafts.retain(|draft| !(draft.is_doubtful && named.contains(draft.file)));
    let beside = project_folders(&named, &source);
    drafts.retain(|draft| draft.has_content || is_wanted(draft.file, site) || !is_of_others(draft.file, &beside));
    policy::cross_manifest::check(&mut drafts, site, company);
    let mut decisions: Vec<Decision> =
        drafts.iter_mut().flat_map(|draft| std::mem::take(&mut draft.decisions)).collect();
    decisions.sort_by(|one, two| (&one.file, one.line, one.column).cmp(&(&two.file, two.line, two.column)));
    (collect(drafts), decisions)
}

/// Where there are too many manifests, the files that hold the most of them: those of others are read.
fn crowded_files<'a>(files: &[&'a SourceFile]) -> BTreeSet<&'a str> {
    let count = |file: &&'a SourceFile| (yaml::document::split(&file.text).len(), file.path.as_str());
    let mut sizes: Vec<(usize, &str)> = files.iter().map(count).collect();
    let mut all: usize = sizes.iter().map(|(count, _)| count).sum();
    let mut crowded = BTreeSet::new();
    if all > MANIFESTS_MAX {
        sizes.sort_unstable();
    }
    while all > MANIFESTS_MAX
        && let Some((count, path)) = sizes.pop()
    {
        all -= count;
        crowded.insert(path);
    }
    crowded
}

fn read_file<'a>(
    file: &'a SourceFile,
    source: &SourceFiles<'_>,
    site: (&Site, bool),
    drafts: &mut Vec<DraftService<'a>>,
) {
    if file.text.len() > FILE_BYTES_MAX {
        let message = text!("a file of {size} bytes, at most 1 MiB", size = file.text.len().to_string());
        drafts.push(unusable(file, Problem::error(Code::A0108, Spot::at(1, 1), message)));
        return;
    }
    if file.text.trim().is_empty() {
        // A program that writes a file empties it first, and what it held runs on meanwhile.
        let empty = Problem::error(Code::A0101, Spot::at(1, 1), text!("the file is empty"));
        let hint = text!("write the manifest, or delete the file: what it had is then removed");
        drafts.push(unusable(file, empty.hint(hint)));
        return;
    }
    for (index, piece) in yaml::document::split(&file.text).into_iter().enumerate() {
        let spot = Spot::at(piece.lines_before + 1, 1);
        if index >= DOCUMENTS_PER_FILE_MAX {
            let message = text!("more than {most} documents in one file", most = DOCUMENTS_PER_FILE_MAX);
            drafts.push(unusable(file, Problem::error(Code::A0108, spot, message)));
            return;
        }
        if drafts.len() >= MANIFESTS_MAX {
            let message = text!("more than {most} manifests", most = MANIFESTS_MAX);
            drafts.push(unusable(file, Problem::error(Code::A0108, spot, message)));
            return;
        }
        drafts.extend(read_document(file, piece, source, site));
    }
}

fn read_document<'a>(
    file: &'a SourceFile,
    piece: Piece<'_>,
    source: &SourceFiles<'_>,
    (site, explains): (&Site, bool),
) -> Option<DraftService<'a>> {
    let tree = yaml::tree::read(piece.text, piece.lines_before);
    let mut draft = DraftService {
        file: &file.path,
        file_text: &file.text,
        text: String::new(),
        line: piece.lines_before + 1,
        name: None,
        service: None,
        problems: tree.problems,
        claims: Claims::default(),
        files: Vec::new(),
        uses: Assets::new(),
        is_doubtful: false,
        has_content: true,
        decisions: Vec::new(),
        reaches: BTreeSet::new(),
    };
    match tree.root {
        Some(root) => {
            draft.is_doubtful = source_files::is_doubtful(&|key| root.entry(key).is_some());
            draft.has_content = has_content(&root);
            let parsed = parse::document(site, source, &file.path, &root, explains);
            draft.decisions = parsed.decisions;
            draft.files = parsed.files;
            draft.uses = parsed.uses;
            draft.name = parsed.name;
            draft.service = parsed.service;
            draft.claims = parsed.claims;
            draft.problems.extend(parsed.problems);
        }
        None if draft.problems.is_empty() => return None,
        None => {
            let scan = |key: &str| yaml::document::scan(piece.text, key);
            draft.is_doubtful = source_files::is_doubtful(&|key| scan(key).is_some());
            draft.name = scan("name").and_then(|name| parse::name_of(scan("kind"), name, scan("type")));
        }
    }
    if draft.service.is_some() {
        draft.text = piece.padded();
    }
    Some(draft)
}

/// The folders of Compose projects that manifests name: the other files in them are the projects'.
fn project_folders<'a>(named: &'a BTreeSet<String>, source: &SourceFiles<'_>) -> BTreeSet<&'a str> {
    let of_project = named.iter().filter(|path| path.ends_with(".yaml") || path.ends_with(".yml"));
    let folders = of_project.filter(|path| !is_manifest_name(path)).map(|path| folder_of(path));
    folders.filter(|folder| !source.is_root(folder)).collect()
}

/// Whether a file without a word of a manifest is somebody else's: it lies in the folder of a Compose project, or is an example
/// by its name.
fn is_of_others(file: &str, projects: &BTreeSet<&str>) -> bool {
    const EXAMPLES: [&str; 5] = ["example", "sample", "template", "dist", "default"];
    let name = file.rsplit('/').next().unwrap_or_default();
    let is_example = name.split(['.', '-', '_']).rev().skip(1).any(|part| EXAMPLES.contains(&part));
    is_example || projects.iter().any(|folder| inside(folder, file).is_some())
}

/// Whether a good manifest stood in a file: what is left of it is one that broke.
fn is_wanted(file: &str, site: &Site) -> bool {
    site.shares.values().any(|share| share.file == file)
}

/// Whether a document has one of the words that make a manifest. What cannot be read as a map might be one.
fn has_content(root: &Node) -> bool {
    const WORDS: [&str; 8] = ["kind", "name", "image", "containers", "compose", "routes", "port", "build"];
    !matches!(root.data, NodeData::Map(_)) || WORDS.iter().any(|word| root.entry(word).is_some())
}

fn unusable(file: &SourceFile, problem: Problem) -> DraftService<'_> {
    DraftService {
        file: &file.path,
        file_text: &file.text,
        text: String::new(),
        line: problem.spot.line,
        name: None,
        service: None,
        problems: vec![problem],
        claims: Claims::default(),
        files: Vec::new(),
        uses: Assets::new(),
        is_doubtful: true,
        has_content: true,
        decisions: Vec::new(),
        reaches: BTreeSet::new(),
    }
}

fn collect(drafts: Vec<DraftService<'_>>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut widths = (String::new(), Widths::of(""));
    for mut draft in drafts {
        loaded.apps.extend(draft.name.clone().zip(draft.claims.app.take()));
        let is_broken = draft.problems.iter().any(Problem::is_error);
        let mut problems = std::mem::take(&mut draft.problems);
        problems.sort_by_key(|problem| problem.spot);
        for problem in problems {
            let (file, text) = draft.file_at(problem.spot);
            if widths.0 != file {
                widths = (file.to_owned(), Widths::of(text));
            }
            loaded.diagnostics.push(problem.finish(file, &widths.1, draft.name.as_deref()));
        }
        match draft.service {
            Some(service) if !is_broken => {
                let document = Document { file: draft.file.to_owned(), text: draft.text, assets: draft.uses };
                loaded.texts.insert(service.name.clone(), document);
                loaded.services.push(service);
            }
            Some(_) | None => {
                loaded.broken.push(Broken { file: draft.file.to_owned(), service: draft.name });
            }
        }
    }
    loaded.services.sort_by(|left, right| left.name.cmp(&right.name));
    // Of two manifests with one name the good one is used; the other is reported, and breaks nothing.
    let is_good = |name: &String| loaded.services.binary_search_by(|service| service.name.cmp(name)).is_ok();
    loaded.broken.retain(|broken| !broken.service.as_ref().is_some_and(is_good));
    loaded.broken.sort();
    loaded
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn a_file_says_whose_it_is() {
        let of = |text: &str| names_in(text).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(",");
        assert_eq!(of("# hello\nname: shop\nimage: web:1\n"), "shop");
        assert_eq!(of("---\nname: \"shop\" # mine\nport: eighty\n---\n\n"), "shop");
        assert_eq!(of("name: one\n---\nname: two\n"), "one,two");
        assert_eq!(of("name: one\n--- {name: two, image: x}\n"), "one,two");
        assert_eq!(of("name: one\n---\t{\"name\": two}\n...\n{name: three}\n"), "one,two,three");
        assert_eq!(of("{kind: Record, name: mail, type: MX}"), "mail-mx");
        assert_eq!(of("containers:\n  a:\n    name: x\n"), "");
        assert_eq!(names_in("\n# nothing\n"), []);
        assert_eq!(names_in("name: ${X}\n"), [None]);
    }
}
