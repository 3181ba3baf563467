//! Whatever the portal does not do, it explains: what happened, and what would help.

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use store::StoreError;

use crate::access::origin::Foreign;
use crate::layout;

/// A page instead of the one that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// What happened, in a few words.
    pub(crate) what: String,
    /// Why, and what would help; whole sentences.
    pub(crate) remedy: String,
    /// The page that helps: its address and its name.
    pub(crate) way: Option<(String, &'static str)>,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, what: what.into(), remedy: remedy.into(), way: None, retry_after: None }
    }

    /// Nobody is logged in, or not any more.
    pub(crate) fn logged_out() -> Self {
        let remedy = "Nothing was changed. Sessions end after four hours without use, after a day, when the \
                      program is restarted and when the password is changed. Log in and try again.";
        Self::new(StatusCode::UNAUTHORIZED, "You are not logged in", remedy)
    }

    /// A form that was on a page of another site.
    pub(crate) fn foreign(why: Foreign) -> Self {
        let remedy = format!(
            "Nothing was changed: {why}. Open the page here and use its form. Behind a front proxy, have it \
             pass the Host header on unchanged."
        );
        Self::new(StatusCode::FORBIDDEN, "This form is not from this portal", remedy)
    }

    /// A form without the session's token.
    pub(crate) fn stale_form() -> Self {
        let remedy = "Nothing was changed. The page was opened before you last logged in. Go back, load it \
                      again and repeat what you did.";
        Self::new(StatusCode::FORBIDDEN, "This form is out of date", remedy)
    }

    /// A viewer wants to change something.
    pub(crate) fn viewer() -> Self {
        let remedy = "Nothing was changed. You are logged in as a viewer, who sees all but cards' numbers and \
                      changes nothing. Ask an operator, or have your role in proxy.toml changed to \"operator\".";
        Self::new(StatusCode::FORBIDDEN, "Only operators may do this", remedy)
    }

    /// A viewer asks with the number of a card.
    pub(crate) fn hidden_card() -> Self {
        let remedy = "You are logged in as a viewer, who is not shown cards' numbers and does not search by them. Take \
                      id_tag out of the address, or ask an operator.";
        Self::new(StatusCode::FORBIDDEN, "Only operators ask for a card by its number", remedy)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, remedy)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the portal cannot read the store");
        let remedy = format!("{error}. Try again in a moment; chargers are served meanwhile.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The store cannot be read now", remedy)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let retry =
            self.retry_after.map(|seconds| [(HeaderName::from_static("retry-after"), seconds.to_string())]);
        let page = layout::refusal(&self);
        let mut response = (self.status, retry.map(axum::response::AppendHeaders), page).into_response();
        // For whoever puts it into a frame.
        response.extensions_mut().insert(self);
        response
    }
}
