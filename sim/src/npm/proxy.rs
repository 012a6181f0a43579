//! The proxy that NPM's nginx would be: HTTP/1.1, chooses the site by name, forwards with streamed bodies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extracted};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::api::bad_gateway;
use super::blocks::{Block, Deed};
use super::pem;
use super::site::{Access, Action, Directive, Forward, Location, Site};
use super::state::Shared;
use super::upstreams::{Upstreams, is_for_examples};

/// Connecting on loopback or a local network takes milliseconds; nginx would wait a minute.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Headers that belong to one connection and are not passed on.
const PER_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::PROXY_AUTHENTICATE, header::TE, header::TRAILER, header::UPGRADE];

#[derive(Clone)]
struct Proxy {
    shared: Shared,
    upstreams: Arc<dyn Upstreams>,
    tls_ends_before: bool,
}

pub(super) async fn serve(
    shared: Shared,
    upstreams: Arc<dyn Upstreams>,
    (port, tls_ends_before): (u16, bool),
) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer).with_state(Proxy { shared, upstreams, tls_ends_before });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move {
        // The listener lives as long as the task: an error here only ends the simulator.
        let _ = axum::serve(listener, service).await;
    });
    Ok((address, task))
}

/// The one address that *Force SSL* leads to no HTTPS (`conf.d/include/force-ssl.conf`); NPM's own test asks there.
const UNFORCED: &str = "/.well-known/acme-challenge/test-challenge";

/// nginx says who it is in each answer, whoever stands behind it.
async fn answer(proxy: Extracted<Proxy>, client: ConnectInfo<SocketAddr>, request: Request) -> Response {
    let mut response = answered(proxy, client, request).await;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("openresty"));
    response
}

async fn answered(
    Extracted(proxy): Extracted<Proxy>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let host = host_of(&request);
    let sites = Arc::clone(&proxy.shared.lock().nginx.loaded);
    let Some(site) = choose(&sites, &host) else {
        return page(StatusCode::NOT_FOUND, "default site");
    };
    let forwarded = request.headers().get("x-forwarded-proto");
    let says_so = site.trust_forwarded_proto && forwarded.is_some_and(|proto| proto == "https");
    let behind_tls = proxy.tls_ends_before || says_so;
    if site.ssl_forced && site.certificate.is_some() && !behind_tls && path_of(request.uri()) != UNFORCED {
        return redirect(301, &format!("https://{host}{}", path_of(request.uri())));
    }
    if site.certificate.is_some() && path_of(request.uri()).starts_with("/.well-known/acme-challenge/") {
        return page(StatusCode::NOT_FOUND, "404 Not Found");
    }
    if let Some(deed) = theirs(site, request.uri().path()) {
        return do_theirs(&proxy, site, &deed, client.ip(), &host, request).await;
    }
    if let Some(access) = &site.access
        && let Some(refusal) = refuse(access, client.ip(), request.headers())
    {
        return refusal;
    }
    match &site.action {
        Action::Forward(forward) => pass(&proxy, site, forward, client.ip(), &host, request).await,
        Action::Redirect { code, scheme, name, keep_path } => {
            let scheme = scheme.as_deref().unwrap_or("http");
            let path = if *keep_path { path_of(request.uri()) } else { "" };
            redirect(*code, &format!("{scheme}://{name}{path}"))
        }
        Action::Dead => page(StatusCode::NOT_FOUND, "404 Not Found"),
        Action::Stream { .. } => page(StatusCode::NOT_FOUND, "default site"),
    }
}

/// What a person's lines do with this path, in place of what NPM writes.
fn theirs(site: &Site, path: &str) -> Option<Deed> {
    if let Some(block) = site.blocks.iter().find(|block| block.exact && block.path == path) {
        return Some(block.deed.clone());
    }
    let ours = match &site.action {
        Action::Forward(forward) => location_of(forward, path),
        Action::Redirect { .. } | Action::Dead | Action::Stream { .. } => None,
    };
    if ours.is_some_and(|location| location.exact) {
        return None;
    }
    let begins = |block: &&Block| !block.exact && path.starts_with(&block.path);
    let block = site.blocks.iter().filter(begins).max_by_key(|block| block.path.len());
    match (block, ours) {
        (Some(block), Some(ours)) if ours.path.len() > block.path.len() => None,
        (None, Some(_)) => None,
        (Some(block), _) if block.path != "/" || !site.has_own_root => Some(block.deed.clone()),
        (Some(_), _) => None,
        (None, None) => (!site.has_own_root).then_some(Deed::Folder),
    }
}

async fn do_theirs(proxy: &Proxy, site: &Site, deed: &Deed, client: IpAddr, host: &str, request: Request) -> Response {
    match (deed, &site.action) {
        (Deed::Forward, Action::Forward(forward)) => pass(proxy, site, forward, client, host, request).await,
        (Deed::Return { code: code @ (301 | 302 | 303 | 307 | 308), text }, _) => redirect(*code, text),
        (Deed::Return { code, text }, _) => page(StatusCode::from_u16(*code).unwrap_or(StatusCode::OK), text),
        (Deed::Deny, _) => page(StatusCode::FORBIDDEN, "403 Forbidden"),
        (Deed::Forward | Deed::Folder, _) if request.uri().path() == "/" => page(StatusCode::OK, "Welcome to nginx!"),
        (Deed::Forward | Deed::Folder, _) => page(StatusCode::NOT_FOUND, "404 Not Found"),
    }
}

fn host_of(request: &Request) -> String {
    let header = request.headers().get(header::HOST);
    let named = header.and_then(|host| host.to_str().ok());
    let host = named.or_else(|| request.uri().host()).unwrap_or("");
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    host.to_lowercase()
}

/// As nginx: the exact name, then the longest `*.name`, then the longest `name.*`; first file wins.
fn choose<'a>(sites: &'a [Site], host: &str) -> Option<&'a Site> {
    let named = |site: &&Site| site.names.iter().any(|name| name == host);
    if let Some(site) = sites.iter().find(named) {
        return Some(site);
    }
    for (before, after) in [("*", ""), ("", "*")] {
        let mut best: Option<(usize, &Site)> = None;
        for site in sites {
            for name in &site.names {
                let matches = match (before, name.strip_prefix('*'), name.strip_suffix('*')) {
                    ("*", Some(tail), _) => host.ends_with(tail) && host.len() > tail.len(),
                    ("", _, Some(head)) if after == "*" => host.starts_with(head),
                    _ => false,
                };
                if matches && best.is_none_or(|(length, _)| name.len() > length) {
                    best = Some((name.len(), site));
                }
            }
        }
        if let Some((_, site)) = best {
            return Some(site);
        }
    }
    None
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// Basic authentication and addresses, joined by "any" or "all". After the rules everyone is denied.
fn refuse(access: &Access, client: IpAddr, headers: &HeaderMap) -> Option<Response> {
    let rule = access.rules.iter().find(|(_, range)| range.contains(client));
    let address_passes = rule.is_some_and(|(directive, _)| *directive == Directive::Allow);
    let user_passes = access.users.is_empty() || knows(access, headers);
    let passes = match access.satisfy_any {
        true if access.users.is_empty() => address_passes,
        true => address_passes || user_passes,
        false => address_passes && user_passes,
    };
    if passes {
        return None;
    }
    // nginx asks for a password unless the address alone already decides.
    let asks = !access.users.is_empty() && (access.satisfy_any || address_passes);
    if !asks {
        return Some(page(StatusCode::FORBIDDEN, "403 Forbidden"));
    }
    let mut response = page(StatusCode::UNAUTHORIZED, "401 Authorization Required");
    let realm = HeaderValue::from_static("Basic realm=\"Authorization required\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    Some(response)
}

fn knows(access: &Access, headers: &HeaderMap) -> bool {
    let sent = headers.get(header::AUTHORIZATION);
    let sent = sent.and_then(|sent| sent.to_str().ok()?.strip_prefix("Basic "));
    let Some(pair) = sent.and_then(pem::base64) else {
        return false;
    };
    let users = access.users.iter();
    users.map(|(name, password)| format!("{name}:{password}")).any(|known| known.as_bytes() == pair)
}

async fn pass(proxy: &Proxy, site: &Site, forward: &Forward, client: IpAddr, host: &str, request: Request) -> Response {
    let mut request = request;
    let location = location_of(forward, request.uri().path());
    let upstream = location.map_or(&forward.upstream, |location| &location.upstream);
    if let Some(location) = location.filter(|location| !location.to_path.is_empty()) {
        // nginx puts the path of `proxy_pass` in place of the location's.
        let rest = path_of(request.uri()).get(location.path.len()..).unwrap_or_default();
        if let Ok(path) = format!("{}{rest}", location.to_path).parse() {
            *request.uri_mut() = path;
        }
    }
    if is_for_examples(&upstream.host) {
        // A server of a simulated cloud answers, and no connection leaves this machine.
        return page(StatusCode::OK, &format!("{}:{} is simulated", upstream.host, upstream.port));
    }
    // A TLS client would need a certificate store; nothing simulated speaks TLS.
    let located = match upstream.scheme.as_str() {
        "http" => proxy.upstreams.locate(&upstream.host, upstream.port),
        _ => None,
    };
    let Some(address) = located else {
        return bad_gateway();
    };
    let keeps_authorization = site.access.as_ref().is_none_or(|access| access.pass_auth);
    let upgrade = if forward.websockets { request.headers().get(header::UPGRADE).cloned() } else { None };
    let downstream = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    prepare(&mut request, client, host, keeps_authorization, upgrade.as_ref());
    match exchange(address, request).await {
        Ok(mut response) => {
            if let Some(downstream) = downstream
                && response.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                let upstream = hyper::upgrade::on(&mut response);
                tokio::spawn(join(downstream, upstream));
                return response.map(Body::new);
            }
            for name in PER_CONNECTION {
                response.headers_mut().remove(name);
            }
            response.map(Body::new)
        }
        Err(_) => bad_gateway(),
    }
}

/// The location of exactly this path, else the longest whose path begins the request's.
fn location_of<'a>(forward: &'a Forward, path: &str) -> Option<&'a Location> {
    let exact = forward.locations.iter().find(|location| location.exact && location.path == path);
    let begins = |location: &&Location| !location.exact && path.starts_with(&location.path);
    exact.or_else(|| forward.locations.iter().filter(begins).max_by_key(|location| location.path.len()))
}

fn prepare(
    request: &mut Request,
    client: IpAddr,
    host: &str,
    keeps_authorization: bool,
    upgrade: Option<&HeaderValue>,
) {
    let path = path_of(request.uri()).to_owned();
    if let Ok(path) = path.parse() {
        *request.uri_mut() = path;
    }
    let headers = request.headers_mut();
    for name in PER_CONNECTION {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if !keeps_authorization {
        headers.remove(header::AUTHORIZATION);
    }
    let client = client.to_string();
    let set = [
        (header::HOST, host),
        (HeaderName::from_static("x-forwarded-scheme"), "http"),
        (HeaderName::from_static("x-forwarded-proto"), "http"),
        (HeaderName::from_static("x-forwarded-for"), &client),
        (HeaderName::from_static("x-real-ip"), &client),
    ];
    for (name, value) in set {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

type Exchanged = Response<hyper::body::Incoming>;

async fn exchange(address: SocketAddr, request: Request) -> std::io::Result<Exchanged> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    // Ends with the connection, which ends when either side is done with the body.
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(std::io::Error::other)
}

async fn join(downstream: hyper::upgrade::OnUpgrade, upstream: hyper::upgrade::OnUpgrade) {
    if let (Ok(downstream), Ok(upstream)) = (downstream.await, upstream.await) {
        let (mut downstream, mut upstream) = (TokioIo::new(downstream), TokioIo::new(upstream));
        // Either side hanging up is the usual end.
        let _ = tokio::io::copy_bidirectional(&mut downstream, &mut upstream).await;
    }
}

fn redirect(code: u16, location: &str) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    if status == StatusCode::MULTIPLE_CHOICES {
        // nginx has this code for an answer with a text.
        return page(status, location);
    }
    let mut response = page(status, "redirected");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn page(status: StatusCode, title: &str) -> Response {
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
         <center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html")], html).into_response()
}
