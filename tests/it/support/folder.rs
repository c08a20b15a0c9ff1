//! A folder of files that a test serves from, and all that a file system can do to them.

use std::{
    ffi::{CString, OsStr},
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A folder; removed when dropped. Its own path has no links in it.
pub struct Folder {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    /// Empty.
    pub fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(dir.path()).unwrap();
        Folder { dir, path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, whether or not it is there.
    pub fn at(&self, name: &str) -> String {
        self.path.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file that was last changed an hour ago, and the folders above it; its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.put(name, content);
        self.set_age(name, 3600);
        path
    }

    /// Writes a file that is as young as it is.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.at(name)
    }

    /// Puts other content in a file's place in one step, as deployments do.
    pub fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.put(&format!("{name}.new"), content);
        fs::rename(new, self.path.join(name)).unwrap();
    }

    /// Says that a file was last changed so many seconds ago (or will be).
    pub fn set_age(&self, name: &str, seconds: i64) {
        let offset = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        let time = if seconds < 0 { now + offset } else { now - offset };
        File::options().write(true).open(self.path.join(name)).unwrap().set_modified(time).unwrap();
    }

    /// A file of this length that takes no room on the disk; its path.
    pub fn sparse(&self, name: &str, length: u64) -> String {
        File::create(self.path.join(name)).unwrap().set_len(length).unwrap();
        self.set_age(name, 3600);
        self.at(name)
    }

    /// Makes a file longer or shorter.
    pub fn resize(&self, name: &str, length: u64) {
        File::options().write(true).open(self.path.join(name)).unwrap().set_len(length).unwrap();
    }

    /// Gives two files, folders or links each other's name. For moments neither has one.
    pub fn exchange(&self, one: &str, other: &str) {
        let aside = self.path.join("aside");
        for (from, to) in [
            (self.path.join(one), aside.clone()),
            (self.path.join(other), self.path.join(one)),
            (aside, self.path.join(other)),
        ] {
            fs::rename(from, to).unwrap();
        }
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path.join(name)).unwrap();
    }

    /// A symbolic link that leads to anything; its path.
    pub fn link(&self, name: &str, target: impl AsRef<Path>) -> String {
        symlink(target, self.path.join(name)).unwrap();
        self.at(name)
    }

    /// A FIFO that nobody writes to; its path.
    pub fn fifo(&self, name: &str) -> String {
        let path = CString::new(OsStr::as_bytes(self.path.join(name).as_os_str())).unwrap();
        // SAFETY: mkfifo reads a string that ends with a NUL and outlives the call.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
        self.at(name)
    }

    /// `Last-Modified` of a file as it should be told.
    pub fn modified(&self, name: &str) -> String {
        httpdate::fmt_http_date(fs::metadata(self.path.join(name)).unwrap().modified().unwrap())
    }
}
