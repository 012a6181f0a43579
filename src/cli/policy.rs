//! `amarre policy explain FILE`: for each line of a manifest that policy decides on, what allows or refuses it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::{Value as Json, json};

use super::args::{Args, OutputFormat};
use super::output::Output;
use super::{CommandFailure, build_engine};
use amarre_core::manifest::{self, Decision, Severity, SourceFile, Verdict};
use amarre_core::model::Code;

/// `policy explain`
#[derive(Debug, ClapArgs)]
pub struct PolicyExplanation {
    /// Manifest, in the source or not yet in it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputFormat,
}

/// Prints the decisions; exit 1 if one is a refusal.
pub async fn explain(args: &Args, asked: &PolicyExplanation, output: &Output) -> Result<u8, CommandFailure> {
    let config = build_engine::with_known_or_none(super::configuration(args)?).await;
    let snapshot = build_engine::source(&config).read().await.snapshot.unwrap_or_default();
    let mut files: Vec<SourceFile> = snapshot.files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    let path = placed(&asked.file, &mut files)?;
    let (loaded, decisions) = manifest::explain(&files, &snapshot.assets, &config.site);
    let in_file = |file: &str| file == path;
    let mut names: BTreeSet<String> =
        loaded.services.iter().filter(|service| in_file(&service.origin.file)).map(|one| one.name.clone()).collect();
    names.extend(loaded.broken.iter().filter(|broken| in_file(&broken.file)).filter_map(|one| one.service.clone()));
    let decisions: Vec<&Decision> =
        decisions.iter().filter(|one| names.contains(&one.right.service) || in_file(&one.file)).collect();
    let errors = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error && in_file(&found.file));
    let is_refused = decisions.iter().any(|one| matches!(one.verdict, Verdict::Refused(_)));
    match asked.output {
        OutputFormat::Text => {
            output.data(&text(&decisions));
            // An unreadable part may use more than is shown.
            let others = errors.filter(|found| !decisions.iter().any(|one| is_about(one, found.code))).count();
            if others > 0 {
                output.note(&format!("{others} other errors stand in {path}: amarre validate"));
            }
        }
        OutputFormat::Json => output.document(&document(&path, &decisions)),
    }
    Ok(u8::from(is_refused))
}

fn is_about(decision: &Decision, code: Code) -> bool {
    match &decision.verdict {
        Verdict::Allowed(_) => false,
        Verdict::Refused(known) => *known == code,
    }
}

/// The path of the file in the source. A file outside the source is read as if it were in it.
fn placed(file: &Path, files: &mut Vec<SourceFile>) -> Result<String, CommandFailure> {
    let shown = file.display().to_string();
    let failed = |why: std::io::Error| {
        CommandFailure::new(
            Code::A1006,
            format!("could not read {shown}: {why}"),
            "name a manifest, as in services/shop.yaml",
        )
    };
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let end = |path: &str| Path::new(&shown).ends_with(path);
    if let Some(known) = files.iter().find(|known| known.text == text && (end(&known.path) || known.path == shown)) {
        return Ok(known.path.clone());
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = files.first().and_then(|file| file.path.split('/').next()).unwrap_or("services").to_owned();
    let path = format!("{folder}/{name}");
    files.retain(|known| known.path != path);
    files.push(SourceFile { path: path.clone(), text });
    Ok(path)
}

fn text(decisions: &[&Decision]) -> String {
    if decisions.is_empty() {
        return "Policy has no word in anything that this manifest uses.\n".to_owned();
    }
    let mut out = String::new();
    for one in decisions {
        let (sign, why) = match &one.verdict {
            Verdict::Allowed(by) => ("allowed ", by.to_string()),
            Verdict::Refused(code) => ("refused ", format!("{code}: {}", one.hint)),
        };
        out.push_str(&format!("{}:{}:{}\n", one.file, one.line, one.column));
        out.push_str(&format!("  {sign} {}: {}\n           {why}\n", one.right.word, one.right.item));
    }
    let refused = decisions.iter().filter(|one| matches!(one.verdict, Verdict::Refused(_))).count();
    let allowed = decisions.len() - refused;
    out.push_str(&format!("\n{allowed} allowed, {refused} refused\n"));
    out
}

/// `amarre.policy/v1`.
fn document(path: &str, decisions: &[&Decision]) -> Json {
    let one = |one: &&Decision| {
        let (verdict, code, by) = match &one.verdict {
            Verdict::Allowed(by) => ("allowed", None, Some(by.to_string())),
            Verdict::Refused(code) => ("refused", Some(*code), None),
        };
        let hint = Some(&one.hint).filter(|hint| !hint.is_empty()).map(ToString::to_string);
        json!({
            "file": one.file, "line": one.line, "column": one.column, "service": one.right.service,
            "word": one.right.word, "item": one.right.item, "verdict": verdict, "code": code, "by": by, "hint": hint,
        })
    };
    json!({"schema": "amarre.policy/v1", "file": path, "decisions": decisions.iter().map(one).collect::<Vec<_>>()})
}
