//! Where memory comes from: small blocks from mimalloc, which is quicker than the C library and leaves smaller holes, all others
//! from the C library, and large ones by it from the system, one by one. Large ones of encoders are kept for the next.

mod recycling;

pub use recycling::{Recycling, recycle};

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout, System};

/// In bytes: what is larger is no small block. Of those mimalloc keeps more than the C library does.
const SMALL: usize = 16 * 1024;

/// In bytes: from this size on a block is taken from the system by itself, and given back when it is freed.
///
/// Stored bodies of all sizes come and go, and their holes would cost a cache a quarter more. What grows, as a body does while
/// it comes in, need not be copied, since the system moves pages.
const LARGE: usize = 128 * 1024;

/// In bytes: so much that is free at the C library's end is not given back at once. An encoder takes and frees as much for each
/// response in blocks that are not large: to have the system make the same memory anew each time took longer than to encode a page.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 2 * 1024 * 1024;

/// Heaps of the C library's, which would give each thread one of its own. A stored body is freed where another makes room for it, so
/// that each would be full of the others' holes: bodies of 100 KB took up to 43 % more. Who waits for its lock is who takes large
/// blocks, and libraries in C, which keep for each thread what they free that is small.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 1;

/// In milliseconds: so long pages that are wholly free are kept by mimalloc for who wants some again. Its own second is too long
/// where nothing happens any more, since it looks only when something is freed; with none at all HTTP/2 had the same pages made
/// anew all the time.
const DELAY: libc::c_long = 10;

/// `mi_option_purge_delay` of `mimalloc.h`, which the crate gives no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// The program's allocator.
pub struct Allocator;

fn is_small(size: usize) -> bool {
    size <= SMALL
}

// SAFETY: the size that a block was asked for says for ever which of the two it is from, and both are sound.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has it.
        unsafe {
            if is_small(layout.size()) {
                MiMalloc.alloc(layout)
            } else {
                recycling::take(layout).unwrap_or_else(|| System.alloc(layout))
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller has it.
        unsafe {
            if is_small(layout.size()) {
                return MiMalloc.alloc_zeroed(layout);
            }
            match recycling::take(layout) {
                Some(block) => {
                    block.write_bytes(0, layout.size());
                    block
                }
                None => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller has it; and it is from where its size says.
        unsafe {
            if is_small(layout.size()) {
                MiMalloc.dealloc(block, layout);
            } else if !recycling::put(block, layout) {
                System.dealloc(block, layout);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (is_small(layout.size()), is_small(size)) {
            // SAFETY: as the caller has it; and it is from where its size says.
            (true, true) => unsafe { MiMalloc.realloc(block, layout, size) },
            // SAFETY: the same.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            _ => {
                // SAFETY: the caller has seen to it that this is a layout. The blocks are two, and what is copied is in both.
                unsafe {
                    let other = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                    if !other.is_null() {
                        other.copy_from_nonoverlapping(block, size.min(layout.size()));
                        self.dealloc(block, layout);
                    }
                    other
                }
            }
        }
    }
}

/// Has all keep what is free as is said above, beside so many cores; to be called before there are threads.
pub fn set_up(cores: usize) {
    recycling::share_among(cores);
    // SAFETY: it sets a number.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, DELAY) };
    set_thresholds();
}

/// Has the C library have one heap, and keep large blocks out of it for good. It does so too at first, but takes every large block
/// that is freed for a sign that it had better not.
#[cfg(target_env = "gnu")]
fn set_thresholds() {
    // SAFETY: it sets three numbers, and no other thread allocates meanwhile.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as libc::c_int);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Other C libraries have rules of their own.
#[cfg(not(target_env = "gnu"))]
fn set_thresholds() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// That number is what it is called here only where the default is that of giving memory back.
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: it reads a number.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }, 1000);
    }

    #[test]
    fn a_block_keeps_what_is_in_it_however_it_grows_and_shrinks() {
        let sizes = [1, 100, SMALL, SMALL + 1, 100 * SMALL, SMALL + 1, SMALL, 2 * SMALL, 64, 1];
        for align in [1, 16, 4096] {
            let layout = |size| Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layouts are those of the block, and only what is in it is written and read.
            unsafe {
                let mut block = Allocator.alloc_zeroed(layout(sizes[0]));
                assert_eq!(*block, 0);
                for pair in sizes.windows(2) {
                    let [before, size] = [pair[0], pair[1]];
                    block.write_bytes(0xa5, before);
                    block = Allocator.realloc(block, layout(before), size);
                    assert!(!block.is_null() && block.addr() % align == 0, "{before} to {size}");
                    let kept = std::slice::from_raw_parts(block, before.min(size));
                    assert!(kept.iter().all(|byte| *byte == 0xa5), "{before} to {size}");
                }
                Allocator.dealloc(block, layout(1));
                let zeros = Allocator.alloc_zeroed(layout(2 * SMALL));
                assert!(std::slice::from_raw_parts(zeros, 2 * SMALL).iter().all(|byte| *byte == 0));
                Allocator.dealloc(zeros, layout(2 * SMALL));
            }
        }
    }
}
