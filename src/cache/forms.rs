//! The encodings in which a stored body lies ready.

use crate::message::{encodable, encoding::Encoding};
use bytes::Bytes;
use http::HeaderMap;
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// A stored response in one encoding.
#[derive(Debug)]
pub struct Form {
    /// Its fields, as they are sent with a hit.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A place for each encoding, filled once and for good.
#[derive(Debug, Default)]
pub struct Forms {
    places: [Place; Encoding::ALL.len()],
    /// Somebody has encoded the body already, and better than we could: nothing that fits is to be made beside it.
    given: bool,
}

#[derive(Debug, Default)]
struct Place {
    /// Without a form where it is not worth its room.
    form: OnceLock<Option<Form>>,
    /// Whether somebody has begun to make it.
    claimed: AtomicBool,
}

impl Form {
    /// The form of a response with these fields.
    pub fn new(identity: &HeaderMap, encoding: Encoding, body: Bytes) -> Self {
        let mut headers = identity.clone();
        encodable::encode_head(&mut headers, encoding);
        Self { headers, body }
    }
}

impl Forms {
    /// The forms that somebody else has made of a response with these fields.
    pub fn given(identity: &HeaderMap, bodies: impl IntoIterator<Item = (Encoding, Bytes)>) -> Self {
        let mut forms = Self::default();
        for (encoding, body) in bodies {
            forms.given = true;
            forms.fill(encoding, Some(Form::new(identity, encoding, body)));
        }
        forms
    }

    /// The same bodies with other fields; what is being made is made no more.
    pub fn renewed(&self, identity: &HeaderMap) -> Self {
        let forms = Self { given: self.given, ..Self::default() };
        for encoding in Encoding::ALL {
            let place = self.place(encoding);
            if let Some(form) = place.form.get() {
                let form = form.as_ref().map(|form| Form::new(identity, encoding, form.body.clone()));
                forms.fill(encoding, form);
            }
        }
        forms
    }

    /// Whether somebody else has made some.
    pub fn are_given(&self) -> bool {
        self.given
    }

    /// The form in this encoding, if it is there.
    pub fn get(&self, encoding: Encoding) -> Option<&Form> {
        self.place(encoding).form.get()?.as_ref()
    }

    /// Whether it is not worth having this encoding.
    pub fn is_worthless(&self, encoding: Encoding) -> bool {
        matches!(self.place(encoding).form.get(), Some(None))
    }

    /// Whether the one who asks may make it: the first.
    pub fn claim(&self, encoding: Encoding) -> bool {
        let place = self.place(encoding);
        place.form.get().is_none() && !place.claimed.swap(true, Ordering::Relaxed)
    }

    /// It was not made after all.
    pub fn give_up(&self, encoding: Encoding) {
        self.place(encoding).claimed.store(false, Ordering::Relaxed);
    }

    /// Puts it in its place; `None` says that it is not worth it.
    pub fn fill(&self, encoding: Encoding, form: Option<Form>) {
        // It can only have been made twice, and then both are the same.
        let _ = self.place(encoding).form.set(form);
    }

    /// The forms that are there.
    pub fn iter(&self) -> impl Iterator<Item = &Form> {
        self.places.iter().filter_map(|place| place.form.get()?.as_ref())
    }

    fn place(&self, encoding: Encoding) -> &Place {
        &self.places[encoding as usize]
    }
}
