//! The time budgets of commands: one that cannot be sent in time is given up, one that is not
//! answered in time is answered here (semantics F-33, F-36).

use std::collections::VecDeque;

use crate::session::boot::Gate;
use crate::session::command_queue::Command;
use crate::session::{Earliest, Reply, Session};
use crate::{Decider, Text, Tick, actions, limits};

impl Session {
    /// When a waiting command is given up: it must never run after its requester gave up
    /// (semantics F-33). What the proxy itself wants done it wants as long as the charger is there.
    fn expires_at(&self, command: &Command) -> Option<Tick> {
        if command.requesters.is_empty() {
            return None;
        }
        let received = command.received.tick;
        if command
            .transaction
            .is_some_and(|t| self.transactions.get(t).is_some_and(|r| r.charger_number.is_none()))
        {
            return Some(received + limits::NUMBER_AWAITED);
        }
        let from = match self.gate_for(command) {
            Gate::Open => received,
            Gate::Until(when) => when.max(received),
            Gate::Closed => return Some(command.reply_by()),
        };
        Some((from + limits::COMMAND_DISPATCH).min(command.reply_by()))
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
        let is_over = |command| self.expires_at(command).is_some_and(|when| when <= now);
        let expired: Vec<bool> = self.queue.waiting.iter().map(is_over).collect();
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
        self.withdraw_announced(&sent.command);
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
                self.queue.probe_at = Some(now + limits::PROBE_EVERY);
            }
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
            flags: Vec::new(),
        };
        self.send_command(command, &request);
    }

    pub(super) fn command_deadlines(&self, earliest: &mut Earliest) {
        self.wish_deadlines(earliest);
        for command in &self.queue.waiting {
            self.expires_at(command).into_iter().for_each(|when| earliest.at(when));
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
