//! The other files of the source that a manifest reads: Compose files, `.env` files, what is delivered.
//!
//! A path is never looked up outside of the source, and each file that was read is kept with its manifest, so that the
//! manifest can be read again without the source.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::budget::Effort;
use super::limits::FILE_BYTES_MAX;
use super::yaml::{document, tree};
use crate::model::{Asset, Assets, Bundle, BundleFile, NotRead};

/// As many links on one way are a circle; Linux has the same limit.
const LINKS_MAX: usize = 40;
/// What is listed of a folder: more is neither delivered nor sent to a build.
const BELOW_MAX: usize = 20_000;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looked {
    /// A file, by its path without links.
    File(String, Asset),
    /// A folder that holds files, by its path without links.
    Folder(String),
    /// Something that is there and is not read: which part of the path, and why.
    Unread(String, NotRead),
    /// Nothing.
    Missing,
}

/// All files of the source.
pub(super) struct SourceFiles<'a> {
    assets: &'a Assets,
    /// YAML that may be manifests, or what manifests name.
    texts: BTreeMap<&'a str, &'a str>,
    /// Their bytes, of those that were named as files.
    shared: RefCell<BTreeMap<String, Arc<[u8]>>>,
    /// What is delivered, by path and whether it may be executed: digested once, however often it is named.
    bundles: RefCell<BTreeMap<(String, bool), Bundle>>,
    /// What the manifests that were read cost.
    spent: Cell<Effort>,
    /// How many folders at the beginning of all paths are the source itself: a folder's own name stands before its paths.
    /// Of a repository all folders at the top are in the source, unless there is only one.
    pub(super) root: usize,
}

impl<'a> SourceFiles<'a> {
    pub fn new(files: &[&'a SourceFile], assets: &'a Assets) -> Self {
        Self {
            assets,
            texts: files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect(),
            shared: RefCell::default(),
            bundles: RefCell::default(),
            spent: Cell::default(),
            root: common_folder(files, assets),
        }
    }

    /// A relative path from a folder; `None` when it leads out of the source.
    pub fn join(&self, folder: &str, relative: &str) -> Option<String> {
        join(folder, relative, self.root)
    }

    /// What the manifests that were read so far cost.
    pub fn spent(&self) -> Effort {
        self.spent.get()
    }

    /// One more was read.
    pub fn add_spent(&self, work: Effort) {
        self.spent.set(self.spent.get().and(work));
    }

    /// Whether a folder is the whole source.
    pub fn is_root(&self, folder: &str) -> bool {
        folder.split('/').filter(|part| !part.is_empty()).count() <= self.root
    }

    /// What a path as shown leads to. A link is followed as a system would follow it, as long as it stays in the source.
    pub fn look(&self, path: &str) -> Looked {
        let mut rest: Vec<&str> = path.rsplit('/').collect();
        let mut at: Vec<&str> = Vec::new();
        let mut first_link: Option<(String, &str)> = None;
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part {
                "" | "." => continue,
                ".." if at.pop().is_some() => continue,
                // Only a link leads there.
                ".." => return first_link.map_or(Looked::Missing, |(path, to)| unfollowed(path, to)),
                part => at.push(part),
            }
            let here = at.join("/");
            match self.assets.get(&here).map(|asset| &asset.bytes) {
                Some(Err(NotRead::Link(to))) => {
                    links += 1;
                    if links > LINKS_MAX || to.starts_with('/') {
                        return unfollowed(here, to);
                    }
                    first_link.get_or_insert((here, to));
                    at.pop();
                    rest.extend(to.rsplit('/'));
                }
                Some(Err(NotRead::TooLarge | NotRead::Denied(_))) | Some(Ok(_)) | None => (),
                Some(Err(why)) => return Looked::Unread(here, why.clone()),
            }
        }
        let whole = at.join("/");
        match self.file(&whole) {
            Some(Asset { bytes: Err(why @ NotRead::Denied(_)), .. }) => Looked::Unread(whole, why),
            Some(asset) => Looked::File(whole, asset),
            None if self.is_folder(&whole) => Looked::Folder(whole),
            None => first_link.map_or(Looked::Missing, |(path, to)| unfollowed(path, to)),
        }
    }

    /// Whether a path as shown leads to a file, or to what would be one if it could be read.
    pub fn has(&self, path: &str) -> bool {
        match self.look(path) {
            Looked::File(..) | Looked::Unread(..) => true,
            Looked::Folder(_) | Looked::Missing => false,
        }
    }

    /// A file by its path as shown, without links.
    pub fn file(&self, path: &str) -> Option<Asset> {
        if let Some(asset) = self.assets.get(path) {
            return Some(asset.clone());
        }
        let text = self.texts.get(path)?;
        let size = text.len() as u64;
        // What is longer was not read to its end.
        if text.len() > FILE_BYTES_MAX {
            return Some(Asset { size, ..Asset::unread(NotRead::TooLarge) });
        }
        let mut shared = self.shared.borrow_mut();
        let bytes = shared.entry(path.to_owned()).or_insert_with(|| text.as_bytes().into()).clone();
        Some(Asset::of(bytes, false))
    }

    fn is_folder(&self, folder: &str) -> bool {
        let start = within(folder, "");
        let assets = self.assets.range(start.clone()..).next().map(|(path, _)| path.as_str());
        let texts = self.texts.range(start.as_str()..).next().map(|(path, _)| *path);
        assets.into_iter().chain(texts).any(|path| path.starts_with(&start))
    }

    /// What lies below a folder, by path within it, with what links in it lead to; none when there is no such folder.
    pub fn below(&self, folder: &str) -> BTreeMap<String, Asset> {
        let mut all = BTreeMap::new();
        if let Looked::Folder(folder) = self.look(folder) {
            self.collect_below(&folder, "", &mut vec![folder.clone()], &mut all);
        }
        all
    }

    fn collect_below(&self, folder: &str, shown_as: &str, around: &mut Vec<String>, all: &mut BTreeMap<String, Asset>) {
        let start = within(folder, "");
        let assets = self.assets.range(start.clone()..).map(|(path, _)| path.as_str());
        let texts = self.texts.range(start.as_str()..).map(|(path, _)| *path);
        let inside = |path: &&str| path.starts_with(&start);
        let paths: BTreeSet<&str> = assets.take_while(inside).chain(texts.take_while(inside)).collect();
        for path in paths {
            if all.len() > BELOW_MAX {
                return;
            }
            let name = within(shown_as, &path[start.len()..]);
            let Some(asset) = self.file(path) else { continue };
            match &asset.bytes {
                // What git keeps there is of no use to a program.
                Err(NotRead::GitFolder) => (),
                Err(NotRead::Link(_)) => match self.look(path) {
                    Looked::File(_, asset) => _ = all.insert(name, asset),
                    Looked::Folder(to) if !is_around(&to, folder, around) => {
                        around.push(to.clone());
                        self.collect_below(&to, &name, around, all);
                        around.pop();
                    }
                    Looked::Folder(_) | Looked::Missing => _ = all.insert(name, asset),
                    Looked::Unread(_, why) => _ = all.insert(name, Asset::unread(why)),
                },
                Ok(_) | Err(_) => _ = all.insert(name, asset),
            }
        }
    }

    /// What may be manifests below a folder, by path within it.
    pub fn texts_below<'b>(&'b self, folder: &'b str) -> impl Iterator<Item = (&'b str, &'b str)> + Clone {
        let after = self.texts.range(folder..).take_while(move |(path, _)| path.starts_with(folder));
        after.filter_map(move |(path, text)| Some((inside(folder, path)?, *text)))
    }
}

impl SourceFiles<'_> {
    /// One file, to be delivered.
    pub fn file_bundle(&self, path: &str, bytes: Arc<[u8]>, executable: bool) -> Bundle {
        let mut bundles = self.bundles.borrow_mut();
        let known = bundles.entry((path.to_owned(), executable));
        known.or_insert_with(|| Bundle::of_file(bytes, executable)).clone()
    }

    /// A folder, to be delivered `without` one file of it, or whole; the end of its key tells it from a file.
    pub fn folder_bundle(&self, path: &str, without: Option<&str>, files: BTreeMap<String, BundleFile>) -> Bundle {
        let mut bundles = self.bundles.borrow_mut();
        let key = without.map_or_else(|| format!("{path}/"), |file| format!("{path}/-/{file}/"));
        bundles.entry((key, false)).or_insert_with(|| Bundle::new(files)).clone()
    }
}

/// A file that a manifest names, once it was opened.
#[derive(Debug)]
pub(super) struct OtherFile {
    pub path: String,
    pub text: Rc<str>,
    /// The folder from which relative paths in it start.
    pub base: String,
}

/// The folder of a path.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path in a folder, which may be the root of a repository.
pub(super) fn within(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// A path as seen from a folder; `None` when it is not in it.
pub(super) fn inside<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

/// `services/cloud` and `../x/./y` make `services/x/y`; `None` when it climbs above the first `root` folders.
fn join(folder: &str, relative: &str, root: usize) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let root = parts.len().min(root);
    for part in relative.split('/') {
        match part {
            "" | "." => (),
            ".." if parts.len() > root => drop(parts.pop()),
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// One, where everything lies in the same folder at the top.
fn common_folder(files: &[&SourceFile], assets: &Assets) -> usize {
    let top = |path: &str| path.split_once('/').map(|(top, _)| top.to_owned());
    // What was fetched of repositories of apps has the place that it came from in front.
    let others = assets.keys().map(String::as_str).filter(|path| !path.contains("://"));
    let mut tops = files.iter().map(|file| file.path.as_str()).chain(others).map(top);
    let first = tops.next().flatten();
    usize::from(first.is_some() && tops.all(|top| top == first))
}

/// A link that leads to nothing in the source, or in a circle.
fn unfollowed(path: String, to: &str) -> Looked {
    Looked::Unread(path, NotRead::Link(to.to_owned()))
}

/// Whether a folder that a link leads to has that link in it.
fn is_around(to: &str, folder: &str, around: &[String]) -> bool {
    let holds = |inner: &str| inner == to || inside(to, inner).is_some();
    holds(folder) || around.iter().any(|outer| holds(outer))
}

/// One file of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As shown: `services/gitea.yaml`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// Whether any document of a file is a manifest, whoever else names it.
pub(crate) fn is_manifest(text: &str) -> bool {
    document::split(text).into_iter().any(|piece| match tree::read(piece.text, piece.lines_before).root {
        Some(root) => !is_doubtful(&|key| root.entry(key).is_some()),
        None => !is_doubtful(&|key| document::scan(piece.text, key).is_some()),
    })
}

/// Whether a document has nothing of a manifest. What has, stays one, whoever else names its file: it would be pruned.
pub(crate) fn is_doubtful(has: &dyn Fn(&str) -> bool) -> bool {
    const CONTENT: [&str; 5] = ["image", "containers", "compose", "routes", "port"];
    !(has("kind") || has("name") && CONTENT.into_iter().any(has))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_source() {
        let cases = [
            ("services/cloud", "./php.ini", Some("services/cloud/php.ini")),
            ("services/cloud", "../shared/./a//b", Some("services/shared/a/b")),
            ("services/cloud", "../..", None),
            ("services/cloud", "../../etc/passwd", None),
            ("services", "..", None),
            ("services", "x/../..", None),
            ("services", ".", Some("services")),
        ];
        for (folder, relative, whole) in cases {
            assert_eq!(join(folder, relative, 1).as_deref(), whole, "{folder} {relative}");
        }
    }

    /// In a repository, the folders at the top are all of the source.
    #[test]
    fn a_path_climbs_to_the_root_of_a_repository() {
        let cases = [
            ("app", "../common/a", Some("common/a")),
            ("app/web", "../../common/a", Some("common/a")),
            ("app", "..", Some("")),
            ("app", "../../x", None),
            ("", "./x", Some("x")),
            ("", "../x", None),
        ];
        for (folder, relative, whole) in cases {
            assert_eq!(join(folder, relative, 0).as_deref(), whole, "{folder} {relative}");
        }
    }

    fn link(to: &str) -> Asset {
        Asset::unread(NotRead::Link(to.to_owned()))
    }

    #[test]
    fn links_are_followed_as_far_as_the_source_goes() {
        let assets: Assets = [
            ("services/shared/a", Asset::of(*b"a", false)),
            ("services/shared/deep/b", Asset::of(*b"b", true)),
            ("services/shared/up", link("../web/own")),
            ("services/web/own", Asset::of(*b"own", false)),
            ("services/web/conf", link("../shared")),
            ("services/web/one", link("conf/deep/b")),
            ("services/web/out", link("../../etc")),
            ("services/web/host", link("/etc/passwd")),
            ("services/web/gone", link("./nothing")),
            ("services/web/self", link(".")),
            ("services/web/left", link("right")),
            ("services/web/right", link("left")),
        ]
        .map(|(path, asset)| (path.to_owned(), asset))
        .into();
        let files = SourceFiles::new(&[], &assets);
        let file = |path: &str| match files.look(path) {
            Looked::File(whole, asset) => format!("{whole}={}", String::from_utf8_lossy(asset.content().unwrap())),
            Looked::Folder(whole) => whole,
            Looked::Unread(whole, why) => format!("{whole}: {why:?}"),
            Looked::Missing => "nothing".to_owned(),
        };
        let cases = [
            ("services/web/conf", "services/shared"),
            ("services/web/conf/a", "services/shared/a=a"),
            ("services/web/conf/up", "services/web/own=own"),
            ("services/web/one", "services/shared/deep/b=b"),
            ("services/web/out/x", "services/web/out: Link(\"../../etc\")"),
            ("services/web/host", "services/web/host: Link(\"/etc/passwd\")"),
            ("services/web/gone", "services/web/gone: Link(\"./nothing\")"),
            ("services/web/left", "services/web/left: Link(\"right\")"),
            ("services/web/self/own", "services/web/own=own"),
            ("services/nothing", "nothing"),
        ];
        for (path, leads) in cases {
            assert_eq!(file(path), leads, "{path}");
        }
        let below: Vec<String> = files.below("services/web/conf").into_keys().collect();
        assert_eq!(below, ["a", "deep/b", "up"]);
        // A circle ends, and is not passed over in silence.
        let below = files.below("services/web");
        assert!(below["self"].bytes.is_err() && below["conf/deep/b"].executable && below["out"].bytes.is_err());
    }

    /// Each link doubles what is below.
    #[test]
    fn many_links_of_links_end() {
        let folder = |level: usize, name: &str| (format!("s/{level}/{name}"), link(&format!("../{}", level + 1)));
        let mut assets: Assets = (0..60).flat_map(|level| ["a", "b"].map(|name| folder(level, name))).collect();
        assets.insert("s/60/end".to_owned(), Asset::of(*b"", false));
        let files = SourceFiles::new(&[], &assets);
        assert!(files.below("s/0").len() <= BELOW_MAX + 1);
    }
}
