//! What a MeterValues says about itself, read once and kept with its copies (semantics §2.4).

use crate::fingerprint::fingerprint;
use crate::payload::Fields;
use crate::{Text, payload};

/// The members that are read of it.
pub(super) const MEMBERS: [&str; 2] = ["transactionId", "connectorId"];

/// What matters of a MeterValues besides its values.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    /// `transactionId` as its JSON token, a slice of the payload.
    pub(super) transaction: Option<Text>,
    /// `connectorId`, if it is a number.
    pub(super) connector: Option<i64>,
    /// Whether a backoffice asked for any of its samples: then it is no transaction message (semantics T-30).
    pub(super) is_triggered: bool,
    /// By what it is recognised when it is said again.
    pub(super) fingerprint: u64,
}

impl Meter {
    pub(super) fn read(request: &Text) -> Self {
        Self::of(request, &payload::fields(request, MEMBERS))
    }

    /// Of a request whose members are found already.
    pub(super) fn of(request: &Text, found: &Fields<'_, { MEMBERS.len() }>) -> Self {
        let [transaction, connector] = found.tokens;
        Self {
            transaction: transaction.map(|token| request.slice_ref(token)),
            connector: connector.and_then(|token| token.parse().ok()),
            is_triggered: has_context(request, "Trigger"),
            fingerprint: fingerprint(("MeterValues", &**request)),
        }
    }
}

/// Whether any sample of a MeterValues is clock-aligned.
pub(super) fn is_clock_aligned(request: &str) -> bool {
    has_context(request, "Sample.Clock")
}

fn has_context(request: &str, wanted: &str) -> bool {
    // Rare; and an escaped letter in it is rarer than the scan is dear.
    let (bytes, wanted_bytes) = (request.as_bytes(), wanted.as_bytes());
    if !memchr::memchr_iter(wanted_bytes[0], bytes).any(|at| bytes[at..].starts_with(wanted_bytes)) {
        return false;
    }
    let values = payload::field(request, "meterValue").map(payload::elements).unwrap_or_default();
    values.into_iter().filter_map(|value| payload::field(value, "sampledValue")).any(|samples| {
        payload::elements(samples)
            .into_iter()
            .any(|sample| payload::text(sample, "context").is_some_and(|context| context == wanted))
    })
}
