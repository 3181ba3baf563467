//! What a fleet says in a month, as the log gets it: mostly heartbeats and meter values; sessions with cards, commands,
//! followers that sometimes decide differently, links that come and go.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::{AnswerNote, CallNote, ChargerId, Decider, Difference, Outcome, Side, TraceId, Verdict};
use fastrand::Rng;
use store::{LogEntry, Store};
use ulid::Ulid;

/// Calls and answers of one call: the leader's and a follower's.
const ROWS_OF_A_CALL: u64 = 3;
const MONTH_MS: u64 = 30 * 86_400_000;
/// Cards that are known; a few are used most.
const CARDS: usize = 20_000;

/// Chargers, and how much they have said.
pub(super) struct Fleet {
    random: Rng,
    chargers: Vec<Charger>,
    cards: Vec<String>,
    /// Rows given to the store so far.
    pub(super) rows: u64,
    /// The moment of the last call; UTC, milliseconds since 1970.
    pub(super) now_unix_ms: i64,
    /// Milliseconds between two calls.
    pause_ms: f64,
    begun_unix_ms: i64,
    calls: u64,
    transactions: i64,
    /// Every so many calls one is remembered, to be asked for.
    pub(super) traces: Vec<TraceId>,
}

struct Charger {
    id: ChargerId,
    transaction: Option<(i64, usize)>,
    meter_wh: i64,
}

impl Fleet {
    /// So many chargers, whose calls make so many rows until now, in a month.
    pub(super) fn new(chargers: usize, rows: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let begun_unix_ms = i64::try_from(now).unwrap_or(i64::MAX) - MONTH_MS as i64;
        let charger = |number| Charger {
            id: ChargerId::from(format!("CP-{number:05}").as_str()),
            transaction: None,
            meter_wh: 10_000,
        };
        Self {
            random: Rng::with_seed(7),
            chargers: (0..chargers).map(charger).collect(),
            cards: (0..CARDS).map(|number| format!("04{:08X}", number * 214_013 % 0xFFFF_FFFF)).collect(),
            rows: 0,
            now_unix_ms: begun_unix_ms,
            pause_ms: MONTH_MS as f64 * ROWS_OF_A_CALL as f64 / rows.max(1) as f64,
            begun_unix_ms,
            calls: 0,
            transactions: 0,
            traces: Vec::new(),
        }
    }

    /// A charger that has said something.
    pub(super) fn charger(&self, random: &mut Rng) -> ChargerId {
        self.chargers[random.usize(..self.chargers.len())].id.clone()
    }

    /// A card, as often as it is used.
    pub(super) fn card(&self, random: &mut Rng) -> String {
        self.cards[place(random)].clone()
    }

    /// A transaction that has begun.
    pub(super) fn transaction(&self, random: &mut Rng) -> i64 {
        random.i64(1..=self.transactions.max(1))
    }

    /// One call, with what it leaves in the log.
    pub(super) fn call(&mut self, store: &Store) {
        self.calls += 1;
        self.now_unix_ms = self.begun_unix_ms + (self.calls as f64 * self.pause_ms) as i64;
        let trace = TraceId(Ulid::from_parts(self.now_unix_ms.unsigned_abs(), self.random.u128(..)));
        if self.calls.is_multiple_of(10_007) {
            self.traces.push(trace);
        }
        let at = self.random.usize(..self.chargers.len());
        let said = self.says(at);
        let id = self.chargers[at].id.clone();
        if self.random.u32(..2_000) == 0 {
            let kind = if self.random.bool() { "link_down" } else { "link_up" };
            let detail = "closed by the peer".to_owned();
            store.note(
                &id,
                LogEntry::Occurrence { unix_ms: self.now_unix_ms, kind, who: "acme".into(), detail },
            );
            self.rows += 1;
        }
        let from = said.from.map_or(Side::Charger, |backoffice| Side::Backoffice(backoffice.into()));
        let decider = match from {
            Side::Charger => Decider::Leader("volt".into()),
            Side::Backoffice(_) => Decider::Charger,
        };
        let is_command = said.from.is_some();
        let outcome = Outcome::Result(said.answer.as_str().into());
        let answered = outcome.clone();
        let note = CallNote {
            trace,
            from,
            action: said.action.into(),
            received_unix_ms: self.now_unix_ms,
            payload: said.payload.as_str().into(),
            outcome,
            decider,
            latency_us: self.random.u64(8_000..60_000),
            leader: "volt".into(),
            flags: vec![],
        };
        store.note(&id, LogEntry::Call(Box::new(note)));
        self.rows += 1;
        if is_command {
            return;
        }
        let mut answer = AnswerNote {
            trace,
            backoffice: "volt".into(),
            led: true,
            action: said.action,
            outcome: answered.clone(),
            latency_us: self.random.u64(8_000..60_000),
            verdict: Verdict::Leader,
            differences: vec![],
        };
        store.note(&id, LogEntry::Answer(Box::new(answer.clone())));
        answer.backoffice = "acme".into();
        answer.led = false;
        answer.latency_us = self.random.u64(9_000..200_000);
        answer.verdict = if said.action == "Heartbeat" { Verdict::Noise } else { Verdict::Same };
        if said.action == "Authorize" && self.random.u32(..50) == 0 {
            answer.outcome = Outcome::Result(r#"{"idTagInfo":{"status":"Invalid"}}"#.into());
            answer.verdict = Verdict::Conflict;
            answer.differences = vec![Difference {
                pointer: "/idTagInfo/status".into(),
                leader: Some("\"Accepted\"".into()),
                follower: Some("\"Invalid\"".into()),
            }];
        }
        store.note(&id, LogEntry::Answer(Box::new(answer)));
        self.rows += 2;
    }

    fn says(&mut self, at: usize) -> Said {
        let status = if self.random.u32(..20) == 0 { "Blocked" } else { "Accepted" };
        let connector = self.random.u32(1..=2);
        let card = place(&mut self.random);
        let charger = &mut self.chargers[at];
        match (self.random.u32(..100), charger.transaction) {
            (0..=55, Some((number, _))) => {
                charger.meter_wh += 500;
                let meter = charger.meter_wh;
                Said::new(
                    "MeterValues",
                    format!(
                        r#"{{"connectorId":1,"transactionId":{number},"meterValue":[{{"sampledValue":[{{"value":"{meter}"}}]}}]}}"#
                    ),
                    "{}",
                )
            }
            (56..=57, Some((number, card))) => {
                charger.transaction = None;
                let (meter, card) = (charger.meter_wh, &self.cards[card]);
                let payload = format!(r#"{{"transactionId":{number},"idTag":"{card}","meterStop":{meter}}}"#);
                Said::new("StopTransaction", payload, "{}")
            }
            (56..=58, None) => {
                self.transactions += 1;
                charger.transaction = Some((self.transactions, card));
                let (number, card, meter) = (self.transactions, &self.cards[card], charger.meter_wh);
                Said::new(
                    "StartTransaction",
                    format!(r#"{{"connectorId":1,"idTag":"{card}","meterStart":{meter}}}"#),
                    &format!(r#"{{"transactionId":{number},"idTagInfo":{{"status":"Accepted"}}}}"#),
                )
            }
            (59..=61, _) => {
                let payload = format!(r#"{{"idTag":"{}"}}"#, self.cards[card]);
                Said::new("Authorize", payload, &format!(r#"{{"idTagInfo":{{"status":"{status}"}}}}"#))
            }
            (62..=69, _) => {
                let state = if charger.transaction.is_some() { "Charging" } else { "Available" };
                let payload =
                    format!(r#"{{"connectorId":{connector},"errorCode":"NoError","status":"{state}"}}"#);
                Said::new("StatusNotification", payload, "{}")
            }
            (70, _) => Said {
                from: Some("volt"),
                ..Said::new(
                    "TriggerMessage",
                    r#"{"requestedMessage":"Heartbeat"}"#.to_owned(),
                    r#"{"status":"Accepted"}"#,
                )
            },
            _ => Said::new("Heartbeat", "{}".to_owned(), r#"{"currentTime":"2026-11-22T12:00:00Z"}"#),
        }
    }
}

/// One of the cards; a tenth of them does half of the charging.
fn place(random: &mut Rng) -> usize {
    if random.bool() { random.usize(..CARDS / 10) } else { random.usize(..CARDS) }
}

struct Said {
    from: Option<&'static str>,
    action: &'static str,
    payload: String,
    answer: String,
}

impl Said {
    fn new(action: &'static str, payload: String, answer: &str) -> Self {
        Self { from: None, action, payload, answer: answer.to_owned() }
    }
}
