//! The contract of the Docker provider, generated from its tables, on the real engine and on the simulated one by the
//! same code: each field of a container is set, changed and unset, each time with nothing left to do.

use std::collections::BTreeMap;

use amarre::model::plan::{Downtime, Impact};
use amarre::model::{
    Address, Change, Expect, Fields, Gate, Kind, ProviderId, Reason, ReasonCode, Rule, Seen, Timestamp, Value, Verb,
};
use amarre::plan::diff;
use amarre::providers::docker::{DockerConfig, DockerProvider, kinds};
use amarre::providers::{Ask, Provider};
use amarre::secret::{MarkKey, Secrets};
use amarre_sim::docker::{Docker, ImageSpec};

use crate::support::rig::Rig;
use crate::support::stepped;

const SERVICE: &str = "contract";

struct Bench {
    provider: DockerProvider,
    network: String,
    /// In the place of names that all engines' tests would share.
    tag: String,
    /// Published ports of its own.
    port: u16,
}

fn bench(endpoint: &str, instance: &str, tag: &str) -> Bench {
    let key = MarkKey::new([7; 32]);
    let provider = DockerProvider::new(DockerConfig::new(ProviderId::docker("default"), endpoint, instance, key));
    // Below what the kernel hands out by itself.
    let port = 20_000 + u16::try_from(std::process::id() % 5_000).unwrap() * 2;
    Bench { provider: provider.unwrap(), network: format!("zz-amarre-{tag}-contract"), tag: tag.to_owned(), port }
}

fn change(address: &Address, verb: Verb, expects: Expect) -> Change {
    Change {
        address: address.clone(),
        service: SERVICE.to_owned(),
        verb,
        diff: Vec::new(),
        because: Reason { code: ReasonCode::ManifestNew, text: String::new(), origin: None },
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
        let observation = self.provider.observe(&Ask { now: Timestamp(1_800_000_000_000), ..Ask::default() }).await;
        assert!(observation.gaps.is_empty(), "{:?}", observation.gaps);
        observation.seen
    }

    async fn apply(&self, change: &Change) {
        let outcome = self.provider.apply(change, &Secrets::new()).await;
        outcome.unwrap_or_else(|error| panic!("{}: {error:?}", change.address));
        // Doing it again is harmless where it can be told from the first time.
        if matches!(change.verb, Verb::Create(_)) {
            self.provider.apply(change, &Secrets::new()).await.unwrap();
        }
    }

    async fn set_up(&self, subnet: &str) {
        let network = self.address(Kind::Network, &self.network);
        let fields = Fields::default().with("subnet", Value::text(subnet)).with("internal", Value::Bool(false));
        self.apply(&change(&network, Verb::Create(fields.clone()), Expect::Absent)).await;
        let seen = self.seen().await;
        assert_eq!(diff::compare(&kinds::NETWORK, &fields, &seen[&network].fields, None), []);
        for name in ["a", "b"] {
            let volume = self.address(Kind::Volume, &format!("{}-contract_{name}", self.tag));
            self.apply(&change(&volume, Verb::Create(Fields::default()), Expect::Absent)).await;
            assert!(self.seen().await.contains_key(&volume));
        }
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

    /// Makes, compares and removes one generation; answers what was left to do.
    async fn try_out(&self, generation: &str, fields: &Fields, what: &str) -> Fields {
        let address = self.address(Kind::Container, SERVICE).at(generation);
        self.apply(&change(&address, Verb::Create(fields.clone()), Expect::Absent)).await;
        let seen = self.seen().await;
        let found = seen.get(&address).unwrap_or_else(|| panic!("{what}: {address} is not seen"));
        let left = diff::compare(&kinds::CONTAINER, fields, &found.fields, None);
        assert_eq!(left, [], "{what}: a second look has something to do");
        assert!(found.owner.is_ours(), "{what}");
        assert_eq!(found.service.as_deref(), Some(SERVICE), "{what}");
        found.fields.clone()
    }

    async fn remove(&self, generation: &str) {
        let address = self.address(Kind::Container, SERVICE).at(generation);
        let seen = self.seen().await;
        self.apply(&change(&address, Verb::Delete, unchanged(&seen[&address]))).await;
        assert!(!self.seen().await.contains_key(&address));
    }

    /// Every field that a manifest can say.
    async fn every_field(&self) {
        let fields =
            kinds::CONTAINER.fields.iter().filter(|field| !matches!(field.rule, Rule::Observed | Rule::Volatile));
        for field in fields {
            assert_eq!(field.samples.len(), 2, "{} has no samples", field.name);
            match field.rule {
                Rule::Update => self.update(field.name, field.samples).await,
                Rule::Generation | Rule::Set | Rule::Fixed | Rule::Volatile | Rule::Observed => {
                    self.generations(field.name, field.samples).await
                }
            }
        }
    }

    /// Set, changed, unset: a container each.
    async fn generations(&self, name: &str, samples: &[&str]) {
        for (at, sample) in samples.iter().enumerate() {
            let fields = self.least().with(name, self.own(sample));
            let seen = self.try_out(&format!("{name}-{at}"), &fields, &format!("{name} = {sample}")).await;
            // Maps may hold more than is asked for: what an image brings.
            if !matches!(fields.get(name), Some(Value::Map(_))) {
                assert_eq!(seen.get(name), fields.get(name), "{name}");
            }
            self.remove(&format!("{name}-{at}")).await;
        }
        self.try_out(&format!("{name}-unset"), &self.least(), &format!("{name} unset")).await;
        self.remove(&format!("{name}-unset")).await;
    }

    /// Changed in place: the same container.
    async fn update(&self, name: &str, samples: &[&str]) {
        let address = self.address(Kind::Container, SERVICE).at(name);
        self.try_out(name, &self.least(), name).await;
        let before = self.seen().await[&address].vendor_id.clone();
        for sample in samples {
            let wanted = self.least().with(name, self.own(sample));
            let seen = self.seen().await;
            let found = &seen[&address];
            if !diff::compare(&kinds::CONTAINER, &wanted, &found.fields, None).is_empty() {
                let update = Fields::default().with(name, self.own(sample));
                self.apply(&change(&address, Verb::Update(update), unchanged(found))).await;
            }
            let seen = self.seen().await;
            let left = diff::compare(&kinds::CONTAINER, &wanted, &seen[&address].fields, None);
            assert_eq!(left, [], "{name} = {sample}");
            assert_eq!(seen[&address].vendor_id, before, "{name} is changed in place");
        }
        self.remove(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_field_of_a_container_on_the_real_engine() {
    let rig = Rig::start().await;
    let endpoint = format!("unix://{}", rig.folder.path().join("docker.sock").display());
    let bench = bench(&endpoint, &rig.instance(), &rig.tag);
    bench.set_up(&format!("10.{}.9.0/24", rig.octet)).await;
    bench.every_field().await;
    bench.tear_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_field_of_a_container_on_the_simulated_engine() {
    let docker: Docker = stepped::docker(stepped::options()).await;
    for reference in ["amarre-test:1", "amarre-test:2"] {
        docker.load_image(ImageSpec {
            id: reference.to_owned(),
            env: vec!["PATH=/bin".to_owned(), "FROM_IMAGE=yes".to_owned()],
            cmd: vec!["idle".to_owned()],
            labels: vec![("org.example.from-image".to_owned(), "yes".to_owned())],
            ..ImageSpec::new(reference)
        });
    }
    let bench = bench(&format!("tcp://{}", docker.server.address), "home", "sim");
    bench.set_up("10.77.9.0/24").await;
    bench.every_field().await;
    bench.tear_down().await;
}
