//! `amarre key …`: the keys that prove what is ours. The ledger may be lost, they may not.

use super::args::{Args, Key};
use super::output::Output;
use super::{Failure, build_engine};
use crate::config::Config;
use crate::ledger::Lock;
use crate::secret::{KEY_BYTES, MarkKey};

/// `amarre key …`
pub fn key(args: &Args, key: &Key, output: &Output) -> Result<u8, Failure> {
    let config = super::configuration(args)?;
    match key {
        Key::Export => export(&config, output),
        Key::Rotate => {
            let _lock = alone(&config)?;
            let bytes: [u8; KEY_BYTES] = rand::random();
            let Some(keys) = there(&config)?.rotated(bytes) else {
                let message = "there are as many keys as there may be";
                return Err(Failure::new("A0226", message, "amarre key retire forgets those before the first"));
            };
            config.replace_key(&keys)?;
            let before = match keys.older() {
                1 => "the one before still verifies".to_owned(),
                older => format!("{older} before it still verify"),
            };
            output.say(&format!("A new key signs from now on, {before}."));
            output.say("The next run signs the marks of all records again. Keep a copy: amarre key export > FILE");
            Ok(0)
        }
        Key::Retire => {
            let _lock = alone(&config)?;
            let keys = there(&config)?;
            if keys.older() == 0 {
                output.say("There is one key: nothing is to be forgotten.");
                return Ok(0);
            }
            config.replace_key(&keys.retired())?;
            let before = match keys.older() {
                1 => "The key before the first verifies".to_owned(),
                older => format!("{older} keys before the first verify"),
            };
            output.say(&format!("{before} nothing any more."));
            output.say("Secrets are compared as before. Keep a copy: amarre key export > FILE");
            config.forget_exported_key();
            Ok(0)
        }
    }
}

/// Prints the keys into a file or pipe, and remembers that.
fn export(config: &Config, output: &Output) -> Result<u8, Failure> {
    let keys = there(config)?;
    if output.is_terminal() {
        let message = "the keys are not shown on a terminal";
        return Err(Failure::new("A0226", message, "amarre key export > FILE, and keep that elsewhere"));
    }
    output.data(&keys.text());
    config.note_exported_key(&keys)?;
    output.say(&format!(
        "Key {}: keep this copy elsewhere. Put back as {}, it proves what is ours.",
        keys.fingerprint(),
        config.key_path().display()
    ));
    Ok(0)
}

/// The keys that are there: none is made only to be looked at.
fn there(config: &Config) -> Result<MarkKey, Failure> {
    if !config.key_path().exists() {
        let message = format!("{} is not there yet", config.key_path().display());
        return Err(Failure::new("A0226", message, "the first amarre plan makes it"));
    }
    Ok(config.key()?)
}

/// A daemon would go on with the keys that it has read.
fn alone(config: &Config) -> Result<Lock, Failure> {
    build_engine::lock(config).map_err(|failure| match failure.code.as_str() {
        "A0902" => Failure { hints: vec!["stop the daemon, do it, and start it again".to_owned()], ..failure },
        _ => failure,
    })
}
