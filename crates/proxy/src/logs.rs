//! `ocpp-proxy logs`: what a charger and its backoffices said to each other.

pub(crate) mod paragraph;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::bail;
use engine::ChargerId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portal::words;
use store::{Filter, LogReader, LoggedCall, LoggedOccurrence, NewsItem};

use crate::chargers::why_turned_away;
use crate::cli::Logs;
use config::suggestion;

/// Shown when no time is given.
const ENTRIES_BY_DEFAULT: usize = 100;
/// Shown when one is.
const ENTRIES_AT_MOST: usize = 10_000;
/// So many identities are looked through for one like that of an unknown charger.
const CHARGERS_COMPARED: usize = 10_000;
/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(300);

/// Shows the calls that the command line asks for.
pub(crate) fn show(which: &Logs) -> anyhow::Result<()> {
    let store = match &which.store {
        Some(store) => store.clone(),
        None => config::store_path(&which.config.path)?,
    };
    let log = LogReader::open(&store)?;
    let mut out = BufWriter::new(io::stdout().lock());
    heard(show_to(&mut out, &log, which, &store))
}

/// Prints a page.
pub(crate) fn print(page: &str) -> anyhow::Result<()> {
    heard(io::stdout().write_all(page.as_bytes()).map_err(Into::into))
}

/// Whoever reads the output may leave before its end, as `head` does. That is no failure.
pub(crate) fn heard(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

fn show_to(out: &mut impl Write, log: &LogReader, which: &Logs, store: &Path) -> anyhow::Result<()> {
    let zone = TimeZone::system();
    let since = which.since.map(|since| since.unix_ms(Timestamp::now(), zone.clone()));
    let limit = if since.is_some() { ENTRIES_AT_MOST } else { ENTRIES_BY_DEFAULT };
    let filter = Filter {
        action: which.action.clone(),
        search: which.search.clone(),
        since_unix_ms: since,
        limit,
        ..Filter::of(ChargerId::from(which.charger.as_str()))
    };
    // The end is taken first: what is written in between is news, and not shown twice.
    let cursor = log.cursor()?;
    let entries = merged(log.calls(&filter)?, log.occurrences(&filter)?, limit);
    if entries.len() == limit {
        eprintln!("the newest {limit} entries; --since, --action and --search show others");
    } else if entries.is_empty() {
        nothing_found(log, which, store, &zone)?;
    }
    if !entries.is_empty() {
        tell_if_turned_away(store, &which.charger, &zone);
    }
    for entry in entries.iter().filter(|entry| entry.seq() <= cursor || !which.follow) {
        write_item(out, entry, which.json, &zone)?;
    }
    out.flush()?;
    if which.follow { follow(out, log, which, &filter, cursor, &zone) } else { Ok(()) }
}

/// Says why nothing was found, as far as it can be told. That a charger or a message is unknown is an
/// error, unless somebody waits for it.
fn nothing_found(log: &LogReader, which: &Logs, store: &Path, zone: &TimeZone) -> anyhow::Result<()> {
    let charger = &which.charger;
    let anything = Filter { limit: 1, ..Filter::of(ChargerId::from(charger.as_str())) };
    let is_known = !log.calls(&anything)?.is_empty() || !log.occurrences(&anything)?.is_empty();
    let unknown_action =
        which.action.as_deref().filter(|action| !names().any(|name| name.eq_ignore_ascii_case(action)));
    match (is_known, unknown_action) {
        (false, _) if which.follow => {
            let near = like(log, charger)?;
            eprintln!("nothing is known of {charger:?} yet, waiting for it{near}");
            tell_if_turned_away(store, charger, zone);
        }
        (false, _) => return unknown(log, charger, store, zone),
        (true, Some(action)) => {
            let mut near = suggestion(action, names());
            if near.is_empty() {
                near = match names().find(|name| name.to_lowercase().starts_with(&action.to_lowercase())) {
                    Some(name) => format!("; did you mean {name:?}?"),
                    None => "; messages are called as in OCPP 1.6, such as StatusNotification".to_owned(),
                };
            }
            if !which.follow {
                bail!("{charger:?} has no {action:?}{near}");
            }
            eprintln!("{charger:?} has no {action:?} yet, waiting for it{near}");
        }
        (true, None) if which.follow => {}
        (true, None) => eprintln!("nothing of {charger:?} matches; there is more without the filters"),
    }
    Ok(())
}

/// A charger that was never heard of is an error, which suggests a like one.
pub(crate) fn known_or_like(
    log: &LogReader,
    charger: &str,
    store: &Path,
    zone: &TimeZone,
) -> anyhow::Result<()> {
    let anything = Filter { limit: 1, ..Filter::of(ChargerId::from(charger)) };
    match log.calls(&anything)?.is_empty() && log.occurrences(&anything)?.is_empty() {
        true => unknown(log, charger, store, zone),
        false => Ok(()),
    }
}

fn like(log: &LogReader, charger: &str) -> anyhow::Result<String> {
    let known = log.chargers(CHARGERS_COMPARED)?;
    Ok(suggestion(charger, known.iter().map(ChargerId::as_str)))
}

/// Who was turned away left nothing in the log of messages.
pub(crate) fn tell_if_turned_away(store: &Path, charger: &str, zone: &TimeZone) {
    // What was asked for does not depend on it.
    if let Ok(Some(told)) = why_turned_away(store, charger, zone) {
        eprintln!("{charger:?}, or somebody who calls itself so, was turned away {told}");
    }
}

fn unknown(log: &LogReader, charger: &str, store: &Path, zone: &TimeZone) -> anyhow::Result<()> {
    if let Some(told) = why_turned_away(store, charger, zone)? {
        bail!("{charger:?} has never come in; it was turned away {told}");
    }
    let mut near = like(log, charger)?;
    if near.is_empty() {
        near = "; a charger is in the log once it has sent something, under the last part of the URL it dials, for \
                as long as [log] says"
            .to_owned();
    }
    bail!("nothing is known of {charger:?}{near}");
}

/// What `--action` can name, as far as it is known beforehand.
fn names() -> impl Iterator<Item = &'static str> {
    let actions = engine::actions::OCPP16.iter().map(|action| action.name);
    actions.chain(words::OCCURRENCES.into_iter().map(|(kind, _)| kind))
}

/// The newest of both, the oldest of them first.
fn merged(calls: Vec<LoggedCall>, occurrences: Vec<LoggedOccurrence>, limit: usize) -> Vec<NewsItem> {
    let calls = calls.into_iter().map(|call| (call.received_unix_ms, NewsItem::Call(Box::new(call))));
    let occurrences =
        occurrences.into_iter().map(|one| (one.unix_ms, NewsItem::Occurrence { occurrence: Box::new(one) }));
    let mut all: Vec<_> = calls.chain(occurrences).collect();
    all.sort_by_key(|(unix_ms, item)| (*unix_ms, item.seq()));
    let newest = all.split_off(all.len().saturating_sub(limit));
    newest.into_iter().map(|(_, item)| item).collect()
}

/// Goes on until the reader of the output leaves or the program is stopped.
fn follow(
    out: &mut impl Write,
    log: &LogReader,
    which: &Logs,
    filter: &Filter,
    mut cursor: i64,
    zone: &TimeZone,
) -> anyhow::Result<()> {
    loop {
        let news = log.news(filter, cursor)?;
        cursor = news.cursor;
        for item in &news.items {
            write_item(out, item, which.json, zone)?;
        }
        out.flush()?;
        if news.items.is_empty() {
            sleep(FOLLOW_EVERY);
        }
    }
}

fn write_item(out: &mut impl Write, item: &NewsItem, json: bool, zone: &TimeZone) -> anyhow::Result<()> {
    if json {
        // Written as a whole: an error of the pipe must not look like one of the JSON.
        writeln!(out, "{}", serde_json::to_string(item)?)?;
        return Ok(());
    }
    let text = match item {
        NewsItem::Call(call) => paragraph::of_call(call, zone),
        NewsItem::LateAnswer { action, received_unix_ms, answer, .. } => {
            paragraph::of_late_answer(action, *received_unix_ms, answer, zone)
        }
        NewsItem::Occurrence { occurrence } => paragraph::of_occurrence(occurrence, zone),
    };
    writeln!(out, "{text}")?;
    Ok(())
}
