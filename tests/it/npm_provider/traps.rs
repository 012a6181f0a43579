//! What real NPMs (2.15.1, 2.13.7, 2.12.6) were caught at, each with the test that a client does not fall for it.
//!
//! What belongs to asking for certificates, and to an nginx that refuses everything, stands with the traps of operators.

/// Number, trap, the test.
const TRAPS: &[(u8, &str, &str)] = &[
    (1, "POST /tokens takes no `expiry`; a second factor gets no token", "an_impossible_setup_is_reported_with_a_hint"),
    (2, "a spent token is 400 or 401, by version", "spent_tokens_and_wrong_passwords_are_known_in_every_version"),
    (3, "a token of another key is 500 to everything", "a_token_of_another_key_is_replaced_and_the_write_happens_once"),
    (4, "a missing right is 403, a 404 that names the path, or 500", "a_missing_right_is_reported_before_any_write"),
    (5, "404 means gone only when it names the id", "missing_rights_are_named_and_nothing_counts_as_deleted"),
    (6, "hidden sections are no empty ones", "hidden_rows_are_a_gap_and_not_empty"),
    (
        7,
        "visibility `user` hides what others made, and their names are taken all the same",
        "with_its_own_rows_only_a_bot_still_converges",
    ),
    (8, "PUT is partial, and a GET body cannot be put back", "only_what_differs_is_put"),
    (9, "PUT of `meta` replaces it whole", "the_mark_keeps_foreign_meta_and_drops_nginxs_verdict"),
    (10, "POST answers without `nginx_online`", "a_host_is_made_changed_and_deleted_and_its_name_is_free_again"),
    (
        11,
        "`certificate_id: 0` counts as a certificate and keeps the flags",
        "taking_the_certificate_off_takes_its_flags_off",
    ),
    (12, "names come back sorted, `locations` null when never set", "recorded_hosts_are_read"),
    (
        13,
        "ids of certificates and lists that are gone are taken, and the host is open",
        "a_host_without_its_certificate_or_list_differs_and_is_corrected",
    ),
    (14, "a host is written without what it names", "a_host_is_not_written_without_what_it_names"),
    (
        15,
        "names are taken across kinds, also those of rows that are not seen",
        "a_foreign_host_is_reported_and_in_the_way",
    ),
    (16, "lines that nginx refuses: 201, the file gone, the words in `meta`", "the_error_of_nginx_is_quoted"),
    (17, "PUT of `enabled` leaves nginx as it is", "a_disabled_host_is_enabled_by_enable"),
    (
        18,
        "a broken nginx: 500 and the row is made, changed or deleted all the same",
        "a_broken_nginx_leaves_nothing_that_claims_to_be_on_line",
    ),
    (19, "`nginx_online` stays true after a PUT that failed", "a_put_whose_answer_is_lost_is_read_back"),
    (
        20,
        "a name behind a path or stream is resolved at load and keeps every site down",
        "what_npm_would_take_and_not_serve_is_refused",
    ),
    (21, "`forward_host` is hardly checked; an IPv6 address needs its brackets", "spelling_is_npms_and_stays"),
    (
        22,
        "unknown or later fields are 400, others' settings must survive",
        "fields_of_newer_versions_are_neither_sent_nor_lost",
    ),
    (23, "certificates are answered with their private key", "a_certificates_key_is_not_even_read"),
    (
        24,
        "an access list without `items` and `clients` is 500 and stays as a half",
        "the_narrowest_network_rule_stands_first",
    ),
    (25, "two access lists may have one name", "a_host_is_not_written_without_what_it_names"),
    (26, "an empty password keeps the old one, and none is ever told", "only_new_and_changed_passwords_are_sent"),
    (27, "deleting an access list in use opens its hosts", "a_list_in_use_is_not_deleted"),
    (28, "two streams on one port are taken", "a_foreign_stream_on_the_port_is_in_the_way"),
    (29, "writes at the same time blame each other", "writes_never_overlap"),
    (30, "`nginx_err` may name another host's file", "nginx_is_believed_only_of_the_host_that_it_names"),
    (
        31,
        "an answer that is lost has happened; the second POST finds the name taken",
        "a_lost_answer_makes_no_second_row",
    ),
    (32, "a backend killed in mid-create leaves a row without a file", "a_host_that_lost_its_file_is_written_again"),
    (33, "a backend that is down answers HTML", "an_npm_that_is_down_is_a_gap"),
    (34, "pages up to 2.12 drop the mark", "a_mark_that_old_pages_drop_is_written_again"),
    (
        35,
        "pages from 2.13 rename keys of `meta` that are not lower_snake",
        "the_mark_keeps_foreign_meta_and_drops_nginxs_verdict",
    ),
    (36, "`advanced_config` serves any file that nginx can read", "what_reaches_further_needs_any"),
    (
        37,
        "`advanced_config` is put into the server block as it is",
        "lines_that_break_out_are_refused_whatever_the_policy",
    ),
    (38, "every PUT reloads nginx, also one that changes nothing", "a_change_that_is_done_already_is_done"),
    (
        39,
        "locations hold whatever a client has sent: ports as text, paths in the host",
        "locations_are_read_whoever_wrote_them",
    ),
    (40, "before 2.12 booleans are numbers and a missing host is 200", "an_impossible_setup_is_reported_with_a_hint"),
];

#[test]
fn every_trap_has_its_test() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "tests/it/npm_provider.rs",
        "tests/it/npm_provider/unwell.rs",
        "tests/it/npm_provider/versions.rs",
        "crates/providers/src/providers/npm/tests.rs",
        "core/src/manifest/policy/nginx.rs",
    ];
    let code: String = files.into_iter().map(|file| std::fs::read_to_string(root.join(file)).unwrap()).collect();
    for (at, (number, trap, test)) in TRAPS.iter().enumerate() {
        assert_eq!(usize::from(*number), at + 1, "{trap}");
        assert!(code.contains(&format!("fn {test}()")), "trap {number}, {trap}: there is no test {test}");
    }
}
