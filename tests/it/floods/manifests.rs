//! Small manifests that ask for an endless amount of work end with a code and a place, and harm no other.

use amarre_core::manifest::{Loaded, SourceFile, load};
use amarre_core::model::{Asset, Assets};

use amarre_testkit::sites::permissive;

fn asset(text: &str) -> Asset {
    Asset::of(text.as_bytes(), false)
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

/// A bomb beside a manifest that is well: the code that ends it, and that the other one is unharmed.
#[track_caller]
fn ends(name: &str, manifest: &str, others: &[(String, String)], code: &str) -> Loaded {
    let files = [file("services/a.yaml", manifest), file("services/z.yaml", "name: calm\nimage: nginx:1\n")];
    let assets: Assets = others.iter().map(|(path, text)| (format!("services/{path}"), asset(text))).collect();
    let loaded = load(&files, &assets, &permissive());
    let names: Vec<&str> = loaded.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["calm"], "{name}: {:?}", loaded.diagnostics.first());
    let found = loaded.diagnostics.iter().find(|found| found.code.as_str() == code);
    let found = found.unwrap_or_else(|| panic!("{name}: no {code} in {:?}", loaded.diagnostics.first()));
    assert!(found.line > 0 && found.hint.is_some(), "{name}: {found:?}");
    loaded
}

fn stack(manifest: &str) -> String {
    format!("name: bomb\n{manifest}")
}

#[test]
fn files_that_include_one_another_are_opened_a_limited_number_of_times() {
    for (breadth, depth) in [(14, 7), (8, 6), (14, 10), (2, 10), (500, 2)] {
        let chain = (0..depth).map(|step| {
            let next = vec![format!("./i{}.yaml", step + 1); breadth].join(", ");
            let body = if step + 1 < depth { format!("include: [{next}]\n") } else { "services: {}\n".to_owned() };
            (format!("i{step}.yaml"), body)
        });
        let chain: Vec<(String, String)> = chain.collect();
        ends(&format!("{breadth} wide, {depth} deep"), &stack("compose: i0.yaml\n"), &chain, "A0180");
    }
}

#[test]
fn a_long_file_of_variables_is_not_read_for_each_mention() {
    let line = |number: usize| format!("NAME_{number}={}\n", "x".repeat(500));
    let long: String = (0..1_900).map(line).collect();
    for count in [100, 500] {
        let list = vec!["./long.env"; count].join(", ");
        let compose = format!("services:\n  web:\n    image: web:1\n    env_file: [{list}]\n");
        let others = [("compose.yaml".to_owned(), compose), ("long.env".to_owned(), long.clone())];
        ends(&format!("{count} times"), &stack("compose: compose.yaml\n"), &others, "A0182");
    }
    // Short ones are counted too.
    let list = vec!["./short.env"; 500].join(", ");
    let compose = format!("services:\n  web:\n    image: web:1\n    label_file: [{list}]\n");
    let others = [("compose.yaml".to_owned(), compose), ("short.env".to_owned(), "A=1\n".to_owned())];
    ends("500 short ones", &stack("compose: compose.yaml\n"), &others, "A0180");
}

#[test]
fn variables_of_variables_end() {
    let mut text = format!("V0={}\n", "x".repeat(200_000));
    text.extend((1..1_500).map(|number| format!("V{number}=$V0\n")));
    let compose = "services:\n  web:\n    image: web:1\n    env_file: ./all.env\n".to_owned();
    let others = [("compose.yaml".to_owned(), compose), ("all.env".to_owned(), text.clone())];
    ends("one file", &stack("compose: compose.yaml\n"), &others, "A0108");
    let labels: String = (0..20_000).map(|number| format!("      l{number}: $V0\n")).collect();
    let compose = format!("services:\n  web:\n    image: web:1\n    labels:\n{labels}");
    let others = [("compose.yaml".to_owned(), compose), (".env".to_owned(), format!("V0={}\n", "x".repeat(200_000)))];
    ends("in a Compose file", &stack("compose: compose.yaml\n"), &others, "A0182");
}

#[test]
fn services_that_extend_a_large_one_end() {
    let labels: String = (0..2_000).map(|number| format!("      l{number}: x\n")).collect();
    let fan: String = (0..2_000).map(|number| format!("  s{number}: {{extends: base}}\n")).collect();
    let compose = format!("services:\n  base:\n    image: web:1\n    labels:\n{labels}{fan}");
    ends("a fan", &stack("compose: compose.yaml\n"), &[("compose.yaml".to_owned(), compose)], "A0181");
    let chain: String = (1..9).map(|step| format!("  c{step}: {{extends: c{}}}\n", step - 1)).collect();
    let fan: String = (0..3_000).map(|number| format!("  s{number}: {{extends: c8}}\n")).collect();
    let compose = format!("services:\n  c0:\n    image: web:1\n    labels: [{}]\n{chain}{fan}", "x, ".repeat(300));
    ends("a fan of chains", &stack("compose: compose.yaml\n"), &[("compose.yaml".to_owned(), compose)], "A0181");
}

#[test]
fn merge_keys_in_files_that_are_included_again_end() {
    let wide: String = (0..100).map(|number| format!("k{number}: v, ")).collect();
    let merged: String = (0..40).map(|number| format!("  x-m{number}: {{<<: *wide}}\n")).collect();
    let leaf = format!("services:\n  x-wide: &wide {{{wide}}}\n{merged}");
    let compose = format!("include: [{}]\n", vec!["./leaf.yaml"; 150].join(", "));
    let others = [("compose.yaml".to_owned(), compose), ("leaf.yaml".to_owned(), leaf)];
    ends("merged", &stack("compose: compose.yaml\n"), &others, "A0181");
}

#[test]
fn repeated_deliveries_are_limited() {
    let folder = (0..900).map(|number| (format!("web/f{number}"), "x".repeat(20_000)));
    let mounts: String = (0..900).map(|number| format!("- ./web:/srv/{number}\n")).collect();
    let others: Vec<(String, String)> = folder.collect();
    ends("a folder", &format!("name: bomb\nimage: web:1\nvolumes:\n{mounts}"), &others, "A0181");
}

/// Many costly manifests end as one does, and those that cost little are read beside them.
#[test]
fn a_costly_manifest_takes_no_time_from_a_cheap_one() {
    let leaf = format!("services:\n  x-a: &a [{}]\n  x-b: [{}]\n", "1, ".repeat(100), "*a, ".repeat(20));
    let bomb = format!("include: [{}]\n", vec!["./leaf.yaml"; 150].join(", "));
    let small = "services: {web: {image: \"web:1\", env_file: ./app.env}}\n";
    let others = [("bomb/compose.yaml", bomb.as_str()), ("bomb/leaf.yaml", &leaf), ("small/compose.yaml", small)];
    let mut assets: Assets = others.iter().map(|(path, text)| ((*path).to_owned(), asset(text))).collect();
    assets.insert("small/app.env".to_owned(), asset("A=1\n"));
    let mut files: Vec<SourceFile> = (0..60)
        .map(|number| file(&format!("bomb/{number}.yaml"), &format!("name: bomb{number}\ncompose: compose.yaml\n")))
        .collect();
    files.extend(
        (0..60).map(|number| {
            file(&format!("small/{number}.yaml"), &format!("name: small{number}\ncompose: compose.yaml\n"))
        }),
    );
    let loaded = load(&files, &assets, &permissive());
    assert_eq!(loaded.services.len(), 60);
    assert!(loaded.services.iter().all(|service| service.name.starts_with("small")));
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, vec!["A0181"; 60]);
}

/// Fifty containers that all read the same few files are a stack as people have it.
#[test]
fn a_large_realistic_stack_is_read() {
    let services: String = (1..50)
        .map(|number| {
            let files = "[./.env, ./common.env, ./site.env]";
            format!("  s{number}:\n    extends: base\n    image: web:{number}\n    env_file: {files}\n")
        })
        .collect();
    let compose = format!("services:\n  base: {{image: \"web:0\", restart: always}}\n{services}");
    let variables: String = (0..100).map(|number| format!("N{number}=value $N0\n")).collect();
    let others =
        [("compose.yaml", compose.as_str()), (".env", "N0=1\n"), ("common.env", &variables), ("site.env", "B=2\n")];
    let assets: Assets = others.iter().map(|(path, text)| (format!("services/{path}"), asset(text))).collect();
    let loaded = load(&[file("services/a.yaml", "name: all\ncompose: compose.yaml\n")], &assets, &permissive());
    let errors: Vec<_> = loaded.broken.iter().zip(&loaded.diagnostics).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(loaded.services[0].containers.len(), 50);
}
