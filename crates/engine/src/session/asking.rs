//! What a backoffice is told next: queued, one CALL at a time, matched with its answer
//! (semantics §1.3, §3.7).

use std::sync::Arc;

use uuid::Uuid;

use crate::actions::Keeping;
use crate::session::Session;
use crate::session::message::Message;
use crate::session::meter::Meter;
use crate::session::outbox::{Asked, Copy, Purpose};
use crate::{AnswerNote, FrameKind, Note, Outcome, Text, actions, frame, limits};

impl Session {
    /// Queues a message for a backoffice; its turn comes in [`Self::feed_links`].
    pub(super) fn tell(&mut self, at: usize, copy: Copy) {
        if copy.keeping() == Keeping::InOrder {
            self.deliver(at, copy);
            return;
        }
        let is_told = self.is_told(at);
        if !is_told && copy.keeping() == Keeping::Volatile && copy.purpose != Purpose::ChargerWaits {
            return self.not_asked(at, &copy);
        }
        if !is_told && copy.name() == "StatusNotification" {
            self.state_missed(at, &copy);
        }
        self.tell_soon(at, copy, is_told);
    }

    /// Queues a message among those that are of use only soon.
    pub(super) fn tell_soon(&mut self, at: usize, copy: Copy, is_told: bool) {
        let dropped = self.links[at].outbox.push(copy, is_told);
        if let Some(dropped) = dropped {
            let id = self.links[at].id.clone();
            self.alert(
                "outbox_full",
                format!("{id} was not told of a {}: too much waits for it", dropped.name()),
            );
        }
    }

    /// Whether a backoffice is told what happens. One that has not accepted the charger hears of its
    /// boot alone (semantics C-3); but a charger that its leader has told to wait talks to it all the
    /// same.
    pub(super) fn is_told(&self, at: usize) -> bool {
        let link = &self.links[at];
        let waits = link.waits_for_boot() && (!self.leads(&link.id) || self.boot.is_believed());
        link.is_up() && !waits
    }

    /// Whoever looks for this backoffice's answer is to find why there is none.
    fn not_asked(&mut self, at: usize, copy: &Copy) {
        if copy.purpose == Purpose::Inform {
            let answer = AnswerNote {
                trace: copy.trace,
                backoffice: self.links[at].id.clone(),
                led: false,
                action: copy.name(),
                outcome: Outcome::Unanswered("not_connected"),
                latency_us: 0,
                verdict: crate::Verdict::NotComparable,
                differences: Vec::new(),
            };
            self.note(Note::Answer(Box::new(answer)));
        }
    }

    /// Sends the next message to a backoffice that can take one.
    pub(super) fn feed_links(&mut self) -> bool {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if !link.is_up() || link.asked.is_some() || link.outbox.is_empty() {
                continue;
            }
            let Some(copy) = self.next_copy(at) else { continue };
            self.ask(at, copy);
            return true;
        }
        false
    }

    fn next_copy(&mut self, at: usize) -> Option<Copy> {
        let now = self.now.tick;
        let is_told = self.is_told(at);
        let link = &mut self.links[at];
        link.outbox.remove(|copy| {
            copy.purpose == Purpose::Inform
                && copy.keeping() == Keeping::Volatile
                && now.since(copy.queued) >= limits::VOLATILE_AGE
        });
        if !is_told {
            return link.outbox.take_first(|copy| copy.name() == "BootNotification");
        }
        link.outbox.next(now)
    }

    fn ask(&mut self, at: usize, copy: Copy) {
        let id = self.links[at].id.clone();
        let Some(payload) = self.payload_for(&id, &copy) else {
            self.not_told(at, &copy);
            return;
        };
        let message_id = self.mint_message_id();
        let text = frame::write_call(message_id, &copy.action_token, &payload);
        let led = self.leads(&id);
        let patience = match copy.purpose {
            // Its own, not the charger's: a second CALL must not follow while this one may still be
            // answered, whether or not the charger still waits.
            Purpose::ChargerWaits => limits::LEADER_ANSWER,
            Purpose::Inform | Purpose::Synthetic => limits::FOLLOWER_ANSWER,
        };
        self.start_sent(&id, &copy);
        let name = copy.name();
        let link = &mut self.links[at];
        link.last_asked = self.now.tick;
        link.asked =
            Some(Asked { message_id, copy, sent: self.now.tick, answer_by: self.now.tick + patience, led });
        self.say_to(&id, FrameKind::Call, name, text);
    }

    /// The CALL of a backoffice that this message id answers; with whether it is overdue.
    pub(super) fn asked_by(&mut self, at: usize, message_id: Uuid) -> Option<(Asked, bool)> {
        let link = &mut self.links[at];
        if link.asked.as_ref().is_some_and(|asked| asked.message_id == message_id) {
            return link.asked.take().map(|asked| (asked, false));
        }
        let overdue = link.overdue.iter().position(|asked| asked.message_id == message_id)?;
        link.overdue.remove(overdue).map(|asked| (asked, true))
    }

    /// Says something to a backoffice on the charger's behalf.
    pub(super) fn synthesise(&mut self, at: usize, action: &'static str, payload: Text) {
        if action == "Heartbeat" {
            self.links[at].last_heartbeat = self.now.tick;
        }
        let copy = self.synthetic(action, payload);
        self.tell(at, copy);
    }

    pub(super) fn synthetic(&mut self, action: &'static str, payload: Text) -> Copy {
        let message = Message {
            action: actions::known(action),
            action_token: Text::from(format!("\"{action}\"")),
            meter: (action == "MeterValues").then(|| Meter::read(&payload)),
            payload,
        };
        Copy {
            trace: self.mint_trace(),
            message: Arc::new(message),
            transaction: None,
            queued: self.now.tick,
            held_until: None,
            purpose: Purpose::Synthetic,
            number: None,
            attempts: 0,
            retry_at: None,
            order: 0,
        }
    }
}
