//! Opening a file of which the kernel knows all that leads to it, without a disk: on the runtime's thread, since the way to one that
//! may wait, and back, takes as long as everything else that is done for a small file.
//!
//! `RESOLVE_CACHED` (openat2(2), Linux 5.12) fails where something of the path would have to be read, and `RESOLVE_BENEATH` where it
//! leads out of its folder, or may. A file system could still take its time to open a file or to say what it is, so only a few
//! are asked. Whatever fails here, for whichever reason, is for [`super::open`] to open or to refuse, which needs neither.

use super::{FILE, FOLDER, OpenFile, file_system, is_the_kernels};
use rustix::{
    fd::AsFd,
    fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstat, makedev, openat2, statx},
};
use std::{
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    sync::{PoisonError, RwLock},
};

const RULES: ResolveFlags = ResolveFlags::CACHED.union(ResolveFlags::NO_MAGICLINKS);
/// What a path leads to, without opening that: merely to open a device can set it going.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// File systems that open a file without asking anybody (statfs(2)): ext2 to ext4, xfs, btrfs, f2fs, bcachefs, zfs, tmpfs. Not
/// overlayfs, below which there may be any other.
const LOCAL: [u64; 7] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994];

/// The devices that such file systems were seen on.
static SEEN: Devices = Devices::new();

/// A few numbers.
struct Devices(RwLock<Vec<u64>>);

/// Takes note of a file system of this type on this device, for the next time.
pub(super) fn note(kind: u64, device: u64) {
    if LOCAL.contains(&kind) && !SEEN.contains(device) {
        SEEN.add(device);
    }
}

/// The file that [`super::open`] would open, if that can be had at once.
pub fn open_cached(path: &Path, roots: &[PathBuf]) -> Option<OpenFile> {
    if !path.is_absolute() || is_the_kernels(path) || path.components().any(|it| it == Component::ParentDir) {
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
    let open = |flags| openat2(&folder, below, flags, Mode::empty(), rules).ok();
    let there = open(LOOK)?;
    // Without asking whoever may be on the other side.
    let quietly = AtFlags::EMPTY_PATH.union(AtFlags::STATX_DONT_SYNC);
    let seen = statx(&there, "", quietly, StatxFlags::TYPE.union(StatxFlags::INO)).ok()?;
    let device = makedev(seen.stx_dev_major, seen.stx_dev_minor);
    if FileType::from_raw_mode(seen.stx_mode.into()) != FileType::RegularFile || !is_local(&there, device) {
        return None;
    }
    let file = open(FILE)?;
    let stat = fstat(&file).ok()?;
    // Else another has taken its place meanwhile. Its number is its own for as long as it is held.
    let is_same = (stat.st_dev, stat.st_ino) == (device, seen.stx_ino);
    drop(there);
    is_same.then(|| OpenFile::new(file, &stat, path))
}

/// Only what was local is asked whether it still is: the number may be another one's now.
fn is_local(there: impl AsFd, device: u64) -> bool {
    SEEN.contains(device) && file_system(there).is_ok_and(|system| LOCAL.contains(&system))
}

impl Devices {
    /// There are never many of them. Of one more files are opened the long way.
    const MOST: usize = 32;

    const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    fn contains(&self, device: u64) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    fn add(&self, device: u64) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if devices.len() < Self::MOST {
            devices.push(device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn devices_are_known_once_they_were_added() {
        let devices = Devices::new();
        for device in 0..Devices::MOST as u64 {
            assert!(!devices.contains(device));
            devices.add(device);
            assert!(devices.contains(device));
        }
        devices.add(1000);
        assert!(!devices.contains(1000), "there are too many");
    }

    #[test]
    fn only_local_file_systems_are_noted_and_they_are_asked_again() {
        let (nfs, device) = (0x6969, 1 << 40);
        note(nfs, device);
        assert!(!SEEN.contains(device));
        note(LOCAL[0], device);
        assert!(SEEN.contains(device));
        // The number of what is gone is procfs's now.
        let proc = fs::File::open("/proc/self/stat").unwrap();
        assert!(!is_local(&proc, device));
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        assert_eq!(is_local(&file, device), LOCAL.contains(&file_system(&file).unwrap()));
        assert!(!is_local(&file, device + 1));
    }
}
