//! A socket of the event loop: TCP, or TLS over TCP. Nothing here waits.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use rustls::Connection;

/// A socket that is polled, and what it could not write yet.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: Tcp,
    tls: Option<Box<Connection>>,
    backlog: Vec<u8>,
}

/// A TCP stream that knows when it has nothing more to be read: a read that does not fill the buffer leaves nothing
/// behind, and asking once more would cost a system call each time.
#[derive(Debug)]
struct Tcp {
    stream: TcpStream,
    drained: bool,
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.drained {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.stream.read(buffer)?;
        self.drained = read > 0 && read < buffer.len();
        Ok(read)
    }
}

impl Wire {
    /// Takes over a stream; `tls` is the connection whose handshake is still to be made.
    pub(crate) fn new(stream: TcpStream, tls: Option<Connection>) -> Self {
        let tcp = Tcp { stream, drained: false };
        let tls = tls.map(|mut connection| {
            connection.set_buffer_limit(None);
            Box::new(connection)
        });
        Self { tcp, tls, backlog: Vec::new() }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.tcp.stream
    }

    /// The poll says that there is something to read.
    pub(crate) fn has_news(&mut self) {
        self.tcp.drained = false;
    }

    /// Reads what is there: how many bytes, 0 at the end of the stream, `None` when nothing is there now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(tls) = &mut self.tls else { return at_once(self.tcp.read(buffer)) };
        loop {
            if let Some(read) = at_once(tls.reader().read(buffer))? {
                return Ok(Some(read));
            }
            match at_once(tls.read_tls(&mut self.tcp))? {
                None => return Ok(None),
                Some(0) => return Ok(Some(0)),
                Some(_) => {
                    tls.process_new_packets().map_err(io::Error::other)?;
                }
            }
            if tls.wants_write() {
                write_tls(tls, &mut self.tcp)?;
            }
        }
    }

    /// Writes, or keeps what cannot be written now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes)?;
            return write_tls(tls, &mut self.tcp);
        }
        let written = if self.backlog.is_empty() { write_some(&mut self.tcp.stream, bytes)? } else { 0 };
        self.backlog.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Writes later, when the socket is connected.
    pub(crate) fn queue(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes),
            None => {
                self.backlog.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The poll says that something can be written.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            return write_tls(tls, &mut self.tcp);
        }
        if !self.backlog.is_empty() {
            let written = write_some(&mut self.tcp.stream, &self.backlog)?;
            self.backlog.drain(..written);
        }
        Ok(())
    }
}

fn write_tls(tls: &mut Connection, tcp: &mut Tcp) -> io::Result<()> {
    while tls.wants_write() {
        if at_once(tls.write_tls(&mut tcp.stream))?.is_none() {
            break;
        }
    }
    Ok(())
}

fn write_some(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match at_once(stream.write(&bytes[written..]))? {
            Some(0) | None => break,
            Some(more) => written += more,
        }
    }
    Ok(written)
}

/// `None` for what would have to be waited for.
fn at_once(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}
