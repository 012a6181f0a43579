//! Documents and the program name only commands and flags that the program has. Held here, not in `tests/tidy`: the parser
//! says what there is.

use std::collections::{BTreeMap, BTreeSet};

use amarre::cli::args::Args;
use amarre_tidy::{PRODUCT, documents, read, rust_files};
use clap::CommandFactory;
use serde_json::Value as Json;

#[test]
fn documents_and_the_program_name_only_commands_that_are_there() {
    let texts = documents().into_iter().map(|path| (read(&path), path));
    let sources = PRODUCT.into_iter().flat_map(rust_files).map(|file| (file.product, file.path));
    let unknown = texts.chain(sources).flat_map(|(text, path)| {
        unknown_commands(&text).into_iter().map(move |command| format!("{path}: there is no `{command}`"))
    });
    let unknown: Vec<String> = unknown.collect();
    assert!(unknown.is_empty(), "\n{}\n", unknown.join("\n"));
}

/// The first table of docs/cli.md has every command, and each one below a group.
#[test]
fn the_list_of_commands_has_every_command() {
    let page = read("docs/cli.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `amarre ")).collect();
    let has = |path: &[&str], word: &str| {
        let start = format!("amarre {}", path.join(" "));
        rows.iter().any(|row| {
            let mut spans = row.split('`').skip(1).step_by(2);
            let first = spans.next().unwrap_or_default();
            let own = first.strip_prefix(start.trim_end()).map(|rest| rest.split_whitespace().next());
            own == Some(Some(word))
                || own.is_some() && spans.any(|span| span == word || span == format!("amarre {word}"))
        })
    };
    let parser = Args::command();
    let mut missing = Vec::new();
    for command in parser.get_subcommands() {
        let name = command.get_name();
        if !has(&[], name) {
            missing.push(name.to_owned());
        }
        missing.extend(
            command
                .get_subcommands()
                .map(clap::Command::get_name)
                .filter(|word| !has(&[name], word))
                .map(|word| format!("{name} {word}")),
        );
    }
    assert!(missing.is_empty(), "docs/cli.md lacks {}", missing.join(", "));
}

#[test]
fn the_list_of_kinds_has_every_kind() {
    let page = read("docs/manifests.md");
    let kinds = kinds(&amarre_core::manifest::schema());
    assert!(kinds.len() > 10, "{kinds:?}");
    for kind in kinds {
        assert!(page.contains(&format!("\n| `{kind}`")), "docs/manifests.md lacks {kind}");
    }
}

/// The kinds that a schema names.
fn kinds(schema: &Json) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match schema {
        Json::Object(fields) => {
            let kind = fields.get("properties").and_then(|properties| properties["kind"]["const"].as_str());
            found.extend(kind.map(str::to_owned));
            fields.values().for_each(|field| found.extend(kinds(field)));
        }
        Json::Array(items) => items.iter().for_each(|item| found.extend(kinds(item))),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => (),
    }
    found
}

/// Commands with `amarre` that its parser does not know: `amarre frob`, `amarre plan --frob`.
fn unknown_commands(text: &str) -> BTreeSet<String> {
    let parser = Args::command();
    let verbs: BTreeMap<&str, &clap::Command> = parser.get_subcommands().map(|verb| (verb.get_name(), verb)).collect();
    let knows = |command: &clap::Command, flag: &str| {
        command.get_arguments().chain(parser.get_arguments()).any(|argument| argument.get_long() == Some(flag))
            || matches!(flag, "help" | "version")
    };
    let mut unknown = BTreeSet::new();
    for line in text.lines() {
        for start in ["amarre ", "cargo run --release -- "] {
            for (at, _) in line.match_indices(start) {
                // A name of something else (`the amarre user`, `docker-amarre`) is no command: these begin a line or a span.
                let before = line[..at].trim_end_matches("sudo ").trim_end_matches("target/release/");
                if !(before.trim().is_empty()
                    || before.ends_with(['`', '"', '(', '\''])
                    || before.ends_with("$ ")
                    || before.ends_with(": ")
                    || before.ends_with("&& ")
                    || before.ends_with(", ")
                    || before.ends_with("or "))
                {
                    continue;
                }
                let rest = &line[at + start.len()..];
                let end = rest.find(['`', '"', '(', ')', ',', '\\', '#', '|', ';']).unwrap_or(rest.len());
                let words: Vec<&str> = rest[..end].split_whitespace().collect();
                let Some(verb) = words.iter().find(|word| !word.starts_with("--")) else { continue };
                if !verb.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                    continue;
                }
                let Some(command) = verbs.get(verb) else {
                    unknown.insert(format!("amarre {verb}"));
                    continue;
                };
                let command = words.iter().find_map(|word| command.find_subcommand(word)).unwrap_or(command);
                for flag in words.iter().filter_map(|word| word.strip_prefix("--")) {
                    let flag = flag.split('=').next().unwrap_or_default().trim_end_matches(['.', ':', ']']);
                    if !flag.is_empty() && !knows(command, flag) {
                        unknown.insert(format!("amarre {verb} --{flag}"));
                    }
                }
            }
        }
    }
    unknown
}
