//! `ocpp-proxy logs`: what a charger and its backoffices said to each other.

pub(crate) mod paragraph;
pub(crate) mod words;

use std::io::{self, BufWriter, Write};
use std::thread::sleep;
use std::time::Duration;

use engine::ChargerId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{Filter, LogReader, NewsItem};

use crate::cli::Logs;
use crate::config;

/// Shown when no time is given.
const CALLS_BY_DEFAULT: usize = 100;
/// Shown when one is.
const CALLS_AT_MOST: usize = 10_000;
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

fn show_to(out: &mut impl Write, log: &LogReader, which: &Logs) -> anyhow::Result<()> {
    let zone = TimeZone::system();
    let since = which.since.map(|since| since.unix_ms(Timestamp::now(), zone.clone()));
    let limit = if since.is_some() { CALLS_AT_MOST } else { CALLS_BY_DEFAULT };
    let filter = Filter {
        action: which.action.clone(),
        search: which.search.clone(),
        since_unix_ms: since,
        limit,
        ..Filter::of(ChargerId::from(which.charger.as_str()))
    };
    // The end is taken first: what is written in between is news, and not shown twice.
    let cursor = log.cursor()?;
    let calls = log.calls(&filter)?;
    if calls.len() == limit {
        eprintln!("the newest {limit} calls; --since, --action and --search show others");
    } else if calls.is_empty() && !which.follow {
        eprintln!(
            "no calls of {:?} that match; an identity is written as the charger sends it",
            which.charger
        );
    }
    for call in calls.into_iter().rev().filter(|call| call.seq <= cursor || !which.follow) {
        write_item(out, &NewsItem::Call(Box::new(call)), which.json, &zone)?;
    }
    out.flush()?;
    if which.follow { follow(out, log, which, &filter, cursor, &zone) } else { Ok(()) }
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
    };
    writeln!(out, "{text}")?;
    Ok(())
}
