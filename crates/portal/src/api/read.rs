//! What stands in a request. Whatever cannot be read is a problem, never a panic and never plain text.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use engine::{ChargerId, TraceId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::parameters;
use super::problem::Problem;
use crate::limits::{FORM_TIMEOUT, ROWS};
use crate::state::AppState;

/// Rows on a page of the API at most; as many as on a page of the portal if it is not said.
pub(super) const MOST_ROWS: u32 = 1_000;
/// A text that is searched for.
pub(super) const TEXT_CHARACTERS: usize = 500;
/// Times and places in the log go up to this: what every JSON reader holds exactly.
pub(super) const LARGEST: i64 = 9_007_199_254_740_991;

/// The parameters behind the `?`, each at most once, no unknown ones.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Check + IntoParams> FromRequestParts<AppState> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        let text = parts.uri.query().unwrap_or_default();
        parameters::understood(text).map(Self).map_err(Problem::malformed)
    }
}

/// Which page of a list of chargers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChargersParameters {
    /// Terms separated by spaces, all of which must occur in the identity; in the list of all chargers also in the
    /// vendor or the model.
    #[param(max_length = 500, nullable = false)]
    pub(super) q: Option<String>,
    /// Only those after this one: `next` of the page before.
    #[param(max_length = 500, nullable = false)]
    pub(super) after: Option<String>,
    /// So many at most; 100 if left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    pub(super) limit: Option<u32>,
}

impl Check for ChargersParameters {
    fn check(&self) -> Result<(), String> {
        check_text("q", self.q.as_ref(), TEXT_CHARACTERS)?;
        check_text("after", self.after.as_ref(), TEXT_CHARACTERS)?;
        check_limit(self.limit)
    }
}

/// The charger that the path names. That it is known is not said.
#[derive(Debug)]
pub(super) struct NamedCharger(pub(super) ChargerId);

impl FromRequestParts<AppState> for NamedCharger {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let axum::extract::Path(name) = path.map_err(|error| Problem::malformed(format!("{error}.")))?;
        Ok(Self(ChargerId::from(name.as_str())))
    }
}

/// The call that the path names. What is no trace names none.
#[derive(Debug)]
pub(super) struct NamedCall(pub(super) Option<TraceId>);

impl FromRequestParts<AppState> for NamedCall {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let axum::extract::Path(trace) = path.map_err(|error| Problem::malformed(format!("{error}.")))?;
        Ok(Self(TraceId::try_from(trace).ok()))
    }
}

/// A JSON body, no unknown fields.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Check> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let remedy = "Send JSON, with `Content-Type: application/json`.";
            let detail = format!("The body is labelled {kind:?}.");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not JSON", detail, remedy));
        }
        let reading = tokio::time::timeout(FORM_TIMEOUT, Bytes::from_request(request, state)).await;
        let body = match reading {
            Ok(body) => body.map_err(too_large)?,
            Err(_) => {
                let detail = "The body took too long to arrive; nothing was changed.";
                let title = "The request is too slow";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, title, detail, "Try again."));
            }
        };
        let body: T = serde_json::from_slice(&body)
            .map_err(|error| Problem::malformed(format!("The body is not understood: {error}.")))?;
        body.check().map_err(Problem::malformed)?;
        Ok(Self(body))
    }
}

fn too_large(error: BytesRejection) -> Problem {
    let detail = format!("{error}; nothing was changed.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large, or broke off", detail, "Send less.")
}

/// What a type alone does not say of a request.
pub(crate) trait Check {
    /// # Errors
    /// Names the parameter and what it may be.
    fn check(&self) -> Result<(), String>;
}

/// A page is neither empty nor endless.
pub(super) fn check_limit(limit: Option<u32>) -> Result<(), String> {
    match limit {
        Some(limit) if !(1..=MOST_ROWS).contains(&limit) => {
            Err(format!("limit must be from 1 to {MOST_ROWS}, not {limit}."))
        }
        _ => Ok(()),
    }
}

/// So many rows.
pub(super) fn rows(limit: Option<u32>) -> usize {
    limit.map_or(ROWS, |limit| limit.min(MOST_ROWS) as usize)
}

/// A text that is no longer than it may be.
pub(super) fn check_text(name: &str, text: Option<&String>, most: usize) -> Result<(), String> {
    match text {
        Some(text) if text.chars().nth(most).is_some() => {
            Err(format!("{name} must not be longer than {most} characters."))
        }
        _ => Ok(()),
    }
}

/// A time, a place in the log or a number of a transaction.
pub(super) fn check_number(name: &str, number: Option<i64>) -> Result<(), String> {
    match number {
        Some(number) if !(0..=LARGEST).contains(&number) => {
            Err(format!("{name} must be from 0 to {LARGEST}, not {number}."))
        }
        _ => Ok(()),
    }
}
