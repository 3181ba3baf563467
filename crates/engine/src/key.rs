//! A key that a backoffice sets (OCPP's AuthorizationKey), and how far it reaches.

use std::fmt;

use crate::{BackofficeId, TraceId};

/// A key that a backoffice sets. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The call that brought it; the key's name from now on.
    pub trace: TraceId,
    /// Who sets it.
    pub backoffice: BackofficeId,
    /// As it was written: hexadecimal, or any text.
    pub key: String,
    /// For whom it is.
    pub reach: KeyReach,
}

/// For whom a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyReach {
    /// For the backoffice's own link: the proxy proves itself with it from now on.
    Link,
    /// For the charger, which is sent it once it is durable; until the charger has used it, the former counts, too.
    Charger,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey")
            .field("trace", &self.trace)
            .field("backoffice", &self.backoffice)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}
