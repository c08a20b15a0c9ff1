//! Bodies on their way out in a smaller form: live streams, and what is stored, for all who will ask and off the runtime.

mod background;
mod crowd;
mod encoder;
mod first;
mod lease;
mod levels;
mod live;
mod padding;
#[cfg(test)]
mod testing;

pub use background::{Background, Encoded, Turn};
pub use crowd::has_room;
pub use first::{Begun, Resumed, begin};
pub use live::Live;

use crate::message::encoding::Offer;

/// What is encoded, and how carefully.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Encodings that are offered; none turns encoding off.
    pub offer: Offer,
    /// Nothing is encoded that somebody's credentials have a part in.
    pub disable_on_auth: bool,
    /// Up to this many bytes of padding in an encoded response that is not for everybody (BREACH); 0 is none.
    pub jitter: usize,
}
