//! Which responses may be sent in an encoding, and what changes in their headers then (RFC 9110 §8.4, §12.5.5).
