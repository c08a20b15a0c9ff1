//! Large blocks that one encoder after the other takes.
//!
//! Each takes up to 2 MB for its tables, and gives them back with the end of its body. From the system they came page by page, each
//! made and taken away again for a hundred kilobytes of text, and all cores had to hear of it. So each thread keeps the last ones,
//! for as long as it lives.

use super::LARGE;
use std::{
    alloc::Layout,
    cell::{Cell, RefCell},
    marker::PhantomData,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// In bytes: so much each thread keeps at most…
const MOST: usize = 2 * 1024 * 1024;
/// … and all together.
const MOST_OF_ALL: usize = 16 * 1024 * 1024;

static MOST_EACH: AtomicUsize = AtomicUsize::new(MOST);

/// So many threads recycle.
pub(super) fn share_among(threads: usize) {
    MOST_EACH.store(share(threads), Relaxed);
}

fn share(threads: usize) -> usize {
    MOST.min(MOST_OF_ALL / threads.max(1))
}

thread_local! {
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf { blocks: Vec::new(), bytes: 0 }) };
}

/// While it lives, this thread's large blocks come from its shelf, and go there.
#[must_use]
pub struct Recycling {
    before: bool,
    _stays_on_its_thread: PhantomData<*const ()>,
}

/// Begins to recycle, if it is worth it.
pub fn recycle(is_worth_it: bool) -> Recycling {
    Recycling { before: IS_ON.replace(is_worth_it), _stays_on_its_thread: PhantomData }
}

impl Drop for Recycling {
    fn drop(&mut self) {
        IS_ON.set(self.before);
    }
}

/// Free blocks, the oldest first.
struct Shelf {
    blocks: Vec<Block>,
    /// All of them together.
    bytes: usize,
}

/// One of the C library's, from which those of [`std::alloc::System`] are.
struct Block {
    start: *mut u8,
    /// Bytes that may be used, by the word of the C library, which leaves them alone; whoever had it may have asked for fewer.
    size: usize,
}

/// A block for this, if there is one that fits and is not much too large. What is in it is anything.
pub(super) fn take(layout: Layout) -> Option<*mut u8> {
    if !is_recycled(layout) {
        return None;
    }
    SHELF.try_with(|shelf| shelf.try_borrow_mut().ok()?.take(layout)).ok()?
}

/// Takes a block that is free; `false` if it does not, and the block is to be freed.
///
/// # Safety
/// It was had from the system's allocator, or from here, with this layout, and nobody uses it any more.
pub(super) unsafe fn put(start: *mut u8, layout: Layout) -> bool {
    // SAFETY: it is a block of the C library's.
    let size = || unsafe { libc::malloc_usable_size(start.cast()) };
    let put = |shelf: &RefCell<Shelf>| shelf.try_borrow_mut().is_ok_and(|mut shelf| shelf.put(start, size()));
    is_recycled(layout) && SHELF.try_with(put).unwrap_or(false)
}

fn is_recycled(layout: Layout) -> bool {
    IS_ON.get() && layout.size() >= LARGE
}

impl Shelf {
    fn take(&mut self, layout: Layout) -> Option<*mut u8> {
        let sizes = layout.size()..=layout.size().saturating_mul(2);
        let fits =
            |block: &Block| sizes.contains(&block.size) && block.start.addr().is_multiple_of(layout.align());
        let index = self.blocks.iter().rposition(fits)?;
        let block = self.blocks.remove(index);
        self.bytes -= block.size;
        Some(block.start)
    }

    /// Frees the oldest ones where there is no room for another.
    fn put(&mut self, start: *mut u8, size: usize) -> bool {
        let most = MOST_EACH.load(Relaxed);
        if size > most {
            return false;
        }
        while self.bytes + size > most {
            self.blocks.remove(0).free(&mut self.bytes);
        }
        self.bytes += size;
        self.blocks.push(Block { start, size });
        true
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.blocks.drain(..).for_each(|block| block.free(&mut self.bytes));
    }
}

impl Block {
    fn free(self, bytes: &mut usize) {
        *bytes -= self.size;
        // SAFETY: it is the C library's, and nobody uses it.
        unsafe { libc::free(self.start.cast()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator::Allocator;
    use std::{alloc::GlobalAlloc, slice};

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 64).unwrap()
    }

    /// One that was filled with something.
    fn block(size: usize) -> *mut u8 {
        // SAFETY: it is written to as far as it goes.
        unsafe {
            let block = Allocator.alloc(layout(size));
            block.write_bytes(0xa5, size);
            block
        }
    }

    fn free(block: *mut u8, size: usize) {
        // SAFETY: it is not used any more.
        unsafe { Allocator.dealloc(block, layout(size)) };
    }

    fn kept() -> (usize, usize) {
        SHELF.with_borrow(|shelf| (shelf.blocks.len(), shelf.bytes))
    }

    #[test]
    fn what_was_freed_comes_back_for_what_is_not_much_smaller() {
        let _recycling = recycle(true);
        let first = block(1 << 20);
        free(first, 1 << 20);
        let others = [(1 << 20) + (1 << 19), 1 << 18].map(|size| (block(size), size));
        assert!(others.iter().all(|(block, _)| *block != first));
        // It does not become smaller by that.
        for smaller in [600_000, 900_000, 1 << 20] {
            // SAFETY: it is read and written as far as it goes.
            unsafe {
                let zeros = Allocator.alloc_zeroed(layout(smaller));
                assert_eq!(zeros, first, "{smaller}");
                assert!(slice::from_raw_parts(zeros, smaller).iter().all(|byte| *byte == 0));
                zeros.write_bytes(0xa5, smaller);
            }
            assert_eq!(kept(), (0, 0));
            free(first, smaller);
        }
        for (block, size) in others {
            free(block, size);
        }
    }

    #[test]
    fn only_large_blocks_are_kept_and_only_while_it_is_on() {
        let come_and_go = |sizes: &[usize]| sizes.iter().for_each(|size| free(block(*size), *size));
        come_and_go(&[LARGE, MOST]);
        assert_eq!(kept(), (0, 0));
        {
            let _on = recycle(true);
            {
                let _off = recycle(false);
                come_and_go(&[LARGE]);
            }
            come_and_go(&[LARGE - 1, MOST + 1]);
            assert_eq!(kept(), (0, 0));
            come_and_go(&[LARGE]);
        }
        let off = block(LARGE);
        assert_eq!(kept().0, 1, "it is not taken either");
        free(off, LARGE);
        assert_eq!(kept().0, 1);
    }

    #[test]
    fn the_oldest_make_room() {
        let _recycling = recycle(true);
        let blocks = [3, 4, 5, 6, 7].map(|part| (block(part * LARGE), part * LARGE));
        for (block, size) in blocks {
            free(block, size);
        }
        let (count, bytes) = kept();
        assert!(count == 2 && bytes <= MOST, "{count} of {bytes}");
        let (last, size) = blocks[4];
        assert_eq!(block(size), last);
        free(last, size);
    }

    #[test]
    fn many_threads_keep_less_each() {
        assert_eq!([0, 1, 8, 16, 64].map(share), [MOST, MOST, MOST, MOST / 2, MOST / 8]);
    }

    #[test]
    fn what_is_aligned_otherwise_or_grows_stays_whole() {
        let _recycling = recycle(true);
        for align in [1, 4096, 1 << 21] {
            let layout = |size| Layout::from_size_align(size, align).unwrap();
            let aligned = || {
                // SAFETY: that is a size.
                let block = unsafe { Allocator.alloc(layout(LARGE)) };
                assert!(block.addr().is_multiple_of(align), "{align}");
                block
            };
            // SAFETY: each is read and written as far as it goes.
            unsafe {
                Allocator.dealloc(aligned(), layout(LARGE));
                let block = aligned();
                block.write_bytes(0x5a, LARGE);
                let larger = Allocator.realloc(block, layout(LARGE), 3 * LARGE);
                assert!(slice::from_raw_parts(larger, LARGE).iter().all(|byte| *byte == 0x5a));
                Allocator.dealloc(larger, layout(3 * LARGE));
                Allocator.dealloc(aligned(), layout(LARGE));
            }
        }
    }
}
