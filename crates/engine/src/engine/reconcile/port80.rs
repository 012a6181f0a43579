//! Examines who answers on port 80 of a host, by a name for which a certificate is to be ordered: Let's Encrypt will
//! ask there. For a name without a record of ours, first where it leads.
//!
//! | answer | then |
//! |---|---|
//! | the name does not resolve, or resolves to other hosts only | held, with its addresses |
//! | NPM's nginx | the certificate is asked for |
//! | another server | held, with its answer: an order would fail and count |
//! | none, as behind a router without hairpin NAT | ordered, at most once an hour |

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};

use super::left_out::LeftOut;
use crate::providers::dns::query;
use crate::providers::http::Http;
use amarre_core::model::service::Service;
use amarre_core::model::site::HostSite;
use amarre_core::model::world::{Port80, Resolution};
use amarre_core::model::{Address, Kind, Millis, Site, Text, Timestamp, Wants, World};
use amarre_core::text;

/// Long enough for an answer from the same machine or its router; a pass waits for it.
const LIMIT: Duration = Duration::from_secs(3);
/// How long an answer is valid.
const KNOWN_FOR: Millis = Millis::seconds(60);
/// Concurrent visits.
const AT_ONCE: usize = 8;
/// NPM answers 404 there by itself, whatever the name leads to. Of these names it leads only this one to no HTTPS where a
/// host has *Force SSL* (`conf.d/include/force-ssl.conf`).
const PATH: &str = "/.well-known/acme-challenge/test-challenge";

/// Visits a name on port 80.
#[async_trait]
pub trait Port80Client: Send + Sync {
    /// The server that answers there by this name; `to`: where NPM leads visitors of it, if it has a redirection.
    async fn visit(&self, name: &str, at: SocketAddr, to: Option<&str>) -> Port80;

    /// Those of the names by which NPM's nginx answers there as by a name that no host has; `None`: it cannot be asked from
    /// here.
    async fn left_out(&self, names: BTreeSet<String>, at: SocketAddr) -> Option<BTreeSet<String>> {
        let nobodys = front_page(NOBODYS, at).await.filter(FrontPage::is_of_npm)?;
        let ask = |name: String| async move {
            let page = front_page(&name, at).await;
            (name, page)
        };
        let pages =
            futures_util::stream::iter(names.into_iter().map(|name| ask(name).boxed())).buffer_unordered(AT_ONCE);
        let same = pages.filter_map(async |(name, page)| page.filter(|page| *page == nobodys).map(|_| name));
        Some(same.collect().await)
    }

    /// The addresses of the name, as Let's Encrypt would find them.
    async fn find(&self, name: &str) -> Resolution;

    /// Whether something takes a connection there, or serves this path with neither a client's nor a server's error.
    ///
    /// # Errors
    /// Why not.
    async fn answers(&self, at: SocketAddr, path: Option<&str>) -> Result<(), Text> {
        let Some(path) = path else {
            let connecting = tokio::time::timeout(LIMIT, tokio::net::TcpStream::connect(at)).await;
            return match connecting {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Text::foreign(error.to_string())),
                Err(_) => Err(text!("no connection in 3 s")),
            };
        };
        let http = Http::towards(&at.ip().to_string(), at, LIMIT).map_err(Text::foreign)?;
        let url = format!("http://{at}{path}");
        match http.open(http.request(reqwest::Method::GET, &url)).await {
            Ok(answer) if answer.status() < 400 => Ok(()),
            Ok(answer) => Err(text!("{path} answers {status}", path, status = i64::from(answer.status()))),
            Err(failure) => Err(Text::foreign(failure.reason())),
        }
    }
}

/// No host has this name (RFC 6761).
const NOBODYS: &str = "amarre-asks.invalid";

/// What tells one answer from another, and in the end whose it is.
#[derive(Debug, PartialEq, Eq)]
struct FrontPage {
    status: u16,
    headers: [Option<String>; 7],
}

impl FrontPage {
    const HEADERS: [&str; 7] =
        ["server", "x-served-by", "location", "content-length", "content-type", "etag", "last-modified"];

    /// NPM's own page, and none of a host of it: those say by which name they were asked. What has no length may differ.
    fn is_of_npm(&self) -> bool {
        let [server, served_by, _, length, ..] = &self.headers;
        let server = server.as_deref().unwrap_or_default().to_ascii_lowercase();
        (server.starts_with("openresty") || server.starts_with("nginx")) && served_by.is_none() && length.is_some()
    }
}

/// The front page by a name; `None`: there is no answer.
async fn front_page(name: &str, at: SocketAddr) -> Option<FrontPage> {
    let http = Http::towards(name, at, LIMIT).ok()?;
    let url = format!("http://{name}:{}/", at.port());
    let answer = http.open(http.request(reqwest::Method::GET, &url)).await.ok()?;
    let headers = FrontPage::HEADERS.map(|header| answer.header(header).map(str::to_owned));
    Some(FrontPage { status: answer.status(), headers })
}

/// Over the network.
#[derive(Debug, Default)]
pub struct HttpVisitor {
    resolvers: Vec<SocketAddr>,
}

impl HttpVisitor {
    /// Asks these resolvers, or those of this machine.
    pub fn with_resolvers(resolvers: Option<Vec<SocketAddr>>) -> Self {
        Self { resolvers: resolvers.unwrap_or_else(query::system_resolvers) }
    }
}

#[async_trait]
impl Port80Client for HttpVisitor {
    async fn visit(&self, name: &str, at: SocketAddr, to: Option<&str>) -> Port80 {
        let http = match Http::towards(name, at, LIMIT) {
            Ok(http) => http,
            Err(why) => return Port80::Silent(why),
        };
        match http.open(http.request(reqwest::Method::GET, &format!("http://{name}:{}{PATH}", at.port()))).await {
            Ok(answer) => judge(answer.status(), to, |header| answer.header(header).unwrap_or_default()),
            Err(failure) => Port80::Silent(failure.reason()),
        }
    }

    async fn find(&self, name: &str) -> Resolution {
        query::leads(name, &self.resolvers, LIMIT).await
    }
}

/// NPM's nginx calls itself openresty; on plain nginx, its 404, a header that only NPM sets, or the redirection that it has
/// identifies it.
fn judge<'a>(status: u16, to: Option<&str>, header: impl Fn(&str) -> &'a str) -> Port80 {
    let server = header("server").to_ascii_lowercase();
    let leads = header("location").split_once("://").map(|(_, place)| place);
    let is_redirection = to.is_some_and(|to| leads.is_some_and(|place| is_below(place, to)));
    let is_ours = status == 404 || !header("x-served-by").is_empty() || is_redirection;
    let is_nginx = server.starts_with("nginx") && is_ours;
    if server.starts_with("openresty") || is_nginx {
        return Port80::Npm;
    }
    let shown = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(80).collect::<String>();
    let who =
        if server.is_empty() { "something that does not say its name".to_owned() } else { shown(header("server")) };
    let to = header("location");
    let to = if to.is_empty() { String::new() } else { format!(" to {}", shown(to)) };
    Port80::Other(format!("{who} answers {status}{to}"))
}

/// Whether an address is that of a redirection, or a path below it.
fn is_below(place: &str, to: &str) -> bool {
    place.strip_prefix(to).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Recent results.
pub struct Port80Findings {
    visitor: Arc<dyn Port80Client>,
    known: BTreeMap<(String, IpAddr), (Timestamp, Port80)>,
    led: BTreeMap<String, (Timestamp, Resolution)>,
    /// Hosts that others' changes may have left out of nginx.
    pub left_out: LeftOut,
}

impl Port80Findings {
    /// Nothing yet.
    pub fn new(visitor: Arc<dyn Port80Client>) -> Self {
        Self { visitor, known: BTreeMap::new(), led: BTreeMap::new(), left_out: LeftOut::default() }
    }

    /// Who goes and looks.
    pub fn visitor(&self) -> &Arc<dyn Port80Client> {
        &self.visitor
    }

    /// The addresses of names without a record of ours.
    async fn look_up(&mut self, names: &BTreeMap<String, BTreeSet<IpAddr>>, world: &mut World, now: Timestamp) {
        self.led.retain(|name, (at, _)| names.contains_key(name) && (now - *at).0.abs() < KNOWN_FOR.0);
        let open: Vec<_> = names
            .keys()
            .filter(|name| !self.led.contains_key(*name))
            .map(|name| {
                let (visitor, name) = (self.visitor.clone(), name.clone());
                async move {
                    let leads = visitor.find(&name).await;
                    (name, (now, leads))
                }
                .boxed()
            })
            .collect();
        let found: Vec<_> = futures_util::stream::iter(open).buffer_unordered(AT_ONCE).collect().await;
        self.led.extend(found);
        for (name, (_, leads)) in &self.led {
            let astray = names.get(name).and_then(|ips| wrong_target(name, leads, ips));
            world.port80.extend(astray.map(|what| (name.clone(), Port80::Elsewhere(what))));
        }
    }

    /// Visits the names of certificates that are to be ordered, and writes who answers into the world.
    pub async fn examine(
        &mut self,
        site: &Site,
        services: &BTreeMap<String, Service>,
        wants: &Wants,
        world: &mut World,
        now: Timestamp,
    ) {
        if !site.certificates.asks_port80 {
            return;
        }
        let is_asked_for = |address: &Address| {
            address.kind == Kind::Certificate && !world.seen.contains_key(address) && world.gap(address).is_none()
        };
        let wanted = wants
            .map
            .iter()
            .filter(|(address, want)| is_asked_for(address) && want.fields.text("challenge") == Some("http"));
        let mut doors: BTreeSet<(String, IpAddr)> = BTreeSet::new();
        let recorded: BTreeSet<&str> = wants.map.keys().filter_map(resolve_chain).collect();
        let mut foreign: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        for (_, want) in wanted {
            let host = services.get(&want.service).and_then(|service| site.host_of(service));
            let ips: BTreeSet<IpAddr> = host.into_iter().flat_map(HostSite::ips).collect();
            for name in want.fields.strings("domains") {
                doors.extend(ips.iter().map(|ip| (name.to_owned(), *ip)));
                if !recorded.contains(name) {
                    foreign.entry(name.to_owned()).or_default().extend(&ips);
                }
            }
        }
        self.look_up(&foreign, world, now).await;
        self.known.retain(|door, (at, _)| doors.contains(door) && (now - *at).0.abs() < KNOWN_FOR.0);
        let open: Vec<_> = doors.iter().filter(|door| !self.known.contains_key(*door)).cloned().collect();
        let visits: Vec<_> = open
            .into_iter()
            .map(|(name, ip)| {
                let visitor = self.visitor.clone();
                let to = redirection_of(world, &name);
                async move {
                    let answer = visitor.visit(&name, SocketAddr::new(ip, 80), to.as_deref()).await;
                    ((name, ip), (now, answer))
                }
                .boxed()
            })
            .collect();
        let answers: Vec<_> = futures_util::stream::iter(visits).buffer_unordered(AT_ONCE).collect().await;
        self.known.extend(answers);
        for ((name, ip), (_, answer)) in &self.known {
            let answer = answer.clone().at(*ip);
            let worst = world.port80.entry(name.clone()).or_insert(Port80::Npm);
            if answer > *worst {
                *worst = answer;
            }
        }
    }
}

/// Where a redirection leads that is seen and has this name.
fn redirection_of(world: &World, name: &str) -> Option<String> {
    let mut redirections = world.seen.iter().filter(|(address, _)| address.kind == Kind::Redirection);
    let (_, found) = redirections.find(|(_, seen)| seen.fields.strings("domains").contains(&name))?;
    found.fields.text("to").map(str::to_owned)
}

/// The name that a record resolves: its servers were asked.
fn resolve_chain(record: &Address) -> Option<&str> {
    let (name, kind) = record.name.split_once('/')?;
    (record.kind == Kind::Record && matches!(kind, "A" | "AAAA" | "CNAME")).then_some(name)
}

/// Why a name leads elsewhere; `None`: at least one address of its host is among its addresses, or they are unknown.
fn wrong_target(name: &str, leads: &Resolution, ips: &BTreeSet<IpAddr>) -> Option<String> {
    let list = |all: &BTreeSet<IpAddr>| all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    match leads {
        Resolution::Unknown => None,
        Resolution::Nowhere(resolver) => Some(format!("{name} has no address, says the resolver {resolver}")),
        Resolution::To(found) if ips.is_empty() || found.iter().any(|ip| ips.contains(ip)) => None,
        Resolution::To(found) => Some(format!("{name} leads to {}, not to {}", list(found), list(ips))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_identifies_the_server() {
        for (status, headers, expected) in [
            (404, &[("server", "openresty")][..], None),
            (200, &[("server", "openresty/1.25"), ("x-served-by", "git.example.org")], None),
            (404, &[("server", "nginx")], None),
            (200, &[("server", "nginx"), ("x-served-by", "git.example.org")], None),
            (200, &[("server", "nginx")], Some("nginx answers 200")),
            (308, &[("server", "nginx"), ("location", "https://new.example.org")], None),
            (301, &[("server", "nginx"), ("location", "http://new.example.org/.well-known/x")], None),
            (
                301,
                &[("server", "nginx"), ("location", "https://new.example.org.evil.example/")],
                Some("nginx answers 301 to https://new.example.org.evil.example/"),
            ),
            (
                308,
                &[("server", "Apache"), ("location", "https://new.example.org")],
                Some("Apache answers 308 to https://new.example.org"),
            ),
            (404, &[("server", "Apache/2.4")], Some("Apache/2.4 answers 404")),
            (404, &[], Some("something that does not say its name answers 404")),
            (
                301,
                &[("server", "lighttpd"), ("location", "https://box.lan/")],
                Some("lighttpd answers 301 to https://box.lan/"),
            ),
        ] {
            let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
            let expected = expected.map_or(Port80::Npm, |text| Port80::Other(text.to_owned()));
            assert_eq!(judge(status, Some("new.example.org"), header), expected, "{status} {headers:?}");
        }
        let header = |name: &str| match name {
            "server" => "nginx",
            "location" => "https://new.example.org",
            _ => "",
        };
        assert!(matches!(judge(308, None, header), Port80::Other(_)), "nobody of NPM leads there");
    }

    #[test]
    fn a_wrong_target_is_reported_with_its_address() {
        let ips = |all: &[&str]| all.iter().map(|ip| ip.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
        let resolver: IpAddr = "192.0.2.53".parse().unwrap();
        for (leads, host, expected) in [
            (Resolution::Unknown, &["198.51.100.7"][..], None),
            (
                Resolution::Nowhere(resolver),
                &["198.51.100.7"],
                Some("wiki.example.org has no address, says the resolver 192.0.2.53"),
            ),
            (Resolution::Nowhere(resolver), &[], Some("wiki.example.org has no address, says the resolver 192.0.2.53")),
            (Resolution::To(ips(&["198.51.100.7"])), &["198.51.100.7", "2001:db8::7"], None),
            (Resolution::To(ips(&["192.0.2.9"])), &[], None),
            (
                Resolution::To(ips(&["192.0.2.9"])),
                &["198.51.100.7"],
                Some("wiki.example.org leads to 192.0.2.9, not to 198.51.100.7"),
            ),
        ] {
            assert_eq!(wrong_target("wiki.example.org", &leads, &ips(host)).as_deref(), expected, "{leads:?}");
        }
    }

    #[tokio::test]
    async fn a_visit_is_by_name_and_a_closed_door_is_silent() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nServer: Box\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..read]).to_lowercase()
        });
        let answer = HttpVisitor::default().visit("git.example.org", at, None).await;
        assert_eq!(answer, Port80::Other("Box answers 200".to_owned()));
        let request = served.await.unwrap();
        assert!(request.starts_with("get /.well-known/acme-challenge/test-challenge http/1.1"), "{request}");
        assert!(request.contains("host: git.example.org"), "{request}");
        assert_eq!(
            HttpVisitor::default().visit("git.example.org", at, None).await,
            Port80::Silent("connection refused".to_owned())
        );
    }
}
