//! A certificate and its key in PEM files: read, checked, described. Changes nothing.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use super::auth::without_brackets;
use amarre_core::model::{Code, Millis, Timestamp};

/// A chain with its certificates takes some kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Who renews a certificate has done it by then: Let's Encrypt's are renewed 30 days before they end.
const SOON: Millis = Millis::minutes(14 * 24 * 60);
const ALL_MAY_READ: u32 = 0o004;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why a certificate is not served, or why clients refuse it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CertificateError {
    pub code: Code,
    /// Lowercase, no full stop; names the file.
    pub message: String,
    pub hint: String,
}

/// A certificate that fits its key.
#[derive(Debug, Clone)]
pub struct LoadedCertificate {
    /// The names and addresses that it is for.
    pub names: BTreeSet<String>,
    /// Its first moment.
    pub valid_from: Timestamp,
    /// Its last moment.
    pub valid_until: Timestamp,
    /// Its SHA-256, as browsers show it: `9F:86:…`.
    pub fingerprint: String,
    /// Whether all users of this machine may read the key.
    pub is_key_open: bool,
    /// For the handshake.
    pub signing: Arc<CertifiedKey>,
    files: CertificateFiles,
}

impl LoadedCertificate {
    /// Reads both files.
    ///
    /// # Errors
    /// One is missing or unreadable, holds something else, or they do not belong together.
    pub fn read(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let CertificateFiles { certificate, key } = files;
        let (chain, _) = contents(certificate, "server.tls.certificate")?;
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            let message = format!("{} holds no certificate in PEM", certificate.display());
            unusable(message, "it begins with -----BEGIN CERTIFICATE-----: that of the server, then its chain")
        })?;
        let (private, metadata) = contents(key, "server.tls.key")?;
        let private = PrivateKeyDer::from_pem_slice(&private).map_err(|_| {
            let message = format!("{} holds no private key in PEM", key.display());
            let hint = format!("one with a passphrase is not read: openssl pkey -in {} -out NEW.pem", key.display());
            unusable(message, hint)
        })?;
        let private = any_supported_type(&private).map_err(|error| {
            let message = format!("the key {} cannot be used: {error}", key.display());
            unusable(message, "use ECDSA (P-256, P-384), Ed25519, or RSA of 2048 bits or more")
        })?;
        let signing = CertifiedKey::new(chain, private);
        signing.keys_match().map_err(|_| {
            let (certificate, key) = (certificate.display(), key.display());
            let message = format!("the key {key} is not that of the certificate {certificate}");
            unusable(
                message,
                "name two files that were made together: the server's certificate stands first in its file",
            )
        })?;
        let leaf = signing.cert[0].clone();
        let parsed = X509::from_der(&leaf).map_err(|error| {
            let message = format!("the certificate {} cannot be read: {error}", certificate.display());
            unusable(message, "look with openssl x509 -text -in FILE")
        })?;
        let validity = parsed.tbs_certificate().validity();
        Ok(Self {
            names: names(&parsed),
            valid_from: timestamp(validity.not_before),
            valid_until: timestamp(validity.not_after),
            fingerprint: fingerprint(&leaf),
            is_key_open: metadata.permissions().mode() & ALL_MAY_READ != 0,
            signing: Arc::new(signing),
            files: files.clone(),
        })
    }

    /// Why clients refuse it now. `host`: the name that people type.
    pub fn refused_by_clients(&self, now: Timestamp, host: Option<&str>) -> Option<CertificateError> {
        let shown = self.files.certificate.display();
        let error =
            |message: String, hint: &str| CertificateError { code: Code::A0218, message, hint: hint.to_owned() };
        if self.valid_until <= now {
            let message = format!("the certificate {shown} ended on {}: clients refuse it", day(self.valid_until));
            return Some(error(message, "renew it; new files are served within seconds, without a restart"));
        }
        if now < self.valid_from {
            let message = format!("the certificate {shown} begins on {} only", day(self.valid_from));
            return Some(error(message, "is the clock of this machine right? see date"));
        }
        let host = host.filter(|host| !self.is_for(host))?;
        let names = self.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("the certificate {shown} is for {names}, and `server.url` names {host}");
        Some(error(message, "get one for that name, or correct `server.url`"))
    }

    /// Whether it ends within days, although whoever renews it should have done so.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        self.valid_until - now < SOON
    }

    /// Whether it is for this name or address.
    fn is_for(&self, host: &str) -> bool {
        let host = without_brackets(host);
        let (Ok(name), Ok(leaf)) = (ServerName::try_from(host), ParsedCertificate::try_from(&self.signing.cert[0]))
        else {
            return false;
        };
        verify_server_name(&leaf, &name).is_ok()
    }
}

/// The date in a sentence: `2026-11-26`.
pub fn day(at: Timestamp) -> String {
    at.rfc3339().chars().take_while(|letter| *letter != 'T').collect()
}

/// What tells without reading them whether both files are as they were; `None`: one is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamps([Option<FileStamp>; 2]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileStamp {
    inode: (u64, u64),
    modified: (i64, i64),
    length: u64,
}

impl FileStamps {
    /// Those of both files; links are followed.
    pub fn read(files: &CertificateFiles) -> Self {
        let stamp = |path: &Path| {
            let at = std::fs::metadata(path).ok()?;
            let (inode, modified) = ((at.dev(), at.ino()), (at.mtime(), at.mtime_nsec()));
            Some(FileStamp { inode, modified, length: at.len() })
        };
        Self([stamp(&files.certificate), stamp(&files.key)])
    }
}

fn unusable(message: String, hint: impl Into<String>) -> CertificateError {
    CertificateError { code: Code::A0217, message, hint: hint.into() }
}

/// The bytes of a file that a key of the configuration names.
fn contents(path: &Path, key: &str) -> Result<(Vec<u8>, Metadata), CertificateError> {
    let read = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
        if fits { Ok((bytes, metadata)) } else { Err(io::Error::other("it is larger than 1 MiB")) }
    };
    read().map_err(|error| {
        let hint = if error.kind() == ErrorKind::NotFound {
            format!("put it there, or correct `{key}` in amarre.yaml")
        } else if error.kind() == ErrorKind::PermissionDenied {
            format!("let the user that runs Amarre read it, and no others: ls -l {}", path.display())
        } else {
            format!("`{key}` names a file in PEM")
        };
        unusable(format!("could not read {}: {error}", path.display()), hint)
    })
}

fn names(certificate: &X509) -> BTreeSet<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return BTreeSet::new();
    };
    names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName) -> Option<String> {
    if let GeneralName::DnsName(name) = name {
        return Some(name.as_str().to_lowercase());
    }
    // Mail addresses and the like: no client asks for one.
    let GeneralName::IpAddress(bytes) = name else { return None };
    let four = <[u8; 4]>::try_from(bytes.as_bytes()).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
