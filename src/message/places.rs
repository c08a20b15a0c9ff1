//! Where the fields of a header are in the bytes that they were read from.

use super::{Headers, head::MAX_FIELDS, names};
use bytes::Bytes;
use http::HeaderValue;

/// Room for as many fields more, which are added on a message's way.
const OURS: usize = 6;

/// The places of a header's fields. They are noted while it is read, and used when it is complete.
pub struct Places {
    /// Beginning and length of the name, and of the value.
    places: [[u32; 4]; MAX_FIELDS],
    count: usize,
}

/// These are no fields, or too many.
#[derive(Debug, PartialEq, Eq)]
pub struct NoFields;

impl Default for Places {
    fn default() -> Self {
        Self { places: [[0; 4]; MAX_FIELDS], count: 0 }
    }
}

impl Places {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// The next field; both are parts of `bytes`.
    pub fn add(&mut self, bytes: &[u8], name: &[u8], value: &[u8]) -> Result<(), NoFields> {
        let at = |part: &[u8]| part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr()) as u32;
        let place = self.places.get_mut(self.count).ok_or(NoFields)?;
        *place = [at(name), name.len() as u32, at(value), value.len() as u32];
        self.count += 1;
        Ok(())
    }

    /// Puts the fields in the place of what is in `headers`. Their values stay where they are, in one piece of memory.
    pub fn put_into(&self, headers: &mut Headers, bytes: &Bytes) -> Result<(), NoFields> {
        headers.clear();
        headers.reserve(self.count + OURS);
        names::with(|names| {
            for [name, name_length, value, value_length] in &self.places[..self.count] {
                let part = |at: u32, length: u32| at as usize..(at + length) as usize;
                let name = names.read(&bytes[part(*name, *name_length)]).ok_or(NoFields)?;
                let value = HeaderValue::from_maybe_shared(bytes.slice(part(*value, *value_length)));
                headers.append(name, value.map_err(|_| NoFields)?);
            }
            Ok(())
        })
    }
}
