//! The charger's socket: coming, going, signs of life, and the calls that wait their turn.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::{self, Action, StandIn};
use crate::frame::{self, Frame, Malformed};
use crate::payload::Fields;
use crate::session::ballots::Ballot;
use crate::session::message::Message;
use crate::session::meter::{self, Meter};
use crate::session::outbox::{Purpose, give_back_room};
use crate::session::{Reply, Session};
use crate::time::instant;
use crate::{
    Decider, Direction, FrameKind, Moment, Note, Outcome, Reason, Side, Text, Tick, TraceId, limits, payload,
};

/// What is known of the charger's socket.
#[derive(Debug, Default)]
pub(super) struct ChargerSide {
    pub(super) is_here: bool,
    arrived: Tick,
    pub(super) left: Option<Tick>,
    pub(super) last_heard: Tick,
    pub(super) pinged: Option<Tick>,
    /// Whether it has ever answered a ping: only then a missing pong means something.
    pub(super) answers_pings: bool,
    /// It called for something other than BootNotification on this connection.
    pub(super) has_called: bool,
    /// The call that is worked on.
    pub(super) current: Option<ChargerCall>,
    waiting: VecDeque<ChargerCall>,
    waiting_bytes: usize,
    answered: VecDeque<Answered>,
    /// How long it waits for an answer, where it has shown that it waits less than the rules
    /// expect (semantics F-25).
    pub(super) patience: Option<Duration>,
    garbage: Option<(Text, u32)>,
    /// Its clock was found wrong on this connection.
    is_clock_wrong: bool,
}

/// One call of the charger.
#[derive(Debug, Clone)]
pub(super) struct ChargerCall {
    pub(super) trace: TraceId,
    pub(super) message: Arc<Message>,
    /// The id as the charger wrote it.
    pub(super) id: Text,
    pub(super) received: Moment,
    pub(super) answer_by: Tick,
    /// The transaction it belongs to.
    pub(super) transaction: Option<TraceId>,
    /// The call whose answer is its answer: itself, or an earlier one that it repeats and that the
    /// leader was asked already.
    pub(super) asks: TraceId,
    pub(super) flags: Vec<&'static str>,
    /// The opinions on its card, where more than the leader has a say.
    pub(super) ballot: Option<Box<Ballot>>,
}

impl Deref for ChargerCall {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl ChargerCall {
    /// What the proxy answers in the leader's place.
    pub(super) fn stand_in(&self) -> StandIn {
        self.action.and_then(|a| a.from_charger.as_ref()).map_or(StandIn::None, |rules| rules.stand_in)
    }

    /// By what it is recognised when it is said again, if its content alone says that it is.
    pub(super) fn recognised(&self) -> Option<u64> {
        self.message.recognised(self.transaction)
    }

    fn bytes(&self) -> usize {
        self.id.len() + self.message.bytes()
    }
}

/// An answer that the charger may ask for again with the same message id.
#[derive(Debug)]
struct Answered {
    id: Text,
    message: Arc<Message>,
    at: Tick,
    reply: Reply,
}

impl ChargerSide {
    pub(super) fn may_read(&self) -> bool {
        self.waiting.len() < limits::WAITING_CALLS && self.waiting_bytes < limits::WAITING_BYTES
    }

    /// When it connected.
    pub(super) fn arrived(&self) -> Tick {
        self.arrived
    }

    /// When it was last verifiably alive.
    pub(super) fn last_alive(&self) -> Tick {
        self.last_heard
    }
}

impl Session {
    pub(super) fn charger_arrived(&mut self) {
        self.abandon_calls("disconnected");
        if self.charger.is_here {
            // A newer socket: what the older one was sent nobody answers (semantics F-37).
            self.fail_all_commands("charger disconnected");
        }
        self.charger = ChargerSide {
            is_here: true,
            arrived: self.now.tick,
            last_heard: self.now.tick,
            answers_pings: self.charger.answers_pings,
            patience: self.charger.patience,
            ..ChargerSide::default()
        };
        self.boot.charger_arrived();
        self.configuration.wishes_changed();
        self.queue.charger_arrived();
        self.note(Note::ChargerArrived);
        self.give_lead_back();
        // The plan may be another than when the proxy last ran.
        self.withdraw_what_is_not_granted();
        self.tell_newcomers();
        self.stop_all_refused();
        self.review_local_lists();
        self.review_availability();
        self.dial_new();
    }

    pub(super) fn charger_left(&mut self, reason: &'static str) {
        self.learn_patience(limits::IMPATIENT_CLOSE);
        self.charger_is_gone(reason, "disconnected");
    }

    /// `unanswered` says what became of its open calls.
    pub(super) fn charger_is_gone(&mut self, reason: &'static str, unanswered: &'static str) {
        if !self.charger.is_here {
            return;
        }
        self.abandon_calls(unanswered);
        self.charger.is_here = false;
        self.charger.left = Some(self.now.tick);
        self.note(Note::ChargerLeft { reason });
        self.fail_all_commands("charger disconnected");
        if self.is_draining {
            self.end(Reason::Shutdown);
        }
    }

    /// Calls that will never be answered, because their socket is gone, are logged as such.
    fn abandon_calls(&mut self, why: &'static str) {
        let abandoned: Vec<ChargerCall> =
            self.charger.current.take().into_iter().chain(self.charger.waiting.drain(..)).collect();
        self.charger.waiting_bytes = 0;
        // What the leader was asked it may still answer; what it was not is asked again.
        if let Some(at) = self.at(&self.leader) {
            self.links[at].outbox.remove(|copy| copy.purpose == Purpose::ChargerWaits);
        }
        for call in abandoned {
            self.note_call(&call, Outcome::Unanswered(why), Decider::Nobody);
        }
    }

    pub(super) fn charger_said(&mut self, text: &Text) {
        if !self.charger.is_here {
            return;
        }
        self.charger.last_heard = self.now.tick;
        self.charger.pinged = None;
        let (frame, found) = match frame::scan_for(text, meter::MEMBERS) {
            Ok(scanned) => scanned,
            Err(malformed) => return self.charger_sent_garbage(text, malformed),
        };
        match frame {
            Frame::Call { id, action, payload } => {
                let name = frame::string(action).unwrap_or_default();
                let known = actions::known(&name);
                self.count(Side::Charger, Direction::In, FrameKind::Call, actions::label(known), text.len());
                let part = |part| text_slice(text, part);
                let (id, action, payload) = (part(id), part(action), part(payload));
                self.charger_called(id, action, known, payload, &found);
            }
            Frame::Result { id, payload } => {
                let reply = Reply::Result(text_slice(text, payload));
                self.charger_answered(id, reply, text.len());
            }
            Frame::Error { id, code, description, details } => {
                self.charger_answered(id, Reply::passed_on(&code, &description, details), text.len());
            }
        }
    }

    fn charger_called(
        &mut self,
        id: Text,
        action_token: Text,
        action: Option<&'static Action>,
        payload: Text,
        found: &Fields<'_, { meter::MEMBERS.len() }>,
    ) {
        // The same id while the first is still worked on (semantics F-15).
        let first = self.charger.current.iter().chain(&self.charger.waiting).find(|call| call.id == id);
        if let Some(first) = first {
            if first.action_token == action_token && first.payload == payload {
                self.violation(Side::Charger, "repeated_call");
                self.learn_patience(limits::IMPATIENT_LEAST);
            } else {
                self.violation(Side::Charger, "reused_message_id");
                let reply = Reply::error("ProtocolError", "message id is in use by a call in progress");
                self.say_to_charger(FrameKind::Error, actions::label(action), reply.write(&id));
            }
            return;
        }
        let current = self.charger.current.as_ref();
        if current.is_some_and(|call| call.action_token == action_token && call.payload == payload) {
            self.learn_patience(limits::IMPATIENT_LEAST);
        }
        let mut flags = Vec::new();
        if id.len() > 38 {
            flags.push("long_message_id");
        }
        let within =
            action.and_then(|a| a.from_charger.as_ref()).map_or(limits::ANSWER_OTHER, |a| a.answer_within);
        let trace = self.mint_trace();
        let meter = (actions::label(action) == "MeterValues").then(|| Meter::of(&payload, found));
        let call = ChargerCall {
            trace,
            message: Arc::new(Message { action, action_token, payload, meter }),
            asks: trace,
            id,
            received: self.now,
            answer_by: self.now.tick + self.charger.patience.map_or(within, |patience| patience.min(within)),
            transaction: None,
            flags,
            ballot: None,
        };
        self.charger.waiting_bytes += call.bytes();
        self.charger.waiting.push_back(call);
    }

    /// Offline messages come late; but none comes from the future, or from before there was OCPP 1.6
    /// (semantics X-29). Its times are told as they are (semantics B-34).
    pub(super) fn check_chargers_clock(&mut self, call: &ChargerCall) {
        if self.charger.is_clock_wrong || !matches!(call.name(), "StartTransaction" | "StatusNotification") {
            return;
        }
        let Some(time) = payload::text(&call.payload, "timestamp").and_then(|time| instant(&time)) else {
            return;
        };
        let ahead_ms = time.as_millisecond() - self.now.unix_ms;
        let is_ahead = ahead_ms > i64::try_from(limits::CLOCK_ALERT.as_millis()).unwrap_or(i64::MAX);
        if is_ahead || time.as_millisecond() < limits::EARLIEST_UNIX_MS {
            self.charger.is_clock_wrong = true;
            self.alert("charger_clock", format!("the charger's clock is wrong: it says {time}"));
        }
    }

    /// What is no frame is answered where the rules can (semantics E1–E4, Q-24).
    fn charger_sent_garbage(&mut self, text: &Text, malformed: Malformed<'_>) {
        self.violation(Side::Charger, malformed.label());
        let (id, description) = match malformed {
            Malformed::NoAction(id) => (id, "the action is missing or not a string"),
            Malformed::NoPayload(id) => (id, "the payload is missing or not an object"),
            Malformed::NotAFrame | Malformed::TooDeep => {
                let times = match &mut self.charger.garbage {
                    Some((last, times)) if last == text => {
                        *times += 1;
                        *times
                    }
                    other => {
                        *other = Some((text.clone(), 1));
                        1
                    }
                };
                // A message that is never answered blocks the charger's queue for ever.
                match frame::glimpse_call_id(text) {
                    Some(id) if times >= 3 => (id, "the message is not JSON"),
                    _ => return,
                }
            }
            Malformed::UnknownType | Malformed::NoId => return,
        };
        let frame = Reply::error("FormationViolation", description).write(id);
        self.say_to_charger(FrameKind::Error, "other", frame);
    }

    /// Begins the next waiting call, if none is in progress (semantics F-22).
    pub(super) fn next_call(&mut self) -> bool {
        if self.charger.current.is_some() || !self.charger.is_here || self.is_draining {
            return false;
        }
        let Some(call) = self.charger.waiting.pop_front() else { return false };
        give_back_room(&mut self.charger.waiting);
        self.charger.waiting_bytes -= call.bytes();
        let repeated = self.charger.answered.iter().find(|a| {
            a.id == call.id
                && a.message.name() == call.name()
                && a.message.payload == call.payload
                && self.now.tick.since(a.at) < limits::REMEMBERED_ANSWER_AGE
        });
        if let Some(reply) = repeated.map(|a| a.reply.clone()) {
            self.answer_charger(call, reply, Decider::Proxy("F-16"));
        } else {
            self.begin_call(call);
        }
        true
    }

    /// Answers a call and logs it. It must not be in progress any more.
    pub(super) fn answer_charger(&mut self, call: ChargerCall, reply: Reply, decider: Decider) {
        if self.charger.is_here {
            self.say_to_charger(reply.kind(), call.name(), reply.write(&call.id));
        }
        self.note_call(&call, reply.outcome(), decider);
        // What is said again until it is answered was not heard the first time. Other calls mean
        // what they say each time, whatever their id.
        let is_said_until_heard = matches!(
            call.name(),
            "StartTransaction" | "StopTransaction" | "MeterValues" | "SecurityEventNotification"
        );
        if is_said_until_heard && reply.kind() == FrameKind::Result {
            if self.charger.answered.len() == limits::REMEMBERED_ANSWERS {
                self.charger.answered.pop_front();
            }
            let (id, message) = (call.id, call.message);
            self.charger.answered.push_back(Answered { id, message, at: self.now.tick, reply });
        }
    }

    fn note_call(&mut self, call: &ChargerCall, outcome: Outcome, decider: Decider) {
        let note = crate::CallNote {
            trace: call.trace,
            from: Side::Charger,
            action: call.spelled_action(),
            received_unix_ms: call.received.unix_ms,
            payload: call.payload.clone(),
            outcome,
            decider,
            latency_us: u64::try_from(self.now.tick.since(call.received.tick).as_micros())
                .unwrap_or(u64::MAX),
            leader: self.leader.clone(),
            flags: call.flags.clone(),
        };
        self.note(Note::Call(Box::new(note)));
    }
}

/// A slice of the message, sharing its bytes; or a constant that stands for an absent payload.
pub(super) fn text_slice(text: &Text, part: &str) -> Text {
    if text.as_bytes().as_ptr_range().contains(&part.as_ptr()) {
        text.slice_ref(part)
    } else {
        Text::from(part)
    }
}
