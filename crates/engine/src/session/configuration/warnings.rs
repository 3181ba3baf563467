//! Settings that will hurt whoever wrote them: sent on all the same, but not silently (semantics §6.3).

use crate::session::Session;
use crate::{BackofficeId, payload};

impl Session {
    /// The charger has accepted this setting.
    pub(in crate::session) fn warn_of_setting(&mut self, by: &BackofficeId, request: &str) {
        let key = payload::text(request, "key").unwrap_or_default();
        let value = payload::text(request, "value").and_then(|value| value.trim().parse::<u64>().ok());
        let (Some(value), is) = (value, |name: &str| key.eq_ignore_ascii_case(name)) else { return };
        let why = if is("TransactionMessageAttempts") && value == 0 {
            "a transaction message that is not answered at once would be lost".to_owned()
        } else if is("ClockAlignedDataInterval") && (1..60).contains(&value) {
            format!("every charger of a site would send meter values every {value} s, all at once")
        } else if is("WebSocketPingInterval") && self.patience_s().is_some_and(|patience| value > patience) {
            // A link that is dead is then noticed later than its messages are given up (OCPP-J 1.6 errata 3.9).
            format!("a dead connection would be noticed after {value} s, when messages are given up already")
        } else {
            return;
        };
        self.alert("unwise_setting", format!("{by} has set {key} to {value}: {why}"));
    }

    /// How long the charger tries to say a transaction message, as far as is known.
    fn patience_s(&self) -> Option<u64> {
        let attempts = self.configuration.real_number("TransactionMessageAttempts")?;
        let interval = self.configuration.real_number("TransactionMessageRetryInterval")?;
        Some(attempts.saturating_mul(interval))
    }
}
