//! HTTP/2's frames as they come in (RFC 9113 §4): where one that all others must wait for has begun, and whether there is
//! anything but noise among them.
//!
//! The library reads them; this only follows. What it bounds costs a client nothing, and is bounded by the library in memory
//! but not in number.

use super::preface::PREFACE;
use std::time::Duration;
use tokio::time::Instant;

/// Noise and resets are counted anew after this.
const PERIOD: Duration = Duration::from_secs(10);
/// So many bytes of frames that carry nothing may come in a period, and as many more as the others have. What makes room for
/// responses is none where as much was sent: some clients do so for every few kilobytes.
const NOISE: u64 = 64 * 1024;
/// So many streams a client may reset in a period (a browser that leaves a page may reset all that there are), and as many
/// more as were answered.
const RESETS: u32 = 256;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The client makes work and asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flood;

/// Follows the bytes that a client sends.
pub(super) struct Frames {
    at: At,
    /// Between a HEADERS frame and the end of its block nothing else may come.
    in_block: bool,
    since: Instant,
    noise: u64,
    sense: u64,
    /// Bytes of frames that make room for responses, and of what was sent.
    updates: u64,
    sent: u64,
    resets: u32,
    /// Requests that were answered when the period began.
    answered: u32,
}

enum At {
    /// Within the preface, with so many bytes left.
    Preface(usize),
    /// Within a frame's header, of which this much is here.
    Header([u8; 9], usize),
    /// Within the payload of a frame of this type, with so many bytes left.
    Payload(u8, usize),
}

impl Frames {
    pub(super) fn new() -> Self {
        let at = At::Preface(PREFACE.len());
        let since = Instant::now();
        Self { at, in_block: false, since, noise: 0, sense: 0, updates: 0, sent: 0, resets: 0, answered: 0 }
    }

    /// Whether the rest of something is to come that nothing else can overtake.
    pub(super) fn is_in_head(&self) -> bool {
        match self.at {
            At::Preface(_) => true,
            At::Header(_, filled) => filled > 0 || self.in_block,
            At::Payload(kind, _) => kind != DATA || self.in_block,
        }
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count as u64);
    }

    /// These bytes have come; so many requests were answered so far.
    pub(super) fn feed(&mut self, mut bytes: &[u8], answered: u32) -> Result<(), Flood> {
        if self.since.elapsed() > PERIOD {
            (self.since, self.answered) = (Instant::now(), answered);
            (self.noise, self.sense, self.updates, self.sent, self.resets) = (0, 0, 0, 0, 0);
        }
        while !bytes.is_empty() {
            bytes = self.step(bytes);
        }
        let noise = self.noise + self.updates.saturating_sub(self.sent);
        let answered = answered.wrapping_sub(self.answered);
        let flood = noise > NOISE.saturating_add(self.sense) || self.resets > RESETS.saturating_add(answered);
        if flood { Err(Flood) } else { Ok(()) }
    }

    /// Takes what belongs to the same part of a frame, and gives the rest.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match &mut self.at {
            At::Preface(left) | At::Payload(_, left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                if *left == 0 {
                    self.at = At::Header([0; 9], 0);
                }
                &bytes[taken..]
            }
            At::Header(header, filled) => {
                let (taken, rest) = bytes.split_at(bytes.len().min(header.len() - *filled));
                header[*filled..][..taken.len()].copy_from_slice(taken);
                *filled += taken.len();
                if *filled == header.len() {
                    let header = *header;
                    self.begin(header);
                }
                rest
            }
        }
    }

    /// A frame's header is complete.
    fn begin(&mut self, [high, middle, low, kind, flags, ..]: [u8; 9]) {
        let length = u32::from_be_bytes([0, high, middle, low]);
        let size = u64::from(length) + 9;
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => self.sense += size,
            HEADERS | CONTINUATION => {
                self.sense += size;
                self.in_block = flags & END_HEADERS == 0;
            }
            WINDOW_UPDATE => self.updates += size,
            _ => self.noise += size,
        }
        self.resets += u32::from(kind == RST_STREAM);
        self.at = if length == 0 { At::Header([0; 9], 0) } else { At::Payload(kind, length as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = (payload as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], &vec![0; payload]].concat()
    }

    #[tokio::test]
    async fn heads_are_told_apart_however_they_are_cut() {
        let mut frames = Frames::new();
        let all =
            [&PREFACE[..], &frame(4, 0, 6), &frame(HEADERS, 0, 5), &frame(CONTINUATION, END_HEADERS, 5)]
                .concat();
        let settled = [PREFACE.len(), PREFACE.len() + 15];
        for (at, byte) in all.iter().enumerate() {
            assert_eq!(frames.is_in_head(), !settled.contains(&at), "{at}");
            frames.feed(&[*byte], 0).unwrap();
        }
        assert!(!frames.is_in_head());
        // What is missing of a body keeps nobody waiting but its stream.
        frames.feed(&frame(DATA, 0, 100)[..50], 0).unwrap();
        assert!(!frames.is_in_head());
    }

    #[tokio::test(start_paused = true)]
    async fn noise_is_a_flood_where_there_is_nothing_else() {
        let (ping, data) = (frame(6, 0, 8), frame(DATA, 0, 10_000));
        let mut frames = Frames::new();
        frames.feed(&PREFACE, 0).unwrap();
        for _ in 0..NOISE / 17 {
            frames.feed(&ping, 0).unwrap();
        }
        assert_eq!(frames.feed(&ping, 0), Err(Flood));
        frames.feed(&data, 0).unwrap();
        frames.feed(&ping, 0).unwrap();
        frames.feed(&ping.repeat(1000), 0).unwrap_err();
        tokio::time::advance(PERIOD * 2).await;
        frames.feed(&ping, 0).unwrap();
    }

    #[tokio::test]
    async fn who_makes_room_for_what_is_sent_makes_no_noise() {
        let (update, ping) = (frame(WINDOW_UPDATE, 0, 4), frame(6, 0, 8));
        let mut frames = Frames::new();
        frames.feed(&PREFACE, 0).unwrap();
        for _ in 0..NOISE {
            frames.sent(4096);
            frames.feed(&update.repeat(2), 0).unwrap();
        }
        assert_eq!(frames.feed(&ping.repeat(NOISE as usize / 17 + 1), 0), Err(Flood), "whatever is sent");
        let mut frames = Frames::new();
        frames.feed(&PREFACE, 0).unwrap();
        frames.sent(1000);
        assert_eq!(frames.feed(&update.repeat(NOISE as usize / 13 + 100), 0), Err(Flood), "room for nothing");
    }

    #[tokio::test]
    async fn resets_are_a_flood_where_nothing_is_answered() {
        let (request, reset) = (frame(HEADERS, END_HEADERS, 500), frame(RST_STREAM, 0, 4));
        let mut frames = Frames::new();
        frames.feed(&PREFACE, 0).unwrap();
        let mut round = |answered| frames.feed(&[request.clone(), reset.clone()].concat(), answered);
        for answered in 0..2 * RESETS {
            round(answered).unwrap();
        }
        for _ in 0..RESETS - 1 {
            round(2 * RESETS).unwrap();
        }
        assert!((0..2).any(|_| round(2 * RESETS).is_err()));
    }
}
