//! `amarre user …`: the users of the pages.

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::CommandFailure;
use super::args::{AddUserArgs, Args, NameUserArgs, OutputFormat, RoleOfUserArgs, UserCommand, UsersArgs};
use super::link;
use super::output::Output;
use crate::accounts::{AccountError, Role};
use crate::secret::Secret;
use amarre_core::model::Code;

/// `amarre user …`
pub async fn user(args: &Args, user: &UserCommand, output: &Output) -> Result<u8, CommandFailure> {
    // Before the ledger is opened: a prompt must not keep it busy.
    let password = match user {
        UserCommand::Add(_) | UserCommand::Password(_) => Some(password(output)?),
        UserCommand::List(_) | UserCommand::Role(_) | UserCommand::Remove(_) => None,
    };
    let users = request(args, user, password.as_ref()).await?;
    match user {
        UserCommand::List(UsersArgs { output: OutputFormat::Json }) => output.data(&format!("{users:#}\n")),
        UserCommand::List(UsersArgs { output: OutputFormat::Text }) => output.data(&table(&users)),
        UserCommand::Add(AddUserArgs { email, role, .. }) => output.note(&format!("{email} may sign in, as {role}")),
        UserCommand::Password(NameUserArgs { email }) => output.note(&format!("{email} has another password")),
        UserCommand::Role(RoleOfUserArgs { email, role }) => output.note(&format!("{email} is {role}")),
        UserCommand::Remove(NameUserArgs { email }) => output.note(&format!("{email} may not sign in any more")),
    }
    Ok(0)
}

/// Twice when it is typed, once when it is piped.
fn password(output: &Output) -> Result<Secret, CommandFailure> {
    let hint = "type it, or hand it over: … | amarre user add …";
    let none = |error: std::io::Error| CommandFailure::new(Code::A1007, format!("there is no password: {error}"), hint);
    let first = Secret::new(output.prompt_hidden("Password:").map_err(none)?);
    if output.is_terminal() && Secret::new(output.prompt_hidden("Once more:").map_err(none)?) != first {
        return Err(CommandFailure::new(Code::A1007, "the two passwords differ", "nothing was changed; try again"));
    }
    Ok(first)
}

async fn request(args: &Args, user: &UserCommand, password: Option<&Secret>) -> Result<Json, CommandFailure> {
    let password = password.map(Secret::expose);
    let of = |email: &str| format!("/api/v1/users/{}", crate::web::view_model::encoded(email));
    let all = "/api/v1/users".to_owned();
    let (method, path, body) = match user {
        UserCommand::List(_) => (Method::GET, all, None),
        UserCommand::Add(AddUserArgs { email, name, role }) => {
            let name = name.as_deref().unwrap_or(email);
            let body = json!({"email": email, "name": name, "role": role.word(), "password": password});
            (Method::POST, all, Some(body))
        }
        UserCommand::Password(NameUserArgs { email }) => {
            (Method::PATCH, of(email), Some(json!({"password": password})))
        }
        UserCommand::Role(RoleOfUserArgs { email, role }) => {
            (Method::PATCH, of(email), Some(json!({"role": role.word()})))
        }
        UserCommand::Remove(NameUserArgs { email }) => (Method::DELETE, of(email), None),
    };
    link::send(args, method, &path, body).await
}

fn table(users: &Json) -> String {
    let rows = users["users"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There is no account. Make one: amarre user add you@example.org --role admin\n".to_owned();
    }
    let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let width = rows.iter().map(|row| text(row, "email").chars().count()).max().unwrap_or_default().max(6) + 2;
    let line = |email: &str, role: &str, name: &str| format!("{email:width$}{role:<10}{name}\n");
    let lines = rows.iter().map(|row| line(&text(row, "email"), &text(row, "role"), &text(row, "name")));
    std::iter::once(line("E-MAIL", "ROLE", "NAME")).chain(lines).collect()
}

/// The typed role.
pub fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: AccountError| error.to_string())
}
