//! `kind: App`: a service whose image is built from a git repository. Everything that is not said here is a service's.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::{ManifestKindRow, pool, service};
use crate::apps::{Checkout, Detection, Dockerfile, SecretForm, Wish};
use crate::manifest::compose::build::{BuildKeys, ImageParts, TIMEOUT, image_name};
use crate::manifest::compose::{build, container};
use crate::manifest::policy::images;
use crate::manifest::reader::{Reader, nothing_else};
use crate::manifest::schema_keys::{object, text, words};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::yaml::tree::{Entry, Node, NodeData};
use crate::model::app::{App, AppSource, Build};
use crate::model::service::{Container, EnvValue, ManifestKind, Mount, MountSource, Service};
use crate::model::{Bundle, Code, GitUrl, SecretName, Text};
use crate::{apps, text};

/// The row of the kind.
pub(super) const ROW: ManifestKindRow = ManifestKindRow { kind: ManifestKind::APP, parse, schema };

/// Where it listens as long as nothing is known of it.
const USUAL_PORT: u16 = 8080;
/// The job that runs a new image before it serves.
const RELEASE: &str = "release";
/// Keys of the app alone, or that are read before the service's.
const OWN: [&str; 9] = ["kind", "name", "host", "reconcile", "git", "framework", "build", "release", "on"];
/// What a job before an update has of the container beside which it runs.
const FOR_RELEASE: [&str; 8] =
    ["environment", "env_file", "volumes", "user", "extra_hosts", "secrets", "configs", "working_dir"];

/// What `release` says.
enum Release {
    /// As the framework has it.
    Usual,
    /// Nothing is run.
    None,
    Command(PlacedText),
}

/// Keys of a service that an app has no use for: its one container is what is built.
fn not_here() -> [(&'static str, Text); 3] {
    [
        ("image", text!("leave it out: the image is built from `git`")),
        ("containers", text!("write what else is needed as a Service of its own, and name it in `needs`")),
        ("compose", text!("write a Service with `compose`; an App has one container, which is built")),
    ]
}

fn parse(mut reader: Reader<'_>, service: Service) -> Option<Service> {
    let scope = reader.scope;
    let spot = reader.key_spot("git");
    let source = git(&mut reader);
    let framework = framework(&mut reader);
    let build = build(&mut reader);
    let release = release(&mut reader);
    where_it_runs(&mut reader);
    for (key, hint) in not_here().into_iter().filter(|(key, _)| reader.has(key)) {
        let message = text!("`{key}` does not belong in an App", key);
        scope.error_hint(Code::A0106, reader.key_spot(key), message, hint);
    }
    let source = source?;
    build::allowed(scope, &source.url.to_string(), spot, "https://github.com/acme/*");
    // From elsewhere nothing is fetched; the rest of the manifest is read all the same.
    let checkout = if scope.is_broken() { None } else { checkout(scope, &source) };
    if !scope.is_broken() {
        scope.claims.borrow_mut().app = Some(source.clone());
    }
    let port = said_port(&reader);
    let wish = Wish {
        path: &source.path,
        framework: framework.as_ref().map(|text| text.text.as_str()).filter(|name| *name != "auto"),
        dockerfile: build.dockerfile.as_ref().map(|text| text.text.as_str()),
        port,
        has_command: reader.has("command"),
        has_release: !matches!(release, Release::Usual),
        args: Some(&build.args),
    };
    let (found, made) = match checkout {
        Some(checkout) => {
            if let Some(path) = apps::own_dockerfile(&checkout.repository(), &wish) {
                let names = apps::framework_names().into_iter().filter(|name| *name != "dockerfile");
                let names = names.collect::<Vec<_>>().join(", ");
                let way = text!(
                    "write down a `framework:` and no `build.dockerfile`, so that Amarre writes one: {names}",
                    names
                );
                build::dockerfile_allowed(scope, &source.url.to_string(), Some(&path), spot, way).then_some(())?;
            }
            let found = detect(scope, &checkout, &wish, framework.as_ref().map_or(spot, |text| text.spot))?;
            let made = made(scope, &checkout, &found, build, spot)?;
            database_is_set(scope, &reader, &found, spot).then_some(())?;
            (found, Some(Box::new(made)))
        }
        // Everything else that is said is read all the same.
        None => (apps::DetectedApp { port: port.unwrap_or(USUAL_PORT), ..apps::DetectedApp::default() }, None),
    };
    let image = made.as_ref().map_or_else(|| format!("amarre/{}:unbuilt", scope.name), |made| made.image.clone());
    *scope.built.borrow_mut() = Some(image.clone());
    let node = node(&reader, &image, &found, &release, spot);
    let mut service = service::parse(Reader::open(scope, &node, text!("an App"), "")?, service)?;
    complete(&mut service, &found, !reader.has("volumes"));
    service.app = Some(App { source, build: made });
    Some(service)
}

/// Where the manifest says that the app listens: by `port`, or by the first route that leads to the app.
fn said_port(reader: &Reader<'_>) -> Option<u16> {
    let own = || {
        let routes = reader.value("routes").map(Node::items).unwrap_or_default();
        routes.iter().flat_map(|route| route.entries()).filter(|entry| entry.key == "to").find_map(|to| {
            let (name, port) = to.value.scalar()?.rsplit_once(':')?;
            (name == reader.scope.name).then_some(port)
        })
    };
    let port = reader.value("port").and_then(Node::scalar).or_else(own)?;
    port.parse().ok()
}

/// What the app is made with; what a person has to say first is an error at the key that says it.
fn detect(scope: &Scope<'_>, checkout: &Checkout, wish: &Wish<'_>, spot: Spot) -> Option<apps::DetectedApp> {
    match apps::detect(&checkout.repository(), wish) {
        Detection::Found(found) => Some(*found),
        Detection::Asked(questions) => {
            for question in questions {
                let choices = question.choices.iter().map(Text::from);
                let choices = choices.reduce(|first, second| text!("{first}, or {second}", first, second));
                let hint = match choices {
                    None => text!("mend it in the repository"),
                    Some(choices) => text!("write one of these: {choices}", choices),
                };
                scope.error_hint(question.code, spot, question.text, hint);
            }
            None
        }
    }
}

/// `git: {url: …, ref: main, path: apps/web, token: {secret: …}}`
fn git(reader: &mut Reader<'_>) -> Option<AppSource> {
    let scope = reader.scope;
    let Some(node) = reader.node("git") else {
        if !reader.has("git") {
            let example = "`git: {url: https://github.com/acme/shop}`";
            reader.missing("git", text!("where the app is, as in {example}", example));
        }
        return None;
    };
    let mut inner = Reader::open(scope, node, "`git`", "git.")?;
    let url = inner.required("url", text!("as in {example}", example = "`url: https://github.com/acme/shop`"));
    let reference = inner.text("ref");
    let commit = inner.text("commit");
    let path = inner.text("path");
    let token = inner.node("token").and_then(|node| container::secret(scope, node, "`git.token`"));
    let host_key = inner.text("host_key").and_then(|text| pool::host_key(scope, &text));
    inner.finish(&nothing_else);
    let url = url.and_then(|text| match GitUrl::parse_strictly(&text.text) {
        Ok(url) => Some(url),
        Err((what, _)) => {
            // The URL may have a password in it: it is not repeated.
            let hint = text!(
                "as in `https://github.com/acme/shop`, for a private one with {token} beside it",
                token = "`token: {secret: NAME}`",
            );
            let message = text!("{thing}: {why}", thing = "`git.url`", why = what);
            scope.error_hint(Code::A0106, text.spot, message, hint);
            None
        }
    })?;
    if token.is_some() && url.is_open() {
        let hint = text!("use https://, else everybody on the way reads the token");
        scope.error_hint(Code::A0106, node.spot, text!("a token would be sent over http://"), hint);
    }
    if host_key.is_some() && matches!(url, GitUrl::Http(_)) {
        let hint = text!("take `git.host_key` out: over HTTPS a certificate says who the server is");
        scope.error_hint(Code::A0106, node.spot, text!("a host key is for ssh"), hint);
    }
    let reference = reference.map_or(Some("main".to_owned()), |text| branch_or_tag(scope, text))?;
    let commit = match commit {
        None => None,
        Some(text) if is_commit_id(&text.text) => Some(text.text.to_ascii_lowercase()),
        Some(text) => {
            scope.not_allowed(&text, "`git.commit`", text!("the id of a commit, with all its 40 digits"));
            return None;
        }
    };
    let path = path.map_or(Some(String::new()), |text| {
        let trimmed = text.text.trim_start_matches("./").trim_matches('/');
        let is_plain = !text.text.contains(char::is_control);
        let is_inside = is_plain && !text.text.starts_with('/') && trimmed.split('/').all(|part| part != "..");
        if is_inside {
            return Some(if trimmed == "." { String::new() } else { trimmed.to_owned() });
        }
        scope.not_allowed(&text, "`git.path`", text!("a folder of the repository, as in `apps/web`"));
        None
    })?;
    Some(AppSource { url, app: scope.name.clone(), reference, commit, path, token, host_key })
}

fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Only those who may push to a repository make its branches and tags. Everything else that a server has may be strangers': what they
/// propose, and any commit of a fork.
fn branch_or_tag(scope: &Scope<'_>, text: PlacedText) -> Option<String> {
    let name = text.text.as_str();
    let is_odd = |char: char| char.is_control() || " ~^:?*[\\".contains(char);
    let is_name = !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['-', '/'])
        && !name.ends_with('/')
        && !["..", "//", "@{"].iter().any(|odd| name.contains(odd))
        && !name.contains(is_odd);
    // `FETCH_HEAD`, `ORIG_HEAD` and others are what git calls so itself.
    let is_gits = name == "@" || name.ends_with("HEAD") && !name.contains('/');
    let is_below = |folder: &str| name.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
    let is_other = name.starts_with("refs/") && !is_below("refs/heads/") && !is_below("refs/tags/");
    let hint = if is_commit_id(name) {
        text!(
            "write the branch or tag that has it, and the commit beside it: {example}",
            example = format!("`ref: main, commit: {name}`")
        )
    } else if is_name && !is_gits && !is_other {
        return Some(text.text);
    } else {
        text!(
            "write a branch or a tag, as in `main`, `v1.2` or `refs/tags/v1.2`; anybody may have made what lies elsewhere"
        )
    };
    let message = text!("`git.ref` is neither a branch nor a tag: {name}", name = shown(name));
    scope.error_hint(apps::NOT_OF_A_BRANCH, text.spot, message, hint);
    None
}

fn framework(reader: &mut Reader<'_>) -> Option<PlacedText> {
    let text = reader.text("framework")?;
    let names = apps::framework_names();
    if text.text == "auto" || names.contains(&text.text.as_str()) {
        return Some(text);
    }
    reader.scope.not_allowed(&text, "`framework`", text!("`auto`, or one of {names}", names = names.join(", ")));
    None
}

fn build(reader: &mut Reader<'_>) -> BuildKeys {
    let scope = reader.scope;
    let Some(node) = reader.node("build") else { return BuildKeys::default() };
    let Some(mut inner) = Reader::open(scope, node, "`build`", "build.") else { return BuildKeys::default() };
    let keys = BuildKeys::read(&mut inner);
    inner.finish(&build::unsupported);
    keys
}

fn release(reader: &mut Reader<'_>) -> Release {
    match reader.text("release") {
        None => Release::Usual,
        Some(text) if text.text == "auto" => Release::Usual,
        Some(text) if text.text == "none" => Release::None,
        Some(text) => Release::Command(text),
    }
}

/// `on: docker`; machines of other sorts come later.
fn where_it_runs(reader: &mut Reader<'_>) {
    if let Some(text) = reader.text("on").filter(|text| text.text != "docker") {
        reader.scope.not_allowed(&text, "`on`", text!("`docker`; vm and lxc are not yet supported"));
    }
}

/// What was fetched of the repository; from now on it belongs to the manifest.
fn checkout(scope: &Scope<'_>, source: &AppSource) -> Option<Checkout> {
    let path = source.asset();
    let asset = scope.source.file(&path)?;
    let checkout = Checkout::read(asset.content()?)?;
    scope.uses.borrow_mut().insert(path, asset);
    Some(checkout)
}

/// The build, called by a digest of what goes in.
fn made(
    scope: &Scope<'_>,
    checkout: &Checkout,
    found: &apps::DetectedApp,
    keys: BuildKeys,
    spot: Spot,
) -> Option<Build> {
    if let Some(left) = checkout.left_out.iter().find(|path| is_below(path, &found.context)) {
        let path = shown(left);
        let message = text!("{path} is not in the repository itself: a submodule, or a file of Git LFS", path);
        let hint = text!("put its files into the repository, or leave it out of the folder that is built");
        scope.error_hint(apps::NOT_BUILDABLE, spot, message, hint);
        return None;
    }
    let (dockerfile_path, text, bases) = match &found.dockerfile {
        Dockerfile::Own(path, text) => (Some(path.clone()), text.as_str(), build::bases_of(scope, text, &keys)),
        Dockerfile::Made(text) => {
            let bases = apps::bases(text, &keys.args);
            bases.iter().for_each(|image| images::judge(scope, &PlacedText { text: image.clone(), spot }));
            (None, text.as_str(), bases)
        }
    };
    let tree = checkout.trees.get(&found.context)?;
    let (path, moved) = (dockerfile_path.as_deref(), build::moved(scope, &bases));
    let image =
        image_name(&scope.name, &ImageParts { files: tree, dockerfile: text, path, keys: &keys, moved: &moved });
    let reasons = found.reasons.iter().map(|one| (one.part.word(), one.value.clone(), one.because.clone())).collect();
    Some(Build {
        image,
        context: found.context.clone(),
        files: None,
        dockerfile: Bundle::of_file(text.as_bytes().into(), false),
        dockerfile_path,
        bases,
        moved,
        target: keys.target,
        args: keys.args,
        timeout: keys.timeout.unwrap_or(TIMEOUT),
        commit: checkout.commit.clone(),
        framework: found.title.clone(),
        reasons,
        notes: found.notes.clone(),
    })
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A database's address that is read and that nothing sets is asked for.
fn database_is_set(scope: &Scope<'_>, reader: &Reader<'_>, found: &apps::DetectedApp, spot: Spot) -> bool {
    let files = reader.has("env_file");
    let environment = reader.value("environment");
    let is_set = |name: &str| match environment.map(|node| &node.data) {
        Some(NodeData::Map(entries)) => entries.iter().any(|entry| entry.key == name),
        Some(NodeData::List(items)) => {
            let begins = |text: &str| text.split('=').next() == Some(name);
            items.iter().any(|item| item.scalar().is_some_and(begins))
        }
        Some(NodeData::Scalar(_)) | None => false,
    };
    let Some((name, file)) = found.database.iter().find(|(name, _)| !files && !is_set(name)) else { return true };
    let message = text!("{file} reads {name}, and nothing sets it", file, name);
    let example = format!("`environment: {{{name}: {{secret: {}/database}}}}`", scope.name);
    let hint = text!(
        "write {example}, with the address of a database that is there, or of a service beside it: `amarre new` has templates",
        example,
    );
    scope.error_hint(apps::DATABASE_UNSET, spot, message, hint);
    false
}

/// The manifest of a service: what is said, with the image and what follows from the framework.
fn node(reader: &Reader<'_>, image: &str, found: &apps::DetectedApp, release: &Release, spot: Spot) -> Rc<Node> {
    // A dollar sign is what it is: it names no variable of the manifest.
    let text = |text: &str| Node::made_text(spot, text.replace('$', "$$"));
    let entry = |key: &str, value: Rc<Node>| Entry { key: key.to_owned(), key_spot: spot, value };
    let is_as_it_is = |one: &&Entry| !OWN.contains(&one.key.as_str()) && one.key != "jobs";
    let mut entries: Vec<Entry> = reader.all().iter().filter(is_as_it_is).cloned().collect();
    let jobs = reader.all().iter().find(|one| one.key == "jobs");
    entries.push(entry("image", text(image)));
    if !["port", "routes"].iter().any(|key| reader.has(key)) {
        entries.push(entry("port", Node::made_plain(spot, found.port.to_string())));
    }
    let command = match release {
        Release::None => None,
        Release::Usual => found.release.clone(),
        Release::Command(text) => Some(vec!["sh".to_owned(), "-c".to_owned(), text.text.clone()]),
    };
    let mut all: Vec<Entry> = jobs.iter().flat_map(|jobs| jobs.value.entries().to_vec()).collect();
    if let Some(command) = command.filter(|_| !all.iter().any(|job| job.key == RELEASE)) {
        let words = command.iter().map(|word| text(word)).collect();
        let mut keys = vec![entry("image", text(image)), entry("command", Node::made(spot, NodeData::List(words)))];
        keys.extend(entries.iter().filter(|one| FOR_RELEASE.contains(&one.key.as_str())).cloned());
        all.push(entry(RELEASE, Node::made(spot, NodeData::Map(keys))));
    }
    if jobs.is_some() || !all.is_empty() {
        entries.push(entry("jobs", Node::made(spot, NodeData::Map(all))));
    }
    Node::made(spot, NodeData::Map(entries))
}

/// Variables, secrets and volumes that follow from the framework, where the manifest says nothing else.
fn complete(service: &mut Service, found: &apps::DetectedApp, has_volumes: bool) {
    let name = service.name.clone();
    let add = |container: &mut Container| {
        for (variable, value) in &found.environment {
            container.environment.entry(variable.clone()).or_insert_with(|| EnvValue::Plain(value.clone()));
        }
        for (variable, form) in &found.secrets {
            let secret = made_secret(&name, variable, *form);
            container.environment.entry(variable.clone()).or_insert(EnvValue::Secret(secret));
        }
        for (volume, target) in found.volumes.iter().filter(|_| has_volumes) {
            if !container.mounts.iter().any(|mount| mount.target == *target) {
                let source = MountSource::Volume(volume.clone());
                let (read_only, options, creates_folder) = (false, BTreeMap::new(), false);
                container.mounts.push(Mount {
                    source,
                    target: target.clone(),
                    read_only,
                    options,
                    writes_copy: false,
                    creates_folder,
                });
            }
        }
    };
    service.containers.values_mut().for_each(|container| add(container));
    if let Some(job) = service.jobs.get_mut(RELEASE) {
        add(&mut job.container);
    }
}

/// The name of a secret that Amarre makes for an app; no manifest can name it.
pub fn made_secret(app: &str, variable: &str, form: SecretForm) -> SecretName {
    SecretName(format!("app {app} {variable} {}", form.word()))
}

fn schema() -> Json {
    let names: Vec<&str> = std::iter::once("auto").chain(apps::framework_names()).collect();
    let git = object(
        &["url"],
        vec![
            ("url", text(), "The repository, as `git clone` takes it"),
            ("ref", text(), "A branch or a tag; main if not set"),
            ("commit", text(), "The id of a commit that the branch or tag has; its newest if not set"),
            ("path", text(), "The folder of the app in it"),
            (
                "token",
                object(&["secret"], vec![("secret", text(), "Which secret holds it")]),
                "For a private repository over HTTPS",
            ),
            ("host_key", text(), "Over ssh: the host key that the server has, as `ssh-ed25519 AAAA…`"),
        ],
    );
    let dockerfile = ("dockerfile", text(), "A Dockerfile of the repository, in place of one by the framework");
    let build = object(&[], std::iter::once(dockerfile).chain(build::keys()).collect());
    let (mut keys, others) = (service::keys(), not_here());
    keys.retain(|(key, ..)| !others.iter().any(|(other, _)| key == other));
    keys.extend([
        ("git", git, "Where the app is"),
        ("framework", words(&names), "What it is made with; auto finds out"),
        ("build", build, "How its image is built"),
        ("release", text(), "What runs on a new image before it serves: a command, `auto` or `none`"),
        ("on", words(&["docker"]), "Where it runs"),
    ]);
    object(&["name", "git"], keys)
}
