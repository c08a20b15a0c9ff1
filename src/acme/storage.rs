//! The folder in which everything is kept. A file is replaced as a whole or not at all, and only its owner may read it.
//!
//! Each CA has a folder of its own inside, so that certificates of a test CA are never taken for real ones. In it are
//! `account.json`, and of each domain `NAME.pem` (key, then chain: in one file they change together), `NAME.json` (its
//! `History`) and `NAME.lock`.

use super::StartError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A file larger than this is none of ours.
const LARGEST: u64 = 1024 * 1024;

/// One CA's folder. Its functions block.
#[derive(Debug)]
pub struct Storage {
    folder: PathBuf,
}

/// As long as it lives, nobody else has the lock. The kernel takes it back from a process that has ended.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl Storage {
    /// The folder for this directory's account and certificates, made where need be.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn open(root: &Path, directory: &str) -> Result<Self, StartError> {
        let storage = Self { folder: root.join(folder_name(directory)) };
        storage.prepare().map_err(|error| StartError::Storage { path: root.to_owned(), error })?;
        Ok(storage)
    }

    /// A file's text; none where there is no such file.
    ///
    /// # Errors
    /// It is there, but cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Option<String>> {
        let path = self.folder.join(name);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > LARGEST => return Err(io::ErrorKind::FileTooLarge.into()),
            _ => {}
        }
        fs::read_to_string(path).map(Some)
    }

    /// Puts the text in the place of the file's. Whoever calls holds the lock that goes with it, or two could write the same
    /// temporary file.
    ///
    /// # Errors
    /// The file is as it was.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let temporary = self.folder.join(format!("{name}.new"));
        let written = self.write_aside(&temporary, text).and_then(|()| {
            fs::rename(&temporary, self.folder.join(name))?;
            File::open(&self.folder)?.sync_all()
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes a file; one that is not there already is.
    ///
    /// # Errors
    /// It is still there.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The lock of that name (`flock`: among all processes on this folder, whatever container they are in), unless somebody
    /// has it.
    ///
    /// # Errors
    /// The folder or its file system does not let us.
    pub fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let path = self.folder.join(format!("{name}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// A file's path, for the log.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the folder, and tries whether files can be written and locked there.
    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        if fs::metadata(&self.folder)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        }
        self.try_lock("account")?;
        let name = format!(".try-{:016x}", fastrand::u64(..));
        self.write(&name, "")?;
        self.remove(&name)
    }

    fn write_aside(&self, temporary: &Path, text: &str) -> io::Result<()> {
        // What a process that was killed has left there may be anything.
        let _ = fs::remove_file(temporary);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// A directory's URL as the name of a folder: what is neither letter nor digit nor dot becomes a hyphen.
fn folder_name(directory: &str) -> String {
    let name = directory.strip_prefix("https://").unwrap_or(directory);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).collect::<String>().trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> (tempfile::TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        let storage =
            Storage::open(&folder.path().join("a/b"), "https://ca.example:14000/dir?x=../..").unwrap();
        (folder, storage)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn each_ca_has_a_folder_of_its_own() {
        for (directory, expected) in [
            ("https://acme-v02.api.letsencrypt.org/directory", "acme-v02.api.letsencrypt.org-directory"),
            ("https://CA.example:14000/dir?x=../..", "ca.example-14000-dir-x-.."),
            ("https://../../etc/", "etc"),
        ] {
            let name = folder_name(directory);
            assert!(!name.contains('/') && name != ".." && !name.is_empty());
            assert_eq!(name, expected.trim_matches(['-', '.']));
        }
    }

    #[test]
    fn only_the_owner_may_read() {
        let (_folder, storage) = storage();
        storage.write("a.pem", "secret").unwrap();
        drop(storage.try_lock("a").unwrap());
        assert_eq!(mode(&storage.folder), 0o700);
        assert_eq!(mode(storage.folder.parent().unwrap()), 0o700);
        assert_eq!(mode(&storage.path("a.pem")), 0o600);
        assert_eq!(mode(&storage.path("a.lock")), 0o600);
    }

    #[test]
    fn a_folder_that_others_could_read_is_closed() {
        let (folder, storage) = storage();
        fs::set_permissions(&storage.folder, Permissions::from_mode(0o755)).unwrap();
        let again =
            Storage::open(&folder.path().join("a/b"), "https://ca.example:14000/dir?x=../..").unwrap();
        assert_eq!(mode(&again.folder), 0o700);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_is_left_aside() {
        let (_folder, storage) = storage();
        assert_eq!(storage.read("a.pem").unwrap(), None);
        fs::write(storage.path("a.pem.new"), "left by one that was killed").unwrap();
        storage.write("a.pem", "one").unwrap();
        storage.write("a.pem", "two").unwrap();
        assert_eq!(storage.read("a.pem").unwrap().as_deref(), Some("two"));
        let names: Vec<_> =
            fs::read_dir(&storage.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "the file and the account's lock: {names:?}");
        storage.remove("a.pem").unwrap();
        storage.remove("a.pem").unwrap();
        assert_eq!(storage.read("a.pem").unwrap(), None);
    }

    #[test]
    fn a_reader_sees_the_old_text_or_the_new_never_a_part() {
        let (_folder, storage) = storage();
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        storage.write("a.pem", &texts[0]).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..50).for_each(|i| storage.write("a.pem", &texts[i % 2]).unwrap()));
            while !writer.is_finished() {
                let text = storage.read("a.pem").unwrap().unwrap();
                assert!(texts.contains(&text), "{} bytes of a mixture", text.len());
            }
        });
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_alone() {
        let (_folder, storage) = storage();
        storage.write("a.pem", "one").unwrap();
        // Nothing can be written beside it while a folder has the temporary file's name.
        fs::create_dir(storage.path("a.pem.new")).unwrap();
        storage.write("a.pem", "two").unwrap_err();
        assert_eq!(storage.read("a.pem").unwrap().as_deref(), Some("one"));
    }

    #[test]
    fn a_lock_excludes_others_until_it_is_dropped() {
        let (_folder, storage) = storage();
        let lock = storage.try_lock("a").unwrap();
        assert!(lock.is_some());
        assert!(storage.try_lock("a").unwrap().is_none());
        assert!(storage.try_lock("b").unwrap().is_some());
        drop(lock);
        assert!(storage.try_lock("a").unwrap().is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error_that_says_what_to_mount() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Storage::open(&file.join("storage"), "https://ca.example").unwrap_err().to_string();
        assert!(error.contains("file/storage: ") && error.contains("Mount a volume there"), "{error}");
    }

    #[test]
    fn what_is_too_large_or_no_text_is_not_read() {
        let (_folder, storage) = storage();
        fs::write(storage.path("large"), vec![b'a'; 1024 * 1024 + 1]).unwrap();
        fs::write(storage.path("bytes"), [0xff, 0xfe]).unwrap();
        storage.read("large").unwrap_err();
        storage.read("bytes").unwrap_err();
    }
}
