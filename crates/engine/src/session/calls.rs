//! Calls from the charger: who answers, who is told (semantics §3.2, §3.7).

use crate::actions::Copies;
use crate::session::charger::ChargerCall;
use crate::session::outbox::{Copy, Purpose};
use crate::session::{Reply, Session};
use crate::{BackofficeId, Decider, limits, payload};

/// The vendor id under which ISO 15118 certificates travel through DataTransfer; what it carries
/// concerns one certificate authority alone (semantics §6.12).
pub const PLUG_AND_CHARGE: &str = "org.openchargealliance.iso15118pnc";

/// Whether a DataTransfer of this vendor carries such certificates; capitals make no difference
/// (OCPP 1.6 §7.5, CiString).
pub(super) fn is_plug_and_charge(vendor: &str) -> bool {
    vendor.eq_ignore_ascii_case(PLUG_AND_CHARGE)
}

impl Session {
    /// Begins to work on a call.
    pub(super) fn begin_call(&mut self, mut call: ChargerCall) {
        if call.name() != "BootNotification" {
            self.charger.has_called = true;
        }
        let Some(action) = call.action else {
            // What OCPP 1.6 does not know the leader may know (semantics E5).
            call.flags.push("unknown_action");
            return self.ask_leader(call);
        };
        let Some(rules) = &action.from_charger else {
            let reply = Reply::error("NotSupported", "this message is sent by backoffices only");
            return self.answer_charger(call, reply, Decider::Proxy("E7"));
        };
        self.check_chargers_clock(&call);
        match action.name {
            "StartTransaction" => return self.start_received(call),
            "StopTransaction" => {
                self.tell_withheld(&call.payload);
                return self.stop_received(call);
            }
            "MeterValues" => return self.meter_values_received(call),
            "BootNotification" => self.boot_received(&mut call),
            "StatusNotification" => self.state_received(&call),
            _ => {}
        }
        match rules.copies {
            Copies::Owner => self.job_status_received(call),
            Copies::LeaderOnly | Copies::Synthetic => self.ask_leader(call),
            Copies::All => self.ask_everyone(call),
        }
    }

    /// The leader is asked, then everyone else is told (semantics C-1).
    pub(super) fn ask_everyone(&mut self, mut call: ChargerCall) {
        let for_leader_only = call.name() == "DataTransfer"
            && payload::text(&call.payload, "vendorId").is_some_and(|vendor| is_plug_and_charge(&vendor))
            || call.name() == "BootNotification" && !self.boot.tells_followers(self.now.tick);
        let copy = self.copy(&call, Purpose::Inform);
        let mut followers = if for_leader_only { Vec::new() } else { self.followers_to_tell(&copy) };
        followers.retain(|id| !self.is_spared(id, &copy));
        call.ballot = self.open_ballot(&call);
        let leader = self.leader.clone();
        if self.is_spared(&leader, &copy) {
            self.answer_charger(call, Reply::result("{}"), Decider::Proxy("T-36"));
        } else {
            self.ask_leader(call);
        }
        for id in followers {
            self.tell_one(&id, copy.clone());
        }
    }

    /// The charger waits for the leader's answer to this call.
    pub(super) fn ask_leader(&mut self, call: ChargerCall) {
        let mut copy = self.copy(&call, Purpose::ChargerWaits);
        copy.held_until = self.held_for(&self.leader, &call);
        self.charger.current = Some(call);
        if let Some(at) = self.at(&self.leader) {
            self.tell(at, copy);
        }
    }

    /// Tells one backoffice what the charger said.
    pub(super) fn tell_one(&mut self, id: &BackofficeId, mut copy: Copy) {
        copy.held_until =
            self.queue.caused_by(id, copy.name(), &copy.payload).then(|| copy.queued + limits::HOLD_CAUSED);
        if let Some(at) = self.at(id) {
            self.tell(at, copy);
        }
    }

    pub(super) fn copy(&self, call: &ChargerCall, purpose: Purpose) -> Copy {
        Copy {
            trace: call.trace,
            message: call.message.clone(),
            transaction: call.transaction,
            queued: self.now.tick,
            held_until: None,
            purpose,
            number: None,
            attempts: 0,
            retry_at: None,
            order: 0,
        }
    }

    /// Until when a call is held back for a backoffice, because an open command of its own caused
    /// it (semantics F-51).
    fn held_for(&self, id: &BackofficeId, call: &ChargerCall) -> Option<crate::Tick> {
        self.queue.caused_by(id, call.name(), &call.payload).then(|| self.now.tick + limits::HOLD_CAUSED)
    }
}
