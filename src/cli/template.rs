//! `amarre new`: the manifest of a well-known service, and the secrets that it needs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::CommandFailure;
use super::args::{Args, NewArgs};
use super::build_engine;
use super::commands::whoami;
use super::output::Output;
use super::secret_files;
use super::secret_files::base;
use crate::config::Config;
use crate::engine::{Clock, SystemClock};
use crate::source::{CommitAuthor, Edit};
use crate::templates::{self, Rendered, Template, TemplateError, TemplateStore};
use amarre_core::model::{Code, SecretName};

/// The operator's own templates are small.
const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;
/// Random bytes of a generated secret.
const SECRET_BYTES: usize = 24;

/// `amarre new`
pub async fn new(args: &Args, new: &NewArgs, output: &Output) -> Result<u8, CommandFailure> {
    let unfit =
        |why: TemplateError| CommandFailure::new(Code::A1009, why.to_string(), "amarre new shows the templates");
    // Without a configuration only the built-in templates exist; writing needs one.
    let config = match super::configuration(args) {
        Ok(config) => Some(config),
        Err(error) if new.write || new.secrets || args.config.is_some() => return Err(error.into()),
        Err(_) => None,
    };
    let mut known = templates::built_in().map_err(unfit)?;
    if let Some(config) = &config {
        known.extend(with_folder(config)?);
    }
    let Some(wanted) = &new.template else {
        output.data(&list(&known));
        return Ok(0);
    };
    let Some(template) = known.get(wanted) else {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let near = amarre_core::model::suggestion::nearest(wanted, &names).map(|near| format!("did you mean {near}? "));
        let hint = format!("{}amarre new shows them", near.unwrap_or_default());
        return Err(CommandFailure::new(Code::A1009, format!("there is no template {wanted}"), hint));
    };
    let Some(name) = &new.name else {
        output.data(&parameters(wanted, template));
        return Ok(0);
    };
    let set: BTreeMap<String, String> = new.set.iter().cloned().collect();
    let rendered = template.render(name, &set).map_err(|why| {
        CommandFailure::new(Code::A1009, why.to_string(), format!("amarre new {wanted} shows what can be set"))
    })?;
    match &config {
        Some(config) if new.write => {
            // First: a daemon may read the manifest at once.
            make_secrets(config, &rendered, output)?;
            write(config, name, &rendered, output).await?;
        }
        Some(config) if new.secrets => {
            output.data(&rendered.manifest);
            make_secrets(config, &rendered, output)?;
        }
        Some(_) | None => {
            output.data(&rendered.manifest);
            if !rendered.secrets.is_empty() {
                output.note(&format!("It needs secrets, which --secrets makes: {}", rendered.secrets.join(", ")));
            }
        }
    }
    output.note(rendered.notes.trim_end());
    Ok(0)
}

/// The operator's own templates: `templates/NAME.yaml` beside the configuration.
fn with_folder(config: &Config) -> Result<BTreeMap<String, Template>, CommandFailure> {
    let folder = base(config).join("templates");
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(found) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let (Some(stem), Some("yaml")) = (path.file_stem(), path.extension().and_then(|end| end.to_str())) else {
            continue;
        };
        let name = stem.to_string_lossy().into_owned();
        let wrong = |why: String| {
            CommandFailure::new(
                Code::A1009,
                format!("{}: {why}", path.display()),
                "mend the file, or move it elsewhere",
            )
        };
        let size = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
        if size > TEMPLATE_BYTES_MAX {
            return Err(wrong(format!("it is larger than {TEMPLATE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let template = Template::read(&name, &text).map_err(|error| wrong(error.to_string()))?;
        found.insert(name, template);
    }
    Ok(found)
}

fn list(known: &BTreeMap<String, Template>) -> String {
    let width = known.keys().map(|name| name.chars().count()).max().unwrap_or_default() + 2;
    let line = |(name, template): (&String, &Template)| format!("{name:width$}{}\n", template.about);
    let lines: String = known.iter().map(line).collect();
    format!("{lines}\namarre new TEMPLATE shows what can be set, amarre new TEMPLATE NAME the manifest\n")
}

fn parameters(name: &str, template: &Template) -> String {
    let built_in = [
        ("address", "a name below the domain, or a whole one", "the service's name"),
        ("tls", "letsencrypt, none, or the name of a certificate in NPM", "letsencrypt"),
    ];
    let own =
        template.parameters.iter().map(|(key, known)| (key.as_str(), known.about.as_str(), known.default.as_str()));
    let line = |(key, about, default): (&str, &str, &str)| match default {
        "" => format!("  {key:<12}{about} (has to be said)\n"),
        default => format!("  {key:<12}{about} [{default}]\n"),
    };
    let lines: String = built_in.into_iter().chain(own).map(line).collect();
    format!("{}: {}\n{lines}\namarre new {name} NAME --set KEY=VALUE\n", template.title, template.about)
}

async fn write(config: &Config, name: &str, rendered: &Rendered, output: &Output) -> Result<(), CommandFailure> {
    let source = build_engine::source(config);
    let path = source.path_of(name);
    if source.is_git() {
        let hint = format!("in your own clone: amarre new … --secrets > {path}, then commit it");
        return Err(CommandFailure::new(
            Code::A0313,
            "manifests are in a repository, which a command does not write to",
            hint,
        ));
    }
    let author = CommitAuthor { name: whoami(), email: String::new() };
    let after = Some(rendered.manifest.clone());
    let edit = Edit { path: path.clone(), before: None, after, author, message: String::new() };
    source.write(edit, SystemClock.now()).await.map_err(|error| {
        let hints = error.hints.iter().map(|hint| hint.text.to_string()).collect();
        if error.code == Code::A0312 {
            let message = format!("{path} is there already");
            return CommandFailure::new(Code::A0312, message, "take another name, or change the file");
        }
        CommandFailure { code: Some(error.code), message: error.message, hints }
    })?;
    output.note(&format!("Wrote {path}"));
    Ok(())
}

/// Creates missing secrets, readable by the owner only.
fn make_secrets(config: &Config, rendered: &Rendered, output: &Output) -> Result<(), CommandFailure> {
    for name in &rendered.secrets {
        match make_secret(config, name)? {
            None => output.note(&format!("Secret {name} is set already")),
            Some(path) => output.note(&format!("Made secret {name}, in {}", path.display())),
        }
    }
    Ok(())
}

/// Creates a missing secret; answers its place.
fn make_secret(config: &Config, name: &str) -> Result<Option<PathBuf>, CommandFailure> {
    if config.secret(&SecretName(name.to_owned())).is_ok() {
        return Ok(None);
    }
    let secret = hex::encode(rand::random::<[u8; SECRET_BYTES]>());
    secret_files::write(config, &SecretName(name.to_owned()), &secret)
        .map(Some)
        .map_err(|failed| CommandFailure::new(Code::A0207, failed.to_string(), "is the folder writable?"))
}

/// Templates and secrets, for the pages.
pub struct FileTemplates(pub Config);

impl TemplateStore for FileTemplates {
    fn templates(&self) -> Result<BTreeMap<String, Template>, String> {
        let mut known = templates::built_in().map_err(|why| why.to_string())?;
        known.extend(with_folder(&self.0).map_err(|failure| failure.message)?);
        Ok(known)
    }

    fn make_secret(&self, name: &str) -> Result<(), String> {
        make_secret(&self.0, name).map(|_| ()).map_err(|failure| failure.message)
    }
}

/// `KEY=VALUE`, as typed.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
