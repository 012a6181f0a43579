//! `amarre trace DOMAIN`: the path of a request, from the name to the container, step by step. Only reads.
//!
//! | step | asks |
//! |---|---|
//! | delegation, DNS | each of the zone's own servers |
//! | port 80, port 443 | the address that DNS gives, by the name; of a simulated proxy only its own address |
//! | proxy host | what NPM answered in this pass |
//! | instance | its state, where the name is a record of an instance's own |
//! | network, container | Docker in this pass, and the container itself from where NPM runs |

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::report::instances::{self, InstanceRow, InstanceState};
use crate::engine::report::pass_view::PassView;
use crate::providers::http::{Http, HttpFailure};
use crate::providers::{Provider, Resolved};
use crate::words::say;
use amarre_core::model::address::service_of_network;
use amarre_core::model::service::Service;
use amarre_core::model::{Address, Arg, Code, Fields, Kind, Millis, ProviderId, Seen, Text, Value, words};
use amarre_core::plan::desired::certificate;
use amarre_core::plan::input::Input;
use amarre_core::plan::render::{Sign, Style};
use amarre_core::plan::targets;
use amarre_core::text;

/// The timeout of one step.
const LIMIT: Duration = Duration::from_secs(5);

/// One step of the path.
struct TraceStep {
    sign: Sign,
    /// `DNS`, `port 443`.
    about: Text,
    what: Text,
    found: Text,
    took: Option<Millis>,
    /// The hint, if something is wrong.
    hint: Option<Text>,
}

impl TraceStep {
    fn passed(about: Text, what: impl Into<Text>, found: Text) -> Self {
        Self { sign: Sign::Done, about, what: what.into(), found, took: None, hint: None }
    }

    fn failed(about: Text, what: impl Into<Text>, found: Text, hint: Text) -> Self {
        Self { sign: Sign::Failed, hint: Some(hint), ..Self::passed(about, what, found) }
    }

    /// Neither good nor wrong: it cannot be checked from here.
    fn open(about: Text, what: impl Into<Text>, found: Text) -> Self {
        Self { sign: Sign::Step, ..Self::passed(about, what, found) }
    }

    fn took(mut self, since: Instant) -> Self {
        self.took = Some(Millis(i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX)));
        self
    }
}

/// The length limit of a DNS name.
const NAME_BYTES_MAX: usize = 253;

/// Traces a name to the container that serves it.
pub async fn trace(handle: &Handle, domain: &str, style: Style) -> Option<CommandAnswer> {
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let Some(context) = pass.context.clone() else {
        return Some(refused(Code::A0901, "nothing has been looked at yet", "try again in a moment"));
    };
    let domain = domain.trim_end_matches('.').to_lowercase();
    let is_written = |char: char| char.is_alphanumeric() || "-_.*".contains(char);
    if domain.is_empty() || domain.len() > NAME_BYTES_MAX || !domain.chars().all(is_written) {
        return Some(refused(
            Code::A0107,
            &format!("not a host name: {domain}"),
            "as in amarre trace cloud.example.org",
        ));
    }
    if let Some(service) = pass.services.get(&domain).filter(|_| !domain.contains('.')) {
        let own = service.routes.iter().flat_map(|route| &route.domains).next();
        let hint = own.map_or_else(|| format!("amarre status {domain}"), |own| format!("amarre trace {own}"));
        return Some(refused(Code::A0107, &format!("{domain} is a service, and a domain is followed"), &hint));
    }
    let site = &context.site;
    let manifest = pass.services.values().find(|service| serves_domain(service, &domain));
    let of_server = instance_named(&pass, &domain).filter(|_| manifest.is_none());
    if let Some(row) = of_server {
        let own = row.addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let (mut steps, _) = names(&pass, &context.providers, &domain, &own).await;
        steps.push(server(&row));
        return Some(answer(&domain, &steps, None, true, style));
    }
    let host = manifest.and_then(|service| site.host_of(service)).or_else(|| site.hosts.get("default"));
    let own: BTreeSet<IpAddr> =
        host.into_iter().flat_map(|host| host.ips().chain(host.also_at.iter().copied())).collect();
    let (mut steps, addresses) = names(&pass, &context.providers, &domain, &own).await;
    let target = addresses.first().copied().or_else(|| own.first().copied());
    let mut answered = None;
    let npm = host.and_then(|host| host.npm.as_ref()).map(|npm| &npm.provider);
    let visited = npm.and_then(|npm| context.stage.proxies.get(npm)).copied();
    if visited.is_some() || npm.is_some_and(|npm| pass.is_simulated(npm)) {
        let found = text!("simulated: no visitor comes to this address, and it is not asked");
        steps.extend(target.map(|ip| TraceStep::open(text!("port"), ip.to_string(), found)));
        if let Some(at) = visited {
            let asked = request(&domain, at, "http").await;
            steps.push(simulated(at, &asked));
            answered = asked.ok();
        }
    } else if let Some(ip) = target {
        let (plain, secure) = tokio::join!(
            request(&domain, SocketAddr::new(ip, 80), "http"),
            request(&domain, SocketAddr::new(ip, 443), "https")
        );
        steps.push(port(&pass, &domain, ip, false, &plain));
        steps.push(port(&pass, &domain, ip, true, &secure));
        answered = secure.as_ref().ok().or(plain.as_ref().ok()).copied();
    }
    let (behind, is_managed) = containers_behind(&pass, &context.providers, &domain).await;
    // Whose answer it is that a visitor gets is known where the proxy could be asked; an address that is no container's cannot be.
    let is_known = |step: &TraceStep| step.sign != Sign::Step || step.about == text!("target");
    let is_ours = !behind.is_empty() && behind.iter().all(is_known);
    let answered = answered.map(|(status, took)| TracedAnswer { status, took, is_ours });
    steps.extend(behind);
    // A manifest names it, even while its proxy cannot be asked.
    Some(answer(&domain, &steps, answered, is_managed || manifest.is_some(), style))
}

fn serves_domain(service: &Service, domain: &str) -> bool {
    let routes = service.routes.iter().flat_map(|route| &route.domains);
    let all = routes.chain(service.answered.iter().flat_map(|host| &host.domains));
    all.into_iter().any(|name| name == domain)
}

/// The instance of whose addresses a manifest makes records with this name.
fn instance_named(pass: &PassView, domain: &str) -> Option<InstanceRow> {
    let names_it = |service: &&Service| {
        service.instance.as_ref().is_some_and(|instance| instance.domains.iter().any(|name| name == domain))
    };
    let service = pass.services.values().find(names_it)?;
    instances::find(pass, &service.name).ok()
}

/// What an instance does. What listens on it is its own affair.
fn server(row: &InstanceRow) -> TraceStep {
    let (what, state, about) = (&row.name, row.state.text(), text!("instance"));
    match (row.state, &row.unanswered) {
        (InstanceState::On, None) => TraceStep::passed(about, what, state),
        (InstanceState::On, Some(why)) => {
            let hint = text!("`amarre explain {name}` says what it is to answer", name = what);
            TraceStep::failed(about, what, text!("{state}, {why}", state, why = why.clone()), hint)
        }
        (InstanceState::Off, _) => {
            TraceStep::failed(about, what, state, Text::from(format!("amarre instance start {what}")))
        }
        _ => TraceStep::open(about, what, state),
    }
}

type ProviderMap = BTreeMap<ProviderId, std::sync::Arc<dyn Provider>>;

/// The answers of the zone's servers, and the addresses in them.
async fn names(
    pass: &PassView,
    providers: &ProviderMap,
    domain: &str,
    own: &BTreeSet<IpAddr>,
) -> (Vec<TraceStep>, Vec<IpAddr>) {
    let holder = pass.context.as_ref().and_then(|context| context.site.dns_provider(domain));
    let zone = holder.and_then(|holder| pass.world.zone_of(holder, domain));
    let (Some(holder), Some(zone)) = (holder, zone.map(str::to_owned)) else {
        let said = text!("no zone of the account holds it: its DNS is asked nowhere from here");
        return (vec![TraceStep::open(text!("delegation"), domain, said)], Vec::new());
    };
    let address = Address::new(holder.clone(), Kind::Zone, &zone);
    let servers: Vec<String> = pass
        .world
        .seen
        .get(&address)
        .map_or_else(Vec::new, |seen| seen.fields.strings("nameservers").into_iter().map(str::to_owned).collect());
    let heard = match providers.get(holder).and_then(|provider| provider.capabilities().name_servers) {
        Some(servers_of) => servers_of.resolve(&zone, &servers, domain, pass.at).await,
        None => Vec::new(),
    };
    let names: Vec<&str> = heard.iter().map(|heard| heard.server.as_str()).collect();
    let mut steps = vec![match names.as_slice() {
        [] => {
            let (found, hint) = (text!("none of its servers is known"), text!("`amarre doctor` asks them one by one"));
            TraceStep::failed(text!("delegation"), &zone, found, hint)
        }
        names => TraceStep::passed(text!("delegation"), &zone, Text::from(names.join(", "))),
    }];
    let mut addresses = Vec::new();
    for record_type in ["CNAME", "A", "AAAA"] {
        let (values, silent) = dns_values(&heard, record_type);
        let ips: Vec<IpAddr> = values.iter().filter_map(|value| value.parse().ok()).collect();
        let (all, right) = (heard.len().to_string(), (heard.len() - silent).to_string());
        let what = format!("{record_type} {}", values.iter().cloned().collect::<Vec<_>>().join(", "));
        match (values.is_empty(), ips.is_empty()) {
            (true, _) if record_type != "A" => continue,
            (true, _) if heard.is_empty() => continue,
            (true, _) => {
                let (aliases, _) = dns_values(&heard, "CNAME");
                if aliases.is_empty() {
                    let record = format!("record/{domain}/A");
                    let hint = text!("`amarre explain {record}` says whether one is wanted", record);
                    let found = text!("no such name, {right} of {all} answer", right, all);
                    steps.push(TraceStep::failed(text!("DNS"), "A", found, hint));
                }
            }
            (false, true) => {
                steps.push(TraceStep::passed(text!("DNS"), what, text!("{right} of {all} answer", right, all)));
            }
            (false, false) if ips.iter().any(|ip| own.contains(ip)) => {
                steps.push(TraceStep::passed(text!("DNS"), what, text!("{right} of {all} answer, ours", right, all)));
            }
            (false, false) => {
                let hint = text!("is that a proxy or tunnel before this host? then list it in `hosts.NAME.also_at`");
                let found = text!("{right} of {all} answer, none of our addresses", right, all);
                steps.push(TraceStep::failed(text!("DNS"), what, found, hint));
            }
        }
        addresses.extend(ips);
    }
    (steps, addresses)
}

/// All values that servers gave for a type, and the number of servers without an answer.
fn dns_values(heard: &[Resolved], record_type: &str) -> (BTreeSet<String>, usize) {
    let answers = || heard.iter().filter_map(|heard| heard.said.get(record_type));
    let values = answers().filter_map(|said| said.as_ref().ok()).flatten().cloned().collect();
    (values, answers().filter(|said| said.is_err()).count())
}

/// An answer: its status and how long it took.
type HttpReply = Result<(u16, Millis), NoReply>;

/// Why there was no answer.
enum NoReply {
    /// The server's certificate is not accepted.
    Certificate(String),
    /// Anything else.
    Other(String),
}

async fn request(domain: &str, at: SocketAddr, scheme: &str) -> HttpReply {
    let http = Http::towards(domain, at, LIMIT).map_err(NoReply::Other)?;
    let began = Instant::now();
    let request = http.request(reqwest::Method::GET, &format!("{scheme}://{domain}:{}/", at.port()));
    match http.send(request).await {
        Ok(answer) => Ok((answer.status, Millis(i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)))),
        Err(HttpFailure::Distrusted(why)) => Err(NoReply::Certificate(why)),
        Err(HttpFailure::NotSent(why) | HttpFailure::Unknown(why)) => Err(NoReply::Other(why)),
    }
}

/// The answer of a simulated proxy, if it is reachable. It speaks no TLS.
fn simulated(at: SocketAddr, asked: &HttpReply) -> TraceStep {
    match asked {
        Ok((status, took)) => {
            let found = text!("the simulated proxy answers {status}", status = status.to_string());
            TraceStep { took: Some(*took), ..answered_step(text!("visitor"), at.to_string(), *status, found) }
        }
        Err(NoReply::Certificate(why) | NoReply::Other(why)) => {
            let found = text!("the simulated proxy does not answer: {why}", why = Arg::Foreign(why.clone()));
            TraceStep::open(text!("visitor"), at.to_string(), found)
        }
    }
}

/// Whether a visitor is served by such an answer: a page that asks who is there is one.
fn is_served(status: u16) -> bool {
    status < 400 || [401, 403].contains(&status)
}

/// An answer. What is no page for a visitor may be meant so: the steps behind it tell.
fn answered_step(about: Text, what: String, status: u16, found: Text) -> TraceStep {
    if is_served(status) { TraceStep::passed(about, what, found) } else { TraceStep::open(about, what, found) }
}

fn port(pass: &PassView, domain: &str, ip: IpAddr, is_secure: bool, asked: &HttpReply) -> TraceStep {
    let about = if is_secure { text!("port 443") } else { text!("port 80") };
    let certificate = host_of(pass, domain).and_then(|(address, seen)| {
        let name = seen.fields.text("certificate")?;
        pass.world.seen.get(&Address::new(address.provider.clone(), Kind::Certificate, name))
    });
    match asked {
        Ok((status, took)) => {
            let code = status.to_string();
            let found = match certificate.filter(|_| is_secure) {
                Some(seen) => {
                    let lasts = certificate::in_words(&seen.fields, pass.at);
                    text!("answers {code}, certificate fits, {lasts}", code, lasts)
                }
                None => text!("answers {code}", code),
            };
            TraceStep { took: Some(*took), ..answered_step(about, ip.to_string(), *status, found) }
        }
        Err(_) if is_secure && certificate.is_none() => {
            TraceStep::open(about, ip.to_string(), text!("no certificate is wanted"))
        }
        Err(NoReply::Certificate(why)) => {
            let host = format!("proxy-host/{domain}");
            let hint = text!("`amarre explain {host}` says which certificate it has", host);
            // Listing all names of the certificate does not help.
            let why = why.split("; certificate is only valid").next().unwrap_or(why);
            TraceStep::failed(about, ip.to_string(), Text::foreign(why), hint)
        }
        // Usual behind a router without hairpin NAT.
        Err(NoReply::Other(why)) => {
            let last = why.rsplit(": ").next().unwrap_or(why);
            let found = text!("does not answer from here: {why}", why = Arg::Foreign(last.to_owned()));
            TraceStep::open(about, ip.to_string(), found)
        }
    }
}

/// The NPM host that serves a name: by the name itself, else by a wildcard.
fn host_of<'a>(pass: &'a PassView, domain: &str) -> Option<(&'a Address, &'a Seen)> {
    let wildcard = domain.split_once('.').map(|(_, above)| format!("*.{above}"));
    let hosts = || pass.world.seen.iter().filter(|(address, _)| address.kind.has_host_names());
    let named = |name: &str| hosts().find(|(_, seen)| seen.fields.strings("domains").contains(&name));
    named(domain).or_else(|| named(&wildcard?))
}

/// The steps behind the ports: NPM's host, its way to the container, the container. Also whether the host is ours.
async fn containers_behind(pass: &PassView, providers: &ProviderMap, domain: &str) -> (Vec<TraceStep>, bool) {
    let Some((address, host)) = host_of(pass, domain) else {
        let gap = pass.world.gaps.iter().find(|gap| gap.provider.is_proxy() && gap.is_whole());
        let step = match gap {
            Some(gap) => TraceStep::open(text!("proxy host"), gap.provider.to_string(), gap.message.clone()),
            None => {
                let hint = text!("write a route for it in a manifest");
                TraceStep::failed(text!("proxy host"), "NPM", text!("no host has this name"), hint)
            }
        };
        return (vec![step], false);
    };
    let is_managed = host.owner.is_ours();
    let fields = &host.fields;
    let what = format!("{}, id {}", address.provider, host.vendor_id);
    let about = text!("proxy host");
    let explain = Text::from(format!("amarre explain {}/{}", address.kind.word(), address.name));
    let mut steps = vec![match (fields.flag("enabled"), fields.flag("online")) {
        (Some(false), _) => TraceStep::failed(about, what, text!("switched off"), explain),
        (_, Some(false)) => TraceStep::failed(about, what, text!("nginx does not serve it"), explain),
        (_, _) => TraceStep::passed(about, what, text!("enabled, on line")),
    }];
    if !address.kind.traits().forwards {
        return (steps, is_managed);
    }
    let (to, port) =
        (fields.text("forward_host").unwrap_or_default(), fields.get("forward_port").and_then(Value::as_int));
    let place = format!("{to}:{}", port.unwrap_or_default());
    let container = match destination(pass, address, host, to, &place) {
        Ok(container) => container,
        Err(step) => {
            steps.push(*step);
            return (steps, is_managed);
        }
    };
    let Some(seen) = pass.world.seen.get(&container) else { return (steps, is_managed) };
    steps.extend(network(pass, &container, &seen.fields));
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(80);
    let began = Instant::now();
    let probed = match providers.get(&container.provider).and_then(|provider| provider.capabilities().probe) {
        Some(probe) => tokio::time::timeout(LIMIT, probe.probe(&container, seen, port)).await,
        None => Ok(Ok(())),
    };
    let said = probed.unwrap_or_else(|_| Err(format!("{place} does not answer")));
    let (name, state) = (&container.name, state_of(seen));
    let step = match said {
        Ok(()) => TraceStep::passed(text!("container"), place, text!("{name} answers, {state}", name, state)),
        Err(why) => {
            let (why, port) = (Arg::Foreign(why), port.to_string());
            let found = text!("{why}; {name} {state}", why, name, state);
            let hint = text!(
                "does the program listen on {port}, and on all addresses? `amarre logs {name}` tells",
                name,
                port
            );
            TraceStep::failed(text!("container"), place, found, hint)
        }
    };
    steps.push(step.took(began));
    (steps, is_managed)
}

/// The container to which a host leads, or what is said of where it leads.
fn destination(
    pass: &PassView,
    address: &Address,
    host: &Seen,
    to: &str,
    place: &str,
) -> Result<Address, Box<TraceStep>> {
    let found = pass.with_input(|input| {
        let containers = pass.world.seen.iter().filter(|(container, _)| container.kind == Kind::Container);
        let of = |(container, seen): &(&Address, &Seen)| targets::lead_to(input, host, &container.provider, seen);
        let found = containers.filter(of).map(|(container, _)| container.clone()).next();
        let missing = || not_there(input, address, host, place).filter(|_| host.owner.is_ours());
        found.map(Ok).or_else(|| missing().map(|step| Err(Box::new(step))))
    });
    found.flatten().unwrap_or_else(|| {
        let said = match server_at(pass, to) {
            Some(server) => text!("server {server}; not asked", server),
            None => text!("no container that Amarre knows; not asked"),
        };
        Err(Box::new(TraceStep::open(text!("target"), place.to_owned(), said)))
    })
}

/// A host of ours leads to where its container was.
fn not_there(input: &Input<'_>, host: &Address, seen: &Seen, place: &str) -> Option<TraceStep> {
    let (service, key) = targets::wanted_targets(input, host, seen).next()?;
    let container = input.services.get(service)?.container_name(key);
    let hint = text!("`amarre reconcile {service}` makes it", service);
    let found = text!("container {container} is not there", container);
    Some(TraceStep::failed(text!("container"), place.to_owned(), found, hint))
}

fn state_of(container: &Seen) -> Text {
    match (&container.ready, container.fields.flag("running")) {
        (_, Some(false)) => text!("is stopped"),
        (ready, _) if ready.is_ready() => text!("is running and healthy"),
        (_, _) => text!("is running, and not healthy yet"),
    }
}

/// The server at a cloud that has an address: `worker (paris)`.
fn server_at(pass: &PassView, address: &str) -> Option<String> {
    let row = pass.instances().iter().find(|row| row.addresses.iter().any(|own| own == address))?;
    Some(format!("{} ({})", row.shown_name(), row.cloud))
}

/// Whether NPM is on the container's network, if it has to be.
fn network(pass: &PassView, container: &Address, fields: &Fields) -> Option<TraceStep> {
    let network = fields.text("network")?;
    let mut attachments = pass.world.of_kind(&container.provider, Kind::Attachment);
    let found = attachments.find(|(address, _)| address.name.starts_with(&format!("{network}/")));
    let own = service_of_network(network).unwrap_or(network);
    match found {
        Some((_, seen)) => {
            let found = match seen.fields.text("address") {
                Some(at) => text!("attached at {at}", at),
                None => text!("attached"),
            };
            Some(TraceStep::passed(text!("network"), text!("NPM on {own}", own), found))
        }
        None if pass
            .wants
            .map
            .keys()
            .any(|address| address.kind == Kind::Attachment && address.name.starts_with(&format!("{network}/"))) =>
        {
            let hint = text!("`amarre reconcile` attaches it");
            Some(TraceStep::failed(text!("network"), text!("NPM on {own}", own), text!("not attached"), hint))
        }
        None => None,
    }
}

/// What a visitor was answered.
#[derive(Debug, Clone, Copy)]
struct TracedAnswer {
    status: u16,
    took: Millis,
    is_ours: bool,
}

/// What an answer means where no step is wrong.
fn ending(answered: TracedAnswer) -> Text {
    let (status, span) = (answered.status.to_string(), format!("{} ms", answered.took.0));
    match answered.status {
        code if is_served(code) && answered.is_ours => text!("It answers: {status} in {span}.", status, span),
        _ if !answered.is_ours => text!(
            "Something answers {status} in {span}; whether that is the service is not known: not every step could be asked.",
            status,
            span
        ),
        500.. => text!(
            "It answers {status} in {span}: an error, though each step is in order. Its log says more.",
            status,
            span
        ),
        _ => text!("It answers {status} in {span}: the way is in order, and nothing is served at `/`.", status, span),
    }
}

fn answer(
    domain: &str,
    steps: &[TraceStep],
    answered: Option<TracedAnswer>,
    is_managed: bool,
    style: Style,
) -> CommandAnswer {
    let word = |text: &Text| words::line(&say(text, style.language));
    let shown: Vec<[String; 3]> = steps.iter().map(|step| [&step.about, &step.what, &step.found].map(word)).collect();
    let width = shown.iter().map(|[_, what, _]| what.chars().count()).max().unwrap_or_default().clamp(10, 36) + 2;
    let mut text = String::new();
    for (step, [about, what, found]) in steps.iter().zip(&shown) {
        let took = step.took.map(|took| format!("   {} ms", took.0)).unwrap_or_default();
        text.push_str(&format!("  {} {about:12}  {what:width$}{found}{took}\n", style.sign(step.sign)));
    }
    let broken = steps.iter().find(|step| step.sign == Sign::Failed);
    let ends = match (broken, answered) {
        (Some(step), _) => text!("It stops at the {step}.", step = step.about.clone()),
        (None, Some(answered)) => ending(answered),
        (None, None) => {
            text!("Nothing is wrong as far as can be seen from here; ask from outside: is the port forwarded?")
        }
    };
    text.push_str(&format!("\n{}\n", word(&ends)));
    if let Some(hint) = broken.and_then(|step| step.hint.as_ref()) {
        text.push_str(&format!("{} {}\n", word(&text!("hint:")), word(hint)));
    }
    if !is_managed {
        text.push_str(&format!("{}\n", word(&text!("{domain} is not managed by Amarre.", domain))));
    }
    let row = |step: &TraceStep| {
        let verdict = if step.sign == Sign::Failed {
            "wrong"
        } else if step.sign == Sign::Done {
            "good"
        } else {
            "unknown"
        };
        let plain = |text: &Text| words::line(&text.to_string());
        json!({"step": plain(&step.about), "what": plain(&step.what), "found": plain(&step.found), "verdict": verdict,
               "ms": step.took.map(|took| took.0), "hint": step.hint.as_ref().map(plain)})
    };
    let document = json!({
        "schema": "amarre.trace/v1", "domain": domain, "managed": is_managed,
        "stops_at": broken.map(|step| step.about.to_string()), "steps": steps.iter().map(row).collect::<Vec<_>>(),
    });
    let is_error =
        answered.is_some_and(|answered| answered.status >= 500 || !answered.is_ours && !is_served(answered.status));
    CommandAnswer { document, text, exit: u8::from(broken.is_some() || is_error) }
}
