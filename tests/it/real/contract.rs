//! The contract of the Docker provider, generated from its tables, on the real engine and on the simulated one by the
//! same code: each field of a container is set, changed and unset, each time with nothing left to do.

use crate::support::supplies;
use amarre::providers::{NoContexts, Supplies};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use amarre::providers::docker::{DockerConfig, DockerProvider};
use amarre::providers::{ObserveQuery, Provider};
use amarre::secret::{MarkKey, Secrets};
use amarre_core::model::plan::{Downtime, Impact};
use amarre_core::model::{
    Address, Bundle, Change, Expect, Fields, Gate, Kind, ProviderId, Reason, ReasonCode, Rule, Seen, Text, Timestamp,
    Value, Verb,
};
use amarre_core::plan::compare;
use amarre_core::resources::docker;
use amarre_testkit::field_samples::samples_for;
use futures_util::FutureExt;

use amarre_sim::docker::{Docker, DockerOptions, ImageSpec};

use crate::support::rig::Rig;
use crate::support::stepped;

const SERVICE: &str = "contract";
/// What an engine wants beside a field.
const COMPANIONS: [(&str, &str, &str); 1] = [("memswap_limit", "mem_limit", r#"{"int":67108864}"#)];
/// What a machine may not be able to do, and what it says then.
const UNABLE: [(&str, &[&str]); 5] = [
    ("blkio_config", &["would be without blkio_config"]),
    ("cpu_rt_runtime", &["cpu.rt_runtime_us", "would be without cpu_rt_runtime"]),
    ("gpus", &["could not select device driver"]),
    ("privileged", &["unable to apply caps: operation not permitted"]),
    ("storage_opt", &["is supported only for overlay over xfs with 'pquota' mount option"]),
];
/// Samples that are what an engine or the image does anyway, and says.
const USUAL: [(&str, &str); 3] = [
    ("cgroup", r#"{"text":"host"}"#),
    ("entrypoint", r#"{"list":[{"text":"/bin/entry"}]}"#),
    ("runtime", r#"{"text":"runc"}"#),
];

struct Bench {
    provider: DockerProvider,
    network: String,
    /// In the place of names that all engines' tests would share.
    tag: String,
    /// Published ports of its own.
    port: u16,
    /// The first three parts of its subnet.
    net: String,
    is_real: bool,
    /// What could not be tried here, with the reason that was given.
    untried: std::sync::Mutex<Vec<String>>,
}

fn bench(endpoint: &str, instance: &str, tag: &str, net: &str) -> Bench {
    let endpoint_is_real = endpoint.starts_with("unix://");
    let key = MarkKey::new([7; 32]);
    let provider = DockerProvider::new(DockerConfig::new(ProviderId::docker("default"), endpoint, instance, key));
    // Below what the kernel hands out by itself.
    let port = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap() * 2;
    Bench {
        is_real: endpoint_is_real,
        provider: provider.unwrap(),
        network: format!("zz-amarre-{tag}-contract"),
        tag: tag.to_owned(),
        port,
        net: net.to_owned(),
        untried: std::sync::Mutex::default(),
    }
}

fn change(address: &Address, verb: Verb, expects: Expect) -> Change {
    Change {
        address: address.clone(),
        service: SERVICE.to_owned(),
        verb,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::ManifestNew, text: Text::default(), origin: None },
        impact: Impact { downtime: Downtime::None, exposes: Vec::new() },
        expects,
        gate: Gate::Now,
    }
}

fn unchanged(seen: &Seen) -> Expect {
    Expect::Unchanged { vendor_id: seen.vendor_id.clone(), fields: seen.fields.digest() }
}

impl Bench {
    fn address(&self, kind: Kind, name: &str) -> Address {
        Address::new(ProviderId::docker("default"), kind, name)
    }

    async fn seen(&self) -> BTreeMap<Address, Seen> {
        let observation =
            self.provider.observe(&ObserveQuery { now: Timestamp(1_800_000_000_000), ..ObserveQuery::default() }).await;
        assert!(observation.gaps.is_empty(), "{:?}", observation.gaps);
        observation.seen
    }

    async fn apply(&self, change: &Change) {
        let bundles = ["one\n", "two\n"].map(|text| Bundle::of_file(text.as_bytes().into(), false));
        let payloads = bundles.map(|bundle| (bundle.digest.clone(), bundle)).into();
        let outcome = self
            .provider
            .apply(change, Supplies { secrets: &Secrets::new(), payloads: &payloads, contexts: &NoContexts })
            .await;
        outcome.unwrap_or_else(|error| panic!("{}: {error:?}", change.address));
        // Doing it again is harmless if it can be distinguished from the first time.
        if matches!(change.verb, Verb::Create(_)) {
            self.provider
                .apply(change, Supplies { secrets: &Secrets::new(), payloads: &payloads, contexts: &NoContexts })
                .await
                .unwrap();
        }
    }

    async fn set_up(&self) {
        let subnet = format!("{}.0/24", self.net);
        let network = self.address(Kind::Network, &self.network);
        let fields = Fields::default().with("subnet", Value::text(subnet)).with("internal", Value::Bool(false));
        self.apply(&change(&network, Verb::Create(fields.clone()), Expect::Absent)).await;
        let seen = self.seen().await;
        assert_eq!(compare::compare(&docker::NETWORK, &fields, &seen[&network].fields, None), []);
        for name in ["a", "b"] {
            let volume = self.address(Kind::Volume, &format!("{}-contract_{name}", self.tag));
            self.apply(&change(&volume, Verb::Create(Fields::default()), Expect::Absent)).await;
            assert!(self.seen().await.contains_key(&volume));
        }
    }

    /// A container on its service's network and on one that it shares with others.
    async fn on_two_networks(&self, subnet: &str) {
        let shared = self.address(Kind::Network, &format!("{}-shared", self.network));
        let fields = Fields::default().with("subnet", Value::text(subnet)).with("internal", Value::Bool(false));
        self.apply(&change(&shared, Verb::Create(fields), Expect::Absent)).await;
        let address = subnet.replace("0/24", "3");
        let fields = self.least().with("edge", Value::text(&shared.name)).with("edge_address", Value::text(&address));
        let seen = self.try_out("two", &fields, "two networks").await.unwrap();
        assert_eq!(seen.text("edge_address"), Some(address.as_str()));
        assert_eq!(seen.text("network"), Some(self.network.as_str()));
        assert_eq!(seen.flag("running"), Some(true));
        let container = self.address(Kind::Container, SERVICE).at("two");
        let seen = self.seen().await;
        let name = seen[&container].fields.text("name").unwrap().to_owned();
        assert_eq!(seen[&shared].fields.strings("members"), [name.as_str()]);
        self.remove("two").await;
        self.also_on(&shared).await;
        let seen = self.seen().await;
        self.apply(&change(&shared, Verb::Delete, unchanged(&seen[&shared]))).await;
    }

    /// A container that is also on a network of others answers there by its names, those that it gets later too.
    async fn also_on(&self, shared: &Address) {
        let fields = self.least().with("also_on", Value::texts([&shared.name]));
        let seen = self.try_out("beside", &fields, "a network beside its own").await.unwrap();
        assert_eq!(seen.strings("also_on"), [shared.name.as_str()]);
        assert_eq!(seen.text("network"), Some(self.network.as_str()));
        let container = self.address(Kind::Container, SERVICE).at("beside");
        let before = self.seen().await[&container].clone();
        let names = Fields::default().with("aliases", Value::texts(["later"]));
        self.apply(&change(&container, Verb::Update(names), unchanged(&before))).await;
        let after = self.seen().await[&container].clone();
        assert_eq!(after.fields.strings("aliases"), ["later"]);
        assert_eq!(after.fields.strings("also_on"), [shared.name.as_str()]);
        assert_eq!(after.vendor_id, before.vendor_id);
        self.remove("beside").await;
    }

    async fn tear_down(&self) {
        for name in ["a", "b"] {
            let volume = self.address(Kind::Volume, &format!("{}-contract_{name}", self.tag));
            let seen = self.seen().await;
            self.apply(&change(&volume, Verb::Delete, unchanged(&seen[&volume]))).await;
        }
        let network = self.address(Kind::Network, &self.network);
        let seen = self.seen().await;
        self.apply(&change(&network, Verb::Delete, unchanged(&seen[&network]))).await;
        let left: Vec<Address> = self
            .seen()
            .await
            .into_iter()
            .filter(|(_, seen)| seen.owner.is_ours())
            .map(|(address, _)| address)
            .collect();
        assert_eq!(left, []);
    }

    /// A sample with this test's own names and ports.
    fn own(&self, sample: &str) -> Value {
        let port = self.port;
        let sample = sample
            .replace("zz-amarre-contract", &self.network)
            .replace("amarre-test_", &format!("{}-contract_", self.tag))
            .replace("amarre-contract", &format!("{}-contract", self.tag))
            .replace("10.98.1.", &format!("{}.", self.net))
            .replace(":28080:", &format!(":{port}:"))
            .replace(":28081:", &format!(":{}:", port + 1));
        serde_json::from_str(&sample).unwrap()
    }

    fn least(&self) -> Fields {
        Fields::default()
            .with("image", Value::text("amarre-test:1"))
            .with("network", Value::text(&self.network))
            .with("name", Value::text(format!("{}-contract", self.tag)))
            .with("restart", Value::text("no"))
            .with("running", Value::Bool(true))
    }

    /// Makes and compares one generation; answers what is seen of it. `None`: this engine or its kernel cannot do
    /// it, and said so before anything ran.
    async fn try_out(&self, generation: &str, fields: &Fields, what: &str) -> Option<Fields> {
        let address = self.address(Kind::Container, SERVICE).at(generation);
        let mut spelled = fields.clone();
        if let Err(objection) = self.provider.normalize(&address, &mut spelled) {
            assert!(objection.message.contains("needs Docker API"), "{what}: {objection}");
            self.untried.lock().unwrap().push(format!("{what}: {objection}"));
            return None;
        }
        assert_eq!(spelled, *fields, "{what}: samples are in the engine's spelling");
        let create = change(&address, Verb::Create(fields.clone()), Expect::Absent);
        let field = what.split(' ').next().unwrap_or_default();
        if let Some((_, words)) = UNABLE.iter().find(|(name, _)| self.is_real && *name == field)
            && let Err(error) = self.provider.apply(&create, supplies(&Secrets::new())).await
        {
            assert!(words.iter().any(|words| error.message.to_string().contains(words)), "{what}: {error:?}");
            self.untried.lock().unwrap().push(format!("{what}: {}", error.message));
            let seen = self.seen().await;
            if let Some(found) = seen.get(&address) {
                self.apply(&change(&address, Verb::Delete, unchanged(found))).await;
            }
            return None;
        }
        self.apply(&create).await;
        let seen = self.seen().await;
        let found = seen.get(&address).unwrap_or_else(|| panic!("{what}: {address} is not seen"));
        let left = compare::compare(&docker::CONTAINER, fields, &found.fields, None);
        assert_eq!(left, [], "{what}: a second look has something to do");
        assert!(found.owner.is_ours(), "{what}");
        assert_eq!(found.service.as_deref(), Some(SERVICE), "{what}");
        assert_eq!(found.fields.flag("running"), Some(true), "{what}: {:?}", found.ready);
        Some(found.fields.clone())
    }

    async fn remove(&self, generation: &str) {
        let address = self.address(Kind::Container, SERVICE).at(generation);
        let seen = self.seen().await;
        self.apply(&change(&address, Verb::Delete, unchanged(&seen[&address]))).await;
        assert!(!self.seen().await.contains_key(&address));
    }

    /// Every field that a manifest can say; of several shares, those of one.
    async fn every_field(&self, share: usize, shares: usize) {
        let alone = |rule| !matches!(rule, Rule::Observed | Rule::Volatile | Rule::AtMost);
        let fields = docker::CONTAINER.fields.iter().filter(|field| alone(field.rule)).skip(share).step_by(shares);
        let mut set: Vec<(&str, Value)> = Vec::new();
        let mut wrong = Vec::new();
        for field in fields {
            let samples = samples_for(Kind::Container, field.name);
            assert!(samples.len() >= 2, "{} has no samples", field.name);
            let tried = async {
                match field.rule {
                    Rule::Update => self.update(field.name, samples).await,
                    Rule::Generation | Rule::Set | Rule::Fixed | Rule::Volatile | Rule::AtMost | Rule::Observed => {
                        self.generations(field.name, samples).await;
                    }
                }
            };
            // All that is wrong in one run: each failure has been printed.
            if AssertUnwindSafe(tried).catch_unwind().await.is_err() {
                wrong.push(field.name);
                self.clean_up().await;
            }
            if field.rule != Rule::Update {
                set.extend(samples.iter().map(|sample| (field.name, self.own(sample))));
            }
        }
        assert!(wrong.is_empty(), "wrong: {wrong:?}");
        // Unset, all of them: nothing of what was set above is left, and nothing is to do.
        let bare = self.try_out("unset", &self.least(), "nothing set").await.unwrap();
        for (name, sample) in set.iter().filter(|(name, _)| self.least().get(name).is_none()) {
            let is_default = USUAL.contains(&(*name, serde_json::to_string(sample).unwrap().as_str()));
            assert!(is_default || bare.get(name) != Some(sample), "{name} shows {sample} although nobody set it");
        }
        self.remove("unset").await;
    }

    /// A port of the host for each that is to be published, as a plan chooses them.
    fn leased(&self, fields: &Fields) -> Value {
        let texts = fields.strings("publish").into_iter().zip(self.port..).map(|(text, port)| {
            let (address, target) = text.split_once(':').unwrap();
            format!("{address}:{port}:{target}")
        });
        Value::texts(texts)
    }

    async fn clean_up(&self) {
        let seen = self.seen().await;
        for (address, found) in seen.iter().filter(|(address, _)| address.kind == Kind::Container) {
            if found.owner.is_ours() {
                self.apply(&change(address, Verb::Delete, unchanged(found))).await;
            }
        }
    }

    /// Set, and changed: a container each.
    async fn generations(&self, name: &str, samples: &[&str]) {
        for (at, sample) in samples.iter().enumerate() {
            let mut fields = self.least().with(name.to_owned(), self.own(sample));
            for (_, beside, value) in COMPANIONS.iter().filter(|(field, ..)| *field == name) {
                fields.set(*beside, self.own(value));
            }
            if name == "publish" {
                fields.set("published", self.leased(&fields));
            }
            let made = self.try_out(&format!("{name}-{at}"), &fields, &format!("{name} = {sample}")).await;
            let Some(seen) = made else { continue };
            // Maps may hold more than is asked for: what an image brings.
            if !matches!(fields.get(name), Some(Value::Map(_))) {
                assert_eq!(seen.get(name), fields.get(name), "{name}");
            }
            self.remove(&format!("{name}-{at}")).await;
        }
    }

    /// Changed in place: the same container.
    async fn update(&self, name: &str, samples: &[&str]) {
        let address = self.address(Kind::Container, SERVICE).at(name);
        self.try_out(name, &self.least(), name).await;
        let before = self.seen().await[&address].vendor_id.clone();
        for sample in samples {
            let wanted = self.least().with(name.to_owned(), self.own(sample));
            let seen = self.seen().await;
            let found = &seen[&address];
            if !compare::compare(&docker::CONTAINER, &wanted, &found.fields, None).is_empty() {
                let update = Fields::default().with(name.to_owned(), self.own(sample));
                self.apply(&change(&address, Verb::Update(update), unchanged(found))).await;
            }
            let seen = self.seen().await;
            let left = compare::compare(&docker::CONTAINER, &wanted, &seen[&address].fields, None);
            assert_eq!(left, [], "{name} = {sample}");
            assert_eq!(seen[&address].vendor_id, before, "{name} is changed in place");
        }
        self.remove(name).await;
    }
}

/// They wait for the engine most of the time, so they run side by side.
const SHARES: usize = 3;

async fn share_on_the_real_engine(share: usize) {
    let rig = Rig::start().await;
    let endpoint = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    let bench = bench(&endpoint, &rig.instance(), &rig.tag, &format!("10.{}.9", rig.octet));
    bench.set_up().await;
    bench.every_field(share, SHARES).await;
    if share == 0 {
        bench.on_two_networks(&format!("10.{}.8.0/24", rig.octet)).await;
    }
    bench.tear_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_share_of_a_containers_fields_on_the_real_engine() {
    share_on_the_real_engine(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_second_share_of_a_containers_fields_on_the_real_engine() {
    share_on_the_real_engine(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_third_share_of_a_containers_fields_on_the_real_engine() {
    share_on_the_real_engine(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_field_of_a_container_on_the_simulated_engine() {
    // Docker Engine 20.10, 25, 28.0 and 28.3, and 29, which is spoken to as 28.3.
    for (api_version, knows_all) in [("1.41", false), ("1.44", false), ("1.48", true), ("1.51", true), ("1.52", true)] {
        let options = DockerOptions {
            api_version: api_version.to_owned(),
            host_paths: Some(["/tmp".into()].into()),
            ..stepped::options()
        };
        let docker: Docker = stepped::docker(options).await;
        for reference in ["amarre-test:1", "amarre-test:2"] {
            docker.load_image(ImageSpec {
                id: reference.to_owned(),
                env: vec!["PATH=/bin".to_owned(), "FROM_IMAGE=yes".to_owned()],
                cmd: vec!["idle".to_owned()],
                labels: vec![("org.example.from-image".to_owned(), "yes".to_owned())],
                ..ImageSpec::new(reference)
            });
        }
        let bench = bench(&format!("tcp://{}", docker.server.address), "home", "sim", "10.77.9");
        bench.set_up().await;
        bench.every_field(0, 1).await;
        bench.on_two_networks("10.77.8.0/24").await;
        bench.tear_down().await;
        let untried = bench.untried.into_inner().unwrap();
        assert_eq!(untried.is_empty(), knows_all, "{api_version}: {untried:?}");
    }
}
