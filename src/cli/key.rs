//! `amarre key …`: the keys that prove ownership. The ledger may be lost, they may not.

use super::args::{Args, KeyCommand};
use super::output::Output;
use super::{CommandFailure, build_engine};
use crate::config::Config;
use crate::ledger::Lock;
use crate::secret::{KEY_BYTES, MarkKey};
use amarre_core::model::Code;

/// `amarre key …`
pub fn key(args: &Args, key: &KeyCommand, output: &Output) -> Result<u8, CommandFailure> {
    let config = super::configuration(args)?;
    match key {
        KeyCommand::Export => export(&config, output),
        KeyCommand::Rotate => {
            let _lock = hold_ledger(&config)?;
            let bytes: [u8; KEY_BYTES] = rand::random();
            let Some(keys) = existing_key(&config)?.rotated(bytes) else {
                let message = "there are as many keys as there may be";
                return Err(CommandFailure::new(
                    Code::A0226,
                    message,
                    "amarre key retire forgets those before the first",
                ));
            };
            config.replace_key(&keys)?;
            let before = match keys.older() {
                1 => "the one before still verifies".to_owned(),
                older => format!("{older} before it still verify"),
            };
            output.note(&format!("A new key signs from now on, {before}."));
            output.note("The next run signs the marks of all records again. Keep a copy: amarre key export > FILE");
            Ok(0)
        }
        KeyCommand::Retire => {
            let _lock = hold_ledger(&config)?;
            let keys = existing_key(&config)?;
            if keys.older() == 0 {
                output.note("There is one key: nothing is to be forgotten.");
                return Ok(0);
            }
            config.replace_key(&keys.retired())?;
            let before = match keys.older() {
                1 => "The key before the first verifies".to_owned(),
                older => format!("{older} keys before the first verify"),
            };
            output.note(&format!("{before} nothing any more."));
            output.note("Secrets are compared as before. Keep a copy: amarre key export > FILE");
            config.forget_exported_key();
            Ok(0)
        }
    }
}

/// Prints the keys into a file or pipe, and records the export.
fn export(config: &Config, output: &Output) -> Result<u8, CommandFailure> {
    let keys = existing_key(config)?;
    if output.is_terminal() {
        let message = "the keys are not shown on a terminal";
        return Err(CommandFailure::new(Code::A0226, message, "amarre key export > FILE, and keep that elsewhere"));
    }
    output.data(&keys.text());
    config.note_exported_key(&keys)?;
    output.note(&format!(
        "Key {}: keep this copy elsewhere. Put back as {}, it proves what is ours.",
        keys.fingerprint(),
        config.key_path().display()
    ));
    Ok(0)
}

/// The existing keys: none is created for a look.
fn existing_key(config: &Config) -> Result<MarkKey, CommandFailure> {
    if !config.key_path().exists() {
        let message = format!("{} is not there yet", config.key_path().display());
        return Err(CommandFailure::new(Code::A0226, message, "the first amarre plan makes it"));
    }
    Ok(config.key()?)
}

/// A running daemon would go on with the old keys.
fn hold_ledger(config: &Config) -> Result<Lock, CommandFailure> {
    build_engine::lock(config).map_err(|failure| match failure.code {
        Some(Code::A0902) => {
            CommandFailure { hints: vec!["stop the daemon, do it, and start it again".to_owned()], ..failure }
        }
        Some(_) | None => failure,
    })
}
