//! The files a configuration was read from, and whether they still hold the same.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file of a configuration is larger; more is a mistake such as a path to a disk image.
const LARGEST_FILE_BYTES: u64 = 1024 * 1024;

/// Remembers what was read, to see changes later.
#[derive(Debug, Default)]
pub struct Files {
    seen: BTreeMap<PathBuf, Option<u64>>,
}

impl Files {
    /// Reads a file and remembers what it held, also when it cannot be read.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let content = read(path);
        self.seen.insert(path.to_owned(), content.as_ref().ok().map(|bytes| hash(bytes)));
        content
    }

    /// Whether any of them holds something else by now.
    pub fn changed(&self) -> bool {
        self.seen.iter().any(|(path, was)| read(path).ok().map(|bytes| hash(&bytes)) != *was)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
    }
    Ok(content)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
