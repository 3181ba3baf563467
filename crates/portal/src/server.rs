//! The door for browsers: an accept loop of our own, because every ready-made one leaves the header timer
//! off and a half-sent request open for ever.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::Redirect;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::access::{guard, headers};
use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_PAUSE, CONNECTIONS, HEADER_READ_TIMEOUT, REQUEST_HEAD_BYTES, REQUEST_HEADERS,
};
use crate::portal::StartError;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::{api, assets, export, pages, tail};

/// A listener and where it is.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Listens.
pub(crate) fn bind(address: SocketAddr) -> Result<Bound, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(ACCEPT_BACKLOG)?;
        Ok(Bound { address: listener.local_addr()?, listener })
    };
    listen().map_err(|cause: io::Error| {
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => {
                "stop the program that uses the port, choose another port, or set it to \"off\""
            }
            io::ErrorKind::PermissionDenied => "choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
            io::ErrorKind::AddrNotAvailable => {
                "use an address of this machine, or 127.0.0.1 for itself alone"
            }
            _ => "correct the address",
        };
        StartError::Listen { address, cause, remedy }
    })
}

/// Every page and the API. Whatever is added to `guarded` is for people who are logged in, and its POSTs
/// for operators.
pub(crate) fn router(state: AppState) -> Router {
    let guarded = Router::new()
        .route("/", get(async || Redirect::to("/chargers")))
        .merge(pages::chargers::routes())
        .merge(pages::proxy::routes())
        .merge(pages::logs::routes())
        .merge(pages::transactions::routes())
        .merge(pages::why::routes())
        .merge(pages::knocking::routes())
        .merge(pages::switch::routes())
        .merge(pages::login::logout())
        .merge(tail::routes())
        .merge(export::routes())
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard));
    // Programs prove who they are with a token, and have no cookie that a site could ride on.
    let open = Router::new().merge(pages::login::routes()).merge(assets::routes()).merge(api::routes());
    guarded
        .merge(open)
        .fallback(async || {
            Refusal::not_found("There is no such page", "Check the address, or begin with the chargers.")
        })
        .layer(middleware::from_fn_with_state(state.clone(), guard::frame_refusals))
        .layer(middleware::from_fn(headers::add))
        .with_state(state)
}

/// The running server. Ends with its handle.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    room: Arc<Semaphore>,
    ending: watch::Sender<bool>,
}

impl Server {
    pub(crate) fn start(bound: Bound, state: AppState) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let ending = watch::Sender::new(false);
        let accepting = accept(bound.listener, router(state), room.clone(), ending.clone());
        Self { address: bound.address, accepting: tokio::spawn(accepting), room, ending }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn drain(self, deadline: Duration) {
        self.accepting.abort();
        self.ending.send_replace(true);
        let everyone = u32::try_from(CONNECTIONS).expect("a few hundred");
        let _ = tokio::time::timeout(deadline, self.room.acquire_many(everyone)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, room: Arc<Semaphore>, ending: watch::Sender<bool>) {
    loop {
        // Further connections wait in the kernel's queue.
        let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, from)) => {
                tokio::spawn(serve(stream, from, router.clone(), permit, ending.subscribe()));
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a browser");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    permit: OwnedSemaphorePermit,
    mut ending: watch::Receiver<bool>,
) {
    // Only fails on a socket that is gone, which reading will find out.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(from))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(REQUEST_HEAD_BYTES)
        .max_headers(REQUEST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A browser that breaks off is no concern of ours.
        _ = connection.as_mut() => {}
        () = ended(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(permit);
}

/// Resolves when the server ends.
async fn ended(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ends| *ends).await;
}
