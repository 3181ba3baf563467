//! The link of the first start: how someone gets in before there is a user.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::access::token;
use crate::limits::FIRST_LINK;

/// Good once, for a while.
pub(crate) struct FirstLink {
    token: Mutex<Option<String>>,
    until: Instant,
}

impl FirstLink {
    pub(crate) fn new() -> Self {
        Self { token: Mutex::new(Some(token::random())), until: Instant::now() + FIRST_LINK }
    }

    /// `None` when it was used or is too old.
    pub(crate) fn path(&self) -> Option<String> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.as_ref().filter(|_| Instant::now() < self.until).map(|token| format!("/first/{token}"))
    }

    /// Uses it up if this is its token.
    pub(crate) fn take(&self, said: &str) -> bool {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            Instant::now() < self.until && token.as_ref().is_some_and(|token| token::same(token, said));
        if is_it {
            *token = None;
        }
        is_it
    }
}

impl std::fmt::Debug for FirstLink {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("FirstLink")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_good_once_and_not_for_ever() {
        let link = FirstLink::new();
        let path = link.path().unwrap();
        let said = path.strip_prefix("/first/").unwrap();
        assert!(!link.take("") && !link.take(&said[1..]));
        assert!(link.take(said) && !link.take(said) && link.path().is_none());
        let late = FirstLink::new();
        let path = late.path().unwrap();
        tokio::time::advance(FIRST_LINK).await;
        assert!(!late.take(path.strip_prefix("/first/").unwrap()) && late.path().is_none());
    }
}
