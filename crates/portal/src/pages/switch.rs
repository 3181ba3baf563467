//! Before you switch: what would have been different if a follower had led.

mod conclusion;
mod show;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::{BackofficeId, ChargerId, VerdictRule};
use maud::Markup;
use serde::Deserialize;
use store::{CardDifference, Comparison, ComparisonQuery};

use crate::access::Role;
use crate::access::guard::Visitor;
use crate::export::csv;
use crate::layout::{self, Tab, now_unix_ms};
use crate::pages::known;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The periods that can be chosen: name in the address, words, milliseconds.
const PERIODS: [(&str, &str, i64); 4] = [
    ("24h", "the last 24 hours", 24 * 3_600_000),
    ("7d", "the last 7 days", 7 * 24 * 3_600_000),
    ("30d", "the last 30 days", 30 * 24 * 3_600_000),
    ("90d", "the last 90 days", 90 * 24 * 3_600_000),
];
/// When nobody chooses one.
const PERIOD: &str = "7d";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/chargers/{charger}/switch", get(show))
        .route("/chargers/{charger}/switch.csv", get(export))
}

/// What is to be compared, as it stands in the address. Whatever is not understood is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Whose answers; the first follower if it is none.
    follower: String,
    /// A name of [`PERIODS`].
    time: String,
    /// `all` compares on every charger.
    chargers: String,
}

/// What is compared.
#[derive(Debug)]
struct Subject {
    charger: ChargerId,
    /// Who leads now.
    leader: BackofficeId,
    follower: BackofficeId,
    followers: Vec<BackofficeId>,
    period: &'static str,
    words: &'static str,
    ms: i64,
    on_all: bool,
    /// By which policy of `proxy.toml` cards are decided here, where that is not whoever leads.
    policy: Option<&'static str>,
}

impl Subject {
    fn new(state: &AppState, charger: ChargerId, asked: &Asked) -> Result<Self, Refusal> {
        let missing = |what: &str| {
            let remedy = "Give the charger a second backoffice in proxy.toml, as a follower: after some days this page \
                          shows what it would have answered.";
            Refusal::not_found(format!("{what}: there is nothing to compare"), remedy)
        };
        let plan = state
            .view()
            .plan(&charger)
            .ok_or_else(|| missing("No rule in proxy.toml matches this charger"))?
            .plan;
        let followers: Vec<BackofficeId> = plan.followers.iter().map(|one| one.backoffice.clone()).collect();
        let named = followers.iter().find(|follower| follower.as_str() == asked.follower);
        let follower =
            named.or(followers.first()).ok_or_else(|| missing("This charger has one backoffice"))?.clone();
        let chosen = PERIODS.iter().find(|(name, ..)| *name == asked.time);
        let chosen = chosen.or_else(|| PERIODS.iter().find(|(name, ..)| *name == PERIOD));
        let (period, words, ms) = *chosen.expect("one of the periods is the usual one");
        let on_all = asked.chargers == "all";
        let leader = plan.leader.clone();
        let policy =
            Some(plan.cards.rule).filter(|rule| *rule != VerdictRule::LeaderOnly).map(VerdictRule::label);
        Ok(Self { charger, leader, follower, followers, period, words, ms, on_all, policy })
    }

    async fn compared(&self, state: &AppState, role: Role) -> Result<Comparison, Refusal> {
        let now = now_unix_ms();
        let query = ComparisonQuery {
            charger: (!self.on_all).then(|| self.charger.clone()),
            follower: self.follower.clone(),
            since_unix_ms: now - self.ms,
            until_unix_ms: now,
        };
        Ok(state.reader(role).comparison(query).await?)
    }

    fn parameters(&self) -> String {
        let chargers = if self.on_all { "all" } else { "" };
        let all = [("follower", self.follower.as_str()), ("time", self.period), ("chargers", chargers)];
        serde_urlencoded::to_string(all).unwrap_or_default()
    }
}

/// A card that charges today and would not any more. That a card is in use elsewhere says nothing of the
/// card: a follower hears of a start a second time.
fn would_be_refused(card: &CardDifference) -> bool {
    card.leader_status == "Accepted"
        && card.follower_status != "Accepted"
        && card.follower_status != "ConcurrentTx"
}

async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Refusal> {
    let (charger, _) = known(&state, &charger).await?;
    let subject = Subject::new(&state, charger, &asked)?;
    let comparison = subject.compared(&state, visitor.role).await?;
    let content = show::body(&subject, &comparison);
    Ok(layout::charger_page(&state, &visitor, &subject.charger, Tab::Below, content))
}

/// The cards that the follower would have refused, to be added to its list.
async fn export(
    State(state): State<AppState>,
    visitor: Visitor,
    Path(charger): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let (charger, _) = known(&state, &charger).await?;
    let subject = Subject::new(&state, charger, &asked)?;
    let comparison = subject.compared(&state, visitor.role).await?;
    let mut text = csv::line([
        "idTag",
        "answer of the leader",
        "answer of the follower",
        "times",
        "last (UTC)",
        "charger",
    ]);
    for card in comparison.cards.iter().filter(|card| would_be_refused(card)) {
        let last = jiff::Timestamp::from_millisecond(card.last_unix_ms)
            .map(|last| last.to_string())
            .unwrap_or_default();
        text.push_str(&csv::line([
            card.id_tag.as_str(),
            &card.leader_status,
            &card.follower_status,
            &card.times.to_string(),
            &last,
            card.charger.as_str(),
        ]));
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"cards-to-allow.csv\""),
    ];
    Ok((headers, text).into_response())
}
