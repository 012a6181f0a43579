//! `POST /build?version=2`, as BuildKit answers it: a stream of JSON objects with its trace, and at the end the image or an error.
//!
//! Of a Dockerfile it follows `FROM`, `EXPOSE`, `CMD exit N`, and of `RUN` two commands: `sleep N` waits, `exit N` fails. The image is
//! called after what was sent, so that the same files give the same image.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::Reply;
use super::images::Reference;
use super::query::Query;
use super::spec::{Behaviour, ImageSpec};
use super::state::{Answer, Engine, digest, refuse};
use super::streams::response;

/// A step of a Dockerfile.
struct BuildStep {
    name: String,
    says: Vec<String>,
    waits: Duration,
    /// The code with which it fails.
    fails: Option<u32>,
}

/// A build that goes on.
struct Building {
    engine: Arc<Engine>,
    reference: String,
    spec: ImageSpec,
    steps: VecDeque<BuildStep>,
    number: usize,
    /// The step that was told of as begun.
    begun: Option<(BuildStep, Timestamp)>,
    is_over: bool,
}

pub(super) fn build(engine: &Arc<Engine>, query: &Query, context: &[u8]) -> Answer<Reply> {
    if query.text("version") != "2" {
        return refuse(501, "the simulator builds with BuildKit only: version=2");
    }
    let files = unpacked(context);
    let name = query.text("dockerfile");
    let lines = match files.get(name) {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => return Ok(ended(&format!("failed to read dockerfile: open {name}: no such file or directory"))),
    };
    let mut spec = ImageSpec::new(query.text("t"));
    let mut seed = context.to_vec();
    seed.extend_from_slice(query.text("buildargs").as_bytes());
    spec.id = digest(&seed.iter().map(|byte| char::from(*byte)).collect::<String>());
    let labels: BTreeMap<String, String> = serde_json::from_str(query.text("labels")).unwrap_or_default();
    spec.labels = labels.into_iter().collect();
    let mut steps = VecDeque::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "FROM" => {
                let base = rest.split(' ').next().unwrap_or_default();
                let known = engine.lock().find_image(base).is_some();
                if !known && base != "scratch" {
                    return Ok(ended(&format!("failed to solve: {base}: not found")));
                }
                spec.ports.clear();
            }
            "CMD" => {
                if let Some(code) = rest.strip_prefix("exit ").and_then(|code| code.parse().ok()) {
                    spec.behaviour = Behaviour::Exit(code);
                }
            }
            "EXPOSE" => spec.ports.extend(rest.split(['/', ' ']).next().and_then(|port| port.parse::<u16>().ok())),
            _ => (),
        }
        // What only changes how the image is described is no step of BuildKit's.
        if !["FROM", "RUN", "COPY", "ADD", "WORKDIR"].contains(&word) {
            continue;
        }
        let number = |command: &str| rest.split_once(command)?.1.split([' ', '&', ';']).next()?.parse::<u32>().ok();
        let (waits, fails) = if word == "RUN" { (number("sleep "), number("exit ")) } else { (None, None) };
        let usual = if matches!(word, "RUN" | "COPY") { engine.lock().options.build_step } else { Duration::ZERO };
        let echoed = rest.split("&&").filter_map(|part| part.trim().strip_prefix("echo "));
        steps.push_back(BuildStep {
            name: line.to_owned(),
            says: if word == "RUN" { echoed.map(str::to_owned).collect() } else { Vec::new() },
            waits: waits.map_or(usual, |seconds| Duration::from_secs(u64::from(seconds))),
            fails,
        });
    }
    let reference = query.text("t").to_owned();
    let building = Building { engine: engine.clone(), reference, spec, steps, number: 0, begun: None, is_over: false };
    let body = Body::from_stream(stream::unfold(building, |building| building.next()));
    Ok(Reply::Full(response("application/json", body)))
}

impl Building {
    /// The objects of the next half of a step: that it begins, with what it prints, and that it ends. After the last one those of the
    /// image.
    async fn next(mut self) -> Option<(Result<String, Infallible>, Self)> {
        if self.is_over {
            return None;
        }
        if let Some((step, began)) = self.begun.take() {
            tokio::time::sleep(step.waits).await;
            let mut objects = vec![traced(&self.step(&step, began, true))];
            if let Some(code) = step.fails {
                self.is_over = true;
                let command = step.name.strip_prefix("RUN ").unwrap_or_default();
                objects.push(failed(&format!("executor failed running [/bin/sh -c {command}]: exit code: {code}")));
            }
            return Some((Ok(lines(&objects)), self));
        }
        let Some(step) = self.steps.pop_front() else {
            self.is_over = true;
            let reference = Reference::parse(&self.reference);
            let id = self.engine.lock().store_image(&reference, self.spec.clone());
            let objects = [
                json!({"id": "moby.image.id", "aux": {"ID": id}}),
                json!({"stream": format!("Successfully tagged {}\n", self.reference)}),
            ];
            return Some((Ok(lines(&objects)), self));
        };
        self.number += 1;
        let began = crate::clock::now();
        let object = traced(&self.step(&step, began, false));
        self.begun = Some((step, began));
        Some((Ok(lines(&[object])), self))
    }

    /// What is told of a step: with what it printed when it begins, with its end when it is over.
    fn step(&self, step: &BuildStep, began: Timestamp, is_over: bool) -> Vec<u8> {
        let of = format!("sha256:{}", digest(&format!("{} {}", self.number, step.name)));
        let name = format!("[stage-0 {}/{}] {}", self.number, self.number + self.steps.len(), step.name);
        let mut parts = vec![field(1, of.as_bytes()), field(3, name.as_bytes()), field(5, &time(began))];
        if is_over {
            parts.push(field(6, &time(crate::clock::now())));
            parts.extend(step.fails.map(|code| field(7, format!("exit code: {code}").as_bytes())));
            return field(1, &parts.concat());
        }
        let mut message = field(1, &parts.concat());
        for said in &step.says {
            message.extend(field(3, &[field(1, of.as_bytes()), field(4, format!("{said}\n").as_bytes())].concat()));
        }
        message
    }
}

fn traced(message: &[u8]) -> Value {
    json!({"id": "moby.buildkit.trace", "aux": STANDARD.encode(message)})
}

/// A time as protobuf has it.
fn time(at: Timestamp) -> Vec<u8> {
    let number = |field: u8, number: u64| [vec![field << 3], varint(number)].concat();
    let (seconds, nanos) = (at.as_second(), at.subsec_nanosecond());
    [number(1, seconds.unsigned_abs()), number(2, u64::from(nanos.unsigned_abs()))].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
    out
}

fn ended(why: &str) -> Reply {
    Reply::Full(response("application/json", Body::from(lines(&[failed(why)]))))
}

fn failed(why: &str) -> Value {
    json!({"errorDetail": {"message": why}, "error": why})
}

fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\r\n")).collect()
}

/// A field of a protobuf message whose value is bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    out.extend(varint(bytes.len() as u64));
    out.extend_from_slice(bytes);
    out
}

/// The files of a tar, by path.
fn unpacked(context: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(context);
    for mut entry in archive.entries().into_iter().flatten().flatten() {
        let path = entry.path().map(|path| path.to_string_lossy().into_owned());
        let mut bytes = Vec::new();
        if let Ok(path) = path
            && entry.read_to_end(&mut bytes).is_ok()
        {
            files.insert(path.trim_start_matches("./").to_owned(), bytes);
        }
    }
    files
}
