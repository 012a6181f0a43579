//! `server.tls`: from the configuration to what the listeners show, and what `doctor` finds about it.

use std::net::SocketAddr;

use super::CommandFailure;
use crate::config::{Config, ServerAccess, TlsSource};
use crate::engine::commands::doctor::Finding;
use crate::engine::{Clock, SystemClock};
use crate::server::auth::{Encryption, without_brackets, without_port};
use crate::server::certificate::{CertificateFiles, LoadedCertificate, day};
use crate::server::self_signed;
use crate::server::tls::{CertificateOrigin, ServerTls};
use amarre_core::model::{Code, Timestamp};

const TOPIC: &str = "HTTPS";

/// TLS for the listeners; `None`: they speak HTTP.
///
/// # Errors
/// The certificate cannot be used.
pub fn start(config: &Config) -> Result<Option<ServerTls>, CommandFailure> {
    let started = origin(config).map(|origin| ServerTls::start(origin, SystemClock.now())).transpose();
    started.map_err(|error| CommandFailure::new(error.code, error.message, error.hint))
}

/// What a person compares with what the browser shows.
pub fn notice(tls: &ServerTls, encryption: Encryption) -> String {
    let shown = tls.shown();
    format!("Certificate: {}, SHA-256 {}", about(&shown, encryption), shown.fingerprint)
}

/// What the listeners of a configuration do.
pub fn encryption(server: &ServerAccess) -> Encryption {
    match server.tls {
        None => Encryption::Plain,
        Some(TlsSource::SelfSigned) => Encryption::SelfSigned,
        Some(TlsSource::Files { .. }) => Encryption::Certified,
    }
}

/// What `doctor` finds; nothing is made.
pub fn examine(config: &Config, now: Timestamp) -> Option<Finding> {
    let (files, host) = match origin(config)? {
        CertificateOrigin::SelfSigned(files, _) if !files.certificate.exists() => {
            return Some(Finding::good(TOPIC, "self-signed, the first run makes the certificate".to_owned()));
        }
        CertificateOrigin::SelfSigned(files, _) => (files, None),
        CertificateOrigin::Given(files, host) => (files, host),
    };
    let loaded = match LoadedCertificate::read(&files) {
        Ok(loaded) => loaded,
        Err(error) => return Some(Finding::wrong(TOPIC, error.code, error.message).hint(error.hint)),
    };
    let encryption = encryption(&config.server);
    if encryption == Encryption::SelfSigned && self_signed::is_due(&loaded, now) {
        let text = format!("self-signed, until {}; the daemon makes the next certificate", day(loaded.valid_until));
        return Some(Finding::good(TOPIC, text));
    }
    if let Some(error) = loaded.refused_by_clients(now, host.as_deref()) {
        return Some(Finding::wrong(TOPIC, error.code, error.message).hint(error.hint));
    }
    let (text, key) = (about(&loaded, encryption), files.key.display());
    let finding = if loaded.is_key_open {
        let text = format!("all users of this machine may read the key {key}");
        Finding::know(TOPIC, Code::A0219, text).hint(format!("chmod 640 {key}; chgrp to the group that runs Amarre"))
    } else if loaded.ends_soon(now) {
        Finding::know(TOPIC, Code::A0218, format!("{text}: it ends soon")).hint("does what renews it still run?")
    } else {
        Finding::good(TOPIC, text)
    };
    Some(finding.note(format!("SHA-256 {}", loaded.fingerprint)))
}

fn about(loaded: &LoadedCertificate, encryption: Encryption) -> String {
    let until = day(loaded.valid_until);
    match encryption {
        Encryption::SelfSigned => format!("self-signed, until {until}"),
        Encryption::Certified | Encryption::Plain => {
            let names: Vec<&str> = loaded.names.iter().map(String::as_str).collect();
            format!("for {}, until {until}", names.join(", "))
        }
    }
}

fn origin(config: &Config) -> Option<CertificateOrigin> {
    let server = &config.server;
    match server.tls.as_ref()? {
        TlsSource::SelfSigned => {
            let files = CertificateFiles {
                certificate: config.beside_state("tls.pem"),
                key: config.beside_state("tls-key.pem"),
            };
            let listeners: Vec<SocketAddr> = server.listeners().into_iter().map(|(listen, _)| listen).collect();
            Some(CertificateOrigin::SelfSigned(files, self_signed::names(&listeners, server.url.as_deref())))
        }
        TlsSource::Files { certificate, key } => {
            let files = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
            let host = server.url.as_deref().and_then(|url| url.split_once("://"));
            let host = host.map(|(_, host)| without_brackets(without_port(host)).to_owned());
            Some(CertificateOrigin::Given(files, host))
        }
    }
}
