//! The charger's sessions and its queue of transaction messages: in order, one at a time, repeated
//! after a failure, kept over a lost connection (OCPP 1.6 §3.7.1).

use std::collections::VecDeque;
use std::time::Duration;

use engine::{Moment, Tick};
use serde_json::Value;

use super::ChargerSettings;
use crate::frame::{Layout, quoted};

/// Each session of a simulated charger starts at a multiple of this meter reading and stays below
/// the next. So a backoffice sees from any reading which session it belongs to, and can tell when a
/// reading was booked on the wrong one.
pub const SESSION_BAND_WH: i64 = 100_000;

/// What the charger calls a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Its StartTransaction is not answered yet.
    Unanswered,
    /// As answered.
    Told(i64),
    /// It will never know; it says -1 (OCPP 1.6 errata 3.18).
    Lost,
}

impl Number {
    /// The number it sends; `None` while it has to wait for one.
    fn spoken(self) -> Option<i64> {
        match self {
            Number::Unanswered => None,
            Number::Told(number) => Some(number),
            Number::Lost => Some(-1),
        }
    }
}

/// One session.
#[derive(Debug, Clone)]
pub struct ChargingSession {
    /// Which one, from 1; its readings lie in `serial * SESSION_BAND_WH ..`.
    pub serial: i64,
    /// Where.
    pub connector: i64,
    /// The card.
    pub id_tag: String,
    /// What the charger calls it.
    pub number: Number,
    /// Whether the car is still charging.
    pub running: bool,
    reading_wh: i64,
    next_sample: Tick,
}

#[derive(Debug)]
enum Body {
    Start(Vec<(&'static str, String)>),
    Meter { timestamp: String, reading_wh: i64 },
    Stop { timestamp: String, reading_wh: i64, reason: &'static str },
}

#[derive(Debug)]
struct Message {
    session: usize,
    body: Body,
    failures: u32,
    not_before: Tick,
}

/// What the answer to a transaction message meant.
pub(super) enum Delivered {
    Start { connector: i64, number: i64, id_tag: String, status: String },
    Stop(Option<i64>),
    Other,
}

#[derive(Debug)]
pub(super) struct Sessions {
    all: Vec<ChargingSession>,
    queue: VecDeque<Message>,
    head_is_out: bool,
    meter_interval: Duration,
}

impl Sessions {
    pub(super) fn new(settings: &ChargerSettings) -> Self {
        let stray = settings.stray_transaction.map(|number| ChargingSession {
            serial: 1,
            connector: 1,
            id_tag: "STRAY".to_owned(),
            number: Number::Told(number),
            running: true,
            reading_wh: SESSION_BAND_WH + 1,
            next_sample: Tick(0) + settings.meter_interval,
        });
        Self {
            all: stray.into_iter().collect(),
            queue: VecDeque::new(),
            head_is_out: false,
            meter_interval: settings.meter_interval,
        }
    }

    pub(super) fn sample_every(&mut self, interval: Duration) {
        self.meter_interval = interval;
    }

    pub(super) fn all(&self) -> &[ChargingSession] {
        &self.all
    }

    pub(super) fn running_on(&self, connector: i64) -> Option<&ChargingSession> {
        self.all.iter().find(|session| session.running && session.connector == connector)
    }

    pub(super) fn running_as(&self, number: i64) -> Option<&ChargingSession> {
        self.all.iter().find(|session| session.running && session.number == Number::Told(number))
    }

    pub(super) fn backlog(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn begin(&mut self, now: Moment, connector: i64, id_tag: &str, reservation: Option<i64>) {
        let serial = self.all.len() as i64 + 1;
        let meter_start = serial * SESSION_BAND_WH;
        let mut fields = vec![
            ("connectorId", connector.to_string()),
            ("idTag", quoted(id_tag)),
            ("meterStart", meter_start.to_string()),
        ];
        fields.extend(reservation.map(|id| ("reservationId", id.to_string())));
        fields.push(("timestamp", quoted(&now.to_ocpp())));
        self.all.push(ChargingSession {
            serial,
            connector,
            id_tag: id_tag.to_owned(),
            number: Number::Unanswered,
            running: true,
            reading_wh: meter_start,
            next_sample: now.tick + self.meter_interval,
        });
        self.queue_up(self.all.len() - 1, Body::Start(fields));
    }

    /// Ends the session on a connector; says its number, or `None` when nothing runs there.
    pub(super) fn end(&mut self, now: Moment, connector: i64, reason: &'static str) -> Option<Option<i64>> {
        let at = self.all.iter().position(|session| session.running && session.connector == connector)?;
        let session = &mut self.all[at];
        session.running = false;
        session.reading_wh += 7;
        let reading_wh = session.reading_wh;
        let number = session.number.spoken();
        self.queue_up(at, Body::Stop { timestamp: now.to_ocpp(), reading_wh, reason });
        Some(number)
    }

    /// Takes the meter readings that are due.
    pub(super) fn sample(&mut self, now: Moment) {
        for at in 0..self.all.len() {
            let session = &mut self.all[at];
            if session.running && session.next_sample <= now.tick {
                session.next_sample = now.tick + self.meter_interval;
                session.reading_wh += 13;
                let body = Body::Meter { timestamp: now.to_ocpp(), reading_wh: session.reading_wh };
                self.queue_up(at, body);
            }
        }
    }

    pub(super) fn next_sample(&self) -> Option<Tick> {
        self.all.iter().filter(|session| session.running).map(|session| session.next_sample).min()
    }

    /// When the head of the queue may be sent; `None` when it is out or there is none.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.queue.front().filter(|_| !self.head_is_out).map(|message| message.not_before)
    }

    /// The next message to send, if its time has come.
    pub(super) fn next_message(&mut self, now: Moment, layout: Layout) -> Option<(&'static str, String)> {
        if self.next_due()? > now.tick {
            return None;
        }
        let message = self.queue.front()?;
        let session = &self.all[message.session];
        // The queue is in order, so that a start is answered or given up before what follows it.
        let number = session.number.spoken().unwrap_or(-1).to_string();
        self.head_is_out = true;
        Some(match &message.body {
            Body::Start(fields) => ("StartTransaction", layout.object(fields)),
            Body::Meter { timestamp, reading_wh } => {
                let sampled = layout.object(&[
                    ("value", quoted(&reading_wh.to_string())),
                    ("context", quoted("Sample.Periodic")),
                    ("measurand", quoted("Energy.Active.Import.Register")),
                    ("unit", quoted("Wh")),
                ]);
                let value = layout
                    .object(&[("timestamp", quoted(timestamp)), ("sampledValue", format!("[{sampled}]"))]);
                let fields = [
                    ("connectorId", session.connector.to_string()),
                    ("transactionId", number),
                    ("meterValue", format!("[{value}]")),
                ];
                ("MeterValues", layout.object(&fields))
            }
            Body::Stop { timestamp, reading_wh, reason } => {
                let fields = [
                    ("idTag", quoted(&session.id_tag)),
                    ("meterStop", reading_wh.to_string()),
                    ("timestamp", quoted(timestamp)),
                    ("transactionId", number),
                    ("reason", quoted(reason)),
                ];
                ("StopTransaction", layout.object(&fields))
            }
        })
    }

    /// The head of the queue was answered (`None`: with an error, or not in time).
    pub(super) fn answered(
        &mut self,
        now: Moment,
        answer: Option<Value>,
        attempts: u32,
        retry: Duration,
    ) -> Delivered {
        self.head_is_out = false;
        let Some(message) = self.queue.front_mut() else { return Delivered::Other };
        let session = &mut self.all[message.session];
        let Some(answer) = answer else {
            message.failures += 1;
            message.not_before = now.tick + retry * message.failures;
            if message.failures >= attempts {
                if matches!(message.body, Body::Start(_)) {
                    session.number = Number::Lost;
                }
                self.queue.pop_front();
            }
            return Delivered::Other;
        };
        let delivered = match message.body {
            Body::Start(_) => {
                let told = answer["transactionId"].as_i64();
                session.number = told.map_or(Number::Lost, Number::Told);
                Delivered::Start {
                    connector: session.connector,
                    number: told.unwrap_or(-1),
                    id_tag: session.id_tag.clone(),
                    status: answer["idTagInfo"]["status"].as_str().unwrap_or("none").to_owned(),
                }
            }
            Body::Meter { .. } => Delivered::Other,
            Body::Stop { .. } => Delivered::Stop(session.number.spoken()),
        };
        self.queue.pop_front();
        delivered
    }

    /// The connection ended while the head was unanswered: it is sent again later, unless it is a
    /// start and the charger is of the forgetful kind.
    pub(super) fn connection_lost(&mut self, forgets_start: bool) {
        self.head_is_out = false;
        if forgets_start && let Some(Message { body: Body::Start(_), session, .. }) = self.queue.front() {
            self.all[*session].number = Number::Lost;
            self.queue.pop_front();
        }
    }

    fn queue_up(&mut self, session: usize, body: Body) {
        self.queue.push_back(Message { session, body, failures: 0, not_before: Tick(0) });
    }
}
