//! Manifests from the JSON Schema and a seed: every kind, every key, every form. First what the schema allows is drawn
//! key by key (texts and numbers come from `samples.rs`), then names, domains and references are made to fit together.
//!
//! A key that the schema gains occurs by itself; one with a text or a number needs a line in `samples.rs`.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::coherent;
use crate::dice::Dice;
use crate::samples;

/// What is taken for granted by those who use the manifests.
pub struct Ground {
    /// Images that there are; none for those of the samples.
    pub images: Vec<String>,
    /// Certificates that NPM has.
    pub certificates: Vec<String>,
    /// Ports that NPM publishes for streams.
    pub stream_ports: Vec<u16>,
    /// `part.key` of what may not occur.
    pub without: Vec<String>,
    /// Of a hundred optional keys of a container, so many occur; of other maps six times as many.
    pub density: usize,
}

impl Default for Ground {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            certificates: vec!["wild".to_owned()],
            stream_ports: vec![2222],
            without: Vec::new(),
            density: 5,
        }
    }
}

/// A source: manifests, and the files beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// One for each file; also YAML as they are.
    pub documents: Vec<Json>,
    /// `part.key` of everything that was drawn and is still there.
    pub keys: BTreeSet<String>,
    /// Compose files and what is delivered, by path.
    pub beside: Vec<(String, String)>,
    /// Paths for which `samples.rs` has nothing.
    pub without_sample: BTreeSet<String>,
}

impl Generated {
    /// Path and text of each manifest.
    pub fn files(&self) -> Vec<(String, String)> {
        let path = |document: &Json| {
            let kind = document["kind"].as_str().unwrap_or("Service").to_lowercase();
            let name = document["name"].as_str().unwrap_or("unnamed").trim_matches('@').replace('*', "any");
            let record_type = document["type"].as_str().filter(|_| kind == "record").unwrap_or_default();
            format!("services/{kind}-{name}{record_type}.yaml")
        };
        self.documents.iter().map(|document| (path(document), document.to_string())).collect()
    }
}

/// Services that there may be; few, so that two sources have some in common.
const SERVICES: [&str; 4] = ["api", "blog", "cloud", "docs"];

/// A source that follows from the seed.
pub fn generate(schema: &Json, ground: &Ground, seed: u64) -> Generated {
    let mut draw = Draw { schema, ground, dice: Dice::new(seed), without_sample: BTreeSet::new() };
    let mut documents = Vec::new();
    let count = 1 + draw.dice.below(3);
    for name in draw.dice.shuffled(SERVICES.to_vec()).into_iter().take(count) {
        documents.push(draw.service(name));
    }
    for (kind, name, percent) in [
        ("Network", "back", 40),
        ("AccessList", "family", 50),
        ("Route", "nas", 25),
        ("Redirect", "old", 25),
        ("DeadHost", "closed", 25),
        ("Stream", "ssh", 25),
        ("Record", "mail", 25),
    ] {
        if draw.dice.chance(percent) {
            let mut document = draw.object(kind, kind);
            document.insert("kind".to_owned(), json!(kind));
            document.insert("name".to_owned(), json!(name));
            documents.push(Json::Object(document));
        }
    }
    let without_sample = draw.without_sample;
    let beside = coherent::make(&mut documents, ground, &mut draw.dice);
    let mut keys = BTreeSet::new();
    for document in &documents {
        keys.extend(keys_of(schema, document));
    }
    Generated { documents, keys, beside, without_sample }
}

/// Every `part.key` that the schema has.
pub fn all_keys(schema: &Json) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (part, object) in schema["$defs"].as_object().unwrap() {
        for (key, forms) in object["properties"].as_object().unwrap() {
            // One container's keys stand at the top, too, and in a job; a key that must not be used says so.
            let is_container = (part == "Service" || part == "job")
                && key != "dns"
                && schema["$defs"]["container"]["properties"].get(key).is_some();
            if key != "<<" && !is_container && forms.get("const") != Some(&json!(false)) {
                keys.insert(format!("{part}.{key}"));
            }
        }
    }
    keys
}

/// The keys that stand in a document, each as `part.key`.
pub fn keys_of(schema: &Json, document: &Json) -> BTreeSet<String> {
    let kind = document["kind"].as_str().unwrap_or("Service").to_owned();
    let mut keys = BTreeSet::new();
    collect(schema, &schema["$defs"][&kind], &kind, document, &mut keys);
    keys
}

/// The keys that stand in `value`.
fn collect(schema: &Json, forms: &Json, path: &str, value: &Json, keys: &mut BTreeSet<String>) {
    if let Some(part) = part_of(forms) {
        collect(schema, &schema["$defs"][part], part, value, keys);
        return;
    }
    if let Some(properties) = forms["properties"].as_object() {
        for (key, inner) in value.as_object().into_iter().flatten() {
            let Some(forms) = properties.get(key) else { continue };
            let is_containers = (path == "Service" || path == "job") && is_of_container(schema, key);
            let part = if is_containers { "container" } else { path };
            keys.insert(format!("{part}.{key}"));
            collect(schema, forms, &format!("{part}.{key}"), inner, keys);
        }
    } else if let Some(choices) = forms["anyOf"].as_array() {
        choices.iter().for_each(|choice| collect(schema, choice, path, value, keys));
    } else if let (Some(items), Some(found)) = (forms.get("items"), value.as_array()) {
        found.iter().for_each(|item| collect(schema, items, path, item, keys));
    } else if let (Some(values), Some(found)) = (forms.get("additionalProperties"), value.as_object()) {
        found.values().for_each(|item| collect(schema, values, path, item, keys));
    }
}

fn part_of(forms: &Json) -> Option<&str> {
    forms["$ref"].as_str()?.strip_prefix("#/$defs/")
}

fn is_of_container(schema: &Json, key: &str) -> bool {
    key != "dns" && schema["$defs"]["container"]["properties"].get(key).is_some()
}

struct Draw<'a> {
    schema: &'a Json,
    ground: &'a Ground,
    dice: Dice,
    without_sample: BTreeSet<String>,
}

impl Draw<'_> {
    /// A service in one of its three forms: one container, several, or a Compose file.
    fn service(&mut self, name: &str) -> Json {
        let mut drawn = self.object("Service", "Service");
        let form = self.dice.below(10);
        let (compose, profiles) = (drawn.remove("compose"), drawn.remove("profiles"));
        match form {
            0..4 => {
                // Both have `dns`; at the top it is the service's.
                let mut container = self.object("container", "container");
                container.remove("dns");
                drawn.extend(container);
            }
            4..9 => {
                let names = ["app", "db", "worker"];
                let count = 1 + self.dice.below(names.len());
                let map: Map<String, Json> = names[..count]
                    .iter()
                    .map(|name| ((*name).to_owned(), Json::Object(self.object("container", "container"))))
                    .collect();
                drawn.insert("containers".to_owned(), Json::Object(map));
            }
            _ => {
                drawn.insert("compose".to_owned(), compose.unwrap_or(json!("COMPOSE")));
                if let Some(profiles) = profiles {
                    drawn.insert("profiles".to_owned(), profiles);
                }
            }
        }
        drawn.insert("name".to_owned(), json!(name));
        if self.dice.chance(20) {
            drawn.insert("kind".to_owned(), json!("Service"));
        } else {
            drawn.remove("kind");
        }
        Json::Object(drawn)
    }

    /// A map of the schema: what it needs, and some of what it may have.
    fn object(&mut self, part: &str, path: &str) -> Map<String, Json> {
        let object = &self.schema["$defs"][part];
        let required: Vec<&str> =
            object["anyOf"][0]["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let percent = match part {
            "container" | "Service" => self.ground.density,
            _ => (self.ground.density * 6).min(100),
        };
        let mut drawn = Map::new();
        for (key, forms) in object["properties"].as_object().unwrap() {
            let full = format!("{path}.{key}");
            // Which of the three forms a service has is drawn elsewhere.
            if part == "Service" && (is_of_container(self.schema, key) || key == "containers") {
                continue;
            }
            // Of files beside the manifest, which are not drawn.
            if key == "build" && part != "App" {
                continue;
            }
            let is_top = part == "Service";
            let percent = if is_top { percent * 5 } else { percent };
            let is_image = matches!(part, "container" | "job") && key == "image";
            let needed = is_image || required.contains(&key.as_str());
            if key == "<<" || (!needed && !self.dice.chance(percent)) || self.ground.without.contains(&full) {
                continue;
            }
            if let Some(value) = self.value(forms, &full) {
                drawn.insert(key.clone(), value);
            }
        }
        drawn
    }

    /// A value of one of the forms; `None` where there is none that can be told.
    fn value(&mut self, forms: &Json, path: &str) -> Option<Json> {
        if forms.get("const") == Some(&json!(false)) && path != "dependency.restart" {
            return None;
        }
        if let Some(values) = samples::values(path) {
            return Some(self.dice.pick(values).clone());
        }
        if let Some(part) = part_of(forms) {
            return Some(Json::Object(self.object(part, part)));
        }
        if let Some(value) = forms.get("const") {
            return Some(value.clone());
        }
        if let Some(words) = forms["enum"].as_array() {
            return Some(self.dice.pick(words).clone());
        }
        if let Some(choices) = forms["anyOf"].as_array() {
            let choice = self.dice.pick(choices);
            return self.value(choice, path);
        }
        // In its short form, beside a long one.
        if path == "container.ports[]" {
            return Some(json!("PORT"));
        }
        match forms["type"].as_str() {
            Some("boolean") => Some(json!(self.dice.chance(50))),
            Some("null") => Some(Json::Null),
            Some("array") => self.list(&forms["items"], path),
            Some("object") => self.map(&forms["additionalProperties"], path),
            _ => {
                let is_known = ["kind", "name", "host"].iter().any(|key| path.ends_with(&format!(".{key}")))
                    || path.starts_with("record.")
                    || path.starts_with("Record.");
                if !is_known {
                    self.without_sample.insert(path.to_owned());
                }
                is_known.then(|| json!("LATER"))
            }
        }
    }

    fn list(&mut self, items: &Json, path: &str) -> Option<Json> {
        let mut list: Vec<Json> = Vec::new();
        for _ in 0..=self.dice.below(2) {
            let item = self.one(items, &format!("{path}[]"));
            let item = item.filter(|item| item.is_object() || !list.contains(item));
            list.extend(item);
        }
        (!list.is_empty()).then_some(Json::Array(list))
    }

    fn map(&mut self, values: &Json, path: &str) -> Option<Json> {
        let Some(names) = samples::names(path) else {
            self.without_sample.insert(format!("{path}.*"));
            return None;
        };
        let mut map = Map::new();
        for name in self.dice.shuffled(names.to_vec()) {
            if !map.is_empty() && self.dice.chance(50) {
                continue;
            }
            let value = self.one(values, &format!("{path}.*"));
            map.extend(value.map(|value| (name.to_owned(), value)));
        }
        (!map.is_empty()).then_some(Json::Object(map))
    }

    /// A text of this path, or a map if the value may be one.
    fn one(&mut self, forms: &Json, path: &str) -> Option<Json> {
        let choices = forms["anyOf"].as_array().filter(|_| self.dice.chance(40));
        match choices.and_then(|choices| choices.iter().find_map(part_of)) {
            Some(part) => Some(Json::Object(self.object(part, part))),
            None => self.value(forms, path),
        }
    }
}
