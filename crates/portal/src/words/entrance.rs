//! Who is let in and how, in words.

use gateway::{SecurityProfile, TermsView};
use store::{KeyForm, Knocking, Login, WhyNot};

/// What a rule asks of its chargers, as the end of "It must come with …".
pub fn asks(profile: SecurityProfile) -> &'static str {
    match profile {
        SecurityProfile::None => "nothing, unless it has a key",
        SecurityProfile::Basic => "its key",
        SecurityProfile::TlsWithBasic => "its key, over TLS",
        SecurityProfile::ClientCertificate => "a certificate of its own, over TLS",
    }
}

/// Why a charger that knocks is refused, and what else would be in its way; a sentence or two.
pub fn why_refused(terms: Option<&TermsView>, why: WhyNot) -> &'static str {
    let Some(terms) = terms else {
        return match why {
            WhyNot::NoRule => {
                "No rule in proxy.toml matches it. Compare its identity with what each rule there has as its match."
            }
            _ => "No rule in proxy.toml matches it any more.",
        };
    };
    if why == WhyNot::WrongCertificate {
        return "Nobody has admitted it, and its certificate is for another charger.";
    }
    match terms.profile {
        SecurityProfile::None => "Nobody has admitted it.",
        SecurityProfile::Basic => "Nobody has admitted it. It needs a key.",
        SecurityProfile::TlsWithBasic => "Nobody has admitted it. It needs a key, and must dial wss://.",
        SecurityProfile::ClientCertificate => {
            "Nobody has admitted it. It needs a certificate of its own, and must dial wss://."
        }
    }
}

/// What was wrong with a charger that is expected and was turned away; the end of "… was turned away: ".
pub fn turned_away(one: &Knocking) -> String {
    match (one.why, one.locked_out) {
        (why, true) if why != WhyNot::TooManyFailures => {
            format!("{}; after too many failures it is looked at only now and then", why.text())
        }
        (why, _) => why.text().to_owned(),
    }
}

/// What to do about that.
pub fn remedy(why: WhyNot) -> &'static str {
    match why {
        WhyNot::NoRule | WhyNot::Unknown => "Admit it if you know it.",
        WhyNot::NoPassword => "Enter its user name and its key in the charger, as its password.",
        WhyNot::NoKeyHere => "Write its key under keys in proxy.toml, or admit it with a new one.",
        WhyNot::OtherUser => {
            "Enter the user name that its rule expects in the charger: its identity, or basic_user."
        }
        WhyNot::WrongKey => {
            "If it is the charger itself, enter its key again, or admit it with a new one and enter that."
        }
        WhyNot::LostSeal => {
            "Put that file back from where the store is backed up to and start again, or admit it with a new key."
        }
        WhyNot::NoCertificate => "Install its client certificate in the charger.",
        WhyNot::WrongCertificate => "Install the certificate that bears this identity in the charger.",
        WhyNot::Revoked => {
            "If it is the charger itself, give it a new certificate; the one that it shows opens nothing any more."
        }
        WhyNot::WithoutTls => "Have it dial wss:// and the port for TLS.",
        WhyNot::TlsBefore => {
            "Have it dial wss:// again. If it is to come without TLS, allow that under Knocking."
        }
        WhyNot::TooManyFailures => {
            "Somebody guesses keys from its address. It is let in as soon as that ends."
        }
        WhyNot::RefusedByBackoffice => {
            "Its backoffice, which is shown its password, does not take it: ask there which it expects."
        }
    }
}

/// How a charger proved last who it is.
pub fn login(login: Option<&Login>) -> &'static str {
    let Some(login) = login else { return "it has not come yet" };
    match login.form {
        // Who proved nothing leaves nothing behind.
        None => "a certificate of its own",
        Some(KeyForm::Text) => "its key, as text",
        Some(KeyForm::Bytes) => "its key, as bytes",
        Some(KeyForm::HexLower) => "its key, as hexadecimal text",
        Some(KeyForm::HexUpper) => "its key, as hexadecimal text in capitals",
    }
}

/// What an operator ordered about who is let in.
pub fn order(what: &str, with_key: bool) -> &str {
    match what {
        "admitted" if with_key => "admitted with a new key",
        "admitted" => "admitted without a key",
        "removed" => "removed: not let in any more",
        "plain_allowed" => "may come without TLS once more",
        "keys_forgotten" => "keys that backoffices had changed were forgotten",
        "forgotten" => "taken off the list of those who knock",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_rule_matches_that_is_said_and_not_that_somebody_is_to_admit_it() {
        let said = why_refused(None, WhyNot::NoRule);
        assert_eq!(
            said,
            "No rule in proxy.toml matches it. Compare its identity with what each rule there has as its match."
        );
        assert_eq!(why_refused(None, WhyNot::Unknown), "No rule in proxy.toml matches it any more.");
    }
}
