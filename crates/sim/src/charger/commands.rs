//! How the charger obeys commands.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Moment;
use serde_json::{Value, json};

use super::{Ask, Charger, ChargerNews, ChargerSettings, Later, Subject};
use crate::frame;

/// Keys that only tell what it is.
const READ_ONLY: [&str; 3] = ["NumberOfConnectors", "ChargeProfileMaxStackLevel", "SendLocalListMaxLength"];

pub(super) fn factory_configuration(settings: &ChargerSettings) -> BTreeMap<String, String> {
    [
        ("HeartbeatInterval", "300".to_owned()),
        ("MeterValueSampleInterval", settings.meter_interval.as_secs().to_string()),
        ("NumberOfConnectors", settings.connectors.to_string()),
        ("StopTransactionOnInvalidId", settings.stop_on_invalid_id.to_string()),
        ("ChargeProfileMaxStackLevel", settings.max_stack_level.to_string()),
        ("SendLocalListMaxLength", settings.list_length.to_string()),
        ("WebSocketPingInterval", "60".to_owned()),
        ("ClockAlignedDataInterval", "0".to_owned()),
        ("MeterValuesSampledData", "Energy.Active.Import.Register".to_owned()),
        ("LightIntensity", "100".to_owned()),
        ("ConnectionTimeOut", "60".to_owned()),
        ("TransactionMessageAttempts", settings.transaction_attempts.to_string()),
        ("AuthorizationKey", "never-to-be-shown".to_owned()),
        ("SecurityProfile", "0".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

impl Charger {
    pub(super) fn commanded(&mut self, now: Moment, id: &str, action: &str, payload: &str) {
        self.news.push_back(ChargerNews::CommandArrived {
            action: action.to_owned(),
            payload: payload.to_owned(),
        });
        if !self.settings.answers_commands {
            return;
        }
        let think = Duration::from_micros(self.random.u64(..=self.settings.answer_delay.as_micros() as u64));
        let request = serde_json::from_str(payload).unwrap_or(Value::Null);
        let answer = match self.obey(now, action, &request, think) {
            Ok(answer) => frame::result(id, &answer.to_string()),
            Err(code) => frame::error(id, code, "this charger cannot do that"),
        };
        self.later.push((now.tick + think, Later::Answer(answer)));
    }

    /// Decides the answer and sets off what follows it, no earlier than after `think`.
    fn obey(
        &mut self,
        now: Moment,
        action: &str,
        request: &Value,
        think: Duration,
    ) -> Result<Value, &'static str> {
        let soon = now.tick + think + Duration::from_millis(100);
        let status = |status: &str| Ok(json!({ "status": status }));
        match action {
            "RemoteStartTransaction" => {
                let Some(id_tag) = request["idTag"].as_str() else { return Err("ProtocolError") };
                let wanted = request["connectorId"].as_i64();
                let free = (1..=self.settings.connectors)
                    .filter(|connector| wanted.is_none_or(|wanted| wanted == *connector))
                    .find(|connector| self.sessions.running_on(*connector).is_none());
                let Some(connector) = free else { return status("Rejected") };
                let profile = request.get("chargingProfile").cloned();
                self.later.push((soon, Later::Start { connector, id_tag: id_tag.to_owned(), profile }));
                status("Accepted")
            }
            "RemoteStopTransaction" => {
                let number = request["transactionId"].as_i64().unwrap_or(-1);
                let Some(connector) = self.sessions.running_as(number).map(|session| session.connector)
                else {
                    return status("Rejected");
                };
                self.end_session(now, connector, "Remote");
                status("Accepted")
            }
            "TriggerMessage" | "ExtendedTriggerMessage" => {
                let connector = request["connectorId"].as_i64().unwrap_or(0);
                let ask = match request["requestedMessage"].as_str() {
                    Some("StatusNotification") => self.status_of(now, connector),
                    Some("Heartbeat") => plain("Heartbeat", "{}".to_owned()),
                    Some("BootNotification") if !self.accepted => return status("Accepted"),
                    Some("DiagnosticsStatusNotification") => {
                        plain("DiagnosticsStatusNotification", json!({ "status": "Idle" }).to_string())
                    }
                    _ => return status("Rejected"),
                };
                self.later.push((soon, Later::Ask(ask)));
                status("Accepted")
            }
            "GetConfiguration" => Ok(self.shown_configuration(request)),
            "ChangeConfiguration" => {
                let key = request["key"].as_str().unwrap_or_default();
                let value = request["value"].as_str().unwrap_or_default();
                let Some(current) = self.configuration.get_mut(key) else { return status("NotSupported") };
                if READ_ONLY.contains(&key) {
                    return status("Rejected");
                }
                value.clone_into(current);
                if key == "HeartbeatInterval"
                    && let Ok(seconds) = value.parse::<u64>()
                {
                    self.heartbeat_every = Duration::from_secs(seconds.clamp(10, 86_400));
                    self.heartbeat_due = Some(now.tick + self.heartbeat_every);
                }
                if key == "MeterValueSampleInterval"
                    && let Ok(seconds) = value.parse::<u64>()
                {
                    self.sessions.sample_every(Duration::from_secs(seconds.clamp(5, 86_400)));
                }
                status("Accepted")
            }
            "ReserveNow" => {
                let connector = request["connectorId"].as_i64().unwrap_or(0);
                let (Some(id), Some(tag)) = (request["reservationId"].as_i64(), request["idTag"].as_str())
                else {
                    return Err("ProtocolError");
                };
                if self.sessions.running_on(connector).is_some() {
                    return status("Occupied");
                }
                self.reservations.insert(id, (connector, tag.to_owned()));
                status("Accepted")
            }
            "CancelReservation" => {
                let id = request["reservationId"].as_i64().unwrap_or(-1);
                status(if self.reservations.remove(&id).is_some() { "Accepted" } else { "Rejected" })
            }
            "GetDiagnostics" => {
                for (after_s, step) in [(2, "Uploading"), (5, "Uploaded")] {
                    let ask = plain("DiagnosticsStatusNotification", json!({ "status": step }).to_string());
                    self.later.push((soon + Duration::from_secs(after_s), Later::Ask(ask)));
                }
                Ok(json!({ "fileName": "diagnostics.zip" }))
            }
            "UpdateFirmware" => {
                for (after_s, step) in
                    [(2, "Downloading"), (4, "Downloaded"), (6, "Installing"), (9, "Installed")]
                {
                    let ask = plain("FirmwareStatusNotification", json!({ "status": step }).to_string());
                    self.later.push((soon + Duration::from_secs(after_s), Later::Ask(ask)));
                }
                Ok(json!({}))
            }
            "Reset" => {
                self.later.push((soon, Later::Reboot));
                status("Accepted")
            }
            "UnlockConnector" => status("Unlocked"),
            "GetLocalListVersion" => Ok(json!({ "listVersion": self.holdings.list_version() })),
            "SendLocalList" => status(self.holdings.update_list(request, self.settings.list_length)),
            "SetChargingProfile" => status(self.install_profile(request)),
            "ClearChargingProfile" => status(self.holdings.clear_profiles(request)),
            "ChangeAvailability" => status(self.change_availability(request)),
            "GetCompositeSchedule" => status("Rejected"),
            "DataTransfer" => status("UnknownVendorId"),
            "ClearCache" => status("Accepted"),
            _ => Err("NotImplemented"),
        }
    }

    fn shown_configuration(&self, request: &Value) -> Value {
        let wanted: Option<Vec<&str>> =
            request["key"].as_array().map(|keys| keys.iter().filter_map(Value::as_str).collect());
        let shown: Vec<Value> = self
            .configuration
            .iter()
            .filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(&key.as_str())))
            .map(
                |(key, value)| json!({ "key": key, "readonly": READ_ONLY.contains(&key.as_str()), "value": value }),
            )
            .collect();
        let unknown: Vec<&str> = wanted
            .unwrap_or_default()
            .into_iter()
            .filter(|key| !self.configuration.contains_key(*key))
            .collect();
        json!({ "configurationKey": shown, "unknownKey": unknown })
    }
}

fn plain(action: &'static str, payload: String) -> Ask {
    Ask { subject: Subject::Plain, action, payload }
}
