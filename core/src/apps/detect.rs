//! Which framework an app is of, and what follows.
//!
//! | here are | then |
//! |---|---|
//! | a Dockerfile, and no other framework is said | that |
//! | files of one language, and a framework of it is known by them | that framework; a list of Node.js packages beside PHP, Ruby, Python or Java builds what a browser gets |
//! | several that could each be the app | a question |
//! | files of a language, and no framework that is known | a question |
//! | pages alone | these |
//! | none of it, but in folders below | a question: which folder |

use std::collections::BTreeMap;

use super::framework::{self, ALL, AppLanguage, Framework};
use super::recipe::{AppFindings, Recipe, finish};
use super::repository::{Repository, RepositoryFolder};
use super::{AppQuestion, AppReason, DetectedApp, DetectedPart, Detection, Dockerfile, Wish};
use super::{go, java, node, php, python, ruby, rust, site};
use crate::model::Code;
use crate::text;

/// Languages that a list of Node.js packages may stand beside.
const WITH_ASSETS: [AppLanguage; 4] = [AppLanguage::Php, AppLanguage::Ruby, AppLanguage::Python, AppLanguage::Java];
/// Which are looked for, in this order.
const LANGUAGES: [AppLanguage; 7] = [
    AppLanguage::Php,
    AppLanguage::Ruby,
    AppLanguage::Python,
    AppLanguage::Java,
    AppLanguage::Go,
    AppLanguage::Rust,
    AppLanguage::Node,
];
/// What it is called where nothing else is said.
const DOCKERFILE: &str = "Dockerfile";
/// How far below apps are looked for.
const DEPTH_MAX: usize = 3;
/// More choices are no help.
const CHOICES_MAX: usize = 12;
/// Folders that hold no apps.
const ASIDE: [&str; 12] = [
    "node_modules",
    "vendor",
    "test",
    "tests",
    "spec",
    "examples",
    "example",
    "docs",
    "fixtures",
    "testdata",
    "target",
    "dist",
];

/// Finds out how an app is built and run.
///
/// # Guarantees
/// What could be wrong is asked, and nothing is asked that `wish` says.
/// # Repeats
/// The same files and the same wish give the same answer.
pub fn detect(repository: &Repository, wish: &Wish<'_>) -> Detection {
    match found(repository, wish) {
        Ok(app) => Detection::Found(Box::new(app)),
        Err(questions) => Detection::Asked(questions),
    }
}

/// The Dockerfile that [`detect`] takes in place of one that Amarre writes: its path.
pub fn own_dockerfile(repository: &Repository, wish: &Wish<'_>) -> Option<String> {
    let app = repository.folder(wish.path);
    let is_taken = wish.dockerfile.is_some()
        || wish.framework.is_none() && app.has(DOCKERFILE)
        || wish.framework == Some("dockerfile");
    is_taken.then(|| wish.dockerfile.unwrap_or(DOCKERFILE).trim_start_matches("./").to_owned())
}

fn found(repository: &Repository, wish: &Wish<'_>) -> Result<DetectedApp, Vec<AppQuestion>> {
    let app = &repository.folder(wish.path);
    if app.paths().next().is_none() {
        let text = text!("the repository has no folder {path}", path = wish.path);
        return Err(vec![AppQuestion { code: Code::A0771, text, choices: Vec::new() }]);
    }
    if let Some(path) = own_dockerfile(repository, wish) {
        return dockerfile(app, &path, wish);
    }
    let mut findings = AppFindings::default();
    let framework = match wish.framework {
        Some(name) => {
            let known = framework::find(name);
            let known =
                known.ok_or_else(|| ask(Code::A0770, text!("no framework is called {name}", name), Vec::new()))?;
            findings.found(DetectedPart::Framework, &known.title, text!("the manifest says so"));
            known
        }
        None => choose(app, &mut findings)?,
    };
    let recipe = recipe(app, framework, wish, &mut findings);
    finish(app, framework, wish, recipe, findings)
}

fn recipe<'a>(
    app: &RepositoryFolder<'a>,
    framework: &'a Framework,
    wish: &Wish<'_>,
    findings: &mut AppFindings,
) -> Recipe<'a> {
    match framework.language {
        AppLanguage::Php => php::recipe(app, framework, findings),
        AppLanguage::Ruby => ruby::recipe(app, framework, findings),
        AppLanguage::Python => python::recipe(app, framework, wish, findings),
        AppLanguage::Java => java::recipe(app, findings),
        AppLanguage::Go => go::recipe(app, wish, findings),
        AppLanguage::Rust => rust::recipe(app, wish, findings),
        AppLanguage::Node => node::recipe(app, framework, wish, findings),
        AppLanguage::Static | AppLanguage::Dockerfile => site::recipe(app, wish, findings),
    }
}

fn ask(code: Code, text: crate::model::Text, choices: Vec<String>) -> Vec<AppQuestion> {
    vec![AppQuestion { code, text, choices }]
}

/// What a language depends on here; `None`: it is not here.
fn dependencies(language: AppLanguage, app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    match language {
        AppLanguage::Php => php::dependencies(app),
        AppLanguage::Ruby => ruby::dependencies(app),
        AppLanguage::Python => python::dependencies(app),
        AppLanguage::Java => java::dependencies(app),
        AppLanguage::Go => go::dependencies(app),
        AppLanguage::Rust => rust::dependencies(app),
        AppLanguage::Node => node::dependencies(app),
        AppLanguage::Static | AppLanguage::Dockerfile => None,
    }
}

/// One that could be the app.
struct Candidate {
    framework: &'static Framework,
    reason: AppReason,
}

fn candidates(app: &RepositoryFolder<'_>) -> Vec<Candidate> {
    let mut all = Vec::new();
    for language in LANGUAGES {
        let Some(dependencies) = dependencies(language, app) else { continue };
        let of = ALL.iter().filter(|framework| framework.language == language && framework.is(app, &dependencies));
        let matching: Vec<&'static Framework> = of.collect();
        let is_covered = |one: &Framework| matching.iter().any(|other| other.before.contains(&one.name));
        for framework in matching.iter().filter(|framework| !is_covered(framework)) {
            let because = match framework.dependency(&dependencies) {
                Some((name, file)) => text!("{file} names {name}", file, name),
                None => text!("there is {file}", file = framework.known_by.files.first().map_or("", String::as_str)),
            };
            all.push(Candidate {
                framework,
                reason: AppReason { part: DetectedPart::Framework, value: framework.title.clone(), because },
            });
        }
        if language == AppLanguage::Node && matching.is_empty() && node::starts_itself(app) {
            let because = text!("package.json starts it by Node.js");
            all.extend(framework::find("express").map(|framework| Candidate {
                framework,
                reason: AppReason { part: DetectedPart::Framework, value: framework.title.clone(), because },
            }));
        }
    }
    // Pages that are built for an app of another language are a part of it, and so are those that a server of Node.js builds.
    let has = |test: &dyn Fn(&Candidate) -> bool| all.iter().any(test);
    let is_host =
        has(&|one| WITH_ASSETS.contains(&one.framework.language)) || has(&|one| one.framework.name == "express");
    if is_host && all.len() > 1 {
        all.retain(|one| one.framework.name != "vite");
    }
    all
}

fn choose(app: &RepositoryFolder<'_>, findings: &mut AppFindings) -> Result<&'static Framework, Vec<AppQuestion>> {
    let mut all = candidates(app);
    let below = || folders_with_apps(app);
    match all.len() {
        1 if node::is_workspace(app) && !below().is_empty() => Err(which_folder(&below())),
        1 => {
            let Candidate { framework, reason } = all.remove(0);
            findings.reasons.push(reason);
            Ok(framework)
        }
        0 => nothing_known(app, findings),
        _ => {
            let titles = all.iter().map(|one| one.framework.title.as_str()).collect::<Vec<_>>().join(", ");
            let choices = all.iter().map(|one| format!("framework: {}", one.framework.name)).collect();
            Err(ask(Code::A0770, text!("the app could be one of several: {titles}", titles), choices))
        }
    }
}

fn nothing_known(
    app: &RepositoryFolder<'_>,
    findings: &mut AppFindings,
) -> Result<&'static Framework, Vec<AppQuestion>> {
    let below = folders_with_apps(app);
    let here: Vec<AppLanguage> =
        LANGUAGES.into_iter().filter(|language| dependencies(*language, app).is_some()).collect();
    let is_plain = here.is_empty() || here == [AppLanguage::Node] && node::is_tools_only(app);
    if is_plain && let Some((_, file)) = site::root(app) {
        let framework = framework::find("static").ok_or_else(Vec::new)?;
        findings.found(DetectedPart::Framework, &framework.title, text!("there is {file}", file));
        return Ok(framework);
    }
    if !below.is_empty() {
        return Err(which_folder(&below));
    }
    let choices = vec!["build: {dockerfile: ./Dockerfile}".to_owned(), "framework: NAME".to_owned()];
    let text = if here.is_empty() {
        text!("no file here tells of a framework that Amarre knows")
    } else {
        text!("there are files of {languages}, and none names a framework that Amarre knows", languages = names(&here))
    };
    Err(ask(Code::A0770, text, choices))
}

fn names(languages: &[AppLanguage]) -> String {
    let name = |language: &AppLanguage| match language {
        AppLanguage::Php => "PHP",
        AppLanguage::Ruby => "Ruby",
        AppLanguage::Python => "Python",
        AppLanguage::Java => "Java",
        AppLanguage::Go => "Go",
        AppLanguage::Rust => "Rust",
        AppLanguage::Node | AppLanguage::Static | AppLanguage::Dockerfile => "Node.js",
    };
    languages.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn which_folder(folders: &[(String, String)]) -> Vec<AppQuestion> {
    let shown = folders.iter().map(|(path, title)| format!("{path} ({title})")).collect::<Vec<_>>().join(", ");
    let choices = folders.iter().map(|(path, _)| format!("path: {path}")).collect();
    ask(Code::A0771, text!("the repository has apps in folders: {shown}", shown), choices)
}

/// Folders below that are an app, with its title.
fn folders_with_apps(app: &RepositoryFolder<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<(RepositoryFolder<'_>, usize)> = vec![(*app, 0)];
    while let Some((folder, depth)) = open.pop() {
        for name in folder.folders() {
            if found.len() >= CHOICES_MAX || name.starts_with('.') || ASIDE.contains(&name) {
                continue;
            }
            let below = folder.below(name);
            let path = below.path[app.path.len()..].trim_start_matches('/').to_owned();
            if below.has("Dockerfile") {
                found.push((path, "Dockerfile".to_owned()));
            } else if let Some(one) = candidates(&below).first() {
                found.push((path, one.framework.title.clone()));
            } else if depth + 1 < DEPTH_MAX {
                open.push((below, depth + 1));
            }
        }
    }
    found.sort();
    found
}

/// An app that says itself how it is built.
fn dockerfile(app: &RepositoryFolder<'_>, path: &str, wish: &Wish<'_>) -> Result<DetectedApp, Vec<AppQuestion>> {
    let Some(text) = app.text(path) else {
        let text = text!("the repository has no file {path}", path);
        return Err(ask(Code::A0771, text, Vec::new()));
    };
    let because = match wish.dockerfile {
        Some(_) => text!("the manifest says so"),
        None => text!("there is {file}", file = path),
    };
    let reason = |part, value: String, because| AppReason { part, value, because };
    let mut reasons = vec![reason(DetectedPart::Framework, "Dockerfile".to_owned(), because)];
    let ports = exposed(text);
    let port = match (wish.port, ports.as_slice()) {
        (Some(port), _) => {
            reasons.push(reason(DetectedPart::Port, port.to_string(), text!("the manifest says so")));
            port
        }
        (None, [port]) => {
            reasons.push(reason(DetectedPart::Port, port.to_string(), text!("{file} says so, at EXPOSE", file = path)));
            *port
        }
        (None, several) => {
            let text = if several.is_empty() {
                text!("{file} says no port, at EXPOSE", file = path)
            } else {
                text!("{file} says several ports, at EXPOSE", file = path)
            };
            let several = several.iter().map(|port| format!("port: {port}"));
            let choices: Vec<String> = if ports.is_empty() { vec!["port: 8080".to_owned()] } else { several.collect() };
            return Err(ask(Code::A0772, text, choices));
        }
    };
    Ok(DetectedApp {
        framework: "dockerfile".to_owned(),
        title: "Dockerfile".to_owned(),
        reasons,
        context: app.path.to_owned(),
        dockerfile: Dockerfile::Own(path.to_owned(), text.to_owned()),
        port,
        environment: BTreeMap::from([("PORT".to_owned(), port.to_string())]),
        database: database(app),
        ..DetectedApp::default()
    })
}

/// The ports of the last stage.
fn exposed(dockerfile: &str) -> Vec<u16> {
    let mut ports = Vec::new();
    for line in dockerfile.lines().map(str::trim) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("from") {
            ports.clear();
        }
        if word.eq_ignore_ascii_case("expose") {
            let numbers = rest.split_whitespace().filter(|port| !port.ends_with("/udp"));
            ports.extend(numbers.filter_map(|port| port.trim_end_matches("/tcp").parse::<u16>().ok()));
        }
    }
    ports.dedup();
    ports
}

/// Variables of which a database's address is read, and that have no default where they are read.
pub(super) fn database(app: &RepositoryFolder<'_>) -> BTreeMap<String, String> {
    const READS: [&str; 8] = [
        "os.environ[\"DATABASE_URL\"]",
        "os.environ['DATABASE_URL']",
        "env(\"DATABASE_URL\")",
        "env('DATABASE_URL')",
        "env.db()",
        "env.db(\"DATABASE_URL\")",
        "ENV[\"DATABASE_URL\"]",
        "${DATABASE_URL}",
    ];
    let is_code = |path: &str| !path.ends_with(".md") && !path.contains("test");
    let reads =
        app.texts().filter(|(path, _)| is_code(path)).find(|(_, text)| READS.iter().any(|read| text.contains(read)));
    reads.map(|(path, _)| ("DATABASE_URL".to_owned(), path.to_owned())).into_iter().collect()
}
