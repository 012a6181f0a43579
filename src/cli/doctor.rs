//! `amarre doctor`: problems of the set-up with their hints. Only reads, with a daemon or without.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::args::{Args, DoctorArgs, OutputFormat};
use super::output::Output;
use super::simulated::SimulatedWorld;
use super::{CommandFailure, build_engine, server_tls};
use crate::config::Config;
use crate::engine::commands::doctor;
use crate::engine::commands::doctor::{ExamInput, Finding, FindingLevel, counted};
use crate::engine::{Clock, SystemClock};
use crate::ledger::{DiskRoom, Ledger};
use crate::notifications::channel::Heartbeat;
use crate::registry;
use crate::source::{SourceError, SourceReading};
use amarre_core::manifest::{self, Severity, SourceFile};
use amarre_core::model::{Code, Facts, Service};
use amarre_core::plan::render::{Sign, Style};

/// The sign of what was not looked at, as in a status.
const UNKNOWN: &str = "?";
/// What a full disk of the ledger means.
const UNWRITTEN: &str = "without room for the ledger nothing is changed anywhere";
/// The least width of the column of topics.
const TOPIC_WIDTH: usize = 14;

/// Examines and prints; 1 when there is a problem.
pub async fn run(args: &Args, doctor: &DoctorArgs, output: &Output) -> Result<u8, CommandFailure> {
    let findings = examine(args).await;
    let count = |verdict: FindingLevel| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (wrong, know) = (count(FindingLevel::Wrong), count(FindingLevel::Know));
    match doctor.output {
        OutputFormat::Text => output.data(&text(&findings, wrong, know, output.style)),
        OutputFormat::Json => output.document(&doctor::document(&findings)),
    }
    Ok(u8::from(wrong > 0))
}

async fn examine(args: &Args) -> Vec<Finding> {
    let config = match super::configuration(args) {
        Ok(config) => config,
        Err(error) => {
            let hints = error.hints.iter().map(|hint| hint.text.to_string());
            let finding = Finding::wrong("configuration", error.code, error.message.clone());
            return vec![hints.fold(finding, Finding::hint).note("nothing else can be looked at before")];
        }
    };
    let mut findings = vec![configuration(&config.path)];
    let (facts, finding) = ledger(&config.state).await;
    findings.push(finding);
    findings.extend(DiskRoom::beside(&config.state).and_then(|room| disk(&room)));
    findings.extend(key(&config, !facts.applied.is_empty()));
    findings.extend(server_tls::examine(&config, SystemClock.now()));
    findings.extend(config.heartbeat.as_ref().map(heartbeat));
    let config = build_engine::with_known_or_none(config).await;
    let (services, of_source) = source(&config).await;
    findings.extend(of_source);
    let world = match SimulatedWorld::start(&config).await {
        Ok(world) => world,
        Err(failure) => {
            let finding = Finding::wrong("test mode", failure.code, failure.message);
            findings.extend([failure.hints.into_iter().fold(finding, Finding::hint)]);
            return findings;
        }
    };
    let config = world.fill(config);
    let built = match build_engine::read_only_key(&config) {
        Ok(key) => registry::providers(&config, &key).map_err(|why| Finding::wrong("configuration", Code::A0201, why)),
        Err(error) => Err(Finding::wrong("configuration", error.code, error.message)),
    };
    match built {
        Ok(providers) => {
            let now = SystemClock.now();
            let patient = ExamInput {
                site: &config.site,
                providers: &providers,
                services: &services,
                facts: &facts,
                known: None,
                now,
            };
            findings.extend(doctor::examine(&patient).await);
        }
        Err(finding) => findings.push(finding.hint("see docs/configuration.md")),
    }
    findings
}

fn configuration(path: &Path) -> Finding {
    let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    let shown = path.display();
    if mode & 0o077 == 0 {
        return Finding::good("configuration", format!("{shown}, readable by its owner only"));
    }
    Finding::know("configuration", Code::A0250, format!("{shown} may be read by others (mode {mode:03o})"))
        .hint(format!("chmod 600 {shown}"))
}

async fn ledger(path: &Path) -> (Facts, Finding) {
    const TOPIC: &str = "ledger";
    let shown = path.display();
    let writable = format!("chown it to the user that runs Amarre: ls -l {shown}");
    match Ledger::inspect(path).await {
        Ok(None) => {
            let is_there = path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir());
            let finding = if is_there {
                Finding::good(TOPIC, format!("{shown} is not there yet, the first run makes it"))
            } else {
                Finding::wrong(TOPIC, Code::A0903, format!("the folder of {shown} is not there"))
                    .hint("make it, writable for the user that runs Amarre")
            };
            (Facts::default(), finding)
        }
        Ok(Some(found)) if !found.damage.is_empty() => {
            let finding = Finding::wrong(TOPIC, Code::A0251, format!("{shown} is damaged"));
            let finding = found.damage.into_iter().fold(finding, Finding::note);
            let away = format!("stop the daemon, then mv {shown} {shown}.damaged");
            let known = "the next run finds what is ours by its marks; suspensions and history are lost";
            (Facts::default(), finding.hint(away).hint(known))
        }
        Ok(Some(found)) => {
            let size = size(found.bytes);
            let finding = if found.writable {
                Finding::good(TOPIC, format!("{shown}, {size}, writable, sound"))
            } else {
                Finding::wrong(TOPIC, Code::A0903, format!("{shown} cannot be written by this user")).hint(writable)
            };
            (found.facts, finding)
        }
        Err(error) => (Facts::default(), Finding::wrong(TOPIC, Code::A0903, error.to_string()).hint(writable)),
    }
}

/// A disk without room for what is recorded: then nothing is changed anywhere.
fn disk(room: &DiskRoom) -> Option<Finding> {
    const TOPIC: &str = "disk";
    match (room.is_full(), room.is_low()) {
        (true, _) => Some(Finding::wrong(TOPIC, Code::A0903, room.text()).hint(room.hint()).note(UNWRITTEN)),
        (false, true) => Some(Finding::know(TOPIC, Code::A0903, room.text()).hint(room.hint()).note(UNWRITTEN)),
        (false, false) => None,
    }
}

/// Its address is not called: only a pass counts as a heartbeat.
fn heartbeat(heartbeat: &Heartbeat) -> Finding {
    let text = format!("its address is asked after passes, every {} at most", heartbeat.every);
    Finding::good("heartbeat", text).note("whether that is taken: /health of the daemon")
}

/// The instance's key: present, and exported. An unreadable key is reported with the providers.
fn key(config: &Config, is_used: bool) -> Option<Finding> {
    const TOPIC: &str = "key";
    let path = config.key_path();
    let shown = path.display();
    if !path.exists() {
        let message = format!("{shown} is gone: what is ours in DNS, and which secrets changed, cannot be told");
        return is_used.then(|| {
            let put_back = format!("put the copy back as {shown}, before anything is applied");
            Finding::wrong(TOPIC, Code::A0227, message).hint(put_back)
        });
    }
    let keys = config.key().ok()?;
    let export = "amarre key export > FILE, and keep that elsewhere";
    let text = match config.exported_key() {
        _ if !is_used => return Some(Finding::good(TOPIC, format!("{shown}, {}", keys.fingerprint()))),
        Some(saved) if saved == keys.fingerprint() => {
            return Some(Finding::good(TOPIC, format!("{shown}, {saved}, exported")));
        }
        Some(saved) if !keys.knows(&saved) => {
            let text =
                format!("{shown} is not the key that was exported ({saved}): what that one signed proves nothing");
            return Some(
                Finding::wrong(TOPIC, Code::A0227, text).hint(format!("put the copy back as {shown}")).hint(export),
            );
        }
        Some(_) => format!("{shown} was rotated since it was exported"),
        None => format!("{shown} was never exported: without a copy, losing it loses the proof of what is ours in DNS"),
    };
    Some(Finding::know(TOPIC, Code::A0226, text).hint(export))
}

/// The effective revision, as the next run would read it; no server is asked for a newer one.
async fn source(config: &Config) -> (BTreeMap<String, Service>, Vec<Finding>) {
    const TOPIC: &str = "source";
    let source = build_engine::source(config);
    let SourceReading { snapshot, error } = source.read().await;
    let hinted = |finding: Finding, error: &SourceError| {
        error.hints.iter().fold(finding, |finding, hint| match &hint.command {
            Some(command) => finding.hint(format!("{}: {command}", hint.text)),
            None => finding.hint(hint.text.to_string()),
        })
    };
    let Some(snapshot) = snapshot else {
        let finding = match error {
            Some(error) => hinted(Finding::wrong(TOPIC, error.code, error.message.clone()), &error),
            None => {
                Finding::wrong(TOPIC, Code::A0301, format!("{source} has no state yet")).hint("amarre plan fetches it")
            }
        };
        return (BTreeMap::new(), vec![finding]);
    };
    let files: Vec<SourceFile> = snapshot.files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    let loaded = manifest::load(&files, &snapshot.assets, &config.site);
    let at = snapshot.commit.as_ref().map(|commit| format!(" @ {}", commit.short())).unwrap_or_default();
    let (good, broken) = (loaded.services.len(), loaded.broken.len());
    let finding = if broken > 0 {
        let first = loaded.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        let code = first.map_or(Code::A0102, |diagnostic| diagnostic.code);
        let files: Vec<&str> = loaded.broken.iter().map(|broken| broken.file.as_str()).collect();
        let text = format!("{source}{at}, {}, {broken} broken", counted(good + broken, "manifest"));
        Finding::wrong(TOPIC, code, text).note(files.join(", ")).hint("amarre validate")
    } else if let Some(unread) = snapshot.notes.iter().find(|note| note.is_unread) {
        let text = format!("{source}{at}, {}, {}: {}", counted(good, "manifest"), unread.file, unread.message);
        Finding::wrong(TOPIC, unread.code, text).hint(unread.hint.clone())
    } else if let Some(error) = error {
        // The last good revision stays effective.
        let text = format!("{source}{at}, {}, not the newest", counted(good, "manifest"));
        hinted(Finding::wrong(TOPIC, error.code, text).note(error.message.clone()), &error)
    } else {
        Finding::good(TOPIC, format!("{source}{at}, {}, none broken", counted(good, "manifest")))
    };
    (loaded.services.into_iter().map(|service| (service.name.clone(), service)).collect(), vec![finding])
}

/// `3.1 MB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

fn text(findings: &[Finding], wrong: usize, know: usize, style: Style) -> String {
    let mut out = String::new();
    let width = findings.iter().map(|finding| finding.topic.len() + 1).fold(TOPIC_WIDTH, usize::max);
    for finding in findings {
        let known = match finding.verdict {
            FindingLevel::Good => Some(Sign::Done),
            FindingLevel::Unchecked => None,
            FindingLevel::Know => Some(Sign::Refuse),
            FindingLevel::Wrong => Some(Sign::Failed),
        };
        let sign = known.map_or_else(|| UNKNOWN.to_owned(), |sign| style.sign(sign));
        // ASCII signs differ in length.
        let ascii = known.map_or(UNKNOWN, Sign::ascii);
        let pad = if style.ascii { 2_usize.saturating_sub(ascii.len()) } else { 0 };
        let code = finding.code.map(|code| format!(", {code}")).unwrap_or_default();
        out.push_str(&format!("  {sign}{} {:width$}{}{code}\n", " ".repeat(pad), finding.topic, finding.text));
        out.extend(finding.notes.iter().map(|note| format!("      {note}\n")));
        out.extend(finding.hints.iter().map(|hint| format!("      hint: {hint}\n")));
    }
    let said: Vec<String> = [(wrong, "to put right"), (know, "to know")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let said = if said.is_empty() { "All in order".to_owned() } else { said.join(", ") };
    out.push_str(&format!("\n{said}. Nothing was changed.\n"));
    out
}
