//! `ocpp-proxy logs`: what a charger and its backoffices said to each other.

mod paragraph;
mod words;

use std::io::{self, BufWriter, Write};
use std::thread::sleep;
use std::time::Duration;

use engine::ChargerId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{Filter, LogReader, LoggedCall, LoggedOccurrence, NewsItem};

use crate::cli::Logs;
use crate::config;

/// Shown when no time is given.
const ENTRIES_BY_DEFAULT: usize = 100;
/// Shown when one is.
const ENTRIES_AT_MOST: usize = 10_000;
/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(300);

/// Shows the calls that the command line asks for.
pub(crate) fn show(which: &Logs) -> anyhow::Result<()> {
    let log = LogReader::open(&config::store_path(&which.config.path)?)?;
    let mut out = BufWriter::new(io::stdout().lock());
    heard(show_to(&mut out, &log, which))
}

/// Prints a page.
pub(crate) fn print(page: &str) -> anyhow::Result<()> {
    heard(io::stdout().write_all(page.as_bytes()).map_err(Into::into))
}

/// Whoever reads the output may leave before its end, as `head` does. That is no failure.
fn heard(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
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

fn show_to(out: &mut impl Write, log: &LogReader, which: &Logs) -> anyhow::Result<()> {
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
    } else if entries.is_empty() && !which.follow {
        eprintln!("nothing of {:?} matches", which.charger);
    }
    for entry in entries.iter().filter(|entry| entry.seq() <= cursor || !which.follow) {
        write_item(out, entry, which.json, &zone)?;
    }
    out.flush()?;
    if which.follow { follow(out, log, which, &filter, cursor, &zone) } else { Ok(()) }
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
