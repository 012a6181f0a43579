//! Files that are copied into a container between its creation and its start.
//!
//! What was copied stands in a label, by digest and by names of secrets: it tells what a container was made with. What is
//! to be copied stands in the change and never in a label, for a label may come from an image. The content comes beside
//! the plan. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::secret::Secrets;
use amarre_core::model::{Bundle, Fields, Payloads, SecretName, Value};

/// JSON by target: digest of the content or the secret's name, mode, owner.
pub const LABEL_FILES: &str = "io.amarre.files";

const BLOCK: usize = 512;
/// What a header has room for.
const NAME_BYTES_MAX: usize = 100;
const MODE_FILE: u32 = 0o644;
const MODE_PROGRAM: u32 = 0o755;
const MODE_FOLDER: u32 = 0o755;

/// One entry of the label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    secret: Option<SecretName>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    mode: Option<String>,
    owner: String,
}

/// The field `files` as a label; nothing when there are none.
pub fn label(fields: &Fields) -> Option<String> {
    let items = items(fields)?;
    // Plain data in ordered maps: serialising cannot fail.
    Some(serde_json::to_string(&items).unwrap_or_default())
}

fn items(fields: &Fields) -> Option<BTreeMap<&String, Item>> {
    let files = fields.get("files").and_then(Value::entries)?;
    Some(files.iter().map(|(target, value)| (target, item(value))).collect())
}

fn item(value: &Value) -> Item {
    let of = |name: &str| value.entries().and_then(|entries| entries.get(name));
    let text = |name: &str| of(name).and_then(Value::as_text).map(str::to_owned);
    let secret = match of("content") {
        Some(Value::Secret { name, .. }) => Some(SecretName::clone(name)),
        _ => None,
    };
    Item { content: text("content"), secret, mode: text("mode"), owner: text("owner").unwrap_or_default() }
}

/// The field `files` as a label has it. A secret cannot be read back: its mark is that of what was last applied, else of
/// what is wanted.
pub fn seen(label: &str, known: Option<&Fields>) -> Value {
    let items: BTreeMap<String, Item> = serde_json::from_str(label).unwrap_or_default();
    let known = known.and_then(|fields| fields.get("files")).and_then(Value::entries);
    let value = |target: &String, item: Item| {
        let mut entries = BTreeMap::from([("owner".to_owned(), Value::text(item.owner))]);
        if let Some(mode) = item.mode {
            entries.insert("mode".to_owned(), Value::text(mode));
        }
        if let Some(content) = item.content {
            entries.insert("content".to_owned(), Value::text(content));
        }
        if let Some(name) = item.secret {
            let applied = known.and_then(|files| files.get(target)?.entries()?.get("content"));
            let same =
                applied.filter(|applied| matches!(applied, Value::Secret { name: other, .. } if **other == name));
            let unknown = Value::secret(name, amarre_core::model::Mark(String::new()));
            entries.insert("content".to_owned(), same.cloned().unwrap_or(unknown));
        }
        Value::Map(entries)
    };
    Value::Map(items.into_iter().map(|(target, item)| (target.clone(), value(&target, item))).collect())
}

/// The archive of all that the field `files` names, for `/` of the container; nothing when there are none.
///
/// # Errors
/// A secret or a content is not known, in words for people; never the content.
pub fn archive(fields: &Fields, secrets: &Secrets, payloads: &Payloads) -> Result<Option<Vec<u8>>, String> {
    let Some(items) = items(fields) else { return Ok(None) };
    let mut tar = Tar::default();
    for (target, item) in &items {
        let (uid, gid) = item.owner.split_once(':').unwrap_or(("0", "0"));
        let owner = (uid.parse().unwrap_or(0), gid.parse().unwrap_or(0));
        let mode = item.mode.as_ref().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let target = target.trim_start_matches('/');
        if let Some(name) = &item.secret {
            let secret = secrets.get(name).ok_or_else(|| format!("secret `{}` is not set", name.0))?;
            tar.file(target, secret.expose().as_bytes(), mode.unwrap_or(MODE_FILE), owner, 0);
            continue;
        }
        let digest = item.content.as_deref().unwrap_or_default();
        let bundle = payloads.get(digest).ok_or_else(|| format!("the content of /{target} is not known any more"))?;
        let stamp = stamp(digest);
        let is_file = bundle.files.keys().all(String::is_empty);
        if !is_file {
            tar.folder(target, owner, stamp);
        }
        let mut folders: Vec<String> = Vec::new();
        for (path, file) in &bundle.files {
            for (at, _) in path.match_indices('/') {
                let folder = format!("{target}/{}", &path[..at]);
                if !folders.contains(&folder) {
                    tar.folder(&folder, owner, stamp);
                    folders.push(folder);
                }
            }
            let usual = if file.executable { MODE_PROGRAM } else { MODE_FILE };
            let whole = if path.is_empty() { target.to_owned() } else { format!("{target}/{path}") };
            tar.file(&whole, &file.bytes, mode.unwrap_or(usual), owner, stamp);
        }
    }
    Ok(Some(tar.end()))
}

/// The files of a build as a tar, with one more at the top. The same files make the same tar.
pub(super) fn context(bundle: &Bundle, beside: Option<&(String, Arc<[u8]>)>) -> Vec<u8> {
    const ROOT: (u32, u32) = (0, 0);
    let mut tar = Tar::default();
    if let Some((name, content)) = beside {
        tar.file(name, content, MODE_FILE, ROOT, 0);
    }
    // In the place of whatever is called so: engines take the last one of several.
    let others = bundle.files.iter().filter(|(path, _)| beside.is_none_or(|(name, _)| name != *path));
    for (path, file) in others {
        let mode = if file.executable { MODE_PROGRAM } else { MODE_FILE };
        tar.file(path, &file.bytes, mode, ROOT, 0);
    }
    tar.end()
}

/// A time of change that follows from the content: web servers tell browsers by it whether a file is still the same.
fn stamp(digest: &str) -> u64 {
    const FIRST: u64 = 1_000_000_000;
    const SPAN: u64 = 500_000_000;
    FIRST + u64::from_str_radix(digest, 16).unwrap_or_default() % SPAN
}

/// A tar archive as GNU tar has it: the form that engines read since ever.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

/// What a header says of an entry beside its path.
#[derive(Clone, Copy)]
struct Meta {
    kind: u8,
    mode: u32,
    /// User and group.
    owner: (u32, u32),
    /// Seconds since 1970.
    stamp: u64,
}

impl Tar {
    fn file(&mut self, path: &str, content: &[u8], mode: u32, owner: (u32, u32), stamp: u64) {
        self.entry(path, content, Meta { kind: b'0', mode, owner, stamp });
    }

    fn folder(&mut self, path: &str, owner: (u32, u32), stamp: u64) {
        self.entry(&format!("{path}/"), &[], Meta { kind: b'5', mode: MODE_FOLDER, owner, stamp });
    }

    fn entry(&mut self, path: &str, content: &[u8], meta: Meta) {
        if path.len() > NAME_BYTES_MAX {
            let mut name = path.as_bytes().to_vec();
            name.push(0);
            self.block("././@LongLink", &name, Meta { kind: b'L', mode: 0, owner: (0, 0), stamp: 0 });
        }
        self.block(path, content, meta);
    }

    fn block(&mut self, path: &str, content: &[u8], meta: Meta) {
        let mut header = [0_u8; BLOCK];
        let name = &path.as_bytes()[..path.len().min(NAME_BYTES_MAX)];
        header[..name.len()].copy_from_slice(name);
        number(&mut header[100..108], u64::from(meta.mode));
        number(&mut header[108..116], u64::from(meta.owner.0));
        number(&mut header[116..124], u64::from(meta.owner.1));
        number(&mut header[124..136], content.len() as u64);
        number(&mut header[136..148], meta.stamp);
        header[156] = meta.kind;
        header[257..265].copy_from_slice(b"ustar  \0");
        // The sum is made over a header with blanks in its place.
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        number(&mut header[148..155], sum);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

/// Octal digits and a zero byte; what does not fit is in base 256, as GNU tar has it.
fn number(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let octal = format!("{value:0width$o}");
    if octal.len() == width {
        field[..width].copy_from_slice(octal.as_bytes());
        return;
    }
    for (place, byte) in field.iter_mut().rev().zip(value.to_le_bytes()) {
        *place = byte;
    }
    field[0] |= 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use amarre_core::model::{BundleFile, Mark};

    fn fields() -> (Fields, Payloads) {
        let file = |text: &str, executable| BundleFile { bytes: text.as_bytes().into(), executable };
        let folder = Bundle::new(BTreeMap::from([
            ("a.ini".to_owned(), file("a", false)),
            (format!("deep/{}/run.sh", "x".repeat(120)), file("run", true)),
        ]));
        let content = Value::text(&folder.digest);
        let secret = Value::secret(SecretName("cloud/db".to_owned()), Mark("5f".to_owned()));
        let entry = |content: Value, mode: Option<&str>, owner: &str| {
            let mut map = BTreeMap::from([("content".to_owned(), content), ("owner".to_owned(), Value::text(owner))]);
            map.extend(mode.map(|mode| ("mode".to_owned(), Value::text(mode))));
            Value::Map(map)
        };
        let files = BTreeMap::from([
            ("/etc/app".to_owned(), entry(content, None, "0:0")),
            ("/run/secrets/db".to_owned(), entry(secret, Some("0400"), "3000000:999")),
        ]);
        let fields = Fields::default().with("files", Value::Map(files));
        (fields, Payloads::from([(folder.digest.clone(), folder)]))
    }

    #[test]
    fn a_label_says_what_was_copied_and_shows_no_secret() {
        let (fields, _) = fields();
        let label = label(&fields).unwrap();
        assert!(label.contains("cloud/db") && !label.contains("5f"), "{label}");
        assert_eq!(Some(&seen(&label, Some(&fields))), fields.get("files"));
        assert_ne!(Some(&seen(&label, None)), fields.get("files"));
        assert_eq!(super::label(&Fields::default()), None);
    }

    /// The machine's own tar reads it.
    #[test]
    fn an_archive_holds_every_file_with_its_mode_and_owner() {
        let (fields, payloads) = fields();
        let secrets = Secrets::from([(SecretName("cloud/db".to_owned()), Secret::new("canary"))]);
        let bytes = archive(&fields, &secrets, &payloads).unwrap().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        std::fs::write(&path, bytes).unwrap();
        let list = std::process::Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(&path).output().unwrap();
        assert!(list.status.success());
        let list = String::from_utf8(list.stdout).unwrap();
        let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        let of = |end: &str| lines.iter().find(|line| line.last().is_some_and(|name| name.ends_with(end))).unwrap();
        assert_eq!((of("/a.ini")[0], of("/a.ini")[1]), ("-rw-r--r--", "0/0"));
        assert_eq!(of("x/run.sh")[0], "-rwxr-xr-x");
        assert_eq!((of("secrets/db")[0], of("secrets/db")[1]), ("-r--------", "3000000/999"));
        assert_eq!(of("etc/app/deep/")[0], "drwxr-xr-x");
        let shown = std::process::Command::new("tar").arg("-xOf").arg(&path).arg("run/secrets/db").output().unwrap();
        assert_eq!(shown.stdout, b"canary");
    }

    #[test]
    fn what_is_not_known_is_not_copied() {
        let (fields, payloads) = fields();
        assert!(archive(&Fields::default(), &Secrets::new(), &payloads).unwrap().is_none());
        assert!(archive(&fields, &Secrets::new(), &payloads).unwrap_err().contains("cloud/db"));
        let secrets = Secrets::from([(SecretName("cloud/db".to_owned()), Secret::new("canary"))]);
        assert!(archive(&fields, &secrets, &Payloads::new()).unwrap_err().contains("/etc/app"));
    }
}
