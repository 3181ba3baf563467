//! On what terms a rule lets its chargers in.

use std::collections::BTreeMap;

use engine::ChargerId;

use crate::routing::Secret;

/// How well a charger's connection is secured (security white paper §2.2; semantics §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SecurityProfile {
    /// Not at all; whoever has a key is asked for it all the same.
    #[default]
    None,
    /// A key in HTTP Basic authentication.
    Basic,
    /// The same, and TLS.
    TlsWithBasic,
    /// TLS with a certificate of the charger's own.
    ClientCertificate,
}

/// What becomes of a charger that a rule matches, but that nobody has named or admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownChargers {
    /// It is refused, and listed among those that knock.
    #[default]
    Refuse,
    /// It is let in like any other.
    Admit,
}

/// On what terms the chargers of a rule are let in. By default as few as possible are.
#[derive(Debug, Clone, Default)]
pub struct EntranceTerms {
    /// The least.
    pub profile: SecurityProfile,
    /// What becomes of those that nobody named.
    pub unknown: UnknownChargers,
    /// The user name that chargers send, with `{charger}` for the identity; empty means just that.
    pub basic_user: String,
    /// Whether an unknown charger is answered as one with a wrong key is.
    pub hide_unknown: Option<bool>,
    /// Chargers and their keys.
    pub keys: BTreeMap<ChargerId, Secret>,
}

impl EntranceTerms {
    /// Whoever matches comes in, unproved.
    pub fn open() -> Self {
        Self { unknown: UnknownChargers::Admit, ..Self::default() }
    }

    /// Whether an unknown charger is answered as one with a wrong key is; where keys are asked for it is.
    pub(crate) fn hides_unknown(&self) -> bool {
        self.hide_unknown.unwrap_or(self.profile >= SecurityProfile::Basic)
    }

    /// The user name that a charger sends with its key.
    pub fn user_of(&self, charger: &ChargerId) -> String {
        match self.basic_user.as_str() {
            "" => charger.as_str().to_owned(),
            template => template.replace("{charger}", charger.as_str()),
        }
    }

    /// Whether this is the user name of a charger; identities are equal whatever their capitals (semantics
    /// S-10, S-14).
    pub(crate) fn is_user_of(&self, charger: &ChargerId, user: &[u8]) -> bool {
        user.eq_ignore_ascii_case(self.user_of(charger).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_the_identity_or_what_the_rule_makes_of_it() {
        let terms = |basic_user: &str| EntranceTerms {
            basic_user: basic_user.to_owned(),
            ..EntranceTerms::default()
        };
        let cases: &[(&str, &[u8], bool)] = &[
            ("", b"CP1", true),
            ("", b"cp1", true),
            ("", b"CP2", false),
            ("", b"", false),
            ("{charger}", b"CP1", true),
            ("x-{charger}", b"X-cp1", true),
            ("x-{charger}", b"CP1", false),
            ("fleet", b"fleet", true),
            ("", b"CP1\xff", false),
        ];
        for (template, user, expected) in cases {
            assert_eq!(terms(template).is_user_of(&"CP1".into(), user), *expected, "{template} {user:?}");
        }
        assert_eq!(cases.len(), 9);
    }

    #[test]
    fn unknown_chargers_are_hidden_where_keys_are_asked_for_unless_the_rule_says_otherwise() {
        let hides = |profile, hide_unknown| {
            EntranceTerms { profile, hide_unknown, ..EntranceTerms::default() }.hides_unknown()
        };
        assert!(!hides(SecurityProfile::None, None) && hides(SecurityProfile::None, Some(true)));
        assert!(hides(SecurityProfile::Basic, None) && !hides(SecurityProfile::TlsWithBasic, Some(false)));
    }
}
