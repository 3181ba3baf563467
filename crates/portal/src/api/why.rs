//! `/chargers/{charger}/why`: why a card was rejected, as a sentence with its evidence.

use axum::Json;
use axum::extract::State;
use engine::TraceId;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::IntoParams;

use super::chargers::spelled;
use super::client::Client;
use super::problem::Problem;
use super::read::{Check, NamedCharger, Query, TEXT_CHARACTERS, check_number, check_text};
use crate::privacy;
use crate::reader::{aside, hides_cards};
use crate::state::AppState;
use crate::why::{self, Question, Verdict};

/// Which attempt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhyParameters {
    /// The card, as somebody read or typed it; the last rejection, whatever the card, if left out.
    #[param(max_length = 500, nullable = false)]
    id_tag: Option<String>,
    /// The `trace` of one call of the attempt that is meant.
    #[param(max_length = 500, nullable = false)]
    attempt: Option<String>,
    /// Since when to search; UTC, milliseconds since 1970. A week if left out.
    #[param(minimum = 0, maximum = 9007199254740991_i64, nullable = false)]
    since_unix_ms: Option<i64>,
}

impl Check for WhyParameters {
    fn check(&self) -> Result<(), String> {
        check_text("id_tag", self.id_tag.as_ref(), TEXT_CHARACTERS)?;
        check_text("attempt", self.attempt.as_ref(), TEXT_CHARACTERS)?;
        check_number("since_unix_ms", self.since_unix_ms)
    }
}

/// Why was the card rejected?
///
/// Who decided, what that rests on, and what to do next: for an employee's card, for a public site, and
/// which card to allow in which backoffice.
#[utoipa::path(get, path = "/chargers/{charger}/why", tag = "Cards", operation_id = "explain_rejection",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1"), WhyParameters),
    responses((status = 200, description = "The answer.", body = Verdict), (status = 404, response = super::NotFound)))]
pub(super) async fn why(
    client: Client,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Query(asked): Query<WhyParameters>,
) -> Result<Json<Verdict>, Problem> {
    let charger = spelled(&state, charger).await?;
    let attempt = match asked.attempt.map(TraceId::try_from) {
        Some(Ok(trace)) => Some(trace),
        Some(Err(_)) => {
            let remedy = "Name the `trace` of a call of GET /api/v1/calls.";
            return Err(Problem::not_found("There is no such attempt", remedy));
        }
        None => None,
    };
    let question = Question {
        is_online: Some(state.view().is_online(&charger)),
        leader: state.view().plan(&charger).map(|found| found.plan.leader.clone()),
        plan: state.view().plan(&charger).map(|found| (*found.plan).clone()),
        id_tag: asked.id_tag.filter(|tag| !tag.trim().is_empty()),
        attempt,
        since_unix_ms: asked.since_unix_ms,
        now_unix_ms: Timestamp::now().as_millisecond(),
        zone: TimeZone::UTC,
        charger,
    };
    let facts = why::facts(state.unmasked(), question).await?;
    let mut verdict = why::explain(&facts);
    if hides_cards(client.role) {
        verdict = aside(verdict, move |verdict| privacy::verdict(verdict, &facts)).await;
    }
    Ok(Json(verdict))
}
