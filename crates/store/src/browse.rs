//! What pages show: chargers, calls, transactions and comparisons, a page at a time and never a whole
//! table.
//!
//! A [`Browser`] reads on threads of its own, so that whoever looks at a page never makes a charger wait.

mod chargers;
mod comparison;
mod lists;
pub(crate) mod search;
#[cfg(test)]
mod tests;
mod transactions;
mod walk;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use engine::{ChargerId, TraceId};
use rusqlite::Connection;
use serde::Serialize;

pub use self::chargers::{ChargerSummary, ChargersQuery, Connector, RunningTransaction};
pub use self::comparison::{CardDifference, Comparison, ComparisonQuery, FieldDifference, Latency};
pub use self::search::{Caller, CallsQuery, OutcomeIs};
pub use self::transactions::{ListedTransaction, TransactionsQuery};
use crate::entrance::{self, Admission, AdmissionChange, Knocking, Login};
use crate::keys::{self, ChargerKeys, LinkKeys};
use crate::lead::{self, LeadChange, LeaderOverride};
use crate::memory::Readers;
use crate::{ListedLane, LoggedCall, LoggedOccurrence, News, OpenError, StoreError, database};

/// Threads that answer questions, each with a connection.
const READERS: usize = 3;
/// Questions that may wait for them; what comes beyond is refused with [`StoreError::Overloaded`].
const QUESTIONS: usize = 64;
/// What one page holds at most.
const PAGE: usize = 10_000;

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T, C = i64> {
    /// What was found, in the order of the list. May be less than was asked for, even nothing, while there
    /// is more: a search looks at a bounded number of rows at a time.
    pub items: Vec<T>,
    /// What to ask with for the part that follows; `None` at the end of the list.
    pub next: Option<C>,
}

/// Reads what pages show. Cheap to clone; the last clone dropped ends its threads.
#[derive(Clone)]
pub struct Browser(Arc<Readers>);

impl Browser {
    /// Opens the file that a proxy writes, or has written.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        database::check_current(path)?;
        Ok(Self(Arc::new(Readers::start(path, READERS, QUESTIONS)?)))
    }

    /// Chargers in alphabetical order.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn chargers(
        &self,
        query: ChargersQuery,
    ) -> Result<Page<ChargerSummary, ChargerId>, StoreError> {
        self.ask(move |connection| chargers::page(connection, &query)).await
    }

    /// One charger, however it is spelled; `None` when nothing is known of it.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn charger(&self, charger: &ChargerId) -> Result<Option<ChargerSummary>, StoreError> {
        let charger = charger.clone();
        self.ask(move |connection| chargers::one(connection, &charger)).await
    }

    /// Calls, those received last first, each with the answers of all backoffices.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn calls(&self, query: CallsQuery) -> Result<Page<LoggedCall>, StoreError> {
        self.ask(move |connection| search::page(connection, &query)).await
    }

    /// One call with the answers of all backoffices.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn call(&self, trace: TraceId) -> Result<Option<LoggedCall>, StoreError> {
        self.ask(move |connection| search::one(connection, trace)).await
    }

    /// The end of the log, from where [`Browser::news`] goes on.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn cursor(&self) -> Result<i64, StoreError> {
        self.ask(search::cursor).await
    }

    /// What was written after `cursor` and passes the query, in the order of writing. Occurrences are among
    /// it unless the query asks for something that only a call has. An answer that comes late is told also
    /// when its call passes the query only because of it. The query's `before` and times are not used.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn news(&self, query: CallsQuery, cursor: i64) -> Result<News, StoreError> {
        self.ask(move |connection| search::news(connection, &query, cursor)).await
    }

    /// The actions that occur in the log of a charger, in alphabetical order; of a log that goes back for months, in its
    /// newest part.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn actions(&self, charger: &ChargerId) -> Result<Vec<String>, StoreError> {
        let charger = charger.clone();
        self.ask(move |connection| lists::actions(connection, &charger)).await
    }

    /// What happened to a charger and its links within these times (both included; UTC, milliseconds since
    /// 1970), the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn occurrences(
        &self,
        charger: &ChargerId,
        since_unix_ms: Option<i64>,
        until_unix_ms: Option<i64>,
        limit: usize,
    ) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let charger = charger.clone();
        self.ask(move |connection| {
            lists::occurrences(connection, &charger, since_unix_ms, until_unix_ms, limit)
        })
        .await
    }

    /// Transactions, those begun last first.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn transactions(
        &self,
        query: TransactionsQuery,
    ) -> Result<Page<ListedTransaction>, StoreError> {
        self.ask(move |connection| transactions::page(connection, &query)).await
    }

    /// How a follower's answers compare with the leader's.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn comparison(&self, query: ComparisonQuery) -> Result<Comparison, StoreError> {
        self.ask(move |connection| comparison::compare(connection, &query)).await
    }

    /// What waits or is parked for each backoffice of a charger.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn lanes(&self, charger: &ChargerId) -> Result<Vec<ListedLane>, StoreError> {
        let charger = charger.clone();
        self.ask(move |connection| lists::lanes(connection, &charger)).await
    }

    /// When and by whom another leader was set, or the override removed; the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn lead_history(
        &self,
        charger: &ChargerId,
        limit: usize,
    ) -> Result<Vec<LeadChange>, StoreError> {
        let charger = charger.clone();
        self.ask(move |connection| lead::history(connection, &charger, limit.clamp(1, PAGE))).await
    }

    /// Every charger whose leader is not the one that `proxy.toml` names, in alphabetical order.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn leader_overrides(&self) -> Result<Vec<LeaderOverride>, StoreError> {
        self.ask(lead::overrides).await
    }

    /// What operators ordered about who is let in; the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn admission_history(&self, limit: usize) -> Result<Vec<AdmissionChange>, StoreError> {
        self.ask(move |connection| entrance::history(connection, limit.clamp(1, PAGE))).await
    }

    /// Every charger that an operator has let in.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn admissions(&self) -> Result<Vec<Admission>, StoreError> {
        self.ask(entrance::admissions).await
    }

    /// How each charger proved last who it is.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn logins(&self) -> Result<Vec<Login>, StoreError> {
        self.ask(entrance::logins).await
    }

    /// Every key that a backoffice has set for a link.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn link_keys(&self) -> Result<Vec<LinkKeys>, StoreError> {
        self.ask(keys::link_keys).await
    }

    /// Every charger that its leader has given another key.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn charger_keys(&self) -> Result<Vec<ChargerKeys>, StoreError> {
        self.ask(keys::charger_keys).await
    }

    /// Chargers that asked to be let in and were not, the last first.
    ///
    /// # Errors
    /// When the file cannot be read, or too many questions wait.
    pub async fn knocking(&self) -> Result<Vec<Knocking>, StoreError> {
        self.ask(entrance::knocks).await
    }

    async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> Result<A, StoreError> {
        self.0.ask(question).await
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}
