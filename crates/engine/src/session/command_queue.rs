//! Commands on their way to the charger: one outstanding, each with its time budget, each answered
//! exactly once (semantics §1.3, §1.4).

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use crate::actions::{self, Action};
use crate::session::boot::Gate;
use crate::session::configuration::without_secrets;
use crate::session::jobs::Job;
use crate::session::owned::{Family, Owned};
use crate::session::{Earliest, Reply, Session};
use crate::{
    BackofficeId, CallNote, Decider, Direction, FrameKind, Moment, Note, Outcome, Side, Text, Tick, TraceId,
    frame, limits, payload,
};

/// A command that was admitted.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) trace: TraceId,
    /// Who waits for the answer; several where equal reads share one, none where the proxy itself
    /// asks.
    pub(super) requesters: Vec<Requester>,
    pub(super) action: Option<&'static Action>,
    pub(super) action_token: Text,
    /// As it was sent.
    pub(super) payload: Text,
    pub(super) received: Moment,
    /// What the charger is still to be sent.
    pub(super) steps: VecDeque<Text>,
    /// The charger's number of this transaction is filled in when it is sent.
    pub(super) transaction: Option<TraceId>,
    /// What it brings about when the charger accepts, one for each step where there are several.
    pub(super) consequences: Vec<Consequence>,
    /// Of several steps one was accepted.
    pub(super) any_accepted: bool,
    /// The requester has its answer already (semantics F-33).
    pub(super) is_replied: bool,
}

/// A backoffice that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requester {
    pub(super) id: BackofficeId,
    /// The connection it asked on; the answer goes nowhere else.
    pub(super) epoch: u32,
    /// Its message id, as it wrote it.
    pub(super) message_id: Text,
}

/// What an accepted command brings about.
#[derive(Debug, Clone)]
pub(super) enum Consequence {
    /// The number belongs to the sender since the command was admitted: the charger may use it
    /// before it answers. Given up when the charger refuses, unless it was the sender's before.
    Owns {
        /// The number.
        owned: Owned,
        /// It was not the sender's before.
        is_new: bool,
    },
    /// The number is free again.
    Releases(Family, i64),
    /// The job belongs to the sender, under this number of the charger's if it has one.
    Leases(Job, Option<i64>),
    /// This message is expected from the charger.
    Triggers(String),
    /// Configuration was read.
    ConfigurationRead,
    /// Configuration may be another now.
    ConfigurationChanged,
}

/// A command that the charger was sent.
#[derive(Debug)]
struct Sent {
    message_id: Uuid,
    command: Command,
    answer_by: Tick,
}

/// All commands of one session.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    waiting: VecDeque<Command>,
    sent: Option<Sent>,
    /// Not answered in time; the answer may still tell what became of it (semantics F-34).
    overdue: VecDeque<Sent>,
    /// Backoffices in the order they were last served.
    served: Vec<BackofficeId>,
    rates: Vec<(BackofficeId, VecDeque<Tick>)>,
    unanswered: u32,
    /// When a charger that answers no commands is asked again.
    probe_at: Option<Tick>,
}

impl CommandQueue {
    pub(super) fn charger_arrived(&mut self) {
        self.overdue.clear();
        self.unanswered = 0;
        self.probe_at = None;
    }

    pub(super) fn may_read(&self, id: &BackofficeId) -> bool {
        let open = self.sent.iter().map(|sent| &sent.command).chain(&self.waiting);
        let (mut calls, mut bytes) = (0, 0);
        for command in open.filter(|command| !command.is_replied) {
            let theirs = command.requesters.iter().filter(|requester| requester.id == *id).count();
            calls += theirs;
            bytes += theirs.min(1) * command.payload.len();
        }
        calls < limits::WAITING_CALLS && bytes < limits::WAITING_BYTES
    }

    pub(super) fn is_dead(&self) -> bool {
        self.probe_at.is_some()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_none()
    }

    /// Takes one from the follower's budget, if there is one (semantics K-3).
    pub(super) fn has_rate(&mut self, id: &BackofficeId, now: Tick) -> bool {
        if !self.rates.iter().any(|(other, _)| other == id) {
            self.rates.push((id.clone(), VecDeque::new()));
        }
        let Some((_, recent)) = self.rates.iter_mut().find(|(other, _)| other == id) else { return false };
        recent.retain(|when| now.since(*when) < Duration::from_secs(60));
        let has = recent.len() < limits::FOLLOWER_COMMANDS_PER_MINUTE;
        if has {
            recent.push_back(now);
        }
        has
    }

    /// Whether this backoffice has a command of that message id in progress, and whether it is the
    /// same command.
    pub(super) fn in_progress(
        &self,
        id: &BackofficeId,
        message_id: &str,
        action_token: &str,
        payload: &str,
    ) -> Option<bool> {
        self.sent
            .iter()
            .map(|sent| &sent.command)
            .chain(&self.waiting)
            .find(|command| {
                !command.is_replied
                    && command.requesters.iter().any(|r| r.id == *id && *r.message_id == *message_id)
            })
            .map(|command| command.action_token == action_token && command.payload == payload)
    }

    /// Whether an open command of this backoffice causes the charger to send that message
    /// (semantics F-51).
    pub(super) fn caused_by(&self, id: &BackofficeId, message: &str, request: &str) -> bool {
        let Some(sent) = self.sent.as_ref().filter(|sent| sent.command.is_of(id) && !sent.command.is_replied)
        else {
            return false;
        };
        let command = &sent.command;
        match command.name() {
            "TriggerMessage" | "ExtendedTriggerMessage" => {
                let wanted = payload::text(&command.payload, "requestedMessage");
                wanted.is_some_and(|wanted| {
                    wanted == message
                        || (wanted == "SignChargePointCertificate" && message == "SignCertificate")
                })
            }
            name => {
                let status = payload::field(request, "status").is_some();
                let reports = message.ends_with("StatusNotification") && message != "StatusNotification";
                Job::ordered_by(name).is_some() && reports && status
            }
        }
    }

    /// Who has just ordered a job of that kind, the charger's answer still open.
    pub(super) fn orders(&self, job: Job) -> Option<BackofficeId> {
        let sent = self.sent.as_ref()?;
        let orders = Job::ordered_by(sent.command.name()) == Some(job);
        orders.then(|| sent.command.requesters.first().map(|r| r.id.clone())).flatten()
    }
}

impl Command {
    fn is_of(&self, id: &BackofficeId) -> bool {
        self.requesters.first().is_some_and(|requester| requester.id == *id)
    }

    fn reads(&self) -> bool {
        self.action.and_then(|a| a.from_backoffice.as_ref()).is_some_and(|rules| rules.reads)
    }

    fn reply_by(&self) -> Tick {
        self.received.tick + limits::COMMAND_REPLY
    }
}

impl Session {
    /// Queues an admitted command; an equal read in progress answers it, too (semantics F-35).
    pub(super) fn queue_command(&mut self, mut command: Command) {
        if command.reads() {
            let sent = self.queue.sent.as_mut().map(|sent| &mut sent.command).into_iter();
            let equal = sent.chain(&mut self.queue.waiting).find(|other| {
                !other.is_replied && other.action == command.action && other.payload == command.payload
            });
            if let Some(other) = equal {
                other.requesters.append(&mut command.requesters);
                return;
            }
        }
        self.take_numbers(&mut command);
        self.queue.waiting.push_back(command);
    }

    /// Sends the next command that may be sent.
    pub(super) fn next_command(&mut self) -> bool {
        if self.queue.sent.is_some() || !self.charger.is_here {
            return false;
        }
        let Some(at) = self.next_in_turn() else { return false };
        let Some(mut command) = self.queue.waiting.remove(at) else { return false };
        if let Some(requester) = command.requesters.first() {
            let id = requester.id.clone();
            self.queue.served.retain(|other| *other != id);
            self.queue.served.push(id);
        }
        let Some(step) = command.steps.pop_front() else { return true };
        self.send_command(command, &step);
        true
    }

    /// The waiting command whose turn it is: the leader's before the followers', followers in turn,
    /// the commands of one backoffice in their order (semantics F-31, F-32).
    fn next_in_turn(&self) -> Option<usize> {
        let mut seen: Vec<Option<&BackofficeId>> = Vec::new();
        let mut best: Option<((bool, bool, usize), usize)> = None;
        for (at, command) in self.queue.waiting.iter().enumerate() {
            let id = command.requesters.first().map(|r| &r.id);
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            if self.sendable_at(command).is_none_or(|when| when > self.now.tick) {
                continue;
            }
            let aged = self.now.tick.since(command.received.tick) >= limits::COMMAND_AGES;
            let first_class = aged || id.is_some_and(|id| self.leads(id));
            let urgent =
                command.action.and_then(|a| a.from_backoffice.as_ref()).is_some_and(|rules| rules.urgent);
            let turn =
                self.queue.served.iter().position(|other| Some(other) == id).map_or(0, |turn| turn + 1);
            let rank = (!first_class, !urgent, turn);
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, at));
            }
        }
        best.map(|(_, at)| at)
    }

    /// From when a command may be sent; `None` while something must happen first.
    fn sendable_at(&self, command: &Command) -> Option<Tick> {
        let opens = match self.gate_for(command) {
            Gate::Open => command.received.tick,
            Gate::Until(when) => when,
            Gate::Closed => return None,
        };
        let awaits_number = command.transaction.is_some_and(|trace| {
            self.transactions.get(trace).is_some_and(|row| row.charger_number.is_none())
        });
        if awaits_number {
            return None;
        }
        // Some chargers do nothing else while their own call is open, but the wait must not become
        // a circle (semantics F-23).
        let yields = if self.charger.current.is_some() {
            command.received.tick.max(opens) + limits::COMMAND_YIELDS
        } else {
            opens
        };
        Some(yields.max(opens))
    }

    fn gate_for(&self, command: &Command) -> Gate {
        let leads = command.requesters.first().is_none_or(|requester| self.leads(&requester.id));
        self.gate(leads, matches!(command.name(), "RemoteStartTransaction" | "RemoteStopTransaction"))
    }

    /// When a waiting command is given up: it must never run after its requester gave up
    /// (semantics F-33).
    fn expires_at(&self, command: &Command) -> Tick {
        let received = command.received.tick;
        if command
            .transaction
            .is_some_and(|t| self.transactions.get(t).is_some_and(|r| r.charger_number.is_none()))
        {
            return received + limits::NUMBER_AWAITED;
        }
        let from = match self.gate_for(command) {
            Gate::Open => received,
            Gate::Until(when) => when.max(received),
            Gate::Closed => return command.reply_by(),
        };
        (from + limits::COMMAND_DISPATCH).min(command.reply_by())
    }

    fn send_command(&mut self, command: Command, step: &Text) {
        let number = command.transaction.and_then(|trace| self.transactions.get(trace)?.charger_number);
        let payload = match number {
            Some(number) => with_transaction(step, number.0),
            None => step.clone(),
        };
        let message_id = self.mint_message_id();
        let text = frame::write_call(message_id, &command.action_token, &payload);
        let within = command
            .action
            .and_then(|a| a.from_backoffice.as_ref())
            .map_or(limits::CHARGER_ANSWER, |rules| rules.answer_within);
        let name = command.name();
        self.queue.sent = Some(Sent { message_id, command, answer_by: self.now.tick + within });
        self.say_to_charger(FrameKind::Call, name, text);
    }

    pub(super) fn charger_answered(&mut self, id: &str, reply: Reply, bytes: usize) {
        let minted = frame::minted(id);
        let is_current = self.queue.sent.as_ref().is_some_and(|sent| Some(sent.message_id) == minted);
        let overdue = self.queue.overdue.iter().position(|sent| Some(sent.message_id) == minted);
        let sent = match overdue {
            _ if is_current => self.queue.sent.take(),
            Some(at) => self.queue.overdue.remove(at),
            None => None,
        };
        let name = sent.as_ref().map_or("other", |sent| sent.command.name());
        self.count(Side::Charger, Direction::In, reply.kind(), name, bytes);
        let Some(sent) = sent else {
            return self.violation(Side::Charger, "stray_answer");
        };
        self.queue.unanswered = 0;
        if self.queue.probe_at.take().is_some() {
            self.alert("commands_work_again", "the charger answers commands again");
        }
        if !is_current {
            self.violation(Side::Charger, "late_answer");
        }
        self.command_answered(sent.command, reply);
    }

    fn command_answered(&mut self, mut command: Command, reply: Reply) {
        let accepted = is_accepted(command.name(), &reply);
        command.any_accepted |= accepted;
        let several = command.name() == "ClearChargingProfile" && command.consequences.len() > 1;
        if several && !command.steps.is_empty() {
            let consequence = command.consequences.remove(0);
            if accepted {
                self.bring_about(&command, consequence, &reply);
            }
            if let Some(step) = command.steps.pop_front() {
                return self.send_command(command, &step);
            }
        }
        if accepted {
            for consequence in std::mem::take(&mut command.consequences) {
                self.bring_about(&command, consequence, &reply);
            }
        } else {
            self.give_up_numbers(&command);
        }
        if command.is_replied {
            // Its requester was told otherwise: this must not go unnoticed (semantics F-34).
            if accepted {
                self.alert("late_effect", format!("the charger accepted a {} too late", command.name()));
            }
            return;
        }
        let reply = match reply {
            Reply::Result(_) if several => {
                let status = if command.any_accepted { "Accepted" } else { "Unknown" };
                Reply::result(format!(r#"{{"status":"{status}"}}"#))
            }
            Reply::Result(answer) if command.name() == "GetConfiguration" => {
                Reply::Result(without_secrets(&answer))
            }
            reply => reply,
        };
        self.reply_to(&mut command, reply, Decider::Charger);
    }

    /// Takes the numbers that a command brings into the sender's custody.
    fn take_numbers(&mut self, command: &mut Command) {
        let now = self.now.unix_ms;
        for consequence in &mut command.consequences {
            if let Consequence::Owns { owned, is_new } = consequence {
                *is_new = self.owned.owner(owned.family, owned.on_charger).is_none();
                let mut facts =
                    self.owned.release(|other| other.until_unix_ms.is_some_and(|until| until < now));
                facts.extend(self.owned.take(owned.clone()));
                self.keep_facts(facts);
            }
        }
    }

    /// The command came to nothing, and so did the numbers it brought.
    fn give_up_numbers(&mut self, command: &Command) {
        for consequence in &command.consequences {
            if let Consequence::Owns { owned, is_new: true } = consequence {
                let facts = self
                    .owned
                    .release(|other| other.family == owned.family && other.on_charger == owned.on_charger);
                self.keep_facts(facts);
            }
        }
    }

    fn bring_about(&mut self, command: &Command, consequence: Consequence, reply: &Reply) {
        let facts = match consequence {
            // It displaced what stood in the same place of the stack (OCPP 1.6 §3.13.2).
            Consequence::Owns { owned, .. } => self.owned.release(|other| {
                owned.family == Family::Profile
                    && other.family == Family::Profile
                    && other.profile == owned.profile
                    && other.on_charger != owned.on_charger
            }),
            Consequence::Releases(family, number) => {
                self.owned.release(|owned| owned.family == family && owned.on_charger == number)
            }
            Consequence::Leases(job, request_id) => {
                if let Some(requester) = command.requesters.first() {
                    self.take_lease(job, requester.id.clone(), request_id);
                }
                return;
            }
            Consequence::Triggers(message) => {
                if let Some(requester) = command.requesters.first() {
                    self.expect_trigger(requester.id.clone(), message);
                }
                return;
            }
            Consequence::ConfigurationRead => {
                if let Reply::Result(answer) = reply {
                    let answer = without_secrets(answer);
                    self.configuration.learn(command.payload.clone(), answer, self.now.tick);
                }
                return;
            }
            Consequence::ConfigurationChanged => {
                self.configuration.forget();
                return;
            }
        };
        self.keep_facts(facts);
    }

    /// Answers everyone who waits for a command, and logs it. A requester whose connection is
    /// another by now gets nothing.
    pub(super) fn reply_to(&mut self, command: &mut Command, reply: Reply, decider: Decider) {
        command.is_replied = true;
        for requester in &command.requesters {
            let Some(at) = self.at(&requester.id) else { continue };
            if self.links[at].is_up() && self.links[at].epoch == requester.epoch {
                self.say_to(&requester.id, reply.kind(), command.name(), reply.write(&requester.message_id));
                self.links[at].outbox.release();
            }
        }
        self.note_command(command, reply.outcome(), decider);
    }

    fn note_command(&mut self, command: &Command, outcome: Outcome, decider: Decider) {
        let Some(first) = command.requesters.first() else { return };
        let latency = self.now.tick.since(command.received.tick);
        let note = CallNote {
            trace: command.trace,
            from: Side::Backoffice(first.id.clone()),
            action: frame::string(&command.action_token).unwrap_or_default().into_owned().into(),
            received_unix_ms: command.received.unix_ms,
            payload: command.payload.clone(),
            outcome,
            decider,
            latency_us: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
            leader: self.leader.clone(),
            flags: if command.requesters.len() > 1 { vec!["shared"] } else { Vec::new() },
        };
        self.note(Note::Call(Box::new(note)));
    }

    /// Gives up every command, because the charger is gone (semantics F-37).
    pub(super) fn fail_all_commands(&mut self, why: &str) {
        let sent = self.queue.sent.take().map(|sent| sent.command);
        let commands: Vec<Command> =
            sent.into_iter().chain(std::mem::take(&mut self.queue.waiting)).collect();
        for command in commands {
            self.fail(command, "GenericError", why, "F-37");
        }
    }

    /// Gives up the waiting commands of one backoffice.
    pub(super) fn fail_commands_of(&mut self, id: &BackofficeId, why: &str) {
        let (theirs, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue.waiting).into_iter().partition(|command| command.is_of(id));
        self.queue.waiting = others;
        for command in theirs {
            self.fail(command, "GenericError", why, "T-72");
        }
    }

    /// What a backoffice whose link is gone had asked for is not sent any more; what was sent runs
    /// to its end (semantics F-38).
    pub(super) fn requester_left(&mut self, id: &BackofficeId) {
        let mut dropped = Vec::new();
        for mut command in std::mem::take(&mut self.queue.waiting) {
            let first = command.requesters.first().cloned();
            command.requesters.retain(|requester| requester.id != *id);
            if command.requesters.is_empty() && first.is_some() {
                command.requesters.extend(first);
                dropped.push(command);
            } else {
                self.queue.waiting.push_back(command);
            }
        }
        for command in dropped {
            self.give_up_unsent(&command);
            self.note_command(&command, Outcome::Unanswered("disconnected"), Decider::Nobody);
        }
    }

    fn fail(&mut self, mut command: Command, code: &'static str, why: &str, rule: &'static str) {
        self.give_up_unsent(&command);
        if !command.is_replied {
            self.reply_to(&mut command, Reply::error(code, why), Decider::Proxy(rule));
        }
    }

    /// What was never sent left nothing on the charger.
    fn give_up_unsent(&mut self, command: &Command) {
        if !command.steps.is_empty() {
            self.give_up_numbers(command);
        }
    }

    pub(super) fn pass_time_commands(&mut self) {
        self.expire_waiting();
        self.expire_sent();
        let is_probed = self.queue.probe_at.is_some_and(|when| when <= self.now.tick);
        if is_probed && self.charger.is_here && self.queue.sent.is_none() {
            self.probe();
        }
    }

    fn expire_waiting(&mut self) {
        let now = self.now.tick;
        let expired: Vec<bool> =
            self.queue.waiting.iter().map(|command| self.expires_at(command) <= now).collect();
        let mut waiting = VecDeque::new();
        let commands = std::mem::take(&mut self.queue.waiting);
        for (command, expired) in commands.into_iter().zip(expired) {
            if !expired {
                waiting.push_back(command);
                continue;
            }
            let follows = command.requesters.first().is_some_and(|requester| !self.leads(&requester.id));
            if command
                .transaction
                .is_some_and(|t| self.transactions.get(t).is_some_and(|r| r.charger_number.is_none()))
            {
                let mut command = command;
                self.give_up_unsent(&command);
                self.reply_to(
                    &mut command,
                    Reply::result(r#"{"status":"Rejected"}"#),
                    Decider::Proxy("T-49"),
                );
            } else if self.gate_for(&command) != Gate::Closed {
                self.fail(command, "GenericError", "charger busy", "F-33");
            } else if follows {
                self.fail(command, "SecurityError", "the leader has not accepted the charger", "E14");
            } else {
                self.fail(command, "GenericError", "the charger is not accepted yet", "E14");
            }
        }
        self.queue.waiting = waiting;
    }

    fn expire_sent(&mut self) {
        let now = self.now.tick;
        let Some(mut sent) = self.queue.sent.take() else { return };
        if !sent.command.is_replied && !sent.command.requesters.is_empty() && sent.command.reply_by() <= now {
            let reply = Reply::error("GenericError", "no answer from charger");
            self.reply_to(&mut sent.command, reply, Decider::Proxy("F-33"));
        }
        if sent.answer_by > now {
            self.queue.sent = Some(sent);
            return;
        }
        if !sent.command.is_replied {
            let reply = Reply::error("GenericError", "no answer from charger");
            self.reply_to(&mut sent.command, reply, Decider::Proxy("F-33"));
        }
        sent.command.is_replied = true;
        if self.queue.overdue.len() == limits::LATE_ANSWERS {
            self.queue.overdue.pop_front();
        }
        self.queue.overdue.push_back(sent);
        self.queue.unanswered += 1;
        let talks = now.since(self.charger.last_alive()) < limits::CHARGER_PING * 2;
        if self.queue.unanswered >= limits::UNANSWERED_COMMANDS && talks {
            if self.queue.probe_at.is_none() {
                self.alert("commands_dead", "the charger sends messages but answers no commands");
            }
            self.queue.probe_at = Some(now + limits::PROBE_EVERY);
            let waiting: Vec<Command> = std::mem::take(&mut self.queue.waiting).into();
            for command in waiting {
                self.fail(command, "GenericError", "charger does not answer commands", "F-36");
            }
        }
    }

    /// Asks a charger that answers no commands for something harmless (semantics F-36).
    fn probe(&mut self) {
        self.queue.probe_at = Some(self.now.tick + limits::PROBE_EVERY);
        let request = Text::from_static(r#"{"key":["HeartbeatInterval"]}"#);
        let command = Command {
            trace: self.mint_trace(),
            requesters: Vec::new(),
            action: actions::known("GetConfiguration"),
            action_token: Text::from_static("\"GetConfiguration\""),
            payload: request.clone(),
            received: self.now,
            steps: VecDeque::new(),
            transaction: None,
            consequences: Vec::new(),
            any_accepted: false,
            is_replied: true,
        };
        self.send_command(command, &request);
    }

    pub(super) fn command_deadlines(&self, earliest: &mut Earliest) {
        for command in &self.queue.waiting {
            earliest.at(self.expires_at(command));
            if self.queue.sent.is_none()
                && self.charger.is_here
                && let Some(when) = self.sendable_at(command).filter(|when| *when > self.now.tick)
            {
                earliest.at(when);
            }
        }
        if let Some(sent) = &self.queue.sent {
            earliest.at(sent.answer_by);
            if !sent.command.is_replied {
                earliest.at(sent.command.reply_by());
            }
        } else if let Some(when) = self.queue.probe_at.filter(|_| self.charger.is_here) {
            earliest.at(when);
        }
    }
}

/// Whether the charger did what it was told, as far as its answer says.
fn is_accepted(command: &str, reply: &Reply) -> bool {
    let Reply::Result(answer) = reply else { return false };
    match (command, payload::text(answer, "status").as_deref()) {
        // GetDiagnostics names a file when there is something to upload (OCPP 1.6 §6.26).
        ("GetDiagnostics", _) => payload::field(answer, "fileName").is_some(),
        (_, Some(status)) => {
            matches!(status, "Accepted" | "AcceptedCanceled" | "RebootRequired" | "Scheduled")
        }
        (_, None) => true,
    }
}

/// The charger's own number in the place of the sender's, in the payload or its charging profile.
fn with_transaction(request: &Text, number: i64) -> Text {
    let profile = payload::field(request, "csChargingProfiles");
    match payload::field(profile.unwrap_or(request), "transactionId") {
        Some(token) if token.parse() != Ok(number) => {
            payload::replaced(request, token, &number.to_string()).into()
        }
        _ => request.clone(),
    }
}
