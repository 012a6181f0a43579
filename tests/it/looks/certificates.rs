//! Certificates by Let's Encrypt: asked for when they can be had, never too often, and no host stays off line for one.

use amarre::engine::report;
use amarre::engine::report::service_list::ListQuery;
use amarre_core::model::plan::Wait;
use amarre_core::model::world::{Port80, Resolution};
use amarre_core::model::{Code, Gate, Kind, Millis};
use amarre_core::plan::render::Style;
use amarre_sim::Fault;
use amarre_sim::npm::{self, Issuance, Level};
use serde_json::{Value as Json, json};

use super::plain;
use crate::support::stepped::{Stepped, ZONE};

const DOMAIN: &str = "shop.example.org";
const ORDER: &str = "POST /api/nginx/certificates";

fn with_tls() -> String {
    format!("{}ssl: true\n", plain("shop"))
}

fn host(rig: &Stepped) -> Option<Json> {
    let rows = rig.npm.rows(npm::Kind::ProxyHost);
    rows.into_iter().find(|row| row["domain_names"].as_array().is_some_and(|names| names.contains(&DOMAIN.into())))
}

fn orders(rig: &Stepped) -> usize {
    rig.writes().iter().filter(|line| *line == ORDER).count()
}

fn certificates(rig: &Stepped) -> Vec<Json> {
    rig.npm.rows(npm::Kind::Certificate)
}

/// A service that is served, and then is to have HTTPS.
async fn served() -> Stepped {
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &plain("shop"));
    rig.settle().await;
    assert!(rig.npm.serves(DOMAIN));
    rig.write("shop.yaml", &with_tls());
    rig.forget();
    rig
}

/// Several passes, one after another at an interval.
async fn pass_repeatedly(rig: &mut Stepped, looks: usize, every: Millis) {
    for _ in 0..looks {
        rig.pass().await;
        rig.clock.advance(every);
    }
}

fn assert_has_https(rig: &Stepped) {
    let (host, certificates) = (host(rig).unwrap(), certificates(rig));
    assert_eq!(certificates.len(), 1, "{certificates:#?}");
    assert_eq!(host["certificate_id"], certificates[0]["id"]);
    assert_eq!((&host["ssl_forced"], &host["http2_support"]), (&true.into(), &true.into()));
    assert!(rig.npm.serves(DOMAIN));
}

#[tokio::test]
async fn a_new_service_gets_a_certificate_before_its_host_is_made() {
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &with_tls());
    let is_published = |rig: &Stepped| rig.ovh.published(ZONE).iter().any(|row| row["subDomain"] == "shop");
    loop {
        let (was_published, had_host) = (is_published(&rig), host(&rig).is_some());
        rig.pass().await;
        if orders(&rig) > 0 {
            assert!(was_published && !had_host, "asked for once its name is known, and before its host is there");
            break;
        }
        rig.clock.advance(Millis::seconds(2));
    }
    rig.settle().await;
    assert_has_https(&rig);
}

#[tokio::test]
async fn a_served_host_is_on_line_again_when_it_has_a_certificate() {
    let mut rig = served().await;
    rig.pass_until_settled().await;
    assert_eq!(orders(&rig), 1);
    rig.assert_quiet().await;
    assert_has_https(&rig);
}

/// The certificate is there, and so is the host; without a write it would answer 404 for ever.
#[tokio::test]
async fn a_host_is_on_line_again_however_the_call_ends() {
    for fault in [Fault::CutAfter, Fault::After(500), Fault::CutBefore, Fault::Before(502)] {
        let mut rig = served().await;
        rig.npm.server.faults.add("POST", "/api/nginx/certificates", 1, fault.clone());
        // Up to the end of the call, and what follows it.
        while orders(&rig) == 0 {
            rig.pass().await;
            rig.clock.advance(Millis::seconds(2));
        }
        rig.pass().await;
        assert!(rig.npm.serves(DOMAIN), "{fault:?}");
        for _ in 0..3 {
            rig.clock.advance(Millis::minutes(61));
            rig.pass_until_settled().await;
        }
        rig.assert_quiet().await;
        assert_has_https(&rig);
    }
}

#[tokio::test]
async fn after_a_crash_the_first_write_brings_the_host_back_on_line() {
    for fault in [Fault::HangAfter, Fault::HangBefore] {
        let mut rig = served().await;
        rig.npm.server.faults.add("POST", "/api/nginx/certificates", 1, fault.clone());
        assert!(rig.pass_until_settled_or_dead(1).await);
        let is_off = !rig.npm.serves(DOMAIN);
        assert_eq!(is_off, fault == Fault::HangAfter, "that is what NPM does");
        rig.restart().await;
        rig.forget();
        rig.pass().await;
        assert!(rig.npm.serves(DOMAIN), "{fault:?}: {:#?}", rig.writes());
        assert!(rig.writes()[0].starts_with("PUT /api/nginx/proxy-hosts/"), "{:#?}", rig.writes());
        // It is not known whether Let's Encrypt was asked: that is waited out like a failure.
        rig.clock.advance(Millis::minutes(16));
        rig.settle().await;
        assert_has_https(&rig);
        assert!(rig.last_pass().facts.open_intents.is_empty());
    }
}

#[tokio::test]
async fn certificate_failures_quote_certbot_and_stay_within_the_limits_of_let_s_encrypt() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    let mut most_in_an_hour = Vec::new();
    for _ in 0..4 {
        rig.forget();
        for _ in 0..60 {
            rig.pass().await;
            assert!(rig.npm.serves(DOMAIN), "after a failure it is as before");
            rig.clock.advance(Millis::minutes(1));
        }
        most_in_an_hour.push(orders(&rig));
    }
    assert_eq!(most_in_an_hour, [2, 0, 0, 0], "after 15 minutes, then after four hours");
    let error = rig.last_pass().errors["shop"].error.clone();
    assert_eq!(error.code, Code::A0801);
    assert!(error.message.to_string().contains("Some challenges have failed"), "{}", error.message);
    assert!(!error.message.to_string().contains("Saving debug log"), "{}", error.message);
    assert!(certificates(&rig).is_empty());
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(Millis::minutes(4 * 60 + 1));
    rig.pass_until_settled().await;
    rig.assert_quiet().await;
    assert_has_https(&rig);
}

/// `apply`, `reconcile` and a restart wait as the daemon does; a person who has removed the cause types `retry`.
#[tokio::test]
async fn a_command_does_not_shorten_the_pause_and_retry_does_within_the_limits() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    rig.pass_until_settled().await;
    assert_eq!(orders(&rig), 1);
    for _ in 0..5 {
        rig.engine.retry_now();
        rig.pass_until_settled().await;
        rig.engine.reset_service("shop");
        rig.pass_until_settled().await;
        rig.restart().await;
        rig.pass().await;
        rig.clock.advance(Millis::minutes(2));
    }
    assert_eq!(orders(&rig), 1, "the pause is a quarter of an hour");
    for expected in [2, 3, 4, 4, 4] {
        rig.engine.retry("shop").await.unwrap();
        rig.pass_until_settled().await;
        assert_eq!(orders(&rig), expected, "the fifth of an hour is left to people");
    }
    let pass = rig.last_pass();
    let waits = pass.plan.changes.iter().find_map(|change| match &change.gate {
        Gate::Until { at, what } => Some((*at, *what)),
        Gate::Now | Gate::After(_) | Gate::Held(_) => None,
    });
    assert_eq!(waits.map(|(_, what)| what), Some(Wait::Budget), "{:#?}", pass.plan.changes);
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(waits.unwrap().0 - rig.clock_now());
    rig.pass_until_settled().await;
    assert_has_https(&rig);
}

/// Whichever process placed the last order, people are told its code and the time of the next; and what `retry` cannot
/// shorten has no hint at it.
#[tokio::test]
async fn a_waiting_certificate_has_its_code_and_its_next_try() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    rig.pass_until_settled().await;
    for is_another_process in [false, true] {
        if is_another_process {
            rig.restart().await;
            rig.pass_until_settled().await;
        }
        let pass = rig.last_pass();
        let row = pass.statuses()["shop"].clone();
        assert_eq!(row.code, Some(Code::A0801));
        assert!(row.what_now.to_string().contains("Some challenges have failed"), "{}", row.what_now);
        assert!(
            row.status_line_at(rig.clock_now()).to_string().contains("next try in 1"),
            "{}",
            row.status_line_at(rig.clock_now())
        );
        assert!(row.hints.iter().any(|hint| hint.command.as_deref() == Some("amarre retry shop")), "{:?}", row.hints);
        assert_eq!(row.urls, ["http://shop.example.org"], "it has no certificate yet");
        let plan = report::plan_text(&pass, Style::PLAIN);
        assert!(plan.contains("Next: amarre apply in 1") && plan.contains("it would do nothing"), "{plan}");
    }
    for _ in 0..3 {
        rig.engine.retry("shop").await.unwrap();
        rig.pass_until_settled().await;
    }
    for is_another_process in [false, true] {
        if is_another_process {
            rig.restart().await;
            rig.pass_until_settled().await;
        }
        let row = rig.last_pass().statuses()["shop"].clone();
        assert_eq!(row.code, Some(Code::A0805));
        assert!(row.status_line_at(rig.clock_now()).to_string().contains("next try in "), "{}", row.what_now);
        assert!(row.hints.iter().all(|hint| hint.command.is_none()), "{:?}", row.hints);
    }
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(Millis::minutes(61));
    rig.settle().await;
    assert_eq!(rig.last_pass().statuses()["shop"].urls, ["https://shop.example.org"]);
}

/// What NPM, its certbot or the way to Let's Encrypt fails for counts against none of its limits.
#[tokio::test]
async fn only_what_reaches_let_s_encrypt_counts() {
    for (issuance, code) in [
        (Issuance::NoCertbot, "A0803"),
        (Issuance::Busy, "A0802"),
        (Issuance::Away, "A0807"),
        (Issuance::AwayInOldWords, "A0807"),
        (Issuance::MailRefused, "A0808"),
    ] {
        let mut rig = served().await;
        rig.npm.set_issuance(issuance);
        pass_repeatedly(&mut rig, 60, Millis::minutes(1)).await;
        let error = rig.last_pass().errors["shop"].error.clone();
        assert_eq!(error.code.as_str(), code);
        assert!(!error.message.to_string().contains("Warning"), "{}", error.message);
        assert!((4..=7).contains(&orders(&rig)), "{issuance:?}: {} in an hour, ever more seldom", orders(&rig));
        let left = report::status_json(&rig.last_pass(), None)["certificates"].clone();
        assert!(left.as_array().is_none_or(|all| all.iter().all(|one| one["left_this_week"] == 50)), "{left}");
        rig.npm.set_issuance(Issuance::Granted);
        rig.engine.retry("shop").await.unwrap();
        rig.pass_until_settled().await;
        assert_has_https(&rig);
    }
}

/// certbot goes on after it could not fetch a list: that is not Let's Encrypt's absence.
#[tokio::test]
async fn the_last_thing_that_certbot_says_is_why_it_stopped() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ZoneUnknown);
    rig.pass_until_settled().await;
    let error = rig.last_pass().errors["shop"].error.clone();
    assert_eq!(error.code, Code::A0801);
    let message = error.message.to_string();
    assert!(
        message.contains("Unable to determine zone identifier") && !message.contains("does not reach"),
        "{message}"
    );
}

#[tokio::test]
async fn the_rate_limit_of_let_s_encrypt_is_waited_for() {
    let mut rig = served().await;
    let until = rig.clock_now() + Millis::minutes(30 * 60);
    rig.npm.set_issuance(Issuance::Limited(until.0 / 1000));
    pass_repeatedly(&mut rig, 29, Millis::minutes(60)).await;
    assert_eq!(orders(&rig), 1);
    assert_eq!(rig.last_pass().errors["shop"].error.code, Code::A0804);
    rig.engine.retry("shop").await.unwrap();
    rig.pass_until_settled().await;
    assert_eq!(orders(&rig), 1, "nobody is given one before");
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(Millis::minutes(61));
    rig.pass_until_settled().await;
    assert_has_https(&rig);
}

/// A whole day in which everything fails in turn, with a daemon and people who try.
#[tokio::test]
async fn a_day_of_failures_costs_three_failed_validations_at_most() {
    let mut rig = served().await;
    let mut failed = 0;
    for hour in 0..24 {
        let issuance = match hour / 6 {
            0 | 3 => Issuance::ChallengesFail,
            1 => Issuance::Away,
            _ => Issuance::MailRefused,
        };
        rig.npm.set_issuance(issuance);
        rig.forget();
        for _ in 0..12 {
            rig.pass().await;
            rig.clock.advance(Millis::minutes(5));
        }
        rig.engine.retry_now();
        rig.pass_until_settled().await;
        if issuance == Issuance::ChallengesFail {
            failed += orders(&rig);
        }
        assert!(rig.npm.serves(DOMAIN), "hour {hour}");
        let pass = rig.last_pass();
        let waits = pass.plan.changes.iter().any(|change| matches!(change.gate, Gate::Until { what: Wait::Order, .. }));
        assert!(waits, "hour {hour} says what it waits for: {:#?}", pass.plan.changes);
    }
    assert!((1..=3).contains(&failed), "{failed} failed validations in a day");
}

/// Where no record of ours leads to a name, it is looked up as Let's Encrypt would.
#[tokio::test]
async fn no_certificate_is_ordered_for_a_name_that_does_not_resolve_here() {
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &format!("{}dns: none\n", with_tls()));
    let to = |ip: &str| Resolution::To([ip.parse().unwrap()].into());
    for (leads, said) in [
        (
            Resolution::Nowhere("192.0.2.53".parse().unwrap()),
            "shop.example.org has no address, says the resolver 192.0.2.53",
        ),
        (to("192.0.2.9"), "shop.example.org leads to 192.0.2.9, not to 203.0.113.10"),
    ] {
        rig.doors.leads.lock().unwrap().insert(DOMAIN.to_owned(), leads);
        pass_repeatedly(&mut rig, 20, Millis::minutes(2)).await;
        assert_eq!(orders(&rig), 0);
        let pass = rig.last_pass();
        let refusal = pass.plan.changes.iter().find_map(|change| change.refusal()).unwrap();
        assert_eq!(refusal.code, Code::A0809);
        assert!(refusal.message.to_string().ends_with(said), "{refusal:?}");
    }
    rig.doors.leads.lock().unwrap().insert(DOMAIN.to_owned(), to("203.0.113.10"));
    rig.clock.advance(Millis::minutes(2));
    rig.settle().await;
    assert_has_https(&rig);
}

/// The ledger knows of the orders that failed; a restart forgets none.
#[tokio::test]
async fn a_restart_asks_for_no_more() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    for _ in 0..30 {
        rig.pass().await;
        rig.restart().await;
        rig.clock.advance(Millis::minutes(1));
    }
    assert_eq!(orders(&rig), 2, "at once, and after 15 minutes");
}

#[tokio::test]
async fn a_matching_certificate_is_used_and_none_is_ordered() {
    let mut rig = Stepped::start().await;
    rig.npm.seed_certificate("everything", &["*.example.org"]);
    rig.write("shop.yaml", &with_tls());
    rig.settle().await;
    assert_eq!(orders(&rig), 0);
    let host = host(&rig).unwrap();
    assert_eq!(host["certificate_id"], certificates(&rig)[0]["id"]);
}

#[tokio::test]
async fn a_deleted_certificate_is_ordered_again() {
    let mut rig = served().await;
    rig.pass_until_settled().await;
    let service = |rig: &Stepped| {
        let seen = rig.last_pass().world.seen.clone();
        let mut found = seen.into_iter().filter(|(address, _)| address.kind == Kind::Certificate);
        found.find(|(address, _)| address.name == DOMAIN).and_then(|(_, seen)| seen.service)
    };
    assert_eq!(service(&rig).as_deref(), Some("shop"));
    // It is ours again without a ledger: a host of ours uses it, and our account made it.
    rig.restart_without_ledger().await;
    rig.pass_until_settled().await;
    assert_eq!(service(&rig).as_deref(), Some("shop"));
    assert_eq!(certificates(&rig).len(), 1);
}

/// Amarre dies in the middle of an order, and NPM cannot be asked for longer than a call counts as open.
#[tokio::test]
async fn a_gap_after_a_crash_forgets_no_host() {
    let mut rig = served().await;
    rig.npm.server.faults.add("POST", "/api/nginx/certificates", 1, Fault::HangAfter);
    assert!(rig.pass_until_settled_or_dead(1).await);
    rig.restart().await;
    rig.npm.backend_down(true);
    pass_repeatedly(&mut rig, 5, Millis::minutes(2)).await;
    rig.npm.backend_down(false);
    rig.clock.advance(Millis::minutes(2));
    rig.pass_until_settled().await;
    assert!(rig.npm.serves(DOMAIN));
    rig.settle().await;
    assert_has_https(&rig);
}

/// However often it dies, a load is never taken for flapping.
#[tokio::test]
async fn crash_after_crash_brings_the_host_back_each_time() {
    let mut rig = served().await;
    rig.npm.server.faults.add("POST", "/api/nginx/certificates", 4, Fault::HangBefore);
    for _ in 0..4 {
        assert!(rig.pass_until_settled_or_dead(1).await);
        rig.restart().await;
        rig.pass().await;
        assert!(rig.npm.serves(DOMAIN));
        rig.clock.advance(Millis::minutes(25 * 60));
    }
    rig.settle().await;
    assert_has_https(&rig);
}

/// Nothing is ordered that could not be used: the plan says which right is missing, and a right that is given is enough.
#[tokio::test]
async fn a_missing_right_holds_the_order() {
    let mut rig = served().await;
    rig.npm.set_level(npm::Kind::Certificate, Level::View);
    rig.pass_until_settled().await;
    assert_eq!(rig.writes(), [""; 0]);
    let pass = rig.last_pass();
    let refusal = pass.plan.changes.iter().find_map(|change| change.refusal()).unwrap();
    assert_eq!(refusal.code, Code::A0604);
    assert_eq!(refusal.message.to_string(), "NPM main does not let amarre@amarre.demo manage certificates");
    rig.npm.set_level(npm::Kind::Certificate, Level::Manage);
    rig.settle().await;
    assert_has_https(&rig);
}

/// 404 hosts are asked for where a manifest wants one, and by the plan.
#[tokio::test]
async fn a_404_host_needs_a_right_that_the_plan_names() {
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &plain("shop"));
    rig.settle().await;
    rig.write("gone.yaml", "{kind: DeadHost, name: gone, domain: gone}\n");
    rig.npm.remove_proxy_host(host(&rig).unwrap()["id"].as_u64().unwrap());
    rig.pass_until_settled().await;
    assert!(rig.npm.serves(DOMAIN), "what has nothing to do with it goes on");
    assert_eq!(rig.last_pass().plan.gaps.len(), 1);
    let gap = rig.last_pass().plan.gaps[0].clone();
    assert_eq!((gap.code, gap.message.to_string().ends_with("view 404 hosts")), (Code::A0604, true), "{gap:?}");
    assert!(gap.hint.to_string().ends_with("Permissions: set 404 hosts to Manage"), "{gap:?}");
    rig.npm.set_level(npm::Kind::DeadHost, Level::View);
    rig.pass_until_settled().await;
    let pass = rig.last_pass();
    let refusals: Vec<_> = pass.plan.changes.iter().filter_map(|change| change.refusal()).collect();
    assert!(refusals.iter().any(|refusal| refusal.code == Code::A0604), "{refusals:?}");
    rig.npm.set_level(npm::Kind::DeadHost, Level::Manage);
    rig.settle().await;
    assert!(rig.npm.serves("gone.example.org"));
}

/// Also in another process: what did not reach the authority is told as that.
#[tokio::test]
async fn an_order_that_never_left_keeps_its_code() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::Away);
    rig.pass_until_settled().await;
    for is_another_process in [false, true] {
        if is_another_process {
            rig.restart().await;
            rig.pass_until_settled().await;
        }
        assert_eq!(rig.last_pass().statuses()["shop"].code, Some(Code::A0807));
    }
}

/// A list of people who may come in does not wait for a certificate that cannot be had.
#[tokio::test]
async fn unrelated_changes_do_not_wait_for_a_certificate() {
    let mut rig = served().await;
    rig.npm.set_issuance(Issuance::ChallengesFail);
    rig.write("family.yaml", "{kind: AccessList, name: family, allow: [192.168.0.0/16]}\n");
    rig.write("shop.yaml", &format!("{}access_list: family\n", with_tls()));
    rig.pass_until_settled().await;
    let host = host(&rig).unwrap();
    assert_ne!(host["access_list_id"], 0, "{host:#}");
    assert_eq!(host["certificate_id"], 0);
}

/// Its host is gone; who comes back within the month has it again, and after that it goes.
#[tokio::test]
async fn an_unused_certificate_is_kept_for_a_month() {
    let mut rig = served().await;
    rig.settle().await;
    let first = certificates(&rig);
    rig.write("shop.yaml", &plain("shop"));
    rig.settle().await;
    rig.clock.advance(Millis::minutes(29 * 24 * 60));
    rig.settle().await;
    rig.write("shop.yaml", &with_tls());
    rig.settle().await;
    assert_eq!(certificates(&rig), first, "what was kept is used again");
    assert_has_https(&rig);
    // A month from its last use, not from its first.
    rig.remove("shop.yaml");
    rig.settle().await;
    rig.clock.advance(Millis::minutes(29 * 24 * 60));
    rig.settle().await;
    assert_eq!(certificates(&rig).len(), 1);
    rig.clock.advance(Millis::minutes(2 * 24 * 60));
    rig.settle().await;
    assert_eq!(certificates(&rig), [Json::Null; 0]);
}

/// NPM would delete it, and nginx refuse its whole configuration: Amarre does not see such a host, and asks for it.
#[tokio::test]
async fn a_certificate_of_a_hidden_host_stays() {
    let mut rig = served().await;
    rig.settle().await;
    let certificate = certificates(&rig)[0]["id"].clone();
    rig.npm.seed_stream(&json!({
        "incoming_port": 9000, "forwarding_host": "10.0.0.9", "forwarding_port": 9, "certificate_id": certificate,
    }));
    rig.remove("shop.yaml");
    rig.settle().await;
    rig.clock.advance(Millis::minutes(31 * 24 * 60));
    pass_repeatedly(&mut rig, 3, Millis::minutes(11)).await;
    assert_eq!(certificates(&rig).len(), 1);
    let error = format!("{:?}", rig.last_pass().errors);
    assert!(error.contains("stream #"), "{error}");
}

/// `destroy --purge` is asked for by a person: it goes with its service.
#[tokio::test]
async fn a_purge_deletes_the_certificate() {
    let mut rig = served().await;
    rig.settle().await;
    rig.purge("shop").await;
    rig.settle().await;
    assert_eq!(certificates(&rig), [Json::Null; 0]);
}

/// The process dies in the middle of an order, and NPM finishes it: the certificate is as much ours as any other.
#[tokio::test]
async fn a_certificate_that_came_after_a_crash_goes_with_a_purge() {
    for is_applied_first in [true, false] {
        let mut rig = served().await;
        rig.npm.server.faults.add("POST", "/api/nginx/certificates", 1, Fault::HangAfter);
        assert!(rig.pass_until_settled_or_dead(1).await);
        rig.restart().await;
        if is_applied_first {
            rig.settle().await;
            assert_has_https(&rig);
            rig.pass().await;
            let facts = rig.last_pass().facts.clone();
            assert!(facts.applied.keys().any(|address| address.kind == Kind::Certificate), "the ledger knows it");
        }
        rig.purge("shop").await;
        rig.settle().await;
        assert_eq!(certificates(&rig), [Json::Null; 0], "applied first: {is_applied_first}");
    }
}

/// NPM makes the row first. No note says to delete what is on its way.
#[tokio::test]
async fn a_certificate_that_is_being_issued_is_waited_for() {
    let mut rig = Stepped::start().await;
    rig.write("shop.yaml", &with_tls());
    rig.npm.server.faults.add("POST", "/api/nginx/certificates", 1, Fault::HangBefore);
    assert!(rig.pass_until_settled_or_dead(1).await);
    rig.restart().await;
    let id = rig.npm.seed_ordered_certificate(DOMAIN, &[DOMAIN]);
    rig.npm.set_days_left(id, 0);
    pass_repeatedly(&mut rig, 2, Millis::minutes(1)).await;
    let notes = rig.last_pass().plan.notes.clone();
    let texts: Vec<String> = notes.iter().map(|note| note.text.to_string()).collect();
    assert_eq!(texts, ["certificate shop.example.org is being issued: NPM asks for it"]);
    assert_eq!(rig.last_pass().plan.changes.iter().filter_map(|change| change.refusal()).count(), 0);
    rig.npm.set_days_left(id, 89);
    rig.settle().await;
    assert_has_https(&rig);
    // A row that stays empty is not on its way any more.
    rig.npm.set_days_left(id, 0);
    pass_repeatedly(&mut rig, 3, Millis::minutes(11)).await;
    assert!(rig.last_pass().plan.notes.iter().any(|note| note.text.to_string().contains("has ended")));
}

/// Asked for with the key that NPM was given for it; what NPM shows of the row tells nothing of the key.
#[tokio::test]
async fn a_dns_challenge_covers_all_names_and_takes_no_host_off_line() {
    let mut rig = Stepped::start().await;
    for name in ["shop", "wiki"] {
        rig.write(&format!("{name}.yaml"), &plain(name));
    }
    rig.settle().await;
    for name in ["shop", "wiki"] {
        let tls = "tls: {letsencrypt: {wildcard: true}}";
        let text = plain(name).replace("port: 80", &format!("routes: [{{domain: {name}, to: 80, {tls}}}]"));
        rig.write(&format!("{name}.yaml"), &text);
    }
    rig.pass_until_settled().await;
    assert_eq!(orders(&rig), 1);
    let all = certificates(&rig);
    assert_eq!((all.len(), &all[0]["nice_name"]), (1, &json!("*.example.org")));
    assert_eq!(all[0]["meta"]["dns_provider"], "ovh");
    let sent = "dns_ovh_endpoint = ovh-eu\ndns_ovh_application_key = key\n\
                dns_ovh_application_secret = secret\ndns_ovh_consumer_key = for-npm";
    assert_eq!(all[0]["meta"]["dns_provider_credentials"], sent);
    assert!(["shop", "wiki"].iter().all(|name| rig.npm.serves(&format!("{name}.example.org"))));
    rig.assert_quiet().await;
}

/// NPM begins a month before; a fortnight later Amarre asks itself, and ever more seldom when that fails.
#[tokio::test]
async fn a_certificate_that_npm_does_not_renew_is_renewed() {
    let mut rig = served().await;
    rig.pass_until_settled().await;
    rig.settle().await;
    let id = certificates(&rig)[0]["id"].as_u64().unwrap();
    rig.clock.advance(Millis::minutes(8 * 24 * 60));
    rig.npm.set_days_left(id, 8 + 20);
    rig.settle().await;
    assert_eq!(certificates(&rig)[0]["id"], id, "that is still NPM's");
    rig.npm.set_days_left(id, 8 + 12);
    rig.npm.set_issuance(Issuance::ChallengesFail);
    rig.forget();
    pass_repeatedly(&mut rig, 60, Millis::minutes(2)).await;
    let renewals = |rig: &Stepped| rig.writes().iter().filter(|line| line.ends_with("/renew")).count();
    assert!((2..=4).contains(&renewals(&rig)), "{}", renewals(&rig));
    assert_eq!(certificates(&rig).len(), 1);
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(Millis::minutes(24 * 60));
    rig.settle().await;
    assert_has_https(&rig);
}

/// A request that would fail is not made, and the host stays as it is.
#[tokio::test]
async fn no_certificate_is_ordered_while_another_server_answers_on_port_80() {
    let mut rig = served().await;
    *rig.doors.said.lock().unwrap() = Some(Port80::Other("lighttpd answers 200".to_owned()));
    pass_repeatedly(&mut rig, 20, Millis::minutes(11)).await;
    assert_eq!(orders(&rig), 0);
    assert!(rig.npm.serves(DOMAIN));
    let pass = rig.last_pass();
    let refusal = pass.plan.changes.iter().find_map(|change| change.refusal()).unwrap();
    assert_eq!(refusal.code, Code::A0806);
    assert!(
        refusal.message.to_string().ends_with("on port 80, lighttpd answers 200 at 203.0.113.10, not NPM"),
        "{refusal:?}"
    );
    *rig.doors.said.lock().unwrap() = None;
    rig.clock.advance(Millis::minutes(2));
    rig.settle().await;
    assert_has_https(&rig);
}

/// Behind a router without hairpin NAT nothing can be checked from here: one try an hour.
#[tokio::test]
async fn an_unreachable_port_80_allows_one_order_an_hour() {
    let mut rig = served().await;
    *rig.doors.said.lock().unwrap() = Some(Port80::Silent("connection refused".to_owned()));
    rig.npm.set_issuance(Issuance::ChallengesFail);
    pass_repeatedly(&mut rig, 90, Millis::minutes(2)).await;
    assert!((2..=3).contains(&orders(&rig)), "{} in three hours", orders(&rig));
    rig.npm.set_issuance(Issuance::Granted);
    rig.clock.advance(Millis::minutes(24 * 60));
    rig.settle().await;
    assert_has_https(&rig);
}

/// What is left of Let's Encrypt's limit is reported without ordering a certificate.
#[tokio::test]
async fn the_status_shows_how_many_orders_are_left() {
    let mut rig = served().await;
    rig.settle().await;
    let pass = rig.last_pass();
    let document = report::status_json(&pass, None);
    assert_eq!(document["certificates"], json!([{"domain": "example.org", "left_this_week": 49, "of": 50}]));
    let listing = |wide| ListQuery { all: true, wide, only: None };
    let text = |wide| report::status_text(&pass, listing(wide), rig.clock_now(), None, Style::PLAIN);
    let line = "Let's Encrypt: 49 of 50 certificates left this week below example.org.";
    assert!(text(true).contains(line) && !text(false).contains(line), "{}", text(true));
}
