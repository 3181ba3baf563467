//! Calls from backoffices: admitted, refused or answered here (semantics §1.4, §3.3).

use std::collections::VecDeque;

use crate::actions::{self, Action};
use crate::session::charger::text_slice;
use crate::session::command_queue::{Command, Requester};
use crate::session::permissions::Refused;
use crate::session::translations::{ACCEPTED, Admission};
use crate::session::{Reply, Session};
use crate::{BackofficeId, Decider, Side, Text, payload};

impl Session {
    pub(super) fn backoffice_called(
        &mut self,
        at: usize,
        text: &Text,
        message_id: &str,
        action_token: &str,
        action: Option<&'static Action>,
        payload: &str,
    ) {
        let id = self.links[at].id.clone();
        let mut command = Command {
            trace: self.mint_trace(),
            requesters: vec![Requester {
                id: id.clone(),
                epoch: self.links[at].epoch,
                message_id: text_slice(text, message_id),
            }],
            action,
            action_token: text_slice(text, action_token),
            payload: text_slice(text, payload),
            received: self.now,
            steps: VecDeque::new(),
            transaction: None,
            consequences: Vec::new(),
            any_accepted: false,
            is_replied: false,
            flags: Vec::new(),
        };
        // The same id while the first is still worked on (semantics F-15).
        let requester = &command.requesters[0];
        let in_progress = self.queue.in_progress(requester, action_token, payload);
        if let Some(is_same) = in_progress.or_else(|| self.keys.in_progress(requester, action_token, payload))
        {
            if is_same {
                self.violation(Side::Backoffice(id), "repeated_call");
            } else {
                self.violation(Side::Backoffice(id), "reused_message_id");
                let reply = Reply::error("ProtocolError", "message id is in use by a call in progress");
                self.reply_to(&mut command, reply, Decider::Proxy("F-15"));
            }
            return;
        }
        match self.admit(&id, action, &command.payload) {
            Ok(Admission::Send(sending)) => {
                command.steps = sending.steps;
                command.transaction = sending.transaction;
                command.consequences = sending.consequences;
                command.flags = sending.flags;
                self.queue_command(command);
            }
            Ok(Admission::Own(rule)) => {
                command.flags.push("virtual_key");
                self.reply_to(&mut command, Reply::result(ACCEPTED), Decider::Proxy(rule));
            }
            Ok(Admission::Key(reach)) => self.keep_key(&id, command, reach),
            Ok(Admission::Local(reply, rule)) => {
                self.reply_to(&mut command, reply, Decider::Proxy(rule));
                self.serve_trigger(&id, &command);
            }
            Err(Refused { reply, rule }) => self.reply_to(&mut command, reply, Decider::Proxy(rule)),
        }
    }

    fn admit(
        &mut self,
        id: &BackofficeId,
        action: Option<&'static Action>,
        request: &Text,
    ) -> Result<Admission, Refused> {
        let fail = |code, why: &str, rule| Err(Refused { reply: Reply::error(code, why), rule });
        let Some(action) = action else {
            return fail("NotImplemented", "this action is not part of OCPP 1.6", "E6");
        };
        let Some(rules) = &action.from_backoffice else {
            return fail("NotSupported", "this message is sent by chargers only", "E7");
        };
        self.permit(id, action, rules, request)?;
        if !self.charger.is_here {
            return fail("GenericError", "charger offline", "E12");
        }
        if self.is_draining {
            return fail("GenericError", "proxy is stopping", "shutdown");
        }
        if self.queue.is_dead() {
            return fail("GenericError", "charger does not answer commands", "F-36");
        }
        Ok(self.translate(id, action, request))
    }

    /// What a follower triggered and the proxy serves comes after the answer (semantics F-51).
    fn serve_trigger(&mut self, id: &BackofficeId, command: &Command) {
        if !matches!(command.name(), "TriggerMessage" | "ExtendedTriggerMessage") || self.leads(id) {
            return;
        }
        let Some(at) = self.at(id) else { return };
        match &*payload::text(&command.payload, "requestedMessage").unwrap_or_default() {
            "StatusNotification" => self.tell_asked_states(at, &command.payload),
            "Heartbeat" => self.synthesise(at, "Heartbeat", Text::from_static("{}")),
            "BootNotification" => {
                if let Some(request) = self.boot.request().map(Text::from) {
                    self.synthesise(at, "BootNotification", request);
                }
            }
            _ => {}
        }
    }
}

impl Command {
    pub(super) fn name(&self) -> &'static str {
        actions::label(self.action)
    }
}
