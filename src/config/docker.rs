//! Addresses of engines: `hosts.….docker`, the variables of the `docker` command, and its contexts.
//!
//! `docker context use` must not change the target of a daemon: a context counts only if the configuration or
//! `DOCKER_CONTEXT` names it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::build::no_credentials;
use super::file::{DockerFile, TlsFile};
use super::secrets::{environment, read_limited};
use super::{ConfigError, DockerAccess, TlsAccess};
use amarre_core::model::Code;

const SOCKET: &str = "unix:///var/run/docker.sock";
/// The largest description of a context.
const CONTEXT_BYTES_MAX: u64 = 1024 * 1024;

/// The used part of a context as the `docker` command stores it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerContext {
    endpoints: ContextEndpoints,
}

#[derive(Deserialize)]
struct ContextEndpoints {
    docker: Option<ContextDocker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextDocker {
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The engine of one host. Paths are relative to `base`.
pub(super) fn access(host: &str, file: Option<&DockerFile>, base: &Path) -> Result<DockerAccess, ConfigError> {
    let key = format!("hosts.{host}.docker");
    match file {
        None => default_endpoint(),
        Some(DockerFile::Url(url)) => reached(&key, url, None),
        Some(DockerFile::Parts(parts)) => match (&parts.url, &parts.context, &parts.tls) {
            (Some(url), None, tls) => {
                reached(&key, url, tls.as_ref().map(|tls| tls_files(&key, tls, base)).transpose()?)
            }
            (None, Some(name), None) => context(name, &format!("{key}.context")),
            (None, Some(_), Some(_)) => {
                Err(invalid(format!("{key}: a context has its own certificates"), "leave out `tls`"))
            }
            (_, _, _) => Err(invalid(
                format!("{key} needs `url` or `context`, one of them"),
                "write unix://…, tcp://… or ssh://…",
            )),
        },
    }
}

/// The engine as the `docker` command finds it, without its current context.
fn default_endpoint() -> Result<DockerAccess, ConfigError> {
    if let Some(url) = environment("DOCKER_HOST") {
        let verified = environment("DOCKER_TLS_VERIFY").is_some() && url.starts_with("tcp://");
        let folder = environment("DOCKER_CERT_PATH").map(PathBuf::from).or_else(folder);
        let tls = folder.filter(|_| verified).map(|folder| tls_in(&folder, "DOCKER_CERT_PATH")).transpose()?;
        return reached("DOCKER_HOST", &url, tls);
    }
    match environment("DOCKER_CONTEXT") {
        Some(name) => context(&name, "DOCKER_CONTEXT"),
        None => reached("DOCKER_HOST", SOCKET, None),
    }
}

fn reached(key: &str, url: &str, tls: Option<TlsAccess>) -> Result<DockerAccess, ConfigError> {
    no_credentials(key, url)?;
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("unix" | "tcp" | "http" | "ssh") => (),
        _ => return Err(invalid(format!("{key}: `{url}`"), "write unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST")),
    }
    if tls.is_some() && scheme != Some("tcp") {
        return Err(invalid(format!("{key}: `tls` is for tcp://, not for {url}"), "leave out `tls`"));
    }
    Ok(DockerAccess { endpoint: url.to_owned(), tls })
}

fn tls_files(key: &str, tls: &TlsFile, base: &Path) -> Result<TlsAccess, ConfigError> {
    let client = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => Some((base.join(cert), base.join(key))),
        (None, None) => None,
        _ => return Err(invalid(format!("{key}.tls: `cert` and `key` go together"), "name both, or none")),
    };
    Ok(TlsAccess { ca: base.join(&tls.ca), client })
}

/// `ca.pem`, `cert.pem` and `key.pem`, as Docker names them.
fn tls_in(folder: &Path, key: &str) -> Result<TlsAccess, ConfigError> {
    let at = |name: &str| folder.join(name);
    if !at("ca.pem").is_file() {
        return Err(invalid(
            format!("{key}: there is no {}", at("ca.pem").display()),
            "put the authority that signed the engine's certificate there",
        ));
    }
    let client = at("cert.pem").is_file().then(|| (at("cert.pem"), at("key.pem")));
    Ok(TlsAccess { ca: at("ca.pem"), client })
}

fn context(name: &str, key: &str) -> Result<DockerAccess, ConfigError> {
    if name == "default" {
        return reached(key, SOCKET, None);
    }
    let failed = |why: String| {
        let hint = "`docker context ls` shows the contexts of a user; Amarre reads those of the user it runs as, or below DOCKER_CONFIG";
        ConfigError::new(Code::A0522, format!("{key}: could not use the context `{name}`: {why}"), hint)
    };
    let folder = folder().ok_or_else(|| failed("neither DOCKER_CONFIG nor HOME is set".to_owned()))?;
    let digest = hex::encode(Sha256::digest(name));
    let path = folder.join("contexts/meta").join(&digest).join("meta.json");
    let text = read_limited(&path, CONTEXT_BYTES_MAX).map_err(|why| failed(format!("{}: {why}", path.display())))?;
    let context: DockerContext =
        serde_json::from_str(&text).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    let docker = context.endpoints.docker.ok_or_else(|| failed("it names no engine".to_owned()))?;
    if docker.skip_tls_verify {
        return Err(failed("it skips the check of the engine's certificate, which Amarre never does".to_owned()));
    }
    let url = docker.host.filter(|host| !host.is_empty()).unwrap_or_else(|| SOCKET.to_owned());
    let tls = folder.join("contexts/tls").join(&digest).join("docker");
    let tls = (url.starts_with("tcp://") && tls.is_dir()).then(|| tls_in(&tls, key)).transpose()?;
    reached(key, &url, tls)
}

/// The folder of the `docker` command.
fn folder() -> Option<PathBuf> {
    let own = environment("DOCKER_CONFIG").map(PathBuf::from);
    own.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".docker")))
}

fn invalid(message: String, hint: &str) -> ConfigError {
    ConfigError::new(Code::A0201, message, hint)
}
