//! What the tables in the tests of this module are written in.

use super::{Headers, headers::Name};
use http::HeaderValue;
use std::ops::Index;

impl Headers {
    /// Fields by name and value, in this order.
    pub fn of(fields: &[(&'static str, &'static str)]) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }
}

/// The first value; there must be one.
impl<N: Name> Index<N> for Headers {
    type Output = HeaderValue;

    fn index(&self, name: N) -> &HeaderValue {
        self.get(name).unwrap()
    }
}
