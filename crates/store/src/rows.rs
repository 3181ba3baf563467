//! Log entries: what is extracted from them, and how they become rows.

use engine::{AnswerNote, CallNote, ChargerId, Decider, Outcome, Side, Verdict};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::counters::RowKind;
use crate::json::Tape;
use crate::redaction::{self, Clean};
use crate::roster;

/// An extracted value longer than this is cut: it is for finding, the payload is for reading.
const EXTRACT_CHARS: usize = 255;

/// Something for the message log.
pub enum LogEntry {
    /// A call and the answer its originator got.
    Call(Box<CallNote>),
    /// What one backoffice answered to it.
    Answer(Box<AnswerNote>),
    /// Something happened to the charger or one of its links.
    Occurrence {
        /// When; UTC, milliseconds since 1970.
        unix_ms: i64,
        /// A stable name, such as `"charger_arrived"`.
        kind: &'static str,
        /// Whom it happened to.
        who: String,
        /// More of it, for a person.
        detail: String,
    },
}

impl LogEntry {
    pub(crate) fn kind(&self) -> RowKind {
        match self {
            LogEntry::Call(_) => RowKind::Call,
            LogEntry::Answer(_) => RowKind::Answer,
            LogEntry::Occurrence { .. } => RowKind::Occurrence,
        }
    }

    /// About the bytes it holds in memory.
    pub(crate) fn weight(&self) -> usize {
        const FIXED: usize = 256;
        let outcome = |outcome: &Outcome| match outcome {
            Outcome::Result(payload) => payload.len(),
            Outcome::Error { code, description } => code.len() + description.len(),
            Outcome::Unanswered(_) => 0,
        };
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        FIXED
            + match self {
                LogEntry::Call(call) => call.action.len() + call.payload.len() + outcome(&call.outcome),
                LogEntry::Answer(answer) => {
                    let differences = answer.differences.iter();
                    outcome(&answer.outcome)
                        + differences
                            .map(|one| one.pointer.len() + text(&one.leader) + text(&one.follower) + 72)
                            .sum::<usize>()
                }
                LogEntry::Occurrence { who, detail, .. } => who.len() + detail.len(),
            }
    }
}

/// A place where two answers differ, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDifference {
    /// JSON pointer (RFC 6901) into the answer's payload.
    pub pointer: String,
    /// The leader's value there as JSON text; `None` when it has none.
    pub leader: Option<String>,
    /// The follower's value there as JSON text; `None` when it has none.
    pub follower: Option<String>,
}

/// Writes the entry as row number `seq`, inside the transaction that is open.
pub(crate) fn insert(
    connection: &Connection,
    seq: i64,
    charger: &ChargerId,
    entry: LogEntry,
) -> rusqlite::Result<()> {
    match entry {
        LogEntry::Call(call) => insert_call(connection, seq, charger, &call),
        LogEntry::Answer(answer) => insert_answer(connection, seq, &answer),
        LogEntry::Occurrence { unix_ms, kind, who, detail } => {
            let sql = "INSERT INTO occurrences (seq, charger, unix_ms, kind, who, detail)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let detail = redaction::text(&detail);
            let values = params![seq, charger.as_str(), unix_ms, kind, cut(&who), detail.text];
            connection.prepare_cached(sql)?.execute(values)?;
            match kind {
                "charger_arrived" | "charger_left" => roster::seen(connection, charger.as_str(), unix_ms),
                _ => roster::known(connection, charger.as_str()),
            }
        }
    }
}

fn insert_call(
    connection: &Connection,
    seq: i64,
    charger: &ChargerId,
    call: &CallNote,
) -> rusqlite::Result<()> {
    roster::called(connection, charger.as_str(), call.received_unix_ms)?;
    let payload = redaction::payload(&call.payload);
    let outcome = StoredOutcome::new(&call.outcome);
    let found = Extract::of_call(&payload.text, outcome.answer_text());
    let (decider, decided_by) = match &call.decider {
        Decider::Leader(backoffice) => ("leader", Some(backoffice.as_str())),
        Decider::Follower(backoffice) => ("follower", Some(backoffice.as_str())),
        Decider::Charger => ("charger", None),
        Decider::Proxy(rule) => ("proxy", Some(*rule)),
        Decider::Nobody => ("nobody", None),
    };
    let caller = match &call.from {
        Side::Charger => "",
        Side::Backoffice(backoffice) => backoffice.as_str(),
    };
    let trace = call.trace.to_string();
    let sql = "INSERT INTO calls (seq, trace, charger, caller, action, received_unix_ms, payload, outcome,
                   answer, error_code, error_description, decider, decided_by, latency_us, leader, flags,
                   redacted, id_tag, transaction_number, connector_id, status, differs)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                   ?20, ?21, EXISTS (SELECT 1 FROM answers WHERE trace = ?2 AND differences IS NOT NULL
                       AND verdict IN ('conflict', 'weak_conflict', 'follower_error')))";
    connection.prepare_cached(sql)?.execute(params![
        seq,
        trace,
        charger.as_str(),
        caller,
        cut(&redaction::text(&call.action).text),
        call.received_unix_ms,
        payload.text,
        outcome.label,
        outcome.answer_text(),
        outcome.error_code,
        outcome.error_description.as_ref().map(|description| &description.text),
        decider,
        decided_by,
        stored(call.latency_us),
        call.leader.as_str(),
        call.flags.join(" "),
        payload.redacted || outcome.is_redacted(),
        found.id_tag,
        found.transaction_number,
        found.connector_id,
        found.status,
    ])?;
    // The leader's answer usually came first and stands in the log already: once is enough.
    let sql = "UPDATE answers SET same = 1, answer = NULL WHERE trace = ?1 AND led AND answer = ?2";
    connection.prepare_cached(sql)?.execute(params![trace, outcome.answer_text()]).map(drop)
}

fn insert_answer(connection: &Connection, seq: i64, answer: &AnswerNote) -> rusqlite::Result<()> {
    let outcome = StoredOutcome::new(&answer.outcome);
    let found = Extract::of_answer(outcome.answer_text());
    let trace = answer.trace.to_string();
    let same = match answer.verdict {
        Verdict::Same => true,
        Verdict::Leader => {
            let sql = "SELECT EXISTS (SELECT 1 FROM calls WHERE trace = ?1 AND answer = ?2)";
            let values = params![trace, outcome.answer_text()];
            connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?
        }
        _ => false,
    };
    let same = same && outcome.answer.is_some();
    let differences: Vec<LoggedDifference> = answer.differences.iter().map(redaction::difference).collect();
    let differences = match differences.is_empty() {
        true => None,
        false => serde_json::to_string(&differences).ok(),
    };
    let sql = "INSERT INTO answers (seq, trace, backoffice, led, outcome, same, answer, error_code,
                   error_description, latency_us, verdict, differences, redacted, transaction_number, status)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let values = params![
        seq,
        trace,
        answer.backoffice.as_str(),
        answer.led,
        outcome.label,
        same,
        outcome.answer_text().filter(|_| !same),
        outcome.error_code,
        outcome.error_description.as_ref().map(|description| &description.text),
        stored(answer.latency_us),
        answer.verdict.label(),
        differences,
        outcome.is_redacted(),
        found.transaction_number,
        found.status,
    ];
    connection.prepare_cached(sql)?.execute(values)?;
    mark_call(connection, &trace, answer, differences.is_some(), found.status.as_deref())
}

/// Marks the call, if it is in the log by now, when a follower decided differently than the leader. Clocks
/// that differ are no decision.
fn mark_call(
    connection: &Connection,
    trace: &str,
    answer: &AnswerNote,
    has_differences: bool,
    status: Option<&str>,
) -> rusqlite::Result<()> {
    match answer.verdict {
        Verdict::Conflict | Verdict::WeakConflict | Verdict::FollowerError if has_differences => {
            let sql = "UPDATE calls SET differs = 1 WHERE trace = ?1 AND differs = 0";
            connection.prepare_cached(sql)?.execute([trace]).map(drop)
        }
        // It was told after the leader had decided: the card counts, whenever it was asked about.
        Verdict::Late | Verdict::NotComparable if !answer.led && status.is_some() => {
            let sql = "UPDATE calls SET differs = 1 WHERE trace = ?1 AND differs = 0 AND outcome = 'result'
                           AND decider = 'leader' AND action IN ('Authorize', 'StartTransaction')
                           AND (status = 'Accepted') <> (?2 = 'Accepted')";
            connection.prepare_cached(sql)?.execute(params![trace, status]).map(drop)
        }
        _ => Ok(()),
    }
}

/// An outcome with its secrets taken out.
struct StoredOutcome<'a> {
    label: &'static str,
    answer: Option<Clean<'a>>,
    error_code: Option<String>,
    error_description: Option<Clean<'a>>,
}

impl<'a> StoredOutcome<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let label = outcome.label();
        let (mut answer, mut error_code, mut error_description) = (None, None, None);
        match outcome {
            Outcome::Result(payload) => answer = Some(redaction::payload(payload)),
            Outcome::Error { code, description } => {
                error_code = Some(cut(&redaction::text(code).text).to_owned());
                error_description = Some(redaction::text(description));
            }
            Outcome::Unanswered(_) => {}
        }
        Self { label, answer, error_code, error_description }
    }

    fn answer_text(&self) -> Option<&str> {
        self.answer.as_ref().map(|answer| answer.text.as_ref())
    }

    fn is_redacted(&self) -> bool {
        [&self.answer, &self.error_description].into_iter().flatten().any(|clean| clean.redacted)
    }
}

/// What people look for, found in the payloads.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extract {
    id_tag: Option<String>,
    transaction_number: Option<i64>,
    connector_id: Option<i64>,
    status: Option<String>,
}

impl Extract {
    fn of_call(payload: &str, answer: Option<&str>) -> Self {
        let mut found = Self::of_answer(answer);
        if let Some(tape) = Tape::read(payload) {
            found.id_tag = text(&tape, "idTag");
            found.connector_id = number(&tape, "connectorId");
            found.transaction_number = number(&tape, "transactionId").or(found.transaction_number);
            found.status = found.status.or_else(|| text(&tape, "status"));
        }
        found
    }

    fn of_answer(answer: Option<&str>) -> Self {
        let mut found = Self::default();
        if let Some(tape) = answer.and_then(Tape::read) {
            found.transaction_number = number(&tape, "transactionId");
            let decided = tape.member(Tape::ROOT, "idTagInfo").and_then(|info| tape.member(info, "status"));
            let status = decided.or_else(|| tape.member(Tape::ROOT, "status"));
            found.status = status.and_then(|at| tape.text(at)).map(|text| cut(&text).to_owned());
        }
        found
    }
}

fn text(tape: &Tape<'_>, name: &str) -> Option<String> {
    let text = tape.text(tape.member(Tape::ROOT, name)?)?;
    Some(cut(&text).to_owned())
}

fn number(tape: &Tape<'_>, name: &str) -> Option<i64> {
    tape.raw(tape.member(Tape::ROOT, name)?).parse().ok()
}

/// The beginning, if it is too long to be looked for.
fn cut(text: &str) -> &str {
    text.char_indices().nth(EXTRACT_CHARS).map_or(text, |(end, _)| &text[..end])
}

fn stored(microseconds: u64) -> i64 {
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}
