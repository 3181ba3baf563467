//! What OCPP's words mean, for people who have not read it. A word that is not here is shown as it is.

/// What a message is for (OCPP 1.6 §4 and §5, security whitepaper §4).
pub(crate) fn meaning_of_action(action: &str) -> Option<&'static str> {
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
pub(crate) fn meaning_of_status(action: &str, status: &str) -> Option<&'static str> {
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

/// What happened to the charger or to a link.
pub(crate) fn meaning_of_occurrence(kind: &str) -> &str {
    match kind {
        "charger_arrived" | "link_up" => "connected",
        "charger_left" => "disconnected",
        "link_down" => "not connected",
        "link_moved" => "moved",
        "hung_up" => "closed",
        "protocol_violation" => "broke a rule of OCPP-J",
        "leader_changed" => "leads from now on",
        "alert" => "ALERT",
        other => other,
    }
}

/// Why there is no answer.
pub(crate) fn meaning_of_outcome(outcome: &str) -> &str {
    match outcome {
        "timeout" => "it took too long",
        "disconnected" => "the connection was lost",
        "not_connected" => "it was not connected, so it was not asked",
        "shutdown" => "the proxy was stopped",
        other => other,
    }
}

/// How a follower's answer compares with the leader's (semantics §3.8).
pub(crate) fn meaning_of_verdict(verdict: &str) -> &str {
    match verdict {
        "leader" => "",
        "same" => "same as the leader",
        "noise" => "same as the leader in all that matters",
        "skew" => "its clock differs from the leader's",
        "conflict" => "DIFFERS from the leader",
        "weak_conflict" => "refused like the leader, for another reason",
        "follower_error" => "FAILED",
        "late" => "too late to matter",
        "not_comparable" => "nothing to compare it with",
        other => other,
    }
}

/// Whether somebody should look at it.
pub(crate) fn is_alarming(verdict: &str) -> bool {
    matches!(verdict, "skew" | "conflict" | "weak_conflict" | "follower_error")
}
