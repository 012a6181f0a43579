//! Node.js: servers, Next.js, Nuxt, and pages that are built.

use std::collections::BTreeMap;

use askama::Template;
use serde_json::Value as Json;

use super::framework::Framework;
use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::{first_line, settle, tool_version};
use super::{DetectedPart, Wish};
use crate::model::Text;
use crate::text;

/// Long-term releases.
const KNOWN: [&str; 3] = ["20", "22", "24"];
pub(super) const USUAL: &str = "24";
/// Programs that are there while somebody writes code.
const FOR_DEVELOPMENT: [&str; 7] = ["nodemon", "ts-node", "ts-node-dev", "tsx", "vite", "webpack-dev-server", "ng"];

/// What installs the dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Manager {
    /// `npm`, `pnpm`, `yarn`, `bun`.
    name: &'static str,
    /// The version that is installed; empty: that of the image.
    version: String,
    /// Its command to install exactly what the lock file says.
    install: String,
    /// The lock file; `None`: there is none.
    lock: Option<&'static str>,
    /// Leaves out what only the build needs.
    prune: String,
}

/// A stage that builds what a browser gets, of an app in another language.
#[derive(Debug)]
pub(super) struct AssetStage {
    pub version: String,
    pub setup: String,
    pub manager_version: String,
    pub install: String,
    pub build: String,
}

#[derive(Template)]
#[template(path = "node.txt")]
struct NodeFile<'a> {
    end: &'a End,
    version: String,
    /// What brings the package manager, and which one of it: `npm install --global pnpm` and `@9`.
    setup: String,
    manager_version: String,
    install: String,
    prune: String,
    /// `npm run build`; empty: nothing is built.
    build: String,
    /// Arguments that the build may read, and bake into what it makes.
    baked: Vec<String>,
    /// Copied first, so that the installation is kept where only code changes; empty: everything is copied first.
    lists: Vec<String>,
    /// The folder of the app in the context, with a slash before it; empty = all of it.
    folder: String,
    /// What of the built app is kept, as pairs of where it is and where it goes.
    kept: Vec<(String, String)>,
    /// Folders that it writes to.
    writes: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "pages.txt")]
struct PagesFile<'a> {
    end: &'a End,
    version: String,
    setup: String,
    manager_version: String,
    install: String,
    build: String,
    baked: Vec<String>,
    lists: Vec<String>,
    folder: String,
    /// The folder of the built pages.
    out: String,
    is_one_page: bool,
}

struct Package(Json);

impl Package {
    fn of(app: &RepositoryFolder<'_>) -> Option<Self> {
        Some(Self(serde_json::from_str(app.text("package.json")?).ok()?))
    }

    fn script(&self, name: &str) -> Option<&str> {
        self.0.get("scripts")?.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    fn names(&self, key: &str) -> impl Iterator<Item = &String> {
        self.0.get(key).and_then(Json::as_object).into_iter().flat_map(serde_json::Map::keys)
    }

    fn is_workspace(&self) -> bool {
        self.0.get("workspaces").is_some()
    }
}

/// Names of packages, each with the file that names it. `None`: no Node.js here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    app.text("package.json")?;
    let package = Package::of(app)?;
    let names = package.names("dependencies").chain(package.names("devDependencies"));
    Some(names.map(|name| (name.clone(), "package.json".to_owned())).collect())
}

/// Whether it is started by a script of its own, whatever it depends on.
pub(super) fn starts_itself(app: &RepositoryFolder<'_>) -> bool {
    Package::of(app).and_then(|package| node_command(package.script("start")?)).is_some()
}

/// Whether nothing is built and nothing started: a list of tools.
pub(super) fn is_tools_only(app: &RepositoryFolder<'_>) -> bool {
    Package::of(app).is_some_and(|package| package.script("build").is_none() && package.script("start").is_none())
}

/// Whether it holds packages in folders below.
pub(super) fn is_workspace(app: &RepositoryFolder<'_>) -> bool {
    app.has("pnpm-workspace.yaml") || Package::of(app).is_some_and(|package| package.is_workspace())
}

/// What Node.js makes of an app.
pub(super) fn recipe<'a>(
    app: &RepositoryFolder<'a>,
    framework: &'a Framework,
    wish: &Wish<'_>,
    findings: &mut AppFindings,
) -> Recipe<'a> {
    let package = Package::of(app).unwrap_or(Package(Json::Null));
    let root = workspace(app);
    let version = version(app, &root, &package, findings);
    let manager = manager(&root, &package, findings);
    let folder = app.path[root.path.len()..].trim_start_matches('/');
    let folder = if folder.is_empty() { String::new() } else { format!("/{folder}") };
    let build = package.script("build").map(|_| format!("{} run build", manager.name)).unwrap_or_default();
    if let Some(script) = package.script("build") {
        findings.found(DetectedPart::Build, &build, text!("package.json has a script for it: {script}", script));
    }
    let lists = lists(&root, &package, &manager, folder.is_empty());
    let (setup, manager_version) = manager.setup();
    let shape = match framework.name.as_str() {
        "next" => next(app),
        "nuxt" => nuxt(&package),
        "vite" => pages(app, &package, wish, findings),
        _ => server(app, &package, wish, findings),
    };
    let (install, context, baked) = (manager.install.clone(), root.path.to_owned(), wish.arg_names());
    let (values, environment) = (BTreeMap::new(), BTreeMap::new());
    match shape {
        BuiltShape::Pages { out, is_one_page } => {
            findings.found(DetectedPart::Build, &out, text!("the folder of the built pages"));
            let start = (super::site::nginx(), text!("nginx serves it"));
            let render = Box::new(move |end: &End| {
                recipe::written(&PagesFile {
                    end,
                    version,
                    setup,
                    manager_version,
                    install,
                    build,
                    baked,
                    lists,
                    folder,
                    out,
                    is_one_page,
                })
            });
            Recipe {
                context,
                values,
                start: Some(start),
                port: Some((8080, text!("nginx listens there"))),
                environment,
                render,
            }
        }
        BuiltShape::Server { start, kept, is_pruned, writes } => {
            let prune = if is_pruned { manager.prune } else { String::new() };
            let render = Box::new(move |end: &End| {
                recipe::written(&NodeFile {
                    end,
                    version,
                    setup,
                    manager_version,
                    install,
                    prune,
                    build,
                    baked,
                    lists,
                    folder,
                    kept,
                    writes,
                })
            });
            Recipe { context, values, start, port: None, environment, render }
        }
    }
}

/// What is left of an app once it is built.
enum BuiltShape {
    /// A folder for a web server.
    Pages { out: String, is_one_page: bool },
    Server {
        start: Option<(Vec<String>, Text)>,
        kept: Vec<(String, String)>,
        is_pruned: bool,
        writes: Vec<&'static str>,
    },
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn config<'a>(app: &RepositoryFolder<'a>, begin: &str) -> &'a str {
    app.texts().find(|(path, _)| path.starts_with(begin)).map(|(_, text)| text).unwrap_or_default()
}

/// Whether a configuration sets a key to a word: `output: 'standalone'`.
fn sets(config: &str, key: &str, word: &str) -> bool {
    config.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        let value = line.split_once(key).map(|(_, rest)| rest.trim_start_matches(['"', '\'', ' ', ':']));
        value.is_some_and(|value| value.starts_with(word))
    })
}

fn next(app: &RepositoryFolder<'_>) -> BuiltShape {
    let config = config(app, "next.config.");
    let kept = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    if sets(config, "output", "export") {
        return BuiltShape::Pages { out: "out".to_owned(), is_one_page: false };
    }
    if sets(config, "output", "standalone") {
        let mut all = vec![kept(".next/standalone", "."), kept(".next/static", ".next/static")];
        if app.paths().any(|path| path.starts_with("public/")) {
            all.push(kept("public", "public"));
        }
        let start = (words("node server.js"), text!("next.config says: output standalone"));
        return BuiltShape::Server { start: Some(start), kept: all, is_pruned: false, writes: vec![".next/cache"] };
    }
    let start = (words("node_modules/.bin/next start --hostname 0.0.0.0"), text!("what Next.js is started by"));
    BuiltShape::Server { start: Some(start), kept: vec![kept(".", ".")], is_pruned: true, writes: vec![".next/cache"] }
}

fn nuxt(package: &Package) -> BuiltShape {
    if package.script("build").is_some_and(|script| script.contains("generate")) {
        return BuiltShape::Pages { out: ".output/public".to_owned(), is_one_page: false };
    }
    BuiltShape::Server {
        start: None,
        kept: vec![(".output".to_owned(), ".output".to_owned())],
        is_pruned: false,
        writes: Vec::new(),
    }
}

/// Pages: where they are built to.
fn pages(app: &RepositoryFolder<'_>, package: &Package, wish: &Wish<'_>, findings: &mut AppFindings) -> BuiltShape {
    let has =
        |name: &str| package.names("dependencies").chain(package.names("devDependencies")).any(|known| known == name);
    if package.script("build").is_none() && !wish.has_command {
        findings.ask(
            text!("package.json has no script `build`, so nothing builds the pages"),
            vec!["framework: static".to_owned()],
        );
    }
    let serves_itself = has("astro") && sets(config(app, "astro.config."), "output", "server")
        || has("@sveltejs/kit") && !has("@sveltejs/adapter-static");
    if serves_itself {
        let text = text!("the app has a server of its own, which Amarre does not know yet");
        findings.ask(text, vec!["build: {dockerfile: ./Dockerfile}".to_owned()]);
    }
    let has_router = ["react-router-dom", "react-router", "vue-router", "@angular/router", "@tanstack/react-router"];
    let is_one_page = has_router.into_iter().any(has);
    let out = match () {
        () if has("@angular/core") => angular_out(app),
        () if has("react-scripts") => "build".to_owned(),
        () if has("@sveltejs/adapter-static") => "build".to_owned(),
        () => vite_out(config(app, "vite.config.")).unwrap_or_else(|| "dist".to_owned()),
    };
    BuiltShape::Pages { out, is_one_page }
}

/// `outDir: 'public'`
fn vite_out(config: &str) -> Option<String> {
    let value = config.split_once("outDir")?.1.trim_start_matches([':', ' ']);
    let quote = value.chars().next().filter(|char| matches!(char, '"' | '\'' | '`'))?;
    let path = value[1..].split(quote).next()?.trim_matches('/').trim_start_matches("./");
    (!path.is_empty() && !path.contains("..") && !path.contains('$')).then(|| path.to_owned())
}

/// `dist/shop/browser`
fn angular_out(app: &RepositoryFolder<'_>) -> String {
    let usual = || {
        let document: Json = serde_json::from_str(app.text("angular.json")?).ok()?;
        let (name, project) = document.get("projects")?.as_object()?.iter().next()?;
        let options = project.get("architect")?.get("build")?.get("options");
        let path = options.and_then(|options| options.get("outputPath"));
        let said = path.and_then(|path| path.as_str().or_else(|| path.get("base")?.as_str()));
        Some(format!("{}/browser", said.map_or_else(|| format!("dist/{name}"), str::to_owned)))
    };
    usual().unwrap_or_else(|| "dist".to_owned())
}

/// The words of a command that Node.js runs, and nothing beside: `node --enable-source-maps dist/main.js`.
fn node_command(script: &str) -> Option<Vec<String>> {
    let script =
        script.trim().trim_start_matches("NODE_ENV=production ").trim_start_matches("cross-env NODE_ENV=production ");
    let is_one = script.starts_with("node ") && !script.contains(['&', ';', '|', '$', '"', '\'']);
    is_one.then(|| words(script))
}

fn server(app: &RepositoryFolder<'_>, package: &Package, wish: &Wish<'_>, findings: &mut AppFindings) -> BuiltShape {
    const FILES: [&str; 6] = ["server.js", "index.js", "app.js", "src/server.js", "src/index.js", "main.js"];
    let (kept, writes) = (vec![(".".to_owned(), ".".to_owned())], Vec::new());
    let main = package.0.get("main").and_then(Json::as_str).map(|main| main.trim_start_matches("./"));
    let start = match package.script("start") {
        Some(script) => match node_command(script) {
            Some(words) => Some((words, text!("package.json starts it by {script}", script))),
            None => {
                let program = script.split_whitespace().next().unwrap_or_default();
                if FOR_DEVELOPMENT.contains(&program) && !wish.has_command {
                    let text = text!("package.json starts it by {script}, which is for development", script);
                    findings.ask(text, vec!["command: [node, dist/index.js]".to_owned()]);
                }
                Some((words("npm run start"), text!("package.json starts it by {script}", script)))
            }
        },
        None => main.filter(|main| app.has(main)).or_else(|| app.first(&FILES)).map(|file| {
            (vec!["node".to_owned(), file.to_owned()], text!("package.json says no start: {file} is there", file))
        }),
    };
    BuiltShape::Server { start, kept, is_pruned: true, writes }
}

/// The folder whose lock file holds for an app: its own, or the next above.
fn workspace<'a>(app: &RepositoryFolder<'a>) -> RepositoryFolder<'a> {
    let has_lock = |folder: &RepositoryFolder<'_>| LOCKS.iter().any(|(file, _)| folder.has(file));
    if has_lock(app) {
        return *app;
    }
    let mut at = *app;
    while let Some(above) = at.above() {
        if has_lock(&above) || is_workspace(&above) {
            return above;
        }
        at = above;
    }
    *app
}

const LOCKS: [(&str, &str); 6] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
];

fn manager(root: &RepositoryFolder<'_>, package: &Package, findings: &mut AppFindings) -> Manager {
    let root_package = Package::of(root);
    let said = |package: &Package| package.0.get("packageManager").and_then(Json::as_str).map(str::to_owned);
    let said = said(package).or_else(|| root_package.as_ref().and_then(said));
    let locks: Vec<(&'static str, &'static str)> = LOCKS.into_iter().filter(|(file, _)| root.has(file)).collect();
    let lock_of = |name: &str| locks.iter().find(|(_, known)| *known == name).map(|(file, _)| *file);
    let (name, version, because) = match (&said, locks.first()) {
        (Some(said), _) => {
            let (name, version) = said.split_once('@').unwrap_or((said, ""));
            let name = ["pnpm", "yarn", "bun"].into_iter().find(|known| *known == name).unwrap_or("npm");
            let version = version.split('+').next().unwrap_or_default();
            (name, version.to_owned(), text!("package.json says packageManager {said}", said))
        }
        (None, Some((file, name))) => {
            let because = match locks.get(1) {
                Some((other, _)) => text!("{file}, which comes before {other}", file = *file, other = *other),
                None => text!("there is {file}", file = *file),
            };
            (*name, String::new(), because)
        }
        (None, None) => ("npm", String::new(), text!("there is no lock file")),
    };
    findings.found(DetectedPart::Manager, name, because);
    let lock = lock_of(name);
    if lock.is_none() {
        findings
            .notes
            .push(text!("there is no lock file of {name}: a build may get other versions than the one before", name));
    }
    let is_berry =
        name == "yarn" && (root.has(".yarnrc.yml") || version.chars().next().is_some_and(|first| first > '1'));
    let frozen = lock.is_some();
    let (install, prune) = match name {
        "pnpm" => (if frozen { "pnpm install --frozen-lockfile" } else { "pnpm install" }, "pnpm prune --prod"),
        "bun" => (if frozen { "bun install --frozen-lockfile" } else { "bun install" }, "bun install --production"),
        "yarn" if is_berry => (if frozen { "yarn install --immutable" } else { "yarn install" }, ""),
        "yarn" => {
            let prune = "yarn install --production --ignore-scripts --prefer-offline";
            (if frozen { "yarn install --frozen-lockfile" } else { "yarn install" }, prune)
        }
        _ => (if frozen { "npm ci" } else { "npm install" }, "npm prune --omit=dev"),
    };
    let version = match name {
        "pnpm" if version.is_empty() => "10".to_owned(),
        "yarn" if version.is_empty() && !is_berry => "1.22.22".to_owned(),
        _ => version,
    };
    Manager { name, version, install: install.to_owned(), lock, prune: prune.to_owned() }
}

impl Manager {
    /// What brings the manager itself, and which version of it; images from Node.js 25 on have neither corepack nor, later, yarn.
    fn setup(&self) -> (String, String) {
        let at = if self.version.is_empty() { String::new() } else { format!("@{}", self.version) };
        let (setup, at) = match self.name {
            "npm" => (String::new(), String::new()),
            "yarn" if self.version.starts_with("1.") => ("npm install --global --force yarn".to_owned(), at),
            "yarn" => {
                let setup = "npm install --global --force corepack@0.34.0 && corepack enable yarn";
                (setup.to_owned(), String::new())
            }
            name => (format!("npm install --global {name}"), at),
        };
        (setup, at)
    }
}

/// Files that the installation reads. Scripts that run at it need all the others, too; so do packages in folders.
fn lists(root: &RepositoryFolder<'_>, package: &Package, manager: &Manager, is_root: bool) -> Vec<String> {
    const SCRIPTS: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];
    let needs_all = SCRIPTS.into_iter().any(|name| package.script(name).is_some())
        || package.names("dependencies").any(|name| name == "@prisma/client")
        || is_workspace(root);
    if needs_all || !is_root {
        return Vec::new();
    }
    let files = ["package.json", manager.lock.unwrap_or("package.json"), ".npmrc", ".yarnrc.yml"];
    let mut lists: Vec<String> = files.into_iter().filter(|file| root.has(file)).map(str::to_owned).collect();
    lists.dedup();
    lists
}

fn version(
    app: &RepositoryFolder<'_>,
    root: &RepositoryFolder<'_>,
    package: &Package,
    findings: &mut AppFindings,
) -> String {
    let of = |key: &str| package.0.get(key)?.get("node")?.as_str().map(str::to_owned);
    let line = |file: &str| first_line(app, file).or_else(|| first_line(root, file)).map(|text| lts(&text));
    let said = [
        (".nvmrc", line(".nvmrc")),
        (".node-version", line(".node-version")),
        ("package.json", of("volta")),
        ("package.json", of("engines")),
        (".tool-versions", tool_version(app, "nodejs").or_else(|| tool_version(app, "node"))),
    ];
    settle("Node.js", said, &KNOWN, USUAL, findings)
}

/// `lts/jod` is 22.
fn lts(text: &str) -> String {
    match text.trim().trim_start_matches("lts/").to_ascii_lowercase().as_str() {
        "iron" => "20".to_owned(),
        "jod" => "22".to_owned(),
        "krypton" | "*" => "24".to_owned(),
        _ => text.to_owned(),
    }
}

/// The stage that builds what a browser gets, of an app in another language; none where nothing is built.
pub(super) fn assets(app: &RepositoryFolder<'_>, findings: &mut AppFindings) -> Option<AssetStage> {
    let package = Package::of(app)?;
    let script = package.script("build")?;
    let mut own = AppFindings::default();
    let version = version(app, app, &package, &mut own);
    let manager = manager(app, &package, &mut own);
    let build = format!("{} run build", manager.name);
    findings.found(DetectedPart::Build, &build, text!("package.json has a script for it: {script}", script));
    let (setup, manager_version) = manager.setup();
    Some(AssetStage { version, setup, manager_version, install: manager.install, build })
}
