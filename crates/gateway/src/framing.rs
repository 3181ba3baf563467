//! Where in a WebSocket message a peer is: when the one began that it has not finished. The library reads
//! frames but tells of whole messages alone, and a peer may send one of them for ever (RFC 6455 §5.2).

use tokio::time::Instant;

/// Longest frame head: two bytes, eight of length, four of mask.
const HEAD_BYTES: usize = 14;

/// Follows frames byte by byte as they come in. What is no frame at all it does not notice: the library does.
#[derive(Debug)]
pub(crate) struct Framing {
    at: At,
    /// A message whose last fragment has not begun.
    is_fragmented: bool,
    /// When the message or the frame began that is not complete.
    since: Option<Instant>,
}

#[derive(Debug)]
enum At {
    /// In the answer to a handshake, so many bytes into the empty line at its end.
    Handshake(usize),
    Head {
        bytes: [u8; HEAD_BYTES],
        read: usize,
    },
    Payload {
        left: u64,
        /// What holds of the message when the payload is complete.
        is_fragmented: bool,
    },
}

impl At {
    const BETWEEN: Self = Self::Head { bytes: [0; HEAD_BYTES], read: 0 };
}

impl Framing {
    /// From the first byte on.
    pub(crate) fn of_frames() -> Self {
        Self { at: At::BETWEEN, is_fragmented: false, since: None }
    }

    /// Once the answer to a handshake has ended.
    pub(crate) fn after_handshake() -> Self {
        Self { at: At::Handshake(0), ..Self::of_frames() }
    }

    /// When the message began that has not come in whole; `None` between messages.
    pub(crate) fn unfinished_since(&self) -> Option<Instant> {
        self.since
    }

    /// Counts what is unfinished from now on: until now it was ourselves who did not read.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.since = self.since.map(|_| now);
    }

    /// Takes in what was read, and says how much of it: all, or as far as the answer to a handshake goes.
    pub(crate) fn feed(&mut self, all: &[u8], now: Instant) -> usize {
        let mut read = all;
        while let Some((first, rest)) = read.split_first() {
            match &mut self.at {
                At::Handshake(matched) => {
                    *matched = match (*matched, first) {
                        (0 | 2, b'\r') | (1 | 3, b'\n') => *matched + 1,
                        (_, b'\r') => 1,
                        _ => 0,
                    };
                    read = rest;
                    if *matched == 4 {
                        self.at = At::BETWEEN;
                        break;
                    }
                }
                At::Head { bytes, read: count } => {
                    self.since.get_or_insert(now);
                    bytes[*count] = *first;
                    *count += 1;
                    read = rest;
                    if *count >= head_length(bytes) {
                        let is_control = bytes[0] & 0x08 != 0;
                        let is_last = bytes[0] & 0x80 != 0;
                        let is_fragmented = if is_control { self.is_fragmented } else { !is_last };
                        self.at = At::Payload { left: payload_length(bytes), is_fragmented };
                        self.end_if_complete();
                    }
                }
                At::Payload { left, .. } => {
                    let taken = read.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    read = &read[taken..];
                    self.end_if_complete();
                }
            }
        }
        all.len() - read.len()
    }

    fn end_if_complete(&mut self) {
        if let At::Payload { left: 0, is_fragmented } = self.at {
            self.at = At::BETWEEN;
            self.is_fragmented = is_fragmented;
            if !is_fragmented {
                self.since = None;
            }
        }
    }
}

/// How long a head is, as far as its first two bytes tell.
fn head_length(bytes: &[u8; HEAD_BYTES]) -> usize {
    let length = match bytes[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if bytes[1] & 0x80 != 0 { 4 } else { 0 }
}

fn payload_length(bytes: &[u8; HEAD_BYTES]) -> u64 {
    let longer = |count: usize| bytes[2..2 + count].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    match bytes[1] & 0x7f {
        126 => longer(2),
        127 => longer(8),
        length => length.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Feeds byte by byte and as a whole, and says after which bytes nothing was unfinished.
    fn finished_after(framing: fn() -> Framing, bytes: &[u8]) -> Vec<usize> {
        let now = Instant::now();
        let mut one_by_one = framing();
        let mut finished = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            one_by_one.feed(&[*byte], now);
            if one_by_one.unfinished_since().is_none() {
                finished.push(at + 1);
            }
        }
        let mut whole = framing();
        let taken = whole.feed(bytes, now);
        whole.feed(&bytes[taken..], now);
        assert_eq!(whole.unfinished_since().is_none(), finished.last() == Some(&bytes.len()));
        finished
    }

    #[test]
    fn a_message_is_unfinished_from_its_first_byte_to_its_last() {
        let frames = Framing::of_frames;
        let long: Vec<u8> = [&[0x81, 126, 1, 0][..], &[b'x'; 256]].concat();
        let longest: Vec<u8> =
            [&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9][..], &[b'x'; 65_536]].concat();
        let cases: &[(&str, &[u8], &[usize])] = &[
            ("a text", b"\x81\x02hi", &[4]),
            ("a masked text", b"\x81\x82\0\0\0\0hi", &[8]),
            ("two", b"\x81\x01a\x81\x01b", &[3, 6]),
            ("nothing in it", b"\x81\x00", &[2]),
            ("nothing in it, masked", b"\x81\x80abcd", &[6]),
            ("a ping", b"\x89\x01x", &[3]),
            ("half a ping", b"\x89\x02x", &[]),
            ("fragments", b"\x01\x01a\x00\x01b\x80\x01c", &[9]),
            ("fragments without end", b"\x01\x01a\x00\x01b\x00\x00\x00\x00", &[]),
            ("a ping among fragments", b"\x01\x01a\x89\x00\x80\x01c", &[8]),
            ("256 bytes", &long, &[260]),
            ("65,536 bytes", &longest, &[65_550]),
            ("64 MiB announced", b"\x81\x7f\0\0\0\0\x04\0\0\0x", &[]),
        ];
        for (what, bytes, finished) in cases {
            assert_eq!(finished_after(frames, bytes), *finished, "{what}");
        }
        assert_eq!(cases.len(), 13);
    }

    #[test]
    fn frames_begin_after_the_handshake_and_its_answer_is_no_message() {
        let answer = b"HTTP/1.1 101 x\r\na: b\r\r\n\r\n";
        let bytes = [&answer[..], b"\x81\x01a\x81"].concat();
        let end = answer.len();
        let expected: Vec<usize> = (1..=end).chain([end + 3]).collect();
        assert_eq!(finished_after(Framing::after_handshake, &bytes), expected);
        assert_eq!(Framing::after_handshake().feed(&bytes, Instant::now()), end, "and no further");
    }

    #[test]
    fn what_is_unfinished_counts_anew_after_a_pause_of_ours() {
        let (mut framing, begun) = (Framing::of_frames(), Instant::now());
        let later = begun + Duration::from_secs(9);
        framing.resume(later);
        assert_eq!(framing.unfinished_since(), None);
        framing.feed(b"\x81", begun);
        framing.feed(b"\x05a", later);
        assert_eq!(framing.unfinished_since(), Some(begun));
        framing.resume(later);
        assert_eq!(framing.unfinished_since(), Some(later));
    }
}
