//! Whoever may write a manifest must not own the host, the zone or Amarre: `tests/cases/escapes.txt`, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use amarre_core::manifest::{AllowedBy, Loaded, Severity, SourceFile, Verdict, explain, load};
use amarre_core::model::site::{Authors, Listener, Policy, PortKeeper, PortRange};
use amarre_core::model::{Asset, Assets, Site};

use amarre_testkit::scene;

/// A site with the default policy.
pub fn usual_site() -> Site {
    let mut site = scene::site();
    site.policy = Policy::default();
    site.own_secrets = ["npm", "ovh", "ovh_consumer", "git_token"].map(str::to_owned).into();
    site.lends_machines = true;
    site.listeners = vec![
        Listener { at: Some(IpAddr::from([127, 0, 0, 1])), port: 7070, by_name: true },
        Listener { at: None, port: 7070, by_name: true },
        Listener { at: Some(IpAddr::from([10, 0, 0, 5])), port: 2375, by_name: true },
    ];
    let names = [("amarre.example.org", "server.url"), ("npm.example.org", "npm.default.url")];
    site.own_names = names.map(|(name, key)| (name.to_owned(), key.to_owned())).into();
    let host = site.hosts.get_mut("default").unwrap();
    host.private_address = Some(IpAddr::from([192, 168, 1, 10]));
    let npm = |port| (port, PortKeeper::Npm("npm.default".to_owned()));
    host.kept_ports = [80, 443, 8181].map(npm).into();
    host.kept_ports.insert(2375, PortKeeper::Docker("hosts.default.docker".to_owned()));
    host.kept_ports.insert(7070, PortKeeper::Amarre("server.listen".to_owned()));
    site
}

/// A line of the table.
pub struct Escape {
    pub section: String,
    pub code: String,
    pub text: String,
}

/// The whole table.
pub fn escapes() -> Vec<Escape> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/escapes.txt");
    let mut section = String::new();
    let mut escapes = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(rest) = line.strip_prefix('[') {
            rest.split_once(']').unwrap().0.clone_into(&mut section);
        } else if let Some((code, text)) = line.split_once(' ').filter(|_| !line.starts_with('#')) {
            escapes.push(Escape { section: section.clone(), code: code.to_owned(), text: text.to_owned() });
        }
    }
    escapes
}

/// A manifest, and the Compose file that it names.
type Probe = (String, Option<String>);

/// The forms in which an escape is tried.
#[expect(clippy::too_many_lines, reason = "one arm for each section")]
pub fn probes(escape: &Escape) -> Vec<Probe> {
    let text = &escape.text;
    let native = |keys: &str| (format!("name: app\nimage: x:1\n{keys}\n"), None);
    let stack = |keys: &str, top: &str| {
        let compose = format!("services:\n  a:\n    image: x:1\n{keys}\n{top}\n");
        ("name: app\ncompose: ./compose.yaml\n".to_owned(), Some(compose))
    };
    match escape.section.as_str() {
        "volume" => vec![stack("    volumes: [\"n:/x\"]", &format!("volumes: {{n: {text}}}"))],
        "bind" => vec![
            native(&format!("volumes: [\"{text}:/x\"]")),
            native(&format!("volumes: [{{type: bind, source: \"{text}\", target: /x}}]")),
            (
                format!(
                    "name: app\ncontainers: {{c: {{image: \"x:1\"}}}}\njobs: {{j: {{image: \"x:1\", volumes: [\"{text}:/x:ro\"]}}}}\n"
                ),
                None,
            ),
        ],
        "bindlong" => vec![
            native(&format!("volumes: [{{type: bind, source: {text}, target: /x}}]")),
            stack(&format!("    volumes: [{{type: bind, source: {text}, target: /x}}]"), ""),
        ],
        "container" => vec![native(text), stack(&format!("    {}", compose_spelling(text)), "")],
        "logging" => vec![native(&format!("logging: {text}")), stack(&format!("    logging: {text}"), "")],
        "manifest" | "hostnet" => vec![(format!("{}\n", text.replace(" --- ", "\n---\n")), None)],
        "route" => {
            let location = format!("locations: [{{path: /x, to: \"{text}\"}}]");
            vec![
                (format!("{{kind: Route, name: app, routes: [{{domain: app, to: \"{text}\"}}]}}\n"), None),
                (
                    format!(
                        "{{kind: Route, name: app, routes: [{{domain: app, to: \"http://192.168.1.20\", {location}}}]}}\n"
                    ),
                    None,
                ),
            ]
        }
        "machine" => {
            let (address, port) = text.split_once(' ').unwrap_or((text, "22"));
            let machine = format!("{{name: m1, address: \"{address}\", port: {port}}}");
            let container = format!("{{count: 1, image: \"x:1\", address: \"{address}\", port: {port}}}");
            let pool = |keys: &str| format!("{{kind: Pool, name: app, {keys}}}\n");
            let mut forms = vec![
                (pool(&format!("machines: [{machine}]")), None),
                (pool("from: ./compose.yaml"), Some(format!("m1 {address} {port} root -\n"))),
            ];
            // At the addresses of a host it publishes its containers.
            if !is_hosts(address) {
                forms.push((pool(&format!("service: {container}")), None));
            }
            forms
        }
        "machines" => vec![(format!("{}\n", text.replace(" --- ", "\n---\n")), None)],
        "stream" => vec![(format!("{{kind: Stream, name: app, port: 2222, to: \"{text}\"}}\n"), None)],
        "nginx" => {
            let lines = serde_json::to_string(text).unwrap();
            vec![native(&format!("routes: [{{domain: app, to: 80, advanced: {lines}}}]"))]
        }
        "image" => vec![(format!("name: app\nimage: \"{text}\"\n"), None), {
            let compose = format!("services: {{a: {{image: \"{text}\"}}}}\n");
            ("name: app\ncompose: ./compose.yaml\n".to_owned(), Some(compose))
        }],
        "built" => vec![
            (format!("name: app\nimage: \"{text}\"\n"), None),
            (format!("name: app\nimage: x:1\njobs: {{j: {{image: \"{text}\"}}}}\n"), None),
            (
                "name: app\ncompose: ./compose.yaml\n".to_owned(),
                Some(format!("services: {{a: {{image: \"{text}\"}}}}\n")),
            ),
        ],
        "repository" => vec![
            (format!("{{kind: App, name: app, git: {{url: \"{text}\"}}}}\n"), None),
            (format!("kind: App\nname: app\ngit:\n  url: \"{text}\"\n  ref: v1\n  path: web\n"), None),
        ],
        "git" => vec![(format!("kind: App\nname: app\ngit:\n  url: https://git.example.org/acme/x\n  {text}\n"), None)],
        "argument" => {
            let item = format!("\"{}=x\"", text.trim_matches('"'));
            vec![
                (
                    format!(
                        "kind: App\nname: app\ngit: {{url: 'https://git.example.org/acme/x'}}\nbuild: {{args: {{{text}: x}}}}\n"
                    ),
                    None,
                ),
                (
                    format!(
                        "kind: App\nname: app\ngit: {{url: 'https://git.example.org/acme/x'}}\nbuild: {{args: [{item}]}}\n"
                    ),
                    None,
                ),
                (format!("name: app\nbuild: {{context: ./built, args: {{{text}: x}}}}\n"), None),
                stack_of(&format!("    build: {{context: ./built, args: [{item}]}}")),
            ]
        }
        "dockerfile" => vec![
            (format!("name: app\nbuild: {text}\n"), None),
            (format!("name: app\ncontainers: {{a: {{build: {text}}}}}\n"), None),
            stack_of(&format!("    build: {text}")),
        ],
        other => panic!("no section {other}"),
    }
}

/// Whether a host of the site, or the machine of NPM, is there, in whatever form.
fn is_hosts(address: &str) -> bool {
    let address = address.trim_end_matches('.').to_lowercase();
    let ip = address.parse::<IpAddr>().map(|ip| ip.to_canonical());
    let hosts = ["203.0.113.10", "192.168.1.10"].map(|ip| ip.parse::<IpAddr>().unwrap());
    ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified() || hosts.contains(&ip)) || address.contains("localhost")
}

/// A Compose file with one service that is built.
fn stack_of(keys: &str) -> Probe {
    ("name: app\ncompose: ./compose.yaml\n".to_owned(), Some(format!("services:\n  a:\n{keys}\n")))
}

/// A Compose file names secrets as text in its environment.
fn compose_spelling(text: &str) -> String {
    match text.strip_prefix("environment: {A: {secret: ").and_then(|rest| rest.strip_suffix("}}")) {
        Some(name) => format!("environment: {{A: \"{{secret: {name}}}\"}}"),
        None => text.to_owned(),
    }
}

fn files(probe: &Probe) -> (Vec<SourceFile>, Assets) {
    let (manifest, compose) = probe;
    let asset = |text: &String| Asset::of(text.as_bytes(), false);
    let assets = compose.iter().map(|text| ("services/compose.yaml".to_owned(), asset(text))).collect();
    (vec![SourceFile { path: "services/app.yaml".to_owned(), text: manifest.clone() }], assets)
}

fn loaded(probe: &Probe, site: &Site) -> Loaded {
    let (files, assets) = files(probe);
    load(&files, &assets, site)
}

fn codes(loaded: &Loaded, severity: Severity) -> BTreeSet<&'static str> {
    let found = loaded.diagnostics.iter().filter(|found| found.severity == severity);
    found.map(|found| found.code.as_str()).collect()
}

fn site_of(escape: &Escape) -> Site {
    let mut site = usual_site();
    if escape.section == "image" {
        site.policy.images = vec!["docker.io/library/*".to_owned()];
    }
    if escape.section == "logging" {
        site.policy.log_drivers = vec!["*".to_owned()];
    }
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    match escape.section.as_str() {
        "repository" | "git" => {
            site.policy.repositories = texts(&[
                "https://git.example.org/acme/*",
                "https://*.acme.example/*",
                "http://127.0.0.1:8080/acme/*",
                "git@git.example.org:acme/*",
                "ssh://git@git.example.org/acme/*",
            ]);
        }
        "argument" | "dockerfile" => site.policy.repositories = texts(&["*"]),
        _ => (),
    }
    site.policy.host_network = escape.section == "hostnet";
    site
}

#[test]
fn each_escape_is_refused_by_its_code_in_each_form() {
    let mut wrong = Vec::new();
    let escapes = escapes();
    let mut tried = 0;
    for escape in &escapes {
        let site = site_of(escape);
        for probe in probes(escape) {
            tried += 1;
            let found = codes(&loaded(&probe, &site), Severity::Error);
            if !found.contains(escape.code.as_str()) {
                wrong.push(format!(
                    "{} {}: {found:?}\n{}{}",
                    escape.code,
                    escape.text,
                    probe.0,
                    probe.1.unwrap_or_default()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(escapes.len() >= 200 && tried >= 300, "{} lines, {tried} probes", escapes.len());
}

/// A site whose manifests are written by people who have root on its hosts.
pub fn operators(mut site: Site) -> Site {
    site.policy.authors = Some(Authors::Operators);
    Policy::words().for_each(|word| site.policy.open(word));
    site
}

/// Of what the default policy refuses, only forms that Docker or NPM would read differently, Amarre's own credentials,
/// names that its configuration uses, and targets that no visitor is to reach.
#[test]
fn operators_may_use_all_but_what_breaks_npm_or_amarre_or_is_for_no_visitor() {
    const KEPT: [&str; 14] = [
        "A0106", "A0108", "A0196", "A0212", "A0260", "A0261", "A0269", "A0275", "A0279", "A0291", "A0292", "A0767",
        "A0779", "A0780",
    ];
    const FOR_NO_VISITOR: [&str; 17] = [
        ":81",
        ":2375",
        ":2376",
        ":7070",
        ":3000",
        "to: 81}",
        "to: 7070}",
        "169.254.",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "255.255.255.255",
        "fe80:",
        "fd00:ec2:",
        "a9fe:",
        "metadata",
        "instance-data",
    ];
    let mut wrong = Vec::new();
    for escape in escapes().iter().filter(|escape| escape.section != "image") {
        let place = escape.text.to_lowercase().replace(' ', ":");
        let text = if escape.section == "machine" { place.as_str() } else { escape.text.as_str() };
        let code = escape.code.as_str();
        let is_for_none = !text.contains(".nip.io") && FOR_NO_VISITOR.iter().any(|part| text.contains(part));
        let is_kept = match code {
            "A0205" => text.contains("/.."),
            "A0271" => is_for_none,
            code => KEPT.contains(&code),
        };
        let site = operators(site_of(escape));
        for probe in probes(escape) {
            let found = codes(&loaded(&probe, &site), Severity::Error);
            if found.contains(code) != is_kept {
                wrong.push(format!("{} {code} {text}: {found:?}", if is_kept { "opened" } else { "kept" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn uses_that_no_right_allows_stay_refused() {
    for escape in escapes().iter().filter(|escape| ["A0260", "A0261", "A0279"].contains(&escape.code.as_str())) {
        for probe in probes(escape) {
            let mut site = site_of(escape);
            Policy::words().for_each(|word| site.policy.open(word));
            assert!(codes(&loaded(&probe, &site), Severity::Error).contains(escape.code.as_str()), "{}", escape.text);
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of uses")]
fn everyday_uses_need_no_right() {
    let volume = |text: &str| Escape { section: "volume".to_owned(), code: String::new(), text: text.to_owned() };
    let of = |section: &str, text: &str| Escape { section: section.to_owned(), ..volume(text) };
    let daily = [
        volume("{}"),
        volume("{driver: local}"),
        volume("{labels: {a: b}}"),
        volume("{name: app_data}"),
        volume("{external: true, name: app_data}"),
        volume(
            "{driver_opts: {type: nfs, o: \"addr=10.0.0.5,nfsvers=4.1,rw,soft,timeo=100\", device: \":/export/x\"}}",
        ),
        volume("{driver_opts: {type: nfs4, o: \"addr=nas.lan,rw\", device: \"nas.lan:/export/x\"}}"),
        volume(
            "{driver_opts: {type: cifs, o: \"username=a,password=b/c,vers=3.0,uid=1000\", device: //nas.lan/share}}",
        ),
        volume("{driver_opts: {type: none, o: bind, device: /srv/app/x}}"),
        volume("{driver_opts: {type: tmpfs, device: tmpfs, o: \"size=64m,uid=1000\"}}"),
        of("bind", "/srv/app"),
        of("bind", "/srv/app/data"),
        of("container", "environment: {A: {secret: app/db}}"),
        of("container", "environment: {A: {secret: app}}"),
        of("container", "environment: {A: {secret: shared/smtp}}"),
        of("container", "logging: {driver: journald}"),
        of("container", "oom_score_adj: 500"),
        of("container", "ulimits: {nofile: 65536, memlock: -1, rtprio: 0, nice: 20}"),
        of("container", "shm_size: 64g"),
        of("container", "ports: [\"8080:80\", \"127.0.0.1:3000:3000\", \"7070:7070/udp\"]"),
        of("container", "volumes: [{type: bind, source: /srv/app, target: \"/a,b\"}]"),
        of("container", "volumes: [{type: tmpfs, target: /dev/shm, tmpfs: {size: 64m}}]"),
        of("container", "tmpfs: [/run, \"/tmp:size=65536k,mode=1777,exec\", /dev/shm]"),
        of("container", "tmpfs: \"/run:rw,noexec,nosuid,nodev,uid=1000,gid=1000,size=50%,nr_inodes=1k,noatime\""),
        of("container", "sysctls: {net.core.somaxconn: \"512\", kernel.shmmax: \"1\", fs.mqueue.msg_max: \"1\"}"),
        of("container", "sysctls: [net.ipv6.conf.all.disable_ipv6=1, kernel.sem=250 32000 100 128]"),
        of("logging", "{driver: syslog, options: {syslog-address: \"tcp://10.0.0.5:514\", tag: /a}}"),
        of("logging", "{driver: fluentd, options: {fluentd-address: \"10.0.0.5:24224\", fluentd-async: \"true\"}}"),
        of(
            "logging",
            "{driver: awslogs, options: {awslogs-group: /ecs/app, awslogs-stream: /app/1, awslogs-region: x}}",
        ),
        of("logging", "{driver: splunk, options: {splunk-url: \"https://splunk.lan:8088\", splunk-token: abc}}"),
        of("container", "cap_add: [CHOWN, net_bind_service]"),
        of("repository", "https://git.example.org/acme/x.git"),
        of("repository", "https://GIT.example.org:443/acme/group/x/"),
        of("repository", "https://a.b.acme.example/x"),
        of("repository", "git@git.example.org:acme/x"),
        of("repository", "ssh://git@git.example.org/acme/x"),
        of("git", "ref: main"),
        of("git", "ref: release/2.x"),
        of("git", "ref: refs/tags/v1"),
        of("git", "commit: 0123456789abcdef0123456789abcdef01234567"),
        of("built", "amarre/app:9fb65dc1a78f"),
        of("built", "amarre/app/worker:9fb65dc1a78f"),
        of("built", "ghcr.io/amarre/shop:1"),
        of("built", "cafe:1"),
        of("route", "http://192.168.1.20:5000"),
        of("route", "https://10.1.2.3:8443"),
        of("manifest", "{kind: Route, name: app, routes: [{domain: app, to: \"http://grafana.lan:3000\"}]}"),
        of("route", "http://203.0.113.10:8080"),
        of("stream", "192.168.1.20:22"),
        of("machine", "192.168.1.21 2222"),
        of("machine", "10.1.2.3 2222"),
        of("machine", "203.0.113.99 2222"),
        of("machine", "2001:db8::7 2222"),
        of("machine", "fd12:3456::7 2222"),
        of("machine", "Box.LAN. 2222"),
        of("machine", "box.example.org 2222"),
        of("nginx", "set $other 1; client_max_body_size 1G; auth_request /auth;"),
        of("manifest", "{name: app, image: \"x:1\", network: {subnet: 172.20.40.0/24}}"),
        of("manifest", "{kind: Record, name: _minecraft._tcp.game, type: SRV, value: 0 5 25565 game.example.org.}"),
        of("manifest", "{kind: Record, name: www.autoconfig.shop, type: A, value: 203.0.113.10}"),
        of("manifest", "{kind: Route, name: app, routes: [{domain: app, to: \"http://nas.fritz.box\"}]}"),
        of("manifest", "{kind: Route, name: app, routes: [{domain: app, to: \"https://www.example.org:8443\"}]}"),
    ];
    for escape in daily {
        for probe in probes(&escape).into_iter() {
            let loaded = loaded(&probe, &site_of(&escape));
            assert_eq!(codes(&loaded, Severity::Error), BTreeSet::new(), "{}: {:?}", escape.text, loaded.diagnostics);
        }
    }
    let defined = "{kind: Network, name: shared}\n---\n{name: app, image: \"x:1\", network: shared}\n";
    let loaded = loaded(&(defined.to_owned(), None), &usual_site());
    assert!(loaded.broken.is_empty(), "{:?}", loaded.diagnostics);
}

#[test]
fn each_right_allows_what_it_names_and_reports_it() {
    let mut site = usual_site();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let policy = &mut site.policy;
    policy.volumes = texts(&["stranger_*"]);
    policy.volume_drivers = texts(&["rclone*", "local *type=overlay*"]);
    policy.networks = texts(&["npm_default"]);
    policy.runtimes = texts(&["nvidia"]);
    policy.log_drivers = texts(&["syslog"]);
    policy.ports = PortRange::parse("53/udp").into_iter().collect();
    policy.targets = BTreeMap::from([("app".to_owned(), texts(&["127.0.0.1:7070"]))]);
    policy.secrets = BTreeMap::from([("app".to_owned(), texts(&["mail/*"]))]);
    policy.names = BTreeMap::from([("app".to_owned(), texts(&["amarre.*", "autoconfig.example.org"]))]);
    let route = |domain: &str| {
        format!("{{kind: Route, name: app, routes: [{{domain: {domain}, to: \"http://192.168.1.20\"}}]}}")
    };
    let of =
        |section: &str, text: &str| Escape { section: section.to_owned(), code: String::new(), text: text.to_owned() };
    for (escape, word) in [
        (of("volume", "{external: true, name: stranger_data}"), "volumes"),
        (of("volume", "{driver: rclone/docker-volume-rclone}"), "volume_drivers"),
        (of("volume", "{driver_opts: {type: overlay, o: \"lowerdir=/a\", device: overlay}}"), "volume_drivers"),
        (of("container", "runtime: nvidia"), "runtimes"),
        (of("container", "ports: [\"53:53/udp\"]"), "ports"),
        (of("container", "logging: {driver: syslog}"), "log_drivers"),
        (of("container", "environment: {A: {secret: mail/password}}"), "secrets"),
        (of("route", "http://127.0.0.1:7070"), "targets"),
        (of("manifest", &route("amarre")), "names"),
        (of("manifest", &route("autoconfig")), "names"),
    ] {
        for probe in probes(&escape) {
            let (files, assets) = files(&probe);
            let (loaded, decisions) = explain(&files, &assets, &site);
            assert!(loaded.broken.is_empty(), "{}: {:?}", escape.text, loaded.diagnostics);
            let allows = |by: &AllowedBy| by.to_string().starts_with(&format!("policy.{word}"));
            let decided = decisions.iter().find(|one| matches!(&one.verdict, Verdict::Allowed(by) if allows(by)));
            let decided = decided.unwrap_or_else(|| panic!("{}: {decisions:?}", escape.text));
            assert!(decided.line > 0 && decided.right.word == word, "{decided:?}");
        }
    }
    let network = ("{name: app, image: \"x:1\", network: npm_default}\n".to_owned(), None);
    assert!(loaded(&network, &site).broken.is_empty());
}

#[test]
fn a_label_is_allowed_by_its_right_or_a_pattern() {
    let record =
        |label: &str| (format!("{{kind: Record, name: {label}.www, type: CNAME, value: x.example.org.}}\n"), None);
    for (item, opened, closed) in [
        ("_3e2c0f", vec!["_3e2c0f"], vec!["_3e2c0", "_dmarc"]),
        ("_*", vec!["_3e2c0f", "_x"], vec!["_dmarc", "_acme-challenge", "_domainkey", "_mta-sts"]),
        ("_dmarc", vec!["_dmarc"], vec!["_x"]),
    ] {
        let mut site = usual_site();
        site.policy.records.insert(item.to_owned());
        for label in opened {
            let loaded = loaded(&record(label), &site);
            assert!(loaded.broken.is_empty(), "{item} {label}: {:?}", loaded.diagnostics);
        }
        for label in closed {
            assert_eq!(codes(&loaded(&record(label), &site), Severity::Error), BTreeSet::from(["A0282"]), "{label}");
        }
    }
}

#[test]
fn a_record_of_a_manifest_opens_no_target() {
    let route = "{kind: Route, name: app, routes: [{domain: app, to: \"http://inside.example.org\"}]}";
    for (record, is_closed) in [
        ("{name: inside, type: A, value: 169.254.169.254}", true),
        ("{name: inside, type: A, value: 127.0.0.1}", true),
        ("{name: inside, type: AAAA, value: \"::1\"}", true),
        ("{name: inside, type: CNAME, value: evil.example.com.}", true),
        ("{name: inside, type: A, value: 192.168.1.20}", false),
        ("{name: inside, type: CNAME, value: nas.example.org.}", false),
        ("{name: other, type: A, value: 169.254.169.254}", false),
    ] {
        let document = format!("{route}\n---\n{{kind: Record, {}\n", record.strip_prefix('{').unwrap());
        let found = codes(&loaded(&(document, None), &usual_site()), Severity::Error);
        let expected = if is_closed { BTreeSet::from(["A0271"]) } else { BTreeSet::new() };
        assert_eq!(found, expected, "{record}");
    }
}

#[test]
fn options_of_a_driver_that_the_configuration_chose_say_nowhere_to_go() {
    let mut site = usual_site();
    site.defaults.log_driver = "syslog".to_owned();
    let of = |option: &str| (format!("name: app\nimage: x:1\nlogging: {{options: {{{option}}}}}\n"), None);
    for option in ["tag: a", "labels: a", "env: a"] {
        assert!(loaded(&of(option), &site).broken.is_empty(), "{option}");
    }
    for option in ["syslog-address: \"unixgram:///run/systemd/journal/syslog\"", "syslog-tls-key: /etc/x"] {
        let found = codes(&loaded(&of(option), &site), Severity::Error);
        assert_eq!(found, BTreeSet::from(["A0267", "A0268"]), "{option}");
    }
    site.policy.log_drivers.push("syslog".to_owned());
    assert!(loaded(&of("syslog-address: \"tcp://192.168.1.5:514\""), &site).broken.is_empty());
}
