//! Who asks: a program with a token. Nothing else opens the API, so that no cookie of a browser can be
//! ridden on.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::access::Role;
use crate::api::problem::Problem;
use crate::privacy;
use crate::reader::hides_cards;
use crate::state::AppState;

/// A program that may look. The first argument of every handler, so that a stranger learns nothing else.
#[derive(Debug)]
pub(super) struct Client {
    /// The name of its token.
    pub(super) name: String,
    /// What it may see and do.
    pub(super) role: Role,
}

/// A program that may change something.
#[derive(Debug)]
pub(super) struct OperatorClient {
    /// What its deeds are recorded under.
    pub(super) by: String,
}

impl FromRequestParts<AppState> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
        let header = headers.next().ok_or_else(|| Problem::unauthorized("The request bears no token."))?;
        if headers.next().is_some() {
            return Err(Problem::unauthorized("The request bears several tokens."));
        }
        let token = header.to_str().ok().and_then(bearer);
        let token =
            token.ok_or_else(|| Problem::unauthorized("What the request bears is no bearer token."))?;
        let found = state.access().bearer(token);
        let (name, role) = found.ok_or_else(|| Problem::unauthorized("Nobody has this token."))?;
        if hides_cards(role) && privacy::asks_for_card(parts.uri.query()) {
            return Err(Problem::hidden_card(&name));
        }
        Ok(Self { name, role })
    }
}

impl FromRequestParts<AppState> for OperatorClient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let client = Client::from_request_parts(parts, state).await?;
        match client.role {
            Role::Operator => Ok(Self { by: client.name }),
            Role::Viewer => Err(Problem::viewer(&client.name)),
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1); the scheme's case does not matter.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme() {
        for (header, token) in [
            ("Bearer opx_1", Some("opx_1")),
            ("bearer  opx_1 ", Some("opx_1")),
            ("Basic opx_1", None),
            ("opx_1", None),
            ("", None),
        ] {
            assert_eq!(bearer(header), token, "{header:?}");
        }
    }
}
