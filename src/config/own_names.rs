//! Host names that the configuration uses: whoever controls one of them receives Amarre's requests, credentials
//! included.

use std::collections::BTreeMap;

use super::DockerAccess;
use super::file::File;
use amarre_core::model::site::ascii_name;

impl File {
    /// By name, the key that uses it.
    pub(super) fn own_names(&self, dockers: &BTreeMap<String, DockerAccess>) -> BTreeMap<String, String> {
        let mut found: Vec<(String, String)> = Vec::new();
        found.extend(self.server.url.clone().map(|url| ("server.url".to_owned(), url)));
        found.extend(self.npm.iter().filter_map(|(name, npm)| Some((format!("npm.{name}.url"), npm.url.clone()?))));
        found.extend(dockers.iter().map(|(name, docker)| (format!("hosts.{name}.docker"), docker.endpoint.clone())));
        let git = self.source.as_ref().and_then(|source| source.git.as_ref());
        found.extend(git.map(|git| ("source.git.url".to_owned(), git.url.clone())));
        found.extend(self.registries.keys().map(|name| ("registries".to_owned(), name.clone())));
        for (name, channel) in &self.notifications {
            let key = format!("notifications.{name}");
            found.extend(channel.ntfy.as_ref().map(|ntfy| (key.clone(), ntfy.url.clone())));
            found.extend(channel.webhook.as_ref().map(|webhook| (key.clone(), webhook.url.clone())));
            found.extend(channel.smtp.as_ref().map(|smtp| (key.clone(), smtp.host.clone())));
        }
        for (name, host) in &self.hosts {
            let names = host.address.list().into_iter().filter(|address| address.ends_with('.'));
            found.extend(names.map(|address| (format!("hosts.{name}.address"), address)));
        }
        found.into_iter().filter_map(|(key, text)| Some((host_of(&text)?, key))).collect()
    }
}

/// The name in a URL, in `user@host:path` as git accepts it, or in `host:port`; no address, and no name of one part.
fn host_of(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next()?;
    let rest = rest.rsplit('@').next()?;
    let name = ascii_name(rest.split(':').next()?.trim_end_matches('.'));
    let is_number = name.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
    (name.contains('.') && !is_number).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn each_form_of_the_host_name_is_found() {
        for (text, name) in [
            ("https://Amarre.Example.org/", Some("amarre.example.org")),
            ("https://npm.example.org:81/api?x", Some("npm.example.org")),
            ("git@git.example.org:ops/services.git", Some("git.example.org")),
            ("ssh://git@git.example.org:2222/ops.git", Some("git.example.org")),
            ("tcp://docker.example.org:2376", Some("docker.example.org")),
            ("registry.example.org:5000", Some("registry.example.org")),
            ("home.example.org.", Some("home.example.org")),
            ("http://127.0.0.1:81", None),
            ("http://[2001:db8::1]:81", None),
            ("unix:///var/run/docker.sock", None),
            ("npm", None),
        ] {
            assert_eq!(host_of(text).as_deref(), name, "{text}");
        }
    }
}
