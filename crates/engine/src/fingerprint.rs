//! By what a message is recognised when it is said again.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

/// The same for the same content, also after a restart; another release of the program may have another.
pub(crate) fn fingerprint(content: impl Hash) -> u64 {
    FixedState::default().hash_one(content)
}
