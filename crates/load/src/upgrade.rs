//! The handshake that turns HTTP into a WebSocket (RFC 6455 §4), as both sides see it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

/// Any 16 bytes will do: nothing caches here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What the key is answered with (RFC 6455 §1.3 has the same pair).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a charger asks.
pub(crate) fn request(host: &str, charger: &str) -> String {
    format!(
        "GET /ocpp/{charger} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    )
}

/// Where the head of a request or an answer ends; `None` when more has to be read.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The status of an answer to [`request`]; 101 only when it agrees to all that was asked.
pub(crate) fn status(head: &str) -> Option<u16> {
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let agreed = header(head, "sec-websocket-accept") == Some(ACCEPT)
        && header(head, "sec-websocket-protocol") == Some("ocpp1.6");
    (status != 101 || agreed).then_some(status)
}

/// How a backoffice agrees, and which charger asks; `None` for what is no such request.
pub(crate) fn agree(head: &str) -> Option<(String, &str)> {
    let charger = head.split(' ').nth(1)?.rsplit('/').next()?;
    let key = header(head, "sec-websocket-key")?;
    header(head, "sec-websocket-protocol")?.split(',').find(|version| version.trim() == "ocpp1.6")?;
    let accept = BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(SUFFIX).finalize());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    );
    Some((answer, charger))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_understand_each_other() {
        let request = request("127.0.0.1:1", "L01-00007");
        assert_eq!(head_length(request.as_bytes()), Some(request.len()));
        let (answer, charger) = agree(&request).unwrap();
        assert_eq!(charger, "L01-00007");
        assert_eq!(status(&answer), Some(101));
    }

    #[test]
    fn whoever_agrees_to_something_else_has_not_agreed() {
        let (answer, _) = agree(&request("127.0.0.1:1", "L01-00007")).unwrap();
        assert_eq!(status(&answer.replace("ocpp1.6", "ocpp2.0.1")), None);
        assert_eq!(status(&answer.replace("s3pPL", "t3pPL")), None);
        assert_eq!(status("HTTP/1.1 503 Service Unavailable\r\n\r\n"), Some(503));
        assert_eq!(agree("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
    }
}
