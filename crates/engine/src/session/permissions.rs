//! What a backoffice may command, and how it is told no (semantics §6.1, §6.2).

use crate::actions::{Action, FromBackoffice, Kind, May, Refusal};
use crate::session::calls::PLUG_AND_CHARGE;
use crate::session::configuration::{is_leaders_alone, is_never_forwarded};
use crate::session::jobs::Job;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Role, limits, payload};

/// A refusal, with the rule that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reply: Reply,
    pub(super) rule: &'static str,
}

fn refused(rules: &FromBackoffice, rule: &'static str, why: &str) -> Refused {
    let reply = match rules.refusal {
        Refusal::Answer(payload) => Reply::result(payload),
        Refusal::SecurityError => Reply::error("SecurityError", why),
    };
    Refused { reply, rule }
}

fn failed(code: &'static str, why: &str, rule: &'static str) -> Refused {
    Refused { reply: Reply::error(code, why), rule }
}

impl Session {
    /// Whether the command may be sent at all. A refused command has no side effect and causes no
    /// charger traffic (semantics K-2).
    pub(super) fn permit(
        &mut self,
        id: &BackofficeId,
        action: &Action,
        rules: &FromBackoffice,
        request: &str,
    ) -> Result<(), Refused> {
        let leads = self.leads(id);
        let role = if leads { None } else { Some(self.plan.role(id).unwrap_or(Role::Observer)) };
        match (rules.may, role) {
            (May::Never, _) => return Err(refused(rules, "I-7", "never sent through the proxy")),
            (_, Some(Role::Observer)) => {
                return Err(refused(rules, "role observer", "observers send no commands"));
            }
            (May::LeaderTransactions, Some(Role::Control)) => {
                return Err(refused(rules, "role control", "only the leader starts and stops transactions"));
            }
            (May::LeaderOwns, Some(Role::Control)) => {
                return Err(refused(rules, "leader owns", "this belongs to the leader"));
            }
            _ => {}
        }
        if is_never_sent(action, request, leads) {
            return Err(refused(rules, "I-7", "never sent through the proxy"));
        }
        if leads {
            return Ok(());
        }
        if self.is_refused_by(id) {
            return Err(failed("SecurityError", "this backoffice has not accepted the charger", "B-12"));
        }
        if !self.queue.has_rate(id, self.now.tick) {
            let why = format!("more than {} commands a minute", limits::FOLLOWER_COMMANDS_PER_MINUTE);
            if self.queue.flood_begins(id, self.now.tick) {
                self.alert("command_flood", format!("{id} sends {why}; those beyond are refused"));
            }
            return Err(failed("GenericError", &why, "K-3"));
        }
        check_members(rules, request)?;
        self.permit_trigger(id, action, rules, request)
    }

    /// A follower triggers what concerns it (semantics §3.3, K-62).
    fn permit_trigger(
        &self,
        id: &BackofficeId,
        action: &Action,
        rules: &FromBackoffice,
        request: &str,
    ) -> Result<(), Refused> {
        if !matches!(action.name, "TriggerMessage" | "ExtendedTriggerMessage") {
            return Ok(());
        }
        let job = match &*payload::text(request, "requestedMessage").unwrap_or_default() {
            "DiagnosticsStatusNotification" | "LogStatusNotification" => Job::Diagnostics,
            "FirmwareStatusNotification" => Job::Firmware,
            "SignChargePointCertificate" => {
                return Err(refused(rules, "K-62", "the leader alone issues certificates"));
            }
            _ => return Ok(()),
        };
        match self.jobs.owner(job, self.now.unix_ms) {
            Some(owner) if owner == id => Ok(()),
            _ => Err(refused(rules, "K-62", "only who ordered the job asks for its status")),
        }
    }
}

/// Commands that depend on what is in them (semantics §3.3, §6.3, §6.12).
fn is_never_sent(action: &Action, request: &str, leads: bool) -> bool {
    match action.name {
        "ChangeConfiguration" => payload::text(request, "key")
            .is_some_and(|key| is_never_forwarded(&key) || (!leads && is_leaders_alone(&key))),
        "InstallCertificate" => {
            payload::text(request, "certificateType").as_deref() == Some("CentralSystemRootCertificate")
        }
        "DataTransfer" => !leads && payload::text(request, "vendorId").as_deref() == Some(PLUG_AND_CHARGE),
        _ => false,
    }
}

/// Strict towards followers: what lacks a required member is not sent on (semantics E9).
fn check_members(rules: &FromBackoffice, request: &str) -> Result<(), Refused> {
    for (name, kind) in rules.required {
        let Some(token) = payload::field(request, name) else {
            return Err(failed("ProtocolError", &format!("{name} is missing"), "E9"));
        };
        let fits = match kind {
            Kind::Integer => token.parse::<i64>().is_ok(),
            Kind::Text => token.starts_with('"'),
            Kind::Object => token.starts_with('{'),
        };
        if !fits {
            return Err(failed("TypeConstraintViolation", &format!("{name} has the wrong type"), "E9"));
        }
    }
    Ok(())
}
