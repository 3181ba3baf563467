//! The scene on which messages are passed, and who writes them.

pub(crate) mod scene;
pub(crate) mod written;
