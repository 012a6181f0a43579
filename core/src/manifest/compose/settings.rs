//! Keys of a container that go to the engine as they are: reads each by the shape that the table in `resources` gives it.
//!
//! A value that says what holds anyway (`tty: false`) is left out, so that it never shows as a change. What policy has a
//! word in is in `policy/rights.rs`, what has a form of its own in `composite_keys.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::container::{PairValue, pairs};
use crate::manifest::reader::Reader;
use crate::manifest::scope::{PlacedText, Scope, is_compose};
use crate::manifest::yaml::diagnostic::shown;
use crate::manifest::yaml::tree::{Node, NodeData};
use crate::manifest::{policy, resolve};
use crate::model::service::ContainerNetwork;
use crate::model::{Code, Text, Value};
use crate::resources::docker::{MEMORY_BYTES_MIN, SETTINGS, SettingShape, WordKind, setting};
use crate::text;

/// What is written there is memory that the kernel gets back from no process that it ends. Programs that want much of it
/// (PyTorch, Frigate) name a few gigabytes.
const SHM_BYTES_MAX: i64 = 64 << 30;

/// By the name of the field, which is the key's.
pub(crate) type SettingValues = BTreeMap<String, Value>;

/// Reads what the table has a shape for. In the short form `dns` is not the container's.
pub(crate) fn read(reader: &mut Reader<'_>, is_short: bool) -> SettingValues {
    let mut settings = SettingValues::new();
    for setting in SETTINGS.iter().filter(|setting| !(is_short && setting.key == "dns")) {
        let is_read_here = !matches!(setting.shape, SettingShape::Composite | SettingShape::OfNetwork);
        if is_read_here && is_empty(reader, setting.key) {
            continue;
        }
        let value = value(reader, setting.key, setting.shape);
        let value = value.filter(|value| setting.is_zero_meant || !is_nothing(value));
        settings.extend(value.map(|value| (setting.key.to_owned(), value)));
    }
    judge(reader, &settings);
    if settings.get("shm_size").and_then(Value::as_int).is_some_and(|bytes| bytes > SHM_BYTES_MAX) {
        let message = text!("`shm_size` is too large");
        let hint = text!("at most `64g`; the rest belongs into a volume");
        reader.scope.error_hint(Code::A0106, reader.key_spot("shm_size"), message, hint);
    }
    // No limit is what holds anyway.
    settings.retain(|key, value| key != "pids_limit" || *value != Value::Int(-1));
    settings
}

/// Whether a Compose file gives a setting as an empty text, as `${NAME:-}` becomes: it is as if the key were not there.
fn is_empty(reader: &mut Reader<'_>, key: &'static str) -> bool {
    let is_it = |node: &Node| {
        let is_text = node.scalar().is_some_and(str::is_empty);
        is_compose(node.spot) && is_text && !node.is_null()
    };
    reader.has(key) && reader.entry(key).is_some_and(|entry| is_it(&entry.value))
}

/// What takes from the host what the container was not given needs a word of the policy.
fn judge(reader: &Reader<'_>, settings: &SettingValues) {
    let scope = reader.scope;
    if let Some(runtime) = settings.get("runtime").and_then(Value::as_text) {
        policy::runtime(scope, &PlacedText { text: runtime.to_owned(), spot: reader.key_spot("runtime") });
    }
    // Below another cgroup, its limits hold no more; annotations set properties of its unit (`org.systemd.property.*`).
    // With a negative score, the kernel ends anything else first; with time of its own at real-time priority, a container
    // runs before anything else.
    for key in ["annotations", "cgroup_parent", "cpu_rt_period", "cpu_rt_runtime", "oom_score_adj"] {
        let Some(value) =
            settings.get(key).filter(|value| key != "oom_score_adj" || value.as_int().is_some_and(|score| score < 0))
        else {
            continue;
        };
        policy::setting(scope, key, &format!("{key} {value:?}"), reader.key_spot(key));
    }
}

/// Settings of the kernel that a namespace of the container's own has need no word (the list of Docker's
/// `opts.ValidateSysctl`). Any other is one of the whole host.
pub(crate) fn kernel(reader: &Reader<'_>, settings: &SettingValues, network: &ContainerNetwork) {
    const MESSAGES: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];
    let has_own_network = !matches!(network, ContainerNetwork::Host);
    let has_own_messages = settings.get("ipc").and_then(Value::as_text) != Some("host");
    for (name, value) in settings.get("sysctls").and_then(Value::entries).into_iter().flatten() {
        let is_message = name.strip_prefix("kernel.").is_some_and(|rest| MESSAGES.contains(&rest));
        let is_own = has_own_network && name.starts_with("net.")
            || has_own_messages && (is_message || name.starts_with("fs.mqueue."));
        if !is_own {
            let item = format!("sysctls {name}={value}");
            let key = format!("sysctls.{}", shown(name));
            policy::setting(reader.scope, &key, &item, reader.key_spot("sysctls"));
        }
    }
}

fn value(reader: &mut Reader<'_>, key: &'static str, shape: SettingShape) -> Option<Value> {
    match shape {
        SettingShape::Flag => reader.flag(key).map(Value::Bool),
        SettingShape::Number(min, max) => reader.number(key, min, max).map(Value::Int),
        SettingShape::Bytes(min, may_be_unlimited) => {
            let text = reader.text(key)?;
            if may_be_unlimited && text.text == "-1" {
                return Some(Value::Int(-1));
            }
            bytes(reader.scope, &text, &reader.label(key), min).map(Value::Int)
        }
        SettingShape::Micros(min, max) => span_in_micros(reader, key, min, max),
        SettingShape::Seconds(max) => span_in_seconds(reader, key, max),
        SettingShape::Cpus => cpus(reader, key),
        SettingShape::Signal => {
            let text = reader.text(key)?;
            signal_name(reader.scope, &text).map(Value::text)
        }
        SettingShape::Word(kind, example) => word(reader, key, kind, example),
        SettingShape::Texts | SettingShape::Addresses => {
            let node = reader.node(key)?;
            let label = reader.label(key);
            let texts = one_or_many(reader.scope, node, &label)?;
            for text in &texts {
                let is_good = shape == SettingShape::Texts || text.text.parse::<IpAddr>().is_ok();
                if text.text.is_empty() || !is_good {
                    let hint = text!("as in {example}", example = "`192.168.1.1`");
                    reader.scope.not_allowed(text, text!("an item of {list}", list = &label), hint);
                }
            }
            Some(Value::texts(texts.into_iter().map(|text| text.text)))
        }
        SettingShape::Pairs => Some(Value::Map(named(reader, key))),
        SettingShape::Composite | SettingShape::OfNetwork => None,
    }
}

fn span_in_micros(reader: &mut Reader<'_>, key: &'static str, min: i64, max: i64) -> Option<Value> {
    let text = reader.text(key)?;
    let found = micros(&text.text).filter(|micros| (min..=max).contains(micros));
    if found.is_none() {
        let min = min.to_string();
        let hint = if max == i64::MAX {
            text!("microseconds or a duration, as in `50000` or `50ms`, at least {min}", min)
        } else {
            let max = max.to_string();
            text!("microseconds or a duration, as in `50000` or `50ms`, at least {min} and at most {max}", min, max)
        };
        reader.scope.not_allowed(&text, reader.label(key), hint);
    }
    found.map(Value::Int)
}

fn span_in_seconds(reader: &mut Reader<'_>, key: &'static str, max: i64) -> Option<Value> {
    let text = reader.text(key)?;
    let hint = match resolve::duration_ms(&text.text) {
        Ok(millis) if millis <= max * 1000 => return Some(Value::Int((millis + 999) / 1000)),
        Ok(_) => text!("at most {most}", most = format!("{max}s")),
        Err(hint) => hint,
    };
    reader.scope.not_allowed(&text, reader.label(key), hint);
    None
}

/// A word, in the engine's spelling.
fn word(reader: &mut Reader<'_>, key: &'static str, kind: WordKind, example: &str) -> Option<Value> {
    let PlacedText { text, spot } = reader.text(key)?;
    let label = reader.label(key);
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        reader.scope.not_allowed(&PlacedText { text, spot }, label, why_no_word(key, kind, example));
        return None;
    }
    let spelled = match kind {
        WordKind::Any => Some(text.clone()),
        WordKind::Cpuset => is_cpuset(&text).then(|| text.clone()),
        WordKind::Mac => is_mac(&text).then(|| text.to_lowercase()),
        WordKind::Path => text.starts_with('/').then(|| text.clone()),
        WordKind::HostName => is_host_name(&text).then(|| text.clone()),
        WordKind::Platform => platform(&text),
    };
    if spelled.is_none() {
        let hint = why_not_of_kind(kind, example);
        reader.scope.not_allowed(&PlacedText { text, spot: reader.key_spot(key) }, label, hint);
    }
    spelled.map(Value::Text)
}

/// What to write in place of nothing, or of something with a blank in it.
fn why_no_word(key: &str, kind: WordKind, example: &str) -> Text {
    match kind {
        WordKind::Any if key == "runtime" => text!("a runtime that the engine knows, as in {example}", example),
        WordKind::Cpuset => text!("as in {first} or {second}", first = "`0-2`", second = "`0,3`"),
        WordKind::Path => why_not_of_kind(kind, example),
        WordKind::Any | WordKind::Mac | WordKind::HostName | WordKind::Platform => {
            text!("as in {example}", example)
        }
    }
}

/// What a word of a kind looks like.
fn why_not_of_kind(kind: WordKind, example: &str) -> Text {
    match kind {
        WordKind::Any => text!("as in {example}", example),
        WordKind::Cpuset => {
            text!("numbers of CPUs, as in {first} or {second}", first = "`0-2`", second = "`0,3`")
        }
        WordKind::Mac => text!("six pairs of hexadecimal digits, as in {example}", example),
        WordKind::Path => text!("an absolute path in the container, as in {example}", example),
        WordKind::HostName => text!("letters, digits, `-` and `.`, at most 253"),
        WordKind::Platform => text!("`linux/ARCHITECTURE`, as in `linux/amd64`, `linux/arm64` or `linux/arm/v7`"),
    }
}

/// A limit of memory below `deploy`.
pub(crate) fn memory(reader: &mut Reader<'_>, key: &'static str) -> Option<Value> {
    value(reader, key, SettingShape::Bytes(MEMORY_BYTES_MIN, false))
}

/// The address of a network card, on one of its networks.
pub(crate) fn mac(reader: &mut Reader<'_>) -> Option<Value> {
    const KEY: &str = "mac_address";
    value(reader, KEY, setting(KEY)?.shape)
}

/// A list of texts, or one.
pub(crate) fn one_or_many(scope: &Scope<'_>, node: &Node, label: &str) -> Option<Vec<PlacedText>> {
    match &node.data {
        NodeData::Scalar(_) => Some(vec![scope.text(node, label)?]),
        NodeData::List(_) => scope.texts(node, label),
        NodeData::Map(_) => {
            scope.wrong_type(node, label, text!("text or a list"));
            None
        }
    }
}

/// Names and texts out of a map, or out of a list of `NAME=value`.
pub(crate) fn named(reader: &mut Reader<'_>, key: &'static str) -> BTreeMap<String, Value> {
    let label = reader.label(key);
    let mut entries = BTreeMap::new();
    for (name, spot, value) in pairs(reader, key) {
        let scope = reader.scope;
        let what = || text!("`{name}` of {key}", name = shown(&name), key = &label);
        let value = match value {
            PairValue::Text(text) => Some(text),
            PairValue::Node(node) => scope.text(node, what()).map(|text| text.text),
            PairValue::Nothing => {
                scope.error(Code::A0104, spot, text!("{what} has no value", what = what()));
                None
            }
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            scope.error(Code::A0106, spot, text!("an entry of {key} needs a name of plain characters", key = &label));
            continue;
        }
        entries.extend(value.map(|value| (name, Value::Text(value))));
    }
    entries
}

/// `512m`, `1.5g`, `1024`: powers of 1024, as Compose has it.
pub(crate) fn bytes(scope: &Scope<'_>, text: &PlacedText, label: &str, min: i64) -> Option<i64> {
    let found = bytes_of(&text.text);
    match found {
        Some(bytes) if bytes >= min => return Some(bytes),
        Some(_) => scope.not_allowed(text, label, text!("at least {min} bytes", min = min.to_string())),
        None => {
            let (first, second, third) = ("`512m`", "`2g`", "`1048576`");
            let hint = text!("bytes, as in {first}, {second} or {third}", first, second, third);
            scope.not_allowed(text, label, hint);
        }
    }
    None
}

fn bytes_of(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let shift = match text[digits..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    // Thousandths, so that `1.5g` is exact.
    let thousandths = decimal(&text[..digits], 3)?;
    thousandths.checked_mul(1 << shift).map(|total| total / 1000)
}

/// A decimal number times ten to the power of `places`; more places than that are none.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(rest) || rest.len() > places {
        return None;
    }
    format!("{whole}{rest:0<places$}").parse().ok()
}

fn micros(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    match text.strip_suffix("us") {
        Some(micros) => micros.parse().ok(),
        None => resolve::duration_ms(text).ok()?.checked_mul(1000),
    }
}

/// `1.5` CPUs, in thousand millionths.
pub(crate) fn cpus(reader: &mut Reader<'_>, key: &'static str) -> Option<Value> {
    const PLACES: usize = 9;
    let text = reader.text(key)?;
    let found = decimal(&text.text, PLACES);
    if found.is_none() {
        let hint = text!("a number of CPUs, as in {first} or {second}", first = "`0.5`", second = "`2`");
        reader.scope.not_allowed(&text, reader.label(key), hint);
    }
    found.map(Value::Int)
}

/// `SIGTERM`, `TERM` or a number, as the engine takes it.
fn signal_name(scope: &Scope<'_>, text: &PlacedText) -> Option<String> {
    let name = text.text.to_ascii_uppercase();
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b));
    if !is_word {
        scope.not_allowed(text, "`stop_signal`", text!("as in {example}", example = "`SIGINT`"));
        return None;
    }
    let is_bare = name.starts_with("SIG") || name.bytes().all(|b| b.is_ascii_digit());
    Some(if is_bare { name } else { format!("SIG{name}") })
}

fn is_cpuset(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(part),
    })
}

fn is_mac(text: &str) -> bool {
    let pairs: Vec<&str> = text.split(':').collect();
    pairs.len() == 6 && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `linux/aarch64` as engines call it: `linux/arm64`.
fn platform(text: &str) -> Option<String> {
    const ARCHITECTURES: [&str; 9] =
        ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"];
    const OTHER_NAMES: [(&str, &str); 5] =
        [("aarch64", "arm64"), ("armhf", "arm/v7"), ("i386", "386"), ("x86-64", "amd64"), ("x86_64", "amd64")];
    let text = text.to_ascii_lowercase();
    let rest = text.strip_prefix("linux/").unwrap_or(&text);
    let (architecture, variant) = rest.split_once('/').map_or((rest, None), |(name, variant)| (name, Some(variant)));
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == architecture);
    let architecture = other.map_or(architecture, |(_, name)| *name);
    let is_known = ARCHITECTURES.contains(&architecture.split('/').next().unwrap_or_default());
    let is_variant = |text: &&str| {
        text.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    match variant {
        _ if !is_known => None,
        // There is no other.
        Some("v8") if architecture == "arm64" => Some("linux/arm64".to_owned()),
        Some(variant) => Some(variant).filter(is_variant).map(|variant| format!("linux/{architecture}/{variant}")),
        None => Some(format!("linux/{architecture}")),
    }
}

fn is_host_name(text: &str) -> bool {
    const NAME_MAX: usize = 253;
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    text.len() <= NAME_MAX && text.split('.').all(is_label)
}

/// What stands for "not set".
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::None | Value::Bool(false) | Value::Int(0) => true,
        Value::Bool(true) | Value::Int(_) | Value::Secret { .. } | Value::Output { .. } => false,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}

/// Settings that contradict each other: the engine would refuse them when the old container is gone already.
pub(crate) fn contradictions(reader: &Reader<'_>, settings: &SettingValues) {
    let number = |key: &str| settings.get(key).and_then(Value::as_int);
    let clash = |key: &str, message: Text, hint: Text| {
        reader.scope.error_hint(Code::A0140, reader.key_spot(key), message, hint);
    };
    for key in ["cpu_period", "cpu_quota"] {
        if settings.contains_key("cpus") && settings.contains_key(key) {
            clash(key, text!("`{key}` stands beside `cpus`", key), text!("both limit the same; keep one"));
        }
    }
    let (memory, swap) = (number("mem_limit"), number("memswap_limit"));
    match (memory, swap) {
        (None, Some(_)) => {
            let message = text!("`memswap_limit` needs `mem_limit`");
            clash("memswap_limit", message, text!("it is memory and swap together"));
        }
        (Some(memory), Some(swap)) if swap != -1 && swap < memory => {
            let hint = text!("it is memory and swap together; `-1` for no limit");
            clash("memswap_limit", text!("`memswap_limit` is less than `mem_limit`"), hint);
        }
        (Some(_) | None, Some(_) | None) => (),
    }
    if let (Some(memory), Some(reserved)) = (memory, number("mem_reservation"))
        && reserved > memory
    {
        let message = text!("`mem_reservation` is more than `mem_limit`");
        clash("mem_reservation", message, text!("reserve less, or limit more"));
    }
}
