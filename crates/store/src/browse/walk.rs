//! The way through the log along an index, newest first, in parts.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::search::{CallsQuery, OutcomeIs};
use crate::StoreError;
use crate::log::eras;
use crate::log::query::Query;

/// The index along which the calls are read, newest first. Which one is said, not left to SQLite, which
/// knows nothing of how the rows are spread.
pub(super) struct Walk {
    pub(super) source: &'static str,
    /// Whether the index is cut into eras, which are walked through one after the other.
    has_eras: bool,
    /// The one that is walked through.
    era: Option<i64>,
    /// Those that follow it, the newest last; looked up once, for SQLite finds all of them to tell the first.
    ahead: Option<Vec<i64>>,
    /// Conditions on the columns of the index that come between the era and the time.
    of: Query,
    /// One bound on each side: of several SQLite would go by the first and read its way to the others.
    since_unix_ms: i64,
    until_unix_ms: i64,
    /// The last call that was looked at.
    after: Option<(i64, i64)>,
}

impl Walk {
    pub(super) fn of(query: &CallsQuery) -> Self {
        let differs = query.outcome == Some(OutcomeIs::Differs);
        let mut of = Query::new();
        let charger = query.charger.as_ref().map(|charger| Value::from(charger.as_str().to_owned()));
        let mut has_eras = false;
        let source = match (charger, &query.id_tag, &query.action) {
            // The rows are known one by one.
            _ if query.transaction.is_some() => "calls c NOT INDEXED",
            (_, Some(id_tag), _) => {
                of.and("c.id_tag COLLATE NOCASE = ", id_tag.clone().into());
                "calls c INDEXED BY calls_id_tag"
            }
            (Some(charger), None, _) if differs => {
                of.and("c.differs = 1 AND c.charger = ", charger);
                "calls c INDEXED BY calls_differing"
            }
            (None, None, _) if differs => {
                of.conditions.push_str(" AND c.differs = 1");
                "calls c INDEXED BY calls_differing_time"
            }
            (Some(charger), None, Some(action)) => {
                of.and("c.charger = ", charger);
                of.and("c.action = ", action.clone().into());
                has_eras = true;
                "calls c INDEXED BY calls_action"
            }
            (Some(charger), None, None) => {
                of.and("c.charger = ", charger);
                has_eras = true;
                "calls c INDEXED BY calls_time"
            }
            (None, None, _) => "calls c INDEXED BY calls_age",
        };
        Self {
            source,
            has_eras,
            era: None,
            ahead: None,
            of,
            since_unix_ms: query.since_unix_ms.unwrap_or(i64::MIN),
            until_unix_ms: query.until_unix_ms.unwrap_or(i64::MAX),
            after: None,
        }
    }

    /// Only what follows this call.
    pub(super) fn after(&mut self, received_unix_ms: i64, seq: i64) {
        self.until_unix_ms = self.until_unix_ms.min(received_unix_ms);
        self.after = Some((received_unix_ms, seq));
    }

    /// What is left to look at, down to a call if it is said which.
    pub(super) fn along(&self, end: Option<(i64, i64)>) -> Query {
        let mut along = self.of.clone();
        if let Some(era) = self.era {
            along.and(&format!("{} = ", eras::OF_A_CALL), era.into());
        }
        let since = self.since_unix_ms.max(end.map_or(i64::MIN, |(received, _)| received));
        along.and("c.received_unix_ms >= ", since.into());
        along.and("c.received_unix_ms <= ", self.until_unix_ms.into());
        for (call, is_before) in [(self.after, "<"), (end, ">")] {
            let Some((received, seq)) = call else { continue };
            let (received, seq) = (along.bind(received.into()), along.bind(seq.into()));
            let or_equal = if is_before == ">" { "=" } else { "" };
            along.conditions.push_str(&format!(
                " AND (c.received_unix_ms {is_before} {received} OR c.seq {is_before}{or_equal} {seq})"
            ));
        }
        along
    }

    /// Steps into the newest era that is left and holds such calls, unless it is in one; says whether there is any.
    pub(super) fn enter_era(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        if !self.has_eras || self.era.is_some() {
            return Ok(true);
        }
        if self.ahead.is_none() {
            let times = (self.since_unix_ms, self.until_unix_ms);
            let mut eras = eras::holding(connection, self.source, &self.along(None), times, usize::MAX)?;
            eras.reverse();
            self.ahead = Some(eras);
        }
        self.era = self.ahead.as_mut().and_then(Vec::pop);
        Ok(self.era.is_some())
    }

    /// Nothing is left of this era; says whether there may be others.
    pub(super) fn leave_era(&mut self) -> bool {
        let Some(era) = self.era.take() else { return false };
        self.until_unix_ms = eras::end_of_the_one_before(era);
        self.after = None;
        true
    }

    /// The next calls, so many at most, without going beyond the era; `None` when there are none.
    pub(super) fn stretch(
        &self,
        connection: &Connection,
        part: usize,
    ) -> Result<Option<Stretch>, StoreError> {
        let mut along = self.along(None);
        let limit = along.bind(i64::try_from(part).unwrap_or(i64::MAX).into());
        let sql = format!(
            "SELECT c.received_unix_ms, c.seq FROM {} WHERE {} {ORDER} LIMIT {limit}",
            self.source, along.conditions
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&along.values))?;
        let mut stretch = None;
        let mut calls = 0;
        while let Some(row) = rows.next()? {
            calls += 1;
            stretch = Some(Stretch { calls, last: (row.get(0)?, row.get(1)?) });
        }
        Ok(stretch)
    }

    /// When the call was received that comes after so many others; `None` when there are fewer.
    pub(super) fn received_after(
        mut self,
        connection: &Connection,
        others: usize,
    ) -> Result<Option<i64>, StoreError> {
        let mut left = others + 1;
        while self.enter_era(connection)? {
            let stretch = self.stretch(connection, left)?;
            match stretch {
                Some(stretch) if stretch.calls == left => return Ok(Some(stretch.last.0)),
                Some(stretch) => left -= stretch.calls,
                None => {}
            }
            if !self.leave_era() {
                break;
            }
        }
        Ok(None)
    }
}

/// Calls that follow one another on a walk.
pub(super) struct Stretch {
    pub(super) calls: usize,
    /// When the last of them was received, and its number.
    pub(super) last: (i64, i64),
}

pub(super) const ORDER: &str = "ORDER BY c.received_unix_ms DESC, c.seq DESC";
