//! Calls: which, a page of them, one of them, and what is new.

use std::time::{Duration, Instant};

use engine::{BackofficeId, ChargerId, TraceId};
use rusqlite::{Connection, OptionalExtension};

use super::walk::{ORDER, Stretch, Walk};
use super::{PAGE, Page};
use crate::log::query::Query;
use crate::log::table::answers;
use crate::{LoggedCall, News, StoreError, log};

/// Calls that one page looks at, at most: a search that finds nothing ends soon all the same.
const LOOKED_AT: usize = 20_000;
/// How long one page goes on looking. Calls that nobody has looked at for long come from the disk, one by one.
const LOOKING: Duration = Duration::from_millis(30);
/// Calls looked at before the time is looked at first; then twice as many each time.
const FIRST_PART: usize = 250;

/// Which calls. Conditions are joined by "and".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallsQuery {
    /// Whose; `None`: of all chargers.
    pub charger: Option<ChargerId>,
    /// Terms separated by spaces, all of which must occur, as in [`Filter::search`](crate::Filter::search).
    pub text: String,
    /// The text is not looked for where cards' numbers stand, so that nobody finds out by searching what he is not
    /// shown, neither a part of a number nor the whole.
    pub hides_cards: bool,
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

impl CallsQuery {
    /// Conditions that every row must pass; those of the index in use are added by [`Walk`]. A plus before a
    /// column keeps SQLite from choosing an index of its own.
    fn restrict(&self, query: &mut Query) {
        if let Some(charger) = &self.charger {
            query.and("+c.charger = ", charger.as_str().to_owned().into());
        }
        if let Some(id_tag) = &self.id_tag {
            query.and("+c.id_tag COLLATE NOCASE = ", id_tag.clone().into());
        }
        if let Some(number) = self.transaction {
            and_transaction(query, number, self.charger.as_ref());
        }
        if let Some(action) = &self.action {
            query.and("+c.action = ", action.clone().into());
        }
        if self.hide_routine {
            query.conditions.push_str(" AND c.action NOT IN ('Heartbeat', 'MeterValues')");
        }
        match &self.caller {
            Some(Caller::Charger) => query.conditions.push_str(" AND c.caller = ''"),
            Some(Caller::AnyBackoffice) => query.conditions.push_str(" AND c.caller <> ''"),
            Some(Caller::Backoffice(backoffice)) => {
                query.and("c.caller = ", backoffice.as_str().to_owned().into());
            }
            None => {}
        }
        if let Some(outcome) = self.outcome {
            query.conditions.push_str(outcome.condition());
        }
        query.and_text_in_calls(&self.text, self.hides_cards);
    }
}

impl OutcomeIs {
    fn condition(self) -> &'static str {
        // The status of a notification is what is told, not what is decided.
        match self {
            OutcomeIs::Accepted => {
                " AND c.outcome = 'result' AND c.action NOT LIKE '%StatusNotification' AND c.status IN
                    ('Accepted', 'AcceptedCanceled', 'RebootRequired', 'Scheduled', 'Unlocked')"
            }
            OutcomeIs::Refused => {
                " AND c.outcome = 'result' AND c.action NOT LIKE '%StatusNotification' AND c.status NOT IN
                    ('Accepted', 'AcceptedCanceled', 'RebootRequired', 'Scheduled', 'Unlocked', 'Pending')"
            }
            OutcomeIs::Error => " AND c.outcome = 'error'",
            OutcomeIs::Unanswered => " AND c.outcome NOT IN ('result', 'error')",
            OutcomeIs::Differs => " AND +c.differs = 1",
        }
    }
}

/// Everything that belongs to a transaction that anyone calls by this number: its start, and what names it
/// by the number that the caller uses; and whatever else has this number.
fn and_transaction(query: &mut Query, number: i64, charger: Option<&ChargerId>) {
    let number = query.bind(number.into());
    let (mut of_call, mut of_number) = (String::new(), String::new());
    if let Some(charger) = charger {
        let charger = query.bind(charger.as_str().to_owned().into());
        of_call = format!("AND p.charger = {charger}");
        of_number = format!("AND n.charger = {charger}");
    }
    query.conditions.push_str(&format!(
        " AND c.seq IN (
            SELECT p.seq FROM calls p INDEXED BY calls_transaction
                WHERE p.transaction_number = {number} {of_call}
            UNION SELECT p.seq FROM transaction_numbers n INDEXED BY transaction_numbers_number
                CROSS JOIN transaction_numbers o ON o.charger = n.charger AND o.trace = n.trace
                CROSS JOIN calls p INDEXED BY calls_transaction
                    ON p.transaction_number = o.number AND p.charger = n.charger AND p.caller = o.party
                WHERE n.number = {number} {of_number}
            UNION SELECT p.seq FROM transaction_numbers n INDEXED BY transaction_numbers_number
                CROSS JOIN calls p INDEXED BY calls_trace ON p.trace = n.trace
                WHERE n.number = {number} {of_number})"
    ));
}

/// See [`super::Browser::calls`].
pub(crate) fn page(connection: &Connection, query: &CallsQuery) -> Result<Page<LoggedCall>, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let limit = query.limit.clamp(1, PAGE);
    let mut walk = Walk::of(query);
    if let Some(before) = query.before {
        let sql = "SELECT received_unix_ms FROM calls WHERE seq = ?1";
        let received = snapshot.prepare_cached(sql)?.query_row([before], |row| row.get(0)).optional()?;
        match received {
            Some(received) => walk.after(received, before),
            // The oldest go first: what followed is gone too.
            None => return Ok(Page { items: Vec::new(), next: None }),
        }
    }
    let begun = Instant::now();
    let (mut items, mut looked_at, mut part) = (Vec::new(), 0, FIRST_PART);
    let mut last_looked_at = None;
    let next = loop {
        if !walk.enter_era(&snapshot)? {
            break None;
        }
        if last_looked_at.is_some() && (looked_at >= LOOKED_AT || begun.elapsed() >= LOOKING) {
            break last_looked_at;
        }
        // The calls of a transaction are known one by one.
        let stretch = if query.transaction.is_some() { None } else { walk.stretch(&snapshot, part)? };
        let mut found = walk.along(stretch.as_ref().map(|stretch| stretch.last));
        query.restrict(&mut found);
        items.extend(found.calls(&snapshot, walk.source, ORDER, limit + 1 - items.len())?);
        if items.len() > limit {
            items.truncate(limit);
            break items.last().map(|call: &LoggedCall| call.seq);
        }
        let calls = stretch.as_ref().map_or(0, |stretch| stretch.calls);
        looked_at += calls;
        if let Some(Stretch { last: (received, seq), .. }) = stretch {
            walk.after(received, seq);
            last_looked_at = Some(seq);
        }
        if calls < part && !walk.leave_era() {
            break None;
        }
        part = (part * 2).clamp(1, LOOKED_AT.saturating_sub(looked_at).max(1));
    };
    for call in &mut items {
        call.answers = answers(&snapshot, call.trace, i64::MAX)?;
    }
    Ok(Page { items, next })
}

/// See [`super::Browser::call`].
pub(super) fn one(connection: &Connection, trace: TraceId) -> Result<Option<LoggedCall>, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let mut query = Query::new();
    query.and("c.trace = ", trace.to_string().into());
    let call = query.calls(&snapshot, "calls c INDEXED BY calls_trace", "ORDER BY c.seq", 1)?.pop();
    let Some(mut call) = call else { return Ok(None) };
    call.answers = answers(&snapshot, trace, i64::MAX)?;
    Ok(Some(call))
}

/// See [`super::Browser::cursor`].
pub(super) fn cursor(connection: &Connection) -> Result<i64, StoreError> {
    Ok(log::last(connection)?)
}

/// See [`super::Browser::news`].
pub(crate) fn news(connection: &Connection, query: &CallsQuery, cursor: i64) -> Result<News, StoreError> {
    let of_calls_only = query.id_tag.is_some()
        || query.transaction.is_some()
        || query.action.is_some()
        || query.caller.is_some()
        || query.outcome.is_some();
    let occurrences = (!of_calls_only).then(|| {
        let mut occurrences = Query::new();
        if let Some(charger) = &query.charger {
            occurrences.and("+o.charger = ", charger.as_str().to_owned().into());
        }
        let columns: &[&str] =
            if query.hides_cards { &["o.kind", "o.who"] } else { &["o.kind", "o.who", "o.detail"] };
        occurrences.and_text_in(columns, &query.text);
        occurrences
    });
    let mut calls = Query::new();
    query.restrict(&mut calls);
    log::since(connection, &calls, occurrences.as_ref(), cursor, query.limit.clamp(1, PAGE))
}
