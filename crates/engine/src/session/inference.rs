//! Which transaction the charger means, also where its number says nothing (semantics §2.7).

use crate::payload;
use crate::session::transactions::Transactions;
use crate::time::instant;
use crate::{TraceId, TransactionRow};

/// Which transaction a message of the charger belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To this: the charger uses its number.
    Named(TraceId),
    /// To this, as far as anybody can tell (semantics T-50).
    Inferred(TraceId),
    /// To none that is known here.
    Nowhere,
}

impl Belongs {
    pub(super) fn trace(self) -> Option<TraceId> {
        match self {
            Belongs::Named(trace) | Belongs::Inferred(trace) => Some(trace),
            Belongs::Nowhere => None,
        }
    }

    /// What the log says of it.
    pub(super) fn flag(self) -> Option<&'static str> {
        match self {
            Belongs::Named(_) => None,
            Belongs::Inferred(_) => Some("inferred"),
            Belongs::Nowhere => Some("unknown_transaction"),
        }
    }
}

impl Transactions {
    /// The row that a StopTransaction belongs to.
    pub(super) fn of_stop(&self, request: &str) -> Belongs {
        let number = payload::integer(request, "transactionId");
        self.belongs(number, || self.inferred_for_stop(request))
    }

    /// The row that a MeterValues of this connector belongs to; the number as it stands there.
    pub(super) fn of_meter_values(&self, number: &str, connector_id: i64) -> Belongs {
        self.belongs(number.parse().ok(), || self.inferred_for_meter(connector_id))
    }

    fn belongs(&self, number: Option<i64>, inferred: impl FnOnce() -> Option<TraceId>) -> Belongs {
        if let Some(row) = number.and_then(|number| self.by_charger_number(number)) {
            return Belongs::Named(row.trace);
        }
        // It means none of those that run.
        if number.is_some_and(|number| self.is_of_the_past(number)) {
            return Belongs::Nowhere;
        }
        inferred().map_or(Belongs::Nowhere, Belongs::Inferred)
    }

    /// The row that a MeterValues with a number nobody issued belongs to, if there is exactly one
    /// candidate (semantics T-50).
    fn inferred_for_meter(&self, connector_id: i64) -> Option<TraceId> {
        only(self.running().filter(|row| row.connector_id == connector_id && !row.superseded))
    }

    /// The row that a StopTransaction with a number nobody issued belongs to, if there is exactly
    /// one candidate (semantics T-50).
    fn inferred_for_stop(&self, request: &str) -> Option<TraceId> {
        let id_tag = payload::text(request, "idTag");
        let meter_stop = payload::integer(request, "meterStop");
        let stopped_at = payload::text(request, "timestamp").and_then(|t| instant(&t));
        let fits = |row: &&TransactionRow| {
            let tag = id_tag.as_deref().is_none_or(|tag| tag.eq_ignore_ascii_case(&row.id_tag));
            let meter = meter_stop.is_none_or(|stop| stop >= row.meter_start);
            let time = match (stopped_at, instant(&row.started_at)) {
                (Some(stop), Some(start)) => stop >= start,
                _ => true,
            };
            tag && meter && time
        };
        // A start that the charger has no number for is the likeliest.
        only(self.running().filter(|row| row.charger_number.is_none()).filter(fits))
            .or_else(|| only(self.running().filter(fits)))
    }
}

fn only<'a>(mut rows: impl Iterator<Item = &'a TransactionRow>) -> Option<TraceId> {
    match (rows.next(), rows.next()) {
        (Some(row), None) => Some(row.trace),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::transactions::Start;
    use crate::{ChargerTransactionId, Moment, Tick};

    #[test]
    fn the_number_of_a_forgotten_transaction_means_none_that_runs() {
        let mut transactions = Transactions::default();
        transactions.remember(Vec::new(), vec![ChargerTransactionId(5)], &[]);
        let request = r#"{"connectorId":1,"idTag":"CARD","meterStart":0,"timestamp":"2026-11-22T12:04:01Z"}"#;
        let trace = TraceId::try_from("01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()).expect("a ULID");
        let now = Moment { tick: Tick(0), unix_ms: 0 };
        let leader = "volt".into();
        transactions.open(trace, now, Start::read(request), request, &leader, [].into_iter());
        transactions.get_mut(trace).expect("just opened").charger_number = Some(ChargerTransactionId(7));
        let stop = |number: i64| {
            format!(r#"{{"transactionId":{number},"meterStop":9,"timestamp":"2026-11-22T12:14:00Z"}}"#)
        };
        for (number, expected) in
            [(7, Belongs::Named(trace)), (-1, Belongs::Inferred(trace)), (5, Belongs::Nowhere)]
        {
            assert_eq!(transactions.of_stop(&stop(number)), expected, "StopTransaction {number}");
            let of_values = transactions.of_meter_values(&number.to_string(), 1);
            assert_eq!(of_values, expected, "MeterValues {number}");
        }
    }
}
