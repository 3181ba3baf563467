//! Configuration keys: which are never written through the proxy, which are never shown, and the
//! answers that followers share (semantics §6.3, F-35).

use std::collections::VecDeque;

use crate::{Fact, Text, Tick, limits, payload};

/// Recent answers of GetConfiguration, so that several backoffices that ask the same do not stall a
/// charger (semantics F-35, Q-70).
#[derive(Debug)]
pub(super) struct Configuration {
    answers: VecDeque<(Text, Text, Tick)>,
    /// Whether the charger ends a transaction whose card is refused, as far as was ever read or
    /// written (OCPP 1.6 §9.1.27); chargers do by default.
    pub(super) stops_on_invalid_id: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { answers: VecDeque::new(), stops_on_invalid_id: true }
    }
}

/// The fact that holds whether the charger ends a transaction whose card is refused.
pub(super) const STOPS_ON_INVALID_ID: &str = "configuration/StopTransactionOnInvalidId";

impl Configuration {
    pub(super) fn answer(&self, request: &str, now: Tick) -> Option<Text> {
        let fresh = |at: &Tick| now.since(*at) < limits::CONFIGURATION_AGE;
        self.answers
            .iter()
            .find(|(asked, _, at)| asked == request && fresh(at))
            .map(|(_, answer, _)| answer.clone())
    }

    pub(super) fn learn(&mut self, request: Text, answer: Text, now: Tick) {
        self.answers.retain(|(asked, _, _)| *asked != request);
        if self.answers.len() == limits::CONFIGURATION_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((request, answer, now));
    }

    /// A setting of the charger, with its `key` and `value`. Returns what is to be kept of it.
    pub(super) fn learn_setting(&mut self, setting: &str) -> Vec<Fact> {
        let is_it = payload::text(setting, "key")
            .is_some_and(|key| key.eq_ignore_ascii_case("StopTransactionOnInvalidId"));
        let Some(value) = payload::text(setting, "value").filter(|_| is_it) else { return Vec::new() };
        let stops = !value.trim().eq_ignore_ascii_case("false");
        if std::mem::replace(&mut self.stops_on_invalid_id, stops) == stops {
            return Vec::new();
        }
        vec![Fact { key: STOPS_ON_INVALID_ID.to_owned(), body: Some(stops.to_string()) }]
    }

    /// What was read may not be so any more.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
    }
}

/// Names that vendors give to the address of the backoffice, by their parts.
const ADDRESS_PARTS: [(&[&str], &[&str]); 2] = [
    (
        &["ocpp", "server", "backend", "backoffice", "csms", "centralsystem", "central_system", "websocket"],
        &["url", "uri", "host", "address", "endpoint", "port", "domain"],
    ),
    (&["chargebox", "chargepoint", "chargingstation"], &["identity", "identifier"]),
];

/// Whether writing the key could part the charger from the proxy (invariant I-7, semantics §6.3).
pub(super) fn is_never_forwarded(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let standard = [
        "authorizationkey",
        "securityprofile",
        "additionalrootcertificatecheck",
        "certificatestoremaxlength",
    ];
    let is_address = ADDRESS_PARTS.iter().any(|(whose, what)| {
        whose.iter().any(|part| key.contains(part)) && what.iter().any(|part| key.contains(part))
    });
    let is_access_point = key.split(['.', '_', '-']).any(|word| word.starts_with("apn"));
    standard.contains(&key.as_str()) || is_address || is_access_point
}

/// Whether each backoffice has its own value of the key (semantics §6.3).
pub(super) fn is_virtual(key: &str) -> bool {
    key.eq_ignore_ascii_case("HeartbeatInterval")
}

/// A GetConfiguration.conf without keys that are write-only: the charger's password is shown to
/// nobody, even where the charger itself returns it (semantics S-24).
pub(super) fn without_secrets(answer: &Text) -> Text {
    let is_secret = |element: &str| {
        payload::text(element, "key").is_some_and(|key| {
            let key = key.to_ascii_lowercase();
            key == "authorizationkey" || key.contains("password")
        })
    };
    match payload::field(answer, "configurationKey") {
        Some(keys) if payload::elements(keys).into_iter().any(is_secret) => {
            payload::without_elements(answer, keys, is_secret).into()
        }
        _ => answer.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_part_the_charger_from_the_proxy_are_known() {
        let never = [
            "AuthorizationKey",
            "SECURITYPROFILE",
            "CentralSystemURI",
            "centralSystemUrl",
            "OCPPServerURL",
            "ocpp.endpoint",
            "ServerAddress",
            "server_host",
            "BackendUrl",
            "ChargePointIdentity",
            "APN",
            "apnPassword",
            "modem.apn",
            "WebSocketUrl",
        ];
        let free = [
            "HeartbeatInterval",
            "WebSocketPingInterval",
            "MeterValueSampleInterval",
            "MeterValuesSampledData",
            "SupportedFeatureProfiles",
            "LocalAuthListEnabled",
            "ConnectorPhaseRotation",
            "LightIntensity",
            "SupportedFileTransferProtocols",
            "CpoName",
        ];
        assert_eq!((never.len(), free.len()), (14, 10));
        assert_eq!(
            never.iter().filter(|key| !is_never_forwarded(key)).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
        assert_eq!(
            free.iter().filter(|key| is_never_forwarded(key)).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
    }

    #[test]
    fn a_password_is_shown_to_nobody() {
        let answer = Text::from_static(
            r#"{"configurationKey":[{"key":"A","readonly":true,"value":"1"},{"key":"AuthorizationKey","value":"6b"}]}"#,
        );
        assert_eq!(
            without_secrets(&answer),
            r#"{"configurationKey":[{"key":"A","readonly":true,"value":"1"}]}"#
        );
        let harmless = Text::from_static(r#"{"configurationKey":[ ],"unknownKey":["AuthorizationKey"]}"#);
        assert_eq!(without_secrets(&harmless), harmless);
    }
}
