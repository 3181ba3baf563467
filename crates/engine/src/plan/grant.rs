//! What a follower may command (semantics §6.1).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::actions::{Class, OCPP16};
use crate::limits;

/// What a follower is there for: a grant under a name. The leader may do everything but what is never
/// forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything; may send every command except those that start or stop a transaction and those
    /// that are the leader's by nature.
    Control,
    /// Manages energy: reads, and sets charging profiles of the purposes that are its own.
    Energy,
    /// Brings drivers: starts and stops its own sessions, reserves, unlocks.
    Roaming,
    /// Maintains the charger: diagnostics, firmware, reset, availability.
    Maintenance,
    /// Sees everything; its commands are refused.
    Observer,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] =
        [Role::Control, Role::Energy, Role::Roaming, Role::Maintenance, Role::Observer];

    /// The word used in `proxy.toml`, metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Role::Control => "control",
            Role::Energy => "energy",
            Role::Roaming => "roaming",
            Role::Maintenance => "maintenance",
            Role::Observer => "observer",
        }
    }
}

/// What a follower may do (semantics §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The commands it may send at all, by OCPP's names.
    pub commands: BTreeSet<&'static str>,
    /// Configuration keys that it may write at the charger, besides those of which each backoffice has a
    /// value of its own (semantics §6.3).
    pub keys: Vec<KeyPattern>,
    /// Charging profiles of these purposes are its own, where purposes have owners (semantics §6.4).
    pub purposes: BTreeSet<ProfilePurpose>,
    /// The charger's stack levels that are its own, where levels have owners (semantics §6.4).
    pub levels: Option<RangeInclusive<i64>>,
    /// Vendors whose DataTransfer it may send; `None` for all (semantics §6.12).
    pub vendors: Option<Vec<String>>,
    /// Whose transactions it may stop, and where it may unlock a connector.
    pub sessions: Scope,
    /// Commands a minute that it may send (semantics K-3).
    pub commands_per_minute: u32,
    /// How it is told no.
    pub refuse_with: RefuseWith,
}

impl Grant {
    /// What a role allows.
    pub fn of(role: Role) -> Self {
        let classes: &[Class] = match role {
            Role::Control => &[Class::Read, Class::Trigger, Class::Control, Class::Dangerous],
            Role::Energy | Role::Roaming | Role::Maintenance => &[Class::Read, Class::Trigger],
            Role::Observer => &[],
        };
        let more: &[&'static str] = match role {
            Role::Control => &["DataTransfer"],
            Role::Energy => &["ChangeConfiguration", "ClearChargingProfile", "SetChargingProfile"],
            Role::Roaming => &[
                "CancelReservation",
                "ChangeConfiguration",
                "RemoteStartTransaction",
                "RemoteStopTransaction",
                "ReserveNow",
                "UnlockConnector",
            ],
            Role::Maintenance => &[
                "ChangeAvailability",
                "ChangeConfiguration",
                "GetDiagnostics",
                "GetLog",
                "Reset",
                "SignedUpdateFirmware",
                "UpdateFirmware",
            ],
            Role::Observer => &[],
        };
        let of_classes = OCPP16
            .iter()
            .filter(|row| row.from_backoffice.as_ref().is_some_and(|rules| classes.contains(&rules.class)))
            .map(|row| row.name);
        Self {
            commands: of_classes.chain(more.iter().copied()).collect(),
            keys: Vec::new(),
            purposes: match role {
                Role::Energy => [ProfilePurpose::ChargePointMax].into(),
                _ => BTreeSet::new(),
            },
            levels: None,
            vendors: if role == Role::Control { None } else { Some(Vec::new()) },
            sessions: match role {
                Role::Control => Scope::All,
                Role::Roaming => Scope::Own,
                Role::Energy | Role::Maintenance | Role::Observer => Scope::None,
            },
            commands_per_minute: limits::FOLLOWER_COMMANDS_PER_MINUTE,
            refuse_with: RefuseWith::Status,
        }
    }

    /// Whether it may write this key at the charger.
    pub fn may_write(&self, key: &str) -> bool {
        self.keys.iter().any(|pattern| pattern.matches(key))
    }
}

/// Configuration keys: one by its name, many by `*` and `?`. Capitals and small letters are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPattern(String);

impl KeyPattern {
    /// The keys that are like this text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it names this key.
    pub fn matches(&self, key: &str) -> bool {
        wildmatch::WildMatch::new_case_insensitive(&self.0).matches(key)
    }

    /// Whether there can be a key that both name.
    pub fn overlaps(&self, other: &KeyPattern) -> bool {
        let letters = |pattern: &KeyPattern| pattern.0.to_lowercase().chars().collect::<Vec<_>>();
        let (one, other) = (letters(self), letters(other));
        // Whether what follows the first i of one and the first j of the other can be the same text.
        let mut same = vec![vec![false; other.len() + 1]; one.len() + 1];
        for i in (0..=one.len()).rev() {
            for j in (0..=other.len()).rev() {
                same[i][j] = match (one.get(i), other.get(j)) {
                    (None, None) => true,
                    (Some('*'), further) => same[i + 1][j] || (further.is_some() && same[i][j + 1]),
                    (further, Some('*')) => same[i][j + 1] || (further.is_some() && same[i + 1][j]),
                    (Some(a), Some(b)) => (a == b || *a == '?' || *b == '?') && same[i + 1][j + 1],
                    _ => false,
                };
            }
        }
        same[0][0]
    }
}

/// What a charging profile is for (OCPP 1.6 §7.11, ChargingProfilePurposeType).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProfilePurpose {
    /// The whole charger.
    ChargePointMax,
    /// Every transaction that has none of its own.
    TxDefault,
    /// One transaction.
    Tx,
}

impl ProfilePurpose {
    /// Every purpose.
    pub const ALL: [ProfilePurpose; 3] =
        [ProfilePurpose::ChargePointMax, ProfilePurpose::TxDefault, ProfilePurpose::Tx];

    /// OCPP's word.
    pub fn label(self) -> &'static str {
        match self {
            ProfilePurpose::ChargePointMax => "ChargePointMaxProfile",
            ProfilePurpose::TxDefault => "TxDefaultProfile",
            ProfilePurpose::Tx => "TxProfile",
        }
    }

    /// The purpose of that word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.label() == word)
    }
}

/// Whose transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Nobody's.
    None,
    /// Those that it started remotely, or whose card it decided about.
    Own,
    /// Everybody's.
    All,
}

/// How a command is refused (semantics K-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefuseWith {
    /// With the status of OCPP that claims least.
    Status,
    /// With CALLERROR `SecurityError`.
    CallError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_can_name_the_same_key_overlap() {
        let cases = [
            ("LightIntensity", "lightintensity", true),
            ("LightIntensity", "BlinkRepeat", false),
            ("Light*", "*Intensity", true),
            ("Light*", "LightIntensity", true),
            ("Light*", "Blink*", false),
            ("Light?", "Light", false),
            ("*", "Anything", true),
            ("a*b", "a?", true),
            ("a*b", "?c", false),
            ("*a*", "*b*", true),
        ];
        assert_eq!(cases.len(), 10);
        for (one, other, expected) in cases {
            let (a, b) = (KeyPattern::new(one), KeyPattern::new(other));
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (expected, expected), "{one} {other}");
        }
    }
}
