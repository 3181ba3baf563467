//! Calls: which, a page of them, one of them, and what is new.

use engine::{BackofficeId, ChargerId, TraceId};
use rusqlite::Connection;

use super::Page;
use crate::{LoggedCall, News, StoreError};

/// Which calls. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallsQuery {
    /// Whose; `None`: of all chargers.
    pub charger: Option<ChargerId>,
    /// Terms separated by spaces, all of which must occur, as in [`Filter::search`](crate::Filter::search).
    pub text: String,
    /// Of this card; capitals and small letters are equal (OCPP 1.6 §7.28).
    pub id_tag: Option<String>,
    /// Of this transaction, by the number that the charger or any backoffice uses.
    pub transaction: Option<i64>,
    /// Exactly this action, in any case.
    pub action: Option<String>,
    /// Leave out what only says that all is well: Heartbeat and MeterValues.
    pub hide_routine: bool,
    /// Who called.
    pub caller: Option<Caller>,
    /// How it ended.
    pub outcome: Option<OutcomeIs>,
    /// Received at this time or later; UTC, milliseconds since 1970.
    pub since_unix_ms: Option<i64>,
    /// Received at this time or earlier; UTC, milliseconds since 1970.
    pub until_unix_ms: Option<i64>,
    /// Those that follow this one: the `next` of the page before.
    pub before: Option<i64>,
    /// So many at most.
    pub limit: usize,
}

/// Who called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The charger.
    Charger,
    /// Any backoffice.
    AnyBackoffice,
    /// This backoffice.
    Backoffice(BackofficeId),
}

/// How a call ended for whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeIs {
    /// Answered with a status that says yes, such as `Accepted`.
    Accepted,
    /// Answered with a status that says no, such as `Invalid`, `Blocked` or `Rejected`.
    Refused,
    /// Answered with a CALLERROR.
    Error,
    /// Not answered.
    Unanswered,
    /// A follower answered differently than the leader, whatever the leader answered.
    Differs,
}

pub(super) fn page(_connection: &Connection, _query: &CallsQuery) -> Result<Page<LoggedCall>, StoreError> {
    Ok(Page { items: Vec::new(), next: None })
}

pub(super) fn one(_connection: &Connection, _trace: TraceId) -> Result<Option<LoggedCall>, StoreError> {
    Ok(None)
}

pub(super) fn cursor(_connection: &Connection) -> Result<i64, StoreError> {
    Ok(0)
}

pub(super) fn news(_connection: &Connection, _query: &CallsQuery, cursor: i64) -> Result<News, StoreError> {
    Ok(News { items: Vec::new(), cursor })
}
