//! Transactions, running and past.

use std::collections::BTreeMap;

use engine::{BackofficeId, ChargerId, TransactionRow};
use rusqlite::Connection;
use serde::Serialize;

use super::Page;
use crate::StoreError;

/// Which transactions. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionsQuery {
    /// Whose; `None`: of all chargers.
    pub charger: Option<ChargerId>,
    /// Only those that are not closed.
    pub running_only: bool,
    /// Of this card; capitals and small letters are equal (OCPP 1.6 §7.28).
    pub id_tag: Option<String>,
    /// Those that follow this one: the `next` of the page before.
    pub before: Option<i64>,
    /// So many at most.
    pub limit: usize,
}

/// A transaction with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedTransaction {
    /// Whose, as it was spelled when it began.
    pub charger: ChargerId,
    /// What is remembered of it, with the number that every backoffice uses.
    pub row: TransactionRow,
    /// Energy in Wh, from `meterStart` to `meterStop`; `None` until it is stopped, or when the meter ran
    /// backwards.
    pub energy_wh: Option<i64>,
    /// How many of its messages wait for a backoffice; those for which none does are left out.
    pub waiting: BTreeMap<BackofficeId, u64>,
    /// How many of its messages are parked for a backoffice: an operator must look at them.
    pub parked: BTreeMap<BackofficeId, u64>,
}

pub(super) fn page(
    _connection: &Connection,
    _query: &TransactionsQuery,
) -> Result<Page<ListedTransaction>, StoreError> {
    Ok(Page { items: Vec::new(), next: None })
}
