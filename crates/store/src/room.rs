//! How much room is left: the message log gives way long before records do.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::{Limits, StoreError};

/// After a failure records must have this part of the reserve again, so that chargers are not let in to
/// fail at their first transaction.
const RETURN_PART: u64 = 16;

/// Where the room is looked for, and how much of it is kept for records.
#[derive(Debug)]
pub(crate) struct Room {
    directory: PathBuf,
    is_bounded: bool,
    reserve: u64,
}

impl Room {
    pub(crate) fn new(path: &Path, limits: &Limits) -> Self {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let is_bounded = limits.file_bytes.is_some();
        Self { directory: directory.to_owned(), is_bounded, reserve: limits.reserve_bytes }
    }

    /// Whether the log may still be written to.
    pub(crate) fn is_ample(&self, connection: &Connection) -> Result<bool, StoreError> {
        self.has(connection, self.reserve)
    }

    /// Whether the oldest rows of the log should go. Somewhat earlier than the log is stopped, so that it
    /// loses its oldest rows rather than its newest.
    pub(crate) fn is_scarce(&self, connection: &Connection) -> Result<bool, StoreError> {
        Ok(!self.has(connection, self.reserve + self.reserve / 8)?)
    }

    /// Whether there is enough again to let chargers in after a failure.
    pub(crate) fn is_back(&self, connection: &Connection) -> Result<bool, StoreError> {
        self.has(connection, self.reserve / RETURN_PART)
    }

    fn has(&self, connection: &Connection, bytes: u64) -> Result<bool, StoreError> {
        let on_disk = available(&self.directory);
        // The usual case costs one system call.
        if !self.is_bounded && on_disk >= bytes {
            return Ok(true);
        }
        let pragma = |name: &str| -> Result<u64, StoreError> {
            let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
            Ok(u64::try_from(value).unwrap_or(0))
        };
        let growth = if self.is_bounded {
            let pages = pragma("max_page_count")?.saturating_sub(pragma("page_count")?);
            on_disk.min(pages.saturating_mul(pragma("page_size")?))
        } else {
            on_disk
        };
        // What was deleted is used again before the file grows.
        let free = pragma("freelist_count")?.saturating_mul(pragma("page_size")?);
        Ok(growth.saturating_add(free) >= bytes)
    }
}

/// Bytes of the file system that this user may still fill; without bounds where the system does not tell.
fn available(directory: &Path) -> u64 {
    #[cfg(unix)]
    if let Ok(found) = rustix::fs::statvfs(directory) {
        return found.f_bavail.saturating_mul(found.f_frsize);
    }
    #[cfg(not(unix))]
    let _no_way_to_ask = directory;
    u64::MAX
}
