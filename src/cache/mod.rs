//! The shared cache (RFC 9111).

mod fingerprint;
