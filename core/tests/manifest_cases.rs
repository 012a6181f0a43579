//! Each case is `NAME.yaml` (files divided by lines `#--- file: services/x.yaml`; what is no manifest lies beside them)
//! and `NAME.out`: what
//! `validate` prints, then the services. `UPDATE=1` rewrites the latter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amarre_core::manifest::render;
use amarre_core::manifest::{Loaded, SourceFile, load, load_again, with_compose_files};
use amarre_core::model::pool::Between;
use amarre_core::model::service::{
    Container, ContainerNetwork, Delivery, DeliveryContent, Dns, EnvValue, Hsts, LetsEncrypt, Location, MountSource,
    NetworkMode, Reconcile, Service, Target, Tls, Update,
};
use amarre_core::model::site::{Authors, Challenge, ManifestLimits, NginxPolicy, Policy, PortKeeper, PortRange, Reach};
use amarre_core::model::source::is_manifest;
use amarre_core::model::{Asset, Assets, Code, NotRead, Origin, Site};
use amarre_testkit::sites::permissive;
use proptest::prelude::*;

#[test]
fn every_case_reads_as_recorded() {
    let mut wrong = Vec::new();
    let cases = cases();
    let count = cases.len();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let (files, assets) = files_of(&text);
        let mut site = permissive();
        if text.starts_with("# policy.nginx: none\n") {
            site.policy.nginx = NginxPolicy::None;
        }
        if let Some(list) = text.strip_prefix("# policy.records: ").and_then(|rest| rest.lines().next()) {
            site.policy.records = list.split(' ').map(str::to_owned).collect();
            site.policy.are_records_named = true;
        }
        if let Some(limits) = text.strip_prefix("# limits: ").and_then(|rest| rest.lines().next()) {
            let number = |key: &str| limits.split_once(key).unwrap().1.split(' ').next().unwrap().parse().unwrap();
            site.limits = ManifestLimits {
                names: number("names="),
                labels: number("labels="),
                advanced: number("advanced="),
                ..ManifestLimits::default()
            };
        }
        if text.starts_with("# policy.authors: operators\n") {
            site.policy.authors = Some(Authors::Operators);
            Policy::words().for_each(|word| site.policy.open(word));
        }
        if let Some(list) = text.strip_prefix("# policy.subnets: ").and_then(|rest| rest.lines().next()) {
            site.policy.subnets = list.split_whitespace().map(|net| net.parse().unwrap()).collect();
            site.pools = vec!["172.20.0.0/20".parse().unwrap()];
            site.prefix = 26;
            site.avoid = Vec::new();
        }
        if text.starts_with("# npm.reach: edge\n") {
            site.hosts.get_mut("default").unwrap().npm.as_mut().unwrap().reach = Reach::Edge;
        }
        if let Some(list) = text.strip_prefix("# policy.ports: ").and_then(|rest| rest.lines().next()) {
            site.policy.ports = list.split_whitespace().filter_map(PortRange::parse).collect();
            let host = site.hosts.get_mut("default").unwrap();
            host.npm.as_mut().unwrap().container = Some("npm".to_owned());
            let npm = |port| (port, PortKeeper::Npm("npm.main".to_owned()));
            host.kept_ports = [80, 443, 8181].map(npm).into();
            host.kept_ports.insert(2375, PortKeeper::Docker("hosts.default.docker".to_owned()));
            host.kept_ports.insert(7070, PortKeeper::Amarre("server.listen".to_owned()));
        }
        site.certificates.has_dns_credentials = text.starts_with("# certificates.dns_credentials\n");
        let loaded = load(&files, &assets, &site);
        promises(&files, &assets, &loaded);
        wrong.extend(without_templates(&case, &loaded));
        let got = printed(&with_compose_files(&files, &assets), &loaded);
        assert!(!got.contains("hunter2"), "{} shows a secret:\n{got}", case.display());
        let golden = case.with_extension("out");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &got).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != got {
            wrong.push(format!("--- {}\n{got}", case.display()));
        }
    }
    assert!(count >= 45, "only {count} cases");
    assert!(wrong.is_empty(), "UPDATE=1 rewrites them:\n{}", wrong.join("\n"));
}

/// Each sentence has its form in other languages; only what the YAML parser says has none.
fn without_templates(case: &Path, loaded: &Loaded) -> Vec<String> {
    let known = loaded.diagnostics.iter().filter(|known| known.code != Code::A0101);
    let said = known.flat_map(|known| std::iter::once(&known.message).chain(&known.hint));
    said.filter(|said| said.is_foreign()).map(|said| format!("--- {}: no template: {said}", case.display())).collect()
}

#[test]
fn every_golden_has_its_case() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "out") {
            assert!(path.with_extension("yaml").exists(), "{} has no case", path.display());
        }
    }
}

#[test]
fn every_code_that_is_emitted_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = all_source(&root.join("core/src/manifest"));
    // A mistake of ours: no manifest has it (`uses::a_kind_that_lists_no_uses_uses_what_nobody_may_have`).
    let has_case = |code: &&Code| **code != Code::A0195;
    let named = |code: &&Code| source.contains(&format!("Code::{code}"));
    let codes: Vec<&Code> = Code::ALL.iter().filter(named).filter(has_case).collect();
    let goldens: String =
        cases().iter().map(|case| std::fs::read_to_string(case.with_extension("out")).unwrap()).collect();
    // What policy closes is shown by a table of its own.
    let escapes = ["tests/cases/escapes.txt", "tests/it/escapes.rs"]
        .map(|path| std::fs::read_to_string(root.join(path)).unwrap());
    assert!(codes.len() >= 80);
    for code in codes {
        // Whether a secret is set is not decided by the core.
        let is_shown = *code == Code::A0207
            || goldens.contains(&format!("[{code}]"))
            || escapes.iter().any(|text| text.contains(code.as_str()));
        assert!(is_shown, "no case shows {code}");
    }
}

fn all_source(folder: &Path) -> String {
    let read = |entry: std::fs::DirEntry| match entry.path() {
        path if path.is_dir() => all_source(&path),
        path => std::fs::read_to_string(path).unwrap(),
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

#[test]
fn a_document_read_again_gives_the_same_service_and_places() {
    for case in cases() {
        let (files, assets) = files_of(&std::fs::read_to_string(&case).unwrap());
        let loaded = load(&files, &assets, &permissive());
        for service in &loaded.services {
            let document = &loaded.texts[&service.name];
            let file = SourceFile { path: document.file.clone(), text: document.text.clone() };
            let again = load_again(&file, &document.assets, &permissive());
            assert_eq!(again.services.as_slice(), std::slice::from_ref(service), "{}", case.display());
        }
    }
}

#[test]
fn the_order_of_files_does_not_matter() {
    for case in cases() {
        let (mut files, assets) = files_of(&std::fs::read_to_string(&case).unwrap());
        let loaded = load(&files, &assets, &permissive());
        files.reverse();
        assert_eq!(load(&files, &assets, &permissive()), loaded, "{}", case.display());
    }
}

/// The way past A0287, A0288 and A0289, for one manifest and no other.
#[test]
fn policy_names_gives_a_name_of_another_to_a_manifest() {
    let file = |name: &str, text: &str| SourceFile { path: format!("services/{name}.yaml"), text: text.to_owned() };
    let asks = "image: a:1\nnetwork: shared\ncontainer_name: vault-0123456789ab\nhostname: vault\n\
                dns: [{name: vault, type: TXT, value: x}, {name: _x._tcp.vault, type: SRV, value: 0 1 2 a.example.org.}]\n";
    let files = [
        file("given", &format!("name: given\n{asks}")),
        file("vault", "name: vault\nimage: a:1\nport: 80\nnetwork: shared\n"),
    ];
    let codes = |site: &Site, files: &[SourceFile]| {
        let found = load(files, &Assets::new(), site).diagnostics;
        found
            .into_iter()
            .map(|found| format!("{} {}", found.code, found.service.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    let mut site = permissive();
    site.policy.networks = vec!["shared".to_owned()];
    assert_eq!(codes(&site, &files), ["A0287 given", "A0287 given"]);
    let names = ["vault*", "_x._tcp.vault.example.org"].map(str::to_owned).to_vec();
    site.policy.names = BTreeMap::from([("given".to_owned(), names)]);
    assert_eq!(codes(&site, &files), [""; 0]);
    let other = file("other", &format!("name: other\n{}", asks.replace("0123456789ab", "ba9876543210")));
    let [given, vault] = files;
    assert_eq!(codes(&site, &[given, vault, other]), ["A0287 other", "A0287 other"]);
}

#[test]
fn a_broken_document_harms_no_other() {
    let good = "name: unharmed\nimage: nginx:1\n";
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let (files, assets) = files_of(&text);
        if files.len() + assets.len() > 1 {
            continue;
        }
        let text = format!("{text}\n---\n{good}---\nname: unharmed-too\nimage: nginx:1\n");
        let loaded = load(&[SourceFile { path: "services/all.yaml".to_owned(), text }], &Assets::new(), &permissive());
        let names: Vec<&str> = loaded.services.iter().map(|service| service.name.as_str()).collect();
        assert!(names.contains(&"unharmed") && names.contains(&"unharmed-too"), "{}: {names:?}", case.display());
    }
}

#[test]
fn limits_are_reported_and_harm_only_what_exceeds_them() {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let good = file("services/z.yaml", "name: good\nimage: nginx:1\n".to_owned());
    let big = file("services/big.yaml", format!("name: big\n#{}\n", "x".repeat(1 << 20)));
    let laughs: String = (1..12).map(|i| format!("x-{i}: &a{i} [{}]\n", format!("*a{}, ", i - 1).repeat(9))).collect();
    let bomb = file("services/bomb.yaml", format!("name: bomb\nx-0: &a0 [x, x]\n{laughs}"));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let deep = file("services/deep.yaml", format!("name: deep\nimage: nginx:1\nx-a: {}\n", nested(32)));
    let less = file("services/less.yaml", format!("name: less\nimage: nginx:1\nx-a: {}\n", nested(30)));
    let deepest = file("services/deepest.yaml", format!("name: deepest\nx-a: {}\n", "[".repeat(5000)));
    let many = file("services/many.yaml", "---\nname: many\n".repeat(1030));
    let long = file("services/long.yaml", format!("name: long\nx-a: [{}]\n", "1, ".repeat(60_000)));
    let loaded = load(&[good, big, bomb, deep, less, deepest, many, long], &Assets::new(), &permissive());
    let names: Vec<&str> = loaded.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["good", "less"]);
    let over: BTreeSet<&str> =
        loaded.diagnostics.iter().filter(|d| d.code == Code::A0108).map(|d| d.file.as_str()).collect();
    let expected = ["big", "bomb", "deep", "deepest", "long", "many"].map(|name| format!("services/{name}.yaml"));
    assert_eq!(over, expected.iter().map(String::as_str).collect());
    let unknown: Vec<&str> = loaded.broken.iter().filter(|b| b.service.is_none()).map(|b| b.file.as_str()).collect();
    assert_eq!(unknown, ["services/big.yaml", "services/many.yaml"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn load_survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn load_survives_yaml_letters(text in "[-:{}\\[\\],&*!|>'\"%#@`$ \\r\\n\\ta-c0-1~?<./é]{0,200}") {
        survives(text);
    }

    #[test]
    fn load_survives_mutated_manifests(which in 0usize..1000, edits in proptest::collection::vec((any::<u16>(), "[-:{}\\[\\],&*!|>'\"#$ \\r\\n\\ta-z0-9é]{0,4}", 0usize..6), 1..6)) {
        let cases = cases();
        let text = std::fs::read_to_string(&cases[which % cases.len()]).unwrap();
        let mut letters: Vec<char> = text.chars().collect();
        for (at, put, remove) in edits {
            let at = usize::from(at) % (letters.len() + 1);
            let end = (at + remove).min(letters.len());
            letters.splice(at..end, put.chars());
        }
        survives(letters.into_iter().collect());
    }
}

#[track_caller]
fn survives(text: String) {
    // The same text as a manifest, and as every other sort of file.
    let stack = "name: stack\ncompose: compose.yaml\nnetwork: auto\n".to_owned();
    let files = [
        SourceFile { path: "services/any.yaml".to_owned(), text: text.clone() },
        SourceFile { path: "services/stack.yaml".to_owned(), text: stack },
    ];
    let asset = Asset::of(text.as_bytes(), false);
    let names = ["compose.yaml", ".env", "app.env"];
    let assets: Assets = names.map(|name| (format!("services/{name}"), asset.clone())).into();
    let loaded = load(&files, &assets, &permissive());
    promises(&files, &assets, &loaded);
    assert_eq!(load(&files, &assets, &permissive()), loaded);
}

/// What holds of every answer.
#[track_caller]
fn promises(files: &[SourceFile], assets: &Assets, loaded: &Loaded) {
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path).map(|file| file.text.clone());
        // What a link leads to stands under another path.
        file.or_else(|| Some(String::from_utf8_lossy(assets[path].bytes.as_deref().ok()?).into_owned()))
    };
    for diagnostic in &loaded.diagnostics {
        let Some(text) = text(&diagnostic.file) else { continue };
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = text.split('\n').collect();
        let width = |line: usize| lines[line - 1].chars().count();
        assert!(diagnostic.column >= 1 && diagnostic.column <= width(diagnostic.line) + 1, "{diagnostic:?}");
        assert!(
            diagnostic.end_column >= 1 && diagnostic.end_column <= width(diagnostic.end_line) + 1,
            "{diagnostic:?}"
        );
        assert!((diagnostic.line, diagnostic.column) <= (diagnostic.end_line, diagnostic.end_column), "{diagnostic:?}");
        let message = diagnostic.message.to_string();
        assert!(!message.ends_with('.') && !message.contains('\n'), "{diagnostic:?}");
    }
    let names: BTreeSet<&str> = loaded.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names.len(), loaded.services.len(), "names are unique");
    assert_eq!(names, loaded.texts.keys().map(String::as_str).collect(), "each service has its text");
    for broken in loaded.broken.iter().filter_map(|broken| broken.service.as_deref()) {
        assert!(!names.contains(broken), "{broken} is broken and good");
    }
}

fn printed(files: &[SourceFile], loaded: &Loaded) -> String {
    let total = loaded.services.len() + loaded.broken.len();
    let mut out = render(&loaded.diagnostics, files, loaded.services.len(), total);
    for broken in &loaded.broken {
        let _ = writeln!(out, "broken {} {}", broken.file, broken.service.as_deref().unwrap_or("?"));
    }
    for service in &loaded.services {
        dump(&mut out, service);
    }
    out
}

fn shown(to: &Target) -> String {
    match to {
        Target::Container { key, port } => format!("{key}:{port}"),
        Target::Url { scheme, host, port } => format!("{scheme}://{host}:{port}"),
        Target::Instance { name, port } => format!("instance {name}:{port}"),
    }
}

/// What is in front of a host, where a manifest says it.
fn dump_front(out: &mut String, http2: bool, hsts: Hsts, advanced: &str) {
    if http2 || hsts != Hsts::Off {
        let _ = writeln!(out, "    http2={http2} hsts={hsts:?}");
    }
    if !advanced.is_empty() {
        let _ = writeln!(out, "    advanced {advanced:?}");
    }
}

fn dump(out: &mut String, service: &Service) {
    let _ = writeln!(out, "\n{} {} on {} at {}", service.kind.word(), service.name, service.host, at(&service.origin));
    for (key, container) in &service.containers {
        dump_container(out, key, container);
    }
    dump_hosts(out, service);
    dump_records(out, service);
    for (name, volume) in &service.volumes {
        let _ = writeln!(
            out,
            "  volume {name}: {} external={} driver={} {:?} {:?}",
            service.volume_name(name),
            volume.is_external,
            volume.driver.as_deref().unwrap_or("-"),
            volume.options,
            volume.labels
        );
    }
    for (key, job) in &service.jobs {
        let _ = writeln!(out, "  job, at most {}:", job.timeout);
        dump_container(out, key, &job.container);
    }
    let shape = service.instance.as_ref().and_then(|instance| instance.shape.as_ref());
    if let Some(shape) = shape.filter(|shape| !shape.user_data.is_empty()) {
        let _ = writeln!(out, "  user data {:?}", shape.user_data);
    }
    for domain in service.instance.iter().flat_map(|instance| &instance.domains) {
        let _ = writeln!(out, "  named {domain}");
    }
    if let Some(check) = service.instance.as_ref().and_then(|instance| instance.check.as_ref()) {
        let _ = writeln!(out, "  ready {check:?}");
    }
    for needed in &service.needs {
        let _ = writeln!(out, "  needs {} at {}", needed.service, at(&needed.origin));
    }
    dump_options(out, service);
}

/// What is in NPM for a service.
fn dump_hosts(out: &mut String, service: &Service) {
    for route in &service.routes {
        let to = shown(&route.to);
        let _ = writeln!(
            out,
            "  route {} -> {to} tls={} force_https={} websockets={} block_exploits={} access_list={} at {}",
            route.domains.join(" "),
            tls(&route.tls),
            route.force_https,
            route.websockets,
            route.block_exploits,
            route.access_list.as_deref().unwrap_or("-"),
            at(&route.origin)
        );
        dump_front(out, route.http2, route.hsts, &route.advanced);
        if let Some(caching) = route.caching {
            let _ = writeln!(out, "    caching {caching}");
        }
        for location in &route.locations {
            let Location { path, to, to_path, advanced } = location;
            let _ = writeln!(out, "    location {path} -> {}{to_path} {advanced:?}", shown(to));
        }
    }
    for redirect in &service.answered {
        if redirect.fields.is_empty() {
            let (kind, names) = (redirect.kind.label(), redirect.domains.join(" "));
            let _ = writeln!(out, "  {kind} {names} force_https={} tls={}", redirect.force_https, tls(&redirect.tls));
            dump_front(out, redirect.http2, redirect.hsts, &redirect.advanced);
            continue;
        }
        let own = |field: &str| redirect.fields.get(field).map(ToString::to_string).unwrap_or_default();
        let block_exploits = redirect.fields.flag("block_exploits").unwrap_or_default();
        let _ = writeln!(
            out,
            "  redirect {} -> {} {} code={} keep_path={} tls={}",
            redirect.domains.join(" "),
            own("scheme"),
            own("to"),
            own("code"),
            own("keep_path"),
            tls(&redirect.tls)
        );
        dump_front(out, redirect.http2, redirect.hsts, &redirect.advanced);
        if redirect.force_https || block_exploits {
            let _ = writeln!(out, "    force_https={} block_exploits={:?}", redirect.force_https, block_exploits);
        }
    }
    for amarre_core::model::service::Stream { port, to, tcp, udp, .. } in &service.streams {
        let _ = writeln!(out, "  stream {port} -> {to:?} tcp={tcp} udp={udp}");
    }
    for list in &service.access_lists {
        let _ = writeln!(out, "  access list {list:?}");
    }
    if let Some(pool) = &service.pool {
        let _ = writeln!(out, "  pool {:?} usual={} who={:?} shell={}", pool.rules, pool.usual, pool.who, pool.shell);
        if pool.sudo || pool.between != Between::Nothing {
            let _ = writeln!(out, "  between {:?} sudo={}", pool.between, pool.sudo);
        }
        for (name, machine) in &pool.machines {
            let _ = writeln!(out, "  machine {name} {machine:?}");
        }
        for (name, server) in &pool.servers {
            let _ = writeln!(out, "  server {name} {server:?}");
        }
    }
}

fn dump_records(out: &mut String, service: &Service) {
    match &service.dns {
        Dns::Auto => out.push_str("  dns auto\n"),
        Dns::None => out.push_str("  dns none\n"),
        Dns::Records(records) => {
            for record in records {
                let _ = writeln!(
                    out,
                    "  record {} {} {} ttl={}s",
                    record.name, record.record_type, record.value, record.ttl_s
                );
            }
        }
    }
}

/// How a service is kept and updated, where that is not as usual.
fn dump_options(out: &mut String, service: &Service) {
    if service.stopped {
        out.push_str("  stopped\n");
    }
    let Reconcile { mode, protect, ignore, stopped_grace } = &service.reconcile;
    if service.reconcile != Reconcile::default() {
        let ignore: Vec<String> = ignore.iter().map(|known| format!("{}.{}", known.kind.word(), known.field)).collect();
        let _ = writeln!(
            out,
            "  kept {mode:?} protect={} ignore={ignore:?} grace={stopped_grace}",
            protect.unwrap_or(false)
        );
    }
    if service.data != amarre_core::model::service::Data::default() {
        let _ = writeln!(out, "  {:?}", service.data);
    }
    if service.update != Update::default() {
        let _ = writeln!(out, "  {:?}", service.update);
    }
    match &service.network {
        NetworkMode::Auto => (),
        other @ (NetworkMode::Subnet(_) | NetworkMode::Shared(_) | NetworkMode::Defined { .. }) => {
            let _ = writeln!(out, "  network {other:?}");
        }
    }
}

fn dump_container(out: &mut String, key: &str, container: &Container) {
    let _ = writeln!(
        out,
        "  container {key}: {} restart={} at {}",
        container.image,
        container.restart,
        at(&container.origin)
    );
    if let Some(build) = &container.build {
        let sent: Vec<&str> = build.files.iter().flat_map(|files| files.files.keys()).map(String::as_str).collect();
        let by = build.dockerfile_path.as_deref().unwrap_or("a Dockerfile of the manifest");
        let _ = writeln!(out, "    build {} by {by}, within {}: {}", build.context, build.timeout, sent.join(" "));
        let _ = writeln!(out, "      from {:?} args {:?} target {:?}", build.bases, build.args, build.target);
    }
    for (word, command) in [("command", &container.command), ("entrypoint", &container.entrypoint)] {
        if let Some(command) = command {
            let _ = writeln!(out, "    {word} {command:?}");
        }
    }
    for (name, value) in &container.environment {
        let _ = match value {
            EnvValue::Plain(text) => writeln!(out, "    env {name}={text:?}"),
            EnvValue::Secret(secret) => writeln!(out, "    env {name}=secret {}", secret.0),
        };
    }
    for port in &container.ports {
        let _ = writeln!(out, "    port {}:{} -> {}/{}", port.host_ip, port.published, port.target, port.protocol);
    }
    for mount in &container.mounts {
        let source = match &mount.source {
            MountSource::Volume(name) => format!("volume {name}"),
            MountSource::Bind(path) => format!("bind {path}"),
            MountSource::Tmpfs => "tmpfs".to_owned(),
            MountSource::Copied(delivery) => copied(delivery),
        };
        let options: String = mount.options.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let mode = if mount.read_only { " ro" } else { "" };
        let _ = writeln!(out, "    mount {source} -> {}{mode}{options}", mount.target);
    }
    if let Some(check) = &container.healthcheck {
        let _ = writeln!(out, "    {check:?}");
    }
    if let Some(user) = &container.user {
        let _ = writeln!(out, "    user {user}");
    }
    for (name, value) in &container.labels {
        let _ = writeln!(out, "    label {name}={value:?}");
    }
    for (name, dependency) in &container.depends_on {
        let optional = if dependency.is_optional { " optional" } else { "" };
        let follows = if dependency.follows { " follows" } else { "" };
        let _ = writeln!(out, "    after {name} {:?}{optional}{follows}", dependency.condition);
    }
    dump_place(out, container);
    for (name, value) in &container.settings {
        let _ = writeln!(out, "    {name} {value}");
    }
}

/// Where a container logs to, what it is called, and which networks and namespaces it is in.
fn dump_place(out: &mut String, container: &Container) {
    let _ = writeln!(out, "    logging {} {:?}", container.logging.0, container.logging.1);
    if let Some(name) = &container.container_name {
        let _ = writeln!(out, "    called {name}");
    }
    if container.network_mode != ContainerNetwork::Own {
        let _ = writeln!(out, "    network {:?}", container.network_mode);
    }
    if let Some(home) = &container.home {
        let _ = writeln!(out, "    lives on {home}");
    }
    if !container.also_on.is_empty() {
        let _ = writeln!(out, "    also on {:?}", container.also_on);
    }
    for (namespace, sibling) in &container.shares {
        let _ = writeln!(out, "    {namespace} of {sibling}");
    }
    if !container.aliases.is_empty() {
        let _ = writeln!(out, "    aliases {:?}", container.aliases);
    }
    if let Some(address) = container.ipv4_address {
        let _ = writeln!(out, "    address {address}");
    }
}

fn copied(delivery: &Delivery) -> String {
    let content = match &delivery.content {
        DeliveryContent::Bundle(bundle) => {
            let files = bundle.files.iter().map(|(path, file)| match file.bytes.len() {
                0..40 => format!("{path}={:?}", String::from_utf8_lossy(&file.bytes)),
                bytes => format!("{path}=({bytes} bytes)"),
            });
            files.collect::<Vec<_>>().join(", ")
        }
        DeliveryContent::Secret(name) => format!("secret {}", name.0),
    };
    let mode = delivery.mode.map_or_else(|| "-".to_owned(), |mode| format!("{mode:04o}"));
    format!("copy of {content} mode={mode} owner={}:{}", delivery.uid, delivery.gid)
}

fn tls(tls: &Tls) -> String {
    match tls {
        Tls::None => "none".to_owned(),
        Tls::Existing(name) => name.clone(),
        Tls::LetsEncrypt(LetsEncrypt { challenge: Challenge::Http, .. }) => "(letsencrypt)".to_owned(),
        Tls::LetsEncrypt(asked) => format!("(letsencrypt dns{})", if asked.wildcard { " *" } else { "" }),
    }
}

fn at(origin: &Origin) -> String {
    format!("{}:{}:{}", origin.file, origin.line, origin.column)
}

/// Manifests, and the files beside them.
fn files_of(text: &str) -> (Vec<SourceFile>, Assets) {
    const MARK: &str = "#--- file: ";
    let below = text.split_once('\n').map(|(_, below)| below).filter(|below| below.starts_with(MARK));
    let text = below.filter(|_| text.starts_with("# policy.")).unwrap_or(text);
    if !text.starts_with(MARK) {
        let file = SourceFile { path: "services/case.yaml".to_owned(), text: text.to_owned() };
        return (vec![file], Assets::new());
    }
    let parts = text.split(MARK).skip(1).map(|part| part.split_once('\n').unwrap());
    let (manifests, others): (Vec<_>, Vec<_>) =
        parts.partition(|(path, _)| is_manifest(path.trim()) && !path.contains(" -> "));
    let file = |(path, text): (&str, &str)| SourceFile { path: path.trim().to_owned(), text: text.to_owned() };
    let asset = |(path, text): (&str, &str)| {
        let path = path.trim();
        // `-- path -> target` is a symbolic link.
        match path.split_once(" -> ") {
            Some((path, to)) => (path.to_owned(), Asset::unread(NotRead::Link(to.to_owned()))),
            None => (path.to_owned(), Asset::of(text.as_bytes(), path.ends_with(".sh"))),
        }
    };
    (manifests.into_iter().map(file).collect(), others.into_iter().map(asset).collect())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/manifest")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    cases.sort();
    cases
}
