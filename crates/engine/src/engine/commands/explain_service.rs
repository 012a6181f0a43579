//! `amarre explain` of what is no single resource: a service, an IP address, a certificate that no route asks for. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::{CommandAnswer, find_address, refused};
use crate::engine::report::pass_view::PassView;
use crate::engine::report::status::{ResourceStatus, ServiceStatus, Sync};
use crate::engine::report::wait_text;
use amarre_core::model::{Address, Code, Kind};
use amarre_core::plan::render::{Style, Tone};

/// The commit that last touched a manifest's file, where it is known.
pub fn wanted_by(pass: &PassView, file: &str) -> Option<(&'static str, String)> {
    let commit = pass.facts.history.changed.get(file)?;
    let at = wait_text::time(commit.at, pass.at);
    Some(("who wanted it", format!("{} \"{}\" ({}, {at})", commit.short(), commit.subject, commit.author)))
}

/// A service with its resources: what it is, who wants it, and which line asks for each resource.
pub fn service(pass: &PassView, row: &ServiceStatus, style: Style) -> CommandAnswer {
    let mut facts = Vec::new();
    match pass.services.get(&row.name) {
        Some(manifest) => {
            let (kind, origin) = (manifest.kind.word(), &manifest.origin);
            facts.push(("what it is", format!("{kind} on host {}", row.host)));
            facts.push(("why it is there", format!("{}:{}", origin.file, origin.line)));
            facts.extend(wanted_by(pass, &origin.file));
        }
        None => facts.push(("why it is there", "no manifest wants it".to_owned())),
    }
    if !row.urls.is_empty() {
        facts.push(("answers at", row.urls.join(", ")));
    }
    let resources: Vec<[String; 3]> = row.resources.iter().map(|one| resource(pass, one)).collect();
    let next = if row.what_now.is_empty() {
        "nothing: it is as wanted".to_owned()
    } else {
        row.status_line_at(pass.at).to_string()
    };
    let state = format!("{}, {}", row.sync.word(), row.health.word());
    let mut text = format!("{}   {state}\n\n", style.paint(Tone::Bold, &row.name));
    for (about, said) in &facts {
        text.push_str(&format!("  {about:<18}{said}\n"));
    }
    if !resources.is_empty() {
        let width = |column: usize| resources.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let (first, second) = (width(0).max(8) + 3, width(1).max(5) + 3);
        text.push_str(&format!("\n  {:first$}{:second$}FROM\n", "RESOURCE", "STATE"));
        for [address, state, from] in &resources {
            text.push_str(&format!("  {address:first$}{state:second$}{from}\n"));
        }
    }
    text.push_str(&format!("\n  next   {next}\n"));
    let facts: serde_json::Map<_, _> =
        facts.into_iter().map(|(about, said)| (about.replace(' ', "_"), json!(said))).collect();
    let fields: Vec<_> = resources
        .iter()
        .map(|[address, state, from]| json!({"field": address, "value": state, "from": from}))
        .collect();
    let document = json!({
        "schema": "amarre.explain/v1", "address": row.name, "facts": facts, "fields": fields, "next": next,
    });
    CommandAnswer { document, text, exit: 0 }
}

/// Its address, its state, and the line that asks for it.
fn resource(pass: &PassView, one: &ResourceStatus) -> [String; 3] {
    let from = match pass.wants.map.get(&one.address) {
        Some(want) => format!("{}:{}", want.origin.file, want.origin.line),
        None => "no manifest wants it".to_owned(),
    };
    let state = if one.sync == Sync::Synced { one.health.word() } else { one.sync.word() };
    [one.address.base().to_string(), state.to_owned(), from]
}

/// What has an IP address: containers, attachments and records, else the smallest network that it is in.
pub fn having(pass: &PassView, ip: IpAddr) -> Vec<Address> {
    let is_it = |text: &str| text.split('/').next().and_then(|text| text.parse::<IpAddr>().ok()) == Some(ip);
    let seen = || pass.world.seen.iter();
    let having = seen().filter(|(_, seen)| {
        seen.fields.text("address").is_some_and(is_it) || seen.fields.strings("values").into_iter().any(is_it)
    });
    let having: Vec<Address> = having.map(|(address, _)| address.clone()).collect();
    if !having.is_empty() {
        return having;
    }
    let networks = seen().filter(|(address, _)| address.kind == Kind::Network);
    let around = networks.filter_map(|(address, seen)| {
        let subnet: IpNet = seen.fields.text("subnet")?.parse().ok()?;
        subnet.contains(&ip).then_some((subnet.prefix_len(), address))
    });
    around.max_by_key(|(length, _)| *length).map(|(_, address)| address.clone()).into_iter().collect()
}

/// Why nothing is called so.
pub fn nothing(pass: &PassView, thing: &str) -> CommandAnswer {
    if thing.parse::<IpAddr>().is_ok() {
        let hint = "amarre subnets lists the subnets, and who has which address in them";
        return refused(Code::A1002, &format!("nothing that Amarre sees has the address {thing}"), hint);
    }
    let certificate = thing.rsplit_once('/').filter(|(kind, _)| kind.ends_with(Kind::Certificate.word()));
    let routes = pass.services.values().flat_map(|service| service.routes.iter().map(move |route| (service, route)));
    let found = certificate.and_then(|(_, domain)| {
        routes
            .into_iter()
            .find(|(_, route)| route.domains.iter().any(|known| known == domain))
            .map(|one| (domain, one.0))
    });
    match found {
        Some((domain, service)) => {
            let message = format!("{} asks for no certificate for {domain}", service.name);
            let hint = format!("to have one, write `tls: letsencrypt` at its route in {}", service.origin.file);
            refused(Code::A1002, &message, &hint)
        }
        None => find_address::no_match(thing),
    }
}
