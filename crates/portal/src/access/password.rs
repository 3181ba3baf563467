//! Passwords: hashed with argon2id, verified a few at a time and off the threads that serve.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{Semaphore, TryAcquireError};

use crate::limits::{PASSWORD_BYTES, VERIFICATIONS, VERIFICATIONS_KNOWN, VERIFICATIONS_WAITING};

/// Why a `password_hash` is of no use.
#[derive(Debug, thiserror::Error)]
pub enum InvalidHash {
    /// Not in PHC form.
    #[error("it is no argon2 hash; make one with `ocpp-proxy hash-password`")]
    Form,
    /// Another algorithm, or one that would take this machine down at every login.
    #[error(
        "it must be argon2id with at most 256 MiB and 16 passes; make one with `ocpp-proxy hash-password`"
    )]
    Unfit,
}

/// What `proxy.toml` holds of a password: argon2id in PHC form, salted, with the library's parameters,
/// which are those that OWASP recommends.
pub fn hash_password(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("the parameters are valid, and the system has randomness").to_string()
}

/// Whether a login can be verified against this hash.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_hash(hash: &str) -> Result<(), InvalidHash> {
    let hash = PasswordHash::new(hash).map_err(|_| InvalidHash::Form)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(InvalidHash::Form);
    }
    let params = Params::try_from(&hash).map_err(|_| InvalidHash::Unfit)?;
    let is_fit = hash.algorithm.as_str() == Algorithm::Argon2id.as_ref()
        && params.m_cost() <= 256 * 1024
        && params.t_cost() <= 16;
    is_fit.then_some(()).ok_or(InvalidHash::Unfit)
}

/// Verifies a few at a time.
#[derive(Debug)]
pub(crate) struct Verifier {
    strangers: Turns,
    known: Turns,
    /// What a password is compared with when there is no such user, so that the answer takes as long.
    nobody: String,
}

#[derive(Debug)]
struct Turns {
    running: Semaphore,
    waiting: Arc<Semaphore>,
}

impl Turns {
    fn new(running: usize) -> Self {
        let waiting = Arc::new(Semaphore::new(running + VERIFICATIONS_WAITING));
        Self { running: Semaphore::new(running), waiting }
    }
}

/// Too many logins at once.
#[derive(Debug)]
pub(crate) struct Busy;

impl Default for Verifier {
    fn default() -> Self {
        Self {
            strangers: Turns::new(VERIFICATIONS),
            known: Turns::new(VERIFICATIONS_KNOWN),
            nobody: hash_password(&crate::access::token::random()),
        }
    }
}

impl Verifier {
    /// Whether the password is that of the hash; `None` is the hash of a user who does not exist. Browsers that are known
    /// do not wait for strangers.
    pub(crate) async fn is_right(
        &self,
        password: String,
        hash: Option<String>,
        is_known: bool,
    ) -> Result<bool, Busy> {
        let turns = if is_known { &self.known } else { &self.strangers };
        let place = turns.waiting.clone().try_acquire_owned();
        let _place = place.map_err(|full: TryAcquireError| {
            tracing::warn!(%full, "too many logins at once");
            Busy
        })?;
        let _turn = turns.running.acquire().await.expect("the semaphore is never closed");
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let verified = tokio::task::spawn_blocking(move || verify(&password, &hash)).await;
        Ok(verified.unwrap_or(false) && exists)
    }
}

fn verify(password: &str, hash: &str) -> bool {
    if password.len() > PASSWORD_BYTES {
        return false;
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    PasswordHash::new(hash).is_ok_and(|hash| argon2.verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_someone_who_exists() {
        let verifier = Verifier::default();
        let hash = hash_password("open sesame");
        check_hash(&hash).unwrap();
        assert!(verifier.is_right("open sesame".into(), Some(hash.clone()), false).await.unwrap());
        assert!(verifier.is_right("open sesame".into(), Some(hash.clone()), true).await.unwrap());
        assert!(!verifier.is_right("open sesamE".into(), Some(hash.clone()), false).await.unwrap());
        assert!(!verifier.is_right("open sesame".into(), None, false).await.unwrap());
        assert!(!verifier.is_right("a".repeat(PASSWORD_BYTES + 1), Some(hash), true).await.unwrap());
    }

    #[tokio::test]
    async fn a_few_are_verified_at_once_so_many_wait_and_whoever_is_known_waits_for_no_stranger() {
        let verifier = Verifier::default();
        let busy = u32::try_from(VERIFICATIONS).unwrap();
        let busy = verifier.strangers.running.acquire_many(busy).await.unwrap();
        assert_eq!(verifier.strangers.running.available_permits(), 0);
        assert_eq!(verifier.known.running.available_permits(), VERIFICATIONS_KNOWN);
        let attempt = |is_known| Box::pin(verifier.is_right("guess".into(), None, is_known));
        let mut waiting: Vec<_> =
            (0..VERIFICATIONS + VERIFICATIONS_WAITING).map(|_| attempt(false)).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert!(matches!(attempt(false).await, Err(Busy)));
        assert!(!attempt(true).await.unwrap());
        drop(busy);
        assert!(!waiting.swap_remove(0).await.unwrap());
    }

    #[test]
    fn a_hash_that_is_none_is_told_apart_from_one_that_is_unfit() {
        for (hash, said) in [
            ("open sesame", "no argon2 hash"),
            ("", "no argon2 hash"),
            ("$argon2id$v=19$m=4096,t=3,p=1", "no argon2 hash"),
            ("$argon2i$v=19$m=4096,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "must be argon2id"),
            ("$argon2id$v=19$m=4194304,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "256 MiB"),
        ] {
            let refused = check_hash(hash).unwrap_err().to_string();
            assert!(refused.contains(said), "{hash}: {refused}");
        }
    }
}
