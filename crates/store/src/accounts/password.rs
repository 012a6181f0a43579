//! Passwords as argon2id, with the parameters that its library recommends (OWASP's: 19 MiB, two passes), one at a time:
//! many requests cost no more memory than one.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::secret::Secret;

static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
/// The queue's limit; further requests are turned away.
static WAITING: Semaphore = Semaphore::const_new(16);
/// The limit for known browsers: guessing elsewhere takes none of their places.
static WAITING_KNOWN: Semaphore = Semaphore::const_new(16);

/// The stored hash of a password: a PHC string.
pub async fn hash(password: &Secret) -> Result<String, String> {
    let password = password.clone();
    let made = in_turn(move || {
        let hashed: Result<PasswordHash, _> = Argon2::default().hash_password(password.expose().as_bytes());
        hashed.map(|hash| hash.to_string()).map_err(|error| error.to_string())
    });
    made.await.unwrap_or_else(|| Err("it broke".to_owned()))
}

/// Whether the password matches the hash. Without a user it takes the same time. `None`: too many requests.
pub async fn is(kept: Option<String>, password: &Secret, is_known: bool) -> Option<bool> {
    let _place = if is_known { &WAITING_KNOWN } else { &WAITING }.try_acquire().ok()?;
    let password = password.clone();
    let checked = in_turn(move || {
        let bytes = password.expose().as_bytes();
        match kept.as_deref().map(PasswordHash::new) {
            Some(Ok(kept)) => Argon2::default().verify_password(bytes, &kept).is_ok(),
            Some(Err(_)) | None => {
                let _: Result<PasswordHash, _> = Argon2::default().hash_password(bytes);
                false
            }
        }
    });
    checked.await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let _turn = ONE_AT_A_TIME.acquire().await.ok()?;
    tokio::task::spawn_blocking(work).await.ok()
}
