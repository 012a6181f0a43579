//! Drivers of volumes and their options: what of them mounts nothing of the host beyond `policy.host_paths`.
//!
//! The driver `local` hands its options to mount(2), so any type and option that is not known here may reach the whole
//! host. Known are:
//!
//! | `type` | `o` | `device` |
//! |---|---|---|
//! | (no options at all) | | |
//! | `nfs`, `nfs4` | words of nfs(5), none with a path | `HOST:/path` |
//! | `cifs` | words of mount.cifs(8), none with a path | `//host/share` |
//! | `none` | `bind` or `bind,ro` | an absolute path, by the rules of binds |
//! | `tmpfs` | words of tmpfs(5) | `tmpfs` or none |
//!
//! Everything else, and every other driver, needs `policy.volume_drivers`.

use std::collections::BTreeMap;

use super::{Closed, targets};
use crate::manifest::scope::{AllowedBy, PlacedText, Scope};
use crate::manifest::yaml::diagnostic::{Spot, shown};
use crate::manifest::{policy, resolve};
use crate::model::{Code, Text};
use crate::text;

const NFS: &str = "
    ac acdirmax acdirmin acregmax acregmin actimeo addr async bg clientaddr cto fg hard intr local_lock lock lookupcache
    max_connect minorversion mountport mountproto mountvers namlen nconnect nfsvers noac noatime nocto nodev nodiratime
    noexec nointr nolock noresvport nosharecache nosuid port proto relatime resvport retrans retry ro rsize rw sec
    sharecache soft softerr softreval sync tcp timeo udp vers wsize _netdev
";
const CIFS: &str = "
    actimeo addr cache dir_mode dom domain echo_interval file_mode forcegid forceuid gid guest hard iocharset ip
    mapchars mapposix mfsymlinks netbiosname nobrl nodev nodfs noexec noforcegid noforceuid nohandlecache noperm
    noserverino nosuid nounix pass password perm port resilienthandles ro rsize rw seal sec serverino servern soft uid
    user username vers workgroup wsize _netdev
";
const TMPFS: &str =
    "gid huge mode mpol noatime nodev noexec nosuid nr_blocks nr_inodes relatime ro rw size strictatime uid";

/// The key of the policy.
const WORD: &str = "volume_drivers";

/// Judges a volume's driver and options.
pub(crate) fn driver(
    scope: &Scope<'_>,
    driver: Option<&PlacedText>,
    options: &BTreeMap<String, PlacedText>,
    spot: Spot,
) {
    let name = driver.map_or("local", |driver| driver.text.as_str());
    let spot = driver.map_or(spot, |driver| driver.spot);
    if name != "local" {
        let message =
            text!("policy forbids the volume driver `{item}`: they may reach the whole host", item = shown(name));
        return by_word(scope, name, message, spot);
    }
    if options.is_empty() {
        return;
    }
    let spot = options.values().next().map_or(spot, |text| text.spot);
    if is_known(scope, options) {
        // Others of its options may be passwords. A bind is judged by its folder.
        let kind = options.get("type").map(|text| text.text.as_str()).filter(|kind| *kind != "none");
        if let Some(kind) = kind {
            let item = format!("local type={kind}");
            let rule = AllowedBy::rule(text!("with its usual options it needs no word"));
            policy::allowed(scope, spot, WORD, &item, rule);
        }
        return;
    }
    let pairs: Vec<String> = options.iter().map(|(key, text)| format!("{key}={}", text.text)).collect();
    let item = format!("local {}", pairs.join(" "));
    let message =
        text!("policy forbids the volume options `{item}`: they may reach the whole host", item = shown(&item));
    by_word(scope, &item, message, spot);
}

fn by_word(scope: &Scope<'_>, item: &str, message: Text, spot: Spot) {
    let (policy, word) = (&scope.site.policy, WORD);
    if let Some(pattern) = policy.volume_drivers.iter().find(|pattern| policy::matches(pattern, item)) {
        return policy::allowed(scope, spot, word, item, AllowedBy::Policy(format!("volume_drivers: {pattern}")));
    }
    let first = text!(
        "nfs, nfs4, cifs and tmpfs with their usual options need no word, and {bind} with a `device` below {paths}",
        bind = "`type: none, o: bind`",
        paths = "`policy.host_paths`"
    );
    let more = text!("ask the operator to add others to `policy.{word}`", word = WORD);
    let hint = text!("{first}; {more}", first, more);
    policy::report_closed(scope, &Closed { code: Code::A0263, spot, word, item, message, hint });
}

/// Whether the options are one of the forms above; a bind is judged as every bind.
fn is_known(scope: &Scope<'_>, options: &BTreeMap<String, PlacedText>) -> bool {
    if options.keys().any(|key| !matches!(key.as_str(), "type" | "o" | "device")) {
        return false;
    }
    let of = |key: &str| options.get(key).map_or("", |text| text.text.as_str());
    let words: Vec<&str> = of("o").split(',').filter(|word| !word.is_empty()).collect();
    let only = |known: &str| words.iter().all(|word| is_word(scope, known, word));
    match of("type") {
        "nfs" | "nfs4" => only(NFS) && is_nfs_share(scope, of("device")),
        "cifs" => only(CIFS) && is_cifs_share(scope, of("device")),
        "tmpfs" => only(TMPFS) && matches!(of("device"), "" | "tmpfs"),
        "none" => {
            let is_bind = matches!(of("o"), "bind" | "bind,ro" | "ro,bind");
            let Some(device) = options.get("device").filter(|_| is_bind) else { return false };
            let Some(path) = resolve::normal_path(&device.text) else { return false };
            policy::bind(scope, &path, device.spot);
            true
        }
        _ => false,
    }
}

/// A known word, with a value that is no path.
fn is_word(scope: &Scope<'_>, known: &str, word: &str) -> bool {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let is_known = known.split_whitespace().any(|one| one == name);
    // A password may have any letter, and is nothing but a password to the kernel.
    let may_hold_slash = matches!(name, "pass" | "password");
    let is_plain = !value.chars().any(|sign| sign.is_control() || sign == '/' && !may_hold_slash);
    let is_elsewhere = !matches!(name, "addr" | "ip") || is_machine(scope, value);
    is_known && is_plain && is_elsewhere
}

/// `HOST:/path` or, with `addr=`, `:/path`.
fn is_nfs_share(scope: &Scope<'_>, device: &str) -> bool {
    let Some((host, _)) = device.split_once(":/") else { return false };
    is_machine(scope, host.trim_start_matches('[').trim_end_matches(']')) || host.is_empty()
}

/// `//host/share`, also with backslashes.
fn is_cifs_share(scope: &Scope<'_>, device: &str) -> bool {
    let device = device.replace('\\', "/");
    let Some((host, share)) = device.strip_prefix("//").and_then(|rest| rest.split_once('/')) else { return false };
    is_machine(scope, host) && !share.is_empty() && !share.split('/').any(|part| part == "..")
}

/// Another machine: this one shares what the operator keeps from containers.
fn is_machine(scope: &Scope<'_>, host: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let is_plain = !host.is_empty() && !host.starts_with('.') && host.bytes().all(is_letter);
    is_plain && !targets::is_this_machine(scope, host)
}
