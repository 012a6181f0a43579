//! Python: Django, Flask, FastAPI.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::framework::Framework;
use super::recipe::{self, AppFindings, End, Recipe};
use super::repository::RepositoryFolder;
use super::versions::{self, tool_version};
use super::{DetectedPart, Wish};
use crate::text;

/// Of which there are images, by the calendar of releases.
const KNOWN: [&str; 5] = ["3.10", "3.11", "3.12", "3.13", "3.14"];
/// For which nearly every package has been built.
pub(super) const USUAL: &str = "3.13";

/// What installs the dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Installer {
    Uv,
    Poetry,
    Pdm,
    Pipenv,
    Pip,
    /// `pyproject.toml` alone.
    UvPip,
}

impl Installer {
    const fn word(self) -> &'static str {
        match self {
            Self::Uv | Self::UvPip => "uv",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
            Self::Pipenv => "pipenv",
            Self::Pip => "pip",
        }
    }
}

#[derive(Template)]
#[template(path = "python.txt")]
struct PythonFile<'a> {
    end: &'a End,
    version: String,
    installer: &'static str,
    has_lock: bool,
    /// Files that the installer reads, copied first so that its step is kept where only code changes.
    lists: Vec<String>,
    /// `gunicorn==23.0.0`
    adds: Vec<String>,
    build_packages: Vec<&'static str>,
    run_packages: Vec<&'static str>,
    steps: Vec<String>,
    assets: Option<super::node::AssetStage>,
}

/// Names of packages that are asked for, each with the file that names it. `None`: no Python here.
pub(super) fn dependencies(app: &RepositoryFolder<'_>) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut is_here = false;
    for list in requirement_lists(app) {
        is_here = true;
        for name in app.text(&list).unwrap_or_default().lines().filter_map(requirement) {
            found.entry(name).or_insert_with(|| list.clone());
        }
    }
    if let Some(text) = app.text("pyproject.toml") {
        is_here = true;
        let document: toml::Table = text.parse().unwrap_or_default();
        let project = document.get("project").and_then(|project| project.get("dependencies"));
        let listed = project.and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
        let poetry =
            document.get("tool").and_then(|tool| tool.get("poetry")).and_then(|poetry| poetry.get("dependencies"));
        let tabled = poetry.and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name.as_str());
        for name in listed.chain(tabled).filter_map(requirement) {
            found.entry(name).or_insert_with(|| "pyproject.toml".to_owned());
        }
    }
    if let Some(text) = app.text("Pipfile") {
        is_here = true;
        let document: toml::Table = text.parse().unwrap_or_default();
        let packages = document.get("packages").and_then(toml::Value::as_table);
        for name in packages.into_iter().flatten().filter_map(|(name, _)| requirement(name)) {
            found.entry(name).or_insert_with(|| "Pipfile".to_owned());
        }
    }
    (is_here || app.has("manage.py")).then_some(found)
}

/// `requirements.txt` and the lists that it names, or what stands in its place.
fn requirement_lists(app: &RepositoryFolder<'_>) -> Vec<String> {
    const PLACES: [&str; 4] =
        ["requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt"];
    let mut lists: Vec<String> = app.first(&PLACES).map(str::to_owned).into_iter().collect();
    let mut at = 0;
    while let Some(list) = lists.get(at).cloned() {
        at += 1;
        let folder = list.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        for line in app.text(&list).unwrap_or_default().lines() {
            let Some(other) = line.trim().strip_prefix("-r").or_else(|| line.trim().strip_prefix("-c")) else {
                continue;
            };
            let path = format!("{folder}{}", other.trim().trim_start_matches("./"));
            if app.has(&path) && !lists.contains(&path) {
                lists.push(path);
            }
        }
    }
    lists
}

/// The name in a line such as `Django[argon2]>=5.1 ; python_version > "3.8"`, as PEP 503 compares it.
fn requirement(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    let name = &line[..line.find(|char| !is_part(char)).unwrap_or(line.len())];
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    (!name.is_empty() && !name.starts_with('-')).then_some(name)
}

/// What Python makes of an app.
pub(super) fn recipe<'a>(
    app: &RepositoryFolder<'a>,
    framework: &'a Framework,
    wish: &Wish<'_>,
    findings: &mut AppFindings,
) -> Recipe<'a> {
    let dependencies = dependencies(app).unwrap_or_default();
    let version = version(app, findings);
    let installer = installer(app, findings);
    let module = match framework.name.as_str() {
        "django" => django_module(app, findings, wish),
        "fastapi" => module(app, "FastAPI", findings, wish),
        _ => flask_module(app, findings, wish),
    };
    let missing = framework.adds.iter().filter(|(name, _)| !dependencies.contains_key(*name));
    let adds: Vec<String> = missing.map(|(name, version)| format!("{name}=={version}")).collect();
    for add in &adds {
        let name = add.split("==").next().unwrap_or_default();
        findings.notes.push(text!("{name} starts the app and is no dependency of it: the build adds it", name));
    }
    let has_text = |part: &str| app.texts().any(|(path, text)| path.ends_with(".py") && text.contains(part));
    let steps: Vec<String> = framework
        .build
        .iter()
        .filter(|step| step.only_with.as_deref().is_none_or(has_text))
        .map(|step| step.run.clone())
        .collect();
    if framework.name == "django" && steps.is_empty() {
        findings.notes.push(text!("no STATIC_ROOT in the settings: no static files are collected"));
    }
    let (build_packages, run_packages) = packages(&dependencies);
    let lists = lists(app, installer);
    let assets = super::node::assets(app, findings);
    let has_lock = installer != Installer::Poetry || app.has("poetry.lock");
    let installer = if installer == Installer::UvPip { "uv-pip" } else { installer.word() };
    let values = BTreeMap::from([("module", module.unwrap_or_default())]);
    let render = Box::new(move |end: &End| {
        let file =
            PythonFile { end, version, installer, has_lock, lists, adds, build_packages, run_packages, steps, assets };
        recipe::written(&file)
    });
    Recipe { context: app.path.to_owned(), values, start: None, port: None, environment: BTreeMap::new(), render }
}

fn version(app: &RepositoryFolder<'_>, findings: &mut AppFindings) -> String {
    let toml = |file: &str, keys: &[&str]| {
        let document: toml::Table = app.text(file)?.parse().ok()?;
        let first = document.get(*keys.first()?)?;
        keys.iter().skip(1).try_fold(first, |value, key| value.get(key))?.as_str().map(str::to_owned)
    };
    let line = |file: &str| versions::first_line(app, file);
    let said = [
        (".python-version", line(".python-version")),
        ("runtime.txt", line("runtime.txt").map(|text| text.trim_start_matches("python-").to_owned())),
        ("Pipfile", toml("Pipfile", &["requires", "python_version"])),
        (".tool-versions", tool_version(app, "python")),
        ("mise.toml", toml("mise.toml", &["tools", "python"])),
        ("pyproject.toml", toml("pyproject.toml", &["project", "requires-python"])),
        ("pyproject.toml", toml("pyproject.toml", &["tool", "poetry", "dependencies", "python"])),
    ];
    versions::settle("Python", said, &KNOWN, USUAL, findings)
}

fn installer(app: &RepositoryFolder<'_>, findings: &mut AppFindings) -> Installer {
    const LOCKS: [(&str, Installer); 4] = [
        ("uv.lock", Installer::Uv),
        ("poetry.lock", Installer::Poetry),
        ("pdm.lock", Installer::Pdm),
        ("Pipfile.lock", Installer::Pipenv),
    ];
    let locks: Vec<(&str, Installer)> = LOCKS.into_iter().filter(|(file, _)| app.has(file)).collect();
    if let Some((file, installer)) = locks.first() {
        let because = match locks.get(1) {
            Some((other, _)) => text!("{file}, which comes before {other}", file = *file, other = *other),
            None => text!("there is {file}", file = *file),
        };
        findings.found(DetectedPart::Manager, installer.word(), because);
        return *installer;
    }
    if let Some(list) = requirement_lists(app).first() {
        findings.found(DetectedPart::Manager, "pip", text!("there is {file}", file = list));
        return Installer::Pip;
    }
    let is_poetry = app.text("pyproject.toml").is_some_and(|text| text.contains("[tool.poetry.dependencies]"));
    let (file, installer) = match () {
        () if is_poetry => ("pyproject.toml", Installer::Poetry),
        () if app.has("Pipfile") => ("Pipfile", Installer::Pipenv),
        () => ("pyproject.toml", Installer::UvPip),
    };
    findings.found(DetectedPart::Manager, installer.word(), text!("{file}, and no lock file", file));
    installer
}

fn lists(app: &RepositoryFolder<'_>, installer: Installer) -> Vec<String> {
    let files: &[&str] = match installer {
        Installer::Uv => &["pyproject.toml", "uv.lock"],
        Installer::Poetry => &["pyproject.toml", "poetry.lock"],
        Installer::Pdm => &["pyproject.toml", "pdm.lock"],
        Installer::Pipenv => &["Pipfile", "Pipfile.lock"],
        Installer::UvPip => &["pyproject.toml"],
        Installer::Pip => return requirement_lists(app),
    };
    files.iter().filter(|file| app.has(file)).map(|file| (*file).to_owned()).collect()
}

/// Debian packages that are needed to build, and to run.
fn packages(dependencies: &BTreeMap<String, String>) -> (Vec<&'static str>, Vec<&'static str>) {
    const PACKAGES: [(&str, &[&str], &[&str]); 4] = [
        ("psycopg2", &["gcc", "libc6-dev", "libpq-dev"], &["libpq5"]),
        ("psycopg", &[], &["libpq5"]),
        ("mysqlclient", &["gcc", "libc6-dev", "libmariadb-dev", "pkg-config"], &["libmariadb3"]),
        ("uwsgi", &["gcc", "libc6-dev"], &[]),
    ];
    let asked = PACKAGES.iter().filter(|(name, ..)| dependencies.contains_key(*name));
    let (mut build, mut run) = (BTreeSet::new(), BTreeSet::new());
    for (_, to_build, to_run) in asked {
        build.extend(*to_build);
        run.extend(*to_run);
    }
    (build.into_iter().collect(), run.into_iter().collect())
}

/// `WSGI_APPLICATION = "shop.wsgi.application"` in settings, else the one folder with `wsgi.py`.
fn django_module(app: &RepositoryFolder<'_>, findings: &mut AppFindings, wish: &Wish<'_>) -> Option<String> {
    let said = |(_, text): (&str, &str)| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix("WSGI_APPLICATION")?.split_once('='));
        let value = value?.1.trim().trim_matches(['"', '\'']);
        value.rsplit_once('.').map(|(module, object)| format!("{module}:{object}"))
    };
    let mut modules: BTreeSet<String> =
        app.texts().filter(|(path, _)| path.ends_with(".py")).filter_map(said).collect();
    if modules.is_empty() {
        let folders = app.paths().filter_map(|path| path.strip_suffix("/wsgi.py"));
        modules = folders.map(|folder| format!("{}.wsgi:application", folder.replace('/', "."))).collect();
    }
    one(modules, "WSGI application", findings, wish)
}

/// `FLASK_APP`, or the module with the object or its factory.
fn flask_module(app: &RepositoryFolder<'_>, findings: &mut AppFindings, wish: &Wish<'_>) -> Option<String> {
    let set =
        app.text(".flaskenv").and_then(|text| text.lines().find_map(|line| line.trim().strip_prefix("FLASK_APP=")));
    if let Some(set) = set.map(|set| set.trim().trim_matches(['"', '\''])).filter(|set| !set.is_empty()) {
        let module = set.trim_end_matches(".py").replace('/', ".");
        return Some(if module.contains(':') { module } else { format!("{module}:app") });
    }
    module(app, "Flask", findings, wish)
}

/// Files in which the object is looked for, the likeliest first; then packages.
const MODULES: [&str; 9] =
    ["wsgi.py", "asgi.py", "app.py", "main.py", "application.py", "server.py", "run.py", "api.py", "src/main.py"];

/// The module whose object is made by `class(…)`, or by a factory.
fn module(app: &RepositoryFolder<'_>, class: &str, findings: &mut AppFindings, wish: &Wish<'_>) -> Option<String> {
    let top = MODULES.iter().copied().filter(|path| app.has(path));
    let inner = app.paths().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        path.contains('/') && path.matches('/').count() <= 2 && (MODULES.contains(&name) || name == "__init__.py")
    });
    let mut found: Vec<(String, bool)> = Vec::new();
    for path in top.chain(inner.filter(|path| !MODULES.contains(path))) {
        let Some(object) = app.text(path).and_then(|text| object(text, class)) else { continue };
        let name =
            path.trim_end_matches(".py").trim_end_matches("/__init__").trim_start_matches("src/").replace('/', ".");
        // What is called so is there to be served.
        let is_meant = matches!(path, "wsgi.py" | "asgi.py");
        if is_meant {
            return Some(format!("{name}:{object}"));
        }
        found.push((format!("{name}:{object}"), object.ends_with("()")));
    }
    // One that is made already comes before its factory.
    let made: BTreeSet<String> =
        found.iter().filter(|(_, is_factory)| !is_factory).map(|(module, _)| module.clone()).collect();
    let all = if made.is_empty() { found.into_iter().map(|(module, _)| module).collect() } else { made };
    one(all, class, findings, wish)
}

/// `app` of `app = Flask(__name__)`, or `create_app()`.
fn object(text: &str, class: &str) -> Option<String> {
    let is_made = |right: &str| {
        let call = right.split('(').next().unwrap_or_default().trim();
        right.contains('(') && (call == class || call.ends_with(&format!(".{class}")) || call.ends_with("create_app"))
    };
    let made = text.lines().find_map(|line| {
        let (left, right) = line.split_once('=')?;
        let name = left.split(':').next()?.trim_end();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name && !line.starts_with([' ', '\t']) && is_made(right.trim())).then(|| name.to_owned())
    });
    let is_factory = || text.lines().any(|line| line.starts_with("def create_app(")) && text.contains(class);
    made.or_else(|| is_factory().then(|| "create_app()".to_owned()))
}

/// The only one of several; otherwise a question, unless a command is said anyway.
fn one(found: BTreeSet<String>, what: &str, findings: &mut AppFindings, wish: &Wish<'_>) -> Option<String> {
    if found.len() == 1 || wish.has_command {
        return found.into_iter().next();
    }
    let choices = vec!["command: [NAME, ARGUMENT]".to_owned()];
    if found.is_empty() {
        findings.ask(text!("no file has an object of {what} that could be served", what), choices);
    } else {
        let modules: Vec<String> = found.into_iter().collect();
        findings.ask(text!("several could be served: {modules}", modules = modules.join(", ")), choices);
    }
    None
}
