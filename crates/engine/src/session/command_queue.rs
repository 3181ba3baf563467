//! Commands on their way to the charger: one outstanding, in turn, each within its time budget
//! (semantics §1.3, §1.4).

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use crate::actions::Action;
use crate::session::Session;
use crate::session::availability::Wish;
use crate::session::boot::Gate;
use crate::session::configuration::Setting;
use crate::session::intents::Intent;
use crate::session::jobs::Job;
use crate::session::local_list::Writing;
use crate::session::owned::{Family, Owned};
use crate::session::profiles::{Held, Installation, Slot};
use crate::{BackofficeId, FrameKind, Moment, Text, Tick, TraceId, frame, limits, payload};

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
    /// What had a part in it besides its sender's wish: stable names, for the log.
    pub(super) flags: Vec<&'static str>,
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
    /// The sender decides about a card, from when the charger is sent the command.
    Announces(Intent),
    /// The sender's charging profile counts among all limits.
    Holds(Box<Held>),
    /// The charger has one of the proxy's own profiles.
    Installs(Installation),
    /// The charger has it no more.
    Uninstalls(Slot),
    /// This message is expected from the charger.
    Triggers(String),
    /// Configuration was read.
    ConfigurationRead,
    /// Configuration may be another now.
    ConfigurationChanged,
    /// The charger's local list is made of those of several backoffices.
    WritesList(Box<Writing>),
    /// This transaction ends.
    Stops(TraceId),
    /// A backoffice has its say in whether a connector is in service.
    Wishes(Wish),
    /// A setting of which each backoffice has a value of its own is another now.
    Sets(Setting),
    /// It is known what the charger has of this setting.
    Reads(&'static str),
    /// The charger has another key.
    SetsKey,
}

/// A command that the charger was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) message_id: Uuid,
    pub(super) command: Command,
    pub(super) answer_by: Tick,
}

/// All commands of one session.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    pub(super) waiting: VecDeque<Command>,
    pub(super) sent: Option<Sent>,
    /// Not answered in time; the answer may still tell what became of it (semantics F-34).
    pub(super) overdue: VecDeque<Sent>,
    /// Backoffices in the order they were last served.
    served: Vec<BackofficeId>,
    rates: Vec<(BackofficeId, VecDeque<Tick>)>,
    /// When a flood of commands was last spoken of.
    floods: Vec<(BackofficeId, Tick)>,
    pub(super) unanswered: u32,
    /// When a charger that answers no commands is asked again.
    pub(super) probe_at: Option<Tick>,
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

    /// Whether nobody waits for an answer of the charger.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.iter().all(|command| command.is_replied)
            && self.sent.as_ref().is_none_or(|sent| sent.command.is_replied)
    }

    /// Whether this backoffice waits for an answer.
    pub(super) fn is_at_work_for(&self, id: &BackofficeId) -> bool {
        let open = self.sent.iter().map(|sent| &sent.command).chain(&self.waiting);
        open.filter(|command| !command.is_replied)
            .any(|command| command.requesters.iter().any(|requester| requester.id == *id))
    }

    /// Takes one from the follower's budget, if there is one (semantics K-3).
    pub(super) fn has_rate(&mut self, id: &BackofficeId, per_minute: u32, now: Tick) -> bool {
        if !self.rates.iter().any(|(other, _)| other == id) {
            self.rates.push((id.clone(), VecDeque::new()));
        }
        let Some((_, recent)) = self.rates.iter_mut().find(|(other, _)| other == id) else { return false };
        recent.retain(|when| now.since(*when) < Duration::from_secs(60));
        let has = recent.len() < per_minute as usize;
        if has {
            recent.push_back(now);
        }
        has
    }

    /// Whether a flood is worth another word (semantics X-19).
    pub(super) fn flood_begins(&mut self, id: &BackofficeId, now: Tick) -> bool {
        self.floods.retain(|(_, when)| now.since(*when) < Duration::from_secs(60));
        let begins = !self.floods.iter().any(|(other, _)| other == id);
        if begins {
            self.floods.push((id.clone(), now));
        }
        begins
    }

    /// Whether this backoffice has a command of that message id in progress on the same connection, and
    /// whether it is the same command.
    pub(super) fn in_progress(
        &self,
        requester: &Requester,
        action_token: &str,
        payload: &str,
    ) -> Option<bool> {
        self.sent
            .iter()
            .map(|sent| &sent.command)
            .chain(&self.waiting)
            .find(|command| !command.is_replied && command.requesters.contains(requester))
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

    /// Whether a command that waits brings this number, so that it must stay whose it is.
    pub(super) fn brings(&self, number: &Owned) -> bool {
        let is_it = |consequence: &Consequence| match consequence {
            Consequence::Owns { owned, .. } => {
                owned.family == number.family && owned.on_charger == number.on_charger
            }
            _ => false,
        };
        self.waiting.iter().any(|command| command.consequences.iter().any(is_it))
    }

    /// Who has just ordered a job of that kind, the charger's answer still open.
    pub(super) fn orders(&self, job: Job) -> Option<BackofficeId> {
        let sent = self.sent.as_ref()?;
        let orders = Job::ordered_by(sent.command.name()) == Some(job);
        orders.then(|| sent.command.requesters.first().map(|r| r.id.clone())).flatten()
    }
}

impl Command {
    pub(super) fn is_of(&self, id: &BackofficeId) -> bool {
        self.requesters.first().is_some_and(|requester| requester.id == *id)
    }

    fn reads(&self) -> bool {
        self.action.and_then(|a| a.from_backoffice.as_ref()).is_some_and(|rules| rules.reads)
    }

    pub(super) fn reply_by(&self) -> Tick {
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
        let Some(command) = self.queue.waiting.remove(at) else { return false };
        if self.is_moot(&command) {
            return true;
        }
        if let Some(requester) = command.requesters.first() {
            let id = requester.id.clone();
            self.queue.served.retain(|other| *other != id);
            self.queue.served.push(id);
        }
        let Some(mut command) = self.take_turn(command) else { return true };
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
            let waits = self.sendable_at(command).is_none_or(|when| when > self.now.tick);
            // What the proxy wants done is never given up, and so must not hold up what else it wants.
            if id.is_some() || !waits {
                seen.push(id);
            }
            if waits {
                continue;
            }
            let aged = self.now.tick.since(command.received.tick) >= limits::COMMAND_AGES;
            let first_class = aged || id.is_none_or(|id| self.leads(id));
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
    pub(super) fn sendable_at(&self, command: &Command) -> Option<Tick> {
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

    pub(super) fn gate_for(&self, command: &Command) -> Gate {
        let leads = command.requesters.first().is_none_or(|requester| self.leads(&requester.id));
        self.gate(leads, matches!(command.name(), "RemoteStartTransaction" | "RemoteStopTransaction"))
    }

    pub(super) fn send_command(&mut self, command: Command, step: &Text) {
        for consequence in &command.consequences {
            if let Consequence::Announces(intent) = consequence {
                self.announce(intent.clone());
            }
        }
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
