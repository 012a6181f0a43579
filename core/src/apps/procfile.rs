//! `Procfile`: the commands of an app by the name of the process, as Heroku has it.

use std::collections::BTreeMap;

use super::repository::RepositoryFolder;

#[derive(Debug, Default)]
pub(super) struct Procfile(BTreeMap<String, String>);

impl Procfile {
    /// That of an app; without one, empty.
    pub fn of(app: &RepositoryFolder<'_>) -> Self {
        let lines = app.text("Procfile").unwrap_or_default().lines();
        let command = |line: &str| {
            let (name, command) = line.split_once(':')?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            (is_name && !name.is_empty()).then(|| (name.to_owned(), command.trim().to_owned()))
        };
        Self(lines.filter_map(command).filter(|(_, command)| !command.is_empty()).collect())
    }

    /// The command of a process.
    pub fn command(&self, process: &str) -> Option<&str> {
        self.0.get(process).map(String::as_str)
    }
}
