//! The shared cache (RFC 9111).

mod canonical;
mod fingerprint;
mod vary;
