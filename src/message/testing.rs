//! What the tables in the tests of this module are written in.

use http::{HeaderMap, HeaderValue};

/// Fields by name and value, in this order.
pub fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}
