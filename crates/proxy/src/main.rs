//! `ocpp-proxy`, the program: reads the command line and goes where it says.

mod chargers;
mod cli;
mod deliveries;
mod demo;
mod forget_card;
mod leader;
mod logging;
mod logs;
mod manual;
mod reload;
mod run;
mod secrets;
mod since;
mod why;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use cli::{Arguments, Command, Page};
use config::Report;

/// The configuration or the command line is not valid; clap uses the same.
const INVALID: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command() {
        Command::Run(config) => run::run(&config.path),
        Command::Check(config) => check(&config.path),
        Command::Demo => demo::run(),
        Command::Logs(which) => logs::show(&which),
        Command::Why(which) => why::tell(&which),
        Command::Deliveries(which) => deliveries::look_after(&which),
        Command::Leader(which) => leader::lead(&which),
        Command::Chargers(which) => chargers::look_after(&which),
        Command::ForgetCard(which) => forget_card::forget(&which),
        Command::HashPassword => secrets::hash_password(),
        Command::HashToken => secrets::hash_token(),
        Command::Docs { page: Page::Configuration } => logs::print(&config::markdown()),
        Command::Docs { page: Page::Metrics } => logs::print(&gateway::metrics_markdown()),
        Command::Docs { page: Page::Manual } => {
            manual::page().map_err(anyhow::Error::from).and_then(|page| logs::print(&page))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            if error.is::<Report>() { ExitCode::from(INVALID) } else { ExitCode::FAILURE }
        }
    }
}

/// Says what is to be said about a configuration.
fn check(path: &Path) -> anyhow::Result<()> {
    let config = config::load(path).outcome?;
    let file = path.display();
    for warning in &config.warnings {
        println!("{file}:{warning}");
    }
    let (rules, backoffices) = (config.routing.rules.len(), config.routing.backoffices.len());
    let (rules, backoffices) = (counted(rules, "rule"), counted(backoffices, "backoffice"));
    println!("{file}: valid; {rules} for chargers, {backoffices}");
    Ok(())
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
