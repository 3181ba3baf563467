//! Who is in: sessions, known by the hash of a random cookie, kept in memory alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::access::token;
use crate::limits::{SESSION_IDLE, SESSION_LENGTH, SESSIONS};

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever followed the link of the first start.
    First,
    /// Someone with a password; with another password they are someone else.
    User { name: String, password_hash: String },
}

impl Account {
    /// What is written beside what they do.
    pub(crate) fn name(&self) -> &str {
        match self {
            Account::First => "first start",
            Account::User { name, .. } => name,
        }
    }
}

/// Which session: the hash of its cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey([u8; 32]);

/// All sessions, bounded.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

struct Session {
    account: Account,
    csrf: String,
    begun: Instant,
    used: Instant,
}

impl Sessions {
    /// Begins one; the cookie's value is in nobody's hands but the browser's.
    pub(crate) fn begin(&self, account: Account) -> String {
        let cookie = token::random();
        let now = Instant::now();
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.holds(now));
        if sessions.len() >= SESSIONS
            && let Some(idlest) = sessions.iter().min_by_key(|(_, session)| session.used)
        {
            let idlest = *idlest.0;
            sessions.remove(&idlest);
        }
        let session = Session { account, csrf: token::random(), begun: now, used: now };
        sessions.insert(key(&cookie), session);
        cookie
    }

    /// Whose it is, and the token of its forms. Counts as use.
    pub(crate) fn find(&self, cookie: &str) -> Option<(SessionKey, Account, String)> {
        let (now, key) = (Instant::now(), key(cookie));
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key).filter(|session| session.holds(now))?;
        session.used = now;
        Some((key, session.account.clone(), session.csrf.clone()))
    }

    /// Whether it has not ended. Does not count as use: whatever goes on by itself keeps no session up.
    pub(crate) fn is_on(&self, session: SessionKey) -> bool {
        let now = Instant::now();
        self.lock().get(&session).is_some_and(|session| session.holds(now))
    }

    pub(crate) fn end(&self, cookie: &str) {
        self.lock().remove(&key(cookie));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionKey, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn holds(&self, now: Instant) -> bool {
        now.duration_since(self.used) < SESSION_IDLE && now.duration_since(self.begun) < SESSION_LENGTH
    }
}

/// Looked up by hash: how long the look-up takes says nothing about a cookie.
fn key(cookie: &str) -> SessionKey {
    SessionKey(Sha256::digest(cookie).into())
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sessions({})", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_idle_and_in_the_end_anyway() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(Account::First);
        for _ in 0..SESSION_LENGTH.as_secs() / SESSION_IDLE.as_secs() {
            tokio::time::advance(SESSION_IDLE - std::time::Duration::from_secs(1)).await;
            assert!(sessions.find(&cookie).is_some());
        }
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        assert!(sessions.find(&cookie).is_none());
        let idle = sessions.begin(Account::First);
        tokio::time::advance(SESSION_IDLE).await;
        assert!(sessions.find(&idle).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_too_many_and_the_idlest_gives_way() {
        let sessions = Sessions::default();
        let cookies: Vec<_> = (0..SESSIONS).map(|_| sessions.begin(Account::First)).collect();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        for cookie in &cookies[1..] {
            assert!(sessions.find(cookie).is_some());
        }
        let newest = sessions.begin(Account::First);
        assert!(sessions.find(&cookies[0]).is_none() && sessions.find(&newest).is_some());
        assert_eq!(sessions.lock().len(), SESSIONS);
        sessions.end(&newest);
        assert!(sessions.find(&newest).is_none());
    }
}
