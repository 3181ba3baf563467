//! The byte stream beneath a WebSocket: TCP, or TLS over TCP. It counts what it has written, so that
//! a slow peer can be told from one that has stopped reading.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A connected stream.
#[derive(Debug)]
pub(crate) struct Wire {
    layer: Layer,
    written: u64,
}

#[derive(Debug)]
enum Layer {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Without TLS.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self { layer: Layer::Plain(stream), written: 0 }
    }

    /// With TLS, its handshake done.
    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self { layer: Layer::Tls(Box::new(stream)), written: 0 }
    }

    /// How many bytes have been taken over so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = ready!(match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        })?;
        this.written += taken as u64;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
