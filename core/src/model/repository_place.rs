//! Where a repository is, part by part, and patterns of such places. What is compared with a pattern is what is requested: a URL
//! has one spelling here, and one that could be read in two ways is refused.
//!
//! | part | of a URL | of a pattern |
//! |---|---|---|
//! | scheme | `https://`, `http://`, `ssh://`, or `user@host:path` | the same |
//! | user, for ssh | a name | the same; `*` is anything |
//! | host | in lower case, an address as it is written usually | `*` stands for one whole label or more |
//! | port | the scheme's own where none is said | the same; `*` is any |
//! | path | no `.`, `..`, `~`, `%`, `\`, no empty part | `*` within a part; at last, all that is below; no path at all: every one |
//!
//! A folder of the source is `./services/shop`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::suggestion::matches;

/// The form of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceForm {
    /// `./services/shop`
    Folder,
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `ssh://`, or `user@host:/path`
    Ssh,
    /// `user@host:path`: below the folder in which ssh begins.
    Scp,
}

/// A place, or a pattern of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPlace {
    form: PlaceForm,
    user: Option<String>,
    host: String,
    /// `None`: any, in a pattern.
    port: Option<u16>,
    path: Vec<String>,
}

/// A pattern of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryPattern {
    /// `*`
    Any,
    /// Part by part.
    Parts(RepositoryPlace),
}

impl PlaceForm {
    fn port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Ssh | Self::Scp => Some(22),
            Self::Folder => None,
        }
    }
}

impl RepositoryPlace {
    /// Reads a URL as `git clone` takes it, or `./folder`.
    ///
    /// # Errors
    /// What could be read in two ways, or is no URL: a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let place = Self::read(text.trim_end_matches('/'), false)?;
        if place.path.is_empty() && place.form != PlaceForm::Folder {
            return Err("it names no repository".to_owned());
        }
        Ok(place)
    }

    fn read(text: &str, is_pattern: bool) -> Result<Self, String> {
        if text == "." || text.starts_with("./") {
            let path = text[1..].split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            let place = Self { form: PlaceForm::Folder, user: None, host: String::new(), port: None, path };
            return if place.path.iter().any(|part| part == "." || part == "..") {
                Err("`.` or `..` stands in its path".to_owned())
            } else {
                Ok(place)
            };
        }
        let form = match text.split_once("://") {
            Some(("http", rest)) => Some((PlaceForm::Http, rest)),
            Some(("https", rest)) => Some((PlaceForm::Https, rest)),
            Some(("ssh", rest)) => Some((PlaceForm::Ssh, rest)),
            Some((scheme, _)) => return Err(format!("{scheme}:// is not supported")),
            None => None,
        };
        let (form, authority, path) = match form {
            Some((form, rest)) => {
                let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
                (form, authority, path)
            }
            None => {
                let (authority, path) = text.split_once(':').ok_or("it is neither https:// nor user@host:path")?;
                match path.strip_prefix('/') {
                    Some(path) => (PlaceForm::Ssh, authority, path),
                    None => (PlaceForm::Scp, authority, path),
                }
            }
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let is_http = matches!(form, PlaceForm::Http | PlaceForm::Https);
        if let Some(user) = user {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte) || is_pattern && byte == b'*';
            if is_http || user.is_empty() || user.starts_with('-') || !user.bytes().all(fits) {
                return Err("what stands before `@` is no user".to_owned());
            }
        }
        let (host, port) = match place.rsplit_once(':').filter(|_| !place.ends_with(']')) {
            Some((host, "*")) if is_pattern => (host, None),
            Some((host, port)) => {
                let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| is_number && *port > 0);
                (host, Some(port.ok_or("its port is no number from 1 to 65535")?))
            }
            None => (place, form.port()),
        };
        let host = host_name(host, is_pattern)?;
        Ok(Self { form, user: user.map(str::to_owned), host, port, path: parts(path, is_pattern)? })
    }

    /// Whether a pattern stands for a place.
    fn stands_for(&self, place: &Self) -> bool {
        let is_user = match (&self.user, &place.user) {
            (Some(pattern), Some(user)) => matches(pattern, user),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_port = self.port.is_none() || self.port == place.port;
        self.form == place.form
            && is_user
            && is_port
            && is_host(&self.host, &place.host)
            && is_path(&self.path, &place.path, self.form)
    }
}

impl RepositoryPattern {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it: a sentence about it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let trimmed = text.strip_suffix('/').unwrap_or(text);
        let place = RepositoryPlace::read(trimmed, true)?;
        if place.form == PlaceForm::Scp && place.path.is_empty() {
            return Err("it names no repository: write `user@host:*` for all of them".to_owned());
        }
        Ok(Self::Parts(place))
    }

    /// Whether it stands for a place.
    pub fn allows(&self, place: &RepositoryPlace) -> bool {
        match self {
            Self::Any => true,
            Self::Parts(pattern) => pattern.stands_for(place),
        }
    }
}

/// Which of a list of patterns stands for a place. What is no pattern stands for none.
pub fn allowing<'a>(patterns: &'a [String], place: &str) -> Option<&'a String> {
    let place = RepositoryPlace::parse(place).ok()?;
    patterns.iter().find(|text| RepositoryPattern::parse(text).is_ok_and(|pattern| pattern.allows(&place)))
}

/// A host in its one spelling. A name that ends in a number is an address to some programs: it has to be one as it is written.
fn host_name(host: &str, is_pattern: bool) -> Result<String, String> {
    let host = host.to_ascii_lowercase();
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "its host is no address in `[…]`".to_owned())?;
        return Ok(format!("[{address}]"));
    }
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_name = !label.is_empty() && !label.starts_with('-') && label.bytes().all(fits);
        is_name || is_pattern && label == "*"
    };
    if !host.split('.').all(is_label) {
        let why = if host.contains('*') { "`*` in a host stands for whole labels" } else { "it names no host" };
        return Err(why.to_owned());
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_number = is_hex || last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("its host is a number: write an address as four numbers".to_owned());
    }
    Ok(host)
}

fn parts(path: &str, is_pattern: bool) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    for part in path.split('/') {
        let fits = |sign: char| sign.is_ascii_alphanumeric() || "-_.+@=,".contains(sign) || is_pattern && sign == '*';
        if part.is_empty() {
            return Err("a part of its path is empty".to_owned());
        }
        if part == "." || part == ".." {
            return Err(format!("`{part}` stands in its path"));
        }
        if let Some(sign) = part.chars().find(|sign| !fits(*sign)) {
            return Err(format!("`{}` stands in its path", sign.escape_default()));
        }
    }
    Ok(path.split('/').map(str::to_owned).collect())
}

/// `*` stands for one whole label or more; for an address only by itself.
fn is_host(pattern: &str, host: &str) -> bool {
    fn are(pattern: &[&str], labels: &[&str]) -> bool {
        match (pattern.split_first(), labels.split_first()) {
            (Some((&"*", rest)), Some((_, labels))) => are(rest, labels) || are(pattern, labels),
            (Some((label, rest)), Some((known, labels))) => label == known && are(rest, labels),
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
    if pattern == "*" || pattern == host {
        return true;
    }
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    let (pattern, labels): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), host.split('.').collect());
    // Names have few labels, patterns few stars.
    !is_address && pattern.len() <= labels.len() && are(&pattern, &labels)
}

/// `./*` is the folder of the source itself, too.
fn is_path(pattern: &[String], path: &[String], form: PlaceForm) -> bool {
    let is_part = |(pattern, part): (&String, &String)| matches(pattern, part);
    match pattern.split_last() {
        None => form != PlaceForm::Folder || path.is_empty(),
        Some((last, first)) if last == "*" => {
            let least = first.len() + usize::from(form != PlaceForm::Folder);
            path.len() >= least && first.iter().zip(path).all(is_part)
        }
        Some(_) => path.len() == pattern.len() && pattern.iter().zip(path).all(is_part),
    }
}

impl fmt::Display for RepositoryPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, divider) = match self.form {
            PlaceForm::Folder => return write!(formatter, "./{}", self.path.join("/")),
            PlaceForm::Http => ("http://", "/"),
            PlaceForm::Https => ("https://", "/"),
            PlaceForm::Ssh => ("ssh://", "/"),
            PlaceForm::Scp => ("", ":"),
        };
        formatter.write_str(scheme)?;
        if let Some(user) = &self.user {
            write!(formatter, "{user}@")?;
        }
        formatter.write_str(&self.host)?;
        if let Some(port) = self.port.filter(|port| Some(*port) != self.form.port()) {
            write!(formatter, ":{port}")?;
        }
        write!(formatter, "{divider}{}", self.path.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_spelling() {
        for (text, expected) in [
            ("https://GitHub.com:443/acme/shop/", "https://github.com/acme/shop"),
            ("http://127.0.0.1:80/a", "http://127.0.0.1/a"),
            ("https://git.example:8443/a/b.git", "https://git.example:8443/a/b.git"),
            ("https://[0:0::1]/a", "https://[::1]/a"),
            ("ssh://git@Git.example:22/a/b", "ssh://git@git.example/a/b"),
            ("git@git.example:/srv/a", "ssh://git@git.example/srv/a"),
            ("git@git.example:a/b.git", "git@git.example:a/b.git"),
            ("./services/shop/", "./services/shop"),
        ] {
            assert_eq!(RepositoryPlace::parse(text).map(|place| place.to_string()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "https://git.example/acme/../evil/x",
            "https://git.example/acme/./x",
            "https://git.example/acme/%2e%2e/evil/x",
            "https://git.example/acme/.%2E/evil/x",
            "https://git.example/acme/x%2Fy",
            "https://git.example/acme\\..\\evil/x",
            "https://git.example/acme//x",
            "https://git.example//acme/x",
            "https://git.example/~root/x",
            "https://git.example/acme/x?y",
            "https://git.example/acme/*",
            "https://*.example/acme/x",
            "https://git.example",
            "https://user@git.example/x",
            "https://2130706433/acme/x",
            "https://127.1/acme/x",
            "https://0x7f.1/x",
            "https://0177.0.0.1/x",
            "https://git.example.0x7f/x",
            "https://git.example./acme/x",
            "https://git..example/acme/x",
            "https://git.example:0/acme/x",
            "https://git.example:+80/acme/x",
            "https://git.example:/acme/x",
            "https://a:b:c/x",
            "https://[::1/x",
            "https://git.ex%61mple/x",
            "HTTPS://git.example/acme/x",
            "file:///acme/x",
            "git@github.com:acme/../evil/x",
            "git@github.com:../evil/x",
            "git@github.com:~root/x",
            "git@github.com://x",
            "git@github.com:acme/x y",
            "ssh://git@github.com/team/../secret/x",
            "ssh://git@github.com/~root/x",
            "ssh://-oProxyCommand=x/y",
            "ssh://git:x@github.com/y",
            "./services/../../etc",
        ] {
            assert!(RepositoryPlace::parse(text).is_err(), "{text}: {:?}", RepositoryPlace::parse(text));
        }
    }

    #[test]
    fn a_pattern_stands_for_whole_parts() {
        for (pattern, text, is_allowed) in [
            ("*", "https://git.example/x", true),
            ("*", "./services/shop", true),
            ("https://github.com/acme/*", "https://github.com/acme/shop", true),
            ("https://github.com/acme/*", "https://GITHUB.com:443/acme/shop", true),
            ("https://github.com/acme/*", "https://github.com/acme/group/shop.git", true),
            ("https://github.com/acme/*", "https://github.com/acme", false),
            ("https://github.com/acme/*", "https://github.com/acmes/shop", false),
            ("https://github.com/acme/*", "https://github.com:444/acme/shop", false),
            ("https://github.com/acme/*", "http://github.com/acme/shop", false),
            ("https://github.com/acme/*", "https://github.com.evil.example/acme/shop", false),
            ("https://github.com/acme/shop-*", "https://github.com/acme/shop-web", true),
            ("https://github.com/acme/shop-*", "https://github.com/acme/shop-web/x", false),
            ("https://github.com/*/shop", "https://github.com/acme/shop", true),
            ("https://github.com/*/shop", "https://github.com/acme/x/shop", false),
            ("https://*.acme.example/*", "https://git.acme.example/x", true),
            ("https://*.acme.example/*", "https://a.git.acme.example/x", true),
            ("https://*.acme.example/*", "https://acme.example/x", false),
            ("https://*.acme.example/*", "https://evil.example/x.acme.example/x", false),
            ("https://*.acme.example/*", "https://127.0.0.1:81/x.acme.example/x", false),
            ("https://git.*/x", "https://git.example/x", true),
            ("https://*.1/*", "https://127.0.0.1/x", false),
            ("https://*/*", "https://127.0.0.1/x", true),
            ("https://*", "https://git.example/x", true),
            ("http://127.0.0.1:*", "http://127.0.0.1:2701/x", true),
            ("http://127.0.0.1:*/acme/*", "http://127.0.0.1:2701/evil/x", false),
            ("git@github.com:acme/*", "git@github.com:acme/shop.git", true),
            ("git@github.com:acme/*", "ssh://git@github.com/acme/shop.git", false),
            ("git@github.com:acme/*", "root@github.com:acme/shop.git", false),
            ("*@github.com:acme/*", "git@github.com:acme/shop.git", true),
            ("git@github.com:*", "git@github.com:acme/shop.git", true),
            ("ssh://git@git.example/srv/*", "git@git.example:/srv/x", true),
            ("./*", "./services/shop", true),
            ("./*", "./", true),
            ("./", "./services/shop", false),
            ("./services/shop", "./services/shop", true),
            ("./services/shop", "./services/shopping", false),
            ("./services/*", "./other/shop", false),
            ("./*", "https://git.example/x", false),
        ] {
            let list = [pattern.to_owned()];
            assert_eq!(allowing(&list, text).is_some(), is_allowed, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_is_read_as_strictly() {
        for text in [
            "https://*acme.example/*",
            "https://a*.example/*",
            "https://github.com/../*",
            "https://github.com/%2e/*",
            "https://github.com//*",
            "*github.com/acme/*",
            "github.com/acme/*",
            "https://2130706433/*",
            "git@github.com:",
            "",
        ] {
            assert!(RepositoryPattern::parse(text).is_err(), "{text}");
        }
    }
}
