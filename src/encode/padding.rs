//! Padding against BREACH: how much, and what it is made of. Who can have something of its own repeated in an encoded
//! response sees by the length whether it is like the secret beside it; a length that also depends on chance tells less.

use crate::message::encoding::Encoding;
use std::{hash::BuildHasher, hash::RandomState, sync::LazyLock};

/// No more of the content than this is looked at.
const LOOKED_AT: usize = 64 * 1024;

/// A key that nobody outside of this process knows.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How many bytes of padding, `most` at most, a content gets that begins like this. The same always gets the same,
/// so that asking again and again does not average it out.
pub(super) fn length(first: &[u8], most: usize) -> usize {
    let looked_at = &first[..first.len().min(LOOKED_AT)];
    let choices = (most as u64).saturating_add(1);
    // No more than `most`, which is a `usize`.
    (KEY.hash_one(looked_at) % choices) as usize
}

/// Appends so many bytes to the beginning of an encoded body: what a new encoder gives when it is flushed.
///
/// Each format has a place for what is not content. Beside the bytes that are asked for, each response has the same
/// few more, even where none are asked for: a frame's header in zstd (8 bytes), the end of a byte in brotli (1 or 2).
pub(super) fn put(encoding: Encoding, beginning: &mut Vec<u8>, length: usize) {
    match encoding {
        Encoding::Zstd => skippable_frame(beginning, length),
        Encoding::Brotli => metadata_blocks(beginning, length),
        Encoding::Gzip => comment(beginning, length),
    }
}

/// What it is made of.
const LETTER: u8 = b'x';

/// A skippable frame before the first one that is none (RFC 8878 §3.1.2).
fn skippable_frame(beginning: &mut Vec<u8>, length: usize) {
    let size = u32::try_from(length).unwrap_or(u32::MAX);
    beginning.extend_from_slice(&0x184D_2A50_u32.to_le_bytes());
    beginning.extend_from_slice(&size.to_le_bytes());
    beginning.resize(beginning.len() + size as usize, LETTER);
}

/// Metadata blocks behind the header of the stream, which ends with a byte (RFC 7932 §9.2). From the lowest bit:
/// ISLAST 0, MNIBBLES 11 (metadata), reserved 0, two bits of MSKIPBYTES, then as many bytes of MSKIPLEN - 1, and
/// zeroes up to the end of the byte.
fn metadata_blocks(beginning: &mut Vec<u8>, length: usize) {
    const EMPTY: u8 = 0b00_0110;
    const ONE_BYTE_OF_LENGTH: u16 = 0b01_0110;
    let mut left = length;
    while left > 0 {
        // Two bytes of header and 1 to 256 of content, or one byte in all.
        match u8::try_from(left.min(2 + 256).saturating_sub(3)) {
            Ok(skip) if left >= 3 => {
                beginning.extend_from_slice(&(ONE_BYTE_OF_LENGTH | u16::from(skip) << 6).to_le_bytes());
                beginning.resize(beginning.len() + usize::from(skip) + 1, LETTER);
                left -= usize::from(skip) + 3;
            }
            _ => {
                beginning.push(EMPTY);
                left -= 1;
            }
        }
    }
}

/// A comment that ends with a zero, behind the ten bytes of a header without any other addition (RFC 1952 §2.3.1).
fn comment(beginning: &mut Vec<u8>, length: usize) {
    const FLAGS: usize = 3;
    const FCOMMENT: u8 = 1 << 4;
    let Some(letters) = length.checked_sub(1) else { return };
    let Some(flags) = beginning.get_mut(FLAGS) else { return };
    *flags |= FCOMMENT;
    beginning.resize(beginning.len() + letters, LETTER);
    beginning.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{encoder::Encoder, testing};

    #[test]
    fn the_same_content_always_gets_the_same_length() {
        for first in [&b""[..], b"a", b"<!doctype html>"] {
            assert_eq!(length(first, 32), length(first, 32));
        }
    }

    #[test]
    fn lengths_of_contents_are_all_that_there_may_be() {
        let mut seen = [false; 33];
        (0..10_000_u32).for_each(|number| seen[length(&number.to_le_bytes(), 32)] = true);
        assert_eq!(seen, [true; 33]);
        assert_eq!(length(b"any", 0), 0);
        assert!((0..100_u8).all(|number| length(&[number], usize::MAX) > 0));
    }

    #[test]
    fn only_the_beginning_counts() {
        let mut content = testing::noise(LOOKED_AT + 1);
        let before = length(&content, usize::MAX);
        content[LOOKED_AT] ^= 1;
        assert_eq!(length(&content, usize::MAX), before);
        content[LOOKED_AT - 1] ^= 1;
        assert_ne!(length(&content, usize::MAX), before);
    }

    #[test]
    fn each_format_is_longer_by_just_as_much_and_decodes() {
        let content = testing::text(5_000);
        for encoding in Encoding::ALL {
            for effort in testing::EFFORTS {
                let padded = |length: usize| {
                    let mut encoder = Encoder::new(encoding, effort, None);
                    encoder.pad(length).unwrap();
                    encoder.write(&content).unwrap();
                    encoder.finish().unwrap();
                    encoder.take()
                };
                let without = padded(0).len();
                for length in (0..40).chain(250..530).chain([65_535, 65_536, 100_000]) {
                    let encoded = padded(length);
                    assert_eq!(encoded.len(), without + length, "{encoding:?}");
                    assert_eq!(
                        testing::whole(encoding, &encoded),
                        Some(content.clone()),
                        "{encoding:?} {length}"
                    );
                }
            }
        }
    }
}
