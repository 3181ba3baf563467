//! What each OCPP 1.6 message is, as data: who sends it, who answers it, who gets a copy, and what
//! refusing it looks like (semantics §3.2, §3.3).

use std::time::Duration;

use crate::limits;

/// The row of the table for one message.
#[derive(Debug, PartialEq, Eq)]
pub struct Action {
    /// OCPP's own name; also the metric label.
    pub name: &'static str,
    /// What holds when a charger sends it; `None` when chargers do not.
    pub from_charger: Option<FromCharger>,
    /// What holds when a backoffice sends it; `None` when backoffices do not.
    pub from_backoffice: Option<FromBackoffice>,
}

/// A message that chargers send.
#[derive(Debug, PartialEq, Eq)]
pub struct FromCharger {
    /// The charger has its answer within this.
    pub answer_within: Duration,
    /// What the proxy answers when the leader does not.
    pub stand_in: StandIn,
    /// Who else is told.
    pub copies: Copies,
    /// What happens to a copy while its backoffice is away (semantics §3.9).
    pub keeping: Keeping,
}

/// What the proxy answers in the leader's place (semantics E16, E17, T-65).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandIn {
    /// Nothing: every answer would claim something. The charger gets a CALLERROR.
    None,
    /// `{}`.
    Empty,
    /// The proxy's clock.
    Clock,
    /// What the charger was told to its last boot.
    Boot,
    /// The leader's earlier verdict on the card.
    Card,
    /// `Rejected`: the charger asks again by itself.
    Rejected,
    /// It is booked, and the leader told later. An error would cost the charger one of its attempts
    /// (semantics F-42).
    Booked,
}

/// Who gets a copy of a charger's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Leader and followers.
    All,
    /// The leader alone.
    LeaderOnly,
    /// Whoever ordered the job it reports on, else the leader; the proxy answers at once.
    Owner,
    /// The leader alone, since followers get their own at their own interval.
    Synthetic,
}

/// What happens to a copy while its backoffice is away (semantics §3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Kept in order.
    InOrder,
    /// Only the newest of its kind (and connector) is kept.
    Latest,
    /// Dropped.
    Volatile,
}

/// A message that backoffices send.
#[derive(Debug, PartialEq, Eq)]
pub struct FromBackoffice {
    /// How much it can do.
    pub class: Class,
    /// The local "no".
    pub refusal: Refusal,
    /// Overtakes other waiting commands (semantics F-31).
    pub urgent: bool,
    /// Only reads: equal ones share one answer (semantics F-35).
    pub reads: bool,
    /// The charger has its answer within this.
    pub answer_within: Duration,
    /// Members a follower must send, and what they must be (semantics E9).
    pub required: &'static [(&'static str, Kind)],
}

/// How much a command can do (semantics §3.1, §3.3). The leader may send every class but the last; a follower
/// what its grant names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Only reads.
    Read,
    /// Makes the charger say something.
    Trigger,
    /// Changes what can be changed back.
    Control,
    /// Starts or ends a transaction, or does what a vendor made of it.
    Session,
    /// Takes the charger, or a cable, from whoever uses it.
    Dangerous,
    /// There is one, and it is the leader's: the memory of cards, certificates.
    LeaderOwns,
    /// The local authorisation list: whose it is the plan says (semantics §5.7).
    LocalList,
    /// Nobody's: it could part the charger from the proxy (semantics I-7).
    Never,
}

impl Class {
    /// The word of `proxy.toml`, for those that can be granted as a whole (semantics §6.1).
    pub fn label(self) -> Option<&'static str> {
        match self {
            Class::Read => Some("read"),
            Class::Trigger => Some("trigger"),
            Class::Control => Some("control"),
            Class::Session => Some("session"),
            Class::Dangerous | Class::LeaderOwns | Class::LocalList | Class::Never => None,
        }
    }
}

/// How a command is refused (semantics K-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// With this payload.
    Answer(&'static str),
    /// With CALLERROR `SecurityError`, since every answer would claim something.
    SecurityError,
}

/// The JSON types of required members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A string.
    Text,
    /// An object.
    Object,
}

const REJECTED: Refusal = Refusal::Answer(r#"{"status":"Rejected"}"#);

const fn call(
    name: &'static str,
    answer_within: Duration,
    stand_in: StandIn,
    copies: Copies,
    keeping: Keeping,
) -> Action {
    let from_charger = Some(FromCharger { answer_within, stand_in, copies, keeping });
    Action { name, from_charger, from_backoffice: None }
}

const fn command(
    name: &'static str,
    class: Class,
    refusal: Refusal,
    required: &'static [(&'static str, Kind)],
) -> Action {
    let answer_within = limits::CHARGER_ANSWER;
    let from_backoffice =
        Some(FromBackoffice { class, refusal, urgent: false, reads: false, answer_within, required });
    Action { name, from_charger: None, from_backoffice }
}

const fn urgent(mut action: Action) -> Action {
    if let Some(command) = &mut action.from_backoffice {
        command.urgent = true;
    }
    action
}

const fn reads(mut action: Action) -> Action {
    if let Some(command) = &mut action.from_backoffice {
        command.reads = true;
    }
    action
}

const fn slow(mut action: Action) -> Action {
    if let Some(command) = &mut action.from_backoffice {
        command.answer_within = limits::CHARGER_LONG_ANSWER;
    }
    action
}

use Kind::{Integer, Object, Text};

/// Every message of OCPP 1.6 and of its security extension, in alphabetical order.
pub static OCPP16: [Action; 39] = [
    call("Authorize", limits::ANSWER_AUTHORIZE, StandIn::Card, Copies::All, Keeping::Volatile),
    call("BootNotification", limits::ANSWER_OTHER, StandIn::Boot, Copies::All, Keeping::Latest),
    urgent(command("CancelReservation", Class::Control, REJECTED, &[("reservationId", Integer)])),
    command("CertificateSigned", Class::LeaderOwns, REJECTED, &[("certificateChain", Text)]),
    command("ChangeAvailability", Class::Control, REJECTED, &[("connectorId", Integer), ("type", Text)]),
    command("ChangeConfiguration", Class::Control, REJECTED, &[("key", Text), ("value", Text)]),
    command("ClearCache", Class::LeaderOwns, REJECTED, &[]),
    urgent(command("ClearChargingProfile", Class::Control, Refusal::Answer(r#"{"status":"Unknown"}"#), &[])),
    Action {
        name: "DataTransfer",
        from_charger: Some(FromCharger {
            answer_within: limits::ANSWER_OTHER,
            stand_in: StandIn::None,
            copies: Copies::All,
            keeping: Keeping::Volatile,
        }),
        from_backoffice: Some(FromBackoffice {
            class: Class::Session,
            refusal: REJECTED,
            urgent: false,
            reads: false,
            answer_within: limits::CHARGER_ANSWER,
            required: &[("vendorId", Text)],
        }),
    },
    command("DeleteCertificate", Class::Never, Refusal::Answer(r#"{"status":"Failed"}"#), &[]),
    call(
        "DiagnosticsStatusNotification",
        limits::ANSWER_OTHER,
        StandIn::Empty,
        Copies::Owner,
        Keeping::InOrder,
    ),
    command("ExtendedTriggerMessage", Class::Trigger, REJECTED, &[("requestedMessage", Text)]),
    call("FirmwareStatusNotification", limits::ANSWER_OTHER, StandIn::Empty, Copies::Owner, Keeping::InOrder),
    reads(command(
        "GetCompositeSchedule",
        Class::Read,
        REJECTED,
        &[("connectorId", Integer), ("duration", Integer)],
    )),
    slow(reads(command("GetConfiguration", Class::Read, Refusal::SecurityError, &[]))),
    slow(command("GetDiagnostics", Class::Control, Refusal::Answer("{}"), &[("location", Text)])),
    reads(command(
        "GetInstalledCertificateIds",
        Class::Control,
        Refusal::SecurityError,
        &[("certificateType", Text)],
    )),
    reads(command("GetLocalListVersion", Class::LocalList, Refusal::Answer(r#"{"listVersion":-1}"#), &[])),
    command(
        "GetLog",
        Class::Control,
        REJECTED,
        &[("log", Object), ("logType", Text), ("requestId", Integer)],
    ),
    call("Heartbeat", limits::ANSWER_HEARTBEAT, StandIn::Clock, Copies::Synthetic, Keeping::Volatile),
    command("InstallCertificate", Class::LeaderOwns, REJECTED, &[("certificateType", Text)]),
    call("LogStatusNotification", limits::ANSWER_OTHER, StandIn::Empty, Copies::Owner, Keeping::InOrder),
    call("MeterValues", limits::ANSWER_TRANSACTION, StandIn::Booked, Copies::All, Keeping::InOrder),
    command("RemoteStartTransaction", Class::Session, REJECTED, &[("idTag", Text)]),
    urgent(command("RemoteStopTransaction", Class::Session, REJECTED, &[("transactionId", Integer)])),
    command(
        "ReserveNow",
        Class::Control,
        REJECTED,
        &[("connectorId", Integer), ("expiryDate", Text), ("idTag", Text), ("reservationId", Integer)],
    ),
    command("Reset", Class::Dangerous, REJECTED, &[("type", Text)]),
    call(
        "SecurityEventNotification",
        limits::ANSWER_TRANSACTION,
        StandIn::Booked,
        Copies::All,
        Keeping::InOrder,
    ),
    command(
        "SendLocalList",
        Class::LocalList,
        Refusal::Answer(r#"{"status":"NotSupported"}"#),
        &[("listVersion", Integer), ("updateType", Text)],
    ),
    command(
        "SetChargingProfile",
        Class::Control,
        REJECTED,
        &[("connectorId", Integer), ("csChargingProfiles", Object)],
    ),
    call("SignCertificate", limits::ANSWER_OTHER, StandIn::Rejected, Copies::LeaderOnly, Keeping::Volatile),
    call(
        "SignedFirmwareStatusNotification",
        limits::ANSWER_OTHER,
        StandIn::Empty,
        Copies::Owner,
        Keeping::InOrder,
    ),
    command(
        "SignedUpdateFirmware",
        Class::Dangerous,
        REJECTED,
        &[("requestId", Integer), ("firmware", Object)],
    ),
    call("StartTransaction", limits::ANSWER_TRANSACTION, StandIn::Booked, Copies::All, Keeping::InOrder),
    call("StatusNotification", limits::ANSWER_OTHER, StandIn::Empty, Copies::All, Keeping::Latest),
    call("StopTransaction", limits::ANSWER_TRANSACTION, StandIn::Booked, Copies::All, Keeping::InOrder),
    command("TriggerMessage", Class::Trigger, REJECTED, &[("requestedMessage", Text)]),
    urgent(command("UnlockConnector", Class::Dangerous, Refusal::SecurityError, &[("connectorId", Integer)])),
    command(
        "UpdateFirmware",
        Class::Dangerous,
        Refusal::SecurityError,
        &[("location", Text), ("retrieveDate", Text)],
    ),
];

/// The row of the table; `None` for a name that OCPP 1.6 does not have.
pub fn known(name: &str) -> Option<&'static Action> {
    OCPP16.binary_search_by(|row| row.name.cmp(name)).ok().map(|at| &OCPP16[at])
}

/// The name as a metric label: known names, else `"other"`, so that no peer can grow the labels.
pub fn label(action: Option<&'static Action>) -> &'static str {
    action.map_or("other", |row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(OCPP16.windows(2).all(|pair| pair[0].name < pair[1].name));
        let from_charger = OCPP16.iter().filter(|row| row.from_charger.is_some()).count();
        let from_backoffice = OCPP16.iter().filter(|row| row.from_backoffice.is_some()).count();
        // 1.6: 10 from the charger, 19 from the central system, DataTransfer in both; the security
        // extension adds 4 and 7.
        assert_eq!((from_charger, from_backoffice), (14, 26));
        assert_eq!(known("StartTransaction").map(|row| row.name), Some("StartTransaction"));
        assert_eq!(known("startTransaction"), None);
    }
}
