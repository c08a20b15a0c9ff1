//! A request.

use super::Headers;
use http::{Extensions, Method, Uri, Version};

/// A request: its head, and something for its body.
#[derive(Debug, Default)]
pub struct Request<B> {
    head: Parts,
    body: B,
}

/// A request's head.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
    /// What else is known of it.
    pub extensions: Extensions,
}

impl<B> Request<B> {
    /// With this body, and nothing said in the head.
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

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The same, to be changed.
    pub fn method_mut(&mut self) -> &mut Method {
        &mut self.head.method
    }

    /// The target.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The same, to be changed.
    pub fn uri_mut(&mut self) -> &mut Uri {
        &mut self.head.uri
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
}

/// As the HTTP library has it.
impl<B> From<http::Request<B>> for Request<B> {
    fn from(request: http::Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let http::request::Parts { method, uri, version, headers, extensions, .. } = head;
        Self { head: Parts { method, uri, version, headers: headers.into(), extensions }, body }
    }
}
