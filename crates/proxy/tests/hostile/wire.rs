//! One WebSocket by hand, for either end of it: no library sends what a hostile peer sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::support::PATIENCE;

/// What the other end brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of text.
    Text(String),
    /// A close frame, and its code if it has one.
    Closed(Option<u16>),
    /// The end of the connection without a close frame.
    Gone,
}

/// One frame as it is to be written, right or wrong.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// 1 for text, 2 for binary, 8 for close, 9 for ping, 10 for pong; the rest is reserved.
    pub opcode: u8,
    /// Whether it ends its message.
    pub fin: bool,
    /// The three reserved bits, as a number from 0 to 7.
    pub rsv: u8,
    /// Whether it is masked, where that is not what RFC 6455 wants of this end.
    pub wrong_mask: bool,
}

/// A whole message of text.
pub const TEXT: Shape = Shape { opcode: 1, fin: true, rsv: 0, wrong_mask: false };

/// One end of a WebSocket.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    is_client: bool,
}

impl Wire {
    /// Connects as a charger; `headers` are whole lines.
    ///
    /// # Errors
    /// The HTTP status of a refusal.
    pub fn dial(proxy: SocketAddr, path: &str, headers: &str) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(proxy).unwrap();
        prepare(&stream);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {proxy}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: ocpp1.6\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an HTTP status");
        if status == 101 { Ok(Self { stream, is_client: true }) } else { Err(status) }
    }

    /// Agrees to what the proxy asks of a backoffice; with it comes the head of the request.
    pub fn accept(mut stream: TcpStream) -> io::Result<(String, Self)> {
        prepare(&stream);
        let head = read_head(&mut stream)?;
        let key = header(&head, "Sec-WebSocket-Key").unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        stream.write_all(answer.as_bytes())?;
        Ok((head, Self { stream, is_client: false }))
    }

    /// From now on waits for as long as it takes.
    pub fn be_patient(&self) {
        self.stream.set_read_timeout(None).unwrap();
    }

    /// Writes these bytes as they are. That the other end has left is for [`hear`](Self::hear) to find out.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Writes one frame.
    pub fn say(&mut self, shape: Shape, content: &[u8]) {
        let masked = self.is_client != shape.wrong_mask;
        let mut frame = vec![u8::from(shape.fin) << 7 | shape.rsv << 4 | shape.opcode];
        let mask_bit = u8::from(masked) << 7;
        match content.len() {
            short @ 0..=125 => frame.push(mask_bit | u8::try_from(short).unwrap()),
            longer @ 126..=0xffff => {
                frame.push(mask_bit | 126);
                frame.extend(u16::try_from(longer).unwrap().to_be_bytes());
            }
            long => {
                frame.push(mask_bit | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        if masked {
            let key = [1, 2, 3, 4];
            frame.extend(key);
            frame.extend(content.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            frame.extend(content);
        }
        self.write(&frame);
    }

    /// Sends a message of text.
    pub fn say_text(&mut self, text: &str) {
        self.say(TEXT, text.as_bytes());
    }

    /// Waits until the other end reads what is sent to it.
    pub fn wait_read(&mut self) {
        self.say(Shape { opcode: 9, ..TEXT }, b"");
        let (opcode, _) = self.read_frame().expect("a pong");
        assert_eq!(opcode, 10, "nothing was asked yet");
    }

    /// What comes next. Pings are answered on the way.
    ///
    /// # Panics
    /// When nothing comes.
    pub fn hear(&mut self) -> Heard {
        loop {
            let (opcode, content) = match self.read_frame() {
                Ok(frame) => frame,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("nothing was heard for {PATIENCE:?}")
                }
                Err(_) => return Heard::Gone,
            };
            match opcode {
                1 => return Heard::Text(String::from_utf8(content).expect("the proxy sends UTF-8")),
                8 => {
                    let code = content.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.say(Shape { opcode: 8, ..TEXT }, &content);
                    let _ = self.stream.shutdown(Shutdown::Write);
                    return Heard::Closed(code);
                }
                9 => self.say(Shape { opcode: 10, ..TEXT }, &content),
                10 => {}
                other => panic!("the proxy sent a frame of kind {other}"),
            }
        }
    }

    fn read_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        assert_eq!(head[0] & 0xf0, 0x80, "the proxy sends whole messages, without reserved bits");
        assert_eq!(head[1] & 0x80 != 0, !self.is_client, "only the proxy's calls to a backoffice are masked");
        let length = match head[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                usize::try_from(u64::from_be_bytes(length)).unwrap()
            }
            short => usize::from(short),
        };
        let mut key = [0; 4];
        if !self.is_client {
            self.stream.read_exact(&mut key)?;
        }
        let mut content = vec![0; length];
        self.stream.read_exact(&mut content)?;
        for (byte, key) in content.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
        Ok((head[0] & 0x0f, content))
    }

    /// Ends it as a peer that leaves.
    pub fn leave(mut self) {
        self.say(Shape { opcode: 8, ..TEXT }, &1000_u16.to_be_bytes());
    }
}

fn prepare(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
}

/// The head of an HTTP message, and not a byte of what follows it.
pub fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).expect("heads are plain text"))
}

/// A header of an HTTP message.
pub fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}
