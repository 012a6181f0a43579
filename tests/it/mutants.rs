//! The mutants of `scripts/mutants` fit the tree as it is: each breaks a rule by lines that are there, once, and names a
//! test that exists. Whether the test catches it, the script finds out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use amarre_tidy::mutants::{Mutant, Product};

/// The rules that always hold: each has at least one mutant.
const RULES: std::ops::RangeInclusive<u32> = 1..=12;
/// All cases of plans, of which a mutant names one.
const PLAN_CASES: &str = "test(/plan_cases_/)";

#[test]
fn every_mutant_fits_the_tree_names_a_test_and_has_no_twin() {
    let product = Product::read(&root()).unwrap();
    let (mut wrong, mut known) = (Vec::new(), BTreeMap::new());
    for (name, mutant) in mutants() {
        wrong.extend(objections(&name, &mutant).into_iter().map(|what| format!("{name}: {what}")));
        let changed = mutant.applied(&product);
        if let Some(twin) = changed.as_ref().ok().and_then(|changed| known.insert(changed.clone(), name.clone())) {
            wrong.push(format!("{name}: changes what {twin} changes"));
        }
        wrong.extend(changed.err().map(|why| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_mutant() {
    let covered: BTreeSet<u32> = mutants().keys().filter_map(|name| rule_of(name)).collect();
    let missing: Vec<u32> = RULES.filter(|rule| !covered.contains(rule)).collect();
    assert!(missing.is_empty(), "no mutant in tests/mutants breaks {missing:?}");
}

/// By name, without the ending.
fn mutants() -> BTreeMap<String, Mutant> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".mutant").unwrap_or_else(|| panic!("{name} is no mutant"));
        let mutant = Mutant::parse(&std::fs::read_to_string(&path).unwrap());
        found.insert(stem.to_owned(), mutant.unwrap_or_else(|why| panic!("{name}: {why}")));
    }
    found
}

fn rule_of(name: &str) -> Option<u32> {
    name.split_once('-')?.0.parse().ok()
}

fn objections(name: &str, mutant: &Mutant) -> Vec<String> {
    let entries: BTreeMap<&str, &str> =
        mutant.header.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut wrong = Vec::new();
    if entries.get("rule").and_then(|rule| rule.parse().ok()) != rule_of(name) {
        wrong.push("`rule:` is not what its name begins with".to_owned());
    }
    if !entries.contains_key("breaks") {
        wrong.push("`breaks:` does not say what it does".to_owned());
    }
    let tests = entries.get("test").copied().unwrap_or_default();
    let folder = match entries.get("package").copied() {
        None => "tests/it",
        Some("amarre-core") => "core/tests",
        Some("amarre-tidy") => "tests/tidy",
        Some(other) => return vec![format!("`package: {other}` has no tests that mutants name")],
    };
    wrong.extend(tests.split(" | ").filter_map(|filter| unknown_test(filter, folder)));
    match entries.get("case") {
        Some(case) if !root().join(format!("tests/cases/plan/{case}.yaml")).exists() => {
            wrong.push(format!("there is no case {case}"));
        }
        None if tests.contains(PLAN_CASES) => wrong.push("`case:` does not say which".to_owned()),
        Some(_) | None => (),
    }
    wrong
}

/// What is wrong with one part of a filter: `test(=looks::promises::one_delete_needs_no_confirmation)`, or `test(=files_stay_short)`
/// for a test that no module is around.
fn unknown_test(filter: &str, folder: &str) -> Option<String> {
    if filter == PLAN_CASES {
        return None;
    }
    let path = filter.strip_prefix("test(=").and_then(|rest| rest.strip_suffix(')'));
    let Some(path) = path else {
        return Some(format!("`{filter}` is not of the form test(=module::test)"));
    };
    let (module, test) = path.rsplit_once("::").unwrap_or(("main", path));
    let file = root().join(folder).join(module.replace("::", "/"));
    let text =
        [file.with_extension("rs"), file.join("mod.rs")].iter().find_map(|path| std::fs::read_to_string(path).ok());
    let is_there = text.is_some_and(|text| text.contains(&format!("fn {test}(")));
    (!is_there).then(|| format!("there is no test {module}::{test}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A file of the product with one function twice: of a type, and of a trait for it.
const CODE: &str = r#"
/// fn near() { not this }
impl<T: Into<u8>> Near for Place<'_, T> {
    fn near(&self) -> bool {
        self.is_here(
            "fn far() {",
            '}',
        )
    }
}

impl Place {
    pub const fn near(&self) -> bool { self.is_here("", '"') }
}

fn near() {}
const FAR: usize = 3;
"#;

/// What becomes of that file, or why nothing does.
fn applied_to_code(edit: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/a.rs"), CODE).unwrap();
    let changed = Mutant::parse(&format!("rule: 1\n\n{edit}"))?.applied(&Product::read(folder.path())?)?;
    Ok(changed.into_values().collect())
}

#[test]
fn an_edit_is_found_by_its_function_wherever_and_however_that_is_written() {
    let wrapped = applied_to_code("in: fn Place::near\n- self.is_here(\"fn far() {\", '}')\n+ true\n").unwrap();
    assert_eq!(
        wrapped,
        CODE.replace("self.is_here(\n            \"fn far() {\",\n            '}',\n        )", "true\n")
    );
    let constant = applied_to_code("in: const FAR\n  const FAR: usize =\n- 3;\n+ 300;\n").unwrap();
    assert!(constant.contains("const FAR: usize =\n300;\n"), "{constant}");
    for (edit, why) in [
        ("in: fn Place::near\n- self.is_here(\n+ true(\n", "there 2 times"),
        ("in: fn Place::near\n- is_her\n+ x\n", "there 0 times"),
        ("in: fn near\n- self\n+ x\n", "there 0 times"),
        ("in: fn far\n- self\n+ x\n", "`fn far` is in no file"),
        ("in: const FAR\n+ x\n", "no line that is there"),
        ("in: const FAR\n3;\n", "begins with neither"),
    ] {
        let said = applied_to_code(edit).unwrap_err();
        assert!(said.contains(why), "{edit}: {said}");
    }
}
