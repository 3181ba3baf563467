//! Fronts: computers that pass chargers' connections on and say in a header before everything else where
//! those come from (PROXY protocol version 2, semantics S-17). Only those that are listed are believed.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX, ParseError, Protocol};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::limits::PROXY_HEADER_BYTES;

/// What every header of version 1 begins with, which is text.
const TEXT: &[u8] = b"PROXY ";
/// What stands before the addresses; its last two bytes say how many follow.
const FIXED_BYTES: usize = 16;

/// Why a connection is not listened to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHeard {
    /// It ended before it asked for anything: somebody looked whether the port is open.
    #[error("it ended before it asked for anything")]
    Silent,
    /// Somebody who is not listed would say where a connection comes from.
    #[error(
        "it sends the PROXY protocol, and {0} is not in listen.proxy_protocol; list it there if it is yours"
    )]
    NotListed(IpAddr),
    /// The older, textual version.
    #[error("it sends the PROXY protocol in version 1; have it send version 2 (HAProxy: send-proxy-v2)")]
    Version1,
    /// Something else than a header.
    #[error("{0} is in listen.proxy_protocol and sends no PROXY protocol; have it send version 2")]
    NoHeader(IpAddr),
    /// A header longer than any that is in use.
    #[error("its PROXY protocol header has {0} bytes; at most {PROXY_HEADER_BYTES} are read")]
    TooLong(usize),
    /// A header that is none of the protocol.
    #[error("its PROXY protocol header is malformed: {0}")]
    Malformed(ParseError),
    /// A header that names no address that a charger could have.
    #[error("its PROXY protocol header names no TCP connection over IPv4 or IPv6")]
    NoAddress,
    /// The connection is gone.
    #[error("its PROXY protocol header never ended: {0}")]
    Ended(io::Error),
}

/// Where a connection comes from: what a listed front says, or the other end. Reads a front's header, and not
/// a byte of what follows.
pub(crate) async fn origin(
    fronts: &[IpNet],
    stream: &mut TcpStream,
    from: SocketAddr,
) -> Result<IpAddr, NotHeard> {
    let from = from.ip().to_canonical();
    let is_front = fronts.iter().any(|front| front.contains(&from));
    let origin = if is_front { announced(stream, from).await? } else { from };
    // They wait for these bytes anyway. With fewer it is no HTTP, and no TLS, whatever follows.
    let mut first = [0; PROTOCOL_PREFIX.len()];
    match stream.peek(&mut first).await {
        Ok(0) | Err(_) => Err(NotHeard::Silent),
        Ok(_) if is_front => Ok(origin),
        Ok(_) if first == PROTOCOL_PREFIX || first.starts_with(TEXT) => Err(NotHeard::NotListed(from)),
        Ok(_) => Ok(origin),
    }
}

async fn announced(stream: &mut TcpStream, from: IpAddr) -> Result<IpAddr, NotHeard> {
    let mut header = vec![0; FIXED_BYTES];
    let mut read = 0;
    while read < header.len() {
        match stream.read(&mut header[read..]).await {
            Ok(0) if read == 0 => return Err(NotHeard::Silent),
            Ok(0) => return Err(NotHeard::Ended(io::ErrorKind::UnexpectedEof.into())),
            Ok(more) => read += more,
            Err(error) => return Err(NotHeard::Ended(error)),
        }
        // After each piece: whoever sends something else would wait for our answer, not send the rest.
        match Header::try_from(&header[..read]) {
            Ok(header) => return source(&header, from),
            Err(ParseError::Incomplete(_)) => {}
            Err(ParseError::Partial(_, more)) if FIXED_BYTES + more > PROXY_HEADER_BYTES => {
                return Err(NotHeard::TooLong(FIXED_BYTES + more));
            }
            Err(ParseError::Partial(_, more)) => header.resize(FIXED_BYTES + more, 0),
            Err(ParseError::Prefix) if header[..read].starts_with(&TEXT[..read.min(TEXT.len())]) => {
                return Err(NotHeard::Version1);
            }
            Err(ParseError::Prefix) => return Err(NotHeard::NoHeader(from)),
            Err(error) => return Err(NotHeard::Malformed(error)),
        }
    }
    Err(NotHeard::Malformed(ParseError::Incomplete(read)))
}

/// What follows the addresses (the front's own TLS, checksums) is not read.
fn source(header: &Header<'_>, from: IpAddr) -> Result<IpAddr, NotHeard> {
    match (header.command, header.protocol, header.addresses) {
        // The front speaks for itself, as when it looks whether we are there.
        (Command::Local, ..) => Ok(from),
        (Command::Proxy, Protocol::Stream, Addresses::IPv4(addresses)) => Ok(addresses.source_address.into()),
        (Command::Proxy, Protocol::Stream, Addresses::IPv6(addresses)) => {
            Ok(IpAddr::from(addresses.source_address).to_canonical())
        }
        (Command::Proxy, ..) => Err(NotHeard::NoAddress),
    }
}
