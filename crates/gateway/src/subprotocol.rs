//! Which OCPP version a charger and its leader speak, agreed by `Sec-WebSocket-Protocol`
//! (OCPP-J 1.6 §3.2, semantics F-63 to F-67).

use hyper::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};

/// An OCPP version, by the token that names it in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// The registered subprotocol name.
    pub(crate) token: &'static str,
}

/// OCPP 1.6J.
pub(crate) const OCPP_16: Version = Version { token: "ocpp1.6" };

/// What the engine can speak.
const SPOKEN: &[Version] = &[OCPP_16];

/// What a charger's offer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It named versions that we speak, in its order of preference.
    Common(Vec<Version>),
    /// It named none at all: OCPP 1.6 is assumed and no header answered, as a client must refuse a
    /// subprotocol that it did not offer (semantics F-65).
    Unnamed,
    /// It named only what we do not speak.
    NoneInCommon,
}

impl Offer {
    /// Reads every `Sec-WebSocket-Protocol` header of a request; both a list and repeated headers
    /// are in use. Tokens are case-sensitive (RFC 6455 §4.1).
    pub(crate) fn read(headers: &HeaderMap) -> Offer {
        let mut named = false;
        let mut common: Vec<Version> = Vec::new();
        for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                named |= !token.is_empty();
                let spoken = SPOKEN.iter().find(|version| version.token.as_bytes() == token);
                if let Some(version) = spoken.filter(|version| !common.contains(version)) {
                    common.push(*version);
                }
            }
        }
        match (common.is_empty(), named) {
            (false, _) => Offer::Common(common),
            (true, true) => Offer::NoneInCommon,
            (true, false) => Offer::Unnamed,
        }
    }

    /// What is offered to the leader: the charger's order of preference.
    pub(crate) fn versions(&self) -> &[Version] {
        match self {
            Offer::Common(versions) => versions,
            Offer::Unnamed => SPOKEN,
            Offer::NoneInCommon => &[],
        }
    }

    /// What the charger is answered once `version` is agreed; `None` when it offered nothing.
    pub(crate) fn answer(&self, version: Version) -> Option<&'static str> {
        match self {
            Offer::Common(versions) if versions.contains(&version) => Some(version.token),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers() {
        let common = Offer::Common(vec![OCPP_16]);
        let cases: &[(&[&str], Offer)] = &[
            (&["ocpp1.6"], common.clone()),
            (&["ocpp2.1, ocpp2.0.1, ocpp1.6"], common.clone()),
            (&["ocpp2.0.1,ocpp1.6"], common.clone()),
            (&["ocpp2.0.1", "ocpp1.6"], common.clone()),
            (&["ocpp1.6", "ocpp1.6"], common.clone()),
            (&["  ocpp1.6\t, chat"], common.clone()),
            (&["ocpp1.6,"], common.clone()),
            (&[], Offer::Unnamed),
            (&[""], Offer::Unnamed),
            (&[" , "], Offer::Unnamed),
            (&["ocpp2.0.1"], Offer::NoneInCommon),
            (&["OCPP1.6"], Offer::NoneInCommon),
            (&["ocpp1.6j"], Offer::NoneInCommon),
            (&["ocpp1.6 ocpp2.0.1"], Offer::NoneInCommon),
            (&["ocpp1.5"], Offer::NoneInCommon),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(SEC_WEBSOCKET_PROTOCOL, value.parse().unwrap());
            }
            assert_eq!(Offer::read(&headers), *expected, "{values:?}");
        }
        assert_eq!(cases.len(), 15);
    }

    #[test]
    fn a_charger_that_offered_nothing_is_answered_nothing() {
        assert_eq!(Offer::Unnamed.answer(OCPP_16), None);
        assert_eq!(Offer::Unnamed.versions(), [OCPP_16]);
        assert_eq!(Offer::Common(vec![OCPP_16]).answer(OCPP_16), Some("ocpp1.6"));
    }
}
