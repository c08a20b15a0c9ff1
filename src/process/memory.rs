//! How the C library deals with large blocks of memory.

/// From this size on a block is taken from the system by itself, and given back when it is freed.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 128 * 1024;

/// So much that is free at the heap's end is not given back at once. An encoder takes and frees as much for each response:
/// to have the system make the same memory anew each time took longer than to encode a page.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 2 * 1024 * 1024;

/// Keeps large blocks out of the heap for good, and a little free memory in it; to be called before there are threads.
///
/// The C library does so too at first, but takes every large block that is freed for a sign that it had better not. Stored
/// bodies of all sizes that come and go then leave holes, which made a cache of 64 MB take 15 MB more.
#[cfg(target_env = "gnu")]
pub fn set_thresholds() {
    // SAFETY: it sets two numbers, and no other thread allocates meanwhile.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Other C libraries have rules of their own.
#[cfg(not(target_env = "gnu"))]
pub fn set_thresholds() {}
