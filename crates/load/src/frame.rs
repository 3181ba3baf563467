//! WebSocket frames (RFC 6455 §5), as much of them as OCPP needs: whole text messages and control frames.

use std::ops::Range;

/// A text message.
pub(crate) const TEXT: u8 = 1;
/// The end.
pub(crate) const CLOSE: u8 = 8;
/// Asks for a [`PONG`].
pub(crate) const PING: u8 = 9;
/// Answers a [`PING`].
pub(crate) const PONG: u8 = 10;

/// Chargers mask what they say. Nobody attacks a cache here, so the mask need not be unpredictable; it is
/// no zero, so that taking it off is work.
const MASK: [u8; 4] = [0x3a, 0x91, 0x5c, 0xe7];

/// One whole frame at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Range<usize>,
}

/// What cannot be a frame of an OCPP peer, or is one in pieces, which none of the systems sends for messages of
/// this size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Finds the frame that `bytes` begin with, and unmasks it; `None` when more has to be read.
pub(crate) fn parse(bytes: &mut [u8]) -> Result<Option<Frame>, Broken> {
    let &[first, second, ..] = &*bytes else { return Ok(None) };
    if first & 0xf0 != 0x80 {
        return Err(Broken);
    }
    let (length, mut at) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(length) => (usize::from(u16::from_be_bytes([length[0], length[1]])), 4),
            None => return Ok(None),
        },
        127 => return Err(Broken),
        length => (usize::from(length), 2),
    };
    let mask = if second & 0x80 == 0 {
        None
    } else {
        let Some(&[a, b, c, d]) = bytes.get(at..at + 4) else { return Ok(None) };
        at += 4;
        Some([a, b, c, d])
    };
    let Some(payload) = bytes.get_mut(at..at + length) else { return Ok(None) };
    if let Some(mask) = mask {
        apply(mask, payload);
    }
    Ok(Some(Frame { opcode: first & 0x0f, payload: at..at + length }))
}

/// Writes one frame behind what `out` holds already.
pub(crate) fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8], masked: bool) {
    let bit = if masked { 0x80 } else { 0 };
    out.push(0x80 | opcode);
    match u8::try_from(payload.len()) {
        Ok(length @ 0..126) => out.push(bit | length),
        _ => {
            out.push(bit | 126);
            let length = u16::try_from(payload.len()).expect("no message here is longer than 64 KiB");
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&MASK);
    }
    let begin = out.len();
    out.extend_from_slice(payload);
    if masked {
        apply(MASK, &mut out[begin..]);
    }
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    for (byte, mask) in rest.iter_mut().skip(4).zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut seen = 0;
        for length in [0, 1, 4, 5, 7, 8, 13, 125, 126, 600, 65535] {
            for masked in [false, true] {
                let payload: Vec<u8> = (0..length).map(|n: usize| n as u8).collect();
                let mut bytes = Vec::new();
                write(&mut bytes, TEXT, &payload, masked);
                for cut in [1, 2, 3, bytes.len() - 1].into_iter().filter(|cut| *cut < bytes.len()) {
                    assert_eq!(parse(&mut bytes[..cut].to_vec()), Ok(None), "{length} cut at {cut}");
                }
                bytes.push(0x8a);
                let frame = parse(&mut bytes).unwrap().unwrap();
                assert_eq!(frame.opcode, TEXT);
                assert_eq!(bytes[frame.payload.clone()], payload);
                assert_eq!(frame.payload.end, bytes.len() - 1);
                seen += 1;
            }
        }
        assert_eq!(seen, 22);
    }

    #[test]
    fn pieces_and_reserved_bits_are_broken() {
        for first in [0x01, 0xc1, 0x00] {
            assert_eq!(parse(&mut [first, 0]), Err(Broken));
        }
        assert_eq!(parse(&mut [0x81, 127]), Err(Broken));
    }
}
