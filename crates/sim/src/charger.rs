//! A believable OCPP 1.6 charger as a pure machine: told what it hears and what time it is, it says
//! what it sends and when it wants to be woken.

mod answers;
mod commands;
mod holdings;
mod sessions;
mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use engine::{Moment, Tick};
use serde_json::Value;

use crate::frame::{Frame, Ids, quoted};
pub use holdings::InstalledProfile;
pub use sessions::{ChargingSession, Number, SESSION_BAND_WH};
pub use settings::ChargerSettings;

/// Something that happened at the charger, for whoever tells its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargerNews {
    /// BootNotification was answered with this status.
    BootAnswered(String),
    /// Authorize was answered for this card with this status; an error's code when it failed.
    CardAnswered {
        /// The card.
        id_tag: String,
        /// `idTagInfo.status`, or the code of a CALLERROR.
        status: String,
    },
    /// StartTransaction was answered.
    StartAnswered {
        /// The card.
        id_tag: String,
        /// The number the charger was told to use.
        number: i64,
        /// `idTagInfo.status`.
        status: String,
    },
    /// A session has ended at the charger.
    SessionEnded {
        /// The number, if it was ever told one.
        number: Option<i64>,
        /// `reason` of the StopTransaction.
        reason: &'static str,
    },
    /// StopTransaction was answered.
    StopAnswered(Option<i64>),
    /// A command arrived.
    CommandArrived {
        /// Its action.
        action: String,
        /// Its payload.
        payload: String,
    },
}

/// What a call is about, so that its answer can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Boot,
    Plain,
    Authorize { connector: i64, id_tag: String },
    Transaction,
}

/// A call that is not transaction-related; these may overtake the queue.
#[derive(Debug)]
struct Ask {
    subject: Subject,
    action: &'static str,
    payload: String,
}

#[derive(Debug)]
struct Outstanding {
    id: String,
    subject: Subject,
    give_up: Tick,
}

/// The charger.
#[derive(Debug)]
pub struct Charger {
    settings: ChargerSettings,
    random: fastrand::Rng,
    ids: Ids,
    connected: bool,
    accepted: bool,
    boot_due: Option<Tick>,
    heartbeat_every: Duration,
    heartbeat_due: Option<Tick>,
    asks: VecDeque<Ask>,
    outstanding: Vec<Outstanding>,
    outbox: VecDeque<String>,
    later: Vec<(Tick, Later)>,
    sessions: sessions::Sessions,
    reservations: BTreeMap<i64, (i64, String)>,
    holdings: holdings::Holdings,
    configuration: BTreeMap<String, String>,
    wants_to_leave: bool,
    security_events: u32,
    news: VecDeque<ChargerNews>,
}

/// Something the charger has decided to do in a moment.
#[derive(Debug)]
enum Later {
    Answer(String),
    Ask(Ask),
    Start { connector: i64, id_tag: String, profile: Option<Value> },
    Reboot,
}

impl Charger {
    /// A charger that has just been powered up and has no connection yet.
    pub fn new(settings: ChargerSettings, seed: u64) -> Self {
        let configuration = commands::factory_configuration(&settings);
        Self {
            ids: Ids::new(settings.ids),
            random: fastrand::Rng::with_seed(seed),
            connected: false,
            accepted: false,
            boot_due: Some(Tick(0)),
            heartbeat_every: Duration::from_secs(300),
            heartbeat_due: None,
            asks: VecDeque::new(),
            outstanding: Vec::new(),
            outbox: VecDeque::new(),
            later: Vec::new(),
            sessions: sessions::Sessions::new(&settings),
            reservations: BTreeMap::new(),
            holdings: holdings::Holdings::default(),
            configuration,
            wants_to_leave: false,
            security_events: 0,
            news: VecDeque::new(),
            settings,
        }
    }

    /// Its socket is open.
    pub fn connected(&mut self, now: Moment) {
        self.connected = true;
        self.ids.connected();
        self.outstanding.clear();
        if self.settings.boots_on_reconnect {
            self.accepted = false;
        }
        if !self.accepted {
            self.boot_due = Some(now.tick);
        }
        self.say_what_can_be_said(now);
    }

    /// Its socket is gone.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.outbox.clear();
        self.asks.clear();
        self.later.retain(|(_, later)| !matches!(later, Later::Answer(_)));
        if self.outstanding.drain(..).any(|call| call.subject == Subject::Transaction) {
            self.sessions.connection_lost(self.settings.forgets_unanswered_start);
        }
    }

    /// A text message arrived.
    pub fn heard(&mut self, now: Moment, text: &str) {
        match Frame::read(text) {
            Some(Frame::Call { id, action, payload }) => self.commanded(now, id, action, payload),
            Some(Frame::Result { id, payload }) => {
                if let Some(call) = self.take_outstanding(id) {
                    let payload = serde_json::from_str(payload).unwrap_or(Value::Null);
                    self.answered(now, call, Ok(payload));
                }
            }
            Some(Frame::Error { id, code }) => {
                if let Some(call) = self.take_outstanding(id) {
                    self.answered(now, call, Err(code));
                }
            }
            None => {}
        }
        self.say_what_can_be_said(now);
    }

    /// The moment named by [`Charger::poll_deadline`] has come.
    pub fn woke(&mut self, now: Moment) {
        while let Some(at) = self.outstanding.iter().position(|call| call.give_up <= now.tick) {
            let call = self.outstanding.remove(at);
            self.answered(now, call, Err("timeout"));
        }
        while let Some(at) = self.later.iter().position(|(due, _)| *due <= now.tick) {
            match self.later.remove(at).1 {
                Later::Answer(text) => self.say_answer(text),
                Later::Ask(ask) => self.asks.push_back(ask),
                Later::Start { connector, id_tag, profile } => {
                    self.begin(now, connector, &id_tag);
                    self.install_with_start(connector, profile);
                }
                Later::Reboot => self.reboot(now),
            }
        }
        if self.heartbeat_due.is_some_and(|due| due <= now.tick) {
            self.heartbeat_due = Some(now.tick + self.heartbeat_every);
            if self.connected && self.accepted {
                self.ask(Subject::Plain, "Heartbeat", "{}".to_owned());
            }
        }
        self.sessions.sample(now);
        self.say_what_can_be_said(now);
    }

    /// What it sends next; `None` when it has nothing more to say for now.
    pub fn poll_frame(&mut self) -> Option<String> {
        self.outbox.pop_front()
    }

    /// When to call [`Charger::woke`], if it hears nothing before.
    pub fn poll_deadline(&self) -> Option<Tick> {
        let online = self.connected.then(|| {
            let boot =
                if self.accepted { None } else { self.boot_due.filter(|_| self.outstanding.is_empty()) };
            let retry = if self.accepted && self.outstanding.len() < self.settings.pipelining.max(1) {
                self.sessions.next_due()
            } else {
                None
            };
            [boot, retry, self.outstanding.iter().map(|call| call.give_up).min()].into_iter().flatten().min()
        });
        [
            online.flatten(),
            self.later.iter().map(|(due, _)| *due).min(),
            self.heartbeat_due,
            self.sessions.next_sample(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What happened since the last time; for the teller of its story.
    pub fn poll_news(&mut self) -> Option<ChargerNews> {
        self.news.pop_front()
    }

    /// Whether it now closes its socket of its own accord (it reboots). Asking resets it.
    pub fn takes_leave(&mut self) -> bool {
        std::mem::take(&mut self.wants_to_leave)
    }

    /// A driver holds a card to the reader: it starts a session, or ends the one it started.
    pub fn present_card(&mut self, now: Moment, connector: i64, id_tag: &str) {
        if let Some(running) = self.sessions.running_on(connector) {
            if running.id_tag == id_tag {
                self.end_session(now, connector, "Local");
            }
        } else if self.settings.authorizes && self.connected && self.accepted {
            let payload = self.settings.layout.object(&[("idTag", quoted(id_tag))]);
            self.ask(Subject::Authorize { connector, id_tag: id_tag.to_owned() }, "Authorize", payload);
        } else {
            self.begin(now, connector, id_tag);
        }
        self.say_what_can_be_said(now);
    }

    /// The cable is pulled.
    pub fn unplug(&mut self, now: Moment, connector: i64) {
        self.end_session(now, connector, "EVDisconnected");
        self.say_what_can_be_said(now);
    }

    /// Something that matters to its security happened.
    pub fn notice_security_event(&mut self, now: Moment) {
        self.security_events += 1;
        let payload = self.settings.layout.object(&[
            ("type", quoted("SettingSystemTime")),
            ("timestamp", quoted(&now.to_ocpp())),
            ("techInfo", quoted(&format!("event {}", self.security_events))),
        ]);
        self.ask(Subject::Plain, "SecurityEventNotification", payload);
        self.say_what_can_be_said(now);
    }

    /// Its power is switched off and on: it leaves, and boots when it is back.
    pub fn power_cycle(&mut self, now: Moment) {
        self.reboot(now);
    }

    /// Whether it has been accepted by whoever answered its BootNotification.
    pub fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Whether it waits for no answer and has no transaction message left to deliver.
    pub fn is_settled(&self) -> bool {
        self.outstanding.is_empty() && self.asks.is_empty() && self.sessions.backlog() == 0
    }

    /// The sessions it has had, oldest first.
    pub fn sessions(&self) -> &[ChargingSession] {
        self.sessions.all()
    }

    /// How many transaction messages it has not delivered yet.
    pub fn backlog(&self) -> usize {
        self.sessions.backlog()
    }

    /// The charging profiles it has, by their ids.
    pub fn profiles(&self) -> &BTreeMap<i64, InstalledProfile> {
        self.holdings.profiles()
    }

    /// Its local authorisation list: `idTagInfo` by idTag.
    pub fn local_list(&self) -> &BTreeMap<String, Value> {
        self.holdings.list()
    }

    /// Whether a connector, or with 0 the charger, was taken out of service.
    pub fn is_inoperative(&self, connector: i64) -> bool {
        self.holdings.is_inoperative(connector)
    }

    /// The value of a configuration key.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.configuration.get(key).map(String::as_str)
    }

    /// Whether it answers commands.
    pub fn obeys(&self) -> bool {
        self.settings.answers_commands
    }

    /// Whether a transaction ends whose card is refused (`StopTransactionOnInvalidId`).
    pub fn stops_on_invalid_id(&self) -> bool {
        self.settings.stop_on_invalid_id
    }

    /// From now on it answers commands, and repeats nothing.
    pub fn calm_down(&mut self) {
        self.settings.answers_commands = true;
        self.settings.repeats_per_mille = 0;
        self.settings.repeated_answers_per_mille = 0;
    }

    fn take_outstanding(&mut self, id: &str) -> Option<Outstanding> {
        let at = self.outstanding.iter().position(|call| call.id == id)?;
        Some(self.outstanding.remove(at))
    }

    fn ask(&mut self, subject: Subject, action: &'static str, payload: String) {
        self.asks.push_back(Ask { subject, action, payload });
    }

    fn status_of(&mut self, now: Moment, connector: i64) -> Ask {
        let status = match self.sessions.running_on(connector) {
            Some(_) => "Charging",
            None if self.reservations.values().any(|(on, _)| *on == connector) => "Reserved",
            None => "Available",
        };
        let payload = self.settings.layout.object(&[
            ("connectorId", connector.to_string()),
            ("errorCode", quoted("NoError")),
            ("status", quoted(status)),
            ("timestamp", quoted(&now.to_ocpp())),
        ]);
        Ask { subject: Subject::Plain, action: "StatusNotification", payload }
    }

    fn begin(&mut self, now: Moment, connector: i64, id_tag: &str) {
        if self.sessions.running_on(connector).is_some()
            || connector < 1
            || connector > self.settings.connectors
        {
            return;
        }
        let reservation = self
            .reservations
            .iter()
            .find(|(_, (on, tag))| *on == connector && tag == id_tag)
            .map(|(id, _)| *id);
        if let Some(id) = reservation {
            self.reservations.remove(&id);
        }
        self.sessions.begin(now, connector, id_tag, reservation);
        let status = self.status_of(now, connector);
        self.asks.push_back(status);
    }

    fn end_session(&mut self, now: Moment, connector: i64, reason: &'static str) {
        if let Some(number) = self.sessions.end(now, connector, reason) {
            self.holdings.session_ended(connector);
            self.news.push_back(ChargerNews::SessionEnded { number, reason });
            let status = self.status_of(now, connector);
            self.asks.push_back(status);
        }
    }

    fn reboot(&mut self, now: Moment) {
        for connector in 1..=self.settings.connectors {
            self.end_session(now, connector, "Reboot");
        }
        self.accepted = false;
        self.heartbeat_due = None;
        self.wants_to_leave = true;
    }

    fn say_answer(&mut self, text: String) {
        if !self.connected {
            return;
        }
        if self.random.u32(..1000) < self.settings.repeated_answers_per_mille {
            self.outbox.push_back(text.clone());
        }
        self.outbox.push_back(text);
    }
}
