//! Apps: a hundred shapes of repositories, and the Dockerfile of each framework.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amarre_core::apps::{self, Checkout, Detection, Repository, Wish};
use amarre_core::manifest::{Loaded, SourceFile, load};
use amarre_core::model::service::EnvValue;
use amarre_core::model::{Asset, Assets, Commit, Service, Timestamp};
use amarre_testkit::sites::permissive;

/// One shape, as its file has it.
#[derive(Default)]
struct Shape {
    name: String,
    /// A framework, or the code of a question.
    expected: String,
    wish: BTreeMap<String, String>,
    /// Parts of what is said.
    has: Vec<String>,
    choices: Vec<String>,
    files: BTreeMap<String, Option<String>>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/apps").join(name)
}

fn read(path: &Path) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    let mut file: Option<String> = None;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(head) = line.strip_prefix("== ") {
            let (name, expected) = head.split_once(" => ").unwrap();
            shapes.push(Shape { name: name.to_owned(), expected: expected.to_owned(), ..Shape::default() });
            file = None;
            continue;
        }
        let Some(shape) = shapes.last_mut() else { continue };
        if let Some(path) = line.strip_prefix("-- ") {
            shape.files.insert(path.to_owned(), apps::is_read(path).then(String::new));
            file = Some(path.to_owned());
        } else if let Some(path) = &file {
            if let Some(Some(text)) = shape.files.get_mut(path) {
                writeln!(text, "{line}").unwrap();
            }
        } else if let Some((word, rest)) = line.split_once(' ') {
            match word {
                "has" => shape.has.push(rest.to_owned()),
                "choice" => shape.choices.push(rest.to_owned()),
                word => drop(shape.wish.insert(word.to_owned(), rest.to_owned())),
            }
        }
    }
    shapes
}

fn detect(shape: &Shape) -> Detection {
    let of = |word: &str| shape.wish.get(word).map(String::as_str);
    let args: BTreeMap<String, String> = of("args")
        .and_then(|text| text.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("\\n", "\n")))
        .into_iter()
        .collect();
    let wish = Wish {
        path: of("path").unwrap_or_default(),
        framework: of("framework"),
        dockerfile: of("dockerfile"),
        port: of("port").map(|port| port.parse().unwrap()),
        args: Some(&args),
        ..Wish::default()
    };
    apps::detect(&Repository::new(shape.files.clone()), &wish)
}

/// What differs from what a shape expects.
fn wrong(shape: &Shape) -> Vec<String> {
    let mut wrong = Vec::new();
    let (outcome, said) = match detect(shape) {
        Detection::Found(app) => {
            let reasons =
                app.reasons.iter().map(|one| format!("{}: {} ({})\n", one.part.word(), one.value, one.because));
            if let Some(context) = shape.wish.get("context")
                && *context != app.context
            {
                wrong.push(format!("context `{}`", app.context));
            }
            let database = app.database.keys().cloned().collect::<Vec<_>>().join(",");
            if database != shape.wish.get("database").cloned().unwrap_or_default() {
                wrong.push(format!("database `{database}`"));
            }
            if app.dockerfile.text().trim().is_empty() {
                wrong.push("no Dockerfile".to_owned());
            }
            (app.framework.clone(), reasons.collect::<String>())
        }
        Detection::Asked(questions) => {
            let code = questions.first().map(|question| question.code.to_string()).unwrap_or_default();
            let choices: Vec<&String> = questions.iter().flat_map(|question| &question.choices).collect();
            if let Some(missing) = shape.choices.iter().find(|choice| !choices.contains(choice)) {
                wrong.push(format!("no choice `{missing}`"));
            }
            (code, questions.iter().map(|question| format!("{}: {:?}\n", question.text, question.choices)).collect())
        }
    };
    if outcome != shape.expected {
        wrong.push(format!("{outcome}, not {}", shape.expected));
    }
    wrong.extend(shape.has.iter().filter(|part| !said.contains(part.as_str())).map(|part| format!("no `{part}`")));
    if !wrong.is_empty() {
        wrong.push(said);
    }
    wrong
}

#[test]
fn a_hundred_shapes_of_repositories_are_right_or_asked() {
    let (mut failed, mut found, mut asked) = (String::new(), 0, 0);
    for file in ["node", "others", "pages", "python"] {
        for shape in read(&folder("shapes").join(format!("{file}.txt"))) {
            let wrong = wrong(&shape);
            if !wrong.is_empty() {
                writeln!(failed, "{file}: {}: {}", shape.name, wrong.join("; ")).unwrap();
            }
            let is_asked = shape.expected.starts_with("A0");
            (found, asked) = (found + usize::from(!is_asked), asked + usize::from(is_asked));
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(found + asked >= 100, "{found} right, {asked} asked");
}

/// What a repository or a manifest says fills in a part of a line: it adds no instruction and no flag.
#[test]
fn no_value_begins_a_line_of_a_dockerfile() {
    let shapes = read(&folder("shapes").join("lines.txt"));
    let wrong: Vec<String> = shapes
        .iter()
        .map(|shape| (&shape.name, wrong(shape)))
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(name, wrong)| format!("{name}: {}", wrong.join("; ")))
        .collect();
    assert!(wrong.is_empty() && shapes.len() >= 10, "{wrong:#?}");
}

#[test]
fn every_framework_has_the_dockerfile_that_was_looked_at() {
    let mut first: BTreeMap<String, Shape> = BTreeMap::new();
    for file in ["python", "node", "others", "pages"] {
        for shape in read(&folder("shapes").join(format!("{file}.txt"))) {
            first.entry(shape.expected.clone()).or_insert(shape);
        }
    }
    for name in apps::framework_names().into_iter().filter(|name| *name != "dockerfile") {
        let Detection::Found(app) = detect(&first[name]) else { panic!("{name}") };
        let path = folder("dockerfiles").join(format!("{name}.Dockerfile"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, app.dockerfile.text()).unwrap();
        }
        assert_eq!(
            app.dockerfile.text(),
            std::fs::read_to_string(&path).unwrap_or_default(),
            "{name}: UPDATE=1 writes it anew"
        );
    }
}

/// A commit with these files, and with what a build cannot have.
fn checkout(files: &[(&str, &str)], left_out: &[&str]) -> Checkout {
    let file = |(path, text): &(&str, &str)| ((*path).to_owned(), apps::is_read(path).then(|| (*text).to_owned()));
    let commit = Commit {
        id: "5e1c0aa45e1c0aa45e1c0aa45e1c0aa45e1c0aa4".to_owned(),
        subject: "begin".to_owned(),
        author: "Alice".to_owned(),
        at: Timestamp(0),
    };
    let tree = format!("{:x}", files.iter().map(|(path, text)| path.len() * 31 + text.len()).sum::<usize>());
    Checkout {
        commit,
        trees: BTreeMap::from([(String::new(), tree)]),
        files: files.iter().map(file).collect(),
        left_out: left_out.iter().map(|path| (*path).to_owned()).collect(),
    }
}

const URL: &str = "https://git.example.org/shop";

/// A manifest beside what was fetched of its repository.
fn loaded(more: &str, checkout: Option<&Checkout>) -> Loaded {
    let text = format!("kind: App\nname: shop\ngit: {{url: {URL}}}\n{more}");
    let asset = |checkout: &Checkout| Asset::of(checkout.to_bytes(), false);
    let assets: Assets = checkout.iter().map(|checkout| (format!("app://{URL}#main:"), asset(checkout))).collect();
    load(&[SourceFile { path: "services/shop.yaml".to_owned(), text }], &assets, &permissive())
}

fn service(more: &str, checkout: &Checkout) -> Service {
    let mut loaded = loaded(more, Some(checkout));
    assert!(loaded.services.len() == 1, "{:#?}", loaded.diagnostics);
    loaded.services.remove(0)
}

fn codes(more: &str, checkout: &Checkout) -> Vec<String> {
    loaded(more, Some(checkout)).diagnostics.iter().map(|one| one.code.to_string()).collect()
}

const FLASK: [(&str, &str); 2] = [("app.py", "app = Flask(__name__)\n"), ("requirements.txt", "flask\n")];

#[test]
fn an_app_is_a_service_of_the_image_that_is_built() {
    let checkout = checkout(&FLASK, &[]);
    let app = service("", &checkout);
    let container = &app.containers["shop"];
    let build = app.build().unwrap();
    assert_eq!(
        (container.image.as_str(), build.bases.as_slice()),
        (build.image.as_str(), &["python:3.13-slim".to_owned()][..])
    );
    assert_eq!(container.environment["PORT"], EnvValue::Plain("8000".to_owned()));
    assert!(matches!(&container.environment["SECRET_KEY"], EnvValue::Secret(name) if name.is_own()));
    assert_eq!(app.routes.len(), 1, "its own name leads to the port");
    // What a manifest says comes before what a framework has.
    let said =
        service("port: 9000\nenvironment: {SECRET_KEY: mine, DEBUG: '1'}\ncommand: [python, app.py]\n", &checkout);
    let container = &said.containers["shop"];
    assert_eq!(container.environment["SECRET_KEY"], EnvValue::Plain("mine".to_owned()));
    assert_eq!(container.environment["PORT"], EnvValue::Plain("9000".to_owned()));
    assert_eq!(container.command, Some(vec!["python".to_owned(), "app.py".to_owned()]));
    // Nothing is known yet: it is read as far as it says something, and has no image.
    let waiting = loaded("", None);
    assert!(waiting.services[0].build().is_none() && waiting.apps.contains_key("shop"), "{:#?}", waiting.diagnostics);
}

#[test]
fn an_image_is_called_after_what_goes_in_and_nothing_else() {
    let name = |more: &str, checkout: &Checkout| service(more, checkout).build().unwrap().image.clone();
    let one = checkout(&FLASK, &[]);
    let first = name("", &one);
    let other = Checkout { commit: Commit { id: "0".repeat(40), ..one.commit.clone() }, ..one.clone() };
    assert_eq!(name("", &other), first, "another commit with the same files");
    assert_eq!(name("environment: {A: b}\n", &one), first);
    let names = [
        name("build: {args: {A: b}}\n", &one),
        name("build: {target: build}\n", &one),
        name("port: 9000\n", &one),
        name("", &checkout(&[("app.py", "app = Flask(__name__)\n# more\n"), ("requirements.txt", "flask\n")], &[])),
    ];
    let different: std::collections::BTreeSet<&String> = names.iter().chain([&first]).collect();
    assert_eq!(different.len(), 5);
}

#[test]
fn what_runs_before_an_update_has_what_the_app_has() {
    let django = [
        ("manage.py", ""),
        ("requirements.txt", "django\n"),
        ("shop/settings.py", "x = os.environ[\"DATABASE_URL\"]\n"),
        ("shop/wsgi.py", ""),
    ];
    let checkout = checkout(&django, &[]);
    assert_eq!(codes("", &checkout), ["A0777"]);
    let set = "environment: {DATABASE_URL: 'sqlite:////data/app.db'}\nvolumes: ['data:/data']\n";
    let app = service(set, &checkout);
    let job = &app.jobs["release"].container;
    assert_eq!(job.command.as_ref().unwrap().join(" "), "python manage.py migrate --noinput");
    assert_eq!(
        (&job.image, job.environment.contains_key("DATABASE_URL"), job.mounts.len()),
        (&app.containers["shop"].image, true, 1)
    );
    assert!(service(&format!("{set}release: none\n"), &checkout).jobs.is_empty());
    let own = service(&format!("{set}release: 'echo $HOME'\n").replace("$HOME", "$$HOME"), &checkout);
    assert_eq!(own.jobs["release"].container.command.as_ref().unwrap()[2], "echo $HOME");
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    assert_eq!(codes("", &checkout(&FLASK, &["themes/one"])), ["A0775"]);
    assert_eq!(
        codes("", &checkout(&[("main.py", "app = FastAPI()\n"), ("requirements.txt", "flask\nfastapi\n")], &[])),
        ["A0770"]
    );
    // What a Dockerfile of its own names is its author's. Amarre pulls what policy allows, with its accounts; the engine fetches the
    // rest as anybody could.
    let own = |from: &str| checkout(&[("Dockerfile", &format!("FROM {from}\nEXPOSE 80\n"))], &[]);
    let bases = |from: &str| service("", &own(from)).build().unwrap().bases.join(" ");
    assert_eq!(bases("nginx:1.30"), "nginx:1.30");
    assert_eq!(bases("nginx:1\nCOPY --from=evil.example.org/x:1 / /"), "nginx:1");
    assert_eq!(bases("nginx:1\nCOPY --from=amarre/shop:9fb65dc1a78f / /\nCOPY --from=cafe / /"), "nginx:1");
}

#[test]
fn a_build_of_nodejs_reads_the_arguments_of_its_manifest() {
    let package = r#"{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "7"}}"#;
    let files = [("package.json", package), ("index.html", "")];
    let files = files.map(|(path, text)| (path.to_owned(), Some(text.to_owned())));
    let args = ["VITE_API", "a\nRUN evil", "1X"].map(|name| (name.to_owned(), "x".to_owned()));
    let args = BTreeMap::from(args);
    let wish = Wish { args: Some(&args), ..Wish::default() };
    let Detection::Found(app) = apps::detect(&Repository::new(BTreeMap::from(files)), &wish) else {
        panic!("it is one of Vite")
    };
    let dockerfile = app.dockerfile.text();
    assert!(dockerfile.contains("\nARG VITE_API\nRUN npm run build\n"), "{dockerfile}");
    assert!(!dockerfile.contains("evil") && !dockerfile.contains("1X"), "{dockerfile}");
}
