//! How a charger gets in: identity, rule, subprotocol, leader; only then is it answered 101
//! (semantics §1.8).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::ChargerId;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version as HttpVersion};
use hyper_util::rt::TokioIo;
use store::WhyNot;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::entrance::NotLetIn;
use crate::fleet::{Arrival, Control, Fleet, Knock, Verdict};
use crate::framing::Framing;
use crate::identity::{BadPath, identity};
use crate::limits::{ARRIVAL_TIMEOUT, CHARGER_QUEUE_BYTES, CLOSE_TIMEOUT, RETRY_AFTER_S, charger_socket};
use crate::peer::Peer;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::subprotocol::Offer;
use crate::task;
use crate::tls::Fingerprint;
use crate::wire::Wire;

type Answer = Response<Full<Bytes>>;

/// How often a handshake knocks again because the task it knocked at was just ending.
const KNOCKS: usize = 8;
/// Longest `Sec-WebSocket-Key` that is hashed; a proper one has 24 characters, but chargers with
/// others exist.
const KEY_BYTES: usize = 128;

/// Why a request is not let in: the word for the metric, and the answer.
struct Refusal {
    result: &'static str,
    status: StatusCode,
    text: &'static str,
    /// What the log says; the peer is told no more than it must know.
    why: &'static str,
    hint: Option<Hint>,
}

/// What a refusal tells the peer to do, in a header.
#[derive(Clone, Copy)]
enum Hint {
    /// Come again after so many seconds.
    RetryAfter(u64),
    /// Speak WebSocket.
    Upgrade,
    /// Speak this version of it.
    Version,
    /// Send a user name and a password.
    Credentials,
}

impl Hint {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Hint::RetryAfter(seconds) => (RETRY_AFTER, HeaderValue::from(seconds)),
            Hint::Upgrade => (UPGRADE, HeaderValue::from_static("websocket")),
            Hint::Version => (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Hint::Credentials => (WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ocpp\"")),
        }
    }
}

impl From<NotLetIn> for Refusal {
    fn from(not: NotLetIn) -> Self {
        let unknown =
            |why| Self { why, ..Self::new("unknown_charger", StatusCode::NOT_FOUND, "not found\n") };
        match not {
            NotLetIn::NoRule => unknown(WhyNot::NoRule.text()),
            NotLetIn::Unknown => {
                unknown("nobody has admitted this charger; an operator can, with `ocpp-proxy chargers`")
            }
            NotLetIn::Unproved(why) => Self::unproved(why.text()),
            NotLetIn::WrongCertificate => {
                let text = "the certificate is for another charger\n";
                Self::new("wrong_certificate", StatusCode::FORBIDDEN, text)
            }
            NotLetIn::Revoked => {
                let text = "the certificate is taken back\n";
                let refusal = Self::new("wrong_certificate", StatusCode::FORBIDDEN, text);
                Self { why: WhyNot::Revoked.text(), ..refusal }
            }
            NotLetIn::WithoutTls => Self {
                why: WhyNot::WithoutTls.text(),
                ..Self::new("without_tls", StatusCode::FORBIDDEN, "use wss\n")
            },
            NotLetIn::LockedOut(remaining) => Self::locked_out(remaining),
            NotLetIn::StoreFailed => Self::later("store_failed", "the proxy cannot store\n"),
        }
    }
}

impl Refusal {
    fn new(result: &'static str, status: StatusCode, text: &'static str) -> Self {
        Self { result, status, text, why: text, hint: None }
    }

    /// Come again later: at a time that differs from one charger to the next.
    fn later(result: &'static str, text: &'static str) -> Self {
        let hint = Some(Hint::RetryAfter(fastrand::u32(RETRY_AFTER_S).into()));
        Self { hint, ..Self::new(result, StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// Sent too much too often.
    fn kept_out(remaining: Duration) -> Self {
        let hint = Some(Hint::RetryAfter(remaining.as_secs() + 1));
        let text = "too many messages were too big\n";
        Self { hint, ..Self::new("blocked", StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// Asks for a user name and a password; some chargers send them only then (semantics S-13).
    fn unproved(why: &'static str) -> Self {
        let refusal = Self::new("unauthorized", StatusCode::UNAUTHORIZED, "not let in\n");
        Self { why, ..refusal.with(Hint::Credentials) }
    }

    /// Failed too often.
    fn locked_out(remaining: Duration) -> Self {
        let hint = Some(Hint::RetryAfter(remaining.as_secs() + 1));
        let text = "too many failures\n";
        Self { hint, ..Self::new("locked_out", StatusCode::TOO_MANY_REQUESTS, text) }
    }

    fn with(self, hint: Hint) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

/// Answers one request on the chargers' port.
pub(crate) async fn answer(shared: Arc<Shared>, mut request: Request<Incoming>, peer: &Peer) -> Answer {
    let from = peer.from;
    let path = request.uri().path().to_owned();
    let named = identity(&path, &shared.settings.path);
    let admitted = match &named {
        Ok(charger) => admit(&shared, charger, &mut request, peer).await,
        Err(BadPath::NotFound) => Err(Refusal::new("not_found", StatusCode::NOT_FOUND, "not found\n")),
        Err(BadPath::BadIdentity(why)) => Err(Refusal::new("bad_identity", StatusCode::BAD_REQUEST, why)),
    };
    match admitted {
        Ok(answer) => answer,
        Err(refusal) => {
            shared.metrics.charger_connected(refusal.result);
            // A wrong path and a missing rule are everybody's first mistakes; a flood of them is not
            // worth a full disk.
            if shared.refusals.take(Instant::now()) {
                let (result, status) = (refusal.result, refusal.status.as_u16());
                let why = refusal.why.trim_end();
                match result {
                    "not_found" => {
                        let expected = &shared.settings.path;
                        tracing::warn!(%from, result, status, path, "refused: the path does not begin with {expected}");
                    }
                    _ => {
                        let charger = named.as_ref().ok().map(ChargerId::as_str);
                        tracing::warn!(charger, %from, result, status, path, "refused: {why}");
                    }
                }
            }
            let mut answer = Response::new(Full::from(refusal.text));
            *answer.status_mut() = refusal.status;
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            // Said here alone: asked of the whole connection, it would stand beside `Upgrade` in the
            // 101, too, and strict chargers refuse that.
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer.headers_mut().extend(refusal.hint.map(Hint::header));
            answer
        }
    }
}

async fn admit(
    shared: &Arc<Shared>,
    charger: &ChargerId,
    request: &mut Request<Incoming>,
    peer: &Peer,
) -> Result<Answer, Refusal> {
    let (from, begun) = (peer.from, Instant::now());
    let key = websocket_key(request)?;
    if shared.is_draining() {
        return Err(Refusal::later("stopping", "the proxy is stopping\n"));
    }
    let served = shared.served.load_full();
    let entered = shared.entrance.check(&served, &shared.store, charger, peer, request.headers()).await;
    entered.map_err(Refusal::from)?;
    if let Some(remaining) = shared.quarantine.remaining(charger, Instant::now()) {
        return Err(Refusal::kept_out(remaining));
    }
    if !shared.handshakes.take(Instant::now()) {
        return Err(Refusal::later("rate_limited", "too many chargers at once\n"));
    }
    let offer = Offer::read(request.headers());
    let sent = sent(request.headers());
    let upgrade = hyper::upgrade::on(&mut *request);
    let verdict = match &offer {
        Offer::NoneInCommon => Verdict::NoCommonVersion,
        offer => knock(shared, charger, offer, from, sent.as_ref()).await,
    };
    let subprotocol = match verdict {
        Verdict::Welcome(version) => {
            let certificate = peer.certificate.as_ref().map(|certificate| certificate.fingerprint);
            tokio::spawn(hand_over(shared.clone(), charger.clone(), upgrade, from, sent, certificate));
            offer.answer(version)
        }
        // Not an HTTP error: the handshake is completed without the header, then closed (F-64).
        Verdict::NoCommonVersion => {
            if shared.refusals.take(Instant::now()) {
                tracing::warn!(%charger, %from, "no OCPP version in common");
            }
            shared.metrics.charger_connected("bad_subprotocol");
            tokio::spawn(turn_away(upgrade));
            None
        }
        Verdict::LeaderDown => return Err(Refusal::later("leader_down", "backoffice not available\n")),
        Verdict::Unproved => {
            let (entrance, store) = (&shared.entrance, &shared.store);
            entrance.proves_nothing(store, charger, from, sent.is_some(), begun);
            entrance.tarpit(begun).await;
            return Err(Refusal::unproved(WhyNot::RefusedByBackoffice.text()));
        }
        Verdict::StoreFailed => return Err(Refusal::later("store_failed", "the proxy cannot store\n")),
        Verdict::Stopping => return Err(Refusal::later("stopping", "the proxy is stopping\n")),
        Verdict::Duplicate => {
            let text = "this charger is connected from another address\n";
            return Err(Refusal::new("duplicate_refused", StatusCode::CONFLICT, text));
        }
        Verdict::NotServed => {
            return Err(Refusal::new("unknown_charger", StatusCode::NOT_FOUND, "not found\n"));
        }
    };
    Ok(switching_protocols(&key, subprotocol))
}

/// Checks the request of RFC 6455 §4.2.1, and gives what `Sec-WebSocket-Accept` is made from.
/// A missing `Connection: Upgrade` and a key of an odd length are tolerated (semantics F-69).
fn websocket_key(request: &Request<Incoming>) -> Result<Vec<u8>, Refusal> {
    let bad = |text| Refusal::new("bad_request", StatusCode::BAD_REQUEST, text);
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != HttpVersion::HTTP_11 {
        return Err(bad("a WebSocket handshake is GET with HTTP/1.1\n"));
    }
    // Where a body ends whoever stands in front may see differently: what is behind it is not ours to guess.
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(TRANSFER_ENCODING);
    if has_body {
        return Err(bad("a WebSocket handshake has no body\n"));
    }
    if !lists_websocket(headers) {
        let refusal =
            Refusal::new("bad_request", StatusCode::UPGRADE_REQUIRED, "this is for WebSocket clients\n");
        return Err(refusal.with(Hint::Upgrade));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) != Some(b"13") {
        let refusal =
            Refusal::new("bad_request", StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 only\n");
        return Err(refusal.with(Hint::Version));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes().trim_ascii());
    match key {
        Some(key) if !key.is_empty() && key.len() <= KEY_BYTES => Ok(key.to_vec()),
        _ => Err(bad("no usable Sec-WebSocket-Key\n")),
    }
}

fn lists_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).into_iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// No extension is ever negotiated, whatever is offered.
fn switching_protocols(key: &[u8], subprotocol: Option<&'static str>) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key)).expect("base64 is plain ASCII");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(token) = subprotocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(token));
    }
    answer
}

/// The one `Authorization` header; what comes twice nobody can understand.
fn sent(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let mut value = values.next().filter(|_| values.next().is_none())?.clone();
    value.set_sensitive(true);
    Some(value)
}

/// Asks the charger's task, which dials the leader first.
async fn knock(
    shared: &Arc<Shared>,
    charger: &ChargerId,
    offer: &Offer,
    from: IpAddr,
    sent: Option<&HeaderValue>,
) -> Verdict {
    for _ in 0..KNOCKS {
        let (reply, verdict) = oneshot::channel();
        let knock = Knock { from, versions: offer.versions().to_vec(), sent: sent.cloned(), reply };
        // An ending task takes no more messages, or drops the knock: then there will be another one.
        let _ = Fleet::enter(shared, charger).unbounded_send(Control::Knock(knock));
        if let Ok(verdict) = verdict.await {
            return verdict;
        }
    }
    Verdict::LeaderDown
}

/// Brings the socket of a charger that was let in to its task.
async fn hand_over(
    shared: Arc<Shared>,
    charger: ChargerId,
    upgrade: OnUpgrade,
    from: IpAddr,
    sent: Option<HeaderValue>,
    certificate: Option<Fingerprint>,
) {
    match upgraded(upgrade).await {
        Some(socket) => {
            // When the task has ended meanwhile the charger finds its socket closed and dials again.
            let arrival = Box::new(Arrival { socket, from, sent, certificate });
            let _ = Fleet::enter(&shared, &charger).unbounded_send(Control::Arrived(arrival));
        }
        None => shared.metrics.charger_connected("aborted"),
    }
}

/// Closes the socket of a charger with which no version is shared.
async fn turn_away(upgrade: OnUpgrade) {
    if let Some(mut socket) = upgraded(upgrade).await {
        socket.close(1002, "no OCPP version in common");
        task::see_off(socket, CLOSE_TIMEOUT).await;
    }
}

async fn upgraded(upgrade: OnUpgrade) -> Option<Socket> {
    let upgraded: Upgraded = timeout(ARRIVAL_TIMEOUT, upgrade).await.ok()?.ok()?;
    // The listener serves nothing else.
    let parts = upgraded.downcast::<TokioIo<Wire>>().ok()?;
    let mut wire = parts.io.into_inner();
    wire.put_back(&parts.read_buf);
    wire.follow(Framing::of_frames());
    let stream = WebSocketStream::from_raw_socket(wire, Role::Server, Some(charger_socket())).await;
    Some(Socket::new(stream, CHARGER_QUEUE_BYTES))
}

/// Tells a connection that there is no room even for a handshake, without waiting for its request.
pub(crate) fn refuse_at_the_door(stream: &TcpStream) {
    let wait = fastrand::u32(RETRY_AFTER_S);
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {wait}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    // A fresh socket has room for it; if not, closing says enough.
    let _ = stream.try_write(answer.as_bytes());
}
