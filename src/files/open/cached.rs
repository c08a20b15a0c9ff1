//! Opening a file of which the kernel knows all that leads to it, without a disk: on the runtime's thread, since the way to one that
//! may wait, and back, takes as long as everything else that is done for a small file.
//!
//! `RESOLVE_CACHED` (openat2(2), Linux 5.12) fails where something would have to be read, and `RESOLVE_BENEATH` where the path leads
//! out of its folder, or may. Whatever fails here is for [`super::open`] to say, which needs neither: so nothing is opened here that
//! would not be there, and what is not opened here costs a system call.

use super::{FILE, FOLDER, OpenFile, is_the_kernels};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2},
    io::Errno,
};
use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

const RULES: ResolveFlags = ResolveFlags::CACHED.union(ResolveFlags::NO_MAGICLINKS);
/// What a path leads to, without opening that: merely to open a device can set it going.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The devices whose file systems were found to be no talk of the kernel's. To ask for that anew could take a network.
static DISKS: RwLock<Vec<u64>> = RwLock::new(Vec::new());
/// There are never many of them; one that is not among them is opened the long way.
const MOST_DISKS: usize = 32;

/// This device's files may be sent.
pub(super) fn is_disk(device: u64) {
    let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
    if !disks.contains(&device) && disks.len() < MOST_DISKS {
        disks.push(device);
    }
}

/// The file that [`super::open`] would open, if that can be had at once.
pub fn open_cached(path: &Path, roots: &[PathBuf]) -> Option<OpenFile> {
    if !path.is_absolute() || is_the_kernels(path) {
        return None;
    }
    if roots.is_empty() {
        return open_below(CWD, path.as_os_str().as_bytes(), RULES, path);
    }
    roots.iter().find_map(|root| {
        let below = below(path, root)?;
        let folder = openat2(CWD, root, FOLDER, Mode::empty(), RULES).ok()?;
        open_below(folder, below, RULES.union(ResolveFlags::BENEATH), path)
    })
}

/// What is written of the path behind the folder, to the letter: `file/` and `file/.` are no `file`.
fn below<'a>(path: &'a Path, folder: &Path) -> Option<&'a [u8]> {
    let folder = folder.as_os_str().as_bytes();
    let rest = path.as_os_str().as_bytes().strip_prefix(folder)?;
    if folder.ends_with(b"/") { Some(rest) } else { rest.strip_prefix(b"/") }
}

fn open_below(folder: impl AsFd, below: &[u8], rules: ResolveFlags, path: &Path) -> Option<OpenFile> {
    let open = |flags| openat2(&folder, below, flags, Mode::empty(), rules);
    let seen = look(open(LOOK)).filter(is_on_disk)?;
    let file = open(FILE).ok()?;
    let stat = fstat(&file).ok()?;
    // Else another has taken its place meanwhile.
    let is_same = (stat.st_dev, stat.st_ino) == (seen.st_dev, seen.st_ino);
    is_same.then(|| OpenFile::new(file, &stat, path))
}

fn look(there: Result<OwnedFd, Errno>) -> Option<Stat> {
    fstat(there.ok()?).ok()
}

fn is_on_disk(file: &Stat) -> bool {
    FileType::from_raw_mode(file.st_mode) == FileType::RegularFile
        && DISKS.read().unwrap_or_else(PoisonError::into_inner).contains(&file.st_dev)
}
