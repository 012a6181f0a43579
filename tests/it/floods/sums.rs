//! Manifests that are each within their own limits, and together would fill what a vendor lists back or what a plan holds:
//! those that come last are refused, and what was there before is not.

use std::collections::BTreeMap;

use amarre_core::manifest::{Loaded, SourceFile, load, share};
use amarre_core::model::{Assets, Code, Site};

use amarre_testkit::sites::permissive;

/// The manifests of another team, which come after the others by their path.
fn calm(site: &mut Site) -> Vec<SourceFile> {
    let labels: String =
        (0..20).map(|number| format!("  com.example.label-{number}: \"{}\"\n", "x".repeat(100))).collect();
    let advanced = "advanced: \"client_max_body_size 10G; proxy_read_timeout 600s;\"";
    let text = format!(
        "name: calm\nimage: nginx:1\nlabels:\n{labels}routes: [{{domain: calm, aliases: [www.calm], to: \"calm:80\", {advanced}}}]\n"
    );
    let files = vec![SourceFile { path: "services/z.yaml".to_owned(), text }];
    let loaded = load(&files, &Assets::new(), site);
    assert_eq!(loaded.services.len(), 1, "{:?}", loaded.diagnostics);
    site.shares = loaded.services.iter().map(|service| (service.name.clone(), share(service, site))).collect();
    files
}

fn read(site: &Site, files: &[SourceFile]) -> Loaded {
    load(files, &Assets::new(), site)
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.services.iter().map(|service| service.name.as_str()).collect()
}

#[track_caller]
fn refused(loaded: &Loaded, code: &str, word: &str) -> usize {
    let found: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity.word() == "error").collect();
    for found in &found {
        assert_eq!(found.code.as_str(), code, "{found:?}");
        let hint = found.hint.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(hint.contains(word) && found.line > 0, "{found:?}");
    }
    assert_eq!(found.len(), loaded.broken.len());
    found.len()
}

fn many(count: usize, text: impl Fn(usize) -> String) -> Vec<SourceFile> {
    (0..count).map(|number| SourceFile { path: format!("services/a{number}.yaml"), text: text(number) }).collect()
}

#[test]
fn labels_of_all_containers_have_a_limit_and_what_was_there_keeps_its_room() {
    let mut site = permissive();
    let calm = calm(&mut site);
    // 3.8 MB of labels in 100 KB.
    let labels: String = (0..38).map(|number| format!("l{number}: *a, ")).collect();
    let long = |number: usize| {
        format!("name: evil{number}\nimage: nginx:1\nx-a: &a \"{}\"\nlabels: {{{labels}}}\n", "L".repeat(100_000))
    };
    let files = [many(20, long), calm.clone()].concat();
    let loaded = read(&site, &files);
    assert_eq!((names(&loaded), refused(&loaded, "A0162", "limits.labels")), (vec!["calm"], 20));
    // As much as one container may have, in environment and command as well, and two hundred of them.
    let most = |number: usize| {
        format!(
            "name: evil{number}\nimage: nginx:1\nlabels: {{l: \"{0}\"}}\nenvironment: {{E: \"{0}\"}}\ncommand: [\"{0}\"]\n",
            "L".repeat(21_000)
        )
    };
    let files = [many(200, most), calm.clone()].concat();
    let loaded = read(&site, &files);
    assert!(names(&loaded).contains(&"calm"));
    let sum: usize = loaded.services.iter().map(|service| share(service, &site).labels).sum();
    assert!(sum <= site.limits.labels && sum > site.limits.labels / 2, "{sum}");
    assert_eq!(refused(&loaded, "A0162", "limits.labels"), 201 - loaded.services.len());
    // Those that found room have it from then on: others take nothing of it, whether they come first or are smaller,
    // and whether the good ones are broken meanwhile or gone from the source.
    let shares = loaded.services.iter().map(|service| (service.name.clone(), share(service, &site)));
    site.shares = shares.collect();
    let smaller =
        |number: usize| format!("name: b-evil{number}\nimage: nginx:1\nlabels: {{l: \"{}\"}}\n", "L".repeat(60_000));
    let broken = |number: usize| format!("name: evil{number}\nimage: nginx:1\nlabels: 1\n");
    for before in [many(200, most), many(200, broken), Vec::new()] {
        let newcomers =
            many(50, smaller).into_iter().map(|file| SourceFile { path: format!("{}b", file.path), ..file });
        let files = [newcomers.collect::<Vec<_>>(), before, calm.clone()].concat();
        let loaded = read(&site, &files);
        assert!(names(&loaded).contains(&"calm"));
        let found = names(&loaded).iter().filter(|name| name.starts_with("b-")).count();
        assert!(found <= 1, "{found} newcomers");
    }
}

#[test]
fn a_small_manifest_finds_room_beside_large_ones_on_a_new_server() {
    let mut site = permissive();
    let calm = calm(&mut site);
    site.shares = BTreeMap::new();
    let most =
        |number: usize| format!("name: evil{number}\nimage: nginx:1\nlabels: {{l: \"{}\"}}\n", "L".repeat(65_000));
    let loaded = read(&site, &[many(200, most), calm].concat());
    assert!(names(&loaded).contains(&"calm"));
}

#[test]
fn lines_of_nginx_have_a_limit_over_all_manifests_of_an_npm() {
    let mut site = permissive();
    let calm = calm(&mut site);
    let routes = |number: usize, count: usize| -> String {
        let route =
            |route: usize| format!("{{domain: r{route}.e{number}, to: \"http://192.168.1.20:80\", advanced: *a}}");
        (0..count).map(route).collect::<Vec<_>>().join(", ")
    };
    let text = |number: usize, count: usize| {
        let long = "c".repeat(32_000);
        format!("kind: Route\nname: e{number}\ndns: none\nx-a: &a \"# {long}\"\nroutes: [{}]\n", routes(number, count))
    };
    let loaded = read(&site, &[many(6, |number| text(number, 100)), calm.clone()].concat());
    assert_eq!((names(&loaded), refused(&loaded, "A0163", "limits.advanced")), (vec!["calm"], 6));
    let loaded = read(&site, &[many(30, |number| text(number, 8)), calm].concat());
    assert!(names(&loaded).contains(&"calm"));
    let sum: usize = loaded.services.iter().map(|service| share(service, &site).advanced).sum();
    assert!(sum <= site.limits.advanced && loaded.services.len() > 10, "{sum}");
    assert!(refused(&loaded, "A0163", "limits.advanced") > 10);
}

#[test]
fn names_have_a_limit_over_all_manifests() {
    let mut site = permissive();
    let calm = calm(&mut site);
    let text = |number: usize| {
        let route = |route: usize| {
            let names = (1..100).map(|name| format!("n{name}.r{route}.e{number}")).collect::<Vec<_>>().join(", ");
            format!("{{domain: r{route}.e{number}, aliases: [{names}], to: \"http://192.168.1.20:80\"}}")
        };
        format!("kind: Route\nname: e{number}\nroutes: [{}]\n", (0..60).map(route).collect::<Vec<_>>().join(", "))
    };
    let loaded = read(&site, &[many(3, text), calm].concat());
    assert!(names(&loaded).contains(&"calm"), "{:?}", loaded.diagnostics.first());
    let sum: usize = loaded.services.iter().map(|service| share(service, &site).names).sum();
    assert!(sum <= site.limits.names, "{sum}");
    assert!(loaded.diagnostics.iter().any(|found| found.code == Code::A0164), "{:?}", loaded.diagnostics.first());
}

#[test]
fn files_of_many_manifests_take_no_place_from_others() {
    let mut site = permissive();
    let calm = calm(&mut site);
    let text = |file: usize| -> String {
        (0..1_000).map(|number| format!("---\nname: e{file}-{number}\nimage: nginx:1\n")).collect()
    };
    let loaded = read(&site, &[many(12, text), calm].concat());
    assert!(names(&loaded).contains(&"calm"));
    assert_eq!(refused(&loaded, "A0108", ""), 3);
}
