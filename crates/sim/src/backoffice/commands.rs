//! The commands a backoffice sends, and what it makes of their answers.

use std::time::Duration;

use engine::Moment;
use serde_json::{Value, json};

use super::{Backoffice, BackofficeNews, CommandRange, Complaint, OwnCall};
use crate::frame;

/// A command to send to the charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// RemoteStartTransaction for a card on a connector.
    RemoteStart {
        /// Where.
        connector: i64,
        /// The card.
        id_tag: String,
    },
    /// RemoteStopTransaction, by this backoffice's own number.
    RemoteStop(i64),
    /// Any other action with its payload.
    Other(&'static str, Value),
}

impl Backoffice {
    /// Sends a command as soon as the one before it is answered.
    pub fn command(&mut self, now: Moment, command: Command) {
        self.enqueue(command);
        self.send_commands(now);
    }

    fn enqueue(&mut self, command: Command) {
        let (action, payload) = match command {
            Command::RemoteStart { connector, id_tag } => {
                ("RemoteStartTransaction", json!({ "connectorId": connector, "idTag": id_tag }))
            }
            Command::RemoteStop(number) => ("RemoteStopTransaction", json!({ "transactionId": number })),
            Command::Other(action, payload) => (action, payload),
        };
        self.own_queue.push_back((action, payload.to_string()));
    }

    /// Makes up what a backoffice might want of a charger.
    pub(super) fn invent_commands(&mut self) {
        for _ in 0..self.settings.commands_at_once.max(1) {
            let command = match self.settings.command_range {
                CommandRange::Few => self.invent_plainly(),
                CommandRange::Everything => self.wish(),
            };
            self.enqueue(command);
        }
    }

    pub(super) fn invent_plainly(&mut self) -> Command {
        let connector = self.random.i64(1..=2);
        match self.random.u32(..17) {
            0 if self.settings.command_range == CommandRange::Everything => {
                Command::RemoteStart { connector, id_tag: self.card() }
            }
            0 => match self.random.choice(self.settings.cards.keys()).cloned() {
                Some(id_tag) => Command::RemoteStart { connector, id_tag },
                None => Command::Other("ClearCache", json!({})),
            },
            1 | 2 => match self.books.iter().rfind(|booked| !booked.stopped) {
                Some(booked) => Command::RemoteStop(booked.number),
                None => Command::RemoteStop(self.settings.first_transaction + 999),
            },
            3 | 4 => {
                let message = ["StatusNotification", "Heartbeat", "BootNotification"][self.random.usize(..3)];
                Command::Other(
                    "TriggerMessage",
                    json!({ "requestedMessage": message, "connectorId": connector }),
                )
            }
            5 | 6 => Command::Other("GetConfiguration", json!({})),
            7 => Command::Other("ChangeConfiguration", json!({ "key": "HeartbeatInterval", "value": "120" })),
            8 => {
                Command::Other("ChangeConfiguration", json!({ "key": "AuthorizationKey", "value": "stolen" }))
            }
            9 => Command::Other("ChangeConfiguration", json!({ "key": "SecurityProfile", "value": "3" })),
            10 => {
                let id = self.next_resource;
                self.next_resource += 1;
                self.reservations.insert(id);
                let id_tag = match self.settings.command_range {
                    CommandRange::Few => {
                        self.random.choice(self.settings.cards.keys()).cloned().unwrap_or_default()
                    }
                    CommandRange::Everything => self.card(),
                };
                let (connectors, expiry) = (connector, "2099-01-01T00:00:00Z");
                Command::Other(
                    "ReserveNow",
                    json!({ "connectorId": connectors, "expiryDate": expiry, "idTag": id_tag, "reservationId": id }),
                )
            }
            11 => {
                let id = self.reservations.last().copied().unwrap_or(77);
                Command::Other("CancelReservation", json!({ "reservationId": id }))
            }
            12 => {
                let id = self.next_resource;
                self.next_resource += 1;
                let schedule = json!({
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{ "startPeriod": 0, "limit": 16.0 }],
                });
                let profile = json!({
                    "chargingProfileId": id,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": schedule,
                });
                Command::Other(
                    "SetChargingProfile",
                    json!({ "connectorId": 1, "csChargingProfiles": profile }),
                )
            }
            13 => Command::Other("GetDiagnostics", json!({ "location": "ftp://files.example/" })),
            14 => Command::Other("Reset", json!({ "type": "Soft" })),
            15 => Command::Other("UnlockConnector", json!({ "connectorId": connector })),
            _ => Command::Other("MadeUpByVendor", json!({ "x": 1 })),
        }
    }

    pub(super) fn plan_command(&mut self, now: Moment) {
        self.next_command = self.settings.commands_every.map(|every| {
            let wait = self.random.u64(..=2 * every.as_micros() as u64).max(1_000);
            now.tick + Duration::from_micros(wait)
        });
    }

    pub(super) fn send_commands(&mut self, now: Moment) {
        let at_once = self.settings.commands_at_once.max(1) as usize;
        while self.connected && self.own_calls.len() < at_once {
            let Some((action, payload)) = self.own_queue.pop_front() else { return };
            let id = self.ids.next(&mut self.random);
            self.outbox.push_back(frame::call(&id, action, &payload));
            let give_up = now.tick + self.settings.answer_timeout;
            self.own_calls.push(OwnCall { id, action, payload, give_up });
        }
    }

    pub(super) fn command_answered(&mut self, id: &str, answer: Result<String, String>) {
        match self.own_calls.iter().position(|call| call.id == id) {
            Some(at) => {
                let call = self.own_calls.remove(at);
                self.command_over(call.action, call.payload, answer);
            }
            None if self.given_up.remove(id) => {}
            None => self.complaints.push(Complaint::StrayAnswer(id.to_owned())),
        }
    }

    pub(super) fn command_over(&mut self, action: &str, payload: String, answer: Result<String, String>) {
        self.news.push_back(BackofficeNews::CommandAnswered { action: action.to_owned(), payload, answer });
    }
}
