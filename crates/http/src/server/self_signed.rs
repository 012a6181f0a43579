//! A certificate of Amarre's own, which no authority has signed: made once, kept beside the ledger, replaced before it
//! ends and when it is for other names.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm, SigningKey,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha256};

use super::auth::{without_brackets, without_port};
use super::certificate::{CertificateError, CertificateFiles, LoadedCertificate};
use amarre_core::model::{Code, Millis, Timestamp};

const DAY: Millis = Millis::minutes(24 * 60);
/// What browsers take at most.
const LASTS: Millis = Millis(397 * DAY.0);
/// A new one shows another fingerprint, which people may want to know early.
const RENEWED_BEFORE: Millis = Millis(30 * DAY.0);
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;
/// Docker calls a container's machine by the beginning of its id, which is another one after each re-create.
const CONTAINER_ID_CHARS: usize = 12;

/// Why a certificate was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBecause {
    /// There was none, or none that could be used.
    First,
    /// The one before ends soon.
    EndsSoon,
    /// The one before is for other names.
    OtherNames,
}

/// The names and addresses by which this machine is asked: of the listeners, of `server.url`, and the machine's own.
pub fn names(listeners: &[SocketAddr], url: Option<&str>) -> BTreeSet<String> {
    let machine = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let is_container_id = machine.len() == CONTAINER_ID_CHARS && machine.bytes().all(|byte| byte.is_ascii_hexdigit());
    let host = url.and_then(|url| url.split_once("://")).map(|(_, host)| without_brackets(without_port(host)));
    let host = host.map(str::to_lowercase);
    let given = listeners.iter().map(|listener| listener.ip()).filter(|address| !address.is_unspecified());
    let mut names: BTreeSet<String> = given.map(|address| address.to_string()).collect();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.extend(host);
    names.extend(Some(machine).filter(|name| !is_container_id && is_host_name(name)));
    names
}

/// The certificate in the files while it is usable, for these names, and lasts; else a new one, and why.
///
/// # Errors
/// The files cannot be written.
pub fn obtain(
    files: &CertificateFiles,
    names: &BTreeSet<String>,
    now: Timestamp,
) -> Result<(LoadedCertificate, Option<MadeBecause>), CertificateError> {
    let because = match LoadedCertificate::read(files) {
        Err(_) => MadeBecause::First,
        Ok(kept) if kept.names != *names => MadeBecause::OtherNames,
        Ok(kept) if is_due(&kept, now) => MadeBecause::EndsSoon,
        Ok(kept) => return Ok((kept, None)),
    };
    let unusable = |why: &dyn std::fmt::Display| CertificateError {
        code: Code::A0217,
        message: format!("could not make {}: {why}", files.certificate.display()),
        hint: "the folder of `state` must be writable".to_owned(),
    };
    let (certificate, key) = make(names, now + Millis(-DAY.0), now + LASTS).map_err(|error| unusable(&error))?;
    replace(&files.key, &pem("PRIVATE KEY", &key), KEY_MODE).map_err(|error| unusable(&error))?;
    let text = pem("CERTIFICATE", &certificate);
    replace(&files.certificate, &text, CERTIFICATE_MODE).map_err(|error| unusable(&error))?;
    Ok((LoadedCertificate::read(files)?, Some(because)))
}

/// Whether it is time for a new one.
pub fn is_due(kept: &LoadedCertificate, now: Timestamp) -> bool {
    kept.valid_until - now < RENEWED_BEFORE || now < kept.valid_from
}

fn is_host_name(name: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name.split('.').all(is_label)
}

/// Puts a text where no reader finds half of it.
fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // Left by a crash during an earlier try.
        Ok(()) | Err(_) => (),
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    // The mode of a new file is narrowed by the mask of the process.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<String> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A certificate and its key (PKCS #8).
fn make(names: &BTreeSet<String>, from: Timestamp, until: Timestamp) -> Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
    let signer = SelfSigner(pair.map_err(|error| rcgen::Error::RingKeyRejected(error.to_string()))?);
    let mut serial: [u8; 16] = rand::random();
    // Positive, and of full length.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.serial_number = Some(serial.to_vec().into());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Amarre (self-signed)");
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(1970, 1, 1), rcgen::date_time_ymd(1970, 1, 1));
    params.not_before += since_1970(from);
    params.not_after += since_1970(until);
    // No `key_usages`: with one that signs no certificates, OpenSSL does not take it as its own issuer.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_identifier_method = KeyIdMethod::PreSpecified(Sha256::digest(signer.der_bytes())[..20].to_vec());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok((params.self_signed(&signer)?.der().to_vec(), key.as_ref().to_vec()))
}

fn since_1970(at: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0).unwrap_or_default())
}

/// The key in the form that `rcgen` asks for: its own use of `ring` brings in a parser of certificates.
struct SelfSigner(EcdsaKeyPair);

impl PublicKeyData for SelfSigner {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for SelfSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signed = self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signed.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn files(folder: &Path) -> CertificateFiles {
        CertificateFiles { certificate: folder.join("amarre.tls.pem"), key: folder.join("amarre.tls-key.pem") }
    }

    fn some_names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_it_ends_or_is_for_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let names = some_names(&["localhost", "127.0.0.1", "::1"]);
        let (first, because) = obtain(&files, &names, NOW).unwrap();
        assert_eq!((because, &first.names), (Some(MadeBecause::First), &names));
        assert_eq!(first.refused_by_clients(NOW, Some("localhost")), None);
        assert_eq!(first.refused_by_clients(NOW, Some("[::1]")), None);
        assert!(first.refused_by_clients(NOW, Some("example.org")).is_some());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files.key), mode(&files.certificate)), (0o600, 0o644));

        let late = first.valid_until + Millis(-RENEWED_BEFORE.0);
        let (kept, because) = obtain(&files, &names, late).unwrap();
        assert_eq!((because, &kept.fingerprint), (None, &first.fingerprint));
        let (second, because) = obtain(&files, &names, late + Millis(1)).unwrap();
        assert_eq!(because, Some(MadeBecause::EndsSoon));
        assert_ne!(second.fingerprint, first.fingerprint);

        let more = some_names(&["localhost", "amarre.example.org"]);
        assert_eq!(obtain(&files, &more, NOW).unwrap().1, Some(MadeBecause::OtherNames));
        std::fs::write(&files.key, "").unwrap();
        assert_eq!(obtain(&files, &more, NOW).unwrap().1, Some(MadeBecause::First));
    }

    #[test]
    fn it_is_for_listeners_url_and_this_machine() {
        let listeners = ["0.0.0.0:7070".parse().unwrap(), "192.0.2.7:7071".parse().unwrap()];
        let names = names(&listeners, Some("https://amarre.example.org:8443"));
        for name in ["192.0.2.7", "amarre.example.org", "localhost", "127.0.0.1", "::1"] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        assert!(!names.contains("0.0.0.0"), "{names:?}");
    }
}
