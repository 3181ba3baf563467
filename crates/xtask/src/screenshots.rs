//! Pictures of the portal for the docs, taken by the test that looks at them.

use anyhow::Result;

use crate::peers;
use crate::shell::{Step, cargo, root};

/// The test that takes them.
const TEST: &str = "pictures::every_picture_is_of_its_size_and_shows_something";

/// Sets up the browser and writes docs/images anew.
pub(crate) fn write() -> Result<()> {
    let peers = peers::set_up()?;
    let folder = root().join("docs/images");
    let mut command =
        cargo(&["test", "--locked", "--package", "ocpp-proxy", "--test", "portal", "--", "--exact", TEST]);
    command.envs(peers.variables()).env("OCPP_PROXY_TEST_PICTURES", &folder);
    Step::begin(format!("pictures into {}", folder.display())).run(&mut command)
}
