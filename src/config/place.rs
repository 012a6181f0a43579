//! Where the file says what a message is about: messages begin with the path of a key.

use std::path::Path;

use super::{ConfigError, overlay, secrets};
use amarre_core::manifest::place;

/// The message with file, line and column of the key that it begins with; with the variable's name, where one sets that key.
pub(super) fn with_place(error: ConfigError, text: &str, path: &Path) -> ConfigError {
    let said = &error.message;
    let key = said.trim_start_matches('`').split([' ', ':', '`']).next().unwrap_or_default();
    let variables = overlay::own_variables(secrets::variables());
    let place = match overlay::variable_of(key, &variables) {
        Some(variable) => variable.to_owned(),
        None => {
            let value = said.split_once(": `").and_then(|(_, rest)| rest.split('`').next());
            let Some((line, column)) = place(text, key, value) else { return error };
            format!("{}:{line}:{column}", path.display())
        }
    };
    ConfigError { message: format!("{place}: {said}"), ..error }
}
