//! `ocpp-proxy leader`: who leads a charger, and making another backoffice leader.

use std::fmt::Write;
use std::path::Path;

use engine::{BackofficeId, ChargerId};
use gateway::{LeaderSource, PlanView};
use jiff::tz::TimeZone;
use portal::words::shown;
use store::{Browser, LeadChange, LeaderOrder, LeaderOverride, LoggedOccurrence};

use crate::cli::Leader;
use crate::logs;
use crate::logs::paragraph::time;

/// Earlier choices shown.
const EARLIER: usize = 10;
/// Occurrences looked at for the state of a link.
const OCCURRENCES: usize = 200;

/// Does what the command line says.
pub(crate) fn lead(which: &Leader) -> anyhow::Result<()> {
    let store = config::store_path(&which.config.path)?;
    let rules = config::rules(&which.config.path)?;
    let charger = ChargerId::from(which.charger.as_str());
    let Known { overridden, earlier, is_known, occurrences } = Known::read(&store, &charger)?;
    let unknown = || gateway::SetLeaderError::UnknownCharger(charger.clone());
    let plan = rules.plan(&charger, overridden).ok_or_else(unknown)?;
    let wanted = which.backoffice.as_deref().map(BackofficeId::from);
    if wanted.is_none() && !which.back {
        return logs::print(&state(&charger, &plan, &earlier, is_known, &TimeZone::system()));
    }
    plan.may_be_led_by(wanted.as_ref())?;
    let wanted = wanted.filter(|wanted| *wanted != plan.file_leader);
    if wanted.as_ref() == plan.overridden.as_ref().map(|chosen| &chosen.leader) {
        return logs::print(&format!("{} leads {} already.\n", plan.plan.leader, shown(charger.as_str())));
    }
    let leader = wanted.clone().unwrap_or_else(|| plan.file_leader.clone());
    let order = LeaderOrder { charger, leader: wanted, by: who(), reason: which.reason.clone() };
    order.give(&store)?;
    let away = if is_away(&occurrences, &leader) { away(&leader) } else { String::new() };
    logs::print(&(chosen(&order, &leader, is_known) + &away))
}

/// What the store knows.
struct Known {
    overridden: Option<LeaderOverride>,
    /// The newest first.
    earlier: Vec<LeadChange>,
    /// The charger has been seen.
    is_known: bool,
    /// What happened to it and its links lately, in any order.
    occurrences: Vec<LoggedOccurrence>,
}

impl Known {
    fn read(store: &Path, charger: &ChargerId) -> anyhow::Result<Self> {
        let browser = Browser::open(store)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(async {
            let overrides = browser.leader_overrides().await?;
            let is_it =
                |chosen: &LeaderOverride| chosen.charger.as_str().eq_ignore_ascii_case(charger.as_str());
            Ok(Self {
                overridden: overrides.into_iter().find(is_it),
                earlier: browser.lead_history(charger, EARLIER).await?,
                occurrences: browser.occurrences(charger, None, None, OCCURRENCES).await?,
                is_known: browser.charger(charger).await?.is_some(),
            })
        })
    }
}

/// Whether the newest that the log has of this link is its end, although the charger is there.
fn is_away(occurrences: &[LoggedOccurrence], backoffice: &BackofficeId) -> bool {
    let newest = |is_it: &dyn Fn(&LoggedOccurrence) -> bool| {
        let newest = occurrences.iter().filter(|one| is_it(one)).max_by_key(|one| (one.unix_ms, one.seq));
        newest.map(|one| one.kind.as_str())
    };
    let charger = newest(&|one| matches!(one.kind.as_str(), "charger_arrived" | "charger_left"));
    let link =
        newest(&|one| matches!(one.kind.as_str(), "link_up" | "link_down") && one.who == backoffice.as_str());
    charger == Some("charger_arrived") && link == Some("link_down")
}

fn away(backoffice: &BackofficeId) -> String {
    format!(
        "{backoffice} is not connected at the moment: the change waits until it is; `ocpp-proxy logs` shows why.\n"
    )
}

/// Whoever sits at the command line, as far as the environment tells.
pub(crate) fn who() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    match variable("SUDO_USER").or_else(|| variable("USER")).or_else(|| variable("LOGNAME")) {
        Some(user) => format!("{user} (command line)"),
        None => "command line".to_owned(),
    }
}

const NEVER_SEEN: &str = "No charger of that identity has connected yet.\n";

fn state(
    charger: &ChargerId,
    plan: &PlanView,
    earlier: &[LeadChange],
    is_known: bool,
    zone: &TimeZone,
) -> String {
    let charger = shown(charger.as_str());
    let mut text = if is_known { String::new() } else { NEVER_SEEN.to_owned() };
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes all text");
    let rule = format!("rule \"{}\" in proxy.toml", shown(&plan.rule));
    say(match &plan.overridden {
        Some(chosen) if plan.is_overridden() => format!(
            "{} leads {charger}: chosen by {} on {}{}. The {rule} names {}.",
            plan.plan.leader,
            shown(&chosen.by),
            time(chosen.unix_ms, zone),
            why(&chosen.reason),
            plan.file_leader
        ),
        _ => format!("{} leads {charger}, by the {rule}.", plan.plan.leader),
    });
    if let Some(chosen) = plan.overridden.as_ref().filter(|_| !plan.is_overridden()) {
        let why = match plan.leader_source {
            LeaderSource::File => "leader_source = \"file\" forbids it".to_owned(),
            LeaderSource::Portal => "the rule does not name it any more".to_owned(),
        };
        say(format!("{} was chosen by {}, which has no effect: {why}.", chosen.leader, shown(&chosen.by)));
    }
    let followers: Vec<String> = plan
        .plan
        .followers
        .iter()
        .map(|follower| format!("{} ({})", follower.backoffice, follower.role.label()))
        .collect();
    say(if followers.is_empty() {
        "It is the only backoffice: nobody else can lead.".to_owned()
    } else {
        format!("Followers: {}.", followers.join(", "))
    });
    if !earlier.is_empty() {
        say("\nWho led since when, the newest first:".to_owned());
        for change in earlier {
            let leader = change.leader.as_ref().map_or("whom proxy.toml names", BackofficeId::as_str);
            let (when, by) = (time(change.unix_ms, zone), shown(&change.by));
            say(format!("  {when}  {}, by {by}{}", shown(leader), why(&change.reason)));
        }
    }
    match plan.leader_source {
        LeaderSource::File => {
            say("\nThe rule has leader_source = \"file\": only proxy.toml can change this.".to_owned())
        }
        LeaderSource::Portal if plan.is_overridden() => {
            say(format!("\nocpp-proxy leader {charger} --back goes back to {}.", plan.file_leader));
        }
        LeaderSource::Portal if !followers.is_empty() => {
            say(format!("\nocpp-proxy leader {charger} BACKOFFICE makes another one leader."));
        }
        LeaderSource::Portal => {}
    }
    text
}

fn chosen(order: &LeaderOrder, leader: &BackofficeId, is_known: bool) -> String {
    let charger = shown(order.charger.as_str());
    let until = if order.leader.is_some() {
        format!("That holds until `ocpp-proxy leader {charger} --back`; proxy.toml stays as it is.\n")
    } else {
        "That is whom proxy.toml names.\n".to_owned()
    };
    format!(
        "{leader} leads {charger} from now on. {until}A proxy that runs follows within a second or two, as soon as \
         {leader} is connected and no message is in flight.\nTransactions that are running go on: every backoffice \
         knows them, and hears of their end.\n{}",
        if is_known { "" } else { NEVER_SEEN }
    )
}

fn why(reason: &str) -> String {
    if reason.trim().is_empty() { String::new() } else { format!(" ({})", shown(reason.trim())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_ended_last_is_told() {
        let at = |seq: i64, kind: &str, who: &str| LoggedOccurrence {
            seq,
            charger: "CP1".into(),
            unix_ms: seq,
            kind: kind.to_owned(),
            who: who.to_owned(),
            detail: String::new(),
        };
        let (here, gone) = (at(1, "charger_arrived", "charger"), at(9, "charger_left", "charger"));
        let (up, down) = (at(2, "link_up", "volt"), at(3, "link_down", "volt"));
        let cases = [
            (vec![here.clone(), up.clone()], false),
            (vec![here.clone(), up.clone(), down.clone()], true),
            (vec![here.clone(), up, down.clone(), gone], false),
            (vec![here, at(3, "link_down", "acme")], false),
            (Vec::new(), false),
        ];
        assert_eq!(cases.len(), 5);
        for (occurrences, expected) in cases {
            assert_eq!(is_away(&occurrences, &"volt".into()), expected, "{occurrences:?}");
        }
    }
}
