//! A small message log with everything in it that can be looked for: three chargers, calls both ways, every kind of
//! outcome, and texts that mean something to SQL.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use engine::{AnswerNote, CallNote, ChargerId, Decider, Difference, Outcome, Side, TraceId, Verdict};
use store::{CallsQuery, LogEntry, LogReader, LoggedCall, News, Page, Settings, Store};
use tempfile::TempDir;
use tokio::runtime::Builder;
use ulid::Ulid;

/// The moments of the log: a second apart, and this is the last.
pub(crate) const LAST_UNIX_MS: i64 = 1_790_000_000_000;

/// The log, made once.
pub(crate) struct Log {
    /// On this thread: another one would have to be woken for every question.
    reader: Mutex<LogReader>,
    /// Every call in it.
    pub(crate) all: Vec<LoggedCall>,
    _folder: TempDir,
}

impl Log {
    /// The one of this program.
    pub(crate) fn get() -> &'static Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(Log::new)
    }

    fn new() -> Self {
        let runtime = Builder::new_current_thread().build().expect("a runtime without sockets starts");
        let folder = TempDir::new().expect("there is room for a folder");
        let path = folder.path().join("log.db");
        // The moments of the log are always the same ones, whatever day it is.
        let settings =
            Settings { keep_log_for: Duration::from_secs(100 * 365 * 86_400), ..Settings::default() };
        let store = Store::open(&path, settings).expect("a new store opens");
        fill(&store);
        runtime.block_on(store.flush()).expect("there is room for a few rows");
        runtime.block_on(store.close());
        let reader = LogReader::open(&path).expect("the store was just there");
        let everything = CallsQuery { limit: 1_000, ..CallsQuery::default() };
        let all = reader.page(&everything).expect("the store can be read").items;
        assert_eq!(all.len(), CHARGERS.len() * CALLS.len(), "the whole log is read");
        Self { reader: Mutex::new(reader), all, _folder: folder }
    }

    fn reader(&self) -> MutexGuard<'_, LogReader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store answers.
    pub(crate) fn calls(&self, query: &CallsQuery) -> Page<LoggedCall> {
        self.reader().page(query).expect("no question is an error")
    }

    /// What the store answers to whoever has heard nothing yet.
    pub(crate) fn news(&self, query: &CallsQuery) -> News {
        self.reader().page_news(query, 0).expect("no question is an error")
    }
}

const CHARGERS: [&str; 3] = ["CP1", "CP2", "C%_'\\\""];

/// From (nothing: the charger), action, payload, outcome (`!code`: an error; `?why`: none), what a follower says.
const CALLS: [(&str, &str, &str, &str, Option<&str>); 16] = [
    ("", "BootNotification", r#"{"chargePointVendor":"Vendor 100%"}"#, r#"{"status":"Accepted"}"#, None),
    ("", "Heartbeat", "{}", r#"{"currentTime":"2026-01-01T00:00:00Z"}"#, None),
    ("", "Authorize", r#"{"idTag":"04E1"}"#, r#"{"idTagInfo":{"status":"Accepted"}}"#, Some("Invalid")),
    ("", "Authorize", r#"{"idTag":"ünï_"}"#, r#"{"idTagInfo":{"status":"Blocked"}}"#, Some("Blocked")),
    (
        "",
        "StartTransaction",
        r#"{"connectorId":1,"idTag":"04E1"}"#,
        r#"{"transactionId":7}"#,
        Some("Accepted"),
    ),
    ("", "MeterValues", r#"{"connectorId":1,"transactionId":7}"#, "{}", None),
    ("", "StopTransaction", r#"{"transactionId":7,"idTag":"04e1"}"#, "{}", None),
    ("", "StatusNotification", r#"{"connectorId":2,"status":"Faulted"}"#, "{}", None),
    ("", "DataTransfer", r#"{"vendorId":"' OR 1=1 --"}"#, "!NotSupported", Some("UnknownVendorId")),
    ("", "Authorize", r#"{"idTag":"%_\\"}"#, "?timeout", None),
    ("volt", "Reset", r#"{"type":"Soft"}"#, r#"{"status":"Accepted"}"#, None),
    ("acme", "Reset", r#"{"type":"Hard"}"#, r#"{"status":"Rejected"}"#, None),
    ("acme", "RemoteStopTransaction", r#"{"transactionId":70}"#, r#"{"status":"Accepted"}"#, None),
    ("volt", "ReserveNow", r#"{"idTag":"04E1","reservationId":-7}"#, r#"{"status":"Occupied"}"#, None),
    ("volt", "UpdateFirmware", r#"{"location":"ftp://example/x"}"#, "?disconnected", None),
    ("acme", "SomethingOfItsOwn", "{}", "!NotImplemented", None),
];

fn fill(store: &Store) {
    let count = CHARGERS.len() * CALLS.len();
    for (index, charger) in CHARGERS.iter().enumerate() {
        let charger = ChargerId::from(*charger);
        for (at, (from, action, payload, outcome, follower)) in CALLS.iter().enumerate() {
            // In the order of time the chargers take turns.
            let number = at * CHARGERS.len() + index;
            let trace = TraceId(Ulid::from_parts(number as u64, 1));
            let outcome = match outcome.split_at(1) {
                ("!", code) => Outcome::Error { code: code.into(), description: "it's a 'no'".into() },
                ("?", "timeout") => Outcome::Unanswered("timeout"),
                ("?", _) => Outcome::Unanswered("disconnected"),
                _ => Outcome::Result((*outcome).into()),
            };
            store.note(
                &charger,
                LogEntry::Call(Box::new(CallNote {
                    trace,
                    from: if from.is_empty() { Side::Charger } else { Side::Backoffice((*from).into()) },
                    action: (*action).into(),
                    received_unix_ms: LAST_UNIX_MS - (count - 1 - number) as i64 * 1_000,
                    payload: (*payload).into(),
                    outcome: outcome.clone(),
                    decider: if from.is_empty() { Decider::Leader("volt".into()) } else { Decider::Charger },
                    latency_us: 1_000,
                    leader: "volt".into(),
                    flags: vec![],
                })),
            );
            if from.is_empty() {
                store.note(
                    &charger,
                    LogEntry::Answer(Box::new(answer(trace, "volt", outcome, Verdict::Leader))),
                );
            }
            if let Some(status) = follower {
                let answers = format!(r#"{{"transactionId":70,"idTagInfo":{{"status":"{status}"}}}}"#);
                let verdict = if *status == "Invalid" { Verdict::Conflict } else { Verdict::Noise };
                let answers = answer(trace, "acme", Outcome::Result(answers.into()), verdict);
                store.note(&charger, LogEntry::Answer(Box::new(answers)));
            }
        }
        let detail = "refused: 100% of 'them'".to_owned();
        let occurrence =
            LogEntry::Occurrence { unix_ms: LAST_UNIX_MS, kind: "link_down", who: "acme".into(), detail };
        store.note(&charger, occurrence);
    }
}

fn answer(trace: TraceId, backoffice: &str, outcome: Outcome, verdict: Verdict) -> AnswerNote {
    let difference = Difference {
        pointer: "/idTagInfo/status".into(),
        leader: None,
        follower: Some("\"Invalid\"".into()),
    };
    AnswerNote {
        trace,
        backoffice: backoffice.into(),
        led: verdict == Verdict::Leader,
        action: "other",
        outcome,
        latency_us: 2_000,
        verdict,
        differences: if verdict == Verdict::Conflict { vec![difference] } else { vec![] },
    }
}
