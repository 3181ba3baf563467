//! `ocpp-proxy why`: why a card was rejected, and what to do.

use std::fmt::Write;

use engine::{ChargerId, Plan, TraceId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portal::why::{Question, Verdict, explain, facts};
use portal::words::shown;
use store::{Browser, LeaderOverride, LogReader};
use tokio::runtime::Runtime;

use crate::cli::Why;
use crate::logs;
use crate::logs::paragraph::time;

/// The call that is meant, by the name that log and pages give it.
fn attempt(call: Option<String>) -> anyhow::Result<Option<TraceId>> {
    let named = |call: String| {
        let unknown = format!(
            "{} names no call; a call is named by the 26 characters that the log shows",
            shown(&call)
        );
        TraceId::try_from(call).map_err(|_| anyhow::Error::msg(unknown))
    };
    call.map(named).transpose()
}

/// Answers the question of the command line.
pub(crate) fn tell(which: &Why) -> anyhow::Result<()> {
    let path = match &which.store {
        Some(store) => store.clone(),
        None => config::store_path(&which.config.path)?,
    };
    let browser = Browser::open(&path)?;
    let (now, zone) = (Timestamp::now(), TimeZone::system());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let charger = ChargerId::from(which.charger.as_str());
    if runtime.block_on(browser.charger(&charger))?.is_none() {
        logs::known_or_like(&LogReader::open(&path)?, &which.charger, &path, &zone)?;
    }
    let question = Question {
        plan: plan(which, &runtime, &browser, &charger),
        charger,
        id_tag: which.id_tag.clone(),
        attempt: attempt(which.call.clone())?,
        since_unix_ms: which.since.map(|since| since.unix_ms(now, zone.clone())),
        // The log tells who is there and who leads as well as can be told from outside the running program.
        is_online: None,
        leader: None,
        now_unix_ms: now.as_millisecond(),
        zone: zone.clone(),
    };
    let mut facts = runtime.block_on(facts(&browser, question))?;
    facts.at_command_line = true;
    let verdict = explain(&facts);
    logs::tell_if_turned_away(&path, &which.charger, &zone);
    let text = match which.json {
        true => serde_json::to_string(&verdict)? + "\n",
        false => told(&verdict, &zone),
    };
    logs::print(&text)
}

/// What holds by the file and by whom an operator chose; `None` without a file that can be read, since the log
/// can be explained without one.
fn plan(which: &Why, runtime: &Runtime, browser: &Browser, charger: &ChargerId) -> Option<Plan> {
    let rules = config::rules(&which.config.path).ok()?;
    let overrides = runtime.block_on(browser.leader_overrides()).ok()?;
    let is_it = |chosen: &LeaderOverride| chosen.charger.as_str().eq_ignore_ascii_case(charger.as_str());
    let found = rules.plan(charger, overrides.into_iter().find(is_it))?;
    Some((*found.plan).clone())
}

fn told(verdict: &Verdict, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("a String takes all text");
    if let Some(tag) = &verdict.id_tag {
        say(format!("Card {}", shown(tag)));
    }
    say(verdict.sentence.clone());
    let next = &verdict.next;
    let groups = [
        ("What to do:", &next.everyone),
        ("If it is the card of an employee or resident:", &next.employee),
        ("If the site is public:", &next.public_site),
    ];
    for (title, steps) in groups.into_iter().filter(|(_, steps)| !steps.is_empty()) {
        say(format!("\n{title}"));
        steps.iter().for_each(|step| say(format!("  - {step}")));
    }
    if let Some(list) = &next.whitelist {
        say(format!(
            "\nTo allow the card: add {} to the list of allowed cards in {}.",
            shown(&list.id_tag),
            list.backoffice
        ));
    }
    if !verdict.evidence.is_empty() {
        say("\nWhat this rests on:".to_owned());
    }
    for row in &verdict.evidence {
        let mark = if row.is_decisive { "→" } else { " " };
        say(format!("{mark} {}  {}", time(row.unix_ms, zone), row.sentence));
    }
    text
}
