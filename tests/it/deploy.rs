//! What `deploy/` promises, without an engine that could pull its base images: the steps of the Dockerfile, a compose
//! file whose settings Amarre takes, a unit that systemd takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::cli::amarre_with;

/// systemd's own scale, from 0 (safe) to 10.
const EXPOSURE_MAX: &str = "20";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Instructions with their arguments; continued lines are one.
fn dockerfile() -> Vec<(String, String)> {
    let text = read("deploy/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once(' ').map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).unwrap())
        .collect()
}

fn arguments(word: &str) -> Vec<String> {
    dockerfile().into_iter().filter(|(known, _)| known == word).map(|(_, rest)| rest).collect()
}

#[test]
fn the_image_is_built_from_existing_files_and_runs_unprivileged() {
    let froms = arguments("FROM");
    assert_eq!(froms.len(), 2, "one stage builds, one runs");
    for from in &froms {
        let image = from.split(' ').next().unwrap();
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{image} is not pinned");
    }
    let cargo: String = read("Cargo.toml");
    let least = cargo.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(froms[0].contains(&format!("rust:{least}-")), "{} builds with another Rust than {least}", froms[0]);
    let ignored = read("deploy/Dockerfile.dockerignore");
    let mut copied = Vec::new();
    for copy in arguments("COPY").into_iter().filter(|copy| !copy.starts_with("--from")) {
        let words: Vec<&str> = copy.split(' ').collect();
        for source in &words[..words.len() - 1] {
            assert!(root().join(source).exists(), "COPY {source}: it is not there");
            assert!(ignored.lines().any(|line| line == format!("!{source}")), "{source} is not in the context");
            copied.push((*source).to_owned());
        }
    }
    // Cargo finds all that it must know of in what is copied.
    let context = tempfile::tempdir().unwrap();
    for source in &copied {
        let to = context.path().join(source);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copy = std::process::Command::new("cp").arg("-r").arg(root().join(source)).arg(&to).status();
        assert!(copy.unwrap().success(), "{source}");
    }
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"]).current_dir(context.path());
    let known = cargo.output().unwrap();
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));
    // Whatever the sources include at build time is copied, too.
    for folder in ["core", "crates", "src", "sim"] {
        for text in files(&root().join(folder)) {
            for included in text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                // Tests are not built there.
                if included.contains("tests/") {
                    continue;
                }
                let path = included.trim_start_matches("../").trim_start_matches("./");
                let is_own = copied.iter().any(|copied| path.starts_with(copied.as_str()));
                assert!(is_own || !root().join(path).exists(), "{included} is not copied");
            }
        }
    }
    let builds: Vec<String> = arguments("RUN").into_iter().filter(|run| run.contains("cargo")).collect();
    assert_eq!(builds, ["cargo build --release --locked --bin amarre"]);
    assert_eq!(arguments("USER"), ["10001:10001"]);
    for word in ["ENTRYPOINT", "CMD"] {
        assert!(arguments(word)[0].starts_with('['), "{word} needs no shell");
    }
    let health = &arguments("HEALTHCHECK")[0];
    assert!(health.contains(r#"CMD ["amarre", "status", "--output", "json"]"#), "{health}");
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn compose() -> Json {
    serde_yaml::from_str(&read("deploy/compose.yaml")).unwrap()
}

fn env_example() -> BTreeMap<String, String> {
    let text = read("deploy/.env.example");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap()).collect()
}

#[test]
fn the_compose_file_configures_amarre() {
    let compose = compose();
    let amarre = &compose["services"]["amarre"];
    assert!(compose["services"]["npm"]["image"].as_str().unwrap().starts_with("jc21/nginx-proxy-manager:2."));
    assert_eq!(compose["services"]["npm"]["container_name"], amarre["environment"]["AMARRE_NPM_MAIN_CONTAINER"]);
    let mounts: Vec<&str> = amarre["volumes"].as_array().unwrap().iter().map(|mount| mount.as_str().unwrap()).collect();
    assert!(mounts.contains(&"/var/run/docker.sock:/var/run/docker.sock") && mounts.contains(&"state:/var/lib/amarre"));
    // The forms of the pages save manifests there.
    assert!(mounts.contains(&"./services:/etc/amarre/services"), "{mounts:?}");
    for own in mounts.iter().filter_map(|mount| mount.strip_prefix("./")?.split(':').next()) {
        assert!(root().join("deploy").join(own).exists(), "deploy/{own} is mounted and not there");
    }
    let secrets = compose["secrets"].as_object().unwrap();
    for secret in amarre["secrets"].as_array().unwrap() {
        assert!(secrets.contains_key(secret.as_str().unwrap()), "{secret} is declared nowhere");
    }
    // The container's environment and its folder, as the entry point meets them.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("services")).unwrap();
    for file in ["amarre.yaml", "services/whoami.yaml"] {
        std::fs::copy(root().join("deploy").join(file), folder.path().join(file)).unwrap();
    }
    let mut env = env_example();
    for (name, value) in amarre["environment"].as_object().unwrap() {
        let value = value.as_str().unwrap().replace("/run/secrets", folder.path().to_str().unwrap());
        if name.ends_with("_FILE") {
            std::fs::write(&value, "secret").unwrap();
        }
        env.insert(name.clone(), value);
    }
    let image = arguments("ENV").join(" ");
    for (name, value) in image.split(' ').filter_map(|pair| pair.split_once('=')) {
        let value = value.replace("/etc/amarre", folder.path().to_str().unwrap());
        env.insert(name.to_owned(), value.replace("/var/lib/amarre", folder.path().to_str().unwrap()));
    }
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let ended = amarre_with(folder.path(), &env, &["validate"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "1 manifest is good.\n"), "{}", ended.err);
}

#[test]
fn systemd_accepts_the_unit_as_hardened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("amarre.service");
    // The program is not installed where the unit has it.
    let text = read("deploy/amarre.service").replace("/usr/local/bin/amarre", env!("CARGO_BIN_EXE_amarre"));
    std::fs::write(&path, text).unwrap();
    let analyze = |args: &[&str]| {
        let output = Command::new("systemd-analyze").args(args).arg(&path).output();
        let output = output.expect("systemd-analyze is there: scripts/test");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    };
    let said = analyze(&["verify"]);
    assert!(!said.contains("amarre.service:"), "{said}");
    analyze(&["security", "--offline=true", &format!("--threshold={EXPOSURE_MAX}")]);
    let text = read("deploy/amarre.service");
    for line in ["Type=notify", "WatchdogSec=10min", "ProtectSystem=strict", "ExecReload=/bin/kill -HUP $MAINPID"] {
        assert!(text.lines().any(|known| known == line), "{line}");
    }
}
