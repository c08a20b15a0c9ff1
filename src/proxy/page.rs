//! The operator's own page for 502.

use bytes::Bytes;
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// A page larger than this is not one.
const MAX_LEN: u64 = 1024 * 1024;

/// An HTML file, read anew when it changes.
pub(super) struct Page {
    path: PathBuf,
    read: Mutex<Option<(Version, Bytes)>>,
}

/// What changes with the file.
type Version = (u64, SystemTime);

impl Page {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    /// Whether there is such a file.
    pub(super) async fn exists(&self) -> bool {
        self.version().await.is_some()
    }

    /// The file's contents; `None` without one, or if it cannot be read.
    pub(super) async fn read(&self) -> Option<Bytes> {
        let version = self.version().await?;
        if let Some((known, page)) = &*self.read.lock().unwrap_or_else(PoisonError::into_inner)
            && *known == version
        {
            return Some(page.clone());
        }
        match tokio::fs::read(&self.path).await {
            Ok(page) => {
                let page = Bytes::from(page);
                *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, page.clone()));
                Some(page)
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot read the page for 502");
                None
            }
        }
    }

    async fn version(&self) -> Option<Version> {
        let metadata = tokio::fs::metadata(&self.path).await.ok()?;
        let usable = metadata.is_file() && metadata.len() <= MAX_LEN;
        usable.then(|| Some((metadata.len(), metadata.modified().ok()?))).flatten()
    }
}
