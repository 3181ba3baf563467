//! `ocpp-proxy chargers`: who knocks, who is admitted, and admitting or removing one.

use std::fmt::Write;
use std::path::Path;

use engine::ChargerId;
use gateway::{AdmitError, Routing, SecurityProfile, UnknownChargers, new_charger};
use jiff::tz::TimeZone;
use portal::words::shown;
use store::{
    Admission, AdmissionOrder, AdmissionWhat, Browser, ChargerKeys, KeyForm, KeyStage, Knocking, LinkKeys,
    Login, Seal, new_key,
};

use crate::cli::{Chargers, ChargersOrder, One};
use crate::leader::who;
use crate::logs;
use crate::logs::paragraph::time;

/// Does what the command line says.
pub(crate) fn look_after(which: &Chargers) -> anyhow::Result<()> {
    match &which.order {
        None => list(which),
        Some(ChargersOrder::Admit { one, without_key }) => admit(one, *without_key),
        Some(ChargersOrder::Remove(one)) => remove(one),
        Some(ChargersOrder::Forget(one)) => order(one, AdmissionWhat::Forget, |charger| {
            format!("{charger} is off the list of those that knock, until it knocks again.\n")
        }),
        Some(ChargersOrder::ForgetKeys { one, backoffice: Some(backoffice) }) => {
            let what = AdmissionWhat::ForgetKeys(Some(backoffice.as_str().into()));
            order(one, what, |charger| {
                let backoffice = shown(backoffice);
                format!(
                    "What {backoffice} has set as key for {charger} is forgotten; from the next time that it is dialed on, it is \
                     shown what proxy.toml says.\n"
                )
            })
        }
        Some(ChargersOrder::ForgetKeys { one, backoffice: None }) => {
            order(one, AdmissionWhat::ForgetKeys(None), |charger| {
                format!(
                    "What its leader has set as key for {charger} is forgotten; the key in proxy.toml, or that it was admitted \
                     with, counts again.\n"
                )
            })
        }
        Some(ChargersOrder::AllowPlain(one)) => order(one, AdmissionWhat::AllowPlain, |charger| {
            format!(
                "{charger} may come without TLS, unless its rule wants TLS. Once it comes with TLS, it must again.\n"
            )
        }),
    }
}

fn admit(one: &One, without_key: bool) -> anyhow::Result<()> {
    let (store, rules) = (config::store_path(&one.config.path)?, config::rules(&one.config.path)?);
    let charger = new_charger(&one.charger)?;
    let rule = rules.rule(&charger).ok_or_else(|| AdmitError::NoRule(charger.clone()))?;
    let asks = matches!(rule.entrance.profile, SecurityProfile::Basic | SecurityProfile::TlsWithBasic);
    if asks && without_key {
        return Err(AdmitError::NeedsKey(charger).into());
    }
    Browser::open(&store)?;
    let has_key = !without_key && rule.entrance.profile != SecurityProfile::ClientCertificate;
    let key = has_key.then(new_key);
    let sealed = match &key {
        Some(key) => Some(Seal::open(&store)?.close(&charger, key)),
        None => None,
    };
    let what = AdmissionWhat::Admit(sealed);
    AdmissionOrder { charger: charger.clone(), what, by: who() }.give(&store)?;
    let name = shown(charger.as_str());
    let user = rule.entrance.user_of(&charger);
    let follows = "A proxy that runs follows within a second or two.\n";
    let other = match rule.entrance.keys.contains_key(&charger) {
        true => "Its key in proxy.toml opens as well; take it out there if it is to open no more.\n",
        false => "",
    };
    logs::print(&match key {
        Some(key) => format!(
            "{name} is let in from now on with this key (AuthorizationKey). It is shown this once:\n\n    {key}\n\n\
             The charger sends it as its password, with the user name {}. {follows}{other}",
            shown(&user)
        ),
        None => format!("{name} is let in from now on, and is asked for no key. {follows}"),
    })
}

/// How `proxy.toml` makes a charger known, if it does.
fn let_in_by(rules: &Routing, charger: &ChargerId) -> Option<&'static str> {
    let rule = rules.rule(charger)?;
    let terms = &rule.entrance;
    if terms.keys.contains_key(charger) {
        Some("its key stands there under keys")
    } else if rule.pattern.identity().is_some() {
        Some("a match there is its name")
    } else {
        (terms.unknown == UnknownChargers::Admit).then_some("its rule has unknown_chargers = \"admit\"")
    }
}

fn remove(one: &One) -> anyhow::Result<()> {
    let rules = config::rules(&one.config.path)?;
    let charger = new_charger(&one.charger)?;
    let still = let_in_by(&rules, &charger);
    order(one, AdmissionWhat::Remove, |charger| match still {
        Some(why) => format!(
            "{charger} is not let in by an operator's word any more, BUT proxy.toml still lets it in: {why}. Take that out, \
             too.\n"
        ),
        None => format!("{charger} is let in no more; if it is connected it is sent away.\n"),
    })
}

fn order(one: &One, what: AdmissionWhat, say: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let store = config::store_path(&one.config.path)?;
    let charger = new_charger(&one.charger)?;
    Browser::open(&store)?;
    AdmissionOrder { charger: charger.clone(), what, by: who() }.give(&store)?;
    logs::print(&say(&shown(charger.as_str())))
}

fn list(which: &Chargers) -> anyhow::Result<()> {
    let rules = config::rules(&which.config.path)?;
    let mut known = Known::read(&config::store_path(&which.config.path)?)?;
    // Whoever has been named in proxy.toml since does not knock any more.
    known.knocking.retain(|one| let_in_by(&rules, &one.charger).is_none());
    logs::print(&if which.json { known.json() } else { known.text(&rules, &TimeZone::system()) })
}

/// What the store knows.
struct Known {
    admissions: Vec<Admission>,
    logins: Vec<Login>,
    /// The last first.
    knocking: Vec<Knocking>,
    of_links: Vec<LinkKeys>,
    of_chargers: Vec<ChargerKeys>,
}

impl Known {
    fn read(store: &Path) -> anyhow::Result<Self> {
        let browser = Browser::open(store)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let (admissions, logins) = (browser.admissions().await?, browser.logins().await?);
            let (of_links, of_chargers) = (browser.link_keys().await?, browser.charger_keys().await?);
            Ok(Self { admissions, logins, knocking: browser.knocking().await?, of_links, of_chargers })
        })
    }

    fn login(&self, charger: &ChargerId) -> Option<&Login> {
        self.logins.iter().find(|login| login.charger.as_str().eq_ignore_ascii_case(charger.as_str()))
    }

    fn text(&self, rules: &Routing, zone: &TimeZone) -> String {
        let mut text = String::new();
        let mut say = |line: String| writeln!(text, "{line}").expect("a String takes all text");
        if self.knocking.is_empty() {
            say("No unknown charger knocks.".to_owned());
        } else {
            say("Knocking, not let in; the last first:".to_owned());
        }
        for one in &self.knocking {
            let (name, when) = (shown(one.charger.as_str()), time(one.last_unix_ms, zone));
            let times = if one.times == 1 { "once".to_owned() } else { format!("{} times", one.times) };
            let sent = if one.sent_credentials { "a key" } else { "no key" };
            say(format!("  {name}  from {}, {times}, last {when}, sent {sent}", one.address));
        }
        if self.admissions.is_empty() {
            say("\nNo charger is admitted by an operator.".to_owned());
        } else {
            say("\nAdmitted by an operator:".to_owned());
        }
        for one in &self.admissions {
            let key = if one.key.is_some() { "with a key" } else { "without a key" };
            let (by, when) = (shown(&one.by), time(one.unix_ms, zone));
            let tls = self.login(&one.charger).is_some_and(|login| login.over_tls);
            let tls = if tls { ", over TLS" } else { "" };
            say(format!("  {}  {key}{tls}, by {by} on {when}", shown(one.charger.as_str())));
        }
        say("\nBy proxy.toml:".to_owned());
        for rule in &rules.rules {
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
        if let Some(one) = self.knocking.first() {
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

    fn json(&self) -> String {
        let knocking = self.knocking.iter().map(|one| {
            serde_json::json!({
                "charger": one.charger.as_str(), "state": "knocking", "address": one.address,
                "first_unix_ms": one.first_unix_ms, "last_unix_ms": one.last_unix_ms,
                "times": one.times, "sent_credentials": one.sent_credentials,
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
        knocking.chain(admitted).chain(of_links).chain(of_chargers).map(|line| format!("{line}\n")).collect()
    }
}
