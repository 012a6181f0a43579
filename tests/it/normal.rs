//! `tests/cases/normal`: how each version of a vendor spells what was asked for, a line each. What is the same must
//! compare as the same, in every version, or it would be written for ever; what differs must not be overlooked.

use std::collections::BTreeMap;
use std::path::Path;

use amarre::providers::docker::answers::AnswerReader;
use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::npm::{NpmConfig, NpmProvider};
use amarre::providers::ovh::{OvhConfig, OvhLogin, OvhProvider, Pace, Propagation};
use amarre::providers::{ObserveQuery, Provider};
use amarre::secret::{MarkKey, Secret};
use amarre_core::model::{Address, Fields, Kind, ProviderId, Timestamp, Value};
use amarre_core::plan::compare;
use amarre_sim::npm::{Npm, NpmOptions, NpmVersion};
use amarre_sim::ovh::{Ovh, OvhOptions};
use serde_json::{Value as Json, json};

const ZONE: &str = "example.org";
const DOCKER_APIS: [&str; 5] = ["1.41", "1.44", "1.48", "1.51", "1.52"];

struct Line {
    text: String,
    versions: Vec<String>,
    wanted: Fields,
    answer: String,
    is_equal: bool,
}

impl Line {
    fn holds_in(&self, version: &str) -> bool {
        self.versions == ["all"] || self.versions.iter().any(|known| known == version)
    }
}

fn lines(file: &str, known: &[&str]) -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| read(line, known)).collect()
}

fn read(line: &str, known: &[&str]) -> Line {
    let parts: Vec<&str> = line.split(" | ").collect();
    let [versions, wanted, answer, word] = parts.as_slice() else { panic!("not a line: {line}") };
    let versions: Vec<String> = versions.split(' ').map(str::to_owned).collect();
    assert!(versions.iter().all(|version| version == "all" || known.contains(&version.as_str())), "{line}");
    assert!(matches!(*word, "equal" | "differs"), "{line}");
    let wanted: BTreeMap<String, Json> = serde_yaml::from_str(wanted).unwrap();
    let wanted: Fields = wanted.into_iter().map(|(name, json)| (name.into(), value(&json))).collect();
    Line { text: line.to_owned(), versions, wanted, answer: (*answer).to_owned(), is_equal: *word == "equal" }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Int(number.as_i64().unwrap()),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(entries) => Value::Map(entries.iter().map(|(key, item)| (key.clone(), value(item))).collect()),
    }
}

/// What a plan would say of it; `None` = as the line says.
fn judge(provider: &dyn Provider, address: &Address, line: &Line, observed: &Fields, version: &str) -> Option<String> {
    let mut wanted = line.wanted.clone();
    provider.normalize(address, &mut wanted).unwrap_or_else(|objection| panic!("{}: {objection}", line.text));
    let mut twice = wanted.clone();
    provider.normalize(address, &mut twice).unwrap();
    assert_eq!(twice, wanted, "{}: doing it twice changes something", line.text);
    let schema = provider.kinds().iter().find(|schema| schema.kind == address.kind).unwrap();
    for field in wanted.names() {
        assert!(schema.fields.iter().any(|known| known.name == field), "{}: there is no field {field}", line.text);
    }
    let diffs = compare::compare(schema, &wanted, observed, None);
    (diffs.is_empty() != line.is_equal).then(|| format!("{version}: {}\n  {diffs:?}", line.text))
}

#[test]
fn answers_of_docker_compare_equal_to_the_request() {
    let id = ProviderId::docker("default");
    let key = MarkKey::new([7; 32]);
    let provider =
        DockerProvider::new(DockerConfig::new(id.clone(), "tcp://127.0.0.1:1", "home", key.clone())).unwrap();
    let reader =
        AnswerReader { provider: id.clone(), instance: "home".to_owned(), key, now: Timestamp(1_800_000_000_000) };
    let mut wrong = Vec::new();
    let lines = lines("tests/cases/normal/docker/container.txt", &DOCKER_APIS);
    for version in DOCKER_APIS {
        for line in lines.iter().filter(|line| line.holds_in(version)) {
            let mut inspect: Json = serde_yaml::from_str(&line.answer).unwrap();
            inspect["Id"] = json!("0123456789ab");
            inspect["Name"] = json!("/web");
            inspect["Config"]["Image"] = json!("web:1");
            inspect["Config"]["Labels"] =
                json!({"io.amarre.instance": "home", "io.amarre.service": "web", "io.amarre.spec": "0123456789ab"});
            inspect["State"] = json!({"Status": "running", "Running": true});
            if inspect["HostConfig"].is_null() {
                inspect["HostConfig"] = json!({});
            }
            let (address, seen) = reader.container(&serde_json::from_value(inspect).unwrap()).unwrap();
            wrong.extend(judge(&provider, &address, line, &seen.fields, version));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn answers_of_npm_compare_equal_to_the_request() {
    let name = |version: NpmVersion| version.numbers().map(|number| number.to_string())[..2].join(".");
    let versions: Vec<String> = NpmVersion::ALL.into_iter().map(name).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let lines = lines("tests/cases/normal/npm/proxy-host.txt", &versions);
    let mut wrong = Vec::new();
    for version in NpmVersion::ALL {
        let npm = Npm::start(NpmOptions { version, ..NpmOptions::default() }).await.unwrap();
        let provider = NpmProvider::new(NpmConfig {
            id: ProviderId::npm("main"),
            url: npm.server.url(),
            identity: "amarre@amarre.demo".to_owned(),
            secret: Secret::new("changeme-npm"),
            dns_credentials: None,
            instance: "home".to_owned(),
            key: MarkKey::new([7; 32]),
            look_every: amarre::providers::npm::LOOK_EVERY,
        });
        let (provider, text) = (provider.unwrap(), name(version));
        let here: Vec<(usize, &Line)> = lines.iter().enumerate().filter(|(_, line)| line.holds_in(&text)).collect();
        for (at, line) in &here {
            let mut row = json!({"domain_names": [format!("c{at}.{ZONE}")], "forward_scheme": "http", "forward_host": "192.0.2.7", "forward_port": 80});
            let answer: Json = serde_yaml::from_str(&line.answer).unwrap();
            row.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
            npm.seed_proxy_host(&row);
        }
        let observation = provider.observe(&ObserveQuery::default()).await;
        assert_eq!(observation.gaps, []);
        for (at, line) in here {
            let address = Address::new(ProviderId::npm("main"), Kind::ProxyHost, &format!("c{at}.{ZONE}"));
            let mut asked =
                Line { wanted: line.wanted.clone(), text: line.text.clone(), ..read("all | {} | {} | equal", &[]) };
            asked.is_equal = line.is_equal;
            // Without a name NPM would refuse it.
            asked.wanted.set("domains", Value::texts([format!("c{at}.{ZONE}")]));
            wrong.extend(judge(&provider, &address, &asked, &observation.seen[&address].fields, &text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn answers_of_ovh_compare_equal_to_the_request() {
    let ovh = Ovh::start(OvhOptions::with_zones(&[ZONE])).await.unwrap();
    let provider = OvhProvider::new(OvhConfig {
        id: ProviderId::ovh(),
        endpoint: ovh.endpoint(),
        login: OvhLogin::Keys {
            application_key: "application-key".to_owned(),
            application_secret: Secret::new("application-secret"),
            consumer_key: Secret::new("consumer-key"),
        },
        instance: "home".to_owned(),
        registry: true,
        key: MarkKey::new([7; 32]),
        pace: Pace::unbounded(),
        propagation: Propagation {
            servers: ovh.dns.clone(),
            resolvers: Vec::new(),
            timeout: amarre_core::model::Millis::minutes(10),
        },
    });
    let provider = provider.unwrap();
    let lines = lines("tests/cases/normal/ovh/record.txt", &[]);
    let address =
        |at: usize, kind: &str| Address::new(ProviderId::ovh(), Kind::Record, &format!("c{at}.{ZONE}/{kind}"));
    let mut ask = ObserveQuery::default();
    for (at, line) in lines.iter().enumerate() {
        let (kind, row) = line.answer.split_once(' ').unwrap();
        let row: Json = serde_yaml::from_str(row).unwrap();
        let ttl = row["ttl"].as_u64().unwrap_or(3600);
        ovh.seed_record(ZONE, &format!("c{at}"), kind, row["target"].as_str().unwrap(), u32::try_from(ttl).unwrap());
        let mut wanted = line.wanted.clone();
        provider.normalize(&address(at, kind), &mut wanted).unwrap();
        ask.wanted.insert(address(at, kind), wanted);
    }
    let observation = provider.observe(&ask).await;
    assert_eq!(observation.gaps, []);
    let mut wrong = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let address = address(at, line.answer.split_once(' ').unwrap().0);
        let seen = observation.seen.get(&address).unwrap_or_else(|| panic!("{}: {:?}", line.text, observation.seen));
        wrong.extend(judge(&provider, &address, line, &seen.fields, "all"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
