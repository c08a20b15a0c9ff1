//! A response.

use super::Headers;
use http::{Extensions, StatusCode, Version};

/// A response: its head, and something for its body.
#[derive(Debug, Default)]
pub struct Response<B> {
    head: Parts,
    body: B,
}

/// A response's head.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The status.
    pub status: StatusCode,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
    /// What else is known of it.
    pub extensions: Extensions,
}

impl<B> Response<B> {
    /// With this body, and nothing said in the head but 200.
    pub fn new(body: B) -> Self {
        Self::from_parts(Parts::default(), body)
    }

    /// Of what is in it.
    pub fn from_parts(head: Parts, body: B) -> Self {
        Self { head, body }
    }

    /// What is in it.
    pub fn into_parts(self) -> (Parts, B) {
        (self.head, self.body)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The same, to be changed.
    pub fn status_mut(&mut self) -> &mut StatusCode {
        &mut self.head.status
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The same, to be changed.
    pub fn version_mut(&mut self) -> &mut Version {
        &mut self.head.version
    }

    /// The fields.
    pub fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// The same, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.head.headers
    }

    /// What else is known of it.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// The same, to be changed.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// The body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// The same, to be changed.
    pub fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The same with another body, made of its own.
    pub fn map<T>(self, change: impl FnOnce(B) -> T) -> Response<T> {
        Response { head: self.head, body: change(self.body) }
    }
}
