//! What is looked for in the message log: whatever stands in an address, the store answers with what a reader who
//! goes through every row would find, and with no other charger's.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use engine::{ChargerId, Side};
use jiff::Timestamp;
use store::{Caller, CallsQuery, LoggedCall, NewsItem, OutcomeIs};

use crate::log::Log;

/// What stands behind the `?` of an address: of the page of a charger's log, and of the API.
pub fn search_query(input: &[u8]) {
    let Ok(parameters) = std::str::from_utf8(input) else { return };
    let log = Log::get();
    let charger = ChargerId::from("CP1");
    let now = Timestamp::from_millisecond(crate::log::LAST_UNIX_MS).expect("a time of our days");
    let of_page = portal::search::by_page(parameters, &charger, now);
    if let Some(query) = &of_page {
        assert_eq!(query.charger.as_ref(), Some(&charger));
        tried(log, query);
        // The page links to itself with what was chosen.
        let link = portal::search::page_link(parameters).expect("it was understood before");
        assert_eq!(
            portal::search::by_page(&link, &charger, now).as_ref(),
            Some(query),
            "{parameters:?} as {link:?}"
        );
    }
    if let Ok(query) = portal::search::by_api(parameters)
        && of_page != Some(query.clone())
    {
        tried(log, &query);
    }
}

/// Questions that were tried; the log does not change, and most of what is invented asks what was asked before.
static TRIED: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
/// Questions that are remembered; then all are forgotten.
const REMEMBERED: usize = 1 << 20;

fn is_new(query: &CallsQuery) -> bool {
    let mut hasher = DefaultHasher::new();
    format!("{query:?}").hash(&mut hasher);
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    if tried.len() >= REMEMBERED {
        tried.clear();
    }
    tried.insert(hasher.finish())
}

fn tried(log: &Log, query: &CallsQuery) {
    if !is_new(query) {
        return;
    }
    let page = log.calls(query);
    let limit = query.limit;
    assert!(page.items.len() <= limit, "{query:?}");
    let is_of_charger = |charger: &ChargerId| {
        query.charger.as_ref().is_none_or(|asked| asked.as_str().eq_ignore_ascii_case(charger.as_str()))
    };
    for item in &page.items {
        assert!(is_of_charger(&item.charger), "{query:?} finds {item:?}");
        assert!(matches(item, query) != Some(false), "{query:?} finds {item:?}");
    }
    let place = |call: &LoggedCall| (call.received_unix_ms, call.seq);
    let newest_first = page.items.iter().map(place).rev();
    assert!(newest_first.is_sorted_by(|one, other| one < other), "{query:?} is out of order");
    // Of what the reference is sure about nothing is missing.
    let start = query.before.map(|before| log.all.iter().find(|call| call.seq == before).map(place));
    let sure = log.all.iter().filter(|call| match start {
        None => true,
        Some(start) => start.is_some_and(|start| place(call) < start),
    });
    let last = page.items.last().filter(|_| page.items.len() == limit).map(place);
    for call in sure.filter(|call| last.is_none_or(|last| place(call) > last)) {
        let is_found = page.items.iter().any(|item| item.seq == call.seq);
        assert!(is_found || matches(call, query) != Some(true), "{query:?} does not find {call:?}");
    }
    let news = log.news(&CallsQuery { limit: 5, ..query.clone() });
    for item in &news.items {
        match item {
            NewsItem::Call(call) => assert!(is_of_charger(&call.charger), "{query:?} hears of {call:?}"),
            NewsItem::LateAnswer { trace, .. } => {
                let call = log.all.iter().find(|call| call.trace == *trace);
                assert!(call.is_some_and(|call| is_of_charger(&call.charger)), "{query:?} hears of {trace}");
            }
            NewsItem::Occurrence { occurrence } => {
                assert!(is_of_charger(&occurrence.charger), "{query:?} hears of {occurrence:?}");
            }
        }
    }
}

/// Whether a row is what was asked for; `None` where numbers of transactions would have to be followed.
fn matches(call: &LoggedCall, query: &CallsQuery) -> Option<bool> {
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let certain = query.charger.as_ref().is_none_or(|charger| same(charger.as_str(), call.charger.as_str()))
        && query.id_tag.as_ref().is_none_or(|tag| call.id_tag.as_ref().is_some_and(|own| same(own, tag)))
        && query.action.as_ref().is_none_or(|action| same(action, &call.action))
        && !(query.hide_routine && ["Heartbeat", "MeterValues"].iter().any(|name| same(name, &call.action)))
        && query.since_unix_ms.is_none_or(|since| call.received_unix_ms >= since)
        && query.until_unix_ms.is_none_or(|until| call.received_unix_ms <= until)
        && match (&query.caller, &call.from) {
            (None, _) | (Some(Caller::Charger), Side::Charger) => true,
            (Some(Caller::AnyBackoffice), Side::Backoffice(_)) => true,
            (Some(Caller::Backoffice(asked)), Side::Backoffice(id)) => asked == id,
            _ => false,
        };
    let has_outcome = match query.outcome {
        None => Some(true),
        Some(OutcomeIs::Differs) => None,
        Some(OutcomeIs::Error) => Some(call.outcome == "error"),
        Some(OutcomeIs::Unanswered) => Some(call.outcome != "result" && call.outcome != "error"),
        Some(asked @ (OutcomeIs::Accepted | OutcomeIs::Refused)) => {
            let yes = ["Accepted", "AcceptedCanceled", "RebootRequired", "Scheduled", "Unlocked"];
            let is_told = call.action.to_ascii_lowercase().ends_with("statusnotification");
            let status = call.status.as_deref().filter(|_| call.outcome == "result" && !is_told);
            Some(match asked {
                OutcomeIs::Accepted => status.is_some_and(|status| yes.contains(&status)),
                _ => status.is_some_and(|status| !yes.contains(&status) && status != "Pending"),
            })
        }
    };
    let terms = query.text.split(|c: char| c.is_whitespace() || c == '\0').filter(|term| !term.is_empty());
    let has_terms = terms.take(16).map(|term| match holds(call, term) {
        // It may be a number that somebody has for the transaction.
        false if term.parse::<i64>().is_ok() => None,
        holds => Some(holds),
    });
    let of_transaction = query.transaction.map_or(Some(true), |_| None);
    let all: Vec<Option<bool>> = has_terms.chain([Some(certain), has_outcome, of_transaction]).collect();
    if all.contains(&Some(false)) {
        return Some(false);
    }
    all.into_iter().collect::<Option<Vec<bool>>>().map(|_| true)
}

/// Whether a term occurs where a search looks.
fn holds(call: &LoggedCall, term: &str) -> bool {
    let term: String = term.chars().take(1024).collect::<String>().to_ascii_lowercase();
    let within = |text: &str| text.to_ascii_lowercase().contains(&term);
    let within_any = |texts: [&Option<String>; 3]| texts.into_iter().flatten().any(|text| within(text));
    call.trace.to_string().to_ascii_lowercase() == term
        || within(&call.action)
        || within(&call.payload)
        || within_any([&call.id_tag, &call.status, &call.answer])
        || within_any([&call.error_code, &call.error_description, &None])
        || call.answers.iter().any(|answer| {
            within(answer.backoffice.as_str())
                || within_any([&answer.status, &answer.error_code, &answer.error_description])
                || answer.payload.as_deref().is_some_and(within)
        })
}
