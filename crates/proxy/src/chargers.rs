//! `ocpp-proxy chargers`: who knocks, who is admitted, and admitting or removing one.

mod known;

use anyhow::bail;
use config::suggestion;
use engine::ChargerId;
use gateway::{AdmitError, LetInBy, SecurityProfile, new_charger};
use jiff::tz::TimeZone;
use portal::words::shown;
use store::{AdmissionOrder, AdmissionWhat, Browser, Seal, new_key};

use crate::cli::{Chargers, ChargersOrder, One};
use crate::leader::who;
use crate::logs;

use self::known::Known;
pub(crate) use self::known::why_turned_away;

/// Does what the command line says.
pub(crate) fn look_after(which: &Chargers) -> anyhow::Result<()> {
    match &which.order {
        None => list(which),
        Some(ChargersOrder::Admit { one, without_key }) => admit(one, *without_key),
        Some(ChargersOrder::Remove(one)) => remove(one),
        Some(ChargersOrder::Forget(one)) => {
            known(one, "it has not knocked, nor was it turned away", Known::is_listed)?;
            order(one, AdmissionWhat::Forget, |charger| {
                format!("{charger} is off the list of those that knock, until it knocks again.\n")
            })
        }
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

fn said(by: LetInBy) -> &'static str {
    match by {
        LetInBy::Key => "its key stands there under keys",
        LetInBy::Name => "a match there is its name",
        LetInBy::Rule => "its rule has unknown_chargers = \"admit\"",
    }
}

/// An order about a charger of which nothing of the kind is known is a typing error: nothing is done.
fn known(one: &One, else_said: &str, is_so: impl Fn(&Known, &ChargerId) -> bool) -> anyhow::Result<()> {
    let rules = config::rules(&one.config.path)?;
    let charger = new_charger(&one.charger)?;
    let known = Known::read(&config::store_path(&one.config.path)?, Some(&rules))?;
    if is_so(&known, &charger) {
        return Ok(());
    }
    let near = suggestion(charger.as_str(), known.names());
    let name = shown(charger.as_str());
    bail!(
        "nothing was changed: {name} is not known here, {else_said}{near}; `ocpp-proxy chargers` lists them"
    )
}

fn remove(one: &One) -> anyhow::Result<()> {
    let rules = config::rules(&one.config.path)?;
    let charger = new_charger(&one.charger)?;
    let still = rules.lets_in(&charger).map(said);
    if still.is_none() {
        known(one, "nobody has admitted it, and it never came in", Known::was_let_in)?;
    }
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
    let (rules, store) = match &which.store {
        Some(store) => (None, store.clone()),
        None => (Some(config::rules(&which.config.path)?), config::store_path(&which.config.path)?),
    };
    let known = Known::read(&store, rules.as_ref())?;
    logs::print(&if which.json { known.json() } else { known.text(rules.as_ref(), &TimeZone::system()) })
}
