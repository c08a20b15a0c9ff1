//! The encodings in which a stored body lies ready.

use crate::message::{Headers, encodable, encoding::Encoding, prepared::Fields};
use bytes::Bytes;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// A stored response in one encoding.
#[derive(Debug)]
pub struct Form {
    /// Its fields, as they are sent with a hit.
    pub fields: Arc<Fields>,
    /// Its body.
    pub body: Bytes,
}

/// A place for each encoding, filled once and for good. Whoever stores a form sees to it that the response is weighed anew.
#[derive(Debug, Default)]
pub struct Forms {
    places: [Place; Encoding::ALL.len()],
    /// Somebody else has made some of them, and as well as can be: who accepts one needs no other.
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
    pub fn new(identity: &Fields, encoding: Encoding, body: Bytes) -> Self {
        Self::of(identity.headers().clone(), identity.is_relayed(), encoding, body)
    }

    fn of(mut headers: Headers, is_relayed: bool, encoding: Encoding, body: Bytes) -> Self {
        encodable::encode_head(&mut headers, encoding);
        Self { fields: Arc::new(Fields::new(headers, is_relayed)), body }
    }
}

impl Forms {
    /// The forms that somebody else has made of a response with these fields, but for those in which each differs.
    pub fn given(identity: &Fields, given: impl IntoIterator<Item = (Encoding, Headers, Bytes)>) -> Self {
        let mut forms = Self::default();
        for (encoding, own, body) in given {
            forms.given = true;
            let mut headers = identity.headers().clone();
            headers.insert_all(own);
            forms.fill(encoding, Some(Form::of(headers, identity.is_relayed(), encoding, body)));
        }
        forms
    }

    /// The same bodies with other fields. What is being made is claimed no longer; whoever makes it brings it here, too.
    pub fn renewed(&self, identity: &Fields) -> Self {
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

    /// Whether this encoding was tried, and is not worth having.
    pub fn is_worthless(&self, encoding: Encoding) -> bool {
        matches!(self.place(encoding).form.get(), Some(None))
    }

    /// Whether the one who asks may make it: the first, while it is neither there nor worthless.
    pub fn claim(&self, encoding: Encoding) -> bool {
        let place = self.place(encoding);
        place.form.get().is_none() && !place.claimed.swap(true, Ordering::Relaxed)
    }

    /// It was not made after all: the next one who asks may.
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

#[cfg(test)]
mod tests {
    use super::{
        super::testing::fields,
        Encoding::{Brotli, Gzip, Zstd},
        *,
    };

    fn of(text: &'static str) -> Fields {
        Fields::new(fields(text), false)
    }

    fn form(text: &'static str) -> Option<Form> {
        Some(Form::new(
            &of("etag: \"a\" | accept-ranges: bytes | x: y"),
            Gzip,
            Bytes::from_static(text.as_bytes()),
        ))
    }

    fn body(forms: &Forms, encoding: Encoding) -> Option<&[u8]> {
        forms.get(encoding).map(|form| &form.body[..])
    }

    /// RFC 9110 §8.4, §8.8.3.3.
    #[test]
    fn a_form_has_the_fields_that_are_true_of_it() {
        let expected = fields("etag: W/\"a\" | x: y | content-encoding: gzip");
        assert_eq!(form("").unwrap().fields.headers(), &expected);
    }

    #[test]
    fn one_makes_it_and_the_next_one_may_if_that_fails() {
        let forms = Forms::default();
        assert!(forms.claim(Gzip) && !forms.claim(Gzip) && forms.claim(Zstd));
        forms.give_up(Gzip);
        assert!(forms.claim(Gzip));
        forms.fill(Gzip, form("gzip"));
        forms.fill(Zstd, None);
        for encoding in [Gzip, Zstd] {
            // By whoever had it, when all is done.
            forms.give_up(encoding);
            assert!(!forms.claim(encoding), "{encoding:?}");
        }
        assert_eq!((body(&forms, Gzip), body(&forms, Zstd)), (Some(&b"gzip"[..]), None));
        assert!(forms.is_worthless(Zstd) && !forms.is_worthless(Gzip) && !forms.is_worthless(Brotli));
        assert_eq!(forms.iter().count(), 1);
    }

    #[test]
    fn what_is_there_stays() {
        let forms = Forms::default();
        forms.fill(Gzip, form("one"));
        forms.fill(Gzip, form("other"));
        forms.fill(Gzip, None);
        assert_eq!(body(&forms, Gzip), Some(&b"one"[..]));
    }

    #[test]
    fn forms_of_somebody_elses_making_are_remembered_as_such() {
        let made = Forms::default();
        made.fill(Gzip, form("gzip"));
        let own = fields("etag: \"b\"");
        let given = Forms::given(&of("x: y | etag: \"a\""), [(Brotli, own, Bytes::from_static(b"br"))]);
        let expected = fields("x: y | etag: W/\"b\" | content-encoding: br");
        assert_eq!(given.get(Brotli).map(|form| form.fields.headers()), Some(&expected));
        for (forms, are_given) in [(made, false), (given, true), (Forms::given(&of(""), []), false)] {
            assert_eq!(forms.are_given(), are_given, "{forms:?}");
            assert_eq!(forms.renewed(&of("x: z")).are_given(), are_given, "{forms:?}");
        }
    }
}
