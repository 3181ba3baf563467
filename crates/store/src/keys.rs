//! Keys that backoffices have changed: what the proxy proves to a backoffice in a charger's name, and what a
//! charger may prove itself with (semantics §7.3, §7.4).

mod table;

use engine::{BackofficeId, ChargerId, TraceId};

pub(crate) use self::table::{charger_keys, forget_of_charger, forget_of_link, link_keys};
use crate::seal::{KeyForm, LockedKey, SealedKey};

/// All keys that one backoffice has set for its link of one charger, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkKeys {
    /// Whose link.
    pub charger: ChargerId,
    /// With whom.
    pub backoffice: BackofficeId,
    /// The newest first.
    pub keys: Vec<LinkKey>,
}

/// A key that a backoffice has set for its link of one charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkKey {
    /// The call that brought it.
    pub trace: TraceId,
    /// The key.
    pub key: LockedKey,
    /// In which form the backoffice takes it, [`KeyForm::Text`] or [`KeyForm::Bytes`]; `None`: it has not been
    /// taken yet.
    pub form: Option<KeyForm>,
    /// It is tried before what `proxy.toml` says; otherwise after it.
    pub is_first: bool,
    /// When it came by the clock, for people; UTC, milliseconds since 1970.
    pub unix_ms: i64,
}

/// What a charger may prove itself with since its leader has given it another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargerKeys {
    /// Which charger.
    pub charger: ChargerId,
    /// The newest first.
    pub keys: Vec<ChargerKey>,
    /// What proxy.toml or an operator gave it and does not count any more.
    pub replaced: Vec<SealedKey>,
}

impl ChargerKeys {
    /// None yet.
    pub fn none(charger: ChargerId) -> Self {
        Self { charger, keys: Vec::new(), replaced: Vec::new() }
    }
}

/// A key that a charger was given by its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargerKey {
    /// The call that brought it.
    pub trace: TraceId,
    /// What is kept of it.
    pub key: SealedKey,
    /// How far it is.
    pub stage: KeyStage,
    /// When it came by the clock, for people; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// How many hours the program has run with it, while it was neither accepted nor used.
    pub hours: u32,
}

/// How far a charger is with a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStage {
    /// It was or was to be sent it; what it made of that is not known.
    Offered,
    /// It has said that it does not take it.
    Refused,
    /// It has accepted it.
    Accepted,
    /// It has proved itself with it.
    Used,
}

impl KeyStage {
    /// The word for it in the store and for programs.
    pub fn label(self) -> &'static str {
        match self {
            KeyStage::Offered => "offered",
            KeyStage::Refused => "refused",
            KeyStage::Accepted => "accepted",
            KeyStage::Used => "used",
        }
    }

    pub(crate) fn from_label(label: &str) -> Option<Self> {
        let all = [KeyStage::Offered, KeyStage::Refused, KeyStage::Accepted, KeyStage::Used];
        all.into_iter().find(|it| it.label() == label)
    }
}
