//! TLS of the listeners: which certificate a handshake shows, and what watches its files.
//!
//! A certificate that cannot be used replaces none: the last good one is shown, and the log and `amarre status` say why.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::certificate::{CertificateError, CertificateFiles, FileStamps, LoadedCertificate, day};
use super::self_signed;
use super::self_signed::MadeBecause;
use crate::engine::ConfigProblem;
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use amarre_core::model::{Code, Timestamp};

/// How often the files are examined: two calls of the system.
const EXAMINED_EVERY: Duration = Duration::from_secs(5);
/// The only protocol that is offered.
const HTTP_1: &[u8] = b"http/1.1";

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum CertificateOrigin {
    /// Amarre makes it, for these names, and keeps it in these files.
    SelfSigned(CertificateFiles, BTreeSet<String>),
    /// Another program renews it. The name is the one that people type.
    Given(CertificateFiles, Option<String>),
}

/// TLS for listeners. Clones show the same certificate.
#[derive(Clone)]
pub struct ServerTls {
    /// Shakes hands.
    pub acceptor: TlsAcceptor,
    shown: Arc<ShownCertificate>,
    origin: Arc<CertificateOrigin>,
    /// The files as they were before they were read.
    stamps: FileStamps,
}

/// The certificate that the next handshake shows.
struct ShownCertificate(RwLock<Arc<LoadedCertificate>>);

impl ShownCertificate {
    fn loaded(&self) -> Arc<LoadedCertificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, loaded: LoadedCertificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }
}

impl fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShownCertificate").field(&self.loaded().fingerprint).finish()
    }
}

impl ResolvesServerCert for ShownCertificate {
    // Whatever name is asked for: who asks for another one is answered by the check of `Host`.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.loaded().signing.clone())
    }
}

/// What is known of the files from one examination to the next.
struct Examined {
    stamps: FileStamps,
    /// Why the files as they are now are not served.
    failed: Option<CertificateError>,
}

impl ServerTls {
    /// With the certificate as it is now; a self-signed one is made where there is none.
    ///
    /// # Errors
    /// It cannot be used, or made.
    pub fn start(origin: CertificateOrigin, now: Timestamp) -> Result<Self, CertificateError> {
        let stamps = FileStamps::read(origin.files());
        let loaded = match &origin {
            CertificateOrigin::SelfSigned(files, names) => {
                let (loaded, because) = self_signed::obtain(files, names, now)?;
                report_made(&loaded, because);
                loaded
            }
            CertificateOrigin::Given(files, _) => {
                let loaded = LoadedCertificate::read(files)?;
                report_open_key(&loaded, files);
                loaded
            }
        };
        let shown = Arc::new(ShownCertificate(RwLock::new(Arc::new(loaded))));
        let unusable = |error: rustls::Error| CertificateError {
            code: Code::A0217,
            message: format!("TLS cannot be set up: {error}"),
            hint: "this is a bug of Amarre".to_owned(),
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown, origin: Arc::new(origin), stamps })
    }

    /// The certificate that the next handshake shows.
    pub fn shown(&self) -> Arc<LoadedCertificate> {
        self.shown.loaded()
    }

    /// Follows the files, and renews a self-signed certificate, until the loop has ended.
    pub async fn watch(self, handle: Handle) {
        let mut examined = Examined { stamps: self.stamps.clone(), failed: None };
        let mut reported = None;
        loop {
            let (tls, now) = (self.clone(), handle.now());
            let work = tokio::task::spawn_blocking(move || {
                let trouble = tls.examine(&mut examined, now);
                (examined, trouble)
            });
            // Only a panic ends it early; the certificate stays as it is.
            let Ok((known, trouble)) = work.await else { return };
            examined = known;
            if trouble != reported {
                report_trouble(trouble.as_ref());
                reported.clone_from(&trouble);
                let trouble = trouble.map(|error| ConfigProblem { code: error.code, message: error.message });
                if handle.request(LoopCommand::ReportListener { trouble }).await.is_none() {
                    return;
                }
            }
            tokio::time::sleep(EXAMINED_EVERY).await;
        }
    }

    /// Shows what is new; answers what is wrong.
    fn examine(&self, examined: &mut Examined, now: Timestamp) -> Option<CertificateError> {
        let host = match &*self.origin {
            CertificateOrigin::SelfSigned(files, names) => {
                examined.failed = self.renew(files, names, now).err();
                None
            }
            CertificateOrigin::Given(files, host) => {
                let stamps = FileStamps::read(files);
                if stamps != examined.stamps {
                    examined.stamps = stamps;
                    examined.failed = self.read_again(files).err();
                }
                host.as_deref()
            }
        };
        examined.failed.clone().or_else(|| self.shown().refused_by_clients(now, host))
    }

    fn renew(
        &self,
        files: &CertificateFiles,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        if !self_signed::is_due(&self.shown(), now) {
            return Ok(());
        }
        let (loaded, because) = self_signed::obtain(files, names, now)?;
        report_made(&loaded, because);
        self.shown.show(loaded);
        Ok(())
    }

    fn read_again(&self, files: &CertificateFiles) -> Result<(), CertificateError> {
        let loaded = LoadedCertificate::read(files)?;
        if loaded.fingerprint != self.shown().fingerprint {
            let (shown, until) = (files.certificate.display(), day(loaded.valid_until));
            tracing::info!("the certificate {shown} was replaced; new connections get it: until {until}");
        }
        report_open_key(&loaded, files);
        self.shown.show(loaded);
        Ok(())
    }
}

impl CertificateOrigin {
    fn files(&self) -> &CertificateFiles {
        match self {
            CertificateOrigin::SelfSigned(files, _) | CertificateOrigin::Given(files, _) => files,
        }
    }
}

fn report_made(loaded: &LoadedCertificate, because: Option<MadeBecause>) {
    let why = match because {
        None => return,
        Some(MadeBecause::First) => "there was none",
        Some(MadeBecause::EndsSoon) => "the one before ends soon",
        Some(MadeBecause::OtherNames) => "the one before is for other names",
    };
    let (until, fingerprint) = (day(loaded.valid_until), &loaded.fingerprint);
    tracing::info!("made a self-signed certificate, since {why}: until {until}, SHA-256 {fingerprint}");
}

fn report_open_key(loaded: &LoadedCertificate, files: &CertificateFiles) {
    if loaded.is_key_open {
        tracing::warn!(code = %Code::A0219, "all users of this machine may read the key {}", files.key.display());
    }
}

fn report_trouble(trouble: Option<&CertificateError>) {
    match trouble {
        Some(CertificateError { code, message, hint }) => {
            tracing::error!(%code, "{message}; the certificate that was read last is served. {hint}");
        }
        None => tracing::info!("the certificate of `server.tls` is good again"),
    }
}
