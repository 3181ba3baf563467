//! What a backoffice commands that believes to be the only one: everything that OCPP 1.6 has.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Backoffice, Command};

/// Which commands it thinks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommandRange {
    /// Some of each kind.
    #[default]
    Few,
    /// All of them, with what belongs to them.
    Everything,
}

/// Settings of which each backoffice has a value of its own (semantics §6.3), and values for them.
const OWN_SETTINGS: [(&str, [&str; 3]); 5] = [
    ("HeartbeatInterval", ["60", "120", "600"]),
    ("WebSocketPingInterval", ["0", "30", "120"]),
    ("MeterValueSampleInterval", ["15", "60", "120"]),
    ("ClockAlignedDataInterval", ["0", "300", "900"]),
    ("MeterValuesSampledData", ["Energy.Active.Import.Register", "Voltage", "Power.Active.Import,Voltage"]),
];
/// Settings of the charger, of which there is one value.
const SHARED_SETTINGS: [(&str, [&str; 3]); 4] = [
    ("LightIntensity", ["10", "50", "100"]),
    ("BlinkRepeat", ["1", "2", "3"]),
    ("ConnectionTimeOut", ["30", "60", "90"]),
    ("TransactionMessageAttempts", ["3", "4", "5"]),
];
/// Settings that nobody may write through a proxy.
const FORBIDDEN_SETTINGS: [&str; 4] =
    ["AuthorizationKey", "SecurityProfile", "CentralSystemURI", "OcppServerUrl"];

impl Backoffice {
    pub(super) fn wish(&mut self) -> Command {
        let connector = self.random.i64(0..=2);
        let card = self.card();
        let (action, payload) = match self.random.u32(..30) {
            0 => return Command::RemoteStart { connector: connector.max(1), id_tag: card },
            1 => ("RemoteStartTransaction", self.start_with_profile(connector.max(1), &card)),
            2 | 3 => match self.books.iter().rfind(|booked| !booked.stopped) {
                Some(booked) => return Command::RemoteStop(booked.number),
                None => return Command::RemoteStop(self.settings.first_transaction + 999),
            },
            4..=7 => ("SetChargingProfile", self.profile_to_set(connector)),
            8..=10 => ("ClearChargingProfile", self.profiles_to_clear(connector)),
            11 | 12 => ("SendLocalList", self.list_to_send()),
            13 => ("GetLocalListVersion", json!({})),
            14 | 15 => {
                let kind = self.one_of(["Operative", "Inoperative", "Operative"]);
                ("ChangeAvailability", json!({ "connectorId": connector, "type": kind }))
            }
            16..=18 => {
                let (key, values) = self.one_of(OWN_SETTINGS);
                ("ChangeConfiguration", json!({ "key": key, "value": self.one_of(values) }))
            }
            19 => {
                let (key, values) = self.one_of(SHARED_SETTINGS);
                ("ChangeConfiguration", json!({ "key": key, "value": self.one_of(values) }))
            }
            20 => {
                let key = self.one_of(FORBIDDEN_SETTINGS);
                ("ChangeConfiguration", json!({ "key": key, "value": "stolen" }))
            }
            21 => ("GetConfiguration", json!({})),
            22 | 23 => ("GetConfiguration", json!({ "key": self.keys_to_read() })),
            24 => ("GetLog", {
                let id = self.next_resource();
                let log = json!({ "remoteLocation": "ftp://files.example/" });
                json!({ "logType": "DiagnosticsLog", "requestId": id, "log": log })
            }),
            25 => {
                let vendor = self.one_of(["com.example", "org.other", "org.openchargealliance.iso15118pnc"]);
                ("DataTransfer", json!({ "vendorId": vendor, "messageId": "m", "data": "x" }))
            }
            26 => {
                let message = self.one_of([
                    "StatusNotification",
                    "Heartbeat",
                    "BootNotification",
                    "MeterValues",
                    "DiagnosticsStatusNotification",
                    "FirmwareStatusNotification",
                ]);
                let payload = match connector {
                    0 => json!({ "requestedMessage": message }),
                    _ => json!({ "requestedMessage": message, "connectorId": connector }),
                };
                ("TriggerMessage", payload)
            }
            27 => {
                let duration = 600;
                ("GetCompositeSchedule", json!({ "connectorId": connector, "duration": duration }))
            }
            28 => ("ClearCache", json!({})),
            _ => return self.invent_plainly(),
        };
        Command::Other(action, payload)
    }

    /// A card, by the name that it knows it by.
    pub(super) fn card(&mut self) -> String {
        let card = self.one_of(["COMMON", "ANNA", "BERT", "CARL", "DORA"]);
        self.card_names.get(card).cloned().unwrap_or_else(|| card.to_owned())
    }

    fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.random.usize(..N)]
    }

    fn next_resource(&mut self) -> i64 {
        self.next_resource += 1;
        self.next_resource - 1
    }

    fn start_with_profile(&mut self, connector: i64, card: &str) -> Value {
        let mut profile = self.profile("TxProfile");
        profile["transactionId"] = Value::Null;
        if let Some(profile) = profile.as_object_mut() {
            profile.remove("transactionId");
        }
        json!({ "connectorId": connector, "idTag": card, "chargingProfile": profile })
    }

    fn profile_to_set(&mut self, connector: i64) -> Value {
        let purpose = self.one_of(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]);
        let mut profile = self.profile(purpose);
        let mut connector = connector;
        match purpose {
            "ChargePointMaxProfile" => connector = 0,
            "TxProfile" => {
                connector = connector.max(1);
                if let Some(booked) = self.books.iter().rfind(|booked| !booked.stopped) {
                    connector = booked.connector;
                    profile["transactionId"] = booked.number.into();
                }
            }
            _ => {}
        }
        json!({ "connectorId": connector, "csChargingProfiles": profile })
    }

    fn profile(&mut self, purpose: &str) -> Value {
        // Its own ids it uses again, as most do.
        let id = match self.random.u32(..3) {
            0 => self.next_resource(),
            _ => self.random.i64(1..=4),
        };
        let (unit, low, high) = if self.random.bool() { ("A", 6, 32) } else { ("W", 1_400, 22_000) };
        let mut start = 0;
        let mut periods = Vec::new();
        for _ in 0..self.random.usize(1..=3) {
            let limit = self.random.i64(low..=high);
            periods.push(json!({ "startPeriod": start, "limit": limit }));
            start += self.random.i64(60..=900);
        }
        let mut schedule = json!({ "chargingRateUnit": unit, "chargingSchedulePeriod": periods });
        if self.random.u32(..3) == 0 {
            schedule["duration"] = (start + 600).into();
        }
        let kind = match self.random.u32(..4) {
            0 => "Recurring",
            1 if purpose != "ChargePointMaxProfile" => "Relative",
            _ => "Absolute",
        };
        let mut profile = json!({
            "chargingProfileId": id,
            "stackLevel": self.random.i64(0..=3),
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
        });
        if kind == "Recurring" {
            profile["recurrencyKind"] = self.one_of(["Daily", "Weekly"]).into();
        }
        if kind != "Relative" {
            schedule["startSchedule"] = "2026-11-22T00:00:00Z".into();
        }
        match self.random.u32(..6) {
            0 => profile["validTo"] = "2026-11-22T13:10:00Z".into(),
            1 => profile["validFrom"] = "2026-11-22T13:05:00Z".into(),
            _ => {}
        }
        profile["chargingSchedule"] = schedule;
        profile
    }

    fn profiles_to_clear(&mut self, connector: i64) -> Value {
        match self.random.u32(..5) {
            0 => json!({}),
            1 => json!({ "connectorId": connector }),
            2 => {
                let purpose = self.one_of(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]);
                json!({ "chargingProfilePurpose": purpose })
            }
            3 => json!({ "connectorId": connector, "stackLevel": self.random.i64(0..=3) }),
            _ => json!({ "id": self.random.i64(1..=4) }),
        }
    }

    fn list_to_send(&mut self) -> Value {
        self.list_version += self.random.i64(0..=2);
        let is_full = self.random.bool();
        let cards = [(); 4].map(|()| self.card());
        let mut entries = Vec::new();
        for card in cards.into_iter().collect::<BTreeSet<_>>() {
            match self.random.u32(..6) {
                0 | 1 => entries.push(json!({ "idTag": card, "idTagInfo": { "status": "Accepted" } })),
                2 => entries.push(json!({ "idTag": card, "idTagInfo": { "status": "Blocked" } })),
                3 if !is_full => entries.push(json!({ "idTag": card })),
                _ => {}
            }
        }
        let kind = if is_full { "Full" } else { "Differential" };
        json!({ "listVersion": self.list_version, "updateType": kind, "localAuthorizationList": entries })
    }

    fn keys_to_read(&mut self) -> Vec<&'static str> {
        let own = OWN_SETTINGS.iter().map(|(key, _)| *key);
        let shared = SHARED_SETTINGS.iter().map(|(key, _)| *key);
        let others = ["AuthorizationKey", "ChargeProfileMaxStackLevel", "NumberOfConnectors", "MadeUp"];
        let all = own.chain(shared).chain(others);
        all.filter(|_| self.random.u32(..4) == 0).collect()
    }
}
