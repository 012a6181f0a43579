//! What operators ran into on real Docker engines, NPMs and zones, each with the test or the case that Amarre does not.
//!
//! What NPM's interface alone was caught at stands in `npm_provider/traps.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::canary::sources;

/// The trap, and what shows that it is not fallen into: a test, or a case of `tests/cases`.
const TRAPS: &[(&str, &str)] = &[
    // Networks
    (
        "published ports move to the network whose name sorts first",
        "a_long_download_through_npm_survives_fifty_attachments",
    ),
    ("an attachment that would take them over", "an_npm_that_would_be_cut_is_not_attached"),
    (
        "a stopped NPM does not start once a network of its own is gone",
        "an_npm_that_is_stopped_while_a_service_goes_starts_again",
    ),
    ("a container on the host's network cannot be attached", "an_npm_on_the_hosts_own_network_needs_no_attachment"),
    ("a restart takes longer with every network", "npm_is_attached_once_where_all_share_one_network"),
    ("an NPM made anew is on none of the networks", "a_recreated_npm_is_attached_everywhere_first"),
    ("strangers on a network that is to go", "plan/network-with-strangers"),
    ("172.20.0.0/16 is Docker's own, too", "plan/pool-overlaps"),
    ("the host routes a subnet elsewhere", "plan/subnet-asked-for-is-taken"),
    ("Docker gives a stopped container's address to a stranger", "automatic_addresses_stay_in_the_range"),
    ("which of two addresses is in use is observed, never wanted", "plan/environment-changed-start-first"),
    ("an alias on two containers is answered by turns", "a_sibling_never_meets_a_candidate_before_it_is_healthy"),
    ("names of networks are not unique to an engine", "an_existing_resource_is_not_created_again"),
    // Data
    ("two programs on one volume", "a_service_with_data_stops_first_and_keeps_its_data"),
    ("a migration that takes its time", "plan/candidate-takes-its-time"),
    ("an old version on data that a new one has changed", "plan/stop-first-exited-with-data"),
    ("a volume that only the image declares is lost with the container", "a_volume_declared_by_an_image_gets_a_name"),
    ("a renamed volume starts empty", "plan/data-volume-renamed"),
    ("another host starts empty", "plan/data-host-changed"),
    ("images fill the disk", "unused_images_that_amarre_pulled_are_deleted"),
    ("a full disk", "a_full_disk_for_the_ledger_means_observe_and_report"),
    // Containers
    ("a name that means another image now", "a_newer_image_under_the_same_name_is_pulled_before_anything_stops"),
    (
        "a policy that brings the old one back beside the new one",
        "an_engine_that_is_killed_in_the_middle_of_updates_finds_its_containers_as_they_were",
    ),
    ("what was stopped for a backup", "a_stopped_container_is_shown_and_left_for_a_while"),
    ("what was stopped, whose policy is always", "plan/stopped-grace-restart-always"),
    ("a container that falls over and over", "a_container_that_docker_restarts_is_degraded_and_never_recreated"),
    ("an engine that has just started", "after_an_engine_restart_nothing_is_healed_for_a_minute"),
    ("an engine that was killed while it started a container", "a_candidate_that_its_engine_cannot_start_is_recreated"),
    ("Amarre's own container", "amarre_in_a_container_never_ends_itself"),
    ("`docker compose down` takes what has Compose's digest", "three_services_converge_stay_quiet_and_go"),
    ("files beside a manifest, and an engine elsewhere", "files_and_secrets_are_there_before_the_start"),
    ("a container on the host's network has no address", "a_container_on_the_hosts_network_is_reached_there"),
    ("Amarre reaches no container where NPM does", "an_npm_elsewhere_reaches_published_ports"),
    ("a container that can be asked nothing", "a_container_that_cannot_be_probed_is_ready_after_a_while"),
    ("a registry that wants an account", "a_private_image_is_pulled_with_the_registrys_account"),
    ("what an engine ignores in silence", "settings_that_the_engine_ignores_are_refused_by_name"),
    ("programs that trust a proxy by its address", "manifest/variables"),
    // Rights
    ("a volume's options mount the host", "manifest/policy-binds"),
    ("capabilities, devices and namespaces hand the host over", "manifest/policy-rights"),
    ("lines for nginx read NPM's keys", "manifest/policy-nginx"),
    ("a commit that rewrites the zone's own mail", "manifest/policy-records-apex"),
    // DNS
    ("a mark takes a name from a wildcard", "plan/wildcard-hidden-by-a-text"),
    ("a record takes a name above it from a wildcard", "plan/wildcard-hidden-from-a-name-above"),
    ("a name that a wildcard answers already", "plan/wildcard-covers"),
    ("a CNAME at a zone's own name", "plan/apex-alias"),
    (
        "a resolver that was asked too early remembers that nothing is there",
        "resolvers_are_not_asked_while_the_zones_servers_answer",
    ),
    ("one of the zone's servers is behind", "all_servers_must_answer_right"),
    ("an address that changes", "plan/address-is-a-name"),
    ("several addresses, one of them IPv6", "plan/several-addresses"),
    // Certificates and NPM
    (
        "a host stays off line after a certificate, until the next reload",
        "a_served_host_is_on_line_again_when_it_has_a_certificate",
    ),
    ("the same after a crash between the two", "after_a_crash_the_first_write_brings_the_host_back_on_line"),
    ("a router that leads nothing back inside", "an_unreachable_port_80_allows_one_order_an_hour"),
    ("something else on port 80", "no_certificate_is_ordered_while_another_server_answers_on_port_80"),
    ("port 80 is closed", "a_dns_challenge_covers_all_names_and_takes_no_host_off_line"),
    ("Let's Encrypt's limits", "certificate_failures_quote_certbot_and_stay_within_the_limits_of_let_s_encrypt"),
    ("a service that goes and comes costs a certificate", "an_unused_certificate_is_kept_for_a_month"),
    ("NPM opens a host whose list is gone", "a_list_in_use_is_not_deleted"),
    ("a stream on a port that NPM does not publish", "plan/stream-port-not-published"),
    ("one host keeps nginx from every change", "a_real_nginx_names_what_it_refuses_and_is_rescued"),
    ("nginx obeys later than NPM answers", "updates_behind_a_real_nginx_fail_no_request"),
    // The tool itself
    ("a lost ledger", "a_lost_ledger_loses_no_resource"),
    ("a first start on a host that matters", "a_new_ledger_writes_nothing_before_consent"),
    ("a command beside a daemon", "a_ledger_has_one_writer"),
    ("what was destroyed comes back by its manifest", "destroyed_is_gone_and_stays_gone_until_it_is_resumed"),
    ("a change that lets the Internet in", "plan/alias-added"),
    ("one service of five is 20 percent, two are 40", "plan/guard-four-of-five"),
    ("a digest of a weak password", "a_label_says_what_was_copied_and_shows_no_secret"),
];

#[test]
fn every_trap_of_operators_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests: BTreeSet<String> = BTreeSet::new();
    for (_, text) in ["tests", "sim/tests", "crates", "src"].into_iter().flat_map(|folder| sources(&root.join(folder)))
    {
        let parts = text.split("#[test]\n").chain(text.split("#[tokio::test")).skip(1);
        tests.extend(parts.filter_map(|part| Some(part.split_once("fn ")?.1.split_once("()")?.0.to_owned())));
    }
    for (trap, shown) in TRAPS {
        let is_there = match shown.split_once('/') {
            Some((kind, case)) => root.join(format!("tests/cases/{kind}/{case}.yaml")).exists(),
            None => tests.contains(*shown),
        };
        assert!(is_there, "{trap}: there is no {shown}");
    }
}
