//! `amarre help`, and what is mistyped.

use amarre::error_pages;

use super::amarre;
use amarre_core::model::{Code, Language};

#[test]
fn help_of_a_code_is_its_page() {
    for word in ["A0103", "a0103"] {
        let ended = amarre(&["help", word]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""));
        assert!(ended.out.starts_with("A0103: ") && ended.out.contains("\nHow to fix it\n"), "{}", ended.out);
        assert!(!ended.out.contains("```") && ended.out.contains("\n  "), "{}", ended.out);
    }
}

#[test]
fn help_of_a_code_is_in_the_readers_language() {
    let ended = amarre(&["--lang", "fr", "help", "A0103"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(ended.out.starts_with("A0103: ") && ended.out.contains("\nRésolution\n"), "{}", ended.out);
}

#[test]
fn help_of_an_unknown_code_names_the_nearest() {
    let ended = amarre(&["help", "A0199"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(
        ended.err.starts_with("error[A1004]: there is no error code A0199\n  hint: did you mean A01"),
        "{}",
        ended.err
    );
    assert!(ended.err.ends_with("  more: amarre help A1004\n"), "{}", ended.err);
}

#[test]
fn help_of_a_command_is_its_own_help_text() {
    let ended = amarre(&["help", "plan"]);
    assert_eq!(ended.code, 0);
    assert_eq!(ended.out, amarre(&["plan", "--help"]).out);
    let all = amarre(&["help"]);
    assert_eq!(all.code, 0);
    assert!(all.out.contains("Commands:") && all.out.contains("amarre help CODE"), "{}", all.out);
}

#[test]
fn a_mistyped_command_names_the_nearest() {
    for args in [["statsu"].as_slice(), &["help", "statsu"]] {
        let ended = amarre(args);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert_eq!(ended.err, "error: no such command `statsu`\n  hint: did you mean `status`?\n");
    }
    for (word, meant) in [("ps", "status"), ("up", "apply"), ("version", "--version")] {
        let ended = amarre(&[word]);
        assert_eq!(ended.err, format!("error: no such command `{word}`\n  hint: did you mean `{meant}`?\n"));
    }
    assert_eq!(amarre(&["frobnicate"]).err, "error: no such command `frobnicate`\n  hint: amarre help lists them\n");
    assert_eq!(amarre(&["plan", "--frob"]).code, 2);
}

#[test]
fn codes_are_found_however_they_are_written() {
    assert!(error_pages::page(Code::A0401, Language::En).starts_with("# A0401: "));
    assert_eq!(["A0401", "a0401", "A04", ""].map(Code::parse), [Some(Code::A0401), Some(Code::A0401), None, None]);
    assert!(error_pages::is_code("a1") && !error_pages::is_code("apply") && !error_pages::is_code("A"));
    assert_eq!(error_pages::near("A04O1"), Some("A0401"));
    for language in [Language::En, Language::Fr] {
        let titles: Vec<&str> = error_pages::titles(language).map(|(_, title)| title).collect();
        assert!(titles.len() > 80 && titles.iter().all(|title| !title.is_empty()));
    }
}
