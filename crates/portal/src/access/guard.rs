//! What a request must be to reach a page: by someone who is logged in; a form besides from a page of
//! ours, with the session's token, by someone who may. No page looks after this itself.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::familiar::Familiar;
use crate::access::sessions::{Account, SessionKey};
use crate::access::{Role, origin, token};
use crate::configuration::RefusedConfiguration;
use crate::layout;
use crate::limits::{BROWSER_KNOWN, FORM_BYTES, FORM_TIMEOUT, SESSION_LENGTH};
use crate::privacy;
use crate::reader::hides_cards;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The field of every form that proves that the page was ours.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// Who asks. Handlers take it as an argument.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// What is recorded beside what they do.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// For the forms of the page; [`crate::layout::csrf`] writes it.
    pub(crate) csrf: String,
    /// Whatever goes on after the answer has begun ends with it.
    pub(crate) session: SessionKey,
    /// How many chargers knock: every page says so at the top.
    pub(crate) knocking: usize,
    /// An edit of `proxy.toml` that is not in force: every page says so.
    pub(crate) refused: Option<Arc<RefusedConfiguration>>,
}

impl Visitor {
    /// Whether they may change anything.
    pub(crate) fn may_order(&self) -> bool {
        self.role == Role::Operator
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Visitor>().cloned().ok_or_else(Refusal::logged_out)
    }
}

/// In front of every page that is not for everyone.
pub(crate) async fn guard(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let visitor = visitor(&state, request.headers());
    let is_order = !matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(visitor) = visitor else {
        return if is_order { Refusal::logged_out().into_response() } else { ask_to_log_in(&request) };
    };
    if is_order {
        request = match check_order(request, &visitor).await {
            Ok(request) => request,
            Err(refusal) => return refusal.into_response(),
        };
    }
    if hides_cards(visitor.role) && privacy::asks_for_card(request.uri().query()) {
        return Refusal::hidden_card().into_response();
    }
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Behind every page: whoever is logged in sees a refusal in the frame of the pages, with the way to them.
pub(crate) async fn frame_refusals(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let mut response = next.run(request).await;
    let Some(refusal) = response.extensions_mut().remove::<Refusal>() else { return response };
    if let Some(visitor) = visitor(&state, &headers) {
        *response.body_mut() = Body::from(layout::framed_refusal(&refusal, &visitor).into_string());
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// Who the cookie belongs to, and what they may do now.
pub(crate) fn visitor(state: &AppState, headers: &HeaderMap) -> Option<Visitor> {
    let access = state.access();
    cookies(headers, &cookie_name(access.port, is_tls(headers))).find_map(|cookie| {
        let (session, account, csrf) = access.sessions.find(cookie)?;
        let Some(role) = access.role(&account) else {
            access.sessions.end(cookie);
            return None;
        };
        let knocking = state.view().knocking();
        let refused = state.refused_configuration();
        Some(Visitor { name: account.name().to_owned(), role, csrf, session, knocking, refused })
    })
}

/// Begins a session; the header that hands the browser its cookie.
pub(crate) fn begin(state: &AppState, headers: &HeaderMap, account: Account) -> (HeaderName, HeaderValue) {
    let access = state.access();
    let is_tls = is_tls(headers);
    let (name, value) = (cookie_name(access.port, is_tls), access.sessions.begin(account));
    (SET_COOKIE, set_cookie(&name, &value, SESSION_LENGTH.as_secs(), is_tls))
}

/// Ends the session; the header that has the browser forget its cookie.
pub(crate) fn end(state: &AppState, headers: &HeaderMap) -> (HeaderName, HeaderValue) {
    let access = state.access();
    let is_tls = is_tls(headers);
    let name = cookie_name(access.port, is_tls);
    cookies(headers, &name).for_each(|cookie| access.sessions.end(cookie));
    (SET_COOKIE, set_cookie(&name, "", 0, is_tls))
}

/// Whether this user has logged in with this browser before, with the password of now.
pub(crate) fn familiar(state: &AppState, headers: &HeaderMap, account: Option<&Account>) -> Option<Familiar> {
    let Account::User { name, password_hash } = account? else { return None };
    let cookie = known_name(state.access().port, is_tls(headers));
    cookies(headers, &cookie).find_map(|value| Familiar::read(value, name, password_hash))
}

/// The header by which the browser is known when this account logs in the next time.
pub(crate) fn remember(
    state: &AppState,
    headers: &HeaderMap,
    account: &Account,
) -> Option<(HeaderName, HeaderValue)> {
    let Account::User { name, password_hash } = account else { return None };
    let is_tls = is_tls(headers);
    let (cookie, value) = (known_name(state.access().port, is_tls), Familiar::cookie(name, password_hash));
    Some((SET_COOKIE, set_cookie(&cookie, &value, BROWSER_KNOWN.as_secs(), is_tls)))
}

fn set_cookie(name: &str, value: &str, max_age_s: u64, is_tls: bool) -> HeaderValue {
    let secure = if is_tls { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}");
    cookie.try_into().expect("names and values are plain ASCII")
}

/// The portal speaks no TLS itself: a front proxy does, and says so. Whoever says so without one only
/// keeps himself from getting his cookie back.
fn is_tls(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// `__Host-` keeps sites of the same domain from planting one; browsers take it with TLS alone.
fn cookie_name(port: u16, is_tls: bool) -> String {
    if is_tls { "__Host-ocpp-proxy".to_owned() } else { format!("ocpp-proxy-{port}") }
}

/// The cookie by which the browser of a user is known. One for all users of a browser: it is for whoever logged in last.
fn known_name(port: u16, is_tls: bool) -> String {
    format!("{}-known", cookie_name(port, is_tls))
}

fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    cookies
        .flat_map(|header| header.split(';'))
        .filter_map(move |cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Sends a browser to the login page, and then back. `SameSite=Strict` keeps the cookie back when the
/// way here was a link on another site: the page itself then asks once more, as ourselves.
fn ask_to_log_in(request: &Request) -> Response {
    let headers = request.headers();
    let wants_events = headers.get(ACCEPT).is_some_and(|accept| accept == "text/event-stream");
    if wants_events {
        return Refusal::logged_out().into_response();
    }
    let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return layout::once_more(here).into_response();
    }
    Redirect::to(&format!("/login?next={}", utf8_percent_encode(here, NON_ALPHANUMERIC))).into_response()
}

/// Reads the form, so that its token can be looked at, and puts it back.
async fn check_order(request: Request, visitor: &Visitor) -> Result<Request, Refusal> {
    origin::check(request.headers()).map_err(Refusal::foreign)?;
    let (parts, body) = request.into_parts();
    let form = read_form(&parts, body).await?;
    let said = form_field(&form, CSRF_FIELD);
    if !said.is_some_and(|said| token::same(&said, &visitor.csrf)) {
        return Err(Refusal::stale_form());
    }
    if !visitor.may_order() && parts.uri.path() != "/logout" {
        return Err(Refusal::viewer());
    }
    Ok(Request::from_parts(parts, Body::from(form)))
}

/// The whole form, if it is one and not too large.
pub(crate) async fn read_form(parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let remedy = "Use the form on the page; programs use the API, under /api/v1.";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is not a form", remedy));
    }
    let reading = Limited::new(body, FORM_BYTES).collect();
    match tokio::time::timeout(FORM_TIMEOUT, reading).await {
        Ok(Ok(form)) => Ok(form.to_bytes()),
        Ok(Err(_)) => {
            let remedy = "Nothing was changed. Send less, or try again.";
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "The form is too large, or broke off", remedy))
        }
        Err(_) => {
            let remedy = "Nothing was changed. Try again.";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive", remedy))
        }
    }
}

/// The field, if the form has it exactly once.
pub(crate) fn form_field(form: &[u8], name: &str) -> Option<String> {
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(form).ok()?;
    let mut values = fields.into_iter().filter(|(field, _)| field == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
