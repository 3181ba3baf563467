//! Who may command what (semantics §6.1, §6.2), and what everybody is answered.

use engine::actions::{self, Class};
use engine::{BackofficeId, Decider, Effect, LocalList, Note, RefuseWith, Role, Scope, Side, Tick};
use serde_json::Value;

use super::{Judge, OpenCall};

/// Settings of which each backoffice has a value of its own (semantics §6.3).
pub(super) const OWN_SETTINGS: [&str; 8] = [
    "HeartbeatInterval",
    "WebSocketPingInterval",
    "MeterValueSampleInterval",
    "ClockAlignedDataInterval",
    "MeterValuesSampledData",
    "MeterValuesAlignedData",
    "StopTxnSampledData",
    "StopTxnAlignedData",
];
/// Settings that would part the charger from the proxy (semantics I-7).
pub(super) const FORBIDDEN_SETTINGS: [&str; 4] =
    ["AuthorizationKey", "SecurityProfile", "CentralSystemURI", "OcppServerUrl"];
const PLUG_AND_CHARGE: &str = "org.openchargealliance.iso15118pnc";

impl Judge {
    /// Who may send what, by the plan.
    pub(super) fn may_send(&self, by: &BackofficeId, action: &str, payload: &str) -> bool {
        let rules = actions::known(action).and_then(|row| row.from_backoffice.as_ref());
        let Some(rules) = rules else { return false };
        let request: Value = serde_json::from_str(payload).unwrap_or(Value::Null);
        let key = request["key"].as_str().unwrap_or_default();
        let is_forbidden = action == "ChangeConfiguration" && FORBIDDEN_SETTINGS.contains(&key);
        if rules.class == Class::Never || is_forbidden {
            return false;
        }
        let leads = self.leader == *by;
        if rules.class == Class::LocalList {
            return self.writes_local_list(by, leads);
        }
        if leads {
            return true;
        }
        let Some(follower) = self.plan.follower(by) else { return false };
        let grant = &follower.grant;
        if rules.class == Class::LeaderOwns || !grant.commands.contains(action) {
            return false;
        }
        match action {
            "ChangeConfiguration" => OWN_SETTINGS.contains(&key) || grant.may_write(key),
            "DataTransfer" => {
                let vendor = request["vendorId"].as_str().unwrap_or_default();
                let is_granted = grant.vendors.as_ref().is_none_or(|known| known.iter().any(|v| v == vendor));
                is_granted && vendor != PLUG_AND_CHARGE
            }
            "RemoteStopTransaction" => grant.sessions != Scope::None,
            _ => true,
        }
    }

    /// Whether a command that has waited may still be sent.
    pub(super) fn may_still_send(&self, by: &BackofficeId, call: &OpenCall) -> bool {
        let is_shared_thing = matches!(&*call.action, "SendLocalList" | "GetLocalListVersion");
        let may = self.may_send(by, &call.action, &call.payload);
        may || is_shared_thing && call.is_permitted && !self.promises.waiting_is_judged_anew
    }

    fn writes_local_list(&self, by: &BackofficeId, leads: bool) -> bool {
        match &self.plan.sharing.local_list {
            LocalList::Leader => leads,
            LocalList::Of(owner) => owner == by,
            LocalList::Merge => leads || self.plan.role(by).is_some_and(|role| role != Role::Observer),
        }
    }

    /// I-3, K-1: a command has its one answer; one that may not be sent is refused, in the style that the
    /// backoffice understands.
    pub(super) fn command_answered(
        &mut self,
        now: Tick,
        to: &BackofficeId,
        id: &str,
        answer: Result<&str, &str>,
        batch: &[Effect],
    ) {
        let Some(call) = self.close_call(now, &Side::Backoffice(to.clone()), id) else { return };
        self.summary.command_answers += 1;
        self.check_command_note(to, &call, batch);
        self.list_answered(to, &call, answer);
        self.wish_answered(to, &call, answer);
        self.limit_answered(to, &call, answer);
        self.setting_answered(to, &call, answer);
        if call.is_permitted {
            return;
        }
        self.summary.refusals += 1;
        let is_known = actions::known(&call.action).is_some();
        let refused = self.plan.follower(to).filter(|_| self.leader != *to);
        let by_error = refused.is_some_and(|follower| follower.grant.refuse_with == RefuseWith::CallError);
        let complies = answer.is_ok_and(|answer| complies(&call.action, answer));
        if complies {
            self.accuse(format!(
                "K-2: {to} may not send {} {}, and was answered {answer:?}",
                call.action, call.payload
            ));
        } else if self.promises.one_style_of_no
            && is_known
            && by_error
            && answer.is_ok()
            && !is_about_nothing(&call, batch)
            && !sets_own_key(&call)
        {
            self.accuse(format!("K-1: {to} was refused {} with {answer:?}", call.action));
        }
    }

    /// Who may do what is another now; what is on its way may still be done.
    pub(super) fn permit_anew(&mut self) {
        let mut permitted = Vec::new();
        for (side, peer) in &self.peers {
            if let Side::Backoffice(by) = side {
                let may = |call: &OpenCall| self.may_send(by, &call.action, &call.payload);
                permitted
                    .extend(peer.open.iter().filter(|call| may(call)).map(|c| (side.clone(), c.id.clone())));
            }
        }
        for (side, id) in permitted {
            let open = &mut self.peer(&side).open;
            open.iter_mut().filter(|call| call.id == id).for_each(|call| call.is_permitted = true);
        }
    }

    /// I-8: what became of a command is noted.
    fn check_command_note(&mut self, to: &BackofficeId, call: &OpenCall, batch: &[Effect]) {
        let is_noted = batch.iter().any(|effect| {
            matches!(effect, Effect::Note(Note::Call(note))
                if (note.from == Side::Backoffice(to.clone()) || note.flags.contains(&"shared"))
                    && *note.action == *call.action
                    && *note.payload == *call.payload)
        });
        if !is_noted {
            self.accuse(format!("I-8: {} of {to} was answered without a note of it", call.action));
        }
    }
}

/// Whether an answer says that a command was done.
fn complies(action: &str, answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
    match (answer["status"].as_str(), action) {
        (Some(status), _) => matches!(status, "Accepted" | "Scheduled" | "RebootRequired" | "Unlocked"),
        // Who is not the list's writer hears of no list (semantics A-41).
        (None, "GetLocalListVersion") => answer["listVersion"] != -1,
        (None, "GetDiagnostics") => answer["fileName"].is_string(),
        (None, _) => true,
    }
}

/// Whether it sets the key of its own link: one that can be none is rejected as a value is, not as a command that
/// somebody may not send (semantics S-20, S-22).
fn sets_own_key(call: &OpenCall) -> bool {
    let request: Value = serde_json::from_str(&call.payload).unwrap_or_default();
    call.action == "ChangeConfiguration" && request["key"] == "AuthorizationKey"
}

/// Whether there is no transaction that a command could mean: the charger alone would have said no, too, and
/// in no other words (semantics T-47, T-48).
fn is_about_nothing(call: &OpenCall, batch: &[Effect]) -> bool {
    batch.iter().any(|effect| match effect {
        Effect::Note(Note::Call(note)) => {
            *note.payload == *call.payload && matches!(note.decider, Decider::Proxy("T-47" | "T-48"))
        }
        _ => false,
    })
}
