//! Signing in: by an account's password, with counted failures, in a browser that is known from then on.

use std::collections::BTreeMap;

use super::login_throttle::{Changes, Try};
use super::{
    AccountError, Accounts, NAME_CHARS_MAX, SESSION_IDLE, SESSION_LASTS, User, digest, password, token, visitor,
};
use crate::ledger::login_attempts::{CountedLogin, Wrong};
use crate::secret::Secret;
use amarre_core::model::Timestamp;

/// The client of a user who signs in.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    pub address: &'a str,
    /// The device cookie of the browser, if a user has signed in there before.
    pub device: Option<&'a str>,
}

/// A session that was just opened.
#[derive(Debug)]
pub struct OpenedSession {
    /// The session token, for the cookie; it is stored nowhere.
    pub token: Secret,
    /// The device token, for a cookie that lasts longer. It grants nothing.
    pub device: Secret,
    pub user: User,
}

impl Accounts {
    /// Opens a session for the right password.
    ///
    /// # Errors
    /// The password is wrong, or there is no such user: both give the same error after the same time.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &Secret,
        visit: Visit<'_>,
        now: Timestamp,
    ) -> Result<OpenedSession, AccountError> {
        let email: String = email.trim().to_lowercase().chars().take(NAME_CHARS_MAX).collect();
        let address = visit.address.parse().map_or_else(|_| visit.address.to_owned(), visitor);
        let known = match visit.device {
            Some(device) if self.ledger.is_device(&digest(device), &email, now).await? => Some(device),
            Some(_) | None => None,
        };
        let of_device = known.map(digest);
        let one = Try::new(&email, &address, of_device.as_deref());
        let taken = self.ledger.guess(&one.counted(), now, |counted| one.take(counted, now)).await?;
        let taken = taken.map_err(AccountError::Locked)?;
        let row = self.ledger.user(&email).await?;
        let kept = row.as_ref().map(|row| row.password.clone());
        match (password::is(kept, password, known.is_some()).await, row) {
            (Some(true), Some(row)) => {
                self.counts(&one, now, |known| one.succeeded(&taken, known)).await?;
                self.opened(row.into(), known, now).await
            }
            (Some(true | false), _) => Err(AccountError::Wrong(taken.left)),
            (None, _) => {
                self.counts(&one, now, |known| one.withdraw(&taken, known)).await?;
                Err(AccountError::Busy)
            }
        }
    }

    async fn counts(
        &self,
        one: &Try,
        now: Timestamp,
        change: impl FnOnce(&BTreeMap<CountedLogin, Wrong>) -> Changes,
    ) -> Result<(), AccountError> {
        Ok(self.ledger.guess(&one.counted(), now, |known| (change(known), ())).await?)
    }

    async fn opened(&self, user: User, known: Option<&str>, now: Timestamp) -> Result<OpenedSession, AccountError> {
        // A device token counts only if we issued it.
        let device = known.map_or_else(token, Secret::new);
        let (token, csrf) = (token(), token());
        let since = (Timestamp(now.0 - SESSION_LASTS.0), Timestamp(now.0 - SESSION_IDLE.0));
        self.ledger.open_session(&digest(token.expose()), &user.email, csrf.expose(), now, since).await?;
        self.ledger.know_device(&digest(device.expose()), &user.email, now).await?;
        Ok(OpenedSession { token, device, user })
    }
}
