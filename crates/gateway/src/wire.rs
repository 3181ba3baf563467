//! The byte stream beneath a WebSocket: TCP, or TLS over TCP. It counts what it has written, so that
//! a slow peer can be told from one that has stopped reading, and follows what it reads, so that a message
//! that never ends is seen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsStream;

use crate::framing::Framing;

/// A connected stream.
#[derive(Debug)]
pub(crate) struct Wire {
    layer: Layer,
    written: u64,
    /// How many bytes may be read until more are granted.
    granted: usize,
    /// Followed once there are frames.
    framing: Option<Framing>,
}

#[derive(Debug)]
enum Layer {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(feature = "openssl")]
    Legacy(Box<tokio_openssl::SslStream<TcpStream>>),
}

impl Wire {
    /// Without TLS.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self { layer: Layer::Plain(stream), written: 0, granted: usize::MAX, framing: None }
    }

    /// With TLS, its handshake done.
    pub(crate) fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self { layer: Layer::Tls(Box::new(stream.into())), written: 0, granted: usize::MAX, framing: None }
    }

    /// With OpenSSL's TLS, its handshake done.
    #[cfg(feature = "openssl")]
    pub(crate) fn legacy(stream: tokio_openssl::SslStream<TcpStream>) -> Self {
        Self { layer: Layer::Legacy(Box::new(stream)), written: 0, granted: usize::MAX, framing: None }
    }

    /// Allows about so many bytes to be read. Beyond them the stream is not ready, and asks to be polled
    /// again: whoever sends without end does not keep the task from everybody else. Without a grant
    /// nothing is held back.
    pub(crate) fn grant(&mut self, bytes: usize) {
        self.granted = bytes;
    }

    /// Follows the frames in what is read from now on.
    pub(crate) fn follow(&mut self, framing: Framing) {
        self.framing = Some(framing);
    }

    /// Where in a message the peer is, if frames are followed.
    pub(crate) fn framing(&mut self) -> Option<&mut Framing> {
        self.framing.as_mut()
    }

    /// How many bytes have been taken over so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.granted == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "openssl")]
            Layer::Legacy(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        let read = &buf.filled()[before..];
        this.granted = this.granted.saturating_sub(read.len());
        if let Some(framing) = &mut this.framing {
            framing.feed(read, Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = ready!(match &mut this.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "openssl")]
            Layer::Legacy(stream) => Pin::new(stream).poll_write(cx, buf),
        })?;
        this.written += taken as u64;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "openssl")]
            Layer::Legacy(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "openssl")]
            Layer::Legacy(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Reads until the wire is not ready, and says how much that was.
    async fn read_on(wire: &mut Wire, at_least: usize) -> usize {
        let mut read = 0;
        poll_fn(|cx| {
            loop {
                let mut scrap = [0; 1024];
                let mut buffer = ReadBuf::new(&mut scrap);
                match Pin::new(&mut *wire).poll_read(cx, &mut buffer) {
                    Poll::Ready(outcome) => outcome.unwrap(),
                    Poll::Pending if read < at_least => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(()),
                }
                read += buffer.filled().len();
            }
        })
        .await;
        read
    }

    #[tokio::test]
    async fn whoever_floods_is_read_no_further_than_granted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::plain(listener.accept().await.unwrap().0);
        peer.write_all(&[0; 16 << 10]).await.unwrap();
        wire.grant(4 << 10);
        assert_eq!(read_on(&mut wire, 4 << 10).await, 4 << 10);
        wire.grant(2 << 10);
        assert_eq!(read_on(&mut wire, 2 << 10).await, 2 << 10);
        // It asks to be polled again by itself: the grant is all that was missing.
        let woken = poll_fn(|cx| {
            let mut scrap = [0; 1024];
            let pending = Pin::new(&mut wire).poll_read(cx, &mut ReadBuf::new(&mut scrap)).is_pending();
            wire.grant(1 << 10);
            if pending { Poll::Pending } else { Poll::Ready(()) }
        });
        tokio::time::timeout(std::time::Duration::from_secs(60), woken).await.unwrap();
    }
}
