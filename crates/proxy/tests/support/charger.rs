//! A charger of our own, for what the libraries of others do not let a test do: odd handshakes, big
//! frames, many thousands of messages, several sockets at once.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use super::PATIENCE;
use super::peer::Frame;

/// One socket of a charger. Answers the proxy's calls with `{"status":"Accepted"}`.
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

    /// Connects to any path.
    pub fn dial(proxy: SocketAddr, path: &str, protocols: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{proxy}{path}").into_client_request().unwrap();
        if let Some(protocols) = protocols {
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_str(protocols).unwrap());
        }
        let socket = TcpStream::connect(proxy).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match client::client_with_config(request, socket, Some(config)) {
            Ok((socket, answer)) => {
                let subprotocol = answer.headers().get("Sec-WebSocket-Protocol");
                let subprotocol = subprotocol.map(|value| value.to_str().unwrap().to_owned());
                Ok(Self { socket, next_id: 1, subprotocol })
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("the handshake failed: {error}"),
        }
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

    /// Waits for the end of the socket; its close code. Answers nothing on the way.
    pub fn wait_closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.hear() {
                return code;
            }
        }
    }
}
