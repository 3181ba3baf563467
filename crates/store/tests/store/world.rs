//! Files, chargers, records and entries to try the store with.

use std::path::PathBuf;

use engine::{
    AnswerNote, BackofficeId, BackofficeTransactionId, CallNote, ChargerId, ChargerTransactionId, Decider,
    Delivery, Fact, Memory, Outcome, PeerState, PeerTransaction, Record, Side, TraceId, TransactionRow,
    TransactionState, Verdict,
};
use store::{Browser, Filter, LogEntry, LogReader, Settings, Store};

pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ocpp-proxy.db")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path(), Settings::default()).unwrap()
    }

    /// The file as a version of this program with that schema would have left it.
    pub(crate) async fn older_file(&self, version: u8) -> rusqlite::Connection {
        self.open().close().await;
        let older = rusqlite::Connection::open(self.directory.path().join("older.db")).unwrap();
        older.execute("ATTACH ?1 AS newest", [self.path().to_str().unwrap()]).unwrap();
        older
            .execute_batch(
                "CREATE TABLE refinery_schema_history AS SELECT * FROM newest.refinery_schema_history;",
            )
            .unwrap();
        older.execute("DELETE FROM refinery_schema_history WHERE version > ?1", [version]).unwrap();
        older.execute_batch("DETACH newest; PRAGMA journal_mode = WAL;").unwrap();
        let migrations = [
            include_str!("../../migrations/V1__memory_and_log.sql"),
            include_str!("../../migrations/V2__deliveries.sql"),
            include_str!("../../migrations/V3__giving_way.sql"),
        ];
        older.execute_batch(&migrations[..usize::from(version)].join("\n")).unwrap();
        older.pragma_update(None, "application_id", 0x4F43_5050).unwrap();
        older.close().unwrap();
        std::fs::rename(self.directory.path().join("older.db"), self.path()).unwrap();
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::open(&self.path()).unwrap()
    }

    pub(crate) fn log(&self) -> LogReader {
        LogReader::open(&self.path()).unwrap()
    }
}

pub(crate) fn charger() -> ChargerId {
    ChargerId::from("SITE1-CP1")
}

pub(crate) fn everything() -> Filter {
    Filter { limit: 100_000, newest_first: false, ..Filter::of(charger()) }
}

pub(crate) fn trace(number: u64) -> TraceId {
    TraceId(ulid::Ulid(u128::from(number)))
}

pub(crate) fn fact(key: &str, body: Option<&str>) -> Record {
    Record::Fact(Fact { key: key.to_owned(), body: body.map(str::to_owned) })
}

/// A transaction that the charger and volt call `number`, and acme calls `number + 1000`.
pub(crate) fn transaction(number: u64, state: TransactionState) -> TransactionRow {
    let number_of = |offset: i64| PeerTransaction {
        state: PeerState::Mapped,
        number: Some(BackofficeTransactionId(number as i64 + offset)),
        status: Some("Accepted".to_owned()),
        stop_told: false,
    };
    TransactionRow {
        trace: trace(number),
        state,
        charger_number: Some(ChargerTransactionId(number as i64)),
        connector_id: 1,
        id_tag: "CARD".to_owned(),
        meter_start: 10,
        started_at: "222222017-10-27T19:10:11Z".to_owned(),
        received_unix_ms: now(),
        raw_start: "{ \"idTag\": \"CARD\" }".to_owned(),
        start_answer: None,
        leader_at_start: "volt".into(),
        peers: [("volt".into(), number_of(0)), ("acme".into(), number_of(1000))].into_iter().collect(),
        raw_stop: None,
        stop_received_unix_ms: None,
        stop_answer: None,
        closed_unix_ms: (state == TransactionState::Closed).then(|| now() + number as i64),
        superseded: false,
        given_up: false,
        provisional: false,
        refused_late: false,
        authoriser: None,
        remote_start_by: None,
    }
}

pub(crate) fn kept(row: TransactionRow) -> Record {
    Record::Transaction(Box::new(row))
}

pub(crate) fn acme() -> BackofficeId {
    BackofficeId::from("acme")
}

pub(crate) fn waits(delivery: Delivery) -> Record {
    Record::Delivery(Box::new(delivery))
}

/// A delivery to acme. An action may name the context of its sample, as in `"MeterValues/Sample.Clock"`.
pub(crate) fn delivery(number: u64, action: &str, transaction: Option<u64>) -> Delivery {
    let (action, context) = action.split_once('/').unwrap_or((action, "Sample.Periodic"));
    let payload = match action {
        "MeterValues" => {
            format!(r#"{{"meterValue":[{{"sampledValue":[{{"value":"1","context":"{context}"}}]}}]}}"#)
        }
        _ => "{}".to_owned(),
    };
    Delivery {
        backoffice: acme(),
        number,
        trace: trace(number + 1_000_000),
        action: action.to_owned(),
        payload,
        transaction: transaction.map(trace),
        recognised: None,
        queued_unix_ms: now(),
        attempts: 0,
        parked: None,
    }
}

/// Facts, then transactions.
pub(crate) fn records(memory: Memory) -> Vec<Record> {
    let facts = memory.facts.into_iter().map(Record::Fact);
    facts.chain(memory.transactions.into_iter().map(kept)).collect()
}

pub(crate) fn call(number: u64, action: &str, payload: &str, answer: &str) -> CallNote {
    CallNote {
        trace: trace(number),
        from: Side::Charger,
        action: action.into(),
        received_unix_ms: now() + number as i64,
        payload: payload.into(),
        outcome: Outcome::Result(answer.into()),
        decider: Decider::Leader("volt".into()),
        latency_us: 1_500,
        leader: "volt".into(),
        flags: vec!["json_dup_key", "inferred"],
    }
}

pub(crate) fn answer(number: u64, backoffice: &str, verdict: Verdict, answer: &str) -> AnswerNote {
    AnswerNote {
        trace: trace(number),
        backoffice: backoffice.into(),
        led: verdict == Verdict::Leader,
        action: "Authorize",
        outcome: Outcome::Result(answer.into()),
        latency_us: 900,
        verdict,
        differences: Vec::new(),
    }
}

pub(crate) fn note_call(store: &Store, call: CallNote) {
    store.note(&charger(), LogEntry::Call(Box::new(call)));
}

pub(crate) fn note_answer(store: &Store, answer: AnswerNote) {
    store.note(&charger(), LogEntry::Answer(Box::new(answer)));
}

pub(crate) fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// An hour ago, always the same: what is much older is deleted.
pub(crate) fn base() -> i64 {
    static BASE: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *BASE.get_or_init(|| now() - 3_600_000)
}

/// Waits for a fact.
pub(crate) async fn until(fact: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !fact() {
        assert!(started.elapsed().as_secs() < 60, "it never came true");
        tokio::task::yield_now().await;
    }
}
