//! What a client gets instead of what it asked for: the cause and the remedy, in the form of RFC 9457.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use gateway::{AdmitError, SetLeaderError};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::refusal::Refusal;

/// How problems are labelled.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why there is no answer, and what would help (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub(crate) status: u16,
    /// What happened, in a few words.
    #[schema(example = "There is no such charger")]
    pub(crate) title: String,
    /// Why.
    pub(crate) detail: String,
    /// What would help.
    pub(crate) remedy: String,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        title: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status: status.as_u16(), title: title.into(), detail: detail.into(), remedy: remedy.into() }
    }

    /// A parameter or a body is not as the document says.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        let remedy = "Correct the request; /api/v1/openapi.json says what every parameter may be.";
        Self::new(StatusCode::BAD_REQUEST, "The request is not understood", detail, remedy)
    }

    /// Nothing of this kind is known.
    pub(crate) fn not_found(title: &str, remedy: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, title, "Nothing is known of what the address names.", remedy)
    }

    /// No charger of this name.
    pub(crate) fn no_charger() -> Self {
        let remedy = "Look it up with GET /api/v1/chargers; a charger is known once it has connected. Those that asked and \
                      were not let in are in GET /api/v1/entrance/knocking.";
        Self::not_found("There is no such charger", remedy)
    }

    /// Whoever asks has not said who they are.
    pub(crate) fn unauthorized(detail: &str) -> Self {
        let remedy = "Send `Authorization: Bearer TOKEN`; `ocpp-proxy hash-token` makes a token and the lines \
                      for proxy.toml.";
        Self::new(StatusCode::UNAUTHORIZED, "A token is needed", detail, remedy)
    }

    /// They may look and not change anything.
    pub(crate) fn viewer(name: &str) -> Self {
        let detail = format!("The token {name:?} has the role viewer, which changes nothing.");
        let remedy = "Use a token with role = \"operator\" in proxy.toml.";
        Self::new(StatusCode::FORBIDDEN, "This token may not do that", detail, remedy)
    }

    /// They are not shown cards' numbers, and ask with one.
    pub(crate) fn hidden_card(name: &str) -> Self {
        let detail =
            format!("The token {name:?} has the role viewer, which does not search by cards' numbers.");
        let remedy = "Leave id_tag out, or use a token with role = \"operator\" in proxy.toml.";
        Self::new(StatusCode::FORBIDDEN, "This token may not ask for a card by its number", detail, remedy)
    }

    /// Too many wait for the same.
    pub(crate) fn busy(detail: &str) -> Self {
        let remedy = "Try again in a few seconds.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too much is asked at the moment", detail, remedy)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Overloaded) {
            return Self::busy("More questions wait for the store than it takes.");
        }
        tracing::warn!(%error, "the API cannot read the store");
        let remedy = "Try again; if it stays so, look at the log of the program and at its disk.";
        let title = "The store gives no answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title, error.to_string(), remedy)
    }
}

/// What is asked in the same way for a page comes back as a page's refusal.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.status {
            StatusCode::NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(
            status,
            refusal.what,
            refusal.remedy,
            "Try again; if it stays so, look at the log of the program.",
        )
    }
}

impl From<SetLeaderError> for Problem {
    fn from(error: SetLeaderError) -> Self {
        let detail = error.to_string();
        let title = "The leader stays as it is";
        match error {
            SetLeaderError::UnknownCharger(_) => {
                let remedy = "Give a rule in proxy.toml that matches the charger.";
                Self::new(StatusCode::NOT_FOUND, "There is no such charger", detail, remedy)
            }
            SetLeaderError::FileDecides { .. } => {
                let remedy = "Change proxy.toml: its leader, or leader_source = \"portal\".";
                Self::new(StatusCode::CONFLICT, title, detail, remedy)
            }
            SetLeaderError::NotInPlan { .. } => {
                let remedy = "Name one of the rule's backoffices, or add this one to the rule in proxy.toml.";
                Self::new(StatusCode::CONFLICT, title, detail, remedy)
            }
            SetLeaderError::Store(_) => {
                let remedy = "Look at the log of the program and at its disk; then try again.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail, remedy)
            }
        }
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        let detail = error.to_string();
        let title = "Who is let in stays as it is";
        match error {
            AdmitError::NoIdentity(..) => {
                let remedy = "Write it as the charger does in the address that it dials.";
                Self::new(StatusCode::NOT_FOUND, "There is no such charger", detail, remedy)
            }
            AdmitError::NoRule(_) => {
                let remedy = "Give a rule in proxy.toml that matches the charger.";
                Self::new(StatusCode::NOT_FOUND, "There is no such charger", detail, remedy)
            }
            AdmitError::NeedsKey(_) => {
                let remedy = "Send {\"key\": \"new\"}.";
                Self::new(StatusCode::CONFLICT, title, detail, remedy)
            }
            AdmitError::Store(_) => {
                let remedy = "Look at the log of the program and at its disk; then try again.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail, remedy)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("made from a status");
        let body = serde_json::to_vec(&self).expect("texts and a number are always JSON");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer realm=\"ocpp-proxy\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
