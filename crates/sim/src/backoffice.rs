//! A believable OCPP 1.6 backoffice for one charger, as a pure machine. It believes that it is the
//! only one, keeps its own books, and complains about everything that does not fit them.

mod commands;
mod faults;
mod settings;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::{Moment, Tick};
use serde_json::Value;

use crate::charger::SESSION_BAND_WH;
use crate::frame::{Frame, Ids, quoted};
pub use commands::Command;
use faults::Lapse;
pub use settings::{BackofficeFaults, BackofficeSettings};
pub use wishes::CommandRange;

/// Something that no charger alone would have done to this backoffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// A transaction number that it never issued.
    UnknownTransaction {
        /// The message.
        action: String,
        /// The number.
        number: i64,
        /// The payload it stood in.
        payload: String,
    },
    /// A reading or a stop that belongs to another session than the number says.
    WrongTransaction {
        /// The message.
        action: String,
        /// The number.
        number: i64,
        /// What does not fit.
        detail: String,
    },
    /// A reservation that it never made.
    UnknownReservation(i64),
    /// A second call while the first was unanswered (OCPP-J 1.6 §4.1.1).
    TwoOutstanding {
        /// The call it was busy with.
        first: String,
        /// The one that came too early.
        second: String,
    },
    /// A message id that was used before on this connection.
    RepeatedMessageId(String),
    /// An answer to a call it never made, or that was answered before.
    StrayAnswer(String),
    /// Text that is not an OCPP-J frame.
    NotOcpp(String),
    /// A message id that is not a string of at most 36 characters.
    BadMessageId(String),
    /// Something else than BootNotification from a charger that was told to wait.
    BeforeAccepted(String),
}

/// What happened at a backoffice, for whoever tells its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackofficeNews {
    /// It was asked something and decided on this answer.
    Asked {
        /// The action.
        action: String,
        /// What was asked.
        payload: String,
        /// What it will answer.
        answer: String,
    },
    /// Its command was answered; `Err` holds the code of a CALLERROR, or `"timeout"`.
    CommandAnswered {
        /// The action.
        action: String,
        /// What was commanded.
        payload: String,
        /// The answer.
        answer: Result<String, String>,
    },
}

/// One entry of its books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedTransaction {
    /// The number it issued.
    pub number: i64,
    /// Which session of the charger it is, from the meter reading.
    pub serial: i64,
    /// The connector.
    pub connector: i64,
    /// Whether its stop has come.
    pub stopped: bool,
}

#[derive(Debug)]
struct OwnCall {
    id: String,
    action: &'static str,
    payload: String,
    give_up: Tick,
}

/// The backoffice.
#[derive(Debug)]
pub struct Backoffice {
    settings: BackofficeSettings,
    random: fastrand::Rng,
    /// For the faults that are drawn apart.
    wild_random: fastrand::Rng,
    /// It answers nothing before.
    asleep_until: Tick,
    ids: Ids,
    connected: bool,
    /// Survives connections: a charger that was accepted stays accepted (OCPP-J 1.6 §5.4).
    accepted: bool,
    boots: u32,
    next_number: i64,
    books: Vec<BookedTransaction>,
    reservations: BTreeSet<i64>,
    next_resource: i64,
    list_version: i64,
    /// What it calls cards that have another number at the charger.
    card_names: BTreeMap<String, String>,
    seen_ids: BTreeSet<String>,
    unanswered: BTreeMap<String, (String, Tick)>,
    own_calls: Vec<OwnCall>,
    given_up: BTreeSet<String>,
    own_queue: VecDeque<(&'static str, String)>,
    later: Vec<(Tick, String, Option<String>)>,
    next_command: Option<Tick>,
    outbox: VecDeque<String>,
    complaints: Vec<Complaint>,
    news: VecDeque<BackofficeNews>,
}

impl Backoffice {
    /// A backoffice that has never heard of the charger.
    pub fn new(settings: BackofficeSettings, seed: u64) -> Self {
        Self {
            ids: Ids::new(settings.ids),
            random: fastrand::Rng::with_seed(seed),
            wild_random: fastrand::Rng::with_seed(!seed),
            asleep_until: Tick(0),
            connected: false,
            accepted: false,
            boots: 0,
            next_number: settings.first_transaction,
            books: Vec::new(),
            reservations: BTreeSet::new(),
            next_resource: 1,
            list_version: 0,
            card_names: BTreeMap::new(),
            seen_ids: BTreeSet::new(),
            unanswered: BTreeMap::new(),
            own_calls: Vec::new(),
            given_up: BTreeSet::new(),
            own_queue: VecDeque::new(),
            later: Vec::new(),
            next_command: None,
            outbox: VecDeque::new(),
            complaints: Vec::new(),
            news: VecDeque::new(),
            settings,
        }
    }

    /// The charger's connection is open.
    pub fn connected(&mut self, now: Moment) {
        self.forget_connection();
        self.connected = true;
        self.ids.connected();
        self.plan_command(now);
    }

    /// The charger's connection is gone.
    pub fn disconnected(&mut self) {
        self.forget_connection();
    }

    /// A text message arrived.
    pub fn heard(&mut self, now: Moment, text: &str) {
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => self.asked(now, id, action, payload),
            Some(Frame::Result { id, payload }) => self.command_answered(id, Ok(payload.to_owned())),
            Some(Frame::Error { id, code }) => self.command_answered(id, Err(code.to_owned())),
            None => self.complaints.push(Complaint::NotOcpp(text.to_owned())),
        }
        self.send_commands(now);
    }

    /// The moment named by [`Backoffice::poll_deadline`] has come.
    pub fn woke(&mut self, now: Moment) {
        while let Some(at) = self.later.iter().position(|(due, ..)| *due <= now.tick) {
            let (_, text, answers) = self.later.remove(at);
            if let Some(id) = answers {
                self.unanswered.remove(&id);
            }
            self.outbox.push_back(text);
        }
        while let Some(at) = self.own_calls.iter().position(|call| call.give_up <= now.tick) {
            let call = self.own_calls.remove(at);
            self.given_up.insert(call.id);
            self.command_over(call.action, call.payload, Err("timeout".to_owned()));
        }
        if self.next_command.is_some_and(|due| due <= now.tick) {
            self.invent_commands();
            self.plan_command(now);
        }
        self.send_commands(now);
    }

    /// What it sends next; `None` when it has nothing more to say for now.
    pub fn poll_frame(&mut self) -> Option<String> {
        self.outbox.pop_front()
    }

    /// When to call [`Backoffice::woke`], if it hears nothing before.
    pub fn poll_deadline(&self) -> Option<Tick> {
        let answer = self.later.iter().map(|(due, ..)| *due).min();
        let give_up = self.own_calls.iter().map(|call| call.give_up).min();
        [answer, give_up, self.next_command].into_iter().flatten().min()
    }

    /// Everything that did not fit its books so far.
    pub fn complaints(&self) -> &[Complaint] {
        &self.complaints
    }

    /// Every transaction it has issued a number for, oldest first.
    pub fn books(&self) -> &[BookedTransaction] {
        &self.books
    }

    /// From now on it calls some cards by names of its own: what it calls them, by their numbers.
    pub fn call_cards(&mut self, names: BTreeMap<String, String>) {
        for (card, name) in &names {
            let status = self.settings.cards.get(card).unwrap_or(&self.settings.unknown_card).clone();
            self.settings.cards.insert(name.clone(), status);
        }
        self.card_names = names;
    }

    /// Whether it takes more than BootNotification from this charger.
    pub fn is_willing(&self) -> bool {
        self.accepted || self.boots == 0
    }

    /// How many of its commands have not been answered.
    pub fn commands_unanswered(&self) -> usize {
        self.own_calls.len()
    }

    /// What happened since the last time; for the teller of its story.
    pub fn poll_news(&mut self) -> Option<BackofficeNews> {
        self.news.pop_front()
    }

    /// From now on it makes no mistakes and sends no commands of its own accord.
    pub fn calm_down(&mut self) {
        self.asleep_until = Tick(0);
        self.settings.faults = BackofficeFaults::default();
        self.settings.commands_every = None;
        self.settings.pending_boots = 0;
        self.next_command = None;
        self.own_queue.clear();
    }

    fn forget_connection(&mut self) {
        self.connected = false;
        self.seen_ids.clear();
        self.unanswered.clear();
        self.own_calls.clear();
        self.given_up.clear();
        self.own_queue.clear();
        self.later.clear();
        self.outbox.clear();
        self.next_command = None;
    }

    fn asked(&mut self, now: Moment, id: &str, action: &str, payload: &str) {
        if !id.starts_with('"') || id.len() > 38 {
            self.complaints.push(Complaint::BadMessageId(id.to_owned()));
        }
        if !self.seen_ids.insert(id.to_owned()) {
            self.complaints.push(Complaint::RepeatedMessageId(id.to_owned()));
        }
        let patience = self.settings.patience;
        self.unanswered.retain(|_, (_, since)| now.tick.since(*since) < patience);
        if let Some((first, _)) = self.unanswered.values().next() {
            let complaint = Complaint::TwoOutstanding { first: first.clone(), second: action.to_owned() };
            self.complaints.push(complaint);
        }
        self.unanswered.insert(id.to_owned(), (action.to_owned(), now.tick));
        let request = serde_json::from_str(payload).unwrap_or(Value::Null);
        if !self.accepted && self.boots > 0 && action != "BootNotification" {
            self.complaints.push(Complaint::BeforeAccepted(action.to_owned()));
        }
        let lapse = self.lapse();
        let answer = match lapse {
            Some(Lapse::Refuses(code)) => Err(code),
            Some(Lapse::WrongTypes) => Ok(self.wrong_types_for(action)),
            _ => self.answer_to(now, action, payload, &request),
        };
        self.news.push_back(BackofficeNews::Asked {
            action: action.to_owned(),
            payload: payload.to_owned(),
            answer: answer.as_ref().map_or_else(|code| (*code).to_owned(), Clone::clone),
        });
        self.reply(now, id, answer, lapse);
    }

    fn answer_to(
        &mut self,
        now: Moment,
        action: &str,
        payload: &str,
        request: &Value,
    ) -> Result<String, &'static str> {
        let layout = self.settings.layout;
        match action {
            "BootNotification" => {
                self.boots += 1;
                self.accepted = self.boots > self.settings.pending_boots;
                let (status, interval) =
                    if self.accepted { ("Accepted", self.settings.interval_s) } else { ("Pending", 10) };
                Ok(layout.object(&[
                    ("status", quoted(status)),
                    ("currentTime", quoted(&now.to_ocpp())),
                    ("interval", interval.to_string()),
                ]))
            }
            "Heartbeat" => Ok(layout.object(&[("currentTime", quoted(&now.to_ocpp()))])),
            "Authorize" => {
                let status = self.card_status(request);
                let info = layout.object(&[("status", quoted(&status))]);
                Ok(layout.object(&[("idTagInfo", info)]))
            }
            "StartTransaction" => Ok(self.start(request)),
            "StopTransaction" => {
                self.check_booking(action, payload, request);
                let number = request["transactionId"].as_i64();
                if let Some(booked) = self.books.iter_mut().rfind(|booked| Some(booked.number) == number) {
                    booked.stopped = true;
                }
                let info = layout.object(&[("status", quoted(&self.card_status(request)))]);
                Ok(layout.object(&[("idTagInfo", info)]))
            }
            "MeterValues" => {
                self.check_booking(action, payload, request);
                Ok("{}".to_owned())
            }
            "SecurityEventNotification"
            | "StatusNotification"
            | "DiagnosticsStatusNotification"
            | "FirmwareStatusNotification" => Ok("{}".to_owned()),
            "DataTransfer" => Ok(layout.object(&[("status", quoted("UnknownVendorId"))])),
            _ => Err("NotImplemented"),
        }
    }

    fn card_status(&self, request: &Value) -> String {
        let tag = request["idTag"].as_str().unwrap_or_default();
        self.settings.cards.get(tag).unwrap_or(&self.settings.unknown_card).clone()
    }

    fn start(&mut self, request: &Value) -> String {
        if let Some(id) = request["reservationId"].as_i64()
            && !self.reservations.contains(&id)
        {
            self.complaints.push(Complaint::UnknownReservation(id));
        }
        let layout = self.settings.layout;
        let status = self.card_status(request);
        let number = self.number_for_start(&status);
        self.books.push(BookedTransaction {
            number,
            serial: request["meterStart"].as_i64().unwrap_or(0) / SESSION_BAND_WH,
            connector: request["connectorId"].as_i64().unwrap_or(0),
            stopped: false,
        });
        let info = layout.object(&[("status", quoted(&status))]);
        layout.object(&[("transactionId", number.to_string()), ("idTagInfo", info)])
    }

    /// Whether a message of a transaction fits what was booked under its number.
    fn check_booking(&mut self, action: &str, payload: &str, request: &Value) {
        let Some(number) = request["transactionId"].as_i64() else { return };
        let reading = request["meterStop"].as_i64().or_else(|| {
            request["meterValue"][0]["sampledValue"][0]["value"].as_str().and_then(|value| value.parse().ok())
        });
        let serial = reading.unwrap_or(0) / SESSION_BAND_WH;
        let booked: Vec<i64> =
            self.books.iter().filter(|booked| booked.number == number).map(|booked| booked.serial).collect();
        if booked.is_empty() {
            self.complaints.push(Complaint::UnknownTransaction {
                action: action.to_owned(),
                number,
                payload: payload.to_owned(),
            });
        } else if !booked.contains(&serial) {
            self.complaints.push(Complaint::WrongTransaction {
                action: action.to_owned(),
                number,
                detail: format!("a reading of session {serial}, booked for {booked:?}"),
            });
        }
    }
}
