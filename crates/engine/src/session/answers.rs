//! Answers from backoffices: the leader's goes to the charger, everyone's is compared
//! (semantics §1.7, §3.8).

use crate::frame::{self, Frame};
use crate::session::charger::text_slice;
use crate::session::outbox::{Asked, Purpose};
use crate::session::{Reply, Session};
use crate::{BackofficeId, Decider, Direction, FrameKind, Outcome, Side, Text, actions};

impl Session {
    pub(super) fn backoffice_said(&mut self, id: &BackofficeId, text: &Text) {
        let Some(at) = self.heard_from(id) else { return };
        match frame::scan(text) {
            Ok(Frame::Call { id: message_id, action, payload }) => {
                let name = frame::string(action).unwrap_or_default();
                let known = actions::known(&name);
                self.count_in(id, FrameKind::Call, actions::label(known), text);
                self.backoffice_called(at, text, message_id, action, known, payload);
            }
            Ok(Frame::Result { id: message_id, payload }) => {
                let reply = Reply::Result(text_slice(text, payload));
                self.backoffice_answered(at, id, message_id, reply, text);
            }
            Ok(Frame::Error { id: message_id, code, description, details }) => {
                let reply = Reply::passed_on(&code, &description, details);
                self.backoffice_answered(at, id, message_id, reply, text);
            }
            Err(malformed) => {
                use frame::Malformed::{NoAction, NoPayload};
                if let NoAction(message_id) | NoPayload(message_id) = malformed {
                    let reply = Reply::error("FormationViolation", "the action or the payload is missing");
                    self.say_to(id, FrameKind::Error, "other", reply.write(message_id));
                }
                self.backoffice_sent_garbage(at, malformed.label());
            }
        }
    }

    fn count_in(&mut self, id: &BackofficeId, kind: FrameKind, action: &'static str, text: &Text) {
        self.count(Side::Backoffice(id.clone()), Direction::In, kind, action, text.len());
    }

    fn backoffice_answered(
        &mut self,
        at: usize,
        id: &BackofficeId,
        message_id: &str,
        reply: Reply,
        text: &Text,
    ) {
        let asked = frame::minted(message_id).and_then(|message_id| self.asked_by(at, message_id));
        let name = asked.as_ref().map_or("other", |(asked, _)| asked.copy.name());
        self.count_in(id, reply.kind(), name, text);
        let Some((asked, is_late)) = asked else {
            // Unknown, or answered before: never matched to anything else (semantics F-50, F-52).
            self.violation(Side::Backoffice(id.clone()), "stray_answer");
            return;
        };
        if is_late {
            self.late_answer(at, id, &asked, &reply);
        } else {
            self.answer_in_time(at, id, asked, reply);
        }
    }

    fn answer_in_time(&mut self, at: usize, id: &BackofficeId, asked: Asked, reply: Reply) {
        let now = self.now.tick;
        self.links[at].last_answer = Some((now, now.since(asked.sent)));
        if self.leads(id) {
            self.absence.leader_answered();
        }
        self.opinion_heard(id, &asked, Some(&reply));
        self.learn_from_answer(at, id, &asked, &reply);
        let outcome = reply.outcome();
        self.delivery_answered(at, &asked, &outcome);
        if asked.copy.purpose == Purpose::Synthetic {
            return;
        }
        self.compare_answer(id, &asked, outcome, false);
        let waits = self.charger.current.as_ref().is_some_and(|call| call.asks == asked.copy.trace);
        if asked.copy.purpose == Purpose::ChargerWaits && waits && asked.led {
            if self.absorbs(&reply) {
                return self.absorb_error(at, asked);
            }
            if self.charger.current.as_ref().is_some_and(|call| call.ballot.is_some()) {
                // It waits until the verdict on its card is known.
                return;
            }
            let call = self.charger.current.take().expect("a call is in progress");
            let reply = self.reply_for_charger(&call, reply);
            self.answer_charger(call, reply, Decider::Leader(id.clone()));
        }
    }

    /// An answer after its time: it may still tell a transaction number, never more
    /// (semantics F-53, F-54).
    fn late_answer(&mut self, at: usize, id: &BackofficeId, asked: &Asked, reply: &Reply) {
        self.violation(Side::Backoffice(id.clone()), "late_answer");
        self.learn_from_answer(at, id, asked, reply);
        self.late_delivery(at, asked, &reply.outcome());
        if asked.copy.purpose != Purpose::Synthetic {
            self.compare_answer(id, asked, reply.outcome(), true);
        }
    }

    fn learn_from_answer(&mut self, at: usize, id: &BackofficeId, asked: &Asked, reply: &Reply) {
        let leads = asked.led && self.leads(id);
        match asked.copy.name() {
            "Authorize" => self.learn_card(id, asked, reply),
            "StartTransaction" => {
                self.learn_card(id, asked, reply);
                self.start_answered(id, asked, reply);
            }
            "StopTransaction" => {
                self.learn_card(id, asked, reply);
                if leads && asked.copy.purpose == Purpose::ChargerWaits {
                    self.stop_answered(id, asked, reply);
                }
            }
            "BootNotification" => self.boot_answered(at, asked, reply),
            "Heartbeat" => self.check_clock(id, reply),
            _ => {}
        }
    }

    /// The time of a backoffice is over, or its link is.
    pub(super) fn backoffice_did_not_answer(&mut self, at: usize, asked: &Asked, outcome: Outcome) {
        let id = self.links[at].id.clone();
        self.opinion_heard(&id, asked, None);
        if asked.copy.name() == "StartTransaction" {
            self.start_unanswered(&id, asked);
        }
        if asked.copy.name() == "BootNotification" {
            self.boot_unsettled(at);
        }
        self.delivery_answered(at, asked, &outcome);
        if asked.copy.purpose != Purpose::Synthetic {
            self.compare_answer(&id, asked, outcome, false);
        }
    }

    /// The leader's answer, with the charger's own numbers in it.
    fn reply_for_charger(&mut self, call: &crate::session::charger::ChargerCall, reply: Reply) -> Reply {
        match (call.name(), reply) {
            ("StartTransaction", reply) => self.start_reply(call, reply),
            ("BootNotification", Reply::Result(payload)) => self.boot_reply(payload),
            ("StopTransaction", Reply::Result(answer)) => {
                Reply::Result(self.stop_reply(call.transaction, &call.payload, &answer))
            }
            (_, reply) => reply,
        }
    }
}
