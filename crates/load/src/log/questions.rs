//! The portal's questions, as its pages ask them, each many times with other chargers, cards and numbers.

use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;
use jiff::tz::TimeZone;
use portal::why;
use store::{Browser, Caller, CallsQuery, ChargersQuery, ComparisonQuery, OutcomeIs, StoreError};
use tokio::runtime::Runtime;

use super::fleet::Fleet;

/// What a page shows at most (`portal::limits::ROWS`).
const ROWS: usize = 100;
const DAY_MS: i64 = 86_400_000;

/// How long one question took.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which, as a person would ask it.
    pub what: &'static str,
    /// Half of the answers took at most this.
    pub p50: Duration,
    /// 95 of 100 took at most this.
    pub p95: Duration,
}

/// A question, by the name under which it is told.
type Question = (&'static str, Which);

#[derive(Debug, Clone, Copy)]
enum Which {
    Chargers,
    Charger,
    Calls(fn(&Fleet, &mut Rng, &mut CallsQuery)),
    Call,
    News,
    Actions,
    Occurrences,
    Comparison { of_one: bool, days: i64 },
    Why { with_card: bool },
}

const QUESTIONS: [Question; 24] = [
    ("the list of chargers", Which::Chargers),
    ("one charger", Which::Charger),
    ("log of a charger", Which::Calls(|fleet, random, query| query.charger = Some(fleet.charger(random)))),
    (
        "without routine",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.hide_routine = true;
        }),
    ),
    (
        "of one action",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.action = Some("Authorize".into());
        }),
    ),
    (
        "of an action that never was",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.action = Some("UpdateFirmware".into());
        }),
    ),
    (
        "what was refused",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.outcome = Some(OutcomeIs::Refused);
        }),
    ),
    (
        "what was not answered",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.outcome = Some(OutcomeIs::Unanswered);
        }),
    ),
    (
        "where a follower differs",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.outcome = Some(OutcomeIs::Differs);
        }),
    ),
    (
        "what a backoffice asked for",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.caller = Some(Caller::AnyBackoffice);
        }),
    ),
    (
        "a part of a card, at a charger",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.text = fleet.card(random)[..6].to_owned();
        }),
    ),
    (
        "a text that is nowhere, at a charger",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.text = "nowhere".into();
        }),
    ),
    (
        "a card, at a charger",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.id_tag = Some(fleet.card(random));
        }),
    ),
    ("a card, anywhere", Which::Calls(|fleet, random, query| query.id_tag = Some(fleet.card(random)))),
    (
        "a transaction",
        Which::Calls(|fleet, random, query| query.transaction = Some(fleet.transaction(random))),
    ),
    (
        "a day two weeks ago, at a charger",
        Which::Calls(|fleet, random, query| {
            query.charger = Some(fleet.charger(random));
            query.until_unix_ms = Some(fleet.now_unix_ms - 14 * DAY_MS);
            query.since_unix_ms = Some(fleet.now_unix_ms - 15 * DAY_MS);
        }),
    ),
    ("the newest of all chargers", Which::Calls(|_, _, _| {})),
    ("a text that is nowhere, at all chargers", Which::Calls(|_, _, query| query.text = "nowhere".into())),
    ("one call", Which::Call),
    ("what is new", Which::News),
    ("the names of actions of a charger", Which::Actions),
    ("what happened to a charger", Which::Occurrences),
    ("a follower beside the leader, a charger's month", Which::Comparison { of_one: true, days: 30 }),
    ("why was this card rejected", Which::Why { with_card: true }),
];

/// Not on a page that opens by itself: whoever asks chose "all chargers".
const OF_ALL: [Question; 2] = [
    ("a follower beside the leader, all chargers' day", Which::Comparison { of_one: false, days: 1 }),
    ("why was a card rejected last", Which::Why { with_card: false }),
];

/// Asks each so many times.
pub(super) fn ask_all(
    runtime: &Runtime,
    browser: &Browser,
    fleet: &Fleet,
    times: usize,
) -> Result<Vec<Asked>> {
    let mut random = Rng::with_seed(11);
    let mut asked = Vec::new();
    for (what, which) in QUESTIONS.into_iter().chain(OF_ALL) {
        let mut took = Vec::with_capacity(times);
        for _ in 0..times {
            let begun = Instant::now();
            runtime.block_on(ask(browser, fleet, &mut random, which))?;
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent).div_ceil(100).saturating_sub(1)];
        asked.push(Asked { what, p50: at(50), p95: at(95) });
    }
    Ok(asked)
}

async fn ask(
    browser: &Browser,
    fleet: &Fleet,
    random: &mut Rng,
    which: Which,
) -> std::result::Result<(), StoreError> {
    match which {
        Which::Chargers => {
            let after = Some(fleet.charger(random));
            browser.chargers(ChargersQuery { search: String::new(), after, limit: ROWS }).await.map(drop)
        }
        Which::Charger => browser.charger(&fleet.charger(random)).await.map(drop),
        Which::Calls(narrow) => {
            let mut query = CallsQuery { limit: ROWS, ..CallsQuery::default() };
            narrow(fleet, random, &mut query);
            browser.calls(query).await.map(drop)
        }
        Which::Call => browser.call(fleet.traces[random.usize(..fleet.traces.len())]).await.map(drop),
        Which::News => {
            let query =
                CallsQuery { charger: Some(fleet.charger(random)), limit: ROWS, ..CallsQuery::default() };
            let cursor = browser.cursor().await?;
            browser.news(query, cursor - 200).await.map(drop)
        }
        Which::Actions => browser.actions(&fleet.charger(random)).await.map(drop),
        Which::Occurrences => browser.occurrences(&fleet.charger(random), None, None, ROWS).await.map(drop),
        Which::Comparison { of_one, days } => {
            let query = ComparisonQuery {
                charger: of_one.then(|| fleet.charger(random)),
                follower: "acme".into(),
                since_unix_ms: fleet.now_unix_ms - days * DAY_MS,
                until_unix_ms: fleet.now_unix_ms,
            };
            browser.comparison(query).await.map(drop)
        }
        Which::Why { with_card } => {
            let question = why::Question {
                charger: fleet.charger(random),
                id_tag: with_card.then(|| fleet.card(random)),
                attempt: None,
                since_unix_ms: None,
                is_online: None,
                leader: None,
                plan: None,
                now_unix_ms: fleet.now_unix_ms,
                zone: TimeZone::UTC,
            };
            why::facts(browser, question).await.map(drop)
        }
    }
}
