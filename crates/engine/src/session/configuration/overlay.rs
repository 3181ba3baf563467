//! What each backoffice is shown of the charger's configuration: its own values, and nothing that could part
//! the charger from the proxy (semantics K-10).

use std::borrow::Cow;

use crate::session::Session;
use crate::session::configuration::combined::is_same;
use crate::session::configuration::keys::{Kind, is_never_forwarded, is_secret, is_virtual, virtual_key};
use crate::{BackofficeId, Profiles, Text, payload};

/// What a backoffice is shown of one setting.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    is_hidden: bool,
    /// In place of the charger's own.
    value: Option<String>,
    is_readonly: bool,
}

impl Session {
    /// A GetConfiguration.conf as this backoffice is to see it; the charger's own bytes where nothing
    /// differs.
    pub(in crate::session) fn shown_configuration(
        &self,
        id: &BackofficeId,
        request: &str,
        answer: &Text,
    ) -> Text {
        let Some(array) = payload::field(answer, "configurationKey") else { return answer.clone() };
        let mut hidden: Vec<Cow<'_, str>> = Vec::new();
        let mut is_changed = false;
        let mut settings: Vec<Cow<'_, str>> = Vec::new();
        for setting in payload::elements(array) {
            let Some(key) = payload::text(setting, "key") else {
                settings.push(setting.into());
                continue;
            };
            let shown = self.shown(id, &key, setting);
            if shown.is_hidden {
                is_changed = true;
                hidden.push(key);
                continue;
            }
            let setting = shown.apply(setting);
            is_changed |= matches!(setting, Cow::Owned(_));
            settings.push(setting);
        }
        if !is_changed {
            return answer.clone();
        }
        let answer = payload::replaced(answer, array, &format!("[{}]", settings.join(",")));
        with_unknown(answer, request, &hidden).into()
    }

    fn shown(&self, id: &BackofficeId, key: &str, setting: &str) -> Shown {
        let leads = self.leads(id);
        if is_secret(key) || is_never_forwarded(key) && !leads {
            return Shown { is_hidden: true, ..Shown::default() };
        }
        let is_readonly = if leads { is_never_forwarded(key) } else { !self.may_write(id, key) };
        let value = self.own_value(id, key, setting);
        Shown { is_hidden: false, value, is_readonly }
    }

    fn may_write(&self, id: &BackofficeId, key: &str) -> bool {
        self.plan.follower(id).is_some_and(|follower| {
            let grant = &follower.grant;
            grant.commands.contains("ChangeConfiguration") && (is_virtual(key) || grant.may_write(key))
        })
    }

    /// The backoffice's own value, where it is another than the charger's.
    fn own_value(&self, id: &BackofficeId, key: &str, setting: &str) -> Option<String> {
        if key.eq_ignore_ascii_case("ChargeProfileMaxStackLevel") {
            let real = super::value(setting)?.trim().parse().ok()?;
            return self.own_highest_level(id, real).map(|level| level.to_string());
        }
        let (key, kind) = virtual_key(key)?;
        if key == "HeartbeatInterval" {
            let at = self.at(id).filter(|_| !self.leads(id))?;
            return Some(self.links[at].heartbeat.as_secs().to_string());
        }
        let wish = self.configuration.wishes.get(id, key)?;
        if kind == Kind::SignsOfLife {
            return (!self.leads(id)).then(|| wish.to_owned());
        }
        // Where the charger was to have just that, what it has is the truth; unless it is still to get it.
        let is_own =
            !self.is_unsettled(key) && self.wanted_of(key, kind).is_some_and(|all| is_same(kind, &all, wish));
        (!is_own).then(|| wish.to_owned())
    }

    /// The highest stack level it may use, counted from its lowest, where levels have owners
    /// (semantics §6.4).
    fn own_highest_level(&self, id: &BackofficeId, real: i64) -> Option<i64> {
        let Profiles::ByBand(leaders) = &self.plan.sharing.profiles else { return None };
        let band = match self.plan.follower(id) {
            Some(follower) if !self.leads(id) => follower.grant.levels.clone(),
            _ => Some(leaders.clone()),
        };
        let band = band?;
        Some(real.min(*band.end()).saturating_sub(*band.start()).max(0))
    }
}

impl Shown {
    /// Owned only where something is another.
    fn apply<'a>(&self, setting: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(setting);
        if self.is_readonly && payload::field(setting, "readonly") != Some("true") {
            shown = payload::with(&shown, "readonly", "true").into();
        }
        if let Some(value) = &self.value
            && super::value(setting).as_ref() != Some(value)
        {
            shown =
                payload::with(&shown, "value", &serde_json::Value::from(value.as_str()).to_string()).into();
        }
        shown
    }
}

/// Adds what was asked for by name and is not shown to the keys that are unknown.
fn with_unknown(answer: String, request: &str, hidden: &[Cow<'_, str>]) -> String {
    let asked: Vec<_> = payload::field(request, "key")
        .map(payload::elements)
        .unwrap_or_default()
        .into_iter()
        .filter_map(payload::string)
        .collect();
    let is_asked = |key: &&Cow<'_, str>| asked.iter().any(|name| name.eq_ignore_ascii_case(key));
    let names: Vec<String> =
        hidden.iter().filter(is_asked).map(|key| serde_json::Value::from(key.as_ref()).to_string()).collect();
    if names.is_empty() {
        return answer;
    }
    let known = payload::field(&answer, "unknownKey").map(payload::elements).unwrap_or_default();
    let all: Vec<&str> = known.into_iter().chain(names.iter().map(String::as_str)).collect();
    let array = format!("[{}]", all.join(","));
    payload::with(&answer, "unknownKey", &array)
}
