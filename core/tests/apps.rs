//! Apps: a hundred shapes of repositories, and the Dockerfile of each framework.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amarre_core::apps::{self, Detection, Repository, Wish};

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
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
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
