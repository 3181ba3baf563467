//! The door for chargers: an accept loop of our own, because every ready-made one leaves the header
//! timer off and a half-sent request open for ever.

mod places;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::places::{Place, Places};
use crate::front::{self, NotHeard};
use crate::gateway::StartError;
use crate::handshake;
use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_PAUSE, ARRIVAL_TIMEOUT, CHALLENGE_TIMEOUT, HEADER_READ_TIMEOUT,
    LEADER_DIAL_TIMEOUT, REQUEST_HEAD_BYTES, REQUEST_HEADERS, SOCKET_RECEIVE_BUFFER, SOCKET_SEND_BUFFER,
    TLS_HANDSHAKE_TIMEOUT,
};
use crate::peer::Peer;
use crate::shared::Shared;
use crate::wire::Wire;

/// A listener and where it is.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Listens; `key` is the address's key in `proxy.toml`.
pub(crate) fn bind(address: SocketAddr, key: &'static str) -> Result<Bound, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        // Accepted sockets take these over.
        socket.set_send_buffer_size(SOCKET_SEND_BUFFER)?;
        socket.set_recv_buffer_size(SOCKET_RECEIVE_BUFFER)?;
        socket.bind(address)?;
        let listener = socket.listen(ACCEPT_BACKLOG)?;
        Ok(Bound { address: listener.local_addr()?, listener })
    };
    listen().map_err(|cause: io::Error| {
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => "stop the program that uses the port, or choose another port",
            io::ErrorKind::PermissionDenied => "choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine, or 0.0.0.0 for all",
            _ => "correct the address",
        };
        StartError::Listen { address, key, cause, remedy }
    })
}

/// Whether a listener speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Plain,
    Tls,
}

/// Accepts chargers until the task is ended.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, door: Door) {
    let most = shared.settings.half_open_handshakes;
    let half_open = Arc::new(Semaphore::new(most));
    let places = Arc::new(Places::default());
    let mut failing = false;
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_of_one_connection(&error) {
                    continue;
                }
                // Once, not ten times a second for as long as it lasts.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "cannot accept chargers; raise the limit of open files");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut failing) {
            tracing::info!("accepting chargers again");
        }
        let permit = match half_open.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            // Whoever has not even asked yet makes room: a flood of silent connections must not keep
            // out those who ask. The place is free as soon as the task has ended.
            Err(_) if places.make_room() => {
                shared.metrics.charger_connected("rate_limited");
                half_open.clone().acquire_owned().await.ok()
            }
            Err(_) => None,
        };
        let Some(permit) = permit else {
            shared.metrics.charger_connected("rate_limited");
            // Whoever speaks TLS could not read it.
            if door == Door::Plain {
                handshake::refuse_at_the_door(&stream);
            }
            continue;
        };
        let place = places.enter(from.ip());
        let name = place.name();
        let serving = serve_connection(shared.clone(), stream, from, door, permit, place);
        // On the heap: of a task that has ended its handle keeps all but that.
        let task = tokio::spawn(Box::pin(serving));
        places.may_end(name, task.abort_handle());
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve_connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    door: Door,
    permit: OwnedSemaphorePermit,
    mut place: Place,
) {
    // Only fails on a socket that is gone, which reading will find out.
    let _ = stream.set_nodelay(true);
    let begun = Instant::now();
    let mut origin = from.ip().to_canonical();
    let opening = open(&shared, stream, from, door, &mut origin, &mut place);
    let opened = tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, opening).await;
    let (wire, peer) = match opened.unwrap_or(Err(NotOpened::TooSlow)) {
        Ok(opened) => opened,
        Err(why) => return not_opened(&shared, origin, door, &why),
    };
    // Without TLS all this is one wait for a request.
    let header_read_timeout = match door {
        Door::Plain => HEADER_READ_TIMEOUT.saturating_sub(begun.elapsed()),
        Door::Tls => HEADER_READ_TIMEOUT,
    };
    let service = service_fn(|request| {
        place.asked();
        let (shared, peer) = (shared.clone(), &peer);
        async move { Ok::<_, Infallible>(handshake::answer(shared, request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read_timeout)
        .max_buf_size(REQUEST_HEAD_BYTES)
        .max_headers(REQUEST_HEADERS)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    let limit = HEADER_READ_TIMEOUT + CHALLENGE_TIMEOUT + LEADER_DIAL_TIMEOUT + ARRIVAL_TIMEOUT;
    match tokio::time::timeout(limit, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(from = %peer.from, %error, "a connection ended before its handshake")
        }
        Err(_) => tracing::debug!(from = %peer.from, "a connection did not finish its handshake in time"),
    }
    drop(permit);
}

/// Why no request was read from a connection.
#[derive(Debug, thiserror::Error)]
enum NotOpened {
    #[error("{0}")]
    NotHeard(#[from] NotHeard),
    #[error("the TLS handshake failed: {0}")]
    Tls(#[from] io::Error),
    #[error("it did not begin in time")]
    TooSlow,
}

/// Makes of a connection what requests come over, and learns who is at its other end: `origin`, as soon as that
/// is known, and the rest with what is returned.
async fn open(
    shared: &Shared,
    mut stream: TcpStream,
    from: SocketAddr,
    door: Door,
    origin: &mut IpAddr,
    place: &mut Place,
) -> Result<(Wire, Peer), NotOpened> {
    *origin = front::origin(&shared.settings.proxy_protocol, &mut stream, from).await?;
    place.comes_from(*origin);
    let mut peer = Peer::plain(*origin);
    // Each connection takes what is in force when it comes.
    let listening = shared.listening.load_full().filter(|_| door == Door::Tls);
    let Some((listening, threads)) = listening.zip(shared.handshake_threads.as_ref()) else {
        return Ok((Wire::plain(stream), peer));
    };
    let (wire, certificate) = threads.run(*origin, listening.accept(stream)).await?;
    peer.over_tls = true;
    peer.certificate = certificate;
    Ok((wire, peer))
}

/// Whoever scans ports is not worth a full disk.
fn not_opened(shared: &Shared, from: IpAddr, door: Door, why: &NotOpened) {
    let result = match why {
        NotOpened::NotHeard(NotHeard::Silent) => return tracing::debug!(%from, "{why}"),
        NotOpened::NotHeard(_) => "proxy_protocol",
        NotOpened::TooSlow if door == Door::Plain => return tracing::debug!(%from, "{why}"),
        NotOpened::Tls(_) | NotOpened::TooSlow => "tls_failed",
    };
    shared.metrics.charger_connected(result);
    if shared.refusals.take(Instant::now()) {
        tracing::warn!(%from, result, "refused: {why}");
    }
}
