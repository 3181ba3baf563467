//! `cargo xtask …`: what takes care of the repository. Sets up and runs the tests, checks the house
//! rules that need cargo, and writes the generated docs.

mod debian;
mod deny;
mod dockerfile;
mod docs;
mod endurance;
mod fuzz;
mod instructions;
mod limits;
mod matrix;
mod package;
mod peers;
mod performance;
mod purity;
mod screenshots;
mod security;
mod shell;
mod swarm;
mod tools;
mod trial;
mod unit;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::shell::{Step, cargo};

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Sets up what the tests need (Debian, PyPI and npm packages) and runs all of them.
    Test {
        /// Handed on to `cargo test`, for example `-p engine`; without any, the whole workspace with all
        /// its features.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Sets up what the tests need and prints the environment that `cargo test` then wants.
    Setup,
    /// Writes the generated pages of docs/ anew: from the program itself, and from the tests.
    Docs,
    /// Takes the pictures of the portal in docs/images anew.
    Screenshots,
    /// Kills the real program and its backoffices many times, and counts what was lost.
    Endurance(endurance::Endurance),
    /// Attacks the program at the size that its promises name and writes docs/security-figures.md.
    Security(security::Security),
    /// Runs the simulated world with many seeds, optimised.
    Swarm(swarm::Swarm),
    /// Counts the engine's instructions for a message, against the counts that are kept.
    Instructions(instructions::Instructions),
    /// Compares system calls for a message and memory of an idle charger with what is allowed.
    Costs,
    /// Measures the program beside nginx and HAProxy and writes docs/performance.md.
    Performance(performance::Performance),
    /// Invents input for whatever reads text from outside, and says what broke.
    Fuzz(fuzz::Fuzz),
    /// Proves that the engine is pure: no socket, no database, no runtime beneath it.
    Purity,
    /// Checks what the dependencies bring with them: licences, sources, known vulnerabilities.
    Deny(deny::Deny),
    /// Builds the Debian package.
    Package(package::Package),
    /// Tries the Debian package, the systemd unit and the Dockerfile, as far as they can be tried anywhere.
    Operations,
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Test { arguments } => test(&arguments),
        Task::Setup => {
            for (name, value) in peers::set_up()?.variables() {
                println!("export {name}='{}'", value.display());
            }
            Ok(())
        }
        Task::Docs => docs::write(),
        Task::Screenshots => screenshots::write(),
        Task::Endurance(asked) => endurance::run(&asked),
        Task::Security(asked) => security::run(&asked),
        Task::Swarm(swarm) => swarm.run(),
        Task::Instructions(asked) => instructions::count(&asked),
        Task::Costs => performance::watch_costs(),
        Task::Performance(asked) => performance::measure(&asked),
        Task::Fuzz(asked) => fuzz::run_targets(&asked),
        Task::Purity => purity::prove(),
        Task::Deny(asked) => deny::check(&asked),
        Task::Package(asked) => package::build(&asked).map(|_| ()),
        Task::Operations => operations(),
    }
}

/// Sets up the peers and runs the tests.
fn test(arguments: &[String]) -> Result<()> {
    let peers = peers::set_up()?;
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"]);
    if arguments.is_empty() {
        command.args(["--workspace", "--features", "ocpp-proxy/openssl"]);
    }
    command.args(arguments).envs(peers.variables());
    Step::begin("tests").run(&mut command)
}

/// What CI tries of all that installs and runs the program, with a binary that is not optimised.
fn operations() -> Result<()> {
    unit::judge()?;
    dockerfile::lint()?;
    trial::run_through(&package::build(&package::Package::unoptimised())?)
}
