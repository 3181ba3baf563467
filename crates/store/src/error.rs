//! What can go wrong, with its cause and its remedy.

use std::path::PathBuf;

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory is missing.
    #[error("the store cannot be created: there is no directory {directory}; create it or change store.path")]
    NoDirectory {
        /// Where the file was to be.
        directory: PathBuf,
    },
    /// The path names something that is not a file.
    #[error("the store {path} is not a file; let store.path name a file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// There is no such file, and reading does not create one.
    #[error("there is no store at {path}; start the proxy once, or give the path that store.path names")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is not a database; move it away or change store.path")]
    NotADatabase {
        /// The path.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error("{path} is a database of another program; change store.path")]
    NotOurs {
        /// The path.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("the store {path} was written by a newer version of this program ({detail}); use that version")]
    NewerSchema {
        /// The path.
        path: PathBuf,
        /// What is too new.
        detail: String,
    },
    /// The file was written by an older version, and no proxy of this one has opened it yet.
    #[error("the store {path} was written by an older version of this program; start the proxy once")]
    OlderSchema {
        /// The path.
        path: PathBuf,
    },
    /// Another program writes this file.
    #[error("the store {path} is in use by another ocpp-proxy; stop it or change store.path")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error(
        "no permission to use the store {path}; give this user read and write access to it and its directory"
    )]
    Permission {
        /// The path.
        path: PathBuf,
    },
    /// The file system does not support what the store needs.
    #[error(
        "the store {path} cannot use a write-ahead log here (journal mode is {mode}); use a local file system"
    )]
    NoWriteAheadLog {
        /// The path.
        path: PathBuf,
        /// The journal mode that was offered.
        mode: String,
    },
    /// The secret beside the database cannot be used.
    #[error(
        "the secret {path}, with which chargers' keys are sealed, cannot be used: {cause}; put it back from where \
         the store is backed up to"
    )]
    Seal {
        /// The file of the secret.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Anything else.
    #[error("the store {path} cannot be opened: {cause}")]
    Failed {
        /// The path.
        path: PathBuf,
        /// What the database or the system said.
        cause: String,
    },
}

/// The store could not do what was asked. Cheap to clone: one failed commit fails many records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room.
    #[error("the disk or the store is full: free some space or lower the retention")]
    Full,
    /// The disk does not work, or not any more.
    #[error("the disk failed: {0}")]
    Disk(String),
    /// The file is damaged.
    #[error("the store is damaged: {0}; restore it from a copy or move it away")]
    Damaged(String),
    /// Somebody else holds the file.
    #[error("the store is locked by another program: {0}")]
    Locked(String),
    /// More waits than the store may hold in memory.
    #[error("the store is overloaded: too much waits to be written")]
    Overloaded,
    /// An earlier record of the same charger could not be kept. What rests on it is not kept either,
    /// until somebody asks anew what is remembered of the charger.
    #[error("an earlier record of this charger could not be kept: its session must begin anew")]
    Interrupted,
    /// The store is closed or its writer is gone.
    #[error("the store is closed")]
    Closed,
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied,
            ) => StoreError::Disk(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked(text),
            _ => StoreError::Failed(text),
        }
    }
}
