//! amarre.yaml, its places and the environment's names, as commands meet them; and each word of `policy` that
//! manifests are held to.

use std::path::Path;

use amarre::config::Config;
use amarre_core::manifest::{SourceFile, load};
use amarre_core::model::Assets;

use crate::cli::amarre_with;

const CONFIG: &str = "{domain: example.org, network: {pools: [10.77.0.0/16]}}";

fn folder(config: &str, manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    std::fs::write(folder.path().join("amarre.yaml"), config).unwrap();
    std::fs::write(folder.path().join("services/web.yaml"), manifest).unwrap();
    folder
}

/// Copies a folder with all that is in it.
fn copy_example(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_example(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).unwrap();
        }
    }
}

/// The words that follow a key in a text, such as the names of secrets.
fn words_after<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let ends = |letter: char| matches!(letter, '}' | ',' | '\n');
    text.split(key).skip(1).filter_map(|rest| rest.split(ends).next()).map(str::trim).collect()
}

#[test]
fn every_example_is_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(&examples).unwrap() {
        let example = entry.unwrap().path();
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        if example.join("amarre.yaml").exists() {
            copy_example(&example, folder.path());
        } else {
            // The manifests of the demo, without its configuration.
            copy_example(&example, &at("services"));
            std::fs::copy(examples.join("apps/amarre.yaml"), at("amarre.yaml")).unwrap();
        }
        let config = std::fs::read_to_string(at("amarre.yaml")).unwrap();
        let mut secrets: Vec<String> = words_after(&config, "{file:").into_iter().map(str::to_owned).collect();
        for file in std::fs::read_dir(at("services")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(&path).unwrap();
                secrets
                    .extend(words_after(&text, "secret:").into_iter().map(|name| format!("secrets/services/{name}")));
            }
        }
        for secret in secrets {
            std::fs::create_dir_all(at(&secret).parent().unwrap()).unwrap();
            std::fs::write(at(&secret), "secret").unwrap();
        }
        let ended = amarre_with(folder.path(), &[], &["validate", "--strict"]);
        assert_eq!(ended.code, 0, "{}: {ended:?}", example.display());
    }
}

#[test]
fn a_missing_secret_is_said_where_it_is_named() {
    let manifest = "name: web\nimage: web:1\nenvironment: {A: {secret: web/db}, B: x}\n";
    let folder = folder(CONFIG, manifest);
    let ended = amarre_with(folder.path(), &[], &["validate"]);
    for said in [
        "error[A0207]: secret `web/db` is not set",
        "--> services/web.yaml:3:27",
        " 3 | environment: {A: {secret: web/db}, B: x}\n",
        "   |                           ^^^^^^ export AMARRE_SERVICE_SECRET_WEB__DB=",
    ] {
        assert!(ended.out.contains(said), "{said}: {}", ended.out);
    }
}

#[test]
fn a_variable_goes_before_the_file_and_a_wrong_one_stops_the_command() {
    let folder = folder(CONFIG, "name: web\nimage: web:1\n");
    let validate = |env: &[(&str, &str)]| amarre_with(folder.path(), env, &["validate"]);
    assert_eq!(validate(&[]).code, 0);
    let images = validate(&[("AMARRE_POLICY_IMAGES", "ghcr.io/*,registry.example.net/*")]);
    assert_eq!(images.code, 1, "the policy of the environment holds: {images:?}");
    assert!(images.out.contains("web:1"), "{}", images.out);
    assert_eq!(validate(&[("AMARRE_SOURCE_FOLDER", "./nowhere")]).code, 1, "another folder");

    let mistyped = validate(&[("AMARRE_DNS_TLL", "5m")]);
    assert_eq!((mistyped.code, mistyped.out.as_str()), (1, ""));
    let said = "error[A0220]: the environment has AMARRE_DNS_TLL, and there is no such key\n  hint: did you mean AMARRE_DNS_TTL?\n";
    assert!(mistyped.err.starts_with(said), "{}", mistyped.err);
    let unfit = validate(&[("AMARRE_DNS_TTL", "5 parsecs")]);
    assert!(
        unfit.err.contains("error[A0201]: AMARRE_DNS_TTL: dns.ttl: `5 parsecs` is not a duration"),
        "{}",
        unfit.err
    );
    let unfit = validate(&[("AMARRE_SERVER_LISTEN", "hunter2")]);
    assert!(unfit.err.contains("error[A0221]: amarre.yaml with AMARRE_SERVER_LISTEN: "), "{}", unfit.err);
    // What is wrong in the file itself still has its place.
    std::fs::write(folder.path().join("amarre.yaml"), "domain: example.org\nfrob: 1\n").unwrap();
    let broken = validate(&[("AMARRE_DNS_TTL", "5m")]);
    assert!(broken.err.contains("error[A0201]: amarre.yaml:2:1: "), "{}", broken.err);
}

#[test]
fn a_wrong_value_has_its_place() {
    let folder = folder(CONFIG, "name: web\nimage: web:1\n");
    for (config, said) in [
        (
            "domain: example.org\nhosts:\n  default: {address: notip}\n",
            ":3:22: hosts.default.address: `notip` is not an address",
        ),
        (
            "domain: example.org\nhosts:\n  default:\n    address: [192.0.2.1, notip]\n",
            ":4:26: hosts.default.address: `notip` ",
        ),
        ("domains:\n- example.org\n- exa mple\n", ":3:3: domains: `exa mple` is not a domain"),
        (
            "domain: example.org\nnetwork:\n  pools: [10.0.0.0/24]\n  prefix: 8\n",
            ":4:11: network.prefix 8 does not fit",
        ),
        ("domain: example.org\n\nnpm:\n  main:\n    url: http://127.0.0.1:81\n", ":4:3: npm.main needs identity"),
        ("domain: example.org\nreconcile: {interval: soon}\n", ":2:23: reconcile.interval: `soon` is not a duration"),
        ("domain: example.org\nsource: {folder: ./a, git: {url: 'https://example.org/a'}}\n", ":2:1: source has both"),
    ] {
        std::fs::write(folder.path().join("amarre.yaml"), config).unwrap();
        let ended = amarre_with(folder.path(), &[], &["validate"]);
        assert_eq!(ended.code, 1, "{config}: {ended:?}");
        assert!(ended.err.starts_with(&format!("error[A0201]: amarre.yaml{said}")), "{config}: {}", ended.err);
    }
}

#[test]
fn a_secret_may_come_from_a_file_that_a_variable_names() {
    let folder =
        folder("{domain: example.org, npm: {main: {url: 'http://127.0.0.1:81', identity: a@example.org}}}", "# none\n");
    std::fs::write(folder.path().join("password"), "canary-77\n").unwrap();
    let validate = |env: &[(&str, &str)]| amarre_with(folder.path(), env, &["validate"]);
    let without = validate(&[]);
    assert!(without.err.contains("npm.main needs secret as well"), "{}", without.err);
    let good = validate(&[("AMARRE_NPM_MAIN_SECRET_FILE", "password")]);
    assert_eq!(good.code, 0, "{good:?}");
    assert_eq!(validate(&[("AMARRE_NPM_MAIN_SECRET", "canary-77")]).code, 0);
    let lost = validate(&[("AMARRE_NPM_MAIN_SECRET_FILE", "nowhere")]);
    assert!(lost.err.contains("error[A0207]: could not read the secret in "), "{}", lost.err);
}

#[test]
fn the_configuration_is_found_in_its_places() {
    let folder = folder(CONFIG, "name: web\nimage: web:1\n");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(folder.path().join("home/.config/amarre")).unwrap();
    let found = |env: &[(&str, &str)], args: &[&str]| amarre_with(elsewhere.path(), env, args).code;
    let nothing = [("HOME", "/nonexistent"), ("XDG_CONFIG_HOME", "")];
    let ended = amarre_with(elsewhere.path(), &nothing, &["validate"]);
    assert!(
        ended.err.contains("no configuration in amarre.yaml, /nonexistent/.config/amarre/amarre.yaml, /etc/amarre/")
    );
    assert_eq!(found(&nothing, &["--config", &path("amarre.yaml"), "validate"]), 0);
    assert_eq!(found(&[("AMARRE_CONFIG", &path("amarre.yaml")), ("HOME", "/nonexistent")], &["validate"]), 0);
    let config = format!("{{domain: example.org, source: {{folder: {}}}}}", path("services"));
    std::fs::write(folder.path().join("home/.config/amarre/amarre.yaml"), config).unwrap();
    assert_eq!(found(&[("HOME", &path("home")), ("XDG_CONFIG_HOME", "")], &["validate"]), 0);
    assert_eq!(found(&[("HOME", "/nonexistent"), ("XDG_CONFIG_HOME", &path("home/.config"))], &["validate"]), 0);
}

/// The diagnostics of a manifest under a policy: codes and messages.
#[track_caller]
fn error_text(policy: &str, manifest: &str) -> Vec<String> {
    let text = format!("{{domain: example.org, policy: {policy}}}");
    let config = Config::parse(&text, Path::new("/nonexistent/amarre.yaml")).unwrap();
    let file = SourceFile { path: "services/x.yaml".to_owned(), text: manifest.to_owned() };
    let loaded = load(&[file], &Assets::new(), &config.site);
    loaded.diagnostics.iter().map(|known| format!("{} {}", known.code, known.message)).collect()
}

#[track_caller]
fn forbids(policy: &str, manifest: &str, what: &str) {
    let told = error_text(policy, manifest);
    assert!(told.iter().any(|told| told.contains(" policy forbids ") && told.contains(what)), "{policy}: {told:?}");
}

/// Nothing in a manifest is closed, whatever else it lacks.
#[track_caller]
fn opens(policy: &str, manifest: &str) {
    let told = error_text(policy, manifest);
    assert!(!told.iter().any(|told| told.contains(" policy forbids ")), "{policy}: {told:?}");
}

#[track_caller]
fn allows(policy: &str, manifest: &str) {
    assert_eq!(error_text(policy, manifest), [""; 0], "{policy}");
}

#[test]
fn host_paths_bounds_binds() {
    let bind = |path: &str| format!("name: xx\nimage: web:1\nvolumes: ['{path}:/data']\n");
    forbids("{}", &bind("/etc"), "/etc");
    forbids("{}", &bind("/srvx"), "/srvx");
    forbids("{}", &bind("/srv/../etc"), "/etc");
    allows("{}", &bind("/srv/xx"));
    allows("{}", &bind("/srv/xx/data"));
    forbids("{}", &bind("/srv/x"), "/srv/x");
    allows("{host_paths: ['<data>/<service>/own', /mnt/<service>]}", &bind("/mnt/xx/a"));
    forbids("{host_paths: ['<data>/<service>/own']}", &bind("/srv/xx/b"), "/srv/xx/b");
    allows("{host_paths: [/srv]}", &bind("/srv/x"));
    allows("{host_paths: [/srv, /etc/ssl]}", &bind("/etc/ssl/certs"));
    forbids("{host_paths: [/data]}", &bind("/srv/x"), "/srv/x");
    forbids("{host_paths: []}", &bind("/srv/x"), "/srv/x");
}

/// Each word that is written beside it holds as it is written; `names` and `targets` open more.
#[test]
fn authors_decides_what_holds_for_words_that_are_not_written() {
    let with = |keys: &str| format!("name: xx\nimage: web:1\n{keys}\n");
    let all = [
        (with("volumes: ['/etc:/data']"), "host_paths: [/mnt]"),
        (with("volumes: ['/var/run/docker.sock:/x']"), "docker_socket: false"),
        (with("privileged: true"), "privileged: false"),
        (with("network_mode: host"), "host_network: false"),
        (with("pid: host"), "host_namespaces: false"),
        (with("devices: [/dev/kvm]"), "devices: []"),
        (with("cap_add: [NET_ADMIN]"), "capabilities: default"),
        (with("network: proxy"), "networks: [npm]"),
        (with("network: {subnet: 192.168.77.0/24}"), "subnets: []"),
        (with("runtime: nvidia"), "runtimes: []"),
        (with("logging: {driver: syslog}"), "log_drivers: [local]"),
        (with("environment: {A: {secret: mail/x}}"), "secrets: {shop: ['mail/*']}"),
        ("{kind: Record, name: '@', type: TXT, value: x}".to_owned(), "records: [A]"),
        ("{kind: Record, name: _dmarc, type: MX, value: 10 a.example.net.}".to_owned(), "records: [TXT]"),
    ];
    for (manifest, written) in &all {
        allows("{authors: operators}", manifest);
        forbids("{}", manifest, "");
        forbids("{authors: others}", manifest, "");
        forbids(&format!("{{authors: operators, {written}}}"), manifest, "");
    }
    forbids("{authors: operators, images: ['ghcr.io/*']}", "{name: xx, image: 'quay.io/a/b:1'}", "quay.io");
    forbids("{authors: operators}", "{kind: Record, name: a, type: NS, value: ns.example.net.}", "NS");
    let route = |to: &str| format!("{{kind: Route, name: xx, routes: [{{domain: a, to: '{to}'}}]}}");
    opens("{authors: operators}", &route("http://127.0.0.1:8123"));
    forbids("{authors: operators}", &route("http://127.0.0.1:81"), "127.0.0.1:81");
    let targets = "{authors: operators, targets: {xx: ['127.0.0.1:81']}}";
    opens(targets, &route("http://127.0.0.1:81"));
    opens(targets, &route("http://127.0.0.1:8123"));
    let wrong = Config::parse("{domain: example.org, policy: {authors: me}}", Path::new("/x/amarre.yaml"));
    assert!(format!("{:?}", wrong.unwrap_err()).contains("operators"), "it names what it can be");
}

#[test]
fn images_bounds_where_they_come_from() {
    let image = |image: &str| format!("name: xx\nimage: {image}\n");
    allows("{}", &image("anywhere.example.net/a:1"));
    let policy = "{images: ['ghcr.io/ours/*', 'nginx:*']}";
    allows(policy, &image("ghcr.io/ours/app:1"));
    allows(policy, &image("nginx:1.27"));
    forbids(policy, &image("ghcr.io/theirs/app:1"), "ghcr.io/theirs/app:1");
    forbids(policy, &image("evil.example.net/ghcr.io/ours/app:1"), "evil.example.net");
}

#[test]
fn ports_opens_ports_of_the_host_below_1024() {
    let dns = "name: dns\nimage: nginx:1\nports: [\"53:53/udp\"]\n";
    forbids("{}", dns, "port 53/udp");
    forbids("{ports: [\"53/tcp\", 54]}", dns, "port 53/udp");
    for list in ["[53]", "[\"53/udp\"]", "[\"50-60\"]"] {
        allows(&format!("{{ports: {list}}}"), dns);
    }
    let own = "name: own\nimage: nginx:1\nports: [\"[::1]:7070:80\"]\n";
    let told = error_text("{ports: [\"1-65535\"]}", own);
    assert!(told.iter().any(|told| told.starts_with("A0279 ") && told.contains("`server.listen`")), "{told:?}");
}

#[test]
fn records_bounds_types_and_the_apex() {
    let record = |rest: &str| format!("{{kind: Record, {rest}}}");
    allows("{}", &record("name: a, type: TXT, value: x"));
    forbids("{}", &record("name: a, type: NS, value: ns.example.net."), "NS");
    allows("{records: [NS]}", &record("name: a, type: NS, value: ns.example.net."));
    forbids("{records: [A]}", &record("name: a, type: TXT, value: x"), "TXT");
    forbids("{}", &record("name: a, type: MX, value: 10 mx.example.net."), "MX");
    allows("{records: [MX]}", &record("name: '@', type: MX, value: 10 mx.example.net."));
    // At the domain itself TXT needs an explicit right; elsewhere it does not.
    let spf = record("name: '@', type: TXT, value: v=spf1 -all");
    forbids("{}", &spf, "TXT at example.org itself");
    forbids("{records: [MX]}", &spf, "TXT");
    allows("{records: [TXT]}", &spf);
}

/// What has a meaning for a whole domain is written by hand only where a word allows it.
#[test]
fn records_names_what_means_something_for_a_whole_domain() {
    let record = |rest: &str| format!("{{kind: Record, {rest}}}");
    for (rest, word) in [
        ("name: _acme-challenge, type: TXT, value: x", "_acme-challenge"),
        ("name: _acme-challenge.shop, type: CNAME, value: a.example.net.", "_acme-challenge"),
        ("name: _Acme-Challenge.other.net., type: TXT, value: x", "_acme-challenge"),
        ("name: _dmarc, type: TXT, value: v=DMARC1", "_dmarc"),
        ("name: x._domainkey, type: TXT, value: v=DKIM1", "_domainkey"),
        ("name: _domainkey, type: CNAME, value: a.example.net.", "_domainkey"),
        ("name: _mta-sts, type: TXT, value: v=STSv1", "_mta-sts"),
        ("name: '@', type: CAA, value: 0 issue letsencrypt.org", "CAA"),
        ("name: shop, type: CAA, value: 0 issue letsencrypt.org", "CAA"),
        ("name: '@', type: A, value: 203.0.113.9", "apex"),
        ("name: '@', type: AAAA, value: '2001:db8::9'", "apex"),
        ("name: other.net., type: A, value: 203.0.113.9", "apex"),
        ("name: other.net., type: TXT, value: x", "apex"),
        ("name: '*', type: A, value: 203.0.113.9", "wildcard"),
        ("name: '*.lab', type: AAAA, value: '2001:db8::9'", "wildcard"),
        ("name: '*', type: CNAME, value: a.example.net.", "wildcard"),
        ("name: '*', type: TXT, value: x", "wildcard"),
    ] {
        forbids("{}", &record(rest), "");
        let list = format!("{{name: xx, image: 'web:1', dns: [{{{rest}}}]}}");
        forbids("{}", &list, "");
        allows(&format!("{{records: [{word}, TXT, CNAME, A, AAAA]}}"), &record(rest));
    }
    // Words alone leave the types as they are: TXT at the domain itself still needs a list of types.
    allows("{records: [_dmarc]}", &record("name: _dmarc, type: TXT, value: v=DMARC1"));
    allows("{records: [_dmarc]}", &record("name: a, type: SRV, value: 10 5 5060 sip"));
    forbids("{records: [_dmarc]}", &record("name: '@', type: TXT, value: v=spf1 -all"), "TXT at example.org itself");
    forbids("{records: []}", &record("name: a, type: TXT, value: x"), "TXT");
    // A route to the host's own address needs no word, wherever it stands.
    for domain in ["@", "*.lab"] {
        let told =
            error_text("{}", &format!("{{name: xx, image: 'web:1', routes: [{{domain: '{domain}', to: 'xx:80'}}]}}"));
        assert!(!told.iter().any(|told| told.contains("policy forbids")), "{told:?}");
    }
}

/// No word allows a manifest to say what is ours.
#[test]
fn no_manifest_writes_marks() {
    let all = "{records: [A, AAAA, CNAME, TXT, CAA, SRV, MX, NS, apex, wildcard, _acme-challenge]}";
    let names = [
        "_amarre",
        "_AMARRE.mail",
        "_amarre.mail",
        "_amarre._wildcard",
        "_amarre.other.net.",
        "a._amarre.b",
        "_amarrex",
        "\u{ff3f}amarre.mail",
    ];
    let mut asked: Vec<String> = names.map(|name| format!("name: \"{name}\", type: TXT, value: x")).into();
    for (record_type, value) in [("CNAME", "a.example.net."), ("NS", "ns.example.net."), ("MX", "10 mx.example.net.")] {
        asked.push(format!("name: _amarre.mail, type: {record_type}, value: {value}"));
    }
    for value in [
        "heritage=amarre,instance=home,service=xx,type=MX",
        " Heritage=external-dns",
        "\"heri\" \"tage=amarre\"",
        "heri\" \"tage=amarre",
        "\\104eritage=amarre",
        "${what:-heritage}=amarre",
    ] {
        asked.push(format!("name: mail, type: TXT, value: '{value}'"));
        asked.push(format!("name: mail, type: TXT, values: [fine, '{value}']"));
    }
    for rest in asked {
        let record = format!("{{kind: Record, {rest}}}");
        let list = format!("{{name: xx, image: 'web:1', dns: [{{{rest}}}]}}");
        for manifest in [record, list] {
            let told = error_text(all, &manifest);
            let is_refused = told.iter().any(|told| told.contains("A0280") || told.contains("A0281"));
            assert!(is_refused, "{manifest}: {told:?}");
        }
    }
    for domain in ["_amarre.mail", "_amarre"] {
        let told =
            error_text(all, &format!("{{name: xx, image: 'web:1', routes: [{{domain: {domain}, to: 'xx:80'}}]}}"));
        assert!(told.iter().any(|told| told.contains("A0107")), "the name of a host has no `_`: {told:?}");
    }
}

/// `…_CLOUD_FILE` is the secret `cloud-file` as well as the name of a file with the secret `cloud`.
#[test]
fn a_variable_with_a_secret_is_never_taken_for_the_name_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("amarre.yaml", "domain: example.org\n");
    write("services/cloud.yaml", "name: cloud\nimage: x:1\nenvironment: {A: {secret: cloud}, B: {secret: cloud/db}}\n");
    let others = "name: cloud-file\nimage: x:1\nenvironment: {A: {secret: cloud-file}}\n";
    write("services/cloud-file.yaml", others);
    let validate = |env: &[(&str, &str)]| {
        let ended = amarre_with(folder.path(), env, &["validate"]);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(!said.contains("canary"), "{said}");
        said
    };
    let (cloud, db) = ("AMARRE_SERVICE_SECRET_CLOUD_FILE", "AMARRE_SERVICE_SECRET_CLOUD__DB_FILE");
    for value in ["canary-4711", "/canary/4711"] {
        let said = validate(&[(cloud, value), (db, value)]);
        assert!(
            said.contains("secret `cloud` is not set") && !said.contains("secret `cloud-file` is not set"),
            "{said}"
        );
        assert!(said.contains(&format!("`{cloud}` names no file that is there")), "{said}");
    }
    // What is there is the name of a file, and no secret of the other service.
    write("there", "of a file");
    let there = folder.path().join("there").display().to_string();
    let said = validate(&[(cloud, &there), (db, &there)]);
    assert!(!said.contains("secret `cloud` is not set") && said.contains("secret `cloud-file` is not set"), "{said}");
    // Nor is a file of the configuration's repeated that is none.
    let npm = [("AMARRE_NPM_MAIN_URL", "http://127.0.0.1:1"), ("AMARRE_NPM_MAIN_IDENTITY", "a@example.org")];
    let said = validate(&[npm[0], npm[1], ("AMARRE_NPM_MAIN_SECRET_FILE", "canary-4711")]);
    assert!(said.contains("the file that `AMARRE_NPM_MAIN_SECRET_FILE` names"), "{said}");
}
