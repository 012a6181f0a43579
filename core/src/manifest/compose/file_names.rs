//! Which Compose files make a project, as `docker compose` finds them in its folder.
//!
//! | the manifest says | as | read |
//! |---|---|---|
//! | `compose: .`, a folder | `docker compose` there | what `COMPOSE_FILE` of its `.env` names, else `compose.yaml` or another usual name, with its override |
//! | `compose: ./compose.yaml` | `docker compose -f` | that file; an override beside it is not, and this is said |
//! | `compose: [./compose.yaml, ./production.yaml]` | the same | each over those before it |

use std::collections::BTreeSet;

use super::project::{Environment, ProjectLoading};
use crate::manifest::scope::{PlacedText, Scope};
use crate::manifest::source_files::{Looked, folder_of, within};
use crate::manifest::yaml::diagnostic::{Problem, Spot, shown};
use crate::model::Code;
use crate::text;

/// What `docker compose` looks for, in its order.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// What it lays over one of them.
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];
/// More are no project of a person's.
const FILES_MAX: usize = 20;

/// The files of a project.
pub(crate) struct ProjectFiles {
    /// By path of the source, each with the place that asks for it.
    pub files: Vec<(String, Spot)>,
    /// What stands in its `.env` and around it.
    pub environment: Environment,
}

/// The files that `compose:` names; what is wrong was reported.
pub(crate) fn read(scope: &Scope<'_>, loading: &ProjectLoading<'_>, paths: &[PlacedText]) -> Option<ProjectFiles> {
    let (first, others) = paths.split_first()?;
    let whole = scope.source_path(first)?;
    let is_folder = matches!(scope.source.look(&whole), Looked::Folder(_));
    let folder = if is_folder { whole.clone() } else { folder_of(&whole).to_owned() };
    let environment = loading.variables(&folder, first.spot);
    let files = if is_folder && others.is_empty() {
        let named = said(scope, &environment, &folder, first.spot)?;
        if named.is_empty() { usual(scope, &folder, first)? } else { named }
    } else {
        let named = paths.iter().map(|text| Some((scope.source_path(text)?, text.spot)));
        let named = named.collect::<Option<Vec<_>>>()?;
        not_read(scope, &folder, &named, first);
        named
    };
    if files.len() > FILES_MAX {
        let count = files.len();
        let message = text!("{count} Compose files in one manifest, at most {most}", count, most = FILES_MAX);
        scope.error(Code::A0108, first.spot, message);
        return None;
    }
    Some(ProjectFiles { files, environment })
}

/// The profiles that `COMPOSE_PROFILES` picks; one that no service has is not missed.
pub(crate) fn profiles(found: &ProjectFiles) -> BTreeSet<&str> {
    let said = found.environment.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
    said.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// The files that `COMPOSE_FILE` names; none when nobody set it.
fn said(scope: &Scope<'_>, environment: &Environment, folder: &str, spot: Spot) -> Option<Vec<(String, Spot)>> {
    let of = |name: &str| environment.get(name).map(String::as_str).filter(|said| !said.is_empty());
    let (said, separator) = (of("COMPOSE_FILE").unwrap_or_default(), of("COMPOSE_PATH_SEPARATOR").unwrap_or(":"));
    let mut files = Vec::new();
    for name in said.split(separator).filter(|name| !name.is_empty()) {
        let Some(path) = scope.source.join(folder, name).filter(|_| !name.starts_with(['/', '~'])) else {
            let message = text!("{path} of `COMPOSE_FILE` leads out of the source", path = shown(name));
            scope.error_hint(Code::A0106, spot, message, text!("write a path from the folder of `.env`"));
            return None;
        };
        files.push((path, spot));
    }
    Some(files)
}

/// The usual file of a folder, with what is laid over it.
fn usual(scope: &Scope<'_>, folder: &str, text: &PlacedText) -> Option<Vec<(String, Spot)>> {
    let Some(main) = first_of(scope, folder, &USUAL) else {
        let message = text!("{path} holds no Compose file", path = shown(&text.text));
        let hint = text!("it is called `compose.yaml`; name any other by its path");
        scope.error_hint(Code::A0150, text.spot, message, hint);
        return None;
    };
    let over = first_of(scope, folder, &OVERRIDES);
    Some(std::iter::once(main).chain(over).map(|path| (path, text.spot)).collect())
}

fn first_of(scope: &Scope<'_>, folder: &str, names: &[&str]) -> Option<String> {
    names.iter().map(|name| within(folder, name)).find(|path| scope.source.has(path))
}

/// Says of an override that it is not read where the file that it is for is named by itself, as with `docker compose -f`.
fn not_read(scope: &Scope<'_>, folder: &str, named: &[(String, Spot)], first: &PlacedText) {
    let [(only, _)] = named else { return };
    let is_usual = USUAL.iter().any(|name| *only == within(folder, name));
    let Some(over) = first_of(scope, folder, &OVERRIDES).filter(|_| is_usual) else { return };
    let name = over.rsplit('/').next().unwrap_or_default();
    let beside = first.text.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"));
    let message = text!("{path} is not read", path = shown(&over));
    let example = format!("`compose: [{}, {}]`", shown(&first.text), shown(&beside));
    let hint = text!("to lay it over that: {example}, or name the folder", example);
    scope.report(Problem::warning(Code::A0189, first.spot, message).hint(hint));
}
