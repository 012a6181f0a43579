//! Users with a password and a role, and the sessions that they open over HTTP.
//!
//! Passwords are kept as argon2id, session tokens as a digest: a reader of the ledger cannot sign in.

mod password;
mod sign_in;
mod tokens;
mod login_throttle;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

pub use self::sign_in::{OpenedSession, Visit};
pub use self::tokens::{NewToken, Token, document as tokens_document};
pub use crate::ledger::accounts::{AuditRow, Audited};
use crate::ledger::accounts::{SessionRow, UserRow};
use crate::ledger::{Ledger, StoreError};
use crate::secret::Secret;
use amarre_core::model::{Code, Millis, Timestamp};

/// The longest session.
const SESSION_LASTS: Millis = Millis::minutes(30 * 24 * 60);
/// An unused session ends earlier.
const SESSION_IDLE: Millis = Millis::minutes(7 * 24 * 60);
/// How often a session's last use is recorded.
const SEEN_AGAIN: Millis = Millis::minutes(5);
/// The length of a token in bytes, before it is encoded.
const TOKEN_BYTES: usize = 32;
/// The shortest password.
const PASSWORD_CHARS_MIN: usize = 12;
/// Longer ones cost time and nothing else.
const PASSWORD_BYTES_MAX: usize = 1024;
/// The longest text in the audit log.
const AUDIT_CHARS_MAX: usize = 200;
/// The longest name and the longest e-mail address.
const NAME_CHARS_MAX: usize = 100;

/// A role; each includes the rights of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See pools, and reserve machines.
    Member,
    Viewer,
    /// Reconcile, suspend, resume, cancel, retry, restart, roll back.
    Operator,
    /// Write and delete manifests.
    Editor,
    /// Manage users, adopt and release resources.
    Admin,
}

impl Role {
    /// All, in order.
    pub const ALL: [Role; 5] = [Role::Member, Role::Viewer, Role::Operator, Role::Editor, Role::Admin];

    pub const fn word(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let found = Role::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| AccountError::Unfit("the role is member, viewer, operator, editor or admin".to_owned()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The e-mail address with which the user signs in, in lower case.
    pub email: String,
    /// The name in commits.
    pub name: String,
    pub role: Role,
    /// When the account was made.
    pub created: Timestamp,
}

/// A signed-in user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub user: User,
    /// The CSRF token of the session's forms.
    pub csrf: String,
    digest: String,
}

/// Why a request about accounts or sessions failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// A name, an address, a password or a role is not valid.
    #[error("{0}")]
    Unfit(String),
    /// The user exists already.
    #[error("there is a user {0} already")]
    Known(String),
    /// There is no such user.
    #[error("there is no user {0}")]
    Unknown(String),
    /// A token of this name exists already.
    #[error("there is a token {0} already")]
    KnownToken(String),
    /// There is no such token.
    #[error("there is no token {0}")]
    UnknownToken(String),
    /// Without this admin users could not be managed any more.
    #[error("{0} is the last one with the role admin")]
    LastAdmin(String),
    /// The password is wrong, or there is no such user. The number of tries that are left.
    #[error("e-mail address or password is wrong")]
    Wrong(u32),
    /// Too many failures; the end of the wait.
    #[error("too many passwords were wrong")]
    Locked(Timestamp),
    /// Too many concurrent sign-ins.
    #[error("too many sign in at this moment; try again")]
    Busy,
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] StoreError),
}

impl AccountError {
    /// `A1007`, `A1008` or `A0903`.
    pub const fn code(&self) -> Code {
        match self {
            AccountError::Unknown(_) | AccountError::UnknownToken(_) => Code::A1008,
            AccountError::Ledger(_) => Code::A0903,
            AccountError::Unfit(_) | AccountError::Known(_) | AccountError::LastAdmin(_) => Code::A1007,
            AccountError::KnownToken(_) => Code::A1007,
            AccountError::Wrong(_) | AccountError::Locked(_) | AccountError::Busy => Code::A1007,
        }
    }

    pub const fn hint(&self) -> &'static str {
        match self {
            AccountError::Unknown(_) => "amarre user list shows them",
            AccountError::Known(_) => "amarre user role, or amarre user password",
            AccountError::KnownToken(_) => "take another name, or amarre token remove",
            AccountError::UnknownToken(_) => "amarre token list shows them",
            AccountError::LastAdmin(_) => "give somebody else the role admin first",
            AccountError::Ledger(_) => "is the disk full?",
            AccountError::Unfit(_) | AccountError::Wrong(_) | AccountError::Locked(_) | AccountError::Busy => {
                "see docs/pages.md"
            }
        }
    }
}

/// A new account, as typed.
struct NewAccount<'a> {
    email: &'a str,
    name: &'a str,
    role: Role,
    /// Only if there is none yet.
    only_first: bool,
}

/// The accounts of a ledger. Clones share the token for the first one.
#[derive(Debug, Clone)]
pub struct Accounts {
    ledger: Ledger,
    /// The digest of the token for the first account, while there is none.
    first: Arc<Mutex<Option<String>>>,
}

impl Accounts {
    /// Those of a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, first: Arc::default() }
    }

    /// Whether there is a user at all.
    pub async fn has_users(&self) -> Result<bool, AccountError> {
        Ok(!self.ledger.users().await?.is_empty())
    }

    /// All users.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        Ok(self.ledger.users().await?.into_iter().map(User::from).collect())
    }

    /// The token for the first account, valid once and until the process ends.
    pub fn first_token(&self) -> Secret {
        let token = token();
        *lock(&self.first) = Some(digest(token.expose()));
        token
    }

    /// Whether this is the token for the first account.
    pub fn is_first(&self, token: &str) -> bool {
        lock(&self.first).as_ref().is_some_and(|first| is_equal(first, &digest(token)))
    }

    /// Creates the first account, an admin.
    ///
    /// # Errors
    /// The token is not that of this process, or there is a user already; or a field is not valid.
    pub async fn add_first(
        &self,
        with: &str,
        email: &str,
        name: &str,
        password: &Secret,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        if !self.is_first(with) {
            return Err(AccountError::Unfit("this link is not good any more".to_owned()));
        }
        let account = NewAccount { email, name, role: Role::Admin, only_first: true };
        self.write(account, password, now).await?;
        *lock(&self.first) = None;
        Ok(())
    }

    /// Creates an account.
    ///
    /// # Errors
    /// The address has one already; or a field is not valid.
    pub async fn add(
        &self,
        (email, name): (&str, &str),
        role: Role,
        password: &Secret,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        self.write(NewAccount { email, name, role, only_first: false }, password, now).await
    }

    async fn write(&self, account: NewAccount<'_>, password: &Secret, now: Timestamp) -> Result<(), AccountError> {
        let NewAccount { role, only_first, .. } = account;
        let (email, name) = (fit_email(account.email)?, fit_name(account.name)?);
        fit_password(password)?;
        let password = password::hash(password).await.map_err(AccountError::Unfit)?;
        let row = UserRow { email: email.clone(), name, role: role.word().to_owned(), password, created: now };
        match self.ledger.add_user(&row, only_first).await? {
            true => Ok(()),
            false if only_first => Err(AccountError::Unfit("this link is not good any more".to_owned())),
            false => Err(AccountError::Known(email)),
        }
    }

    /// Changes a user's password, role or both. The user's sessions end, with another password the user's tokens too.
    ///
    /// # Errors
    /// There is no such user, it is the last admin, or the password is not valid.
    pub async fn change(&self, email: &str, password: Option<&Secret>, role: Option<Role>) -> Result<(), AccountError> {
        let email = fit_email(email)?;
        if role.is_some_and(|role| role != Role::Admin) {
            self.check_last_admin(&email).await?;
        }
        let password = match password {
            Some(password) => {
                fit_password(password)?;
                Some(password::hash(password).await.map_err(AccountError::Unfit)?)
            }
            None => None,
        };
        if self.ledger.change_user(&email, password.as_deref(), role.map(Role::word)).await? {
            Ok(())
        } else {
            Err(AccountError::Unknown(email))
        }
    }

    /// Removes a user.
    ///
    /// # Errors
    /// There is no such user, or it is the last admin.
    pub async fn remove(&self, email: &str) -> Result<(), AccountError> {
        let email = email.to_lowercase();
        self.check_last_admin(&email).await?;
        if self.ledger.remove_user(&email).await? { Ok(()) } else { Err(AccountError::Unknown(email)) }
    }

    async fn check_last_admin(&self, email: &str) -> Result<(), AccountError> {
        let users = self.users().await?;
        let mut admins = users.iter().filter(|user| user.role == Role::Admin);
        let is_last = admins.clone().count() == 1 && admins.any(|user| user.email == email);
        // The last user of all may go: then a first one can be created again.
        if is_last && users.len() > 1 { Err(AccountError::LastAdmin(email.to_owned())) } else { Ok(()) }
    }

    /// The user of this session; `None` when it has ended.
    pub async fn session(&self, token: &str, now: Timestamp) -> Option<Session> {
        let digest = digest(token);
        let row = self.ledger.session(&digest).await.ok().flatten()?;
        let is_over = now - row.created >= SESSION_LASTS || now - row.seen >= SESSION_IDLE;
        if is_over {
            return None;
        }
        if now - row.seen >= SEEN_AGAIN {
            // If its last use cannot be recorded, it only ends earlier.
            let _ = self.ledger.session_seen(&digest, now).await;
        }
        let SessionRow { user, csrf, .. } = row;
        Some(Session { user: user.into(), csrf, digest })
    }

    /// Ends a session.
    pub async fn sign_out(&self, session: &Session) -> Result<(), AccountError> {
        Ok(self.ledger.end_session(&session.digest).await?)
    }

    /// Stores a flash message for the next page of this session.
    pub async fn set_flash(&self, session: &Session, text: &str) {
        if let Err(error) = self.ledger.set_flash(&session.digest, text).await {
            tracing::warn!("could not keep what the next page says: {error}");
        }
    }

    /// Takes the flash message.
    pub async fn take_flash(&self, session: &Session) -> Option<String> {
        self.ledger.take_flash(&session.digest).await.ok().flatten()
    }

    /// Records an action, or an attempt.
    pub async fn audit(&self, row: AuditRow) {
        let row = shortened(row);
        if let Err(error) = self.ledger.audit(&row).await {
            tracing::warn!(who = row.who, action = row.action, "could not write down what was done: {error}");
        }
    }

    /// Records a refusal; repeated ones with their count.
    pub async fn refused(&self, row: AuditRow) {
        let address = row.address.parse().map_or_else(|_| row.address.clone(), visitor);
        let row = shortened(AuditRow { address, ..row });
        if let Err(error) = self.ledger.refused(&row).await {
            tracing::warn!(who = row.who, action = row.action, "could not write down what was refused: {error}");
        }
    }

    /// The latest actions and refusals: before the row of a number, the latest first.
    pub async fn audited(&self, before: Option<i64>, limit: u32) -> Result<Vec<Audited>, AccountError> {
        Ok(self.ledger.audited(before, limit).await?)
    }
}

impl Session {
    /// Whether a form comes from a page of this session.
    pub fn is_csrf(&self, given: &str) -> bool {
        is_equal(&digest(&self.csrf), &digest(given))
    }
}

impl User {
    /// For machines.
    pub fn document(&self) -> Json {
        json!({"email": self.email, "name": self.name, "role": self.role.word(), "created_at": self.created.rfc3339()})
    }
}

/// All of them for machines, `amarre.users/v1`.
pub fn document(users: &[User]) -> Json {
    json!({"schema": "amarre.users/v1", "users": users.iter().map(User::document).collect::<Vec<_>>()})
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        // A role of a later version may only read here.
        let role = row.role.parse().unwrap_or(Role::Viewer);
        Self { email: row.email, name: row.name, role, created: row.created }
    }
}

/// The address without the part of an IPv6 address that one visitor can choose freely.
pub fn visitor(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [first, second, third, fourth, ..] = address.segments();
            format!("{first:x}:{second:x}:{third:x}:{fourth:x}::/64")
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address.to_string(),
    }
}

fn shortened(mut row: AuditRow) -> AuditRow {
    for text in [&mut row.who, &mut row.action, &mut row.target, &mut row.result] {
        if let Some((end, _)) = text.char_indices().nth(AUDIT_CHARS_MAX) {
            text.truncate(end);
        }
    }
    row
}

/// A typed e-mail address, if it is one: else it may be a password in the wrong field.
pub fn typed_email(text: &str) -> String {
    fit_email(text).unwrap_or_default()
}

fn fit_email(email: &str) -> Result<String, AccountError> {
    let is_long = email.chars().count() > NAME_CHARS_MAX;
    let email = email.trim().to_lowercase();
    let is_plain = |char: char| char.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.@".contains(char);
    let parts: Vec<&str> = email.split('@').collect();
    let is_fit = matches!(parts.as_slice(), [before, after] if !before.is_empty() && !after.is_empty());
    if is_fit && email.chars().all(is_plain) && !is_long {
        return Ok(email);
    }
    Err(AccountError::Unfit("an e-mail address looks like alice@example.org".to_owned()))
}

fn fit_name(name: &str) -> Result<String, AccountError> {
    let is_long = name.chars().count() > NAME_CHARS_MAX;
    let name = name.trim();
    // git reserves `<`, `>` and line ends.
    let is_fit =
        !name.is_empty() && !is_long && !name.chars().any(|char| char.is_control() || matches!(char, '<' | '>'));
    if is_fit { Ok(name.to_owned()) } else { Err(AccountError::Unfit("a name is one line, as in commits".to_owned())) }
}

fn fit_password(password: &Secret) -> Result<(), AccountError> {
    let text = password.expose();
    if text.chars().count() < PASSWORD_CHARS_MIN {
        return Err(AccountError::Unfit(format!("a password has at least {PASSWORD_CHARS_MIN} characters")));
    }
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(AccountError::Unfit(format!("a password has at most {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// An unguessable value.
fn token() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; TOKEN_BYTES]>()))
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Compares digests, whose bytes reveal nothing of their texts.
fn is_equal(one: &str, other: &str) -> bool {
    one == other
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_visitor() {
        let of = |text: &str| visitor(text.parse().unwrap());
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(of("::1"), "::1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
