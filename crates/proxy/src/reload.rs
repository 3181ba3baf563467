//! Notices that the configuration changed, and reads it again.
//!
//! The folders are watched, not the file: editors replace files and Kubernetes swaps a symlink named
//! `..data`, and a watch on the file itself would sit on what was replaced. Only what the files hold
//! counts, so that a save without a change does nothing. A look every 5 seconds is the net for file
//! systems that tell nothing, and notices certificates and `${file:…}` too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchDescriptor, WatchMask};
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
                () = stirred(&mut self.watch) => {
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

async fn stirred(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.stirred().await,
        None => pending().await,
    }
}

/// What can mean that a path leads to something else. Not among it: that somebody wrote and goes on writing, as the
/// database does, which may lie in the same folder, with every message.
const CHANGES: WatchMask =
    WatchMask::CREATE.union(WatchMask::CLOSE_WRITE).union(WatchMask::MOVE).union(WatchMask::DELETE);
/// For a few events; what does not fit waits in the kernel.
const EVENT_BYTES: usize = 4096;

/// Watches every folder in which a change can make the path lead to something else.
struct Watch {
    events: EventStream<[u8; EVENT_BYTES]>,
    folders: BTreeMap<PathBuf, WatchDescriptor>,
    names: BTreeSet<OsString>,
}

impl Watch {
    fn new(path: &Path) -> io::Result<Self> {
        let events = Inotify::init()?.into_event_stream([0; EVENT_BYTES])?;
        let mut watch = Self { events, folders: BTreeMap::new(), names: BTreeSet::new() };
        watch.follow(path);
        if watch.folders.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(watch)
    }

    /// Looks where the path leads now and watches that.
    fn follow(&mut self, path: &Path) {
        let hops = hops(path);
        let mut watches = self.events.watches();
        let mut watched = BTreeMap::new();
        for folder in hops.iter().filter_map(|hop| hop.parent()) {
            // A folder that is watched already, also by another path, keeps its descriptor.
            if let Ok(descriptor) = watches.add(folder, CHANGES) {
                watched.insert(folder.to_owned(), descriptor);
            }
        }
        for (_, gone) in std::mem::take(&mut self.folders) {
            if !watched.values().any(|descriptor| *descriptor == gone) {
                // A folder that was deleted has lost its watch by itself.
                let _ = watches.remove(gone);
            }
        }
        self.folders = watched;
        self.names = hops.iter().filter_map(|hop| hop.file_name().map(Into::into)).collect();
    }

    /// Waits for an event that can mean that the configuration changed. Cancel-safe.
    async fn stirred(&mut self) {
        loop {
            match self.events.next().await {
                // Events without a name are about the folder itself, or say that some were lost.
                Some(Ok(event)) if event.name.as_ref().is_none_or(|name| self.names.contains(name)) => return,
                Some(Ok(_)) => {}
                // Better to look once too often; but not all the time.
                Some(Err(_)) | None => return tokio::time::sleep(POLL).await,
            }
        }
    }
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
