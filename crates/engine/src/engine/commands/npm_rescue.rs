//! `amarre npm rescue`: an nginx that refuses its configuration applies no change and does not start again. Rescue asks
//! nginx what it objects to, and disables the named hosts one by one until nginx accepts the rest.
//!
//! nginx names one host at a time, so a dry run knows only the first. Nothing else is changed, and nothing is deleted.

use serde_json::{Value as Json, json};

use super::{CommandAnswer, refused};
use crate::engine::reconcile::daemon::{Handle, LoopCommand};
use crate::engine::reconcile::rescued_npm::RescuedNpm;
use crate::ledger::runs::Event;
use crate::providers::{Blame, BlamedHost, ProviderError};
use amarre_core::model::{Address, Code, ProviderId, Text};
use amarre_core::plan::render::{Sign, Style};
use amarre_core::text;

/// The largest number of hosts disabled in one rescue; with more, something else is wrong.
const OFF_MAX: usize = 50;

/// Finds what nginx refuses, and disables it unless `dry_run`.
pub async fn rescue(
    handle: &Handle,
    npm: Option<&str>,
    dry_run: bool,
    by: &str,
    style: Style,
) -> Option<CommandAnswer> {
    let pass = handle.request(LoopCommand::Pass).await?.pass;
    let Some(context) = &pass.context else {
        return Some(refused(Code::A0614, "nothing is known of NPM yet", "amarre doctor says what is in the way"));
    };
    let mut npms: Vec<&ProviderId> =
        context.site.hosts.values().filter_map(|host| host.npm.as_ref()).map(|npm| &npm.provider).collect();
    let wanted = npm.map(ProviderId::npm);
    npms.retain(|id| wanted.as_ref().is_none_or(|wanted| wanted == *id));
    npms.sort();
    npms.dedup();
    let id = match npms.as_slice() {
        [one] => *one,
        [] => {
            let which = npm.map_or_else(|| "no NPM".to_owned(), |npm| format!("no NPM {npm}"));
            return Some(refused(Code::A0614, &format!("{which} is configured"), "amarre doctor lists them"));
        }
        [first, ..] => {
            let names: Vec<String> = npms.iter().map(|id| id.short_name().to_owned()).collect();
            let hint = format!("amarre npm rescue {}", first.short_name());
            return Some(refused(Code::A0614, &format!("which one: {}", names.join(", ")), &hint));
        }
    };
    let Some(patient) = RescuedNpm::new(context, id) else {
        let name = id.short_name();
        let why = format!("nginx of NPM {name} cannot be asked: its container is not known");
        let hint = format!(
            "set `npm.{name}.container`, or run `nginx -t` where it runs: it names /data/nginx/proxy_host/23.conf, \
             and 23 is the host to switch off in NPM"
        );
        return Some(refused(Code::A0614, &why, &hint));
    };
    let mut course = RescueReport::default();
    let treated = course.run(handle, &patient, dry_run, by).await;
    let mut answer = course.answer(&patient, dry_run, style);
    if let Err(error) = treated {
        // Hosts that are disabled by then are reported first.
        let refusal = refused(error.code, &error.message.to_string(), &error.hint.to_string());
        let before = if course.found.is_empty() { String::new() } else { answer.text };
        answer = CommandAnswer { text: before + &refusal.text, ..refusal };
    }
    Some(answer)
}

/// What was found, and which of it is disabled.
#[derive(Default)]
struct RescueReport {
    /// The messages of nginx with their explanation, in order.
    found: Vec<Blame>,
    off: Vec<BlamedHost>,
    /// nginx accepts its configuration now.
    is_well: bool,
}

/// The attribution stays readable, also for a foreign host.
async fn record(handle: &Handle, patient: &RescuedNpm<'_>, host: &BlamedHost, words: &str, by: &str) {
    let name = host.names.split(", ").next().unwrap_or_default();
    let event = Event {
        at: handle.now(),
        run: 0,
        service: String::new(),
        address: Some(Address::new(ProviderId::npm(&patient.name), host.kind, name)),
        kind: "rescued".to_owned(),
        text: text!(
            "{thing} switched off by {by}, amarre npm rescue: {words}",
            thing = host.label(),
            by,
            words = Text::foreign(words)
        ),
        reason: None,
    };
    // The host is disabled by now; a ledger that cannot be written changes nothing about that.
    let _ = handle.request(LoopCommand::Record(Box::new(event))).await;
}

impl RescueReport {
    async fn run(
        &mut self,
        handle: &Handle,
        patient: &RescuedNpm<'_>,
        dry_run: bool,
        by: &str,
    ) -> Result<(), ProviderError> {
        while self.off.len() < OFF_MAX {
            let Some(mut blame) = patient.complaint().await? else {
                self.is_well = true;
                break;
            };
            // A file that is still named although its host is disabled is not NPM's.
            blame.hosts.retain(|host| !self.off.contains(host));
            self.found.push(blame.clone());
            if dry_run || blame.hosts.is_empty() {
                break;
            }
            for host in blame.hosts {
                patient.npm.disable(&host).await?;
                record(handle, patient, &host, &blame.words, by).await;
                self.off.push(host);
            }
        }
        Ok(())
    }

    fn answer(&self, patient: &RescuedNpm<'_>, dry_run: bool, style: Style) -> CommandAnswer {
        let name = &patient.name;
        let found: Vec<Json> = self.found.iter().map(|blame| self.json(blame)).collect();
        let document = json!({"schema": "amarre.rescue/v1", "npm": name, "well": self.is_well, "found": found});
        let Some(last) = self.found.last() else {
            let text = format!("NPM {name}: nginx takes its configuration, there is nothing to rescue.\n");
            return CommandAnswer { document, text, exit: 0 };
        };
        let mut text = String::new();
        for blame in &self.found {
            text.push_str(&format!("NPM {name}: nginx refuses its configuration: {}\n", blame.words));
            for host in &blame.hosts {
                let whose = if host.is_ours { "ours" } else { "not ours" };
                let what = match (dry_run, self.off.contains(host)) {
                    (true, _) => "would be switched off",
                    (false, true) => "is switched off",
                    (false, false) => "is still on",
                };
                text.push_str(&format!("  {} {} {what}, {whose}\n", style.sign(Sign::Update), host.label()));
            }
        }
        let (verdict, exit) = match (dry_run, self.is_well, last.hosts.is_empty()) {
            (true, _, false) => {
                ("Nothing was changed. nginx names one thing at a time: there may be more.".to_owned(), 2)
            }
            (false, true, _) => {
                let todo = "Correct what is off in NPM, then switch it on there.";
                (format!("nginx takes its configuration again. {todo}"), 0)
            }
            (_, _, true) => {
                let check = format!("docker exec {} nginx -t", patient.container);
                (format!("It names no host that can be switched off: correct the file, then {check}"), 1)
            }
            (false, false, false) => ("nginx does not take its configuration yet: amarre npm rescue".to_owned(), 1),
        };
        text.push_str(&format!("{verdict}\n"));
        CommandAnswer { document, text, exit }
    }

    fn json(&self, blame: &Blame) -> Json {
        let hosts: Vec<Json> = blame
            .hosts
            .iter()
            .map(|host| {
                json!({
                    "kind": host.kind, "id": host.id, "names": host.names, "ours": host.is_ours,
                    "switched_off": self.off.contains(host),
                })
            })
            .collect();
        json!({"nginx": blame.words, "culprits": hosts})
    }
}
