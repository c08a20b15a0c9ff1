//! How hard each encoding tries, and how much memory it takes for that: chosen by measurement (see ARCHITECTURE.md).

use async_compression::{
    Level,
    codecs::{
        BrotliEncoder, GzipEncoder, ZstdEncoder, brotli::params::EncoderParams, zstd::params::CParameter,
    },
};

/// How much work is put into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// It is sent once, while it is made: quickly, and with little memory.
    Live,
    /// So is this, beside many others that are: with less memory still.
    Crowded,
    /// It is kept and sent many times.
    Stored,
}

/// For what is live and not longer than this, in bytes, brotli takes tables of half the size: larger ones take more time
/// to make than what is encoded with them.
const SMALL: u64 = 16 << 10;

/// What is stored and longer than this, in bytes, is not worth seconds of work.
const LARGE: u64 = 4 << 20;

/// A window as large as the body, if that is known, of 2^10 to 2^`most` bytes.
fn window(length: Option<u64>, most: u32) -> u32 {
    // Of a window of brotli 16 bytes cannot be used.
    let needed = |length: u64| u64::BITS - length.saturating_add(15).leading_zeros();
    length.map_or(most, needed).clamp(10, most)
}

fn is_large(length: Option<u64>) -> bool {
    length.is_none_or(|length| length > LARGE)
}

/// The tables are smaller than those that belong to the levels: that costs 1 % in size at most, and saves a third of the
/// memory of what is live, nine tenths of what is stored. No window is larger than clients must allow, which is 8 MB
/// (RFC 9659 §3); all live ones are the same, since one encoder is used for bodies of all lengths.
pub(super) fn zstd(effort: Effort, length: Option<u64>) -> ZstdEncoder {
    let (level, most) = match effort {
        Effort::Live => (3, 18),
        Effort::Crowded => (3, 14),
        Effort::Stored if is_large(length) => (9, 20),
        Effort::Stored => (18, 20),
    };
    let window = if effort == Effort::Live { most } else { window(length, most) };
    let tables = match effort {
        Effort::Live | Effort::Crowded => (window - 2).min(15),
        Effort::Stored => 18,
    };
    let params =
        [CParameter::window_log(window), CParameter::hash_log(tables), CParameter::chain_log(tables)];
    ZstdEncoder::new_with_params(level, &params)
}

/// A hint of the size, if it is large, makes brotli take more memory: there is none.
pub(super) fn brotli(effort: Effort, length: Option<u64>) -> BrotliEncoder {
    let (level, most) = match effort {
        Effort::Live if length.is_some_and(|length| length <= SMALL) => (3, 18),
        Effort::Live => (4, 18),
        Effort::Crowded => (2, 14),
        Effort::Stored if is_large(length) => (5, 19),
        Effort::Stored => (10, 19),
    };
    let window = i32::try_from(window(length, most)).unwrap_or(i32::MAX);
    BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(level)).window_size(window))
}

/// There is only one window, of which the memory follows, and level 9 takes longer than 8 for nothing.
pub(super) fn gzip(effort: Effort) -> GzipEncoder {
    let level = match effort {
        Effort::Live | Effort::Crowded => 6,
        Effort::Stored => 8,
    };
    GzipEncoder::new(flate2::Compression::new(level).into())
}
