//! A tiny model of the nginx behind NPM: files that are written, a test over all of them, a reload.
//!
//! What is served changes only at a reload, and a reload needs every file to pass. So one bad file
//! that is not of the host being written breaks all writes (ph-create-nginx-globally-broken).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::directives;
use super::front;
use super::kinds::Kind;
use super::site::{Action, Site, render, render_of_before};
use super::state::{Row, State};
use super::upstreams::literal;

/// The files on disk and what the running nginx has loaded.
#[derive(Debug, Clone, Default)]
pub(super) struct Nginx {
    /// One file an enabled host.
    pub written: BTreeMap<(Kind, u64), Site>,
    /// What the workers serve.
    pub loaded: Arc<Vec<Site>>,
    /// Certificates on disk, and whether each has its own key.
    pub certificates: BTreeMap<u64, KeyPair>,
    /// A fault in a file that is not of any host.
    pub broken: Option<String>,
    process: u32,
}

/// Whether certificate and key belong together: nginx finds out, NPM does not (cert-validate-mismatch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPair {
    Matching,
    Mismatched,
}

/// nginx refused its configuration; holds its words.
#[derive(Debug)]
pub(super) struct Refused(String);

impl State {
    /// Writes the file of a host, tests and reloads, as NPM does: a fault of its own takes the file
    /// away again and is told in `meta` (ph-create-bad-advanced); a fault elsewhere fails the write.
    pub(super) fn configure(&mut self, kind: Kind, id: u64) -> Result<(), Refused> {
        self.test()?;
        self.write_file(kind, id);
        self.judge(kind, id)
    }

    /// The same of a 404 host, from the row that it had before: that of its file and of its `meta` in the end.
    pub(super) fn configure_of_before(&mut self, before: &Row) -> Result<(), Refused> {
        let (kind, id) = (Kind::DeadHost, before.id());
        self.test()?;
        match render_of_before(self, before) {
            Some(site) => drop(self.nginx.written.insert((kind, id), site)),
            None => self.take_file(kind, id),
        }
        if let (Some(row), Some(meta)) = (self.row_mut(kind, id), before.fields.get("meta")) {
            row.fields.insert("meta".to_owned(), meta.clone());
        }
        self.judge(kind, id)
    }

    /// Tests what was written, tells it in the row, and reloads.
    fn judge(&mut self, kind: Kind, id: u64) -> Result<(), Refused> {
        let online = match self.test() {
            Ok(()) => json!({"nginx_online": true, "nginx_err": null}),
            Err(Refused(text)) => {
                self.take_file(kind, id);
                json!({"nginx_online": false, "nginx_err": text})
            }
        };
        if let Some(row) = self.row_mut(kind, id)
            && let Some(meta) = row.fields.get_mut("meta").and_then(Value::as_object_mut)
            && let Value::Object(online) = online
        {
            meta.extend(online);
        }
        self.reload()
    }

    /// Takes the file of a host away and reloads.
    pub(super) fn unconfigure(&mut self, kind: Kind, id: u64) -> Result<(), Refused> {
        self.take_file(kind, id);
        self.reload()
    }

    /// Writes the file of a host without test or reload. A disabled host gets an empty one.
    pub(super) fn write_file(&mut self, kind: Kind, id: u64) {
        match render(self, kind, id) {
            Some(site) => {
                if let (Some(front), Kind::ProxyHost) = (&self.front, kind) {
                    front.write(&front::name(id), front::text(&site).as_deref());
                }
                self.nginx.written.insert((kind, id), site);
            }
            None => self.take_file(kind, id),
        }
    }

    /// Takes the file of a host away without test or reload.
    pub(super) fn take_file(&mut self, kind: Kind, id: u64) {
        if let (Some(front), Kind::ProxyHost) = (&self.front, kind) {
            front.write(&front::name(id), None);
        }
        self.nginx.written.remove(&(kind, id));
    }

    /// Makes what is written what is served, if all of it passes.
    pub(super) fn reload(&mut self) -> Result<(), Refused> {
        self.test()?;
        self.nginx.loaded = Arc::new(self.nginx.written.values().cloned().collect());
        if let Some(front) = &self.front {
            front.reload();
        }
        Ok(())
    }

    /// What nginx objects to first.
    pub(super) fn first_fault(&self) -> Option<String> {
        self.nginx.broken.clone().or_else(|| self.nginx.written.values().find_map(|site| self.fault(site)))
    }

    fn test(&mut self) -> Result<(), Refused> {
        let Some(fault) = self.first_fault() else {
            return self.front.as_ref().map_or(Ok(()), |front| front.test().map_err(Refused));
        };
        self.nginx.process = self.nginx.process.wrapping_add(1);
        let process = 20_000 + self.nginx.process % 10_000;
        let now = crate::clock::now().to_zoned(TimeZone::system()).strftime("%Y/%m/%d %H:%M:%S");
        Err(Refused(format!(
            "{now} [emerg] {process}#{process}: {fault}\n\
             nginx: configuration file /etc/nginx/nginx.conf test failed\n"
        )))
    }

    /// What nginx would object to in one file, in its words. Line numbers are those of the recordings.
    fn fault(&self, site: &Site) -> Option<String> {
        let file = format!("/data/nginx/{}/{}.conf", site.kind.word(), site.id);
        if site.names.iter().any(|name| name == "*") {
            return Some(format!("server name \"*\" is invalid in {file}:20"));
        }
        if let Some(fault) = self.certificate_fault(site) {
            return Some(fault);
        }
        if let Some((message, line)) = directives::fault(&site.advanced_config) {
            return Some(format!("{message} in {file}:{}", 37 + line));
        }
        let roots = site.blocks.iter().filter(|block| block.path == "/" && !block.exact).count();
        if roots + usize::from(site.has_own_root) > 1 {
            return Some(format!("duplicate location \"/\" in {file}:45"));
        }
        match &site.action {
            Action::Forward(forward) => {
                // The name is set as a quoted variable and resolved for each request (ph-forwardhost-0, -10).
                if let Some((_, rest)) = forward.upstream.host.split_once('"') {
                    return Some(format!("unexpected \"{rest}\" in {file}:13"));
                }
                // Those of locations are written out and must resolve now (ph-location-unresolvable).
                let lost = forward
                    .locations
                    .iter()
                    .find(|location| !self.resolves(&location.upstream.host, location.upstream.port));
                lost.map(|location| {
                    let host = &location.upstream.host;
                    format!("host not found in upstream \"{host}\" in {file}:48")
                })
            }
            Action::Stream { host, port } => {
                (!self.resolves(host, *port)).then(|| format!("host not found in upstream \"{host}\" in {file}:10"))
            }
            Action::Redirect { .. } | Action::Dead => None,
        }
    }

    fn certificate_fault(&self, site: &Site) -> Option<String> {
        let certificate = site.certificate.as_ref()?;
        let folder = &certificate.folder;
        match self.nginx.certificates.get(&certificate.id) {
            Some(KeyPair::Matching) => None,
            Some(KeyPair::Mismatched) => Some(format!(
                "SSL_CTX_use_PrivateKey(\"{folder}/privkey.pem\") failed \
                 (SSL: error:05800074:x509 certificate routines::key values mismatch)"
            )),
            None => Some(format!(
                "cannot load certificate \"{folder}/fullchain.pem\": BIO_new_file() failed \
                 (SSL: error:80000002:system library::No such file or directory)"
            )),
        }
    }

    fn resolves(&self, host: &str, port: u16) -> bool {
        literal(host).is_some() || self.upstreams.locate(host, port).is_some()
    }
}

/// `meta` without what nginx reported, as it was sent by a client.
pub(super) fn without_report(meta: Option<&Value>) -> Map<String, Value> {
    let mut meta = meta.and_then(Value::as_object).cloned().unwrap_or_default();
    meta.remove("nginx_online");
    meta.remove("nginx_err");
    meta
}
