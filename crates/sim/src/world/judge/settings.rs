//! Settings of which each backoffice has a value of its own (semantics §6.3, K-10, T-36).

use std::collections::BTreeMap;

use engine::{BackofficeId, Plan, Side};
use serde_json::{Value, json};

use super::grants::{FORBIDDEN_SETTINGS, OWN_SETTINGS};
use super::{Judge, Message, OpenCall};
use crate::charger::Charger;

/// Of these the charger has what all values come to.
const INTERVALS: [&str; 2] = ["MeterValueSampleInterval", "ClockAlignedDataInterval"];
const MEASURANDS: &str = "MeterValuesSampledData";

/// What each wants, as far as it was told that it has it.
#[derive(Debug, Default)]
pub(super) struct Settings {
    of: BTreeMap<(BackofficeId, String), String>,
    /// Somebody has asked for meter values at an interval of its own: then the leader has the one that the
    /// charger had before, and anybody may be told fewer than the charger says.
    is_sparing: bool,
}

impl Settings {
    pub(super) fn are_wanted(&mut self, action: &str, payload: &str) {
        self.is_sparing |= action == "ChangeConfiguration" && INTERVALS.contains(&key_in(payload).as_str());
    }

    /// What the charger and the leader say to each other of being alive is what the new one finds; a former one of which
    /// the plan wants nothing has nothing of its own any more.
    pub(super) fn another_leads(&mut self, from: &BackofficeId, to: &BackofficeId, plan: &Plan) {
        if from == to {
            return;
        }
        self.of.retain(|(id, _), _| id != from || may_want(plan, id));
        let is_alive = |key: &str| key == "HeartbeatInterval" || key == "WebSocketPingInterval";
        self.of.retain(|(id, key), _| !(is_alive(key) && (id == from || id == to)));
    }

    /// Whether a backoffice need not be told these meter values.
    pub(super) fn may_miss(&self, message: &Message) -> bool {
        message.0 == "MeterValues" && self.is_sparing
    }

    /// Who may want nothing any more has no values of its own.
    pub(super) fn plan_changed(&mut self, plan: &Plan) {
        self.of.retain(|(id, _), _| may_want(plan, id));
    }

    /// Its answer to a boot says how often it wants to hear of the charger.
    pub(super) fn heartbeat_named(&mut self, by: &BackofficeId) {
        self.of.remove(&(by.clone(), "HeartbeatInterval".to_owned()));
    }

    pub(super) fn are_in_doubt(&mut self) {
        self.of.clear();
    }
}

fn may_want(plan: &Plan, id: &BackofficeId) -> bool {
    let may = |follower: &engine::Follower| follower.grant.commands.contains("ChangeConfiguration");
    plan.leader == *id || plan.follower(id).is_some_and(may)
}

/// Whether only settings are read of which each backoffice has a value of its own.
pub(super) fn are_own(payload: &str) -> bool {
    let keys = parsed(payload)["key"].as_array().cloned().unwrap_or_default();
    !keys.is_empty() && keys.iter().all(|key| key.as_str().is_some_and(|key| OWN_SETTINGS.contains(&key)))
}

/// Whether a setting is written that all backoffices' values come to.
pub(super) fn is_combined(payload: &str) -> bool {
    let key = key_in(payload);
    OWN_SETTINGS.contains(&key.as_str()) && key != "HeartbeatInterval" && key != "WebSocketPingInterval"
}

pub(super) fn key_in(payload: &str) -> String {
    parsed(payload)["key"].as_str().unwrap_or_default().to_owned()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

impl Judge {
    /// Nobody hears what becomes of what waits on a link that ends.
    pub(super) fn doubt_open_settings(&mut self, side: &Side) {
        let Side::Backoffice(by) = side else { return };
        let open = self.peers.get(side).map_or(&[][..], |peer| &peer.open);
        for call in open.iter().filter(|call| call.action == "ChangeConfiguration") {
            self.settings.of.remove(&(by.clone(), key_in(&call.payload)));
        }
    }

    /// A backoffice is told what became of a setting, or what the settings are.
    pub(super) fn setting_answered(
        &mut self,
        to: &BackofficeId,
        call: &OpenCall,
        answer: Result<&str, &str>,
    ) {
        match call.action.as_str() {
            "GetConfiguration" => {
                if let Ok(answer) = answer {
                    self.check_shown(to, answer);
                }
            }
            "ChangeConfiguration" if call.is_permitted => {
                let request = parsed(&call.payload);
                let key = key_in(&call.payload);
                if !OWN_SETTINGS.contains(&key.as_str()) {
                    return;
                }
                let status =
                    answer.ok().map(parsed).and_then(|answer| Some(answer["status"].as_str()?.to_owned()));
                let value = request["value"].as_str().unwrap_or_default().to_owned();
                // What it wrote when it still might is nothing that it wants now.
                let may_want = self.leader == *to || may_want(&self.plan, to);
                match status.as_deref() {
                    Some("Accepted") if may_want => self.settings.of.insert((to.clone(), key), value),
                    Some(_) => None,
                    // The charger may have it or not.
                    None => self.settings.of.remove(&(to.clone(), key)),
                };
            }
            _ => {}
        }
    }

    /// K-10: each is shown its own values, no secrets, and what it may write.
    fn check_shown(&mut self, to: &BackofficeId, answer: &str) {
        let leads = self.leader == *to;
        let mut broken = Vec::new();
        for shown in parsed(answer)["configurationKey"].as_array().into_iter().flatten() {
            let key = shown["key"].as_str().unwrap_or_default();
            let is_hidden = key == "AuthorizationKey" || !leads && FORBIDDEN_SETTINGS.contains(&key);
            let own = self.settings.of.get(&(to.clone(), key.to_owned()));
            let request = json!({ "key": key, "value": "" }).to_string();
            let may_write = self.may_send(to, "ChangeConfiguration", &request);
            if is_hidden {
                broken.push(format!("K-10: {to} is shown {shown}"));
            }
            if own.is_some_and(|own| shown["value"].as_str() != Some(own)) {
                broken.push(format!("K-10: {to} is shown {shown}, but its own value is {own:?}"));
            }
            if !may_write && shown["readonly"] != true {
                broken.push(format!("K-10: {to} is shown {shown}, which it may not write"));
            }
        }
        self.broken.extend(broken);
    }

    /// §6.3: the charger's own values serve everybody who has one.
    pub(super) fn check_settings(&self, charger: &Charger) -> Option<String> {
        self.settings.of.iter().find_map(|((by, key), wanted)| {
            let real = charger.setting(key)?;
            let serves = match key.as_str() {
                key if INTERVALS.contains(&key) => {
                    let seconds = |value: &str| value.parse::<u64>().unwrap_or(0);
                    let (real, wanted) = (seconds(real), seconds(wanted));
                    wanted == 0 || real > 0 && real <= wanted
                }
                MEASURANDS => wanted.split(',').all(|wanted| real.split(',').any(|real| real == wanted)),
                _ => true,
            };
            (!serves).then(|| format!("§6.3: {by} was accepted {key} {wanted}, and the charger has {real}"))
        })
    }
}
