//! What OCPP's words mean, for people who have not read it. A word that is not here is shown as it is.
//! Pages and the command line say the same, because both say it with these.

pub mod details;
pub mod entrance;
pub mod plan;
mod said;

pub use said::{Decided, Kind, Said, Standing, duration, shown, standing, standing_of_late};

/// What a message is for (OCPP 1.6 §4 and §5, security whitepaper §4).
pub fn meaning_of_action(action: &str) -> Option<&'static str> {
    let meaning = match action {
        "Authorize" => "may this card charge?",
        "BootNotification" => "the charger has started and introduces itself",
        "DataTransfer" => "a message of the manufacturer's own",
        "DiagnosticsStatusNotification" | "LogStatusNotification" => {
            "how far an upload of the charger's log is"
        }
        "FirmwareStatusNotification" | "SignedFirmwareStatusNotification" => "how far a firmware update is",
        "Heartbeat" => "the charger is alive and asks for the time",
        "MeterValues" => "meter readings",
        "SecurityEventNotification" => "something happened that concerns security",
        "SignCertificate" => "the charger asks for a certificate",
        "StartTransaction" => "a charging session has started",
        "StatusNotification" => "the state of a connector",
        "StopTransaction" => "a charging session has ended",
        "CancelReservation" => "give up a reservation",
        "CertificateSigned" => "here is the charger's certificate",
        "ChangeAvailability" => "put a connector in or out of service",
        "ChangeConfiguration" => "change a setting",
        "ClearCache" => "forget remembered cards",
        "ClearChargingProfile" => "drop a charging limit",
        "DeleteCertificate" => "delete a certificate",
        "ExtendedTriggerMessage" | "TriggerMessage" => "send a certain message now",
        "GetCompositeSchedule" => "which charging limits apply?",
        "GetConfiguration" => "which settings are in force?",
        "GetDiagnostics" | "GetLog" => "upload the charger's log",
        "GetInstalledCertificateIds" => "which certificates are installed?",
        "GetLocalListVersion" => "which version has the list of known cards?",
        "InstallCertificate" => "install a certificate",
        "RemoteStartTransaction" => "start a charging session",
        "RemoteStopTransaction" => "end a charging session",
        "ReserveNow" => "reserve a connector",
        "Reset" => "restart",
        "SendLocalList" => "here is the list of known cards",
        "SetChargingProfile" => "set a charging limit",
        "SignedUpdateFirmware" | "UpdateFirmware" => "install firmware",
        "UnlockConnector" => "release the cable",
        _ => return None,
    };
    Some(meaning)
}

/// What an answer's status says about a card (OCPP 1.6 §7.2).
pub fn meaning_of_status(action: &str, status: &str) -> Option<&'static str> {
    if !matches!(action, "Authorize" | "StartTransaction" | "StopTransaction") {
        return None;
    }
    match status {
        "Accepted" => Some("card accepted"),
        "Blocked" => Some("card refused: blocked"),
        "Expired" => Some("card refused: expired"),
        "Invalid" => Some("card refused: not known"),
        "ConcurrentTx" => Some("card refused: already in use elsewhere"),
        _ => None,
    }
}

/// What can happen to the charger or to a link.
pub const OCCURRENCES: [(&str, &str); 9] = [
    ("charger_arrived", "connected"),
    ("link_up", "connected"),
    ("charger_left", "disconnected"),
    ("link_down", "not connected"),
    ("link_moved", "moved"),
    ("hung_up", "closed"),
    ("protocol_violation", "broke a rule of OCPP-J"),
    ("leader_changed", "leads from now on"),
    ("alert", "ALERT"),
];

/// What happened to the charger or to a link.
pub fn meaning_of_occurrence(kind: &str) -> &str {
    OCCURRENCES.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, meaning)| meaning)
}

/// Why there is no answer.
pub fn meaning_of_outcome(outcome: &str) -> &str {
    match outcome {
        "timeout" => "it took too long",
        "disconnected" => "the connection was lost",
        "not_connected" => "it was not connected",
        "leader_timeout" => "the leader was too slow, so the proxy closed the charger's socket",
        "leader_lost" => "the leader was lost, so the proxy closed the charger's socket",
        "shutdown" => "the proxy was stopped",
        "store_failed" => "the proxy could not store, so it closed the charger's socket",
        other => other,
    }
}

/// Why the proxy answered itself: the rules that the engine names, in order.
const RULES: &[(&str, &str)] = &[
    ("A-14", "nobody whose word counts has decided about this card"),
    ("A-20", "it stops its own sessions only, and this is another backoffice's"),
    ("A-21", "another backoffice decided about this card, and proxy.toml leaves the session to that one"),
    ("A-33", "another backoffice is just starting a session on this connector"),
    ("A-41", "the leader writes the local list, or whom local_list in proxy.toml names"),
    ("B-12", "this backoffice has not accepted the charger"),
    ("B-31", "a follower's heartbeat interval holds for its own heartbeats alone"),
    ("E12", "the charger was not connected"),
    ("E14", "the charger was not accepted by the leader yet"),
    ("E16", "the leader did not answer in time"),
    ("E17", "the leader did not answer in time; the proxy has kept this and will tell it again"),
    ("E18", "the leader could not process this; the proxy has kept it and will tell it again"),
    ("E6", "OCPP 1.6 has no such message"),
    ("E7", "OCPP 1.6 has this message in the other direction only"),
    ("E9", "a required field is missing or has the wrong type"),
    ("F-15", "its message id was in use by a call in progress"),
    ("F-16", "the charger repeated a call and gets the answer it got before"),
    ("F-33", "the charger was busy or took too long"),
    ("F-35", "the charger said so less than a minute ago"),
    ("F-36", "the charger has stopped answering commands"),
    ("F-37", "the charger's connection was lost before it answered"),
    (
        "I-7",
        "never forwarded: it could part the charger from the proxy, and nobody could repair that from here",
    ),
    ("K-12", "the charger does not tell what it has of this setting, which is the leader's first of all"),
    ("K-13", "each backoffice has its own value of this setting, and the charger what serves all of them"),
    ("K-23", "a charging limit of another backoffice stands in its place"),
    ("K-24", "this backoffice has set no such charging limit"),
    ("K-3", "a follower may not send so many commands a minute"),
    ("K-51", "a job of another backoffice is under way"),
    ("K-53", "the proxy confirms such a report itself and passes it on to whoever ordered the job"),
    ("K-55", "firmware of another backoffice is being installed"),
    ("K-61", "a follower gets this from the proxy, without troubling the charger"),
    ("K-62", "only whoever ordered the job, or issues the certificates, may ask for this"),
    ("K-70", "another backoffice wants this out of service; the wish is remembered"),
    ("K-71", "a session of another backoffice runs, and proxy.toml protects it from a reset"),
    ("K-72", "another backoffice has stopped this session just now"),
    ("M-3", "this backoffice has made no such reservation"),
    (
        "S-20",
        "the key is for its own connection with the proxy, which uses it from now on; the charger keeps its own",
    ),
    ("S-30", "it is shown the charger's own key (forward_authorization), so that it can have no other"),
    ("T-20", "the charger repeated a start and gets the answer it got before"),
    ("T-36", "the leader asked for fewer meter values than another backoffice, and is told of as many"),
    ("T-43", "the charger repeated a stop and gets the answer it got before"),
    ("T-47", "this backoffice knows no such running transaction"),
    ("T-48", "this backoffice uses one number for two running transactions"),
    ("T-49", "the start of that transaction has no answer yet"),
    ("T-60", "the charger repeated this, and the leader is told of it once"),
    ("T-65", "the leader was away; what it must know it is told later"),
    ("T-66", "the leader is still being told what it missed; this is next"),
    ("T-72", "who leads, or what this backoffice may do, was changed meanwhile"),
    ("composite", "the proxy holds everybody's charging limits and sends the charger the lowest of them"),
    ("key busy", "the former key of this backoffice was still being stored"),
    ("key not kept", "the proxy could not store the key, so nothing was changed"),
    ("leader owns", "this belongs to the leader alone"),
    ("leader's key", "this setting is the leader's"),
    ("local_allow", "the card stands in the list in proxy.toml"),
    (
        "merged list",
        "each backoffice has a local list of its own, which the proxy keeps; the charger has what they come to",
    ),
    (
        "no key",
        "this can be no key: it has to be 16 to 20 bytes in hexadecimal, or 16 to 40 letters, digits and signs",
    ),
    ("not granted", "what proxy.toml lets it do (role and allow/deny) does not include this command"),
    ("profiles by_band", "this stack level is not among those that proxy.toml gives it at this charger"),
    ("profiles by_purpose", "proxy.toml gives charging limits of this purpose to another backoffice"),
    ("profiles composite", "this is no charging limit that can be put together with those of others"),
    ("profiles leader", "charging limits are the leader's"),
    ("scope", "no session of its own is on this connector"),
    ("shutdown", "the proxy was being stopped"),
    ("vendor", "messages of this manufacturer are not among those that it may send"),
];

/// Why the proxy answered itself.
pub fn meaning_of_rule(rule: &str) -> Option<&'static str> {
    RULES.iter().find(|(code, _)| *code == rule).map(|(_, sentence)| *sentence)
}

/// What had a part in a call besides what its sender wanted: the remarks that the engine names, in order.
const FLAGS: [(&str, &str); 29] = [
    ("alias", "a card was put into the number by which the backoffice knows it"),
    ("all_accept", "the card may charge only if everybody accepts it who decides"),
    ("any_accept", "the card may charge as soon as one accepts it who decides"),
    ("boot_loop", "the charger keeps restarting"),
    ("by_band", "the charging limit was put among the stack levels of its backoffice"),
    ("by_purpose", "the purpose of the charging limit says whose it is"),
    ("cache_on_outage", "who decides was away, and an earlier verdict was remembered"),
    ("coalesced", "another backoffice had ordered the same just before, and its answer was given again"),
    ("composite", "the charger has the lowest of everybody's charging limits"),
    ("conflicting_stop", "the charger reported the end twice, and not the same"),
    ("decided_before", "this card was decided about shortly before, and that holds"),
    ("first_answer", "whoever answers first decides about the card"),
    ("inferred", "which session is meant was concluded from the connector"),
    ("leader_only", "the leader decides about the card"),
    ("local_allow", "the card stands in the list in proxy.toml"),
    ("long_message_id", "its message id is longer than OCPP allows"),
    ("merged_availability", "a connector is out of service as long as one backoffice wants so"),
    ("merged_list", "the charger's list of cards is made of those of all backoffices"),
    ("new_key", "the key counts for the charger besides its former one, until it has used it"),
    ("ordered", "who decides about cards is asked in turn"),
    ("overlay", "the backoffice was shown its own view of the charger's settings"),
    ("real_value", "the charger was given another value, which suits all backoffices"),
    ("remote_start", "whoever started the session remotely decides about its card"),
    ("repeated", "the charger has sent this before"),
    ("reservation", "whoever reserved the connector for the card decides about it"),
    ("tag_routed", "proxy.toml says which backoffice decides about this card"),
    ("unknown_action", "OCPP 1.6 has no such message"),
    ("unknown_transaction", "no session of this number is known"),
    ("virtual_key", "every backoffice has a value of its own for this setting"),
];

/// What a remark says; its name where that is not known.
pub fn meaning_of_flag(flag: &str) -> &str {
    FLAGS.iter().find(|(known, _)| *known == flag).map_or(flag, |(_, sentence)| sentence)
}

/// How a follower's answer compares with the leader's (semantics §3.8).
pub fn meaning_of_verdict(verdict: &str) -> &str {
    match verdict {
        "leader" => "",
        "same" => "same as the leader",
        "noise" => "same as the leader in all that matters",
        "skew" => "its clock differs from the leader's",
        "conflict" => "DIFFERS from the leader",
        "weak_conflict" => "refused like the leader, for another reason",
        "follower_error" => "FAILED",
        "not_comparable" => "nothing to compare it with",
        other => other,
    }
}

/// Whether somebody should look at it.
pub fn is_alarming(verdict: &str) -> bool {
    matches!(verdict, "skew" | "conflict" | "weak_conflict" | "follower_error")
}

#[cfg(test)]
mod tests;
