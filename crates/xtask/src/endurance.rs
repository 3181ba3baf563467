//! The long run of the real program: kill -9 of the proxy and its backoffices, many times.

use anyhow::Result;
use clap::Args;

use crate::peers;
use crate::shell::{Step, cargo};

/// How long and how wide the run is.
#[derive(Args)]
pub(crate) struct Endurance {
    /// How often something is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// How many chargers there are.
    #[arg(long, default_value_t = 50)]
    chargers: u32,
    /// Repeats a run's kills and drivers; another one each time without it.
    #[arg(long)]
    seed: Option<u64>,
    /// `on_leader_lost` of the chargers, as in proxy.toml; its default without it.
    #[arg(long, value_name = "MODE")]
    on_leader_lost: Option<String>,
}

/// Sets up the backoffices and runs.
pub(crate) fn run(asked: &Endurance) -> Result<()> {
    let peers = peers::set_up()?;
    let mut command = cargo(&["test", "--locked", "--package", "ocpp-proxy", "--test", "endurance"]);
    command.args(["--", "--nocapture", "--exact", "kills::nothing_is_lost_by_kills_at_random_moments"]);
    command.envs(peers.variables());
    command.env("ENDURANCE_KILLS", asked.kills.to_string());
    command.env("ENDURANCE_CHARGERS", asked.chargers.to_string());
    if let Some(seed) = asked.seed {
        command.env("ENDURANCE_SEED", seed.to_string());
    }
    if let Some(mode) = &asked.on_leader_lost {
        command.env("ENDURANCE_ON_LEADER_LOST", mode);
    }
    Step::begin("kills at random moments").run(&mut command)
}
