//! What became of a command: the charger's answer, what it brought about, and who is told
//! (semantics F-34, F-37, F-38).

use std::collections::VecDeque;

use crate::session::command_queue::{Command, Consequence};
use crate::session::intents::Announced;
use crate::session::owned::{Family, Owned};
use crate::session::{Reply, Session};
use crate::{BackofficeId, CallNote, Decider, Direction, Note, Outcome, Side, frame, payload};

impl Session {
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
        // An answer that comes late is not followed up: the charger may be at another command already.
        let is_late = self.queue.sent.is_some();
        let clears = command.name() == "ClearChargingProfile";
        if clears && !command.steps.is_empty() && command.consequences.len() > 1 {
            let consequence = command.consequences.remove(0);
            if accepted {
                self.bring_about(&command, consequence, &reply);
            }
            match command.steps.pop_front() {
                Some(step) if !is_late => return self.send_command(command, &step),
                // What was not sent is not cleared.
                _ => command.consequences.clear(),
            }
        }
        if !is_late
            && !accepted
            && let Some(step) = self.leaders_own_setting(&mut command)
        {
            return self.send_command(command, &step);
        }
        if !is_late && let Some(step) = self.next_of_list(&mut command, accepted, &reply) {
            return self.send_command(command, &step);
        }
        if accepted {
            for consequence in std::mem::take(&mut command.consequences) {
                self.bring_about(&command, consequence, &reply);
            }
        } else {
            self.give_up_numbers(&command);
            self.key_refused(&command, &reply);
            if let Some(Consequence::Reads(key)) = command.consequences.first() {
                self.is_not_read(key);
            }
            self.not_installed(&command, &reply);
        }
        if command.requesters.is_empty() {
            if !accepted && matches!(command.name(), "ChangeAvailability" | "SendLocalList") {
                let detail = format!("the charger did not accept a {} of the proxy's own", command.name());
                self.alert("own_command_refused", detail);
            }
            return self.own_command_answered(&command, accepted);
        }
        if command.is_replied {
            // Its requester was told otherwise: this must not go unnoticed (semantics F-34).
            if accepted {
                self.alert("late_effect", format!("the charger accepted a {} too late", command.name()));
            }
            return;
        }
        let reply = match reply {
            // Of several profiles one was cleared (semantics K-24).
            Reply::Result(_) if clears && command.any_accepted && !accepted => {
                Reply::result(r#"{"status":"Accepted"}"#)
            }
            reply => reply,
        };
        self.reply_to(&mut command, reply, Decider::Charger);
    }

    /// Takes the numbers that a command brings into the sender's custody.
    pub(super) fn take_numbers(&mut self, command: &mut Command) {
        let now = self.now.unix_ms;
        for consequence in &mut command.consequences {
            if let Consequence::Owns { owned, is_new } = consequence {
                *is_new = self.owned.owner(owned.family, owned.on_charger).is_none();
                let mut facts =
                    self.owned.release(|other| other.until_unix_ms.is_some_and(|until| until < now));
                facts.extend(self.owned.take(owned.clone()));
                self.promise_facts(facts, [Side::Charger]);
            }
        }
    }

    /// The command came to nothing, and so did the numbers it brought.
    fn give_up_numbers(&mut self, command: &Command) {
        self.withdraw_announced(command);
        for consequence in &command.consequences {
            if let Consequence::Owns { owned, is_new: true } = consequence {
                let is_it =
                    |other: &Owned| other.family == owned.family && other.on_charger == owned.on_charger;
                let facts = self.owned.release(|other| is_it(other) && !self.queue.brings(other));
                self.promise_facts(facts, [Side::Charger]);
            }
        }
    }

    /// The charger has refused, or not said in time, what a card was announced for (semantics A-32).
    pub(super) fn withdraw_announced(&mut self, command: &Command) {
        for consequence in &command.consequences {
            if let Consequence::Announces(intent) = consequence {
                self.withdraw(|other| other == intent);
            }
        }
    }

    fn bring_about(&mut self, command: &Command, consequence: Consequence, reply: &Reply) {
        let facts = match consequence {
            Consequence::Owns { owned, .. } => {
                // It displaced what stood in the same place of the stack (OCPP 1.6 §3.13.2).
                let mut facts = self.owned.release(|other| {
                    owned.family == Family::Profile
                        && other.family == Family::Profile
                        && other.profile == owned.profile
                        && other.on_charger != owned.on_charger
                        && !self.queue.brings(other)
                });
                // Under its number may stand what another command, still waiting, is to bring: the charger has this.
                if self.owned.owner(owned.family, owned.on_charger).is_some_and(|other| *other != owned) {
                    facts.extend(self.owned.take(owned));
                }
                facts
            }
            Consequence::Announces(intent) => return self.reservation_is_for(&intent),
            Consequence::Holds(held) => return self.hold(command, *held),
            Consequence::Installs(installation) => return self.installed(command, &installation),
            Consequence::Uninstalls(slot) => return self.uninstalled(slot),
            Consequence::Releases(family, number) => {
                if family == Family::Reservation {
                    self.withdraw(|intent| intent.purpose == Announced::Reservation(number));
                }
                let is_it = |owned: &Owned| owned.family == family && owned.on_charger == number;
                self.owned.release(|owned| is_it(owned) && !self.queue.brings(owned))
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
                    let keys = payload::field(answer, "configurationKey").map(payload::elements);
                    let settings = keys.unwrap_or_default().into_iter();
                    let facts = settings.flat_map(|key| self.configuration.learn_setting(key)).collect();
                    self.configuration.learn(command.payload.clone(), answer.clone(), self.now.tick);
                    self.promise_facts(facts, []);
                }
                return;
            }
            Consequence::Stops(trace) => return self.stop_accepted(command, trace),
            Consequence::Wishes(wish) => return self.wish_fulfilled(&wish),
            Consequence::WritesList(writing) => {
                // Of a list whose rest was not sent nobody knows what the charger has.
                if command.steps.is_empty() {
                    self.list_written(*writing);
                }
                return;
            }
            Consequence::SetsKey => return self.key_accepted(command),
            Consequence::Sets(setting) => return self.is_set(&setting),
            Consequence::Reads(key) => {
                if let Reply::Result(answer) = reply {
                    self.is_read(key, answer);
                }
                return;
            }
            Consequence::ConfigurationChanged => {
                self.configuration.forget();
                if let Some(requester) = command.requesters.first() {
                    self.warn_of_setting(&requester.id, &command.payload);
                }
                let facts = self.configuration.learn_setting(&command.payload);
                return self.promise_facts(facts, []);
            }
        };
        self.promise_facts(facts, [Side::Charger]);
    }

    /// Answers everyone who waits for a command, and logs it. A requester whose connection is
    /// another by now gets nothing.
    pub(super) fn reply_to(&mut self, command: &mut Command, reply: Reply, decider: Decider) {
        command.is_replied = true;
        for requester in &command.requesters {
            let Some(at) = self.at(&requester.id) else { continue };
            if self.links[at].is_up() && self.links[at].epoch == requester.epoch {
                let reply = self.reply_for(&requester.id, command, &reply);
                self.say_to(&requester.id, reply.kind(), command.name(), reply.write(&requester.message_id));
                self.links[at].outbox.release();
            }
        }
        let Some(first) = command.requesters.first() else { return };
        // The log, too, shows no secret.
        let shown = self.reply_for(&first.id, command, &reply);
        if shown != reply {
            command.flags.push("overlay");
        }
        self.note_command(command, shown.outcome(), decider);
    }

    /// The answer as this requester is to see it; several may share one question.
    fn reply_for(&self, id: &BackofficeId, command: &Command, reply: &Reply) -> Reply {
        match reply {
            Reply::Result(answer) if command.name() == "GetConfiguration" => {
                Reply::Result(self.shown_configuration(id, &command.payload, answer))
            }
            reply => reply.clone(),
        }
    }

    fn note_command(&mut self, command: &Command, outcome: Outcome, decider: Decider) {
        let Some(first) = command.requesters.first() else { return };
        let latency = self.now.tick.since(command.received.tick);
        let is_shared = command.requesters.len() > 1;
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
            flags: command.flags.iter().copied().chain(is_shared.then_some("shared")).collect(),
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

    pub(super) fn fail(&mut self, mut command: Command, code: &'static str, why: &str, rule: &'static str) {
        self.give_up_unsent(&command);
        if !command.is_replied {
            self.reply_to(&mut command, Reply::error(code, why), Decider::Proxy(rule));
        }
    }

    /// What was never sent left nothing on the charger.
    pub(super) fn give_up_unsent(&mut self, command: &Command) {
        if !command.steps.is_empty() {
            self.give_up_numbers(command);
            self.give_up_key(command);
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
