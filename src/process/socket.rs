//! The path of the worker's Unix socket.

use super::Socket;
use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// Where the worker's socket is. A folder that was made for it goes away with this value.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    made: Option<PathBuf>,
}

impl SocketPath {
    /// The path that was asked for, or a new one that only this user can reach.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn choose(socket: &Socket) -> io::Result<Self> {
        match socket {
            Socket::Path(path) => Ok(Self { path: path.clone(), made: None }),
            Socket::Auto => {
                let folder = make_folder(&env::temp_dir())?;
                Ok(Self { path: folder.join("worker.sock"), made: Some(folder) })
            }
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        if let Some(folder) = &self.made {
            // What is left of a temporary folder harms nobody.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A new folder with a name that nobody can have prepared.
fn make_folder(parent: &Path) -> io::Result<PathBuf> {
    loop {
        let folder = parent.join(format!("thrust-{:016x}", fastrand::u64(..)));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
}
