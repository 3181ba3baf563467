//! The admin listener: `/metrics`, `/healthz`, `/readyz`.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::limits::{
    ACCEPT_PAUSE, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS, HEADER_READ_TIMEOUT, REQUEST_HEAD_BYTES,
    REQUEST_HEADERS,
};
use crate::shared::Shared;

/// Serves until the task is ended.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
    loop {
        // Further connections wait in the kernel's queue; every one of these ends within its limit.
        let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot accept on the admin listener");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&shared, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_READ_TIMEOUT)
                .max_buf_size(REQUEST_HEAD_BYTES)
                .max_headers(REQUEST_HEADERS)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off is no concern of ours.
            let _ = timeout(ADMIN_CONNECTION_TIMEOUT, connection).await;
            drop(permit);
        });
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned(), PLAIN);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/metrics" => {
            text(StatusCode::OK, shared.metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
        }
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned(), PLAIN),
        "/readyz" => readiness(shared),
        _ => text(
            StatusCode::NOT_FOUND,
            "not found; there are /metrics, /healthz and /readyz\n".to_owned(),
            PLAIN,
        ),
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// The listeners are bound before this is served, and a refused configuration leaves the former one
/// in force: what remains is the store and the drain.
fn readiness(shared: &Shared) -> Response<Full<Bytes>> {
    let mut reasons = Vec::new();
    if shared.is_draining() {
        reasons.push("draining: the program is stopping".to_owned());
    }
    if let Err(why) = shared.store.is_writable() {
        reasons.push(format!("store is not writable: {why}"));
    }
    let ready = reasons.is_empty();
    let body = serde_json::json!({ "ready": ready, "reasons": reasons });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, format!("{body}\n"), "application/json")
}

fn text(status: StatusCode, body: String, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
