//! Every command of OCPP 1.6 and of its security extension, by the leader and by a follower of each role, against the
//! tables of docs/roles-and-policies.md: what they allow reaches the charger, and nothing else does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::conversations;
use crate::stage::Backoffices;
use crate::support::proxy::Proxy;

const PAGE: &str = include_str!("../../../../docs/roles-and-policies.md");
/// In the order of the page's columns.
const ROLES: [&str; 5] = ["control", "energy", "roaming", "maintenance", "observer"];
const LEADER: &str = "leader";
/// Conversations at once; each waits most of the time.
const AT_ONCE: usize = 12;

/// A usual request of each command that the page names; a setting stands for the row that speaks of it.
const REQUESTS: [(&str, &str); 26] = [
    ("CancelReservation", r#"{"reservationId":7}"#),
    ("CertificateSigned", r#"{"certificateChain":"-"}"#),
    ("ChangeAvailability", r#"{"connectorId":1,"type":"Inoperative"}"#),
    ("ChangeConfiguration: other settings", r#"{"key":"LightIntensity","value":"5"}"#),
    (
        "ChangeConfiguration: settings of which each has its own",
        r#"{"key":"HeartbeatInterval","value":"600"}"#,
    ),
    ("ClearCache", "{}"),
    ("ClearChargingProfile", "{}"),
    ("DataTransfer", r#"{"vendorId":"a"}"#),
    ("ExtendedTriggerMessage", r#"{"requestedMessage":"MeterValues"}"#),
    ("GetCompositeSchedule", r#"{"connectorId":1,"duration":60}"#),
    ("GetConfiguration", r#"{"key":["LightIntensity"]}"#),
    ("GetDiagnostics", r#"{"location":"ftp://service.example/a"}"#),
    ("GetInstalledCertificateIds", r#"{"certificateType":"ManufacturerRootCertificate"}"#),
    ("GetLocalListVersion", "{}"),
    (
        "GetLog",
        r#"{"log":{"remoteLocation":"ftp://service.example/a"},"logType":"DiagnosticsLog","requestId":1}"#,
    ),
    ("InstallCertificate", r#"{"certificateType":"ManufacturerRootCertificate","certificate":"-"}"#),
    ("RemoteStartTransaction", r#"{"idTag":"04A2B3C4D5E6F7","connectorId":1}"#),
    ("RemoteStopTransaction", r#"{"transactionId":5}"#),
    ("ReserveNow", RESERVATION),
    ("Reset", r#"{"type":"Soft"}"#),
    ("SendLocalList", r#"{"listVersion":1,"updateType":"Full","localAuthorizationList":[]}"#),
    ("SetChargingProfile", PROFILE),
    ("SignedUpdateFirmware", SIGNED_FIRMWARE),
    ("TriggerMessage", r#"{"requestedMessage":"MeterValues"}"#),
    ("UnlockConnector", r#"{"connectorId":1}"#),
    ("UpdateFirmware", r#"{"location":"ftp://service.example/b","retrieveDate":"2026-11-23T00:00:00Z"}"#),
];
const START: &str = r#"{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":"2026-11-22T13:01:00Z"}"#;
const RESERVATION: &str =
    r#"{"connectorId":1,"expiryDate":"2099-01-01T00:00:00Z","idTag":"A","reservationId":7}"#;
const PROFILE: &str = r#"{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":{"startSchedule":"2026-11-22T13:00:00Z","chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}}"#;
const SIGNED_FIRMWARE: &str = r#"{"requestId":1,"firmware":{"location":"ftp://service.example/b","retrieveDateTime":"2026-11-23T00:00:00Z","signingCertificate":"-","signature":"-"}}"#;

/// What nobody's reaches a charger, by the page's table of what is never forwarded.
const NEVER: [(&str, &str); 9] = [
    ("ChangeConfiguration", r#"{"key":"SecurityProfile","value":"1"}"#),
    ("ChangeConfiguration", r#"{"key":"AdditionalRootCertificateCheck","value":"false"}"#),
    ("ChangeConfiguration", r#"{"key":"CertificateStoreMaxLength","value":"1"}"#),
    ("ChangeConfiguration", r#"{"key":"CentralSystemURL","value":"wss://evil.example"}"#),
    ("ChangeConfiguration", r#"{"key":"Backend-Host","value":"evil.example"}"#),
    ("ChangeConfiguration", r#"{"key":"ChargeBoxIdentity","value":"CP-OTHER"}"#),
    ("ChangeConfiguration", r#"{"key":"apnName","value":"evil"}"#),
    ("InstallCertificate", r#"{"certificateType":"CentralSystemRootCertificate","certificate":"-"}"#),
    ("DeleteCertificate", "{}"),
];

/// One command of one backoffice.
struct Attempt {
    who: &'static str,
    action: &'static str,
    request: &'static str,
    /// What the page says.
    cell: String,
}

#[test]
fn figure_s14_every_command_of_every_role() {
    let backoffices = Backoffices::start();
    let proxy = Proxy::start(&configuration(&backoffices));
    let attempts = attempts();
    let allowed = attempts.iter().filter(|attempt| attempt.is_allowed()).count();
    let next = Mutex::new(0..attempts.len());
    let failures = Mutex::new(Vec::new());
    let [reached, refused] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(number) = next.lock().unwrap().next() else { return };
                    let attempt = &attempts[number];
                    match catch_unwind(AssertUnwindSafe(|| attempt.play(&proxy, &backoffices, number))) {
                        Ok(()) => {
                            let count = if attempt.is_allowed() { &reached } else { &refused };
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(cause) => {
                            let why = crate::words(&*cause);
                            failures
                                .lock()
                                .unwrap()
                                .push(format!("{} {}: {why}", attempt.who, attempt.action));
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), attempts.len(), failures.join("\n"));
    assert_eq!((attempts.len(), allowed), (210, 66));
    let attempted = format!(
        "{} commands by the leader and by followers of {} roles, {allowed} of them allowed by docs/roles-and-policies.md",
        attempts.len(),
        ROLES.len(),
    );
    let [reached, refused] = [reached, refused].map(AtomicUsize::into_inner);
    figures::row(
        "S14",
        attempted,
        format!("{reached} reached the charger, {refused} were refused as written there and did not"),
    );
}

/// A rule for each role, with one leader.
fn configuration(backoffices: &Backoffices) -> String {
    let mut text = format!("[backoffices]\nlead.url = \"{}\"\n", backoffices.url("lead"));
    text += &format!("follow.url = \"{}\"\n", backoffices.url("follow"));
    for role in ROLES.into_iter().chain([LEADER]) {
        let followed_as = if role == LEADER { "observer" } else { role };
        text += &format!(
            "[[chargers]]\nmatch = \"CP-{role}-*\"\nunknown_chargers = \"admit\"\nleader = \"lead\"\n\
             followers = [{{ backoffice = \"follow\", role = \"{followed_as}\" }}]\n"
        );
    }
    text
}

/// Each cell of the page's table, the same of the leader, and what nobody may.
fn attempts() -> Vec<Attempt> {
    let table = PAGE.split_once("## Roles").unwrap().1.split_once("## Grants").unwrap().0;
    let mut attempts = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains(" | ")).skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let named = if cells[0].contains(": ") { vec![cells[0]] } else { cells[0].split(", ").collect() };
        for name in named {
            let (command, request) = *REQUESTS.iter().find(|(known, _)| *known == name).expect(name);
            let action = command.split(": ").next().unwrap();
            attempts.push(Attempt { who: LEADER, action, request, cell: "yes".to_owned() });
            for (who, cell) in ROLES.into_iter().zip(&cells[1..]) {
                attempts.push(Attempt { who, action, request, cell: (*cell).to_owned() });
            }
        }
    }
    for (action, request) in NEVER {
        for who in ROLES.into_iter().chain([LEADER]) {
            attempts.push(Attempt { who, action, request, cell: "no".to_owned() });
        }
    }
    attempts
}

impl Attempt {
    /// Where the plan shares nothing, `as profiles says` and the like say no, and nobody has a session of its own.
    fn is_allowed(&self) -> bool {
        self.cell == "yes"
    }

    fn play(&self, proxy: &Proxy, backoffices: &Backoffices, number: usize) {
        let lines = self.lines();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        conversations::play(proxy.chargers, backoffices, &format!("CP-{}-{number}", self.who), &lines);
    }

    /// The conversation, in the language of the tables.
    fn lines(&self) -> Vec<String> {
        let Self { action, request, .. } = self;
        let by = if self.who == LEADER { "L" } else { "F" };
        let mut lines = vec!["booted".to_owned()];
        let reaches = |action: &str, request: &str| {
            vec![
                format!("{by}> [2,\"{action}\",\"{action}\",{request}]"),
                format!("C< [2,*,\"{action}\",*]"),
                "C> [3,$C,{\"status\":\"Accepted\"}]".to_owned(),
                format!("{by}< [3,\"{action}\",*]"),
            ]
        };
        if !self.is_allowed() {
            lines.push(format!("{by}> [2,\"{action}\",\"{action}\",{request}]"));
            lines.push(format!("{by}< {}", refusal(action)));
            return lines;
        }
        // Who cancels must have reserved.
        if *action == "CancelReservation" {
            lines.extend(reaches("ReserveNow", RESERVATION));
        }
        // Who stops must have been told of a start; the leader's answer makes it number 5.
        if *action == "RemoteStopTransaction" {
            lines.push(format!("passes: [2,\"start\",\"StartTransaction\",{START}]"));
        }
        if request.contains("HeartbeatInterval") && self.who != LEADER {
            // Its own value is between it and the proxy.
            lines.push(format!("{by}> [2,\"{action}\",\"{action}\",{request}]"));
            lines.push(format!("{by}< [3,\"{action}\",{{\"status\":\"Accepted\"}}]"));
        } else {
            lines.extend(reaches(action, request));
        }
        lines
    }
}

/// What the page says under "What a refusal looks like".
fn refusal(action: &str) -> String {
    let answer = match action {
        "ClearChargingProfile" => r#"{"status":"Unknown"}"#,
        "SendLocalList" => r#"{"status":"NotSupported"}"#,
        "DeleteCertificate" => r#"{"status":"Failed"}"#,
        "GetLocalListVersion" => r#"{"listVersion":-1}"#,
        "GetDiagnostics" => "{}",
        "GetConfiguration" | "GetInstalledCertificateIds" | "UnlockConnector" | "UpdateFirmware" => {
            return format!("[4,\"{action}\",\"SecurityError\",*,{{}}]");
        }
        _ => r#"{"status":"Rejected"}"#,
    };
    format!("[3,\"{action}\",{answer}]")
}
