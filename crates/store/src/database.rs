//! Opening the file: who may, and with which settings.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::deliveries::arrivals::Arrivals;
use crate::{Limits, OpenError, StoreError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Of the file in the writer's memory, in KiB. While a follower is away some pages of every charger are written again and
/// again.
const CACHE_KIB: i64 = 16 * 1024;

/// Pages that are brought from the write-ahead log into the file at once. What is written again meanwhile is brought
/// over once; what comes then waits for all of it.
const CHECKPOINT_PAGES: i64 = 8000;

/// "OCPP" in ASCII, written into the file's header so that no other database is taken for ours.
const APPLICATION_ID: i32 = 0x4F43_5050;

/// Only a reader in recovery ever holds the file for long.
pub(crate) const BUSY_FOR: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this size when it is reused.
const LOG_SIZE_BYTES: i64 = 64 * 1024 * 1024;

/// The database file and what SQLite puts beside it.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    main: PathBuf,
    write_ahead: PathBuf,
}

impl Files {
    pub(crate) fn new(path: &Path) -> Self {
        Self { main: path.to_owned(), write_ahead: beside(path, "-wal") }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        [&self.main, &self.write_ahead]
            .into_iter()
            .filter_map(|path| path.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Holding it means to be the only program that writes the file. The system takes it back when the
/// program dies, however it dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Opens the file for the one writer: creates it, locks it, migrates it.
pub(crate) fn open_for_writing(path: &Path, limits: &Limits) -> Result<(Connection, Lock), OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(OpenError::NoDirectory { directory: directory.to_owned() });
    }
    if path.exists() && !path.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    // A file of its own: SQLite's locks on the database would be lost with any other handle to it.
    let lock = create(&beside(path, ".lock")).map_err(|error| refused(path, &error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(refused(path, &error)),
    }
    drop(create(path).map_err(|error| refused(path, &error))?);

    let open = || -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_FOR)?;
        check_ours(&connection, path)?;
        // Takes effect while the file is empty; the file can then give pages back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(Failure::Known(OpenError::NoWriteAheadLog { path: path.to_owned(), mode }));
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_SIZE_BYTES)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // What an index of a large log is sorted with goes to the disk, if there is a place for it.
        let migrated = migrate(&mut connection, path);
        // What a statement may have to undo: else it goes into a file beside those of the store.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        match migrated {
            Err(Failure::Known(OpenError::Failed { .. })) => migrate(&mut connection, path)?,
            migrated => migrated?,
        }
        Arrivals::sort_what_is_left(&connection)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.set_prepared_statement_cache_capacity(64);
        if let Some(bytes) = limits.file_bytes {
            let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page_bytes;
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(connection)
    };
    let connection = open().map_err(|failure| failure.explain(path))?;
    Ok((connection, Lock { _file: lock }))
}

/// Opens the file to leave a word for the program that holds its lock.
pub(crate) fn open_beside_the_writer(path: &Path) -> Result<Connection, OpenError> {
    let open = || -> Result<Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_FOR)?;
        check_ours(&connection, path)?;
        Ok(connection)
    };
    open().map_err(|failure| failure.explain(path))
}

/// Has something written in one transaction, whether a proxy holds the file or none does. Blocking.
pub(crate) fn write_from_outside(
    path: &Path,
    write: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    // The lock is held until the connection is closed.
    let (connection, _lock) = match open_for_writing(path, &Limits::default()) {
        Ok((connection, lock)) => (connection, Some(lock)),
        Err(OpenError::InUse { .. }) => (open_beside_the_writer(path)?, None),
        Err(error) => return Err(error),
    };
    let outcome = || {
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        write(&transaction)?;
        transaction.commit()
    };
    let failed = |error: rusqlite::Error| OpenError::Failed {
        path: path.to_owned(),
        cause: StoreError::from(error).to_string(),
    };
    let outcome = outcome().map_err(failed);
    drop(connection);
    outcome
}

/// Opens the file for reading, beside a writer or without one, also from another program.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing { path: path.to_owned() });
    }
    if !path.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    match open_read_only(path, "") {
        // In a directory that this user may not write, SQLite cannot create its shared memory. When
        // no write-ahead log is there, nobody writes and the file can be read as it is.
        Err(Failure::Sqlite(error))
            if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
                && beside(path, "-wal").metadata().map_or(true, |metadata| metadata.len() == 0) =>
        {
            open_read_only(path, "&immutable=1")
        }
        opened => opened,
    }
    .map_err(|failure| failure.explain(path))
}

fn open_read_only(path: &Path, more: &str) -> Result<Connection, Failure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(path, more), flags)?;
    connection.busy_timeout(BUSY_FOR)?;
    // Otherwise SQLite plans every search anew, because what is looked for is another text than the last time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    check_ours(&connection, path)?;
    let applied = applied(&connection)?;
    if applied > newest() {
        let detail = format!("its schema is {}", applied.unwrap_or_default());
        return Err(Failure::Known(OpenError::NewerSchema { path: path.to_owned(), detail }));
    }
    Ok(connection)
}

/// The newest schema that this program knows.
fn newest() -> Option<i32> {
    embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max()
}

/// The schema of the file.
fn applied(connection: &Connection) -> rusqlite::Result<Option<i32>> {
    connection.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))
}

/// Refuses a file that was not brought up to date by this version yet.
pub(crate) fn check_current(path: &Path) -> Result<(), OpenError> {
    let connection = open_for_reading(path)?;
    let applied = applied(&connection).map_err(|error| Failure::Sqlite(error).explain(path))?;
    if applied < newest() {
        return Err(OpenError::OlderSchema { path: path.to_owned() });
    }
    Ok(())
}

/// The path as a URI; only what has a meaning in a URI is escaped.
fn uri(path: &Path, more: &str) -> String {
    let mut uri = String::from("file:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri.push_str("?mode=ro");
    uri.push_str(more);
    uri
}

/// Refuses a database that some other program made.
fn check_ours(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id == APPLICATION_ID {
        return Ok(());
    }
    // Not ours by its header: fine while it is new, or when the very first start was cut short.
    let foreign: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
        [],
        |row| row.get(0),
    )?;
    if id != 0 || foreign > 0 {
        return Err(Failure::Known(OpenError::NotOurs { path: path.to_owned() }));
    }
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    use refinery::error::Kind;
    embedded::migrations::runner().run(connection).map_err(|error| match error.kind() {
        Kind::MissingVersion(migration) | Kind::DivergentVersion(migration, _) => {
            Failure::Known(OpenError::NewerSchema {
                path: path.to_owned(),
                detail: format!("its schema has {migration}"),
            })
        }
        _ => Failure::Known(OpenError::Failed {
            path: path.to_owned(),
            cause: format!("its schema cannot be brought up to date: {error}"),
        }),
    })?;
    Ok(())
}

/// Creates the file if it is not there; only this user may read it, for it holds whom it serves.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn refused(path: &Path, error: &io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenError::Permission { path },
        _ => OpenError::Failed { path, cause: error.to_string() },
    }
}

enum Failure {
    Known(OpenError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

impl Failure {
    fn explain(self, path: &Path) -> OpenError {
        let error = match self {
            Failure::Known(error) => return error,
            Failure::Sqlite(error) => error,
        };
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                OpenError::Permission { path }
            }
            _ => OpenError::Failed { path, cause: error.to_string() },
        }
    }
}
