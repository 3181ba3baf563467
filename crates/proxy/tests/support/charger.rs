//! A charger of our own, for what the libraries of others do not let a test do: odd handshakes, big
//! frames, many thousands of messages, several sockets at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use super::PATIENCE;
use super::peer::Frame;

/// One socket of a charger. Answers the proxy's calls with `{"status":"Accepted"}`.
#[derive(Debug)]
pub struct RawCharger {
    socket: WebSocket<TcpStream>,
    next_id: u64,
    /// What the handshake agreed on.
    pub subprotocol: Option<String>,
}

impl RawCharger {
    /// Connects and offers OCPP 1.6.
    pub fn connect(proxy: SocketAddr, charger: &str) -> Self {
        Self::offer(proxy, charger, Some("ocpp1.6"))
            .unwrap_or_else(|status| panic!("{charger} was refused: {status}"))
    }

    /// Connects and offers these subprotocols, or none; the HTTP status when refused.
    pub fn offer(proxy: SocketAddr, charger: &str, protocols: Option<&str>) -> Result<Self, u16> {
        Self::dial(proxy, &format!("/ocpp/{charger}"), protocols)
    }

    /// Connects to any path. The handshake is written by hand, because a library refuses what some tests ask for.
    pub fn dial(proxy: SocketAddr, path: &str, protocols: Option<&str>) -> Result<Self, u16> {
        Self::dial_with(proxy, path, protocols, "")
    }

    /// The same, with more headers, each with its end.
    pub fn dial_with(
        proxy: SocketAddr,
        path: &str,
        protocols: Option<&str>,
        headers: &str,
    ) -> Result<Self, u16> {
        let mut socket = TcpStream::connect(proxy).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let offer = protocols.map(|names| format!("Sec-WebSocket-Protocol: {names}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {proxy}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}{headers}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut socket);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an HTTP status");
        if status != 101 {
            return Err(status);
        }
        // The answer to that key in RFC 6455 §1.3.
        assert_eq!(header(&head, "Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert_eq!(header(&head, "Sec-WebSocket-Extensions"), None, "{head}");
        assert!(
            header(&head, "Connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")),
            "{head}"
        );
        let subprotocol = header(&head, "Sec-WebSocket-Protocol").map(str::to_owned);
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let socket = WebSocket::from_raw_socket(socket, Role::Client, Some(config));
        Ok(Self { socket, next_id: 1, subprotocol })
    }

    /// Sends a CALL; its message id.
    pub fn say(&mut self, action: &str, payload: &Value) -> String {
        let id = format!("raw-{}", self.next_id);
        self.next_id += 1;
        self.say_text(json!([2, id, action, payload]).to_string());
        id
    }

    /// Sends any text.
    pub fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends a CALL and waits for its answer.
    pub fn call(&mut self, action: &str, payload: &Value) -> Value {
        let id = self.say(action, payload);
        loop {
            let frame = self
                .hear()
                .unwrap_or_else(|code| panic!("closed with {code:?} before {action} was answered"));
            if frame.kind == 2 {
                self.say_text(json!([3, frame.id, {"status": "Accepted"}]).to_string());
            } else if frame.id == id {
                assert_eq!(frame.kind, 3, "{action} was answered by {}", frame.text);
                return frame.payload;
            } else {
                panic!("an answer to nothing that was asked: {}", frame.text);
            }
        }
    }

    /// The next frame, or the close code with which the socket ended.
    pub fn hear(&mut self) -> Result<Frame, Option<u16>> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(Frame::parse(&text).expect("an OCPP-J frame")),
                Ok(Message::Close(close)) => return Err(close.map(|close| close.code.into())),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing was heard for {PATIENCE:?}")
                }
                Err(_) => return Err(None),
            }
        }
    }

    /// Closes the socket and says why.
    pub fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        self.socket.close(Some(frame)).unwrap();
        self.wait_closed();
    }

    /// Waits for the end of the socket; its close code. Answers nothing on the way.
    pub fn wait_closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.hear() {
                return code;
            }
        }
    }
}

/// The head of an HTTP answer, and not a byte of what follows it.
fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("the rest of the handshake's answer");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A header of an HTTP answer.
fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}
