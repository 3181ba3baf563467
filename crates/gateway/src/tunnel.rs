//! A way to a backoffice through an HTTP proxy, for networks that let nothing else out (RFC 9110 §9.3.6).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::limits::{REQUEST_HEADERS, TUNNEL_HEAD_BYTES};
use crate::routing::ForwardProxy;

/// Asks the proxy at the other end of `stream` to pass everything on to this host, and takes its answer. The
/// proxy looks the name up. The error says what became of it.
pub(crate) async fn open(
    stream: &mut TcpStream,
    proxy: &ForwardProxy,
    host: &str,
    port: u16,
) -> Result<(), String> {
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let ended = |error: std::io::Error| format!("the proxy {proxy} ended the connection: {error}");
    stream.write_all(request.as_bytes()).await.map_err(ended)?;
    // Not a byte more: what comes after it is the backoffice's.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= TUNNEL_HEAD_BYTES {
            return Err(format!("the proxy {proxy} gave an answer without end"));
        }
        head.push(stream.read_u8().await.map_err(ended)?);
    }
    let mut headers = [httparse::EMPTY_HEADER; REQUEST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    match (answer.parse(&head), answer.code) {
        (Ok(_), Some(200..=299)) => Ok(()),
        (Ok(_), Some(status)) => Err(format!("the proxy {proxy} refused the tunnel with {status}")),
        _ => Err(format!("the proxy {proxy} does not answer as an HTTP proxy does")),
    }
}
