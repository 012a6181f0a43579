//! How an engine is reached: a socket, TCP, TCP with TLS, and ssh. What it answers is counted ([`super::answer_limit`]).
//!
//! With TLS only the certificate authority that the configuration names is trusted, as `docker --tlsverify` has it. Over
//! ssh the system's own client runs `docker system dial-stdio` at the other end, with the user's keys and `ssh_config`.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Response, Uri};
use bollard::{BollardRequest, ClientVersion, Docker};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::answer_limit::{Meter, Metered};
use crate::error_chain::root;
use amarre_core::model::Code;
use amarre_core::model::words;

/// Where requests go, as the client library wants it.
pub const NAME: &str = "http://docker";
/// Docker's port without TLS.
const PLAIN_PORT: u16 = 2375;
/// Docker's port with TLS.
const TLS_PORT: u16 = 2376;
/// Longer than this a connection does not take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is kept this long: a look comes every second while something is under way.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections: each is a process with ssh.
const IDLE_MAX: usize = 4;
/// What ssh says when it fails is short.
const SSH_WORDS_BYTES_MAX: usize = 4096;

/// The files with which an engine is reached by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signed the engine's certificate.
    pub ca: PathBuf,
    /// Our certificate and its key, where the engine wants one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why there is no connection, with what a person can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    /// `A0520` or `A0521`, else the connection's usual code.
    pub code: Option<Code>,
    /// Lowercase, no full stop.
    pub message: String,
    /// What a person can do; empty when nothing special.
    pub hint: String,
}

impl ConnectError {
    fn tls(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: Some(Code::A0520), message: message.into(), hint: hint.into() }
    }

    fn ssh(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: Some(Code::A0521), message: message.into(), hint: hint.into() }
    }

    /// Nothing of TLS or ssh.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into(), hint: String::new() }
    }

    /// What a failed call says about its connection, if it was that.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // An I/O error names as its cause only what is below what it holds.
            let io = match error.downcast_ref::<bollard::errors::Error>() {
                Some(bollard::errors::Error::IOError { err }) => Some(err),
                _ => error.downcast_ref::<io::Error>(),
            };
            let held = io.and_then(io::Error::get_ref);
            let held = held.map(|held| held as &(dyn Error + 'static));
            for error in [Some(error), held].into_iter().flatten() {
                if let Some(trouble) = error.downcast_ref::<ConnectError>() {
                    return Some(trouble.clone());
                }
                if let Some(error) = error.downcast_ref::<rustls::Error>() {
                    return Some(tls_trouble(error));
                }
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConnectError {}

/// What sends requests to an endpoint, over connections that it keeps. Clones share them.
#[derive(Clone)]
pub struct Sender(Arc<dyn Fn(BollardRequest) -> Sent + Send + Sync>);

type Sent = Pin<Box<dyn Future<Output = Result<Response<Incoming>, bollard::errors::Error>> + Send>>;

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// Sends one; the answer carries the [`Meter`] of its connection.
    pub async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, bollard::errors::Error> {
        (self.0)(request).await
    }

    /// The client library over these connections.
    ///
    /// # Errors
    /// The library does not take them.
    pub fn docker(&self, timeout_s: u64, version: &ClientVersion) -> Result<Docker, ConnectError> {
        let send = self.0.clone();
        // The name in the URL is only for the header `Host`.
        let docker =
            Docker::connect_with_custom_transport(move |request| send(request), Some(NAME), timeout_s, version);
        docker.map_err(|error| ConnectError::plain(root(&error)))
    }
}

/// What sends to an endpoint. `meter`: of the one stream that it is for; without one it is for answers, and each of its
/// connections is counted by itself.
///
/// # Errors
/// The endpoint cannot be read.
pub fn sender(endpoint: &str, tls: Option<&TlsFiles>, meter: Option<Arc<Meter>>) -> Result<Sender, ConnectError> {
    let dial = match (endpoint.split_once("://"), tls) {
        (Some(("unix", path)), _) => Dial::Socket(PathBuf::from(path)),
        (Some(("ssh", rest)), _) => Dial::Ssh(SshTarget::parse(rest)?),
        (Some(("tcp" | "https", rest)), Some(files)) => {
            let (host, port) = host_and_port(rest, TLS_PORT)?;
            Dial::Tls { host, port, files: files.clone() }
        }
        (place, _) => {
            let (host, port) = host_and_port(place.map_or(endpoint, |(_, rest)| rest), PLAIN_PORT)?;
            Dial::Plain { host, port }
        }
    };
    // A socket costs nothing to open, and one that was kept may belong to an engine that is gone.
    let idle_max = match dial {
        Dial::Socket(_) | Dial::Plain { .. } => 0,
        Dial::Tls { .. } | Dial::Ssh(_) => IDLE_MAX,
    };
    let connector = Connector { dial: Arc::new(dial), meter };
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_max)
        .build(connector);
    Ok(Sender(Arc::new(move |request: BollardRequest| {
        let client = client.clone();
        Box::pin(async move { client.request(request).await.map_err(bollard::errors::Error::from) })
    })))
}

fn host_and_port(text: &str, usual: u16) -> Result<(String, u16), ConnectError> {
    let text = text.trim_end_matches('/');
    let wrong = || ConnectError::plain(format!("`{text}` is not HOST:PORT"));
    let uri: Uri = format!("tcp://{text}").parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    Ok((host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(usual)))
}

#[derive(Debug)]
enum Dial {
    Socket(PathBuf),
    Plain { host: String, port: u16 },
    Tls { host: String, port: u16, files: TlsFiles },
    Ssh(SshTarget),
}

#[derive(Debug, Clone)]
struct Connector {
    dial: Arc<Dial>,
    meter: Option<Arc<Meter>>,
}

impl Service<Uri> for Connector {
    type Response = EngineStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<EngineStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.dial.clone();
        let meter = self.meter.clone().unwrap_or_else(Meter::answer);
        Box::pin(async move {
            let io: Box<dyn Duplex> = match dial.as_ref() {
                Dial::Socket(path) => Box::new(dial_socket(path).await?),
                Dial::Plain { host, port } => Box::new(dial_plain(host, *port).await?),
                Dial::Tls { host, port, files } => Box::new(dial_tls(host, *port, files).await?),
                Dial::Ssh(target) => Box::new(target.dial()?),
            };
            Ok(EngineStream(TokioIo::new(Metered::new(io, meter.clone())), meter))
        })
    }
}

/// Both ways of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection of any sort.
struct EngineStream(TokioIo<Metered>, Arc<Meter>);

impl Connection for EngineStream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.1.clone())
    }
}

impl Read for EngineStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for EngineStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

async fn dial_socket(path: &Path) -> Result<UnixStream, ConnectError> {
    UnixStream::connect(path).await.map_err(|error| {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let why = if is_missing { format!("Socket not found: {}", path.display()) } else { error.to_string() };
        ConnectError::plain(why)
    })
}

async fn dial_plain(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await;
    let late = || ConnectError::plain(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()));
    dialled.map_err(|_| late())?.map_err(|error| ConnectError::plain(error.to_string()))
}

/// The files are read for each connection: certificates are renewed while we run.
async fn dial_tls(
    host: &str,
    port: u16,
    files: &TlsFiles,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
    let config = tls_config(files)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectError::plain(format!("`{host}` is neither a name nor an address")))?;
    let dial = async {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| ConnectError::plain(error.to_string()))?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
            let trouble = ConnectError::find(&error).unwrap_or_else(|| {
                let hint = "does the engine listen there with --tlsverify?";
                ConnectError::tls(format!("no TLS connection: {}", root(&error)), hint)
            });
            trouble.about(host, files)
        })
    };
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT, dial).await;
    dialled
        .unwrap_or_else(|_| Err(ConnectError::plain(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))))
}

impl ConnectError {
    /// With the names of what it is about.
    fn about(mut self, host: &str, files: &TlsFiles) -> Self {
        self.hint = self.hint.replace("CA_FILE", &files.ca.display().to_string()).replace("HOST_NAME", host);
        self
    }
}

fn tls_config(files: &TlsFiles) -> Result<ClientConfig, ConnectError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca, "ca")? {
        roots.add(certificate).map_err(|error| {
            ConnectError::tls(
                format!("{} does not hold an authority: {error}", files.ca.display()),
                "name the right file",
            )
        })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::tls(error.to_string(), ""))?
        .with_root_certificates(roots);
    let Some((cert, key_file)) = &files.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(cert, "cert")?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unreadable(key_file, "key", &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        let message = format!("{} is not the key of {}: {error}", key_file.display(), cert.display());
        ConnectError::tls(message, "name the two files that belong together: docker.tls.cert and docker.tls.key")
    })
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = read.map_err(|error| unreadable(path, key, &error))?;
    if all.is_empty() {
        let message = format!("{} holds no certificate", path.display());
        return Err(ConnectError::tls(message, format!("docker.tls.{key} names a file in PEM form")));
    }
    Ok(all)
}

fn unreadable(path: &Path, key: &str, error: &rustls::pki_types::pem::Error) -> ConnectError {
    let message = format!("could not read {}: {error}", path.display());
    ConnectError::tls(message, format!("docker.tls.{key} names a file in PEM form that this user may read"))
}

/// Either end may refuse the other's certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's errors grow; what is not named is told in its words")]
fn tls_trouble(error: &rustls::Error) -> ConnectError {
    let theirs = |why: &str, hint: &str| ConnectError::tls(format!("the engine's certificate {why}"), hint);
    let ours = |why: &str, hint: &str| ConnectError::tls(format!("the engine {why}"), hint);
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => theirs(
                "is signed by somebody else",
                "CA_FILE is not the authority that signed it: name the right one in docker.tls.ca",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => theirs(
                "has expired",
                "make a new one for the engine and restart it, and see that both clocks are right",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                theirs("is not valid yet", "see that both clocks are right")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => theirs(
                "is for another name",
                "connect by a name that stands in it, or make one with HOST_NAME in its subjectAltName",
            ),
            other => theirs(&format!("is not accepted: {other}"), "make a new one for the engine"),
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => ours(
            "wants a certificate of ours",
            "name one that its authority signed in docker.tls.cert, with docker.tls.key",
        ),
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            ours("says that our certificate has expired", "have a new one signed for docker.tls.cert")
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError),
        ) => ours(
            &format!("refuses our certificate, or wants one ({alert:?})"),
            "docker.tls.cert must be signed by the authority that the engine was started with (--tlscacert), for clients, and not be expired",
        ),
        rustls::Error::InvalidMessage(_) => ConnectError::tls(
            format!("what answers does not speak TLS: {error}"),
            "is that the engine's port with TLS (usually 2376)? without TLS leave out docker.tls",
        ),
        other => ConnectError::tls(format!("no TLS connection: {other}"), ""),
    }
}

/// `user@host:port/path/of/socket`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SshTarget {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// The engine's socket there, where it is not the usual one.
    socket: Option<String>,
}

impl SshTarget {
    fn parse(text: &str) -> Result<Self, ConnectError> {
        let wrong = || {
            ConnectError::ssh(
                format!("`ssh://{text}` is not an address for ssh"),
                "write ssh://USER@HOST, with :PORT and /PATH/OF/SOCKET where they are not the usual ones",
            )
        };
        let (place, path) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, place),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        // These words become arguments here, and the path a word of a shell at the other end.
        let is_plain = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:%".contains(&byte);
            !text.is_empty() && !text.starts_with('-') && text.bytes().all(fits)
        };
        let is_path = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
        if !is_plain(host) || !user.as_deref().is_none_or(is_plain) || !is_path(path) {
            return Err(wrong());
        }
        let socket = (path.len() > 1).then(|| path.to_owned());
        Ok(Self { user, host: host.to_owned(), port, socket })
    }

    fn arguments(&self) -> Vec<String> {
        // Nobody is there to type a password, and a connection that is gone must not look like a quiet one.
        let options = [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=3",
            // Of what the user's configuration may have for people.
            "PermitLocalCommand=no",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
        ];
        let mut words: Vec<String> = vec!["-T".to_owned()];
        words.extend(options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]));
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        words.extend(["--".to_owned(), self.host.clone(), "docker".to_owned()]);
        words.extend(self.socket.iter().map(|socket| format!("--host=unix://{socket}")));
        words.extend(["system".to_owned(), "dial-stdio".to_owned()]);
        words
    }

    fn dial(&self) -> Result<SshStream, ConnectError> {
        let mut command = Command::new("ssh");
        command.args(self.arguments()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            ConnectError::ssh(format!("could not run ssh: {error}"), "install the ssh client (openssh-client)")
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(ConnectError::ssh("ssh has no pipes", ""));
        };
        Ok(SshStream { _child: child, stdin, stdout, stderr: Some(stderr), words: Vec::new(), host: self.host.clone() })
    }
}

/// The two pipes of a running ssh.
struct SshStream {
    /// Killed on drop.
    _child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// `None` after its end.
    stderr: Option<ChildStderr>,
    words: Vec<u8>,
    host: String,
}

impl SshStream {
    /// Takes what ssh says about itself; ready when it says no more.
    fn listen(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(stderr) = &mut self.stderr {
            let mut space = [0; 512];
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(stderr).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    let room = SSH_WORDS_BYTES_MAX - self.words.len();
                    self.words.extend(buf.filled().iter().take(room));
                }
                Poll::Ready(_) => self.stderr = None,
            }
        }
        Poll::Ready(())
    }

    /// What ssh said, if it said something, when it ended.
    fn trouble(&self) -> Option<ConnectError> {
        let words = String::from_utf8_lossy(&self.words);
        let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        // A banner may stand before it; the reason comes last.
        let said = lines.last()?;
        let message = format!("ssh to {}: {}", self.host, words::said(said));
        let hint = if words.contains("Host key verification failed") {
            "connect once by hand as this user and accept the host's key, or put it into known_hosts"
        } else if words.contains("Permission denied") {
            "ssh must work without a password for this user: ssh -o BatchMode=yes HOST docker version"
        } else if words.contains("docker.sock") || words.contains("docker daemon") {
            "the user at the other end must be root or in the group docker there"
        } else if words.contains("not found") {
            "the docker command must be installed at the other end, and in its PATH"
        } else {
            "try by hand what Amarre does: ssh -o BatchMode=yes HOST docker system dial-stdio"
        };
        Some(ConnectError::ssh(message, hint.replace("HOST", &self.host)))
    }
}

impl AsyncRead for SshStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let silent = self.listen(cx);
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stdout).poll_read(cx, buf))?;
        if buf.filled().len() > before || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // It ended: what it said says why.
        if silent.is_pending() {
            std::task::ready!(self.listen(cx));
        }
        Poll::Ready(self.trouble().map_or(Ok(()), |trouble| Err(io::Error::other(trouble))))
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match std::task::ready!(Pin::new(&mut self.stdin).poll_write(cx, bytes)) {
            // Why it does not listen any more is told by reading.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

/// Paths carry the version, for the client library does not add it by itself.
pub(super) fn versioned(docker: Docker, version: (usize, usize)) -> Docker {
    let prefix = format!("/v{}.{}", version.0, version.1);
    docker.with_request_modifier(move |mut request| {
        let mut parts = request.uri().clone().into_parts();
        let path = parts.path_and_query.as_ref().map_or("/", axum::http::uri::PathAndQuery::as_str);
        parts.path_and_query = format!("{prefix}{path}").parse().ok();
        if let Ok(uri) = axum::http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        if let Some(header) = request.headers_mut().get_mut("X-Registry-Auth")
            && let Ok(decodable) = super::registry::for_urls(header.to_str().unwrap_or_default()).parse()
        {
            *header = decodable;
            header.set_sensitive(true);
        }
        request
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        SshTarget::parse(text).map_or_else(|trouble| trouble.message, |target| target.arguments()[15..].join(" "))
    }

    #[test]
    fn an_address_for_ssh_becomes_arguments() {
        assert_eq!(words("nas"), "-- nas docker system dial-stdio");
        assert_eq!(words("ops@nas:2222"), "-p 2222 -l ops -- nas docker system dial-stdio");
        assert_eq!(words("[2001:db8::1]:22/"), "-p 22 -- 2001:db8::1 docker system dial-stdio");
        assert_eq!(words("nas/run/d.sock"), "-- nas docker --host=unix:///run/d.sock system dial-stdio");
        for wrong in ["", "-oProxyCommand=x", "a b", "-l@nas", "nas:x", "nas/a;reboot", "$(x)@nas"] {
            assert_eq!(words(wrong), format!("`ssh://{wrong}` is not an address for ssh"));
        }
    }

    #[test]
    fn an_address_with_tls_has_a_port() {
        assert_eq!(host_and_port("nas", TLS_PORT), Ok(("nas".to_owned(), 2376)));
        assert_eq!(host_and_port("[2001:db8::1]:99/", TLS_PORT), Ok(("2001:db8::1".to_owned(), 99)));
        assert!(host_and_port("", TLS_PORT).is_err());
    }
}
