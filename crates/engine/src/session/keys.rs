//! Keys that backoffices set: a key of a link's own that the proxy accepts in the charger's name, and a key that
//! is to be the charger's, too. Nobody hears yes, and the charger hears nothing, before it is durable
//! (semantics §7.3).

use crate::session::command_queue::{Command, Consequence, Requester};
use crate::session::configuration::is_authorization_key;
use crate::session::links::LinkState;
use crate::session::translations::{ACCEPTED, Admission, REJECTED, local};
use crate::session::{Earliest, Reply, Session};
use crate::{
    BackofficeId, Decider, Effect, KeyChange, KeyReach, NewKey, Reason, Text, Tick, TraceId, limits, payload,
};

/// Fewer characters than this are no key: 16 bytes, which some write as text (security white paper A00).
const SHORTEST: usize = 16;
/// More than this are none: 20 bytes in hexadecimal.
const LONGEST: usize = 40;

/// Keys on their way, and links that are to be opened anew with another key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Commands whose key is being made durable; one of each backoffice.
    keeping: Vec<(Command, KeyReach)>,
    reconnects: Vec<Reconnect>,
}

#[derive(Debug)]
struct Reconnect {
    backoffice: BackofficeId,
    /// Not before: the backoffice has yet to take in the answer.
    from: Tick,
    /// Then in any case.
    by: Tick,
}

impl Keys {
    pub(super) fn is_quiet(&self) -> bool {
        self.keeping.is_empty()
    }

    /// Whether this command's key is being made durable, and whether it is the same command.
    pub(super) fn in_progress(&self, requester: &Requester, token: &str, payload: &str) -> Option<bool> {
        let commands = self.keeping.iter().map(|(command, _)| command);
        commands
            .filter(|command| command.requesters.contains(requester))
            .map(|command| command.action_token == token && command.payload == payload)
            .next()
    }
}

impl Session {
    /// What becomes of ChangeConfiguration of AuthorizationKey; `None` when this is another setting.
    pub(super) fn change_key(&self, id: &BackofficeId, request: &Text) -> Option<Admission> {
        let [key, value] = ["key", "value"].map(|name| payload::text(request, name).unwrap_or_default());
        if !is_authorization_key(&key) {
            return None;
        }
        let reach = match self.plan.keys.change {
            KeyChange::Passthrough if self.leads(id) => KeyReach::Charger,
            _ => KeyReach::Link,
        };
        let is_busy = self.keys.keeping.iter().any(|(command, _)| command.is_of(id));
        Some(match reach {
            _ if !can_be_key(&value) => local(REJECTED, "no key"),
            KeyReach::Link if self.plan.keys.forwarded.contains(id) => local(REJECTED, "S-30"),
            _ if is_busy => local(REJECTED, "key busy"),
            reach => Admission::Key(reach),
        })
    }

    /// Has a key made durable; what becomes of the command is decided after that.
    pub(super) fn keep_key(&mut self, id: &BackofficeId, command: Command, reach: KeyReach) {
        let key = payload::text(&command.payload, "value").unwrap_or_default().into_owned();
        let new = NewKey { trace: command.trace, backoffice: id.clone(), key, reach };
        self.keep_promises();
        self.effects.push_back(Effect::KeepKey(new));
        self.keys.keeping.push((command, reach));
    }

    pub(super) fn key_kept(&mut self, trace: TraceId, is_kept: bool) {
        let Some(at) = self.keys.keeping.iter().position(|(command, _)| command.trace == trace) else {
            return;
        };
        let (mut command, reach) = self.keys.keeping.remove(at);
        let Some(id) = command.requesters.first().map(|requester| requester.id.clone()) else { return };
        match reach {
            _ if !is_kept => {
                self.reply_to(&mut command, Reply::result(REJECTED), Decider::Proxy("key not kept"))
            }
            KeyReach::Link => {
                self.reply_to(&mut command, Reply::result(ACCEPTED), Decider::Proxy("S-20"));
                self.reconnect(&id);
            }
            KeyReach::Charger if !self.charger.is_here => {
                self.key_not_sent(&id, trace);
                self.fail(command, "GenericError", "charger offline", "E12");
            }
            // Meanwhile another leads, or the plan is another.
            KeyReach::Charger if !self.leads(&id) || self.plan.keys.change != KeyChange::Passthrough => {
                self.key_not_sent(&id, trace);
                self.fail(command, "GenericError", "plan changed", "T-72");
            }
            KeyReach::Charger => {
                command.steps = [command.payload.clone()].into();
                command.consequences = vec![Consequence::SetsKey];
                command.flags.push("new_key");
                self.queue_command(command);
            }
        }
    }

    /// The charger does not have a key that is durable already: it counts for nobody any more.
    fn key_not_sent(&mut self, id: &BackofficeId, trace: TraceId) {
        self.effects.push_back(Effect::KeyRefused { backoffice: id.clone(), trace, was_sent: false });
    }

    /// A command that may have brought a key is given up before the charger was sent it.
    pub(super) fn give_up_key(&mut self, command: &Command) {
        if let Some(requester) = command.requesters.first().filter(|_| sets_key(command)) {
            self.key_not_sent(&requester.id.clone(), command.trace);
        }
    }

    /// The charger did not accept a command that may have brought a key. Of an error other than that it knows no such
    /// command nobody can say what it made of the key.
    pub(super) fn key_refused(&mut self, command: &Command, reply: &Reply) {
        let is_no = match reply {
            Reply::Result(_) => true,
            Reply::Error { code, .. } => matches!(&**code, "NotImplemented" | "NotSupported"),
        };
        if let Some(requester) = command.requesters.first().filter(|_| is_no && sets_key(command)) {
            let backoffice = requester.id.clone();
            self.effects.push_back(Effect::KeyRefused { backoffice, trace: command.trace, was_sent: true });
        }
    }

    /// The charger has accepted a key.
    pub(super) fn key_accepted(&mut self, command: &Command) {
        let Some(id) = command.requesters.first().map(|requester| requester.id.clone()) else { return };
        // Who was told that there is no answer goes on with the former.
        let is_told = !command.is_replied;
        self.effects.push_back(Effect::KeyAccepted { backoffice: id.clone(), trace: command.trace, is_told });
        if is_told && !self.plan.keys.forwarded.contains(&id) {
            self.reconnect(&id);
        }
    }

    /// The link is opened anew in a while, as a charger does that has another key (security white paper A01).
    fn reconnect(&mut self, id: &BackofficeId) {
        self.keys.reconnects.retain(|other| other.backoffice != *id);
        let now = self.now.tick;
        let (from, by) = (now + limits::KEY_TAKEN_IN, now + limits::KEY_RECONNECTS);
        self.keys.reconnects.push(Reconnect { backoffice: id.clone(), from, by });
    }

    /// Closes the next link that is to be opened anew, as soon as nothing is in flight on it.
    pub(super) fn reconnect_with_new_key(&mut self) -> bool {
        let now = self.now.tick;
        let is_due = |reconnect: &Reconnect| {
            reconnect.by <= now || reconnect.from <= now && self.is_quiet_between(&reconnect.backoffice)
        };
        let Some(at) = self.keys.reconnects.iter().position(is_due) else { return false };
        let Reconnect { backoffice, .. } = self.keys.reconnects.remove(at);
        let up = self.at(&backoffice).filter(|at| self.links[*at].state == LinkState::Up);
        if let Some(at) = up.filter(|_| !self.is_draining) {
            self.hang_up_link(at, Reason::NewKey, Some(now));
        }
        true
    }

    /// Whether neither side of a link owes the other an answer.
    fn is_quiet_between(&self, id: &BackofficeId) -> bool {
        let is_asked = self.at(id).is_some_and(|at| self.links[at].asked.is_some());
        !is_asked
            && !self.queue.is_at_work_for(id)
            && !self.keys.keeping.iter().any(|(command, _)| command.is_of(id))
    }

    pub(super) fn key_deadlines(&self, earliest: &mut Earliest) {
        for reconnect in &self.keys.reconnects {
            earliest.at(if reconnect.from > self.now.tick { reconnect.from } else { reconnect.by });
        }
    }
}

fn sets_key(command: &Command) -> bool {
    command.consequences.iter().any(|consequence| matches!(consequence, Consequence::SetsKey))
}

/// Whether a text can be a key: 16 to 20 bytes in hexadecimal, or a text of as many characters as these have, of
/// which nothing is lost on the way through headers and URLs.
fn can_be_key(text: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_key() {
        let hexadecimal = "00ff3ac3280a0102030405060708090a0b0c0d0e";
        let cases = [
            (hexadecimal, true),
            (&hexadecimal[..32], true),
            ("correct:horse/battery", true),
            ("0123456789abcdef", true),
            ("0123456789abcde", false),
            ("", false),
            ("00ff3ac3280a0102030405060708090a0b0c0d0e0", false),
            ("correct horse battery", false),
            ("s3cr\u{e4}ts3cr\u{e4}ts3cr\u{e4}t", false),
            ("0123456789abcdef\n", false),
            ("0123456789abcdef\0", false),
        ];
        for (text, expected) in cases {
            assert_eq!(can_be_key(text), expected, "{text:?}");
        }
        assert_eq!(cases.len(), 11);
    }
}
