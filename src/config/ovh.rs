//! The login at OVH, and the places of its keys.
//!
//! | place | names |
//! |---|---|
//! | `amarre.yaml` | `ovh.endpoint`, `ovh.application_key`, … |
//! | the environment | `OVH_ENDPOINT`, `OVH_APPLICATION_KEY`, …; each also as `…_FILE` |
//! | `./ovh.conf`, `~/.ovh.conf`, `/etc/ovh.conf` | `endpoint` in `[default]`, `application_key`, … in `[ovh-eu]` |
//!
//! In this order, key by key; the files are those of OVH's own clients and are read only when a key is missing. The
//! first place that holds a key also decides the method: an API token or a service account. A place that holds both is
//! refused as ambiguous.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::build::no_credentials;
use super::file::{OvhFile, SecretSource};
use super::secrets::{Resolver, environment, read_limited};
use crate::secret::{OvhLogin, Secret};
use amarre_core::model::Code;

/// A file larger than this is no `ovh.conf`.
const CONF_BYTES_MAX: u64 = 64 * 1024;
/// Keys of an API token.
const TOKEN: [&str; 3] = ["application_key", "application_secret", "consumer_key"];
/// Keys of a service account.
const SERVICE: [&str; 2] = ["client_id", "client_secret"];
/// Endpoints whose token endpoint for service accounts is known.
const WITH_TOKEN_URL: [&str; 3] = ["ovh-eu", "ovh-ca", "ovh-us"];

/// Keys of one place.
#[derive(Debug, Default)]
struct CredentialPlace {
    /// For people: `amarre.yaml`, `the environment`, `~/.ovh.conf`.
    name: String,
    keys: BTreeMap<&'static str, Secret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginMethod {
    Token,
    Service,
}

/// A section with a login at OVH.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoginSection<'a> {
    /// Its name: `ovh`, `clouds.paris.ovh`.
    pub(super) name: &'a str,
    /// What it says; `None`: it is not there.
    pub(super) file: Option<&'a OvhFile>,
    /// Other names of variables that it takes, each with the usual one.
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// Without any key it is there all the same: as a gap that says which it needs.
    pub(super) may_lack_keys: bool,
}

/// Endpoint and login; `None` = OVH is not configured.
///
/// # Errors
/// Two methods in one place, an incomplete one, a missing secret, or an unreadable `ovh.conf`.
pub(super) fn login(section: LoginSection<'_>, secrets: &Resolver) -> Result<Option<(String, OvhLogin)>, ConfigError> {
    let home = environment("HOME").map(|home| PathBuf::from(home).join(".ovh.conf"));
    let confs = [Some(PathBuf::from("ovh.conf")), home, Some(PathBuf::from("/etc/ovh.conf"))];
    let confs: Vec<PathBuf> = confs.into_iter().flatten().collect();
    find(section, secrets, &environment, &confs)
}

fn find(
    section: LoginSection<'_>,
    secrets: &Resolver,
    variable: &dyn Fn(&str) -> Option<String>,
    confs: &[PathBuf],
) -> Result<Option<(String, OvhLogin)>, ConfigError> {
    let LoginSection { name, file, variables, may_lack_keys } = section;
    if let Some(file) = file.filter(|file| file.simulated) {
        return simulated(name, file).map(Some);
    }
    if let Some((other, usual)) = variables.iter().find(|(other, usual)| differ(other, usual, variable)) {
        let message = format!("{other} and {usual} are both set, to different values");
        return Err(ConfigError::new(Code::A0240, message, format!("keep {usual}")));
    }
    let variable = &|usual: &str| either(usual, variables, variable);
    let none = OvhFile::default();
    let own = file.unwrap_or(&none);
    let mut places = vec![from_file(own, secrets)?, from_environment(secrets, variable)?];
    let token_url = own.token_url.clone().or_else(|| variable("OVH_TOKEN_URL"));
    let mut endpoint = own.endpoint.clone().or_else(|| variable("OVH_ENDPOINT"));
    let is_whole = login_method(name, &places)?.is_some_and(|way| way.keys().iter().all(|key| is_in(&places, key)));
    if !is_whole {
        let read = confs.iter().map(|path| Conf::read(path)).collect::<Result<Vec<_>, _>>()?;
        let named = read.iter().find_map(|conf| conf.value("default", "endpoint"));
        let chosen = endpoint.get_or_insert_with(|| named.unwrap_or("ovh-eu").to_owned());
        places.extend(read.iter().map(|conf| conf.place(chosen)));
    }
    let endpoint = endpoint.unwrap_or_else(|| "ovh-eu".to_owned());
    no_credentials(&format!("{name}.endpoint"), &endpoint)?;
    no_credentials(&format!("{name}.token_url"), token_url.as_deref().unwrap_or_default())?;
    let Some(way) = login_method(name, &places)? else {
        return match file {
            None => Ok(None),
            Some(_) if may_lack_keys => Ok(Some((endpoint, OvhLogin::Missing))),
            Some(_) => Err(missing(name, &[], &endpoint)),
        };
    };
    let login = match way {
        LoginMethod::Token => {
            let [application_key, application_secret, consumer_key] = collect_keys(name, &places, TOKEN, &endpoint)?;
            let application_key = application_key.expose().to_owned();
            OvhLogin::Keys { application_key, application_secret, consumer_key }
        }
        LoginMethod::Service => {
            let [client_id, client_secret] = collect_keys(name, &places, SERVICE, &endpoint)?;
            if token_url.is_none() && !WITH_TOKEN_URL.contains(&endpoint.as_str()) {
                return Err(ConfigError::new(
                    Code::A0242,
                    format!("{name}: where tokens for service accounts come from at {endpoint} is not known"),
                    format!(
                        "set `{name}.token_url`, or use application_key, application_secret and consumer_key there"
                    ),
                ));
            }
            OvhLogin::Service { client_id: client_id.expose().to_owned(), client_secret, token_url }
        }
    };
    Ok(Some((endpoint, login)))
}

/// A login that the simulator fills in. Other places (`ovh.conf`, the environment) are not read: they may hold a real
/// account.
fn simulated(name: &str, file: &OvhFile) -> Result<(String, OvhLogin), ConfigError> {
    let given = [
        ("endpoint", file.endpoint.is_some()),
        ("application_key", file.application_key.is_some()),
        ("application_secret", file.application_secret.is_some()),
        ("consumer_key", file.consumer_key.is_some()),
        ("client_id", file.client_id.is_some()),
        ("client_secret", file.client_secret.is_some()),
        ("token_url", file.token_url.is_some()),
    ];
    if let Some((key, _)) = given.iter().find(|(_, is_given)| *is_given) {
        let message = format!("{name} is simulated, and has `{key}`");
        return Err(ConfigError::new(Code::A0201, message, "leave out `simulated`, or what a real account has"));
    }
    let (application_secret, consumer_key) = (Secret::new(""), Secret::new(""));
    Ok((String::new(), OvhLogin::Keys { application_key: String::new(), application_secret, consumer_key }))
}

impl LoginMethod {
    fn keys(self) -> &'static [&'static str] {
        match self {
            LoginMethod::Token => &TOKEN,
            LoginMethod::Service => &SERVICE,
        }
    }
}

/// The variable of the usual name, or of another that the section takes.
fn either(usual: &str, others: &[(&str, &str)], variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let other = || others.iter().filter(|(_, known)| *known == usual).find_map(|(other, _)| variable(other));
    variable(usual).or_else(other)
}

/// Whether two variables that mean the same have different values.
fn differ(other: &str, usual: &str, variable: &dyn Fn(&str) -> Option<String>) -> bool {
    matches!((variable(other), variable(usual)), (Some(other), Some(usual)) if other != usual)
}

fn is_in(places: &[CredentialPlace], key: &str) -> bool {
    places.iter().any(|place| place.keys.contains_key(key))
}

/// The method of the first place that names one.
fn login_method(name: &str, places: &[CredentialPlace]) -> Result<Option<LoginMethod>, ConfigError> {
    for place in places {
        let has = |keys: &[&str]| keys.iter().any(|key| place.keys.contains_key(key));
        match (has(&TOKEN), has(&SERVICE)) {
            (true, true) => {
                return Err(ConfigError::new(
                    Code::A0240,
                    format!("{name}: {} has both an API token and a service account", place.name),
                    "keep either application_key, application_secret and consumer_key, or client_id and client_secret",
                ));
            }
            (true, false) => return Ok(Some(LoginMethod::Token)),
            (false, true) => return Ok(Some(LoginMethod::Service)),
            (false, false) => (),
        }
    }
    Ok(None)
}

/// The keys of one method, each from the first place that has it.
fn collect_keys<const N: usize>(
    name: &str,
    places: &[CredentialPlace],
    keys: [&'static str; N],
    endpoint: &str,
) -> Result<[Secret; N], ConfigError> {
    let found = keys.map(|key| places.iter().find_map(|place| place.keys.get(key)).cloned());
    let absent: Vec<&str> = keys.iter().zip(&found).filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
    let values: Vec<Secret> = found.into_iter().flatten().collect();
    values.try_into().map_err(|_| missing(name, &absent, endpoint))
}

fn missing(name: &str, absent: &[&str], endpoint: &str) -> ConfigError {
    let message = match absent {
        [] => {
            format!("{name} needs application_key, application_secret and consumer_key, or client_id and client_secret")
        }
        absent => format!("{name} needs {} as well", absent.join(" and ")),
    };
    let simulated = name.strip_suffix(".ovh").unwrap_or(name);
    let hint = format!(
        "looked in amarre.yaml, the environment (OVH_…) and [{endpoint}] of ovh.conf; `{simulated}: {{simulated: true}}` \
         tries without an account"
    );
    ConfigError::new(Code::A0201, message, hint)
}

fn from_file(file: &OvhFile, secrets: &Resolver) -> Result<CredentialPlace, ConfigError> {
    let text = |text: &Option<String>| text.as_deref().map(Secret::new);
    let secret = |source: &Option<SecretSource>| source.as_ref().map(|source| secrets.read(source)).transpose();
    let found = [
        ("application_key", text(&file.application_key)),
        ("application_secret", secret(&file.application_secret)?),
        ("consumer_key", secret(&file.consumer_key)?),
        ("client_id", text(&file.client_id)),
        ("client_secret", secret(&file.client_secret)?),
    ];
    let keys = found.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    Ok(CredentialPlace { name: "amarre.yaml".to_owned(), keys })
}

fn from_environment(
    secrets: &Resolver,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<CredentialPlace, ConfigError> {
    let mut keys = BTreeMap::new();
    for key in TOKEN.into_iter().chain(SERVICE) {
        let name = format!("OVH_{}", key.to_uppercase());
        if let Some(value) = variable(&name) {
            keys.insert(key, Secret::new(value));
        } else if let Some(path) = variable(&format!("{name}_FILE")) {
            keys.insert(key, secrets.read(&SecretSource::File { file: PathBuf::from(path) })?);
        }
    }
    Ok(CredentialPlace { name: "the environment".to_owned(), keys })
}

/// Values by name, by section.
type Sections = BTreeMap<String, BTreeMap<String, Secret>>;

/// An `ovh.conf`, as the vendor's own clients read it.
#[derive(Debug)]
struct Conf {
    path: PathBuf,
    sections: Sections,
}

impl Conf {
    /// A missing file is empty.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let broken = |why: String| {
            let message = format!("could not read {}: {why}", path.display());
            ConfigError::new(Code::A0241, message, "write `[ovh-eu]`, then a line `name = value` for each key")
        };
        let text = if path.is_file() { read_limited(path, CONF_BYTES_MAX).map_err(broken)? } else { String::new() };
        let sections = parse(&text).map_err(|(line, why)| broken(format!("line {line}: {why}")))?;
        Ok(Self { path: path.to_owned(), sections })
    }

    fn value(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(Secret::expose).filter(|value| !value.is_empty())
    }

    fn place(&self, endpoint: &str) -> CredentialPlace {
        let keys = TOKEN.into_iter().chain(SERVICE);
        let keys = keys.filter_map(|key| Some((key, Secret::new(self.value(endpoint, key)?)))).collect();
        CredentialPlace { name: self.path.display().to_string(), keys }
    }
}

/// Sections and their values. An error never quotes a line: it may be a secret.
fn parse(text: &str) -> Result<Sections, (usize, &'static str)> {
    let mut sections = Sections::new();
    let mut section = None;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or((index + 1, "a section without its `]`"))?;
            section = Some(name.trim().to_owned());
            continue;
        }
        let (key, value) =
            line.split_once(['=', ':']).ok_or((index + 1, "neither a section nor of the form `name = value`"))?;
        let section = section.as_ref().ok_or((index + 1, "a value before the first section"))?;
        let value = value.trim();
        let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let values = sections.entry(section.clone()).or_default();
        values.insert(key.trim().to_lowercase(), Secret::new(bare.unwrap_or(value)));
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The login that these three places give, as text.
    fn found(yaml: &str, variables: &[(&str, &str)], confs: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "from-a-file\n").unwrap();
        let paths: Vec<PathBuf> = (0..confs.len()).map(|index| folder.path().join(format!("{index}.conf"))).collect();
        for (path, text) in paths.iter().zip(confs) {
            std::fs::write(path, text).unwrap();
        }
        let file: Option<OvhFile> = (!yaml.is_empty()).then(|| serde_yaml::from_str(yaml).unwrap());
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        let secrets = Resolver::new(folder.path().to_owned());
        let section = LoginSection { name: "ovh", file: file.as_ref(), variables: &[], may_lack_keys: false };
        match find(section, &secrets, &variable, &paths) {
            Ok(None) => "none".to_owned(),
            Ok(Some((endpoint, OvhLogin::Missing))) => format!("{endpoint}: no keys"),
            Ok(Some((endpoint, OvhLogin::Keys { application_key, application_secret, consumer_key }))) => {
                format!("{endpoint}: {application_key} {} {}", application_secret.expose(), consumer_key.expose())
            }
            Ok(Some((endpoint, OvhLogin::Service { client_id, client_secret, token_url }))) => {
                let at = token_url.map(|url| format!(" at {url}")).unwrap_or_default();
                format!("{endpoint}: {client_id} {}{at}", client_secret.expose())
            }
            Err(error) => {
                format!("{}: {}", error.code, error.message.replace(&folder.path().display().to_string(), ""))
            }
        }
    }

    const KEYS: &str = "{application_key: ak, application_secret: as, consumer_key: ck}";
    const CONF: &str = "; OVH\n[default]\nendpoint = ovh-ca\n\n[ovh-eu]\napplication_key=e1\napplication_secret = 'e2'\n\
        consumer_key=\"e3\"\n[ovh-ca]\nclient_id=c1\nclient_secret=c2=\n";

    #[test]
    fn each_place_is_read_in_its_order() {
        assert_eq!(found("", &[], &[]), "none");
        assert_eq!(found(KEYS, &[], &[]), "ovh-eu: ak as ck");
        assert_eq!(found("{client_id: i, client_secret: {file: secret}}", &[], &[]), "ovh-eu: i from-a-file");
        let variables = [("OVH_CLIENT_ID", "vi"), ("OVH_CLIENT_SECRET_FILE", "secret"), ("OVH_ENDPOINT", "ovh-us")];
        assert_eq!(found("", &variables, &[]), "ovh-us: vi from-a-file");
        assert_eq!(found("", &[], &[CONF]), "ovh-ca: c1 c2=");
        assert_eq!(found("{endpoint: ovh-eu}", &[], &[CONF]), "ovh-eu: e1 e2 e3");
        // Key by key, the nearer place first.
        assert_eq!(
            found("{endpoint: ovh-eu, consumer_key: ck}", &[("OVH_APPLICATION_KEY", "vk")], &[CONF]),
            "ovh-eu: vk e2 ck"
        );
        assert_eq!(
            found("", &[], &["[ovh-eu]\nconsumer_key=near\n", "[default]\nendpoint=ovh-eu", CONF]),
            "ovh-eu: e1 e2 near"
        );
    }

    #[test]
    fn the_nearest_place_decides_the_way() {
        let account = [("OVH_CLIENT_ID", "vi"), ("OVH_CLIENT_SECRET", "vs")];
        assert_eq!(found(KEYS, &account, &[CONF]), "ovh-eu: ak as ck");
        assert_eq!(found("{endpoint: ovh-eu}", &account, &[CONF]), "ovh-eu: vi vs");
    }

    #[test]
    fn two_ways_in_one_place_are_refused() {
        let both = "{application_key: ak, client_id: i}";
        assert_eq!(found(both, &[], &[]), "A0240: ovh: amarre.yaml has both an API token and a service account");
        let variables = [("OVH_CLIENT_ID", "i"), ("OVH_CONSUMER_KEY", "c")];
        assert!(found("", &variables, &[]).starts_with("A0240: ovh: the environment has both"));
        let conf = "[ovh-eu]\nclient_id=a\nconsumer_key=b\n";
        assert!(found("", &[], &[conf]).starts_with("A0240: ovh: /0.conf has both"), "{}", found("", &[], &[conf]));
    }

    #[test]
    fn half_a_login_says_what_is_missing() {
        assert_eq!(
            found("{application_key: ak}", &[], &[]),
            "A0201: ovh needs application_secret and consumer_key as well"
        );
        assert_eq!(found("{client_id: i}", &[], &[]), "A0201: ovh needs client_secret as well");
        assert_eq!(found("{simulated: true, client_id: i}", &[], &[]), "A0201: ovh is simulated, and has `client_id`");
        assert_eq!(found("{simulated: true}", &[("OVH_CLIENT_ID", "i")], &[CONF]), ":   ");
        assert!(found("{endpoint: ovh-eu}", &[], &[]).starts_with("A0201: ovh needs application_key, "));
    }

    #[test]
    fn a_custom_endpoint_needs_its_token_endpoint_named() {
        let account = "client_id: i, client_secret: s";
        for endpoint in ["http://127.0.0.1:1/1.0", "kimsufi-eu"] {
            let said = found(&format!("{{endpoint: '{endpoint}', {account}}}"), &[], &[]);
            assert!(said.starts_with("A0242: ") && said.contains(endpoint), "{said}");
        }
        let yaml = format!("{{endpoint: 'http://127.0.0.1:1/1.0', token_url: 'http://127.0.0.1:1/t', {account}}}");
        assert_eq!(found(&yaml, &[], &[]), "http://127.0.0.1:1/1.0: i s at http://127.0.0.1:1/t");
    }

    #[test]
    fn a_broken_conf_says_where_and_never_what() {
        for (text, place) in [("[ovh-eu\n", "line 1"), ("[a]\nhunter2\n", "line 2"), ("hunter2=x\n", "line 1")] {
            let said = found("", &[], &[text]);
            assert!(said.starts_with(&format!("A0241: could not read /0.conf: {place}: ")), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        // With nothing missing, no file is read.
        assert_eq!(found("{endpoint: ovh-eu, client_id: i, client_secret: s}", &[], &["broken"]), "ovh-eu: i s");
    }
}
