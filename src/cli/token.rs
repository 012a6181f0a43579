//! `amarre token …`: API tokens.

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::CommandFailure;
use super::args::{Args, NameTokenArgs, OutputFormat, TokenCommand, UsersArgs};
use super::link;
use super::output::Output;
use amarre_core::model::Millis;

/// How long a token lives; `None` = it does not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetime(Option<Millis>);

/// The typed lifetime.
pub fn parse_lifetime(text: &str) -> Result<TokenLifetime, String> {
    if text == "never" {
        return Ok(TokenLifetime(None));
    }
    let span = humantime::parse_duration(text).map_err(|error| format!("{error}; write 90d, 12h or never"))?;
    match i64::try_from(span.as_secs()) {
        Ok(seconds @ 1..) => Ok(TokenLifetime(Some(Millis(seconds.saturating_mul(1_000))))),
        Ok(_) | Err(_) => Err("write 90d, 12h or never".to_owned()),
    }
}

/// `amarre token …`
pub async fn token(args: &Args, token: &TokenCommand, output: &Output) -> Result<u8, CommandFailure> {
    let done = request(args, token).await?;
    match token {
        TokenCommand::List(UsersArgs { output: OutputFormat::Json }) => output.data(&format!("{done:#}\n")),
        TokenCommand::List(UsersArgs { output: OutputFormat::Text }) => output.data(&table(&done)),
        TokenCommand::Add(add) => {
            let (role, end) = (add.role, done["expires_at"].as_str());
            let end = end.map_or_else(|| "it does not end by itself".to_owned(), |end| format!("it ends {end}"));
            output.data(&format!("{}\n", done["token"].as_str().unwrap_or_default()));
            output.note(&format!("This is token {}, as {role}; {end}. It is shown this once.", add.name));
        }
        TokenCommand::Remove(NameTokenArgs { name }) => output.note(&format!("token {name} opens nothing any more")),
    }
    Ok(0)
}

async fn request(args: &Args, token: &TokenCommand) -> Result<Json, CommandFailure> {
    let all = "/api/v1/tokens";
    match token {
        TokenCommand::List(_) => link::send(args, Method::GET, all, None).await,
        TokenCommand::Add(add) => {
            let body = json!({"name": add.name, "role": add.role.word(), "services": add.service, "user": add.user,
                "expires_s": add.expires.0.map(|life| life.0 / 1_000)});
            link::send(args, Method::POST, all, Some(body)).await
        }
        TokenCommand::Remove(NameTokenArgs { name }) => {
            let path = format!("{all}/{}", crate::web::view_model::encoded(name));
            link::send(args, Method::DELETE, &path, None).await
        }
    }
}

fn table(tokens: &Json) -> String {
    let rows = tokens["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There is no token. Make one: amarre token add prometheus\n".to_owned();
    }
    let text = |row: &Json, key: &str, none: &str| row[key].as_str().unwrap_or(none).to_owned();
    let names = |row: &Json| {
        let names = row["services"].as_array().map(|names| names.iter().filter_map(Json::as_str).collect::<Vec<_>>());
        names.map_or_else(|| "all".to_owned(), |names| names.join(","))
    };
    let day = |row: &Json, key: &str| text(row, key, "never").chars().take(10).collect::<String>();
    let width = rows.iter().map(|row| text(row, "name", "").chars().count()).max().unwrap_or_default().max(4) + 2;
    let line = |name: &str, role: &str, ends: &str, used: &str, services: &str| {
        format!("{name:width$}{role:<10}{ends:<12}{used:<12}{services}\n")
    };
    let lines = rows.iter().map(|row| {
        let (name, role) = (text(row, "name", ""), text(row, "role", ""));
        line(&name, &role, &day(row, "expires_at"), &day(row, "used_at"), &names(row))
    });
    std::iter::once(line("NAME", "ROLE", "ENDS", "USED", "SERVICES")).chain(lines).collect()
}
