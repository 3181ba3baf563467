//! Opening a link: name, TCP, TLS, WebSocket handshake, all within one time limit. Redirects are not
//! followed, and credentials go nowhere but to the configured URL (semantics F-66, F-68, §1.10).

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{ChargerId, DialFailure};
use hyper::header::{
    AUTHORIZATION, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, http::Uri};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::framing::Framing;
use crate::limits::{
    BACKOFFICE_QUEUE_BYTES, DIAL_ERROR_CHARACTERS, NEXT_PROOFS_S, RETRY_AFTER_BELIEVED_S, SLOW_FAILURE,
    SLOW_FAILURE_REMEMBERED, SOCKET_RECEIVE_BUFFER, SOCKET_SEND_BUFFER, backoffice_socket,
};
use crate::proofs::{Proof, Proofs, Tried};
use crate::routing::BackofficeSettings;
use crate::socket::Socket;
use crate::subprotocol::Version;
use crate::tls;
use crate::tunnel;
use crate::wire::Wire;

/// A dial under way; dropping it gives it up.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<Link, DialFailure>> + Send>>;

/// A link that is open.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its socket.
    pub(crate) socket: Box<Socket>,
    /// The version the backoffice chose.
    pub(crate) version: Version,
    /// With what it was let in.
    pub(crate) tried: Tried,
}

/// How one backoffice is reached, with what its TLS needs made ready.
pub(crate) struct Destination {
    pub(crate) settings: Arc<BackofficeSettings>,
    tls: Option<Result<TlsConnector, String>>,
    /// The latest dial, of whichever charger, failed, and took long to.
    slow_failure: Mutex<Option<(Instant, DialFailure)>>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Destination {
    /// Makes TLS ready if the URL asks for it.
    pub(crate) fn new(settings: Arc<BackofficeSettings>) -> Self {
        let secure = settings.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss://"));
        let tls = secure.then(|| tls::connector(&settings));
        Self { settings, tls, slow_failure: Mutex::default() }
    }

    /// Whether it has refused the charger's own header, which it alone can judge: that is no outage.
    pub(crate) fn refuses_header(&self, failure: &DialFailure) -> bool {
        self.settings.forward_authorization
            && matches!(failure, DialFailure::Refused { status: 401 | 403 | 404, .. })
    }

    /// Why a dial now would most probably be a long wait for nothing.
    pub(crate) fn slow_failure(&self, now: Instant) -> Option<DialFailure> {
        let latest = self.slow_failure.lock().unwrap_or_else(PoisonError::into_inner);
        let (failed_at, failure) = latest.as_ref()?;
        (now.saturating_duration_since(*failed_at) < SLOW_FAILURE_REMEMBERED).then(|| failure.clone())
    }

    /// Learns from a dial that began then. A refusal says something of one charger alone.
    fn learn(&self, begun: Instant, outcome: &Result<Link, DialFailure>) {
        let now = Instant::now();
        let learned =
            match outcome {
                Err(
                    failure @ (DialFailure::TimedOut | DialFailure::Unreachable(_) | DialFailure::Tls(_)),
                ) if now.saturating_duration_since(begun) >= SLOW_FAILURE => Some((now, failure.clone())),
                _ => None,
            };
        *self.slow_failure.lock().unwrap_or_else(PoisonError::into_inner) = learned;
    }

    /// Begins to dial for this charger, offering these versions.
    pub(crate) fn dial(
        self: &Arc<Self>,
        charger: &ChargerId,
        versions: &[Version],
        proofs: Proofs,
        limit: Duration,
    ) -> Dialing {
        let (destination, charger, versions) = (self.clone(), charger.clone(), versions.to_vec());
        Box::pin(async move {
            let begun = Instant::now();
            let mut refusal = None;
            let opened = destination.open(&charger, &versions, &proofs, limit, &mut refusal);
            let outcome = tokio::time::timeout(limit, opened).await.unwrap_or(Err(DialFailure::TimedOut));
            // Who refuses is there, however long he takes to.
            let outcome = match (outcome, refusal) {
                (Err(DialFailure::Refused { status, retry_after_s }), _) if !matches!(status, 401 | 403) => {
                    Err(DialFailure::Refused { status, retry_after_s })
                }
                (Err(_), Some(refusal)) => Err(later(refusal, proofs.are_left())),
                (outcome, _) => outcome,
            };
            destination.learn(begun, &outcome);
            outcome
        })
    }

    /// Goes on to the next proof when one is refused: of a key that was just changed nobody can know whether
    /// the backoffice has it already. What it refused last is told at once, since the time may be over at any moment.
    async fn open(
        &self,
        charger: &ChargerId,
        versions: &[Version],
        proofs: &Proofs,
        limit: Duration,
        refusal: &mut Option<DialFailure>,
    ) -> Result<Link, DialFailure> {
        let mut outcome = Err(DialFailure::TimedOut);
        for proof in proofs.next() {
            outcome = self.open_with(charger, versions, proof, limit).await;
            match &mut outcome {
                Ok(link) => {
                    link.tried = proofs.taken(proof);
                    break;
                }
                Err(failure @ DialFailure::Refused { status: 401 | 403, .. }) => {
                    proofs.refused(proof);
                    *refusal = Some(failure.clone());
                }
                Err(_) => break,
            }
        }
        outcome
    }

    async fn open_with(
        &self,
        charger: &ChargerId,
        versions: &[Version],
        proof: &Proof,
        limit: Duration,
    ) -> Result<Link, DialFailure> {
        let request = request(&self.settings, charger, versions, proof)?;
        let (host, port) = host_and_port(request.uri(), self.tls.is_some())?;
        let stream = self.reach(host, port, limit).await?;
        let mut wire = match &self.tls {
            None => Wire::plain(stream),
            Some(Err(why)) => return Err(DialFailure::Tls(why.clone())),
            Some(Ok(connector)) => {
                let name = self.settings.server_name.as_deref().unwrap_or(host);
                let name = ServerName::try_from(name.to_owned()).map_err(|_| {
                    DialFailure::Tls("the URL's host is no name for a certificate".to_owned())
                })?;
                Wire::tls(connector.connect(name, stream).await.map_err(|error| tls_failure(&error))?)
            }
        };
        wire.follow(Framing::after_handshake());
        let (stream, response) =
            client_async_with_config(request, wire, Some(backoffice_socket())).await.map_err(refusal)?;
        let version = chosen(&response, versions)?;
        // What the handshake needed goes with it; the wire gave it nothing that is behind the answer.
        let wire = stream.into_inner();
        let stream = WebSocketStream::from_raw_socket(wire, Role::Client, Some(backoffice_socket())).await;
        let socket = Box::new(Socket::new(stream, BACKOFFICE_QUEUE_BYTES));
        Ok(Link { socket, version, tried: Tried::default() })
    }

    /// A connection to the backoffice, or one that ends there.
    async fn reach(&self, host: &str, port: u16, limit: Duration) -> Result<TcpStream, DialFailure> {
        let Some(proxy) = &self.settings.proxy else { return connect(host, port, limit).await };
        let mut stream = connect(&proxy.host, proxy.port, limit).await.map_err(|failure| match failure {
            DialFailure::Unreachable(why) => {
                DialFailure::Unreachable(format!("the proxy {proxy} cannot be reached: {why}"))
            }
            other => other,
        })?;
        tunnel::open(&mut stream, proxy, host, port).await.map_err(DialFailure::Unreachable)?;
        Ok(stream)
    }
}

/// Unreserved characters stay as they are (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn request(
    settings: &BackofficeSettings,
    charger: &ChargerId,
    versions: &[Version],
    proof: &Proof,
) -> Result<Request, DialFailure> {
    let unusable =
        |what: &str| DialFailure::Unreachable(format!("{what} cannot be used; correct it in proxy.toml"));
    let identity = utf8_percent_encode(charger.as_str(), ESCAPED).to_string();
    let url = settings.url.replace("{charger}", &identity);
    let mut request = url.into_client_request().map_err(|_| unusable("the backoffice's url"))?;
    let offer = versions.iter().map(|version| version.token).collect::<Vec<_>>().join(", ");
    let offer = HeaderValue::from_str(&offer).expect("subprotocol tokens are plain ASCII");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
    if let Some(header) = &proof.header {
        request.headers_mut().insert(AUTHORIZATION, header.clone());
    }
    Ok(request)
}

fn host_and_port(uri: &Uri, secure: bool) -> Result<(&str, u16), DialFailure> {
    let host = uri
        .host()
        .ok_or_else(|| DialFailure::Unreachable("the backoffice's url names no host".to_owned()))?;
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
}

async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, DialFailure> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialFailure::Unreachable(format!("the name {host} has no address: {error}")))?
        .take(4)
        .collect();
    // An address that swallows everything must leave time for the next one.
    let each = limit / (addresses.len().max(1) as u32);
    let mut failure = DialFailure::Unreachable(format!("the name {host} has no address"));
    for address in addresses {
        failure = match tokio::time::timeout(each, connect_to(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => DialFailure::Unreachable(shortened(&error)),
            Err(_) => DialFailure::TimedOut,
        };
    }
    Err(failure)
}

async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_send_buffer_size(SOCKET_SEND_BUFFER)?;
    socket.set_recv_buffer_size(SOCKET_RECEIVE_BUFFER)?;
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

fn tls_failure(error: &std::io::Error) -> DialFailure {
    match error.get_ref().filter(|inner| inner.is::<rustls::Error>()) {
        Some(inner) => DialFailure::Tls(shortened(inner)),
        None => DialFailure::Unreachable(format!("the connection ended during the TLS handshake: {error}")),
    }
}

fn refusal(error: Error) -> DialFailure {
    match error {
        Error::Http(response) => {
            DialFailure::Refused { status: response.status().as_u16(), retry_after_s: retry_after(&response) }
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => DialFailure::Incompatible,
        Error::Io(error) => DialFailure::Unreachable(shortened(&error)),
        other => DialFailure::Unreachable(format!("no WebSocket handshake: {}", shortened(&other))),
    }
}

/// When there is something else to prove oneself with, the next dial does not wait as long as after a refusal that is
/// final, unless the backoffice asks for more.
fn later(refusal: DialFailure, are_left: bool) -> DialFailure {
    match refusal {
        DialFailure::Refused { status, retry_after_s } if are_left => {
            DialFailure::Refused { status, retry_after_s: Some(retry_after_s.unwrap_or(NEXT_PROOFS_S)) }
        }
        refusal => refusal,
    }
}

/// Seconds only: a date would need a clock that both sides agree on.
fn retry_after(response: &Response) -> Option<u32> {
    let seconds: u32 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(RETRY_AFTER_BELIEVED_S))
}

fn chosen(response: &Response, offered: &[Version]) -> Result<Version, DialFailure> {
    if response.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        // RFC 6455 §4.1: an extension that was not offered fails the connection.
        return Err(DialFailure::Unreachable(
            "it chose a WebSocket extension that was not offered".to_owned(),
        ));
    }
    let token = response.headers().get(SEC_WEBSOCKET_PROTOCOL).map(|value| value.as_bytes());
    let version = offered.iter().find(|version| Some(version.token.as_bytes()) == token);
    version.copied().ok_or(DialFailure::Incompatible)
}

fn shortened(error: &(impl fmt::Display + ?Sized)) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(DIAL_ERROR_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proofs::basic;
    use crate::subprotocol::OCPP_16;

    fn settings(url: &str) -> BackofficeSettings {
        BackofficeSettings::new(url.to_owned())
    }

    fn proofs() -> Proofs {
        Proofs::only(Some(basic("CP 1/ä", "s3:CP 1/ä".as_bytes())))
    }

    #[test]
    fn the_request_names_the_charger_and_the_version() {
        let settings = settings("ws://acme.example/ocpp16/{charger}?tenant=7");
        let proofs = proofs();
        let proof = proofs.next().next().unwrap();
        let request = request(&settings, &ChargerId::from("CP 1/ä"), &[OCPP_16], proof).unwrap();
        assert_eq!(request.uri().to_string(), "ws://acme.example/ocpp16/CP%201%2F%C3%A4?tenant=7");
        assert_eq!(request.headers()[SEC_WEBSOCKET_PROTOCOL], "ocpp1.6");
        assert_eq!(request.headers()[AUTHORIZATION], "Basic Q1AgMS/DpDpzMzpDUCAxL8Ok");
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        assert!(!request.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS));
    }

    #[test]
    fn a_url_without_the_charger_stays_as_it_is() {
        let (proofs, settings) = (Proofs::only(None), settings("ws://acme.example/fixed"));
        let proof = proofs.next().next().unwrap();
        let request = request(&settings, &ChargerId::from("CP1"), &[OCPP_16], proof).unwrap();
        assert_eq!(request.uri().path(), "/fixed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_slowly_is_remembered_for_a_while_and_what_failed_at_once_is_not() {
        let dial = |destination: &Arc<Destination>| {
            destination.dial(&ChargerId::from("CP1"), &[OCPP_16], proofs(), Duration::from_secs(5))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silent = Arc::new(Destination::new(Arc::new(settings(&format!("ws://{address}/{{charger}}")))));
        assert_eq!(silent.slow_failure(Instant::now()), None);
        assert_eq!(dial(&silent).await.unwrap_err(), DialFailure::TimedOut);
        let failed = Instant::now();
        assert_eq!(silent.slow_failure(failed), Some(DialFailure::TimedOut));
        assert_eq!(silent.slow_failure(failed + SLOW_FAILURE_REMEMBERED), None);
        drop(listener);
        assert!(matches!(dial(&silent).await, Err(DialFailure::Unreachable(_))));
        assert_eq!(silent.slow_failure(Instant::now()), None, "the next one learns at once, too");
    }

    /// Answers the handshake that comes next with a refusal; what it was shown.
    async fn refuse(listener: &tokio::net::TcpListener) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = listener.accept().await.unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let request = String::from_utf8(request).unwrap();
        let shown = request.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
        });
        shown.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_refuses_slowly_is_shown_the_next_password_by_the_next_dial() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let destination = Arc::new(Destination::new(Arc::new(settings(&url))));
        let headers = ["one", "two", "three"].map(|password| basic("CP1", password.as_bytes()));
        let proofs = Proofs::of(&headers);
        let dial =
            || destination.dial(&ChargerId::from("CP1"), &[OCPP_16], proofs.clone(), Duration::from_secs(5));
        let refused = |retry_after_s| DialFailure::Refused { status: 401, retry_after_s };
        // One is refused, and of the other nothing is heard as long as the dial may take.
        let silent = async {
            let shown = refuse(&listener).await;
            (shown, listener.accept().await.unwrap())
        };
        let (failed, (shown, _held)) = tokio::join!(dial(), silent);
        assert_eq!(
            (failed.unwrap_err(), shown),
            (refused(Some(NEXT_PROOFS_S)), headers[0].to_str().unwrap().to_owned())
        );
        assert_eq!(destination.slow_failure(Instant::now()), None, "it is there for every other charger");
        let both = async { [refuse(&listener).await, refuse(&listener).await] };
        let (failed, shown) = tokio::join!(dial(), both);
        assert_eq!(failed.unwrap_err(), refused(None), "nothing is left");
        assert_eq!(shown, [&headers[1], &headers[2]].map(|header| header.to_str().unwrap().to_owned()));
        let (_, shown) = tokio::join!(dial(), async { [refuse(&listener).await, refuse(&listener).await] });
        assert_eq!(shown[0], headers[0].to_str().unwrap(), "once more from the first");
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_bounded() {
        let cases: &[(&str, Option<u32>)] =
            &[("5", Some(5)), (" 60 ", Some(60)), ("999999", Some(3600)), ("-1", None), ("soon", None)];
        for (value, expected) in cases {
            let response = hyper::Response::builder().header(RETRY_AFTER, *value).body(None).unwrap();
            assert_eq!(retry_after(&response), *expected, "{value}");
        }
        assert_eq!(cases.len(), 5);
    }
}
