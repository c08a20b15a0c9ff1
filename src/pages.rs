//! Memory that is sent without being copied: the kernel takes the pages themselves, as it does with those of a file.
//!
//! They are those of a file without a name, which is mapped, so that a body in them can be read like any other. A block has pages
//! of its own. When it is dropped they are taken out of the file, not written anew: a socket may still hold them, and keeps them
//! as they are until they are sent. That is so for pages of the common size alone; where a part is taken out of a huge one, the
//! kernel writes zeros to that part, and so there must be none.
//!
//! It takes Linux 5.14. Where that, or a limit of the process's, does not have it, everything works as if this were not here.

use buddy_system_allocator::FrameAllocator;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{MemfdFlags, fstat, ftruncate, memfd_create, sendfile},
    io::Errno,
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap},
    param::page_size,
    process::{Resource, getrlimit},
};
use std::{
    io,
    os::unix::net::UnixStream,
    ptr, slice,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

/// In bytes: what is shorter is copied as quickly.
const LEAST: usize = 16 * 1024;
/// Pages: what takes fewer leaves too much of the last one empty. (They are of 4 KB, but for some of ARM's with 64.)
const FEWEST: usize = 4;
/// With more of them everything is copied. Where several cores send the same block, what counts its pages goes to and fro between
/// them: two gain all the same (measured), with more it may cost more than the copy.
const MOST_CORES: usize = 2;
/// How many sizes of free ranges there are, each twice the one before: enough for all the memory that a process can have.
const SIZES: usize = 40;

/// The program's.
static PAGES: OnceLock<Pages> = OnceLock::new();

/// A file of pages.
struct Pages {
    file: OwnedFd,
    /// Where it is mapped, and how far.
    base: *mut u8,
    length: usize,
    /// Bytes in each.
    size: usize,
    /// Which are in no block, counted from the first.
    free: Mutex<FrameAllocator<SIZES>>,
}

// SAFETY: what is mapped stays so for ever. No two blocks have a page in common, and a block is only read once it is filled.
unsafe impl Send for Pages {}
// SAFETY: the same.
unsafe impl Sync for Pages {}

/// Bytes in pages of their own.
pub struct Block {
    pages: &'static Pages,
    /// The first page's number.
    first: usize,
    length: usize,
}

/// Where in the file something is.
#[derive(Clone, Copy)]
pub struct Place {
    pages: &'static Pages,
    offset: u64,
}

/// Has addresses for blocks of so many bytes together, which so many cores send; to be called once. Where that cannot be had, or is
/// not worth it, what is sent is copied, as everywhere else.
pub fn reserve(bytes: u64, cores: usize) {
    if bytes == 0 || cores > MOST_CORES {
        return;
    }
    match Pages::new(bytes) {
        Ok(pages) => {
            let _ = PAGES.set(pages);
        }
        Err(error) => tracing::debug!(%error, "what lies ready encoded is copied each time that it is sent"),
    }
}

/// These bytes once more, in such pages, if that is worth it and if there is room.
pub fn place(bytes: &[u8]) -> Option<Block> {
    let pages = PAGES.get()?;
    if bytes.len() < LEAST.max(FEWEST * pages.size) { None } else { pages.place(bytes) }
}

/// Where these bytes are, if they are in such pages and it is worth sending them from there.
pub fn find(bytes: &[u8]) -> Option<Place> {
    if bytes.len() < LEAST { None } else { PAGES.get()?.find(bytes) }
}

/// Bytes of memory that these take: of their last page, too, what is empty.
pub fn memory_of(bytes: &[u8]) -> usize {
    find(bytes).map_or(bytes.len(), |place| bytes.len().next_multiple_of(place.pages.size))
}

impl Pages {
    fn new(bytes: u64) -> io::Result<Self> {
        let size = page_size();
        // A block leaves as much again unused at most, as free ranges are halved until they fit.
        let wanted = bytes
            .max(LEAST as u64)
            .checked_mul(2)
            .and_then(|bytes| bytes.checked_next_multiple_of(size as u64));
        let length =
            wanted.filter(|length| is_within_limits(*length)).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| io::Error::other(format!("no room for twice {bytes} bytes")))?;
        let file = create()?;
        ftruncate(&file, length as u64)?;
        // SAFETY: it is a new mapping.
        let base = unsafe {
            let (access, flags) =
                (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
            mmap(ptr::null_mut(), length, access, flags, &file, 0)?
        };
        let mut free = FrameAllocator::new();
        free.add_frame(0, length / size);
        let pages = Self { file, base: base.cast(), length, size, free: Mutex::new(free) };
        match pages.advise(0, length, Advice::LinuxNoHugepage) {
            // With this kernel there are none.
            Ok(_) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        // A dump would make all those pages that are not there.
        pages.advise(0, length, Advice::LinuxDontDump)?;
        pages.try_out()?;
        Ok(pages)
    }

    /// Does once what is done with each block, and looks whether it had an effect.
    fn try_out(&self) -> io::Result<()> {
        let (one, _other) = UnixStream::pair()?;
        self.populate(0, self.size)?;
        let sent = sendfile(&one, &self.file, Some(&mut 0), self.size)?;
        self.remove(0, self.size)?;
        if sent == self.size && fstat(&self.file)?.st_blocks == 0 {
            Ok(())
        } else {
            Err(io::Error::other("pages cannot be sent, or not be given back"))
        }
    }

    fn place(&'static self, bytes: &[u8]) -> Option<Block> {
        let first = self.free().alloc(bytes.len().div_ceil(self.size))?;
        let block = Block { pages: self, first, length: bytes.len() };
        let start = self.populate(first, bytes.len()).ok()?;
        // SAFETY: the pages are there, and nobody else's.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Some(block)
    }

    fn find(&'static self, bytes: &[u8]) -> Option<Place> {
        let offset = bytes.as_ptr().addr().wrapping_sub(self.base.addr());
        (offset < self.length).then_some(Place { pages: self, offset: offset as u64 })
    }

    /// Makes pages of zeros for so many bytes; where they begin. Without this, one for which there is no memory would be a signal
    /// when it is written to.
    fn populate(&self, first: usize, bytes: usize) -> Result<*mut u8, Errno> {
        self.advise(first, bytes, Advice::LinuxPopulateWrite)
    }

    /// Takes the pages of so many bytes out of the file.
    fn remove(&self, first: usize, bytes: usize) -> Result<*mut u8, Errno> {
        self.advise(first, bytes, Advice::LinuxRemove)
    }

    fn advise(&self, first: usize, bytes: usize, advice: Advice) -> Result<*mut u8, Errno> {
        let start = self.base.wrapping_add(first * self.size);
        // SAFETY: the range is mapped, and nobody reads what it changes.
        unsafe { madvise(start.cast(), bytes.next_multiple_of(self.size), advice)? };
        Ok(start)
    }

    fn free(&self) -> MutexGuard<'_, FrameAllocator<SIZES>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file above the limit of files would be a signal; a mapping below that of addresses could leave too few to all others.
fn is_within_limits(length: u64) -> bool {
    let limit = |resource| getrlimit(resource).current;
    limit(Resource::Fsize).is_none_or(|most| length <= most) && limit(Resource::As).is_none()
}

/// A file without a name. Newer kernels want to be told that it is no program; older ones do not know the word.
fn create() -> Result<OwnedFd, Errno> {
    let create = |flags| memfd_create("thrust", flags | MemfdFlags::CLOEXEC);
    match create(MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => create(MemfdFlags::empty()),
        created => created,
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: blocks need pages that are there for ever, so that there are none.
        let _ = unsafe { munmap(self.base.cast(), self.length) };
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: a block was filled, and is not written to any more.
        unsafe {
            slice::from_raw_parts(self.pages.base.wrapping_add(self.first * self.pages.size), self.length)
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Pages that are still in the file may be in a socket, too, and must not be another block's.
        match self.pages.remove(self.first, self.length) {
            Ok(_) => self.pages.free().dealloc(self.first, self.length.div_ceil(self.pages.size)),
            Err(error) => {
                tracing::warn!(%error, bytes = self.length, "memory of a stored body cannot be used again")
            }
        }
    }
}

impl Place {
    /// Sends up to so many bytes, from so many behind it on; how many. To a socket that is closed it would be a signal in a program
    /// that has not told the system to ignore that one, as those in Rust have.
    ///
    /// # Errors
    /// The socket's, or that there is no memory for a pipe between the file and the socket.
    pub fn send(self, socket: impl AsFd, from: usize, bytes: usize) -> Result<usize, Errno> {
        sendfile(socket, &self.pages.file, Some(&mut (self.offset + from as u64)), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    fn pages(bytes: usize) -> &'static Pages {
        Box::leak(Box::new(Pages::new(bytes as u64).unwrap()))
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        near.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        (near, listener.accept().unwrap().0)
    }

    /// Bytes of memory that the file takes.
    fn taken(pages: &Pages) -> u64 {
        fstat(&pages.file).unwrap().st_blocks as u64 * 512
    }

    #[test]
    fn a_block_is_what_was_put_there_and_takes_its_pages_alone() {
        let pages = pages(1 << 20);
        assert_eq!(taken(pages), 0);
        let bodies = [1, 4095, 4096, 4097, 20_000, 100_000].map(|length| {
            let body: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
            let block = pages.place(&body).unwrap();
            (body, block)
        });
        let sum: usize = bodies.iter().map(|(body, _)| body.len().next_multiple_of(pages.size)).sum();
        assert_eq!(taken(pages), sum as u64);
        for (body, block) in &bodies {
            assert!(block.as_ref() == body, "{}", body.len());
        }
        drop(bodies);
        assert_eq!(taken(pages), 0);
    }

    #[test]
    fn where_there_is_no_room_nothing_is_placed_until_there_is() {
        let pages = pages(1 << 20);
        let body = vec![1; 1 << 20];
        let blocks = [(); 2].map(|()| pages.place(&body).unwrap());
        assert!(pages.place(&body).is_none() && pages.place(&[1]).is_none());
        drop(blocks);
        assert!(pages.place(&vec![1; 2 << 20]).is_some());
    }

    #[test]
    fn bytes_weigh_what_their_pages_do() {
        reserve(1 << 20, 1);
        let size = page_size();
        let body = vec![1; LEAST.max(FEWEST * size) + 1];
        assert_eq!(memory_of(&body), body.len());
        let block = place(&body).unwrap();
        assert_eq!(memory_of(block.as_ref()), body.len().next_multiple_of(size));
        assert!(place(&body[2..]).is_none(), "shorter ones are copied");
    }

    #[test]
    fn only_what_is_there_is_found_and_any_part_of_it_is_sent() {
        let pages = pages(1 << 20);
        let body: Vec<u8> = (0..60_000).map(|at| (at % 251) as u8).collect();
        let other = pages.place(&body).unwrap();
        let block = pages.place(&body).unwrap();
        assert!(pages.find(&body).is_none());
        drop(other);
        let (near, mut far) = pair();
        for part in [0..60_000, 1..5000, 40_000..59_999] {
            let bytes = &block.as_ref()[part.clone()];
            assert_eq!(pages.find(bytes).unwrap().send(&near, 0, bytes.len()).unwrap(), bytes.len());
            let mut received = vec![0; bytes.len()];
            far.read_exact(&mut received).unwrap();
            assert!(received == body[part.clone()], "{part:?}");
        }
    }

    #[test]
    fn what_is_being_sent_stays_as_it_was_when_its_memory_is_another_ones() {
        let pages = pages(1 << 20);
        let (near, mut far) = pair();
        let fill = |byte| pages.place(&vec![byte; 100_000]).unwrap();
        let block = fill(b'a');
        let place = pages.find(block.as_ref()).unwrap();
        assert_eq!(place.send(&near, 0, 100_000).unwrap(), 100_000);
        drop(block);
        let next = fill(b'b');
        assert_eq!(pages.find(next.as_ref()).unwrap().offset, place.offset, "the same place");
        (&near).write_all(b"c").unwrap();
        let mut received = vec![0; 100_001];
        far.read_exact(&mut received).unwrap();
        let (body, end) = received.split_at(100_000);
        assert!(body.iter().all(|byte| *byte == b'a') && end == b"c");
    }
}
