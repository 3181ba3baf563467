//! The door: the login page, the link of the first start, and the way out.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::{Markup, html};
use serde::Deserialize;

use crate::access::guard::{self, form_field};
use crate::access::origin;
use crate::access::sessions::Account;
use crate::access::throttle::Guest;
use crate::layout;
use crate::refusal::Refusal;
use crate::state::AppState;

/// For everyone.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/login", get(show).post(log_in)).route("/first/{token}", get(first))
}

/// For those who are logged in.
pub(crate) fn logout() -> Router<AppState> {
    Router::new().route("/logout", post(log_out))
}

#[derive(Debug, Deserialize)]
struct Destination {
    #[serde(default)]
    next: String,
}

async fn show(State(state): State<AppState>, headers: HeaderMap, Query(to): Query<Destination>) -> Response {
    if guard::visitor(&state, &headers).is_some() {
        return Redirect::to(safe(&to.next)).into_response();
    }
    form(&state, &to.next, "", None).into_response()
}

fn form(state: &AppState, next: &str, name: &str, refused: Option<&str>) -> Markup {
    let content = html! {
        div.card.login {
            h1 { "Log in" }
            @if let Some(refused) = refused {
                p.notice.bad role="alert" { (refused) }
            }
            @if state.access().has_no_users() {
                p { "There are no users yet. Use the link that the program printed when it started; it lets one person in, once, for 15 minutes." }
                p { "Then make a password with " code { "ocpp-proxy hash-password" } " and put the lines it prints into " code { "proxy.toml" } "." }
                p.muted { "Too late for the link? Restart the program and it prints a new one." }
            } @else {
                form method="post" action="/login" {
                    input type="hidden" name="next" value=(next);
                    label { "Name" input type="text" name="name" value=(name) autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus[name.is_empty()]; }
                    label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus[!name.is_empty()]; }
                    button.primary type="submit" { "Log in" }
                }
                p.muted { "Users stand in " code { "proxy.toml" } ". For a new password: " code { "ocpp-proxy hash-password" } "." }
            }
        }
    };
    layout::door("Log in", content)
}

async fn log_in(
    State(state): State<AppState>,
    Extension(ConnectInfo(from)): Extension<ConnectInfo<SocketAddr>>,
    request: Request,
) -> Result<Response, Refusal> {
    origin::check(request.headers()).map_err(Refusal::foreign)?;
    let (parts, body) = request.into_parts();
    let sent = guard::read_form(&parts, body).await?;
    let [name, password, next] =
        ["name", "password", "next"].map(|field| form_field(&sent, field).unwrap_or_default());
    let (access, address) = (state.access(), address(from, &parts.headers));
    let account = access
        .accounts()
        .users
        .iter()
        .find(|user| user.name == name)
        .map(|user| Account::User { name: user.name.clone(), password_hash: user.password_hash.clone() });
    let familiar = guard::familiar(&state, &parts.headers, account.as_ref());
    let is_known = familiar.is_some();
    let guest = familiar.map_or(Guest::Stranger(address, &name), Guest::Familiar);
    if let Err(wait) = access.throttle.attempt(&guest) {
        let remedy = "Wait a minute and try again. If it was not you: somebody is guessing passwords. A browser in \
                      which you have logged in before is let in nevertheless. On the proxy's own machine, \
                      ocpp-proxy leader and ocpp-proxy chargers work meanwhile.";
        let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Too many failed logins", remedy);
        refusal.retry_after = Some(wait.as_secs() + 1);
        return Err(refusal);
    }
    let hash = account.as_ref().and_then(|account| match account {
        Account::User { password_hash, .. } => Some(password_hash.clone()),
        Account::First => None,
    });
    let is_right = access.verifier.is_right(password, hash, is_known).await.map_err(|_| {
        let remedy = "Many people are logging in at this moment. Try again in a few seconds.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Too many logins at once", remedy)
    })?;
    let Some(account) = account.filter(|_| is_right) else {
        tracing::warn!(%address, "a login failed");
        let again = form(&state, &next, &name, Some("Name or password is wrong."));
        return Ok((StatusCode::UNAUTHORIZED, again).into_response());
    };
    access.throttle.succeeded(&guest);
    tracing::info!(name = account.name(), %address, "logged in");
    let known = guard::remember(&state, &parts.headers, &account);
    let cookie = guard::begin(&state, &parts.headers, account);
    let mut response = ([cookie], Redirect::to(safe(&next))).into_response();
    if let Some((header, value)) = known {
        response.headers_mut().append(header, value);
    }
    Ok(response)
}

/// Where somebody connects from; a front proxy on this machine says for whom.
fn address(from: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let said = headers.get_all("x-forwarded-for").iter().next_back().and_then(|said| said.to_str().ok());
    let said = said.and_then(|said| said.rsplit(',').next()?.trim().parse().ok());
    said.filter(|_| from.ip().to_canonical().is_loopback()).unwrap_or(from.ip())
}

async fn first(
    State(state): State<AppState>,
    Extension(ConnectInfo(from)): Extension<ConnectInfo<SocketAddr>>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let is_forwarded = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name));
    if is_forwarded || !from.ip().to_canonical().is_loopback() {
        let remedy = "Open it on the machine that the program runs on, or add a user to proxy.toml: \
                      ocpp-proxy hash-password prints the lines.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "The link is good on this machine alone", remedy));
    }
    if !state.access().take_first(&token) {
        let remedy = "It is good once, for 15 minutes after the program started, as long as proxy.toml has no \
                      users. Log in as a user, or restart the program for a new link.";
        return Err(Refusal::new(StatusCode::GONE, "The link is not good any more", remedy));
    }
    tracing::warn!("somebody logged in with the link of the first start; add users to proxy.toml");
    let cookie = guard::begin(&state, &headers, Account::First);
    Ok(([cookie], Redirect::to("/chargers")).into_response())
}

async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Response {
    ([guard::end(&state, &headers)], Redirect::to("/login")).into_response()
}

/// Only to pages of ours: what follows a login must not lead elsewhere.
fn safe(next: &str) -> &str {
    let is_ours = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
    if is_ours { next } else { "/chargers" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_pages_of_ours_alone() {
        assert_eq!(safe("/chargers/A%20B/logs?q=x"), "/chargers/A%20B/logs?q=x");
        let elsewhere =
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/\tx", "evil"];
        for next in elsewhere {
            assert_eq!(safe(next), "/chargers", "{next:?}");
        }
    }

    #[test]
    fn only_a_front_proxy_on_this_machine_says_for_whom() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.9, 192.0.2.1".parse().unwrap());
        let said = |from: &str| address(from.parse().unwrap(), &headers).to_string();
        assert_eq!(said("127.0.0.1:5000"), "192.0.2.1");
        assert_eq!(said("198.51.100.4:5000"), "198.51.100.4");
    }
}
