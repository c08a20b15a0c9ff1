//! Pure helpers on HTTP messages: no IO, no clock, no other module of ours.

pub mod forwarded;
