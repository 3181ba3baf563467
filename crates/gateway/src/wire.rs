//! The byte stream beneath a WebSocket: TCP, or TLS over TCP. It counts what it has written, so that
//! a slow peer can be told from one that has stopped reading, and follows what it reads, so that a message
//! that never ends is seen. All sockets of a thread are read into one buffer: an idle one holds none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsStream;

use crate::framing::Framing;
use crate::limits::READ_AT_ONCE_BYTES;

thread_local! {
    /// What the kernel has of a socket is read into this at once; what is not asked for yet is put aside.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AT_ONCE_BYTES].into_boxed_slice());
}

/// A connected stream.
#[derive(Debug)]
pub(crate) struct Wire {
    layer: Layer,
    unread: Unread,
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

/// What was read and not asked for yet.
#[derive(Debug, Default)]
struct Unread {
    bytes: Vec<u8>,
    /// So many of them were given.
    given: usize,
}

impl Unread {
    fn left(&self) -> &[u8] {
        &self.bytes[self.given..]
    }

    fn give(&mut self, count: usize) {
        self.given += count;
        if self.left().is_empty() {
            // An idle socket holds nothing.
            *self = Self::default();
        }
    }
}

impl Wire {
    fn new(layer: Layer) -> Self {
        Self { layer, unread: Unread::default(), written: 0, granted: usize::MAX, framing: None }
    }

    /// Without TLS.
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::new(Layer::Plain(stream))
    }

    /// With TLS, its handshake done.
    pub(crate) fn tls(stream: impl Into<TlsStream<TcpStream>>) -> Self {
        Self::new(Layer::Tls(Box::new(stream.into())))
    }

    /// With OpenSSL's TLS, its handshake done.
    #[cfg(feature = "openssl")]
    pub(crate) fn legacy(stream: tokio_openssl::SslStream<TcpStream>) -> Self {
        Self::new(Layer::Legacy(Box::new(stream)))
    }

    /// Puts back what was given but not used.
    pub(crate) fn put_back(&mut self, unused: &[u8]) {
        self.unread = Unread { bytes: [unused, self.unread.left()].concat(), given: 0 };
    }

    /// Whether reading may bring something. If not, the task is woken when it may. What TLS has of its own nobody
    /// else knows.
    pub(crate) fn may_bring(&mut self, cx: &mut Context<'_>) -> bool {
        match &self.layer {
            Layer::Plain(stream) => !self.unread.left().is_empty() || stream.poll_read_ready(cx).is_ready(),
            _ => true,
        }
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
        if this.unread.left().is_empty() {
            return READ.with_borrow_mut(|read| {
                let mut read = ReadBuf::new(read);
                ready!(this.layer.poll_read(cx, &mut read))?;
                let read = read.filled();
                let given = this.give(read, buf);
                this.unread.bytes.extend_from_slice(&read[given..]);
                Poll::Ready(Ok(()))
            });
        }
        let unread = std::mem::take(&mut this.unread);
        let given = this.give(unread.left(), buf);
        this.unread = unread;
        this.unread.give(given);
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    /// Gives of what was read as much as was asked for, and says how much; of the answer to a handshake nothing
    /// that is behind it.
    fn give(&mut self, read: &[u8], buf: &mut ReadBuf<'_>) -> usize {
        let mut given = read.len().min(buf.remaining());
        if let Some(framing) = &mut self.framing {
            given = framing.feed(&read[..given], Instant::now());
        }
        buf.put_slice(&read[..given]);
        self.granted = self.granted.saturating_sub(given);
        given
    }
}

impl Layer {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "openssl")]
            Layer::Legacy(stream) => Pin::new(stream).poll_read(cx, buf),
        }
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

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    async fn what_was_not_asked_for_is_given_before_anything_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::plain(listener.accept().await.unwrap().0);
        wire.put_back(b"first ");
        let sent: Vec<u8> = (0..3 * READ_AT_ONCE_BYTES).map(|at| at as u8).collect();
        let (sending, expected) = (sent.clone(), [b"first ", &sent[..]].concat());
        let sender = tokio::spawn(async move { peer.write_all(&sending).await.unwrap() });
        let mut got = Vec::new();
        while got.len() < expected.len() {
            let mut some = vec![0; 1 + got.len() % 1000];
            let count = wire.read(&mut some).await.unwrap();
            got.extend_from_slice(&some[..count]);
        }
        sender.await.unwrap();
        assert!(got == expected, "every byte once and in its place");
        assert_eq!(wire.unread.bytes.capacity(), 0, "an idle socket holds nothing");
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
