//! `/comparison`: what would change if a follower led.

use axum::Json;
use axum::extract::State;
use engine::ChargerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{CardDifference, ComparisonQuery, FieldDifference, Latency};
use utoipa::{IntoParams, ToSchema};

use super::client::Client;
use super::problem::Problem;
use super::read::{Check, Query, TEXT_CHARACTERS, check_number, check_text};
use crate::state::AppState;

/// The period that is compared unless it is asked for another.
const PERIOD_MS: i64 = 7 * 24 * 3_600_000;

/// How a follower's answers compare with the leader's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Comparison {
    /// Whose answers.
    follower: String,
    /// The beginning of the period; UTC, milliseconds since 1970.
    since_unix_ms: i64,
    /// Its end; UTC, milliseconds since 1970.
    until_unix_ms: i64,
    /// Counts and answer times are of the calls received since then; later than `since_unix_ms` when there
    /// are very many. UTC, milliseconds since 1970.
    counted_since_unix_ms: i64,
    /// The chargers' calls that the follower was to answer too.
    calls_compared: u64,
    /// Answered alike.
    same: u64,
    /// Answered alike but for fields that are expected to differ.
    noise: u64,
    /// Answered differently.
    conflicts: u64,
    /// The follower answered with a CALLERROR.
    errors: u64,
    /// The follower did not answer, or was not connected.
    unanswered: u64,
    /// Cards that one of the two accepted and the other did not, the most frequent first.
    cards: Vec<Card>,
    /// Where in which answers they differ, the most frequent first.
    fields: Vec<Field>,
    /// How long the leader took to answer.
    leader_latency: Times,
    /// How long the follower took.
    follower_latency: Times,
}

/// A card on which leader and follower disagree.
#[derive(Debug, Serialize, ToSchema)]
struct Card {
    /// The card.
    id_tag: String,
    /// `idTagInfo.status` of the leader.
    leader_status: String,
    /// `idTagInfo.status` of the follower.
    follower_status: String,
    /// How often.
    times: u64,
    /// When last; UTC, milliseconds since 1970.
    last_unix_ms: i64,
    /// The last such call, for `/calls/{trace}`.
    last_trace: String,
    /// The charger of that call.
    charger: String,
}

/// A field in which the answers to an action differ.
#[derive(Debug, Serialize, ToSchema)]
struct Field {
    /// The action.
    action: String,
    /// JSON pointer (RFC 6901) into the answer's payload.
    pointer: String,
    /// How often.
    times: u64,
}

/// Answer times in microseconds; all 0 when there was no answer.
#[derive(Debug, Serialize, ToSchema)]
struct Times {
    /// Half of the answers took at most this.
    p50_us: u64,
    /// 95 of 100 took at most this.
    p95_us: u64,
    /// The slowest.
    max_us: u64,
}

/// What to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComparisonParameters {
    /// Whose answers, beside those of whoever led at the time.
    #[param(max_length = 500, example = "acme")]
    follower: String,
    /// Of this charger; of all if left out.
    #[param(max_length = 500, nullable = false)]
    charger: Option<String>,
    /// Calls received then or later; UTC, milliseconds since 1970. A week before the end if left out.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    since_unix_ms: Option<i64>,
    /// Calls received then or earlier; UTC, milliseconds since 1970. Now if left out.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    until_unix_ms: Option<i64>,
}

impl Check for ComparisonParameters {
    fn check(&self) -> Result<(), String> {
        check_text("follower", Some(&self.follower), TEXT_CHARACTERS)?;
        check_text("charger", self.charger.as_ref(), TEXT_CHARACTERS)?;
        check_number("since_unix_ms", self.since_unix_ms)?;
        check_number("until_unix_ms", self.until_unix_ms)
    }
}

/// What would change if a follower led?
///
/// How many of the leader's accepted cards it would have refused, other differences by action and field,
/// errors and answer times, so that a person can decide before `PUT /chargers/{charger}/leader`.
#[utoipa::path(get, path = "/comparison", tag = "Proxy", operation_id = "compare", params(ComparisonParameters),
    responses((status = 200, description = "The comparison.", body = Comparison)))]
pub(super) async fn compare(
    client: Client,
    State(state): State<AppState>,
    Query(asked): Query<ComparisonParameters>,
) -> Result<Json<Comparison>, Problem> {
    let until_unix_ms = asked.until_unix_ms.unwrap_or_else(|| Timestamp::now().as_millisecond());
    let since_unix_ms = asked.since_unix_ms.unwrap_or_else(|| (until_unix_ms - PERIOD_MS).max(0));
    let query = ComparisonQuery {
        charger: asked.charger.map(|charger| ChargerId::from(charger.as_str())),
        follower: asked.follower.as_str().into(),
        since_unix_ms,
        until_unix_ms,
    };
    let found = state.reader(client.role).comparison(query).await?;
    Ok(Json(Comparison {
        follower: asked.follower,
        since_unix_ms,
        until_unix_ms,
        counted_since_unix_ms: found.counted_since_unix_ms,
        calls_compared: found.calls_compared,
        same: found.same,
        noise: found.noise,
        conflicts: found.conflicts,
        errors: found.errors,
        unanswered: found.unanswered,
        cards: found.cards.into_iter().map(Card::from).collect(),
        fields: found.fields.into_iter().map(Field::from).collect(),
        leader_latency: found.leader_latency_us.into(),
        follower_latency: found.follower_latency_us.into(),
    }))
}

impl From<CardDifference> for Card {
    fn from(card: CardDifference) -> Self {
        Self {
            id_tag: card.id_tag,
            leader_status: card.leader_status,
            follower_status: card.follower_status,
            times: card.times,
            last_unix_ms: card.last_unix_ms,
            last_trace: card.last_trace.to_string(),
            charger: card.charger.to_string(),
        }
    }
}

impl From<FieldDifference> for Field {
    fn from(field: FieldDifference) -> Self {
        Self { action: field.action, pointer: field.pointer, times: field.times }
    }
}

impl From<Latency> for Times {
    fn from(latency: Latency) -> Self {
        Self { p50_us: latency.p50, p95_us: latency.p95, max_us: latency.max }
    }
}
