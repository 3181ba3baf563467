//! Who is let in and how, in words.

use gateway::{SecurityProfile, TermsView};
use store::{KeyForm, Login};

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
pub fn why_refused(terms: Option<&TermsView>) -> &'static str {
    let Some(terms) = terms else {
        return "No rule in proxy.toml matches it any more.";
    };
    match terms.profile {
        SecurityProfile::None => "Nobody has admitted it.",
        SecurityProfile::Basic => "Nobody has admitted it. It needs a key.",
        SecurityProfile::TlsWithBasic => "Nobody has admitted it. It needs a key, and must dial wss://.",
        SecurityProfile::ClientCertificate => {
            "Nobody has admitted it. It needs a certificate of its own, and must dial wss://."
        }
    }
}

/// How a charger proved last who it is.
pub fn login(login: Option<&Login>) -> &'static str {
    let Some(login) = login else { return "it has not come yet" };
    match login.form {
        None => "without a key",
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
