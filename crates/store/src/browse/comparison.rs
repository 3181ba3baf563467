//! A follower beside the leader: what would change if it led.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use engine::{BackofficeId, ChargerId, TraceId};
use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use super::search::CallsQuery;
use super::walk::Walk;
use crate::deliveries::number;
use crate::log::eras;
use crate::log::query::Query;
use crate::log::table::trace;
use crate::{LoggedDifference, StoreError};

/// What to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparisonQuery {
    /// Of one charger; `None`: of all.
    pub charger: Option<ChargerId>,
    /// Whose answers, beside those of whoever led at the time.
    pub follower: BackofficeId,
    /// Calls received at this time or later; UTC, milliseconds since 1970.
    pub since_unix_ms: i64,
    /// Calls received at this time or earlier; UTC, milliseconds since 1970.
    pub until_unix_ms: i64,
}

/// How a follower's answers compare with the leader's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Comparison {
    /// The counts and the answer times are of the calls received since then (UTC, milliseconds since 1970):
    /// of the whole period or, when it has more than 5,000 calls (1,000 of one charger), of its newest. Cards and
    /// fields are of the whole period or, when more than 10,000 calls differ, of the newest of those.
    pub counted_since_unix_ms: i64,
    /// The charger's calls that the follower was to answer too: the sum of the next seven.
    pub calls_compared: u64,
    /// Answered alike.
    pub same: u64,
    /// Answered alike but for fields that are expected to differ.
    pub noise: u64,
    /// Answered alike but for clocks that are more than ten seconds apart.
    pub skew: u64,
    /// Answered differently.
    pub conflicts: u64,
    /// The follower answered with a CALLERROR.
    pub errors: u64,
    /// The follower did not answer, or was not connected.
    pub unanswered: u64,
    /// The follower answered what cannot be compared: late, or while the leader was away.
    pub not_comparable: u64,
    /// Cards that one of the two accepted and the other did not, the most frequent first.
    pub cards: Vec<CardDifference>,
    /// Where in which answers they differ, the most frequent first.
    pub fields: Vec<FieldDifference>,
    /// How long the leader took to answer.
    pub leader_latency_us: Latency,
    /// How long the follower took to answer.
    pub follower_latency_us: Latency,
}

/// A card on which leader and follower disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CardDifference {
    /// The card, as it was spelled last.
    pub id_tag: String,
    /// `idTagInfo.status` of the leader.
    pub leader_status: String,
    /// `idTagInfo.status` of the follower.
    pub follower_status: String,
    /// How often.
    pub times: u64,
    /// When last; UTC, milliseconds since 1970.
    pub last_unix_ms: i64,
    /// The last such call.
    pub last_trace: TraceId,
    /// Of that charger.
    pub charger: ChargerId,
}

/// A field in which the answers to an action differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// The action.
    pub action: String,
    /// JSON pointer (RFC 6901) into the answer's payload.
    pub pointer: String,
    /// How often.
    pub times: u64,
}

/// Answer times in microseconds; all 0 when there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// Half of the answers took at most this.
    pub p50: u64,
    /// 95 of 100 took at most this.
    pub p95: u64,
    /// The slowest.
    pub max: u64,
}

/// Calls of all chargers that are counted, at most: enough for shares and answer times, and counted while somebody waits.
const COUNTED: usize = 5_000;
/// Calls of one charger that are counted, at most: in a long log each lies on a page of its own.
const COUNTED_OF_ONE: usize = 1_000;
/// Differing calls that are looked at for cards and fields, at most.
const DIFFERING: usize = 10_000;
/// Cards, and fields, that are told apart, at most: what a peer invents must not fill the memory.
const TOLD_APART: usize = 10_000;

/// See [`super::Browser::comparison`].
pub(super) fn compare(connection: &Connection, query: &ComparisonQuery) -> Result<Comparison, StoreError> {
    // One snapshot for all questions.
    let snapshot = connection.unchecked_transaction()?;
    let mut fields = BTreeMap::new();
    let mut comparison = count(&snapshot, query, &mut fields)?;
    comparison.cards = differing(&snapshot, query, &mut fields)?;
    let of_field = |((action, pointer), times)| FieldDifference { action, pointer, times };
    comparison.fields = fields.into_iter().map(of_field).collect();
    comparison.fields.sort_by_key(|field| Reverse(field.times));
    Ok(comparison)
}

/// The conditions on the calls, with what to read them from: of one charger, or of all.
fn period(query: &ComparisonQuery, of_one: &'static str, of_all: &'static str) -> (&'static str, Query) {
    let mut calls = Query::new();
    let source = match &query.charger {
        Some(charger) => {
            calls.and("c.charger = ", charger.as_str().to_owned().into());
            of_one
        }
        None => of_all,
    };
    calls.and("c.received_unix_ms >= ", query.since_unix_ms.into());
    calls.and("c.received_unix_ms <= ", query.until_unix_ms.into());
    (source, calls)
}

/// Everything but cards and fields, except that clocks which differ are a field.
fn count(
    connection: &Connection,
    query: &ComparisonQuery,
    fields: &mut BTreeMap<(String, String), u64>,
) -> Result<Comparison, StoreError> {
    let walk = Walk::of(&CallsQuery {
        charger: query.charger.clone(),
        since_unix_ms: Some(query.since_unix_ms),
        until_unix_ms: Some(query.until_unix_ms),
        ..CallsQuery::default()
    });
    let counted = if query.charger.is_some() { COUNTED_OF_ONE } else { COUNTED };
    let left_out = walk.received_after(connection, counted)?;
    let since = left_out.map_or(query.since_unix_ms, |left_out| left_out.saturating_add(1));
    let (source, mut calls) =
        period(query, "eras CROSS JOIN calls c INDEXED BY calls_time", "calls c INDEXED BY calls_age");
    calls.and("c.received_unix_ms >= ", since.into());
    let follower = calls.bind(query.follower.as_str().to_owned().into());
    let mut eras = String::new();
    if query.charger.is_some() {
        eras = eras::between(&mut calls, since, query.until_unix_ms);
        calls.conditions.push_str(&format!(" AND {} = eras.era", eras::OF_A_CALL));
    }
    let sql = format!(
        "{eras} SELECT c.action, f.verdict, f.outcome, f.latency_us,
             (SELECT l.latency_us FROM answers l INDEXED BY answers_trace
              WHERE l.trace = c.trace AND l.led AND l.outcome IN ('result', 'error') LIMIT 1)
         FROM {source} CROSS JOIN answers f INDEXED BY answers_trace ON f.trace = c.trace
         WHERE {} AND c.caller = '' AND f.backoffice = {follower} AND NOT f.led",
        calls.conditions
    );
    let mut comparison = Comparison { counted_since_unix_ms: since, ..Comparison::default() };
    let (mut leader, mut follower) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&calls.values))?;
    while let Some(row) = rows.next()? {
        comparison.calls_compared += 1;
        let latency: i64 = row.get(3)?;
        if let Some(latency) = row.get::<_, Option<i64>>(4)? {
            leader.push(number(latency));
        }
        let (verdict, outcome): (String, String) = (row.get(1)?, row.get(2)?);
        match (verdict.as_str(), outcome.as_str()) {
            (_, "error") => comparison.errors += 1,
            (verdict, "result") => match verdict {
                "same" => comparison.same += 1,
                "noise" => comparison.noise += 1,
                "skew" => {
                    comparison.skew += 1;
                    add(fields, (row.get(0)?, "/currentTime".to_owned()));
                }
                "conflict" | "weak_conflict" => comparison.conflicts += 1,
                _ => comparison.not_comparable += 1,
            },
            _ => {
                comparison.unanswered += 1;
                continue;
            }
        }
        follower.push(number(latency));
    }
    comparison.leader_latency_us = Latency::of(leader);
    comparison.follower_latency_us = Latency::of(follower);
    Ok(comparison)
}

/// The cards; fields are added.
fn differing(
    connection: &Connection,
    query: &ComparisonQuery,
    fields: &mut BTreeMap<(String, String), u64>,
) -> Result<Vec<CardDifference>, StoreError> {
    let (source, mut calls) =
        period(query, "calls c INDEXED BY calls_differing", "calls c INDEXED BY calls_differing_time");
    let follower = calls.bind(query.follower.as_str().to_owned().into());
    let sql = format!(
        "SELECT c.trace, c.charger, c.action, c.received_unix_ms, c.id_tag,
             coalesce((SELECT l.status FROM answers l INDEXED BY answers_trace
                       WHERE l.trace = c.trace AND l.led LIMIT 1),
                      CASE WHEN c.decider = 'leader' THEN c.status END), f.status, f.differences
         FROM {source} CROSS JOIN answers f INDEXED BY answers_trace ON f.trace = c.trace
         WHERE c.differs = 1 AND {} AND c.caller = '' AND f.backoffice = {follower} AND NOT f.led
         ORDER BY c.received_unix_ms DESC LIMIT {DIFFERING}",
        calls.conditions
    );
    let mut cards: BTreeMap<(String, String, String), CardDifference> = BTreeMap::new();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&calls.values))?;
    while let Some(row) = rows.next()? {
        let action: String = row.get(2)?;
        if let Some(differences) = row.get::<_, Option<String>>(7)? {
            let differences: Vec<LoggedDifference> = serde_json::from_str(&differences).unwrap_or_default();
            for difference in differences {
                add(fields, (action.clone(), difference.pointer));
            }
        }
        let is_of_a_card =
            ["Authorize", "StartTransaction"].iter().any(|name| action.eq_ignore_ascii_case(name));
        let (Some(id_tag), Some(leader), Some(follower), true) = (
            row.get::<_, Option<String>>(4)?,
            row.get::<_, Option<String>>(5)?,
            row.get::<_, Option<String>>(6)?,
            is_of_a_card,
        ) else {
            continue;
        };
        if (leader == "Accepted") == (follower == "Accepted") {
            continue;
        }
        let key = (id_tag.to_ascii_lowercase(), leader.clone(), follower.clone());
        if let Some(known) = cards.get_mut(&key) {
            known.times += 1;
        } else if cards.len() < TOLD_APART {
            // The newest come first.
            cards.insert(
                key,
                CardDifference {
                    id_tag,
                    leader_status: leader,
                    follower_status: follower,
                    times: 1,
                    last_unix_ms: row.get(3)?,
                    last_trace: trace(row, 0)?,
                    charger: row.get::<_, String>(1)?.as_str().into(),
                },
            );
        }
    }
    let mut cards: Vec<_> = cards.into_values().collect();
    cards.sort_by_key(|card| Reverse((card.times, card.last_unix_ms)));
    Ok(cards)
}

fn add(fields: &mut BTreeMap<(String, String), u64>, field: (String, String)) {
    if let Some(times) = fields.get_mut(&field) {
        *times += 1;
    } else if fields.len() < TOLD_APART {
        fields.insert(field, 1);
    }
}

impl Latency {
    /// By the nearest rank.
    fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at_most =
            |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self {
            p50: at_most(50).unwrap_or(0),
            p95: at_most(95).unwrap_or(0),
            max: all.last().copied().unwrap_or(0),
        }
    }
}
