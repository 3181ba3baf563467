//! What the store knows of who is let in, and how it is listed.

use std::fmt::Write;
use std::path::Path;

use engine::ChargerId;
use gateway::{Routing, UnknownChargers};
use jiff::tz::TimeZone;
use portal::words::{self, shown};
use store::{Admission, Browser, ChargerKeys, KeyForm, KeyStage, Knocking, LinkKeys, Login, WhyNot};

use crate::logs::paragraph::time;

/// What the store knows.
pub(super) struct Known {
    admissions: Vec<Admission>,
    logins: Vec<Login>,
    /// Not known, the last first.
    knocking: Vec<Knocking>,
    /// Known and turned away, the last first.
    turned_away: Vec<Knocking>,
    of_links: Vec<LinkKeys>,
    of_chargers: Vec<ChargerKeys>,
}

/// Two spellings are one charger (semantics F-61).
fn is_same(one: &ChargerId, other: &ChargerId) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

impl Known {
    /// Without rules it is the database alone that says who is known.
    pub(super) fn read(store: &Path, rules: Option<&Routing>) -> anyhow::Result<Self> {
        let browser = Browser::open(store)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let (admissions, logins) = (browser.admissions().await?, browser.logins().await?);
            let (of_links, of_chargers) = (browser.link_keys().await?, browser.charger_keys().await?);
            let (knocking, turned_away) = (Vec::new(), Vec::new());
            let mut known = Self { admissions, logins, knocking, turned_away, of_links, of_chargers };
            for one in browser.knocking().await? {
                // Whoever has been named in proxy.toml since does not knock any more.
                let is_known = match rules {
                    Some(rules) => known.is_known(rules, &one.charger),
                    None => one.is_of_known(),
                };
                match is_known {
                    true if one.is_of_known() => known.turned_away.push(one),
                    true => {}
                    false => known.knocking.push(one),
                }
            }
            Ok(known)
        })
    }

    /// As the proxy sees it.
    fn is_known(&self, rules: &Routing, charger: &ChargerId) -> bool {
        let is_it = |other: &ChargerId| is_same(other, charger);
        let is_used = |of: &ChargerKeys| of.keys.iter().any(|key| key.stage == KeyStage::Used);
        rules.lets_in(charger).is_some()
            || self.admissions.iter().any(|one| is_it(&one.charger))
            || self.of_chargers.iter().any(|of| is_it(&of.charger) && is_used(of))
    }

    /// Whether an operator has admitted it, or it has proved who it is, or a backoffice has set a key for it.
    pub(super) fn was_let_in(&self, charger: &ChargerId) -> bool {
        let mut names = self.admissions.iter().map(|one| &one.charger);
        let is_it = |other: &ChargerId| is_same(other, charger);
        names.any(is_it)
            || self.logins.iter().any(|one| is_it(&one.charger))
            || self.of_chargers.iter().any(|one| is_it(&one.charger))
            || self.of_links.iter().any(|one| is_it(&one.charger))
    }

    /// Whether it knocks or was turned away.
    pub(super) fn is_listed(&self, charger: &ChargerId) -> bool {
        let mut listed = self.knocking.iter().chain(&self.turned_away);
        listed.any(|one| is_same(&one.charger, charger))
    }

    /// Every charger of which something is known here.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let listed = self.knocking.iter().chain(&self.turned_away).map(|one| one.charger.as_str());
        let admitted = self.admissions.iter().map(|one| one.charger.as_str());
        admitted.chain(listed).chain(self.logins.iter().map(|one| one.charger.as_str()))
    }

    fn login(&self, charger: &ChargerId) -> Option<&Login> {
        self.logins.iter().find(|login| is_same(&login.charger, charger))
    }

    pub(super) fn text(&self, rules: Option<&Routing>, zone: &TimeZone) -> String {
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "{line}").expect("a String takes all text");
        if self.knocking.is_empty() {
            say("No unknown charger knocks.".to_owned());
        } else {
            say("Knocking, not let in; the last first:".to_owned());
        }
        for one in &self.knocking {
            let (name, when) = (shown(one.charger.as_str()), time(one.last_unix_ms, zone));
            let sent = if one.sent_credentials { "a key" } else { "no key" };
            let why =
                if one.why == WhyNot::Unknown { String::new() } else { format!(": {}", one.why.text()) };
            let times = times(one.times);
            say(format!("  {name}  from {}, {times}, last {when}, sent {sent}{why}", one.address));
        }
        if !self.turned_away.is_empty() {
            say("\nExpected, but turned away since they last came in; the last first:".to_owned());
        }
        for one in &self.turned_away {
            say(format!("  {}  {}", shown(one.charger.as_str()), told(one, zone)));
        }
        if self.admissions.is_empty() {
            say("\nNo charger is admitted by an operator.".to_owned());
        } else {
            say("\nAdmitted by an operator:".to_owned());
        }
        for one in &self.admissions {
            let key = if one.key.is_some() { "with a key" } else { "without a key" };
            let (by, when) = (shown(&one.by), time(one.unix_ms, zone));
            say(format!("  {}  {key}, by {by} on {when}", shown(one.charger.as_str())));
        }
        if !self.logins.is_empty() {
            say("\nProved who they are, last by:".to_owned());
        }
        for one in &self.logins {
            let tls = if one.over_tls { "; with TLS, and not let in without any more" } else { "" };
            say(format!("  {}  {}{tls}", shown(one.charger.as_str()), words::entrance::login(Some(one))));
        }
        if rules.is_some() {
            say("\nBy proxy.toml:".to_owned());
        }
        for rule in rules.into_iter().flat_map(|rules| &rules.rules) {
            let named = rule.pattern.identity().map(|_| "named in match".to_owned());
            let keys = rule.entrance.keys.len();
            let keys = (keys > 0).then(|| format!("{keys} with a key"));
            let open = rule.entrance.unknown == UnknownChargers::Admit;
            let open = open.then(|| "whoever matches is let in".to_owned());
            let all: Vec<String> = [named, keys, open].into_iter().flatten().collect();
            let all = if all.is_empty() { "none named".to_owned() } else { all.join(", ") };
            say(format!("  {}  {all}", shown(rule.pattern.text())));
        }
        let changed = self.changed(zone);
        if !changed.is_empty() {
            say("\nKeys that backoffices have changed:".to_owned());
        }
        changed.into_iter().for_each(&mut say);
        let fits = |one: &&Knocking| rules.is_none_or(|rules| rules.rule(&one.charger).is_some());
        if let Some(one) = self.knocking.iter().find(fits) {
            say(format!("\nocpp-proxy chargers admit {} lets it in.", shown(one.charger.as_str())));
        }
        text
    }

    /// What counts in the place of what proxy.toml says: that it does, never the key itself.
    fn changed(&self, zone: &TimeZone) -> Vec<String> {
        let of_links = self.of_links.iter().flat_map(|link| link.keys.iter().map(move |key| (link, key)));
        let of_links = of_links.map(|(link, key)| {
            let state = match (key.form, key.is_first) {
                (Some(_), true) => "in use",
                (None, true) => "not yet used",
                (_, false) => "tried after what proxy.toml says",
            };
            let (charger, backoffice) = (shown(link.charger.as_str()), shown(link.backoffice.as_str()));
            format!("  {charger}  for the connection with {backoffice}, {}: {state}", time(key.unix_ms, zone))
        });
        let of_chargers = self.of_chargers.iter().flat_map(|of| of.keys.iter().map(move |key| (of, key)));
        let of_chargers = of_chargers.map(|(of, key)| {
            let state = match key.stage {
                KeyStage::Offered => "not accepted; it counts besides the former for now",
                KeyStage::Refused => "the charger refused it; it counts besides the former for a week",
                KeyStage::Accepted => "accepted; the former counts until the charger uses it",
                KeyStage::Used => "in use; the former does not count any more",
            };
            format!("  {}  by its leader, {}: {state}", shown(of.charger.as_str()), time(key.unix_ms, zone))
        });
        of_links.chain(of_chargers).collect()
    }

    pub(super) fn json(&self) -> String {
        let turned_away = self.turned_away.iter().map(|one| (one, "turned_away"));
        let knocking = self.knocking.iter().map(|one| (one, "knocking")).chain(turned_away);
        let knocking = knocking.map(|(one, state)| {
            serde_json::json!({
                "charger": one.charger.as_str(), "state": state, "address": one.address,
                "first_unix_ms": one.first_unix_ms, "last_unix_ms": one.last_unix_ms,
                "times": one.times, "sent_credentials": one.sent_credentials,
                "why": one.why.label(), "locked_out": one.locked_out,
            })
        });
        let admitted = self.admissions.iter().map(|one| {
            let login = self.login(&one.charger);
            serde_json::json!({
                "charger": one.charger.as_str(), "state": "admitted", "has_key": one.key.is_some(),
                "by": one.by, "unix_ms": one.unix_ms, "over_tls": login.is_some_and(|login| login.over_tls),
                "key_form": login.and_then(|login| login.form).map(KeyForm::label),
            })
        });
        let logins = self.logins.iter().map(|one| {
            serde_json::json!({
                "charger": one.charger.as_str(), "state": "proved",
                "by": if one.form.is_some() { "key" } else { "certificate" },
                "key_form": one.form.map(KeyForm::label), "over_tls": one.over_tls,
            })
        });
        let of_links = self.of_links.iter().flat_map(|link| {
            link.keys.iter().map(move |key| {
                serde_json::json!({
                    "charger": link.charger.as_str(), "state": "key_of_link", "backoffice": link.backoffice.as_str(),
                    "unix_ms": key.unix_ms, "is_first": key.is_first, "key_form": key.form.map(KeyForm::label),
                })
            })
        });
        let of_chargers = self.of_chargers.iter().flat_map(|of| {
            of.keys.iter().map(move |key| {
                serde_json::json!({
                    "charger": of.charger.as_str(), "state": "key_of_charger", "stage": key.stage.label(),
                    "unix_ms": key.unix_ms,
                })
            })
        });
        let all = knocking.chain(admitted).chain(logins).chain(of_links).chain(of_chargers);
        all.map(|line| format!("{line}\n")).collect()
    }
}

fn times(times: u64) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}

fn told(one: &Knocking, zone: &TimeZone) -> String {
    let (times, when) = (times(one.times), time(one.last_unix_ms, zone));
    let what = portal::words::entrance::turned_away(one);
    format!("{times}, last {when} from {}: {what}", one.address)
}

/// That a charger was turned away and why, as far as the store knows; the end of "CP1 was turned away …".
pub(crate) fn why_turned_away(
    store: &Path,
    charger: &str,
    zone: &TimeZone,
) -> anyhow::Result<Option<String>> {
    let browser = Browser::open(store)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let all = runtime.block_on(browser.knocking())?;
    let its = all.into_iter().find(|one| one.charger.as_str().eq_ignore_ascii_case(charger));
    Ok(its.map(|one| told(&one, zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_each_came_is_listed_and_who_is_held_to_tls() {
        let login =
            |charger: &str, form, over_tls| Login { charger: charger.into(), form, over_tls, network: None };
        let known = Known {
            admissions: Vec::new(),
            logins: vec![login("CP1", Some(KeyForm::Text), false), login("CP2", None, true)],
            knocking: Vec::new(),
            turned_away: Vec::new(),
            of_links: Vec::new(),
            of_chargers: Vec::new(),
        };
        let listed = known.text(None, &TimeZone::UTC);
        assert!(listed.contains("  CP1  its key, as text\n"), "{listed}");
        let by_certificate = "  CP2  a certificate of its own; with TLS, and not let in without any more\n";
        assert!(listed.contains(by_certificate) && !listed.contains("proxy.toml"), "{listed}");
        let lines: Result<Vec<serde_json::Value>, _> =
            known.json().lines().map(serde_json::from_str).collect();
        let lines = lines.expect("each line is JSON of its own");
        assert_eq!((lines.len(), lines[0]["key_form"].as_str()), (2, Some("text")));
        assert_eq!(
            (lines[1]["by"].as_str(), lines[1]["over_tls"].as_bool()),
            (Some("certificate"), Some(true))
        );
    }
}
