//! What a backoffice may command, and how it is told no (semantics §6.1, §6.2).

use std::borrow::Cow;
use std::sync::Arc;

use crate::actions::{Action, Class, FromBackoffice, Kind, Refusal, known};
use crate::session::calls::is_plug_and_charge;
use crate::session::configuration::{is_authorization_key, is_never_forwarded, is_virtual};
use crate::session::jobs::{Installation, Job};
use crate::session::translations::Admission;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Follower, Grant, LocalList, RefuseWith, Role, Scope, TransactionRow, payload};

/// A refusal, with the rule that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reply: Reply,
    pub(super) rule: &'static str,
}

/// A local no in the style that the backoffice understands (semantics K-1).
pub(super) struct Refuses<'a> {
    rules: &'a FromBackoffice,
    with: RefuseWith,
}

impl Refuses<'_> {
    pub(super) fn by(&self, rule: &'static str, why: &str) -> Refused {
        let reply = match (self.with, rules_answer(self.rules)) {
            (RefuseWith::Status, Some(payload)) => Reply::result(payload),
            _ => Reply::error("SecurityError", why),
        };
        Refused { reply, rule }
    }
}

fn rules_answer(rules: &FromBackoffice) -> Option<&'static str> {
    match rules.refusal {
        Refusal::Answer(payload) => Some(payload),
        Refusal::SecurityError => None,
    }
}

fn failed(code: &'static str, why: &str, rule: &'static str) -> Refused {
    Refused { reply: Reply::error(code, why), rule }
}

impl Session {
    /// How this backoffice is told no (semantics K-1).
    fn refuses_with(&self, id: &BackofficeId) -> RefuseWith {
        let follower = self.plan.follower(id).filter(|_| !self.leads(id));
        follower.map_or(RefuseWith::Status, |follower| follower.grant.refuse_with)
    }

    /// A no that comes of what the command refers to.
    pub(super) fn refused(&self, id: &BackofficeId, rule: &'static str) -> Admission {
        let reply = match self.refuses_with(id) {
            RefuseWith::Status => Reply::result(r#"{"status":"Rejected"}"#),
            RefuseWith::CallError => Reply::error("SecurityError", "this is another backoffice's"),
        };
        Admission::Local(reply, rule)
    }

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
        let follower = self.plan.follower(id).filter(|_| !leads).cloned();
        let no = Refuses { rules, with: self.refuses_with(id) };
        let is_key = action.name == "ChangeConfiguration"
            && payload::text(request, "key").is_some_and(|key| is_authorization_key(&key));
        if rules.class == Class::Never || is_never_sent(action, request) && !is_key {
            return Err(no.by("I-7", "never sent through the proxy"));
        }
        // Else the key that was looked at need not be the one that the charger reads, from the leader either.
        if action.name == "ChangeConfiguration" && payload::says_twice(request) {
            return Err(failed("FormationViolation", "a member stands twice", "E9"));
        }
        if leads {
            self.permit_leader(id, action, &no)?;
            self.permit_profile(id, action, request, &no)?;
            return self.permit_during_installation(id, action, rules, &no);
        }
        let role = follower.as_ref().map_or(Role::Observer, |follower| follower.role);
        if rules.class == Class::LeaderOwns {
            return Err(match role {
                Role::Observer => no.by("not granted", "its role does not include this"),
                _ => no.by("leader owns", "this belongs to the leader"),
            });
        }
        if rules.class == Class::LocalList {
            self.permit_local_list(id, role, &no)?;
        } else if follower.as_ref().is_none_or(|follower| !follower.grant.commands.contains(action.name)) {
            return Err(no.by("not granted", "its role does not include this"));
        }
        // Who has no grant was refused just now, unless it owns the list.
        let grant = follower.map_or_else(|| Arc::new(Grant::of(Role::Observer)), |follower| follower.grant);
        self.permit_content(id, action, &grant, request, &no)?;
        self.permit_profile(id, action, request, &no)?;
        self.permit_during_installation(id, action, rules, &no)?;
        if self.is_refused_by(id) {
            return Err(failed("SecurityError", "this backoffice has not accepted the charger", "B-12"));
        }
        if !self.queue.has_rate(id, grant.commands_per_minute, self.now.tick) {
            let why = format!("more than {} commands a minute", grant.commands_per_minute);
            if self.queue.flood_begins(id, self.now.tick) {
                self.alert("command_flood", format!("{id} sends {why}; those beyond are refused"));
            }
            return Err(failed("GenericError", &why, "K-3"));
        }
        check_members(rules, request)?;
        self.permit_trigger(id, action, request, &no)
    }

    /// The leader may do everything that is not somebody else's by the plan.
    fn permit_leader(&mut self, id: &BackofficeId, action: &Action, no: &Refuses<'_>) -> Result<(), Refused> {
        match action.name {
            "SendLocalList" | "GetLocalListVersion" => self.permit_local_list(id, Role::Control, no),
            "Reset" => self.permit_reset(id, no),
            _ => Ok(()),
        }
    }

    /// A plan may protect sessions from whom they are not (semantics K-71).
    fn permit_reset(&self, id: &BackofficeId, no: &Refuses<'_>) -> Result<(), Refused> {
        match self.foreign_session(id) {
            Some(_) if !self.plan.sharing.reset_in_foreign_session => {
                Err(no.by("K-71", "a transaction of another backoffice runs"))
            }
            _ => Ok(()),
        }
    }

    /// Whether another backoffice decided about the card of a transaction, and is there to stop it: what was of
    /// one that the plan does not name any more is the leader's.
    fn is_anothers(&self, row: &TransactionRow, id: &BackofficeId) -> bool {
        row.authoriser.as_ref().is_some_and(|authoriser| authoriser != id && self.plan.names(authoriser))
    }

    /// A running transaction that a reset by this backoffice would end though it is another's.
    pub(super) fn foreign_session(&self, id: &BackofficeId) -> Option<&TransactionRow> {
        let leads = self.leads(id);
        let is_foreign =
            |row: &&TransactionRow| if leads { self.is_anothers(row, id) } else { !row.is_of(id) };
        self.transactions.running().filter(|row| !row.superseded).find(is_foreign)
    }

    /// While firmware is installed others leave the charger alone; a reset would break off the download, too
    /// (semantics K-55). Who wants to stop a transaction always may.
    fn permit_during_installation(
        &self,
        id: &BackofficeId,
        action: &Action,
        rules: &FromBackoffice,
        no: &Refuses<'_>,
    ) -> Result<(), Refused> {
        let Some((owner, stage)) = self.jobs.installation(self.now.unix_ms).filter(|(owner, _)| *owner != id)
        else {
            return Ok(());
        };
        let is_due = match stage {
            Installation::Downloads => action.name == "Reset",
            Installation::Installs => {
                matches!(rules.class, Class::Control | Class::Session | Class::Dangerous)
                    && action.name != "RemoteStopTransaction"
                    && !rules.reads
                    && Job::ordered_by(action.name) != Some(Job::Firmware)
            }
        };
        if !is_due {
            return Ok(());
        }
        let why = format!("busy: firmware of {owner} is being installed");
        Err(match rules.refusal {
            Refusal::Answer(r#"{"status":"Rejected"}"#) => no.by("K-55", &why),
            // Any other answer would claim something.
            _ => failed("GenericError", &why, "K-55"),
        })
    }

    /// There is one list, and one who writes it (semantics A-40, A-41).
    fn permit_local_list(&self, id: &BackofficeId, role: Role, no: &Refuses<'_>) -> Result<(), Refused> {
        let owns = match &self.plan.sharing.local_list {
            LocalList::Leader => self.leads(id),
            LocalList::Of(owner) => owner == id,
            LocalList::Merge => self.leads(id) || role != Role::Observer,
        };
        match (owns, role) {
            (true, _) => Ok(()),
            (false, Role::Observer) => Err(no.by("not granted", "its role does not include this")),
            (false, _) => Err(no.by("A-41", "another backoffice writes the local list")),
        }
    }

    /// What a follower's grant says of keys, vendors and sessions.
    fn permit_content(
        &self,
        id: &BackofficeId,
        action: &Action,
        grant: &Grant,
        request: &str,
        no: &Refuses<'_>,
    ) -> Result<(), Refused> {
        match action.name {
            "ChangeConfiguration" => {
                let key = payload::text(request, "key").unwrap_or_default();
                if is_virtual(&key) || is_authorization_key(&key) || grant.may_write(&key) {
                    return Ok(());
                }
                Err(no.by("leader's key", "this setting is the leader's"))
            }
            "DataTransfer" => {
                let vendor = payload::text(request, "vendorId").unwrap_or_default();
                let is_granted =
                    grant.vendors.as_ref().is_none_or(|vendors| vendors.iter().any(|known| *known == vendor));
                if is_granted && !is_plug_and_charge(&vendor) {
                    return Ok(());
                }
                Err(no.by("vendor", "messages of this vendor are not among those it may send"))
            }
            "Reset" => self.permit_reset(id, no),
            "UnlockConnector" => {
                let connector = payload::integer(request, "connectorId");
                let is_there = |row: &&TransactionRow| Some(row.connector_id) == connector && !row.superseded;
                let row = self.transactions.running().find(is_there);
                let may = match grant.sessions {
                    Scope::All => true,
                    Scope::Own => row.is_some_and(|row| row.is_of(id)),
                    Scope::None => row.is_none(),
                };
                if may { Ok(()) } else { Err(no.by("scope", "no session of its own is on this connector")) }
            }
            _ => Ok(()),
        }
    }

    /// Whether a transaction may be stopped by this backoffice (semantics A-20, A-21, A-31).
    pub(super) fn may_stop(&self, id: &BackofficeId, row: &TransactionRow) -> Result<(), &'static str> {
        if self.leads(id) {
            let may = !self.is_anothers(row, id) || self.plan.cards.leader_may_stop_foreign;
            return if may { Ok(()) } else { Err("A-21") };
        }
        match self.plan.follower(id).map_or(Scope::None, |Follower { grant, .. }| grant.sessions) {
            Scope::All => Ok(()),
            Scope::Own if row.is_of(id) => Ok(()),
            Scope::Own | Scope::None => Err("A-20"),
        }
    }

    /// A follower triggers what concerns it (semantics §3.3, K-62).
    fn permit_trigger(
        &self,
        id: &BackofficeId,
        action: &Action,
        request: &str,
        no: &Refuses<'_>,
    ) -> Result<(), Refused> {
        if !matches!(action.name, "TriggerMessage" | "ExtendedTriggerMessage") {
            return Ok(());
        }
        let job = match &*payload::text(request, "requestedMessage").unwrap_or_default() {
            "DiagnosticsStatusNotification" | "LogStatusNotification" => Job::Diagnostics,
            "FirmwareStatusNotification" => Job::Firmware,
            "SignChargePointCertificate" => {
                return Err(no.by("K-62", "the leader alone issues certificates"));
            }
            _ => return Ok(()),
        };
        match self.jobs.owner(job, self.now.unix_ms) {
            Some(owner) if owner == id => Ok(()),
            _ => Err(no.by("K-62", "only who ordered the job asks for its status")),
        }
    }
}

/// Commands that depend on what is in them (semantics §3.3, §6.3).
fn is_never_sent(action: &Action, request: &str) -> bool {
    match action.name {
        "ChangeConfiguration" => payload::text(request, "key").is_some_and(|key| is_never_forwarded(&key)),
        "InstallCertificate" => {
            let kind = payload::text(request, "certificateType");
            matches!(kind.as_deref(), Some("CentralSystemRootCertificate" | "CSMSRootCertificate"))
        }
        "DataTransfer" => is_tunnelled_and_never_sent(request),
        _ => false,
    }
}

/// What ISO 15118 tunnels through DataTransfer is judged as what it is (semantics §6.12).
fn is_tunnelled_and_never_sent(request: &str) -> bool {
    let [vendor, message, data] = payload::fields(request, ["vendorId", "messageId", "data"]).tokens;
    if !vendor.and_then(payload::string).is_some_and(|vendor| is_plug_and_charge(&vendor)) {
        return false;
    }
    let Some(action) = message.and_then(payload::string).and_then(|name| known(&name)) else { return false };
    let is_never = action.from_backoffice.as_ref().is_some_and(|rules| rules.class == Class::Never);
    // The message is a string that holds JSON; some write the JSON itself.
    let content = data.and_then(payload::string).or(data.map(Cow::Borrowed)).unwrap_or_default();
    is_never || action.name != "DataTransfer" && is_never_sent(action, &content)
}

/// Strict towards followers: what lacks a required member is not sent on (semantics E9).
fn check_members(rules: &FromBackoffice, request: &str) -> Result<(), Refused> {
    // What was looked at here must be what the charger reads.
    if payload::says_twice(request) {
        return Err(failed("FormationViolation", "a member stands twice", "E9"));
    }
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
