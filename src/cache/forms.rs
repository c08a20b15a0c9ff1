//! The encodings in which a stored body lies ready.

use crate::message::{Headers, encodable, encoding::Encoding, prepared::Fields};
use bytes::Bytes;
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// A stored response in one encoding.
#[derive(Debug, Clone)]
pub struct Form {
    /// Its fields, as they are sent with a hit.
    pub fields: Arc<Fields>,
    /// Its body.
    pub body: Bytes,
}

/// A place for each encoding, filled for good once, and until then perhaps with something that was quickly made. Whoever stores
/// a form sees to it that the response is weighed anew.
#[derive(Debug, Default)]
pub struct Forms {
    places: [Place; Encoding::ALL.len()],
    /// Somebody else has made some of them, and as well as can be: who accepts one needs no other.
    given: bool,
}

#[derive(Debug, Default)]
struct Place {
    /// For good; without a form where it is not worth its room.
    form: OnceLock<Option<Form>>,
    /// What there is until then.
    interim: Mutex<Option<Box<Form>>>,
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
            let renew = |form: &Form| Form::new(identity, encoding, form.body.clone());
            match (self.place(encoding).form.get(), self.get(encoding)) {
                (Some(form), _) => forms.fill(encoding, form.as_ref().map(renew)),
                (None, Some(interim)) => forms.fill_for_now(encoding, renew(&interim)),
                (None, None) => {}
            }
        }
        forms
    }

    /// Whether somebody else has made some.
    pub fn are_given(&self) -> bool {
        self.given
    }

    /// Whether there is a form in this encoding.
    pub fn has(&self, encoding: Encoding) -> bool {
        self.place(encoding).is_filled()
    }

    /// The form in this encoding, if it is there.
    pub fn get(&self, encoding: Encoding) -> Option<Form> {
        self.place(encoding).get()
    }

    /// Whether nothing more is to be done about this encoding.
    pub fn is_settled(&self, encoding: Encoding) -> bool {
        self.place(encoding).form.get().is_some()
    }

    /// Whether this encoding was tried, and is not worth having.
    pub fn is_worthless(&self, encoding: Encoding) -> bool {
        matches!(self.place(encoding).form.get(), Some(None))
    }

    /// Whether the one who asks may make it: the first, while it is neither there for good nor worthless.
    pub fn claim(&self, encoding: Encoding) -> bool {
        !self.is_settled(encoding) && !self.place(encoding).claimed.swap(true, Ordering::Relaxed)
    }

    /// It was not made after all: the next one who asks may.
    pub fn give_up(&self, encoding: Encoding) {
        self.place(encoding).claimed.store(false, Ordering::Relaxed);
    }

    /// Puts it in its place for good; `None` says that it is not worth it, or that it is not to be had better than it is now.
    pub fn fill(&self, encoding: Encoding, form: Option<Form>) {
        let place = self.place(encoding);
        let mut interim = place.interim();
        let there = interim.take().map(|there| *there);
        // It can only have been made twice, and then both are the same.
        let _ = place.form.set(form.or(there));
    }

    /// Puts it there until something better takes its place.
    pub fn fill_for_now(&self, encoding: Encoding, form: Form) {
        let place = self.place(encoding);
        let mut interim = place.interim();
        if place.form.get().is_none() {
            *interim = Some(Box::new(form));
        }
    }

    /// The forms that are there.
    pub fn iter(&self) -> impl Iterator<Item = Form> {
        self.places.iter().filter_map(Place::get)
    }

    fn place(&self, encoding: Encoding) -> &Place {
        &self.places[encoding as usize]
    }
}

impl Place {
    fn is_filled(&self) -> bool {
        self.form.get().map_or_else(|| self.get().is_some(), Option::is_some)
    }

    fn get(&self) -> Option<Form> {
        let settled = || self.form.get().cloned();
        settled().unwrap_or_else(|| {
            let interim = self.interim();
            // It may have made room just now.
            interim.as_deref().cloned().or_else(|| settled().flatten())
        })
    }

    fn interim(&self) -> MutexGuard<'_, Option<Box<Form>>> {
        self.interim.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn body(forms: &Forms, encoding: Encoding) -> Option<Bytes> {
        forms.get(encoding).map(|form| form.body)
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
        assert_eq!((body(&forms, Gzip), body(&forms, Zstd)), (Some("gzip".into()), None));
        assert!(forms.is_worthless(Zstd) && !forms.is_worthless(Gzip) && !forms.is_worthless(Brotli));
        assert_eq!(forms.iter().count(), 1);
    }

    #[test]
    fn what_is_there_stays() {
        let forms = Forms::default();
        forms.fill(Gzip, form("one"));
        forms.fill(Gzip, form("other"));
        forms.fill(Gzip, None);
        assert_eq!(body(&forms, Gzip), Some("one".into()));
    }

    #[test]
    fn what_is_there_for_now_makes_room_for_what_is_better() {
        let forms = Forms::default();
        forms.fill_for_now(Gzip, form("for now").unwrap());
        let renewed = forms.renewed(&of("x: z"));
        for forms in [&forms, &renewed] {
            assert_eq!(body(forms, Gzip), Some("for now".into()));
            assert!(!forms.is_settled(Gzip) && !forms.is_worthless(Gzip) && forms.iter().count() == 1);
            assert!(forms.claim(Gzip) && !forms.claim(Gzip));
        }
        for better in ["better", "best"] {
            forms.fill(Gzip, form(better));
            forms.fill_for_now(Gzip, form("too late").unwrap());
            assert_eq!((body(&forms, Gzip), forms.iter().count()), (Some("better".into()), 1));
        }
        // It is not to be had better.
        renewed.fill(Gzip, None);
        assert!(renewed.is_settled(Gzip) && body(&renewed, Gzip) == Some("for now".into()));
    }

    #[test]
    fn forms_of_somebody_elses_making_are_remembered_as_such() {
        let made = Forms::default();
        made.fill(Gzip, form("gzip"));
        let own = fields("etag: \"b\"");
        let given = Forms::given(&of("x: y | etag: \"a\""), [(Brotli, own, Bytes::from_static(b"br"))]);
        let expected = fields("x: y | etag: W/\"b\" | content-encoding: br");
        assert_eq!(given.get(Brotli).unwrap().fields.headers(), &expected);
        for (forms, are_given) in [(made, false), (given, true), (Forms::given(&of(""), []), false)] {
            assert_eq!(forms.are_given(), are_given, "{forms:?}");
            assert_eq!(forms.renewed(&of("x: z")).are_given(), are_given, "{forms:?}");
        }
    }
}
