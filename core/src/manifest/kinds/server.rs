//! The keys of an `Instance` that Amarre makes: where, how large, from what, who may sign in.

use crate::manifest::compose::settings;
use crate::manifest::reader::{Reader, nearest, nothing_else};
use crate::manifest::schema_keys::{SchemaKey, either, list, object, text, words};
use crate::manifest::scope::PlacedText;
use crate::manifest::yaml::diagnostic::shown;
use crate::model::instance::ServerShape;
use crate::model::{Code, ProviderId};
use crate::text;

/// The keys that only a server has that Amarre makes.
const KEYS: [&str; 8] = ["project", "region", "type", "image", "ssh_keys", "user_data", "networks", "update"];
/// The one network that servers are on.
const PUBLIC: &str = "public";
/// No vendor takes longer words.
const CHARS_MAX: usize = 200;
const MIB: i64 = 1 << 20;
/// OVH takes 65,535 bytes of base64.
const USER_DATA_BYTES_MAX: usize = 48_000;

/// Whether a manifest has any of them.
pub(super) fn has_keys(reader: &Reader<'_>) -> bool {
    KEYS.iter().any(|key| reader.has(key))
}

/// What the server is to be. `provider`: of its cloud, where that is known. `None`: it said what is wrong.
pub(super) fn shape(reader: &mut Reader<'_>, provider: Option<&ProviderId>) -> Option<ServerShape> {
    let ssh_key = ssh_key(reader);
    let shape = shape_with_own_key(reader, provider)?;
    Some(ServerShape { ssh_key: ssh_key?, ..shape })
}

/// As [`shape`], of a server on which Amarre puts its own key: `ssh_key` is empty until that is read.
pub(super) fn shape_with_own_key(reader: &mut Reader<'_>, provider: Option<&ProviderId>) -> Option<ServerShape> {
    let scope = reader.scope;
    let traits = provider.map(ProviderId::cloud_traits);
    let project = reader.text("project");
    if let Some(project) = project.as_ref().filter(|_| traits.is_some_and(|traits| !traits.has_projects)) {
        let hint = text!("leave out `project`");
        scope.error_hint(Code::A0106, project.spot, text!("this cloud has no projects"), hint);
    }
    let region_hint = text!("where the server is to be, as the vendor calls it: `GRA11`, `EU`");
    let region = reader.required("region", region_hint);
    let size = size(reader, traits.is_none_or(|traits| traits.names_sizes));
    let image = reader.required("image", text!("what it is installed from, as the vendor calls it: `Debian 13`"));
    networks(reader);
    let user_data = user_data(reader);
    let may_resize = resize(reader);
    let plain = |text: Option<PlacedText>, label: &str| {
        let text = text?;
        let is_plain =
            !text.text.trim().is_empty() && text.text.len() <= CHARS_MAX && !text.text.contains(char::is_control);
        if !is_plain {
            scope.not_allowed(&text, label, text!("a line of plain characters"));
        }
        is_plain.then_some(text.text)
    };
    let project = match project {
        Some(project) => plain(Some(project), "`project`")?,
        None => String::new(),
    };
    let (region, image) = (plain(region, "`region`"), plain(image, "`image`"));
    Some(ServerShape {
        project,
        region: region?,
        size: size?,
        image: image?,
        ssh_key: String::new(),
        user_data: user_data?,
        may_resize,
    })
}

/// The file that is handed over for its first boot, as it is; empty: none. `None`: it said what is wrong.
fn user_data(reader: &mut Reader<'_>) -> Option<String> {
    let scope = reader.scope;
    let Some(text) = reader.text("user_data") else { return (!reader.has("user_data")).then(String::new) };
    let path = scope.source_path(&text)?;
    let (_, content) = scope.open(&path, None, text.spot)?;
    if content.trim().is_empty() {
        let message = text!("{path} is empty", path = shown(&path));
        scope.error_hint(Code::A0106, text.spot, message, text!("leave out `user_data`"));
        return None;
    }
    if content.len() > USER_DATA_BYTES_MAX {
        let (size, most) = (content.len().to_string(), USER_DATA_BYTES_MAX.to_string());
        let message = text!("{what} has {size} bytes, at most {most}", what = shown(&path), size, most);
        scope.error_hint(Code::A0108, text.spot, message, text!("let the server fetch the rest"));
        return None;
    }
    Some(content.to_string())
}

/// `b3-8`, or `{cpu: 2B, memory: 2GiB, disk: 20GB}`, as the cloud has it.
fn size(reader: &mut Reader<'_>, is_named: bool) -> Option<String> {
    let example = if is_named { "`type: b3-8`" } else { "`type: {cpu: 2B, memory: 2GiB, disk: 20GB}`" };
    let hint = text!("as in {example}", example);
    if !reader.has("type") {
        return reader.required("type", hint).map(|text| text.text);
    }
    let scope = reader.scope;
    let node = reader.node("type")?;
    match (is_named, node.scalar()) {
        (true, Some(_)) => {
            let text = scope.text(node, "`type`")?;
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let is_size = !text.text.is_empty() && text.text.len() <= CHARS_MAX && text.text.bytes().all(is_word);
            if !is_size {
                scope.not_allowed(&text, "`type`", hint);
            }
            is_size.then_some(text.text)
        }
        (true, None) => {
            scope.error_hint(Code::A0104, node.spot, text!("sizes of this cloud have names"), hint);
            None
        }
        (false, Some(_)) => {
            scope.error_hint(Code::A0104, node.spot, text!("sizes of this cloud have no names"), hint);
            None
        }
        (false, None) => size_of_parts(Reader::open(scope, node, "`type`", "type.")?),
    }
}

fn size_of_parts(mut reader: Reader<'_>) -> Option<String> {
    let scope = reader.scope;
    let cpu = reader.required("cpu", text!("number and class of the processors: `2B`; A, B, T or D"));
    let memory = reader.required("memory", text!("as in {example}", example = "`memory: 2GiB`"));
    let disk = reader.required("disk", text!("as in {example}", example = "`disk: 20GB`"));
    reader.finish(&nothing_else);
    let (cpu, memory, disk) = (cpu?, memory?, disk?);
    let cores = cpu.text.trim_end_matches(|class: char| class.is_ascii_uppercase());
    let is_cpu =
        cpu.text.len() == cores.len() + 1 && cores.parse::<u32>().is_ok_and(|cores| (1..=999).contains(&cores));
    if !is_cpu {
        scope.not_allowed(&cpu, "`type.cpu`", text!("number and class, as in `2B`"));
        return None;
    }
    let memory = settings::bytes(scope, &memory, "`type.memory`", MIB)?;
    let digits = disk.text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic() || unit == ' ');
    let unit = disk.text[digits.len()..].trim().to_ascii_lowercase();
    let gigabytes = digits.parse::<u32>().ok().filter(|size| (1..=100_000).contains(size));
    let Some(gigabytes) = gigabytes.filter(|_| ["g", "gb", "gib"].contains(&unit.as_str())) else {
        scope.not_allowed(&disk, "`type.disk`", text!("whole gigabytes, as in `20GB`"));
        return None;
    };
    Some(format!("{} {}MiB {gigabytes}GB", cpu.text, memory / MIB))
}

/// The one key that may sign in: a name below `ssh_keys` of the configuration.
fn ssh_key(reader: &mut Reader<'_>) -> Option<String> {
    let scope = reader.scope;
    let known = &scope.site.ssh_keys;
    if reader.entry("ssh_keys").is_none() {
        let hint =
            text!("as in `ssh_keys: [ops]`, a name below `ssh_keys:` of amarre.yaml: without a key nobody can sign in");
        reader.missing("ssh_keys", hint);
        return None;
    }
    let spot = reader.key_spot("ssh_keys");
    let names = reader.texts("ssh_keys");
    let [name] = names.as_slice() else {
        let hint = text!("name one; the vendors put no more than one key on a server that they make");
        scope.error_hint(Code::A0106, spot, text!("`ssh_keys` names {n} keys", n = names.len()), hint);
        return None;
    };
    let key = known.get(&name.text).cloned();
    if key.is_none() {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let hint = match (nearest(&name.text, &names), names.as_slice()) {
            (Some(near), _) => text!("did you mean `{near}`?", near),
            (None, []) => text!(
                "there is none: write {example} in amarre.yaml",
                example = "`ssh_keys: {NAME: \"ssh-ed25519 AAAA…\"}`",
            ),
            (None, names) => {
                text!("below {key} of amarre.yaml are {names}", key = "`ssh_keys:`", names = names.join(", "))
            }
        };
        scope.error_hint(Code::A0106, name.spot, text!("there is no key `{name}`", name = shown(&name.text)), hint);
    }
    key
}

fn networks(reader: &mut Reader<'_>) {
    let scope = reader.scope;
    for network in reader.texts("networks").iter().filter(|network| network.text != PUBLIC) {
        let hint = text!("servers are on the public network: `[public]`, or leave it out");
        scope.not_allowed(network, text!("an item of {list}", list = "`networks`"), hint);
    }
}

/// `update: {resize: allowed}`.
fn resize(reader: &mut Reader<'_>) -> bool {
    let Some(node) = reader.node("update") else { return false };
    let Some(mut inner) = Reader::open(reader.scope, node, "`update`", "update.") else { return false };
    let may_resize = inner.choice("resize", &[("allowed", true), ("held", false)]).unwrap_or(false);
    inner.finish(&nothing_else);
    may_resize
}

/// Refuses these keys beside `id`.
pub(super) fn refuse_keys(reader: &mut Reader<'_>) {
    for key in KEYS.into_iter().filter(|key| reader.has(key)).collect::<Vec<_>>() {
        reader.entry(key);
        let message = text!("`{key}` is for a server that Amarre makes, and `id` names one that is there", key);
        let hint = text!("leave out one of them: of what is there only the power is managed");
        reader.scope.error_hint(Code::A0106, reader.key_spot(key), message, hint);
    }
}

/// Their part of the schema.
pub(super) fn schema_keys() -> Vec<SchemaKey> {
    let parts = object(
        &["cpu", "memory", "disk"],
        vec![
            ("cpu", text(), "Number and class: `2B`"),
            ("memory", text(), "As in `2GiB`"),
            ("disk", text(), "As in `20GB`"),
        ],
    );
    let update = object(
        &[],
        vec![("resize", words(&["allowed", "held"]), "Whether its size may be changed; it is down meanwhile")],
    );
    vec![
        ("project", text(), "By id or as people call it; needed where the cloud has several"),
        ("region", text(), "Where it is to be, as the vendor calls it"),
        ("type", either(&[text(), parts]), "Its size: a name at OVH, parts at Kamatera"),
        ("image", text(), "What it is installed from, as the vendor calls it"),
        ("ssh_keys", list(text()), "The one key that may sign in, by its name below `ssh_keys:` of amarre.yaml"),
        ("user_data", text(), "A file of the source for its first boot, as cloud-init takes it"),
        ("networks", list(words(&[PUBLIC])), "Servers are on the public network"),
        ("update", update, "Whether its size may be changed"),
    ]
}
