//! What each party is told: the same message, with its own numbers in it (semantics T-31, T-40, T-51, §3.6).

use crate::session::Session;
use crate::session::meter::is_clock_aligned;
use crate::session::outbox::Copy;
use crate::session::owned::Family;
use crate::session::transactions::number_of;
use crate::{BackofficeId, Text, TransactionRow, limits, payload};

impl Session {
    /// The payload with the numbers of this backoffice; `None` when it must not be told.
    pub(super) fn payload_for(&self, id: &BackofficeId, copy: &Copy) -> Option<Text> {
        let row = copy.transaction.and_then(|trace| self.transactions.get(trace));
        match copy.name() {
            "Authorize" => Some(self.with_alias(id, copy.payload.clone())),
            "StartTransaction" => Some(self.with_alias(id, self.start_for(id, copy))),
            "MeterValues" => meter_values_for(id, copy, row, self.leads(id)),
            "StopTransaction" => {
                stop_for(id, copy, row, self.leads(id)).map(|stop| self.with_alias(id, stop))
            }
            "LogStatusNotification" | "SignedFirmwareStatusNotification" => {
                Some(self.with_own_number(id, copy, Family::Request, "requestId"))
            }
            _ => Some(copy.payload.clone()),
        }
    }

    fn start_for(&self, id: &BackofficeId, copy: &Copy) -> Text {
        self.with_own_number(id, copy, Family::Reservation, "reservationId")
    }

    /// A number that a backoffice chose: its owner gets its own, others no such member; what
    /// nobody chose the leader gets as it is (semantics M-3, K-32).
    fn with_own_number(&self, id: &BackofficeId, copy: &Copy, family: Family, name: &str) -> Text {
        let Some(token) = payload::field(&copy.payload, name) else { return copy.payload.clone() };
        let number = token.parse().ok();
        let owned = number.and_then(|number| self.owned.owner(family, number));
        let is_foreign = number.is_none_or(|number| !limits::OWN_IDS.contains(&number));
        match owned {
            Some(owned) if owned.owner == *id => with_integer(&copy.payload, token, owned.at_owner),
            None if self.leads(id) && is_foreign => copy.payload.clone(),
            _ => payload::without(&copy.payload, &copy.payload, name).into(),
        }
    }

    /// A message that a backoffice cannot be told: a StopTransaction is never lost silently.
    pub(super) fn not_told(&mut self, at: usize, copy: &Copy) {
        match (copy.number, copy.name()) {
            (Some(_), "StopTransaction") => self.park(at, copy, "start_was_not_booked"),
            (Some(number), _) => self.delivered(at, number),
            (None, _) => {}
        }
    }
}

fn meter_values_for(
    id: &BackofficeId,
    copy: &Copy,
    row: Option<&TransactionRow>,
    leads: bool,
) -> Option<Text> {
    let Some(token) = copy.meter.as_ref().and_then(|meter| meter.transaction.as_ref()) else {
        return Some(copy.payload.clone());
    };
    let without = || Text::from(payload::without(&copy.payload, &copy.payload, "transactionId"));
    let Some(row) = row else {
        // It may be from before the proxy was there: the leader may know it (semantics T-33).
        return Some(if leads { copy.payload.clone() } else { without() });
    };
    if leads && !is_special(token) && row.charger_number.is_none_or(|number| token.parse() != Ok(number.0)) {
        // Inferred for the followers; the leader may know better (semantics T-33).
        return Some(copy.payload.clone());
    }
    match number_of(row, id) {
        Some(number) => Some(with_integer(&copy.payload, token, number)),
        None if leads || is_clock_aligned(&copy.payload) => Some(without()),
        None => None,
    }
}

fn stop_for(id: &BackofficeId, copy: &Copy, row: Option<&TransactionRow>, leads: bool) -> Option<Text> {
    let token = payload::field(&copy.payload, "transactionId");
    let (Some(row), Some(token)) = (row, token) else {
        // Nobody else has such a stop among its deliveries than who led when it was said. A number that is
        // none it may hear also when it follows by now.
        let was_its = copy.number.is_some() && copy.transaction.is_none() && token.is_none_or(is_special);
        return (leads || was_its).then(|| copy.payload.clone());
    };
    match number_of(row, id) {
        Some(number) => Some(with_integer(&copy.payload, token, number)),
        // A backoffice that never confirmed the start is told what a charger tells it then: −1, or
        // whatever special number the charger itself sent (OCPP 1.6 errata 3.18, semantics T-51).
        // Among the deliveries a stop without its start is an operator's business (semantics T-59).
        None if leads && copy.number.is_none() => {
            let is_own = row.charger_number.is_some_and(|number| token.parse() == Ok(number.0));
            Some(if is_own { with_integer(&copy.payload, token, -1) } else { copy.payload.clone() })
        }
        None => None,
    }
}

/// Whether a transaction number is one that nobody issues: −1, 0, or beyond 32 bits
/// (semantics T-4, T-5, T-7).
fn is_special(token: &str) -> bool {
    !token.parse().is_ok_and(|number: i64| (1..=limits::LARGEST_TRANSACTION_NUMBER).contains(&number))
}

/// The payload with an integer in the place of one token; the same bytes where nothing changes.
pub(super) fn with_integer(whole: &Text, token: &str, number: i64) -> Text {
    // JSON has one way of writing an integer, but for a zero that is negative.
    if token.parse() == Ok(number) && token != "-0" {
        return whole.clone();
    }
    payload::replaced(whole, token, &number.to_string()).into()
}
