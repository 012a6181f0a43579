//! `amarre user …`: who may sign in on the pages.

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::Failure;
use super::args::{AddUser, Args, Format, NameUser, RoleOfUser, User, Users};
use super::link::{Link, Local, Remote};
use super::output::Output;
use crate::accounts::{self, AccountError, Accounts, Role};
use crate::secret::Secret;

/// `amarre user …`
pub async fn user(args: &Args, user: &User, output: &Output) -> Result<u8, Failure> {
    // Before anything is opened: who asks people keeps no ledger busy.
    let password = match user {
        User::Add(_) | User::Password(_) => Some(password(output)?),
        User::List(_) | User::Role(_) | User::Remove(_) => None,
    };
    let link = Link::open(args).await?;
    let done = match &link {
        Link::Remote(remote) => over_socket(remote, user, password.as_ref()).await,
        Link::Local(local) => here(local, user, password.as_ref()).await,
    };
    link.close().await;
    let users = done?;
    match user {
        User::List(Users { output: Format::Json }) => output.data(&format!("{users:#}\n")),
        User::List(Users { output: Format::Text }) => output.data(&table(&users)),
        User::Add(AddUser { email, role, .. }) => output.say(&format!("{email} may sign in, as {role}")),
        User::Password(NameUser { email }) => output.say(&format!("{email} has another password")),
        User::Role(RoleOfUser { email, role }) => output.say(&format!("{email} is {role}")),
        User::Remove(NameUser { email }) => output.say(&format!("{email} may not sign in any more")),
    }
    Ok(0)
}

/// Twice where somebody types it, once where it comes from elsewhere.
fn password(output: &Output) -> Result<Secret, Failure> {
    let hint = "type it, or hand it over: … | amarre user add …";
    let none = |error: std::io::Error| Failure::new("A1007", format!("there is no password: {error}"), hint);
    let first = Secret::new(output.prompt_hidden("Password:").map_err(none)?);
    if output.is_terminal() && Secret::new(output.prompt_hidden("Once more:").map_err(none)?) != first {
        return Err(Failure::new("A1007", "the two passwords differ", "nothing was changed; try again"));
    }
    Ok(first)
}

async fn over_socket(remote: &Remote, user: &User, password: Option<&Secret>) -> Result<Json, Failure> {
    let password = password.map(Secret::expose);
    let of = |email: &str| format!("/api/v1/users/{}", crate::web::view_model::encoded(email));
    let all = "/api/v1/users".to_owned();
    let (method, path, body) = match user {
        User::List(_) => (Method::GET, all, None),
        User::Add(AddUser { email, name, role }) => {
            let name = name.as_deref().unwrap_or(email);
            let body = json!({"email": email, "name": name, "role": role.word(), "password": password});
            (Method::POST, all, Some(body))
        }
        User::Password(NameUser { email }) => (Method::PATCH, of(email), Some(json!({"password": password}))),
        User::Role(RoleOfUser { email, role }) => (Method::PATCH, of(email), Some(json!({"role": role.word()}))),
        User::Remove(NameUser { email }) => (Method::DELETE, of(email), None),
    };
    remote.send(method, &path, body).await
}

async fn here(local: &Local, user: &User, password: Option<&Secret>) -> Result<Json, Failure> {
    let (all, now) = (Accounts::new(local.handle().ledger().clone()), local.handle().now());
    let none = Secret::new("");
    let done = match user {
        User::List(_) => Ok(()),
        User::Add(AddUser { email, name, role }) => {
            let name = name.as_deref().unwrap_or(email);
            all.add((email, name), *role, password.unwrap_or(&none), now).await
        }
        User::Password(NameUser { email }) => all.change(email, password, None).await,
        User::Role(RoleOfUser { email, role }) => all.change(email, None, Some(*role)).await,
        User::Remove(NameUser { email }) => all.remove(email).await,
    };
    done.map_err(|error| failure(&error))?;
    let users = all.users().await.map_err(|error| failure(&error))?;
    Ok(accounts::document(&users))
}

/// Of an account or a token, as a failure.
pub fn failure(error: &AccountError) -> Failure {
    Failure::new(error.code(), error.to_string(), error.hint())
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

/// The role as it is typed.
pub fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: AccountError| error.to_string())
}
