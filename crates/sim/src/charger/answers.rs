//! What the answers to the charger's calls lead to, and what it says next.

use std::time::Duration;

use engine::Moment;
use serde_json::Value;

use super::{Ask, Charger, ChargerNews, Outstanding, Subject, sessions};
use crate::frame::{self, quoted};

impl Charger {
    pub(super) fn answered(&mut self, now: Moment, call: Outstanding, answer: Result<Value, &str>) {
        match (call.subject, answer) {
            (Subject::Boot, answer) => self.boot_answered(now, answer),
            (Subject::Plain, _) => {}
            (Subject::Authorize { connector, id_tag }, answer) => {
                let status = match &answer {
                    Ok(payload) => payload["idTagInfo"]["status"].as_str().unwrap_or("none"),
                    Err(code) => code,
                };
                self.news.push_back(ChargerNews::CardAnswered {
                    id_tag: id_tag.clone(),
                    status: status.to_owned(),
                });
                if status == "Accepted" {
                    self.begin(now, connector, &id_tag);
                }
            }
            (Subject::Transaction, answer) => {
                let (attempts, retry) = (self.settings.transaction_attempts, self.settings.transaction_retry);
                let outcome = self.sessions.answered(now, answer.ok(), attempts, retry);
                match outcome {
                    sessions::Delivered::Start { connector, number, id_tag, status } => {
                        let refused = status != "Accepted";
                        self.news.push_back(ChargerNews::StartAnswered { id_tag, number, status });
                        if refused && self.settings.stop_on_invalid_id {
                            self.end_session(now, connector, "DeAuthorized");
                        }
                    }
                    sessions::Delivered::Stop(number) => {
                        self.news.push_back(ChargerNews::StopAnswered(number))
                    }
                    sessions::Delivered::Other => {}
                }
            }
        }
    }

    fn boot_answered(&mut self, now: Moment, answer: Result<Value, &str>) {
        let (status, interval_s) = match &answer {
            Ok(payload) => (payload["status"].as_str().unwrap_or("none"), payload["interval"].as_u64()),
            Err(code) => (*code, None),
        };
        self.news.push_back(ChargerNews::BootAnswered(status.to_owned()));
        let interval = Duration::from_secs(interval_s.filter(|s| *s > 0).unwrap_or(30).clamp(1, 86_400));
        if status == "Accepted" {
            self.accepted = true;
            self.boot_due = None;
            self.heartbeat_every = interval;
            self.heartbeat_due = Some(now.tick + interval);
            for connector in 0..=self.settings.connectors {
                let status = self.status_of(now, connector);
                self.asks.push_back(status);
            }
        } else {
            self.boot_due = Some(now.tick + interval);
        }
    }

    pub(super) fn say_what_can_be_said(&mut self, now: Moment) {
        while self.connected && self.outstanding.len() < self.settings.pipelining.max(1) {
            let ask = if !self.accepted {
                if !self.outstanding.is_empty() || self.boot_due.is_none_or(|due| due > now.tick) {
                    return;
                }
                self.boot_due = Some(now.tick + self.settings.answer_timeout);
                self.boot_notification()
            } else if let Some(ask) = self.asks.pop_front() {
                ask
            } else if let Some((action, payload)) = self.sessions.next_message(now, self.settings.layout) {
                Ask { subject: Subject::Transaction, action, payload }
            } else {
                return;
            };
            let id = self.ids.next(&mut self.random);
            let text = frame::call(&id, ask.action, &ask.payload);
            if self.random.u32(..1000) < self.settings.repeats_per_mille {
                self.outbox.push_back(text.clone());
            }
            self.outbox.push_back(text);
            let give_up = now.tick + self.settings.answer_timeout;
            self.outstanding.push(Outstanding { id, subject: ask.subject, give_up });
        }
    }

    fn boot_notification(&self) -> Ask {
        let payload = self.settings.layout.object(&[
            ("chargePointVendor", quoted(&self.settings.vendor)),
            ("chargePointModel", quoted(&self.settings.model)),
            ("firmwareVersion", quoted("1.0.0")),
        ]);
        Ask { subject: Subject::Boot, action: "BootNotification", payload }
    }
}
