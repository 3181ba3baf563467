//! Reading the message log, also from another program while the proxy writes it.

mod entry;
pub(crate) mod eras;
mod news;
pub(crate) mod query;
pub(crate) mod table;

use std::path::{Path, PathBuf};

use engine::ChargerId;
use rusqlite::Connection;

use crate::browse::search;
use crate::database::{self, Files};
use crate::{CallsQuery, OpenError, Page, StoreError};
pub use entry::{LoggedAnswer, LoggedCall, LoggedDifference, LoggedOccurrence, News, NewsItem};
pub(crate) use news::{last, since};
use query::Query;
use table::answers;

/// What to look for. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Whose log.
    pub charger: ChargerId,
    /// Exactly this action, in any case; for occurrences, the kind.
    pub action: Option<String>,
    /// Terms separated by spaces, all of which must occur: as a part of the action, the idTag, the
    /// status, a payload, an answer or a backoffice's name; as any party's transaction number; or as
    /// a trace.
    pub search: Option<String>,
    /// Received at this time or later; UTC, milliseconds since 1970.
    pub since_unix_ms: Option<i64>,
    /// Written after this place, see [`LogReader::cursor`].
    pub after: Option<i64>,
    /// So many rows at most.
    pub limit: usize,
    /// `true`: the newest rows, newest first. `false`: the oldest rows, oldest first.
    pub newest_first: bool,
}

impl Filter {
    /// The newest 100 rows of a charger.
    pub fn of(charger: ChargerId) -> Self {
        Self {
            charger,
            action: None,
            search: None,
            since_unix_ms: None,
            after: None,
            limit: 100,
            newest_first: true,
        }
    }
}

/// Reads the message log. Blocking: keep it off the threads that serve sockets.
#[derive(Debug)]
pub struct LogReader {
    connection: Connection,
    files: Files,
}

impl LogReader {
    /// Opens the file that a proxy writes, has written, or both.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path: PathBuf = path.to_owned();
        database::check_current(&path)?;
        Ok(Self { connection: database::open_for_reading(&path)?, files: Files::new(&path) })
    }

    /// Calls, each with the answers of all backoffices.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn calls(&self, filter: &Filter) -> Result<Vec<LoggedCall>, StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut query = Query::of_calls(filter, "c.charger");
        if let Some(after) = filter.after {
            query.and("c.seq > ", after.into());
        }
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let tail = format!("ORDER BY c.received_unix_ms {order}, c.seq {order}");
        let source = match &filter.action {
            Some(_) => "calls c INDEXED BY calls_action",
            None => "calls c INDEXED BY calls_time",
        };
        let times = (filter.since_unix_ms.unwrap_or(i64::MIN), i64::MAX);
        let index = Query::of_index(filter, "c.charger");
        let mut eras = eras::holding(&snapshot, source, &index, times, usize::MAX)?;
        if !filter.newest_first {
            eras.reverse();
        }
        let limit = query::bounded(filter.limit);
        let mut calls: Vec<LoggedCall> = Vec::new();
        for era in eras {
            let mut query = query.clone();
            query.and(&format!("{} = ", eras::OF_A_CALL), era.into());
            calls.extend(query.calls(&snapshot, source, &tail, limit - calls.len())?);
            if calls.len() == limit {
                break;
            }
        }
        for call in &mut calls {
            call.answers = answers(&snapshot, call.trace, i64::MAX)?;
        }
        Ok(calls)
    }

    /// The chargers of which anything is known, in alphabetical order; at most `limit`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn chargers(&self, limit: usize) -> Result<Vec<ChargerId>, StoreError> {
        let sql = "SELECT charger FROM chargers ORDER BY charger LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], |row| row.get::<_, String>(0))?;
        rows.map(|row| Ok(ChargerId::from(row?.as_str()))).collect()
    }

    /// Occurrences.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn occurrences(&self, filter: &Filter) -> Result<Vec<LoggedOccurrence>, StoreError> {
        let mut query = Query::of_occurrences(filter, "o.charger");
        if let Some(after) = filter.after {
            query.and("o.seq > ", after.into());
        }
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        let tail = format!("ORDER BY o.unix_ms {order}, o.seq {order}");
        query.occurrences(&self.connection, &tail, filter.limit)
    }

    /// The end of the log: the place of the row written last. Places only grow, and whoever sees one
    /// sees all before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cursor(&self) -> Result<i64, StoreError> {
        Ok(last(&self.connection)?)
    }

    /// What was written after the place `cursor` and passes the filter, for following the log. An
    /// answer is news of its own only when its call was news before; a call carries the answers that
    /// came earlier. `filter.after` and `filter.newest_first` are not used.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let filter = store::Filter::of("CP1".into());
    /// let log = store::LogReader::open("ocpp-proxy.db".as_ref())?;
    /// let mut cursor = log.cursor()?;
    /// loop {
    ///     let news = log.news(&filter, cursor)?;
    ///     cursor = news.cursor;
    ///     // print news.items; wait a moment if there were none
    /// #   break;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn news(&self, filter: &Filter, cursor: i64) -> Result<News, StoreError> {
        // The plus keeps SQLite from walking the charger's whole log: what is new is at its end.
        let calls = Query::of_calls(filter, "+c.charger");
        let occurrences = Query::of_occurrences(filter, "+o.charger");
        since(&self.connection, &calls, Some(&occurrences), cursor, filter.limit)
    }

    /// As [`Browser::calls`](crate::Browser::calls), on the thread of whoever asks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page(&self, query: &CallsQuery) -> Result<Page<LoggedCall>, StoreError> {
        search::page(&self.connection, query)
    }

    /// As [`Browser::news`](crate::Browser::news), on the thread of whoever asks.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn page_news(&self, query: &CallsQuery, cursor: i64) -> Result<News, StoreError> {
        search::news(&self.connection, query, cursor)
    }

    /// Bytes of the file and its write-ahead log.
    pub fn size_bytes(&self) -> u64 {
        self.files.size_bytes()
    }
}
