//! Opening a file of which only the path is known, and of the path nothing good.
//!
//! The path is resolved first, by what its links say, and then walked down from the root's descriptor without following
//! any: what is opened lies where the check found it, whoever swaps links meanwhile. That needs neither `openat2`, which
//! not every sandbox allows, nor a mounted /proc. It also takes their power from the links of procfs that lead where their
//! text does not say (`/proc/self/fd/3`, `/proc/1/root`).

mod cached;

pub use cached::open_cached;

use crate::message::file::NamedFile;
use bytes::Bytes;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, fstatfs, openat, statat},
    io::{Errno, pread, retry_on_intr},
};
use std::{
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A folder on the way to a file: to be passed, not read.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// The file itself. Without `NONBLOCK` a FIFO that took a file's place in the last moment would keep us waiting.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
/// File systems whose regular files are the kernel talking (statfs(2)): procfs, sysfs, debugfs, tracefs, securityfs,
/// configfs, cgroup, cgroup2, bpf, selinuxfs, efivarfs, binfmt_misc.
const NO_DISK: [u64; 12] = [
    0x9fa0,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0x6265_6570,
    0x0027_e0eb,
    0x6367_7270,
    0xcafe_4a11,
    0xf97c_ff8c,
    0xde5e_81e4,
    0x4249_4e4d,
];

const NANOSECONDS: i128 = 1_000_000_000;

/// A regular file, open for reading. Clones share it.
#[derive(Debug, Clone)]
pub struct OpenFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: OwnedFd,
    named: NamedFile,
}

/// Why a file is not sent. To a client the first three are 404 (there is no such file for it), the others 500 (the worker
/// or the installation is at fault); neither says anything of the path.
#[derive(Debug)]
pub enum OpenError {
    /// There is nothing of this name, or there cannot be.
    Missing,
    /// A directory, FIFO, socket or device, or a file of procfs, sysfs or the like.
    NotRegular,
    /// It lies under none of the folders that files may be sent from.
    Outside,
    /// We may not read it.
    Denied,
    /// The path does not begin at the root.
    Relative,
    /// The system failed.
    Failed(io::Error),
}

/// Opens the regular file that this absolute path leads to, which must lie under one of `roots` after symbolic links are
/// resolved; no roots are no limit. Roots are resolved each time: what they are mounted on may come later.
///
/// Blocks on the disk, but never on what is opened: nothing but a regular file is waited for.
pub fn open(path: &Path, roots: &[PathBuf]) -> Result<OpenFile, OpenError> {
    if !path.is_absolute() {
        return Err(OpenError::Relative);
    }
    if is_the_kernels(path) {
        return Err(OpenError::NotRegular);
    }
    match Resolved::new(path, roots)?.open(path) {
        // What has just been there may only have moved on, as links do in a deployment.
        Err(OpenError::Missing) => Resolved::new(path, roots)?.open(path),
        opened => opened,
    }
}

impl OpenFile {
    fn new(file: OwnedFd, stat: &Stat, path: &Path) -> Self {
        let named = NamedFile {
            path: path.to_owned(),
            length: stat.st_size.cast_unsigned(),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: i128::from(stat.st_ctime) * NANOSECONDS + i128::from(stat.st_ctime_nsec),
            inode: (stat.st_dev, stat.st_ino),
        };
        Self(Arc::new(Opened { file, named }))
    }

    /// What was known of it when it was opened.
    pub fn named(&self) -> &NamedFile {
        &self.0.named
    }

    /// All of it, if it is still as long as when it was opened. Blocks.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof` where it has become shorter.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.0.named.length).map_err(io::Error::other)?];
        let mut read = 0;
        while read < bytes.len() {
            match retry_on_intr(|| pread(self, &mut bytes[read..], read as u64))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                some => read += some,
            }
        }
        Ok(bytes.into())
    }

    /// One that [`open`] would not give away.
    #[cfg(test)]
    pub(super) fn unchecked(file: OwnedFd, named: NamedFile) -> Self {
        Self(Arc::new(Opened { file, named }))
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::NotRegular => f.write_str("it is not a regular file on a disk"),
            Self::Outside => f.write_str("it is outside of the folders that files are sent from"),
            Self::Denied => f.write_str("permission denied"),
            Self::Relative => f.write_str("its path is not absolute"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::STALE => Self::Missing,
            // A device or socket without anybody behind it.
            Errno::NXIO | Errno::NODEV => Self::NotRegular,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            // A path with a NUL never reaches the system.
            None if error.kind() == io::ErrorKind::InvalidInput => Self::Missing,
            None => Self::Failed(error),
        }
    }
}

/// Whether the path as it is written goes through procfs or sysfs, where opening alone can have effects, and whose links
/// (`/proc/self/root/…`) are nobody's business. Where they are mounted elsewhere, their type ([`NO_DISK`]) says so.
fn is_the_kernels(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/sys")
}

/// Where a path led when its links were read: to a folder that files may be sent from, and down from there.
struct Resolved {
    root: PathBuf,
    below: PathBuf,
}

impl Resolved {
    fn new(path: &Path, roots: &[PathBuf]) -> Result<Self, OpenError> {
        let path = fs::canonicalize(path)?;
        if is_the_kernels(&path) {
            return Err(OpenError::NotRegular);
        }
        let under = |root: PathBuf| Some(Self { below: path.strip_prefix(&root).ok()?.to_owned(), root });
        match roots {
            [] => under(PathBuf::from("/")),
            roots => roots.iter().filter_map(|root| fs::canonicalize(root).ok()).find_map(under),
        }
        .ok_or(OpenError::Outside)
    }

    fn open(&self, path: &Path) -> Result<OpenFile, OpenError> {
        let name = self.below.file_name().ok_or(OpenError::NotRegular)?;
        let file = self.folder()?.open(name)?;
        let stat = fstat(&file)?;
        let system = file_system(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || NO_DISK.contains(&system) {
            return Err(OpenError::NotRegular);
        }
        cached::note(system, stat.st_dev);
        Ok(OpenFile::new(file, &stat, path))
    }

    /// The folder that the file lies in, reached without following a link below the root.
    fn folder(&self) -> Result<Folder, OpenError> {
        let root = openat(CWD, &self.root, FOLDER, Mode::empty())?;
        let steps = self.below.parent().into_iter().flat_map(Path::components);
        let last = steps.into_iter().try_fold(root, |folder, step| {
            openat(folder, step.as_os_str(), FOLDER.union(OFlags::NOFOLLOW), Mode::empty())
        })?;
        Ok(Folder(last))
    }
}

struct Folder(OwnedFd);

impl Folder {
    fn open(&self, name: &OsStr) -> Result<OwnedFd, OpenError> {
        // A look before: merely to open a device can set it going.
        match FileType::from_raw_mode(statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
            FileType::RegularFile => Ok(openat(&self.0, name, FILE, Mode::empty())?),
            // There was none when the path was resolved.
            FileType::Symlink => Err(OpenError::Missing),
            _ => Err(OpenError::NotRegular),
        }
    }
}

/// The type of the file system that this is on.
fn file_system(file: impl AsFd) -> Result<u64, Errno> {
    // The field's type depends on the machine's; all of the numbers fit into all of them.
    Ok(fstatfs(file)?.f_type as u64)
}

fn time(seconds: i64, nanoseconds: impl Into<u64>) -> SystemTime {
    let fraction = Duration::from_nanos(nanoseconds.into());
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    second.and_then(|second| second.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
