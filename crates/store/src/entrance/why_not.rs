//! Why a charger was turned away.

/// What was wrong with a charger that asked to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// No rule matches.
    NoRule,
    /// Nobody has admitted it.
    Unknown,
    /// It sent no credentials.
    NoPassword,
    /// It has no key that it could prove itself with.
    NoKeyHere,
    /// The user name does not go with it.
    OtherUser,
    /// The key is wrong.
    WrongKey,
    /// Nobody can know whether the key is right: it was sealed with a secret that is lost.
    LostSeal,
    /// It showed no certificate.
    NoCertificate,
    /// Its certificate is another charger's.
    WrongCertificate,
    /// Its certificate is taken back.
    Revoked,
    /// Its rule wants TLS.
    WithoutTls,
    /// It came with TLS before.
    TlsBefore,
    /// It was not looked at, since too much had failed before.
    TooManyFailures,
    /// The backoffice that is shown its credentials refused them.
    RefusedByBackoffice,
}

const ALL: [(WhyNot, &str, &str); 14] = [
    (WhyNot::NoRule, "no_rule", "no rule under [[chargers]] matches"),
    (WhyNot::Unknown, "unknown", "nobody has admitted this charger"),
    (WhyNot::NoPassword, "no_password", "it sent no user name and password"),
    (WhyNot::NoKeyHere, "no_key_here", "it has no key here"),
    (WhyNot::OtherUser, "other_user", "the user name is not its identity"),
    (WhyNot::WrongKey, "wrong_key", "the key is wrong"),
    (
        WhyNot::LostSeal,
        "lost_seal",
        "its key was sealed with another secret than the one beside the store (ocpp-proxy.db.secret)",
    ),
    (WhyNot::NoCertificate, "no_certificate", "it has no client certificate"),
    (WhyNot::WrongCertificate, "wrong_certificate", "the certificate is for another charger"),
    (WhyNot::Revoked, "revoked", "its certificate is taken back (revoked in [listen.tls])"),
    (WhyNot::WithoutTls, "without_tls", "its rule wants TLS (security_profile)"),
    (
        WhyNot::TlsBefore,
        "tls_before",
        "it came with TLS before and does not now; `ocpp-proxy chargers allow-plain` lifts that",
    ),
    (WhyNot::TooManyFailures, "too_many_failures", "too many failures"),
    (
        WhyNot::RefusedByBackoffice,
        "refused_by_backoffice",
        "the backoffice that is shown its Authorization header refused it",
    ),
];

impl WhyNot {
    /// The word for it in the store and for programs.
    pub fn label(self) -> &'static str {
        self.row().1
    }

    /// What was wrong, for people: no whole sentence.
    pub fn text(self) -> &'static str {
        self.row().2
    }

    pub(crate) fn from_label(label: &str) -> Option<Self> {
        ALL.into_iter().find(|(_, known, _)| *known == label).map(|(why, _, _)| why)
    }

    fn row(self) -> (WhyNot, &'static str, &'static str) {
        ALL.into_iter().find(|(why, _, _)| *why == self).expect("each stands in the list")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own() {
        for (at, (why, label, _)) in ALL.into_iter().enumerate() {
            assert_eq!((why as usize, why.label(), WhyNot::from_label(label)), (at, label, Some(why)));
        }
        assert_eq!(ALL.last().map(|(why, ..)| *why), Some(WhyNot::RefusedByBackoffice));
    }
}
