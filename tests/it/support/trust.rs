//! A client of TLS that trusts one certificate and no other.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// `None`: the file is not there yet.
    pub fn only(pem: &Path) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pem).ok()?).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let mut config = builder.with_no_client_auth();
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        Some(Self(Arc::new(config)))
    }

    /// Connects to a port of this machine.
    pub async fn connect(&self, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }

    /// The certificate that a port of this machine shows, if it is trusted.
    pub async fn shown(&self, port: u16) -> Option<CertificateDer<'static>> {
        let stream = self.connect(port).await.ok()?;
        stream.get_ref().1.peer_certificates()?.first().cloned().map(CertificateDer::into_owned)
    }
}
