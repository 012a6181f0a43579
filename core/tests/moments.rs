//! Small manifests that a few choices make: services that come, go, change and take names from one another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use amarre_core::model::{Facts, Owner, Value};

use amarre_testkit::dice::Dice;
use amarre_testkit::scene::{START, Scene, empty_server, seen, site};
use amarre_testkit::state::State;

/// Services that there may be.
pub const SERVICES: [&str; 3] = ["api", "blog", "cloud"];
/// Names that they may have; fewer than services have places, so that they move.
const DOMAINS: [&str; 4] = ["one", "two", "three", "four"];

/// What a service may look like.
#[derive(Debug, Clone, PartialEq)]
struct Shape {
    image: usize,
    variable: usize,
    volume: bool,
    port: bool,
    sibling: bool,
    depends: bool,
    network: usize,
    list: bool,
    certificate: bool,
    dns: bool,
    stopped: bool,
    host_network: bool,
    location: bool,
}

/// Manifests of a moment: a shape for each service that is there, and which domains it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    shapes: Vec<Option<Shape>>,
    owners: Vec<usize>,
    main: usize,
}

impl Moment {
    pub fn new(dice: &mut Dice) -> Self {
        Self {
            shapes: SERVICES.iter().map(|_| dice.chance(65).then(|| Shape::new(dice))).collect(),
            owners: DOMAINS.iter().map(|_| dice.below(4)).collect(),
            main: dice.below(4),
        }
    }

    /// The same with one thing otherwise.
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut changed = self.clone();
        match dice.below(4) {
            0 => {
                let at = dice.below(DOMAINS.len());
                changed.owners[at] = dice.below(4);
            }
            1 => changed.main = dice.below(4),
            2 => {
                let at = dice.below(SERVICES.len());
                changed.shapes[at] = dice.chance(65).then(|| Shape::new(dice));
            }
            _ => {
                let at = dice.below(SERVICES.len());
                if let Some(shape) = &mut changed.shapes[at] {
                    shape.variable = 1 - shape.variable;
                }
            }
        }
        changed
    }

    /// The same, with everything running.
    pub fn started(mut self) -> Self {
        self.shapes.iter_mut().flatten().for_each(|shape| shape.stopped = false);
        self
    }

    /// As files.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            (
                "services/family.yaml".to_owned(),
                "{kind: AccessList, name: family, users: {anna: {secret: anna}}}".to_owned(),
            ),
            ("services/back.yaml".to_owned(), "{kind: Network, name: back, subnet: 172.20.250.0/24}".to_owned()),
        ];
        for (at, name) in SERVICES.iter().enumerate() {
            let Some(shape) = &self.shapes[at] else { continue };
            files.push((format!("services/{name}.yaml"), self.manifest(at, name, shape)));
        }
        files
    }

    pub fn scene(&self) -> Scene {
        Scene::of(&self.files(), &site(), &BTreeMap::new())
    }

    fn manifest(&self, at: usize, name: &str, shape: &Shape) -> String {
        let mut app =
            format!("image: 'app:{}', environment: {{A: '{}', B: {{secret: b}}}}", shape.image, shape.variable);
        if shape.volume {
            app.push_str(", volumes: ['data:/data']");
        }
        // Two of them would want one port of the machine.
        let host_network = shape.host_network && at == 0;
        if host_network {
            app.push_str(", network_mode: host");
        } else if shape.port {
            let _ = write!(app, ", ports: ['127.0.0.1:808{at}:80']");
        }
        if shape.sibling && shape.depends {
            app.push_str(", depends_on: {db: {condition: service_healthy}}");
        }
        let db = if shape.sibling { ", db: {image: 'db:1', volumes: ['db:/db']}" } else { "" };
        let owned = DOMAINS.iter().zip(&self.owners).filter(|(_, owner)| **owner == at);
        let mut domains: Vec<&str> = owned.map(|(domain, _)| *domain).collect();
        let turn = self.main % domains.len().max(1);
        domains.rotate_left(turn);
        // Services come and go with the same images; none of them is another one under a new name.
        let mut text = format!("name: {name}\ndata: new\ncontainers: {{app: {{{app}}}{db}}}\n");
        let to = if host_network { "app:8123" } else { "app:80" };
        if let Some((main, aliases)) = domains.split_first() {
            let list = if shape.list { ", access_list: family" } else { "" };
            let tls = if shape.certificate { ", tls: wild" } else { "" };
            let db = shape.sibling && shape.location;
            let locations = if db { ", locations: [{path: /db, to: 'db:81'}]" } else { "" };
            let aliases = aliases.join(", ");
            let _ =
                writeln!(text, "routes: [{{domain: {main}, aliases: [{aliases}], to: '{to}'{list}{tls}{locations}}}]");
        }
        match shape.network {
            0 => text.push_str("network: back\n"),
            1 => {
                let _ = writeln!(text, "network: {{subnet: 172.20.10{at}.0/24}}");
            }
            _ => (),
        }
        if !shape.dns {
            text.push_str("dns: none\n");
        }
        if shape.stopped {
            text.push_str("state: stopped\n");
        }
        text
    }
}

impl Shape {
    fn new(dice: &mut Dice) -> Self {
        Self {
            image: dice.below(2),
            variable: dice.below(2),
            volume: dice.chance(50),
            port: dice.chance(20),
            sibling: dice.chance(40),
            depends: dice.chance(50),
            network: dice.below(5),
            list: dice.chance(30),
            certificate: dice.chance(20),
            dns: dice.chance(80),
            stopped: dice.chance(6),
            host_network: dice.chance(6),
            location: dice.chance(30),
        }
    }
}

/// A server on which nothing of ours stands.
pub fn start() -> State {
    let mut raw = empty_server();
    let wild = "npm/certificate/wild".parse().unwrap();
    let fields = amarre_core::model::Fields::default().with("domains", Value::texts(["*.example.org"]));
    raw.seen.insert(wild, seen(fields, Owner::Foreign, None, "id-1"));
    State { raw, facts: Facts::default(), confirmed: BTreeSet::new(), now: START, ids: 100 }
}
