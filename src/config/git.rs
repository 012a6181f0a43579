//! `source.git`: from the file's keys to the settings.

use std::path::{Component, Path};

use super::build::{clean, duration};
use super::file::{GitFile, VerifyFile};
use super::secrets::Resolver;
use super::{ConfigError, GitAccess};
use amarre_core::model::{Code, GitRef, GitUrl, Millis};

/// The shortest interval: a webhook or `amarre reconcile` is faster than any interval.
const INTERVAL_MIN: Millis = Millis::seconds(1);
/// Manifests with their history are some megabytes; the largest accepted source has 32.
const MEMORY_MIB_USUAL: u64 = 512;
/// With less no fetch works.
const MEMORY_MIB_MIN: u64 = 64;
/// More than a fetch of 128 MiB may ever need.
const MEMORY_MIB_MAX: u64 = 64 * 1024;

pub(super) fn build(file: &GitFile, base: &Path, secrets: &Resolver) -> Result<GitAccess, ConfigError> {
    let url = GitUrl::parse(&file.url).map_err(|(what, hint)| invalid("url", &what, &hint))?;
    let reference = reference(file)?;
    check_transport(file, &url)?;
    let token = file.token.as_ref().map(|token| secrets.read(token)).transpose()?;
    let username = username(file)?;
    let interval = duration("source.git.interval", file.interval.as_deref(), Millis::seconds(60))?;
    if interval < INTERVAL_MIN {
        return Err(invalid("interval", "it is shorter than a second", "write 60s"));
    }
    let none = VerifyFile { ssh_allowed_signers: None, openpgp: None, all: None };
    let verify = file.verify.as_ref().unwrap_or(&none);
    let both = verify.ssh_allowed_signers.is_some() == verify.openpgp.is_some();
    if file.verify.is_some() && both {
        let hint = "write `verify: {ssh_allowed_signers: FILE}` or `verify: {openpgp: KEYRING}`";
        return Err(invalid("verify", "it names not one file", hint));
    }
    let below = |path: &Option<std::path::PathBuf>| path.as_deref().map(|path| clean(base, path));
    Ok(GitAccess {
        url,
        reference,
        path: folder(file.path.as_deref().unwrap_or_default())
            .ok_or_else(|| invalid("path", "it is no folder of a repository", "write services, or deploy/services"))?,
        username,
        token,
        ssh_key: below(&file.ssh_key),
        ssh_config: below(&file.ssh_config),
        known_hosts: below(&file.known_hosts),
        host_key: file
            .host_key
            .as_deref()
            .map(host_key)
            .transpose()
            .map_err(|(what, hint)| invalid("host_key", &what, hint))?,
        interval,
        ssh_allowed_signers: below(&verify.ssh_allowed_signers),
        openpgp: below(&verify.openpgp),
        verify_all: verify.all.unwrap_or_default(),
        memory_bytes: memory(file.memory.as_deref())
            .ok_or_else(|| invalid("memory", "it is no size between 64MiB and 64GiB", "write 512MiB, or 2GiB"))?,
    })
}

fn invalid(key: &str, what: &str, hint: &str) -> ConfigError {
    ConfigError::new(Code::A0311, format!("source.git.{key}: {what}"), hint)
}

/// The branch or the tag; by default what the server calls its default branch.
fn reference(file: &GitFile) -> Result<GitRef, ConfigError> {
    let reference = match (&file.branch, &file.tag) {
        (None, None) => return Ok(GitRef::Default),
        (Some(_), Some(_)) => return Err(invalid("tag", "there is a branch as well", "leave one of them out")),
        (None, Some(tag)) => GitRef::Tag(tag.clone()),
        (Some(branch), None) => GitRef::Branch(branch.clone()),
    };
    if !is_ref_name(reference.name()) {
        return Err(invalid(
            "branch",
            &format!("`{}` is no name in git", reference.name()),
            "write main, or release/2",
        ));
    }
    Ok(reference)
}

/// Each transport has keys of its own; those of the other one are an error.
fn check_transport(file: &GitFile, url: &GitUrl) -> Result<(), ConfigError> {
    match url {
        GitUrl::Http(_) => {
            let over_ssh = file.ssh_key.is_some()
                || file.known_hosts.is_some()
                || file.host_key.is_some()
                || file.ssh_config.is_some();
            if over_ssh {
                let hint = "they are for ssh; over https use `token`";
                return Err(invalid("ssh_key, known_hosts, host_key, ssh_config", "the URL is not for ssh", hint));
            }
            if file.token.is_some() && url.is_open() {
                let hint = "use https://, else everybody on the way reads the token";
                return Err(invalid("url", "a token would be sent over http://", hint));
            }
        }
        GitUrl::Ssh { .. } => {
            if file.token.is_some() || file.username.is_some() {
                let hint = "they are for https; over ssh use `ssh_key`, and write the user into the URL";
                return Err(invalid("token, username", "the URL is for ssh", hint));
            }
            if file.known_hosts.is_some() && file.host_key.is_some() {
                return Err(invalid("host_key", "there is `known_hosts` as well", "leave one of them out"));
            }
        }
    }
    Ok(())
}

/// Many servers accept any name beside a token.
fn username(file: &GitFile) -> Result<String, ConfigError> {
    let username = file.username.clone().unwrap_or_else(|| "git".to_owned());
    if username.is_empty() || username.contains(':') || username.chars().any(char::is_control) {
        return Err(invalid("username", "it is empty or has a `:` in it", "write the name of the account"));
    }
    Ok(username)
}

/// `512MiB`, `2GiB`.
fn memory(text: Option<&str>) -> Option<u64> {
    let Some(text) = text else { return Some(MEMORY_MIB_USUAL * 1024 * 1024) };
    let (number, factor) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1024),
        (None, None) => return None,
    };
    let mib = number.trim().parse::<u64>().ok()?.checked_mul(factor)?;
    (MEMORY_MIB_MIN..=MEMORY_MIB_MAX).contains(&mib).then_some(mib * 1024 * 1024)
}

/// `./services/` → `services`; `None` for a path that leads out.
fn folder(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => (),
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// `ssh-ed25519 AAAA… comment` → without the comment.
fn host_key(text: &str) -> Result<String, (String, &'static str)> {
    let hint = "write it as `ssh-keyscan` prints it, without the host: ssh-ed25519 AAAA…";
    let words: Vec<&str> = text.split_whitespace().collect();
    let kinds = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
    let is_base64 = |word: &str| {
        word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
    };
    match words.as_slice() {
        [kind, key, ..] if kinds.contains(kind) && is_base64(key) && !text.trim().contains('\n') => {
            Ok(format!("{kind} {key}"))
        }
        _ => Err(("it is not a public host key".to_owned(), hint)),
    }
}

/// The rules of git for names of branches and tags (`git check-ref-format`).
fn is_ref_name(name: &str) -> bool {
    let is_odd = |char: char| char.is_control() || " ~^:?*[\\".contains(char);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && name != "@"
        && !name.chars().any(is_odd)
        && name.split('/').all(part)
}
