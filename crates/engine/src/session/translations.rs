//! A command in the charger's own numbers: what is sent for it, and what it brings about
//! (semantics §2.6, §3.3, §3.6).

use std::collections::VecDeque;

use crate::actions::Action;
use crate::session::command_queue::Consequence;
use crate::session::intents::{Announced, Intent, in_ms};
use crate::session::jobs::Job;
use crate::session::owned::{Family, Owned};
use crate::session::transactions::Meant;
use crate::session::{Reply, Session};
use crate::time::instant;
use crate::{BackofficeId, KeyReach, LocalList, Text, TraceId, limits, payload};

/// What becomes of a command that may be sent.
pub(super) enum Admission {
    /// Answered here; the rule says why.
    Local(Reply, &'static str),
    /// Accepted here: it concerns a value that the backoffice has of its own. The rule says why.
    Own(&'static str),
    /// A key that must be durable before anything else comes of it.
    Key(KeyReach),
    /// Sent to the charger, possibly in several steps.
    Send(Sending),
}

/// What the charger is sent.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub(super) steps: VecDeque<Text>,
    /// Its number for this transaction is filled in when it is sent.
    pub(super) transaction: Option<TraceId>,
    pub(super) consequences: Vec<Consequence>,
    /// What had a part in it besides its sender's wish.
    pub(super) flags: Vec<&'static str>,
}

impl Sending {
    pub(super) fn one(payload: Text, consequence: Option<Consequence>) -> Admission {
        Admission::Send(Sending {
            steps: [payload].into(),
            consequences: consequence.into_iter().collect(),
            ..Sending::default()
        })
    }
}

pub(super) fn local(payload: &'static str, rule: &'static str) -> Admission {
    Admission::Local(Reply::result(payload), rule)
}

pub(super) const ACCEPTED: &str = r#"{"status":"Accepted"}"#;
pub(super) const REJECTED: &str = r#"{"status":"Rejected"}"#;

impl Session {
    /// Puts the charger's numbers in the place of the backoffice's.
    pub(super) fn translate(
        &mut self,
        id: &BackofficeId,
        action: &'static Action,
        request: &Text,
    ) -> Admission {
        let leads = self.leads(id);
        let (request, is_alias) = match action.name {
            "RemoteStartTransaction" | "ReserveNow" => self.with_card(id, request),
            _ => (request.clone(), false),
        };
        let mut admission = self.translated(id, action, &request, leads);
        if let Admission::Send(sending) = &mut admission
            && is_alias
        {
            sending.flags.push("alias");
        }
        admission
    }

    fn translated(
        &mut self,
        id: &BackofficeId,
        action: &'static Action,
        request: &Text,
        leads: bool,
    ) -> Admission {
        match action.name {
            "RemoteStartTransaction" => self.remote_start(id, request),
            "RemoteStopTransaction" => self.remote_stop(id, request),
            "ReserveNow" => self.reserve(id, request),
            "CancelReservation" => self.cancel_reservation(id, request),
            "SetChargingProfile" => self.set_profile(id, request),
            "ClearChargingProfile" => self.clear_profiles(id, request),
            "GetLog" | "SignedUpdateFirmware" => self.order_with_request_id(id, action, request),
            "GetDiagnostics" | "UpdateFirmware" => self.order(id, action, request.clone(), None),
            "TriggerMessage" | "ExtendedTriggerMessage" => self.trigger(leads, request),
            "Reset" => {
                if self.foreign_session(id).is_some() {
                    let detail =
                        format!("{id} resets the charger while another backoffice's transaction runs");
                    self.alert("reset_in_foreign_session", detail);
                }
                Sending::one(request.clone(), None)
            }
            "GetLocalListVersion" if self.plan.sharing.local_list == LocalList::Merge => {
                Admission::Local(self.own_list_version(id), "merged list")
            }
            "ChangeConfiguration" => self.change_configuration(id, request),
            "GetConfiguration" => {
                if !leads && let Some(answer) = self.configuration.answer(request, self.now.tick) {
                    return Admission::Local(Reply::Result(answer), "F-35");
                }
                Sending::one(request.clone(), Some(Consequence::ConfigurationRead))
            }
            _ => Sending::one(request.clone(), None),
        }
    }

    fn remote_start(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let connector = payload::integer(request, "connectorId");
        if connector
            .is_some_and(|at| self.intents.competes(id, at, self.now.unix_ms, self.connection_timeout()))
        {
            return local(REJECTED, "A-33");
        }
        let mut admission = self.profile_of_start(id, request);
        if let Admission::Send(sending) = &mut admission {
            let until = self.now.unix_ms + in_ms(self.connection_timeout() + limits::INTENT_HOLDS);
            let intent = self.intent(id, request, Announced::RemoteStart, until);
            sending.consequences.push(Consequence::Announces(intent));
        }
        admission
    }

    fn intent(&self, id: &BackofficeId, request: &Text, purpose: Announced, until_unix_ms: i64) -> Intent {
        Intent {
            id_tag: payload::text(request, "idTag").unwrap_or_default().into_owned(),
            connector_id: payload::integer(request, "connectorId"),
            by: id.clone(),
            purpose,
            since_unix_ms: self.now.unix_ms,
            until_unix_ms,
        }
    }

    fn profile_of_start(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let Some(profile) = payload::field(request, "chargingProfile") else {
            return Sending::one(request.clone(), None);
        };
        self.start_with_profile(id, request, profile)
    }

    /// A transaction is named by the backoffice's own number (semantics §2.6).
    fn remote_stop(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let number = payload::integer(request, "transactionId");
        let trace = match self.transaction_meant(id, request) {
            Ok(trace) => trace,
            // It may have ended just now, as this backoffice wants.
            Err(rejected) => match number.and_then(|number| self.stopped_by_another(id, number)) {
                Some(trace) => trace,
                None => return rejected,
            },
        };
        let refused = self.transactions.get(trace).and_then(|row| self.may_stop(id, row).err());
        if let Some(rule) = refused {
            self.alert("foreign_stop", format!("{id} may not stop a transaction of another backoffice"));
            return self.refused(id, rule);
        }
        let is_foreign = self.transactions.get(trace).is_some_and(|row| row.is_of_another_than(id));
        Admission::Send(Sending {
            steps: [request.clone()].into(),
            transaction: Some(trace),
            flags: is_foreign.then_some("foreign_session").into_iter().collect(),
            consequences: vec![Consequence::Stops(trace)],
        })
    }

    /// The one running transaction that the backoffice's number stands for.
    pub(super) fn transaction_meant(
        &mut self,
        id: &BackofficeId,
        holder: &str,
    ) -> Result<TraceId, Admission> {
        let number = payload::integer(holder, "transactionId");
        match number.map_or(Meant::Nothing, |number| self.transactions.meant_by(id, number)) {
            Meant::Row(trace) => Ok(trace),
            Meant::Nothing => Err(local(REJECTED, "T-47")),
            Meant::Several => {
                self.alert("number_reused", format!("{id} uses one number for two running transactions"));
                Err(local(REJECTED, "T-48"))
            }
        }
    }

    fn reserve(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let Some(number) = payload::integer(request, "reservationId") else {
            return Sending::one(request.clone(), None);
        };
        let on_charger = self.owned.choose(Family::Reservation, id, number, self.leads(id));
        // A reservation ends silently when it expires; an hour more for a transaction that used it.
        let expires = payload::text(request, "expiryDate").and_then(|date| instant(&date));
        let expires_unix_ms =
            expires.map_or(self.now.unix_ms + 24 * 3_600_000, jiff::Timestamp::as_millisecond);
        let announces = self.intent(id, request, Announced::Reservation(on_charger), expires_unix_ms);
        let owned = Owned {
            family: Family::Reservation,
            on_charger,
            owner: id.clone(),
            at_owner: number,
            profile: None,
            own_level: None,
            transaction: None,
            until_unix_ms: Some(expires_unix_ms + 3_600_000),
        };
        let sent = with_number(request, request, "reservationId", on_charger);
        Admission::Send(Sending {
            steps: [sent].into(),
            consequences: vec![Consequence::Owns { owned, is_new: false }, Consequence::Announces(announces)],
            ..Sending::default()
        })
    }

    fn cancel_reservation(&mut self, id: &BackofficeId, request: &Text) -> Admission {
        let number = payload::integer(request, "reservationId");
        let on_charger = number.and_then(|number| self.owned.on_charger(Family::Reservation, id, number));
        match on_charger {
            Some(on_charger) => {
                let sent = with_number(request, request, "reservationId", on_charger);
                Sending::one(sent, Some(Consequence::Releases(Family::Reservation, on_charger)))
            }
            // It may be from before the proxy was there, and then it is the leader's.
            None if self.leads(id)
                && number.is_none_or(|n| self.owned.owner(Family::Reservation, n).is_none()) =>
            {
                Sending::one(request.clone(), None)
            }
            None => local(REJECTED, "M-3"),
        }
    }

    fn order_with_request_id(
        &mut self,
        id: &BackofficeId,
        action: &'static Action,
        request: &Text,
    ) -> Admission {
        let Some(number) = payload::integer(request, "requestId") else {
            return self.order(id, action, request.clone(), None);
        };
        let owned = Owned {
            family: Family::Request,
            on_charger: self.owned.choose(Family::Request, id, number, self.leads(id)),
            owner: id.clone(),
            at_owner: number,
            profile: None,
            own_level: None,
            transaction: None,
            until_unix_ms: Some(self.now.unix_ms + 24 * 3_600_000),
        };
        let sent = with_number(request, request, "requestId", owned.on_charger);
        self.order(id, action, sent, Some(Consequence::Owns { owned, is_new: false }))
    }

    /// One job of a kind at a time; a second order would cancel the first (semantics K-51).
    fn order(
        &mut self,
        id: &BackofficeId,
        action: &'static Action,
        sent: Text,
        owns: Option<Consequence>,
    ) -> Admission {
        let Some(job) = Job::ordered_by(action.name) else { return Sending::one(sent, owns) };
        let owner = self.jobs.owner(job, self.now.unix_ms);
        // Who is no longer here keeps nobody waiting.
        let owner = owner.filter(|id| self.plan.names(id)).cloned().or_else(|| self.queue.orders(job));
        let pre_empts = self.leads(id) && job == Job::Diagnostics;
        if owner.is_some_and(|owner| owner != *id) && !pre_empts {
            return match action.name {
                "GetLog" | "SignedUpdateFirmware" => local(REJECTED, "K-51"),
                _ => Admission::Local(
                    Reply::error("GenericError", "busy with a job of another backoffice"),
                    "K-51",
                ),
            };
        }
        let request_id = match &owns {
            Some(Consequence::Owns { owned, .. }) => Some(owned.on_charger),
            _ => None,
        };
        let consequences = [Consequence::Leases(job, request_id)].into_iter().chain(owns).collect();
        Admission::Send(Sending { steps: [sent].into(), consequences, ..Sending::default() })
    }

    fn trigger(&mut self, leads: bool, request: &Text) -> Admission {
        let message = payload::text(request, "requestedMessage").unwrap_or_default().into_owned();
        match &*message {
            // A follower is served without troubling the charger (semantics K-61).
            "Heartbeat" if !leads => local(ACCEPTED, "K-61"),
            "BootNotification" if !leads => {
                let reply = if self.boot.request().is_some() { ACCEPTED } else { REJECTED };
                local(reply, "K-61")
            }
            "StatusNotification" if !leads && self.remembers_status(request) => local(ACCEPTED, "K-61"),
            _ => Sending::one(request.clone(), Some(Consequence::Triggers(message))),
        }
    }
}

pub(super) fn with_number(request: &Text, holder: &str, name: &str, number: i64) -> Text {
    match payload::field(holder, name) {
        Some(token) if token.parse() != Ok(number) => {
            payload::replaced(request, token, &number.to_string()).into()
        }
        _ => request.clone(),
    }
}
