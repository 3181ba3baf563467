//! Notices that the configuration changed, and reads it again.
//!
//! The folders are watched, not the file: editors replace files and Kubernetes swaps a symlink named
//! `..data`, and a watch on the file itself would sit on what was replaced. Only what the files hold
//! counts, so that a save without a change does nothing. A look every 5 seconds is the net for file
//! systems that tell nothing, and notices certificates and `${file:…}` too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::future::pending;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use config::{Files, Loaded};

/// An editor's save is several steps; the file is read once they are over.
const QUIET: Duration = Duration::from_millis(300);
/// The net for what no event told.
const POLL: Duration = Duration::from_secs(5);
/// Symlinks that lead to symlinks: more than this is a circle (Linux stops at 40, too).
const MOST_SYMLINKS: usize = 40;

/// Waits for the configuration to change.
pub(crate) struct Reload {
    path: PathBuf,
    files: Files,
    watch: Option<Watch>,
    poll: Duration,
    next_poll: Instant,
    quiet_at: Option<Instant>,
}

impl Reload {
    /// Watches the file of a configuration that was read from `files`.
    pub(crate) fn new(path: &Path, files: Files) -> Self {
        Self::with_poll(path, files, POLL)
    }

    fn with_poll(path: &Path, files: Files, poll: Duration) -> Self {
        let watch = Watch::new(path)
            .inspect_err(|error| {
                let seconds = poll.as_secs();
                warn!(%error, "the configuration's folder cannot be watched; looking every {seconds} s instead");
            })
            .ok();
        // The file may have changed between its reading and the start of the watch: look at once.
        Self { path: path.to_owned(), files, watch, poll, next_poll: Instant::now(), quiet_at: None }
    }

    /// Waits until the files hold something else, and reads them. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> Loaded {
        loop {
            let deadline = self.quiet_at.unwrap_or(self.next_poll);
            tokio::select! {
                () = stirred(self.watch.as_ref()) => {
                    self.quiet_at = Some(Instant::now() + QUIET);
                    continue;
                }
                () = sleep_until(deadline) => {}
            }
            let was_quiet = self.quiet_at.take().is_some();
            self.next_poll = Instant::now() + self.poll;
            if let Some(watch) = &mut self.watch {
                watch.follow(&self.path);
            }
            if !self.files.changed() {
                continue;
            }
            if was_quiet {
                return self.now();
            }
            // Somebody may be in the middle of writing: half a file can be a valid one that serves nobody.
            self.quiet_at = Some(Instant::now() + QUIET);
        }
    }

    /// Reads the files whether they changed or not.
    pub(crate) fn now(&mut self) -> Loaded {
        let mut loaded = config::load(&self.path);
        self.files = std::mem::take(&mut loaded.files);
        loaded
    }
}

async fn stirred(watch: Option<&Watch>) {
    match watch {
        Some(watch) => watch.stirred.notified().await,
        None => pending().await,
    }
}

/// Watches every folder in which a change can make the path lead to something else.
struct Watch {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    names: Arc<Mutex<BTreeSet<OsString>>>,
    stirred: Arc<Notify>,
}

impl Watch {
    fn new(path: &Path) -> notify::Result<Self> {
        let names: Arc<Mutex<BTreeSet<OsString>>> = Arc::default();
        let stirred = Arc::new(Notify::new());
        let (known, bell) = (names.clone(), stirred.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may mean lost events: better to look once too often.
            if event.is_ok_and(|event| !concerns(&event, &known)) {
                return;
            }
            bell.notify_one();
        })?;
        let mut watch = Self { watcher, folders: BTreeSet::new(), names, stirred };
        watch.follow(path);
        if watch.folders.is_empty() {
            return Err(notify::Error::path_not_found().add_path(path.to_owned()));
        }
        Ok(watch)
    }

    /// Looks where the path leads now and watches that.
    fn follow(&mut self, path: &Path) {
        let hops = hops(path);
        let folders: BTreeSet<PathBuf> =
            hops.iter().filter_map(|hop| hop.parent().map(Path::to_owned)).collect();
        for gone in self.folders.difference(&folders) {
            // A folder that was deleted has lost its watch by itself.
            let _ = self.watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for folder in folders {
            if self.folders.contains(&folder)
                || self.watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                watched.insert(folder);
            }
        }
        self.folders = watched;
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        *names = hops.iter().filter_map(|hop| hop.file_name().map(Into::into)).collect();
    }
}

/// Whether an event can mean that the configuration changed. The database may lie in the same folder,
/// and reading the file is an event as well.
fn concerns(event: &Event, names: &Mutex<BTreeSet<OsString>>) -> bool {
    let reading =
        matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    if reading {
        return false;
    }
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    event.paths.is_empty()
        || event.paths.iter().any(|path| path.file_name().is_some_and(|name| names.contains(name)))
}

/// The file and every symlink on the way to it, as absolute paths.
fn hops(path: &Path) -> Vec<PathBuf> {
    let mut hops = Vec::new();
    let Ok(mut path) = std::path::absolute(path) else { return hops };
    while hops.len() < MOST_SYMLINKS {
        match first_symlink(&path) {
            Some((link, target)) => {
                hops.push(link);
                path = target;
            }
            None => {
                hops.push(path);
                break;
            }
        }
    }
    hops
}

/// The first component of the path that is a symlink, and where the whole path leads through it.
fn first_symlink(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut walked = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        if component == Component::ParentDir {
            walked.pop();
            continue;
        }
        walked.push(component);
        if let Ok(target) = std::fs::read_link(&walked) {
            let folder = walked.parent().unwrap_or(Path::new("/"));
            return Some((walked.clone(), folder.join(target).join(components.as_path())));
        }
    }
    None
}

#[cfg(test)]
mod tests;
