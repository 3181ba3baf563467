//! `ocpp-proxy demo`: the real gateway, two small backoffices that disagree about a card and a
//! simulated charger, all in this program, and a story about what they say to each other.

mod backoffice;
mod charger;
mod facts;
mod place;
mod story;
mod teller;
mod wire;

use std::io::IsTerminal;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Tells the story once. On a terminal the sessions then go on until Ctrl-C; otherwise that is all.
///
/// # Errors
/// Something the story needs did not happen in time, or no port could be had.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the demo")?;
    let attended = std::io::stdout().is_terminal();
    runtime.block_on(async {
        let teller = teller::Teller::new(attended);
        let place = place::Place::prepare(attended).await?;
        let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        tokio::select! {
            outcome = story::tell(&place, &teller, attended) => outcome?,
            interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for Ctrl-C")?,
            _ = terminated.recv() => {}
        }
        place.clear().await;
        Ok(())
    })
}
