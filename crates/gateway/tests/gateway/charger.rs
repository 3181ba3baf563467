//! A charger made of raw bytes, so that it can also do what no library would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(crate) struct Charger {
    pub(crate) stream: TcpStream,
    pub(crate) status: u16,
    head: String,
}

/// A WebSocket frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code and text of a close frame.
    pub(crate) fn closed(&self) -> (u16, &str) {
        assert_eq!(self.opcode, 8, "{self:?}");
        let code = u16::from_be_bytes([self.payload[0], self.payload[1]]);
        (code, std::str::from_utf8(&self.payload[2..]).unwrap())
    }
}

impl Charger {
    /// Offers OCPP 1.6 as most chargers do.
    pub(crate) async fn dial(gateway: SocketAddr, name: &str) -> Charger {
        let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n");
        Charger::request(gateway, "127.0.0.1", &format!("GET /ocpp/{name} HTTP/1.1"), &headers).await
    }

    pub(crate) async fn dial_from(gateway: SocketAddr, from: &str, name: &str) -> Charger {
        let headers = format!("{UPGRADE}Sec-WebSocket-Protocol: ocpp1.6\r\n");
        Charger::request(gateway, from, &format!("GET /ocpp/{name} HTTP/1.1"), &headers).await
    }

    pub(crate) async fn request(gateway: SocketAddr, from: &str, line: &str, headers: &str) -> Charger {
        let mut stream = connect(gateway, from).await;
        let request = format!("{line}\r\nHost: gateway\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Charger::answered(stream).await
    }

    /// Reads the head of the answer and not a byte more.
    pub(crate) async fn answered(mut stream: TcpStream) -> Charger {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Charger { stream, status, head }
    }

    /// The head of the answer.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// The value of a header of the answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Sends a frame with this first byte, masked with zeros.
    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        // The gateway may have closed before it has read everything.
        let _ = self.stream.write_all(&frame).await;
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        let first = self.stream.read_u8().await.unwrap();
        let length = match self.stream.read_u8().await.unwrap() {
            126 => usize::from(self.stream.read_u16().await.unwrap()),
            127 => self.stream.read_u64().await.unwrap() as usize,
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.unwrap();
        Frame { opcode: first & 0x0f, payload }
    }

    /// The gateway answers a ping: the socket is served.
    pub(crate) async fn assert_served(&mut self) {
        self.send(0x89, b"there?").await;
        loop {
            let frame = self.frame().await;
            if frame.opcode == 10 {
                assert_eq!(frame.payload, b"there?");
                return;
            }
            assert_ne!(frame.opcode, 8, "closed: {:?}", frame.closed());
        }
    }

    /// Reads until the close frame.
    pub(crate) async fn closed(&mut self) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.opcode == 8 {
                return frame;
            }
        }
    }
}

pub(crate) async fn connect(gateway: SocketAddr, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    socket.connect(gateway).await.unwrap()
}
