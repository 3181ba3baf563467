//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::since::Since;

/// One OCPP 1.6J connection to a charger, one to each of its backoffices: one leads, the others follow.
///
/// Without a command, `run` is meant. Exit codes: 0 done, 1 failed while running, 2 the configuration
/// or the command line is not valid.
#[derive(Debug, Parser)]
#[command(name = "ocpp-proxy", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Which configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", short = 'c', value_name = "FILE", default_value = "proxy.toml")]
    pub(crate) path: PathBuf,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect chargers with their backoffices until stopped.
    ///
    /// SIGTERM or Ctrl-C: no new chargers, open answers are finished for at most 8 seconds, then every
    /// charger is closed with 1001 and the program ends with 0. SIGHUP: read the configuration again;
    /// that also happens by itself whenever the file changes. What is logged is set with the
    /// environment variable OCPP_PROXY_LOG, for example OCPP_PROXY_LOG=debug; it is text on a terminal and
    /// one JSON object a line elsewhere.
    Run(ConfigFile),
    /// Say whether a configuration is valid and, if not, where it is wrong.
    ///
    /// Prints one line for each thing found, as FILE:LINE:COLUMN: what was found and what would do.
    /// Ends with 0 when the file is valid, with 2 when it is not.
    Check(ConfigFile),
    /// Show the proxy at work, with two small backoffices that disagree and a simulated charger.
    ///
    /// Needs no configuration and nothing else installed.
    Demo,
    /// Show what a charger and its backoffices said to each other.
    ///
    /// Reads the message log of the configuration's store, or of --store, also while the proxy runs. It must
    /// run as a user who may read that file: most often the proxy's own. One paragraph for
    /// each call: when, who called, what it was about, and under it every backoffice's answer, the
    /// leader's first. Between them a line for each connect and disconnect, of the charger and of every
    /// backoffice, with the reason. Ends with 1 when nothing is known of that charger.
    Logs(Logs),
    /// Print a page of the reference that is made from the program itself, as Markdown.
    Docs {
        /// Which page.
        page: Page,
    },
}

/// Which part of the message log.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The charger's identity.
    pub(crate) charger: String,
    /// Only calls of this action, such as StartTransaction, or occurrences of this kind, such as
    /// link_down.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only calls in which this text occurs, in the call or in an answer: a card's number, a
    /// transaction number, a status.
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Only calls since then: 10m, 2h or 1d ago, a date such as 2026-11-22 (from midnight, in this
    /// computer's time zone), or a moment such as 2026-11-22T13:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,
    /// Go on with new calls as they come, until stopped.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The database itself; the configuration is not read then.
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// A generated page.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Page {
    /// Every key of proxy.toml.
    Configuration,
    /// Every metric.
    Metrics,
}

impl Arguments {
    /// The command; `run` when none was given.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.config))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn command(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace()).map(Arguments::command)
    }

    #[test]
    fn the_command_line_is_sound() {
        <Arguments as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn run_is_the_default() {
        let paths: Vec<PathBuf> =
            ["ocpp-proxy", "ocpp-proxy --config a.toml", "ocpp-proxy run", "ocpp-proxy run --config a.toml"]
                .into_iter()
                .map(|line| match command(line) {
                    Ok(Command::Run(config)) => config.path,
                    other => panic!("{line}: {other:?}"),
                })
                .collect();
        assert_eq!(paths, ["proxy.toml", "a.toml", "proxy.toml", "a.toml"].map(PathBuf::from));
    }

    #[test]
    fn logs_takes_its_filters() {
        let line =
            "ocpp-proxy logs CP1 --action Authorize --search ABC --since 2h --follow --json --config x.toml";
        match command(line) {
            Ok(Command::Logs(logs)) => {
                assert_eq!(logs.charger, "CP1");
                assert_eq!(logs.action.as_deref(), Some("Authorize"));
                assert_eq!(logs.search.as_deref(), Some("ABC"));
                assert!(logs.since.is_some() && logs.follow && logs.json);
                assert_eq!(logs.config.path, PathBuf::from("x.toml"));
            }
            other => panic!("{other:?}"),
        }
        assert!(command("ocpp-proxy logs CP1 --since yesteryear").is_err());
        match command("ocpp-proxy logs CP1 --store x.db") {
            Ok(Command::Logs(logs)) => assert_eq!(logs.store, Some(PathBuf::from("x.db"))),
            other => panic!("{other:?}"),
        }
        assert!(command("ocpp-proxy logs CP1 --store x.db --config x.toml").is_err());
    }
}
