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
    /// Say why a card was rejected, by whom, and what to do.
    ///
    /// Looks through the message log of one charger: for a card with --id-tag, otherwise for the last card
    /// that was turned away. Says it in a sentence, then what to do, then what that rests on. Also finds a
    /// card that the reader has misread, and says when the charger has decided by itself. Works whether the
    /// proxy runs or not.
    Why(Why),
    /// Show what backoffices must still be told, and have it tried again or dropped.
    ///
    /// A charging session or a meter reading that the charger has reported must reach every backoffice.
    /// What cannot be delivered yet waits, in order, for each charger and backoffice; what the backoffice
    /// keeps refusing is parked: it is not sent any more by itself, and the messages behind it go on.
    ///
    /// Without a charger, one line for each charger and backoffice. With one, or with --parked, one line
    /// for each message. Works whether the proxy runs or not.
    Deliveries(Deliveries),
    /// Show who leads a charger, or make another of its backoffices leader.
    ///
    /// Without a backoffice: who leads, whether by the configuration or because an operator chose it, and
    /// what was chosen before. With one, that backoffice leads from then on, also after a restart, until
    /// this is taken back with --back; the configuration stays as it is. Works whether the proxy runs or
    /// not. A proxy that runs follows within a second or two, as soon as the new leader is connected and no
    /// message is in flight; transactions that are running go on. A rule with leader_source = "file" does
    /// not allow it.
    Leader(Leader),
    /// Show which chargers knock and which are admitted, and admit or remove one.
    ///
    /// A charger is let in when proxy.toml names it or an operator has admitted it. Others are refused and
    /// listed here with where they came from. Works whether the proxy runs or not.
    Chargers(Chargers),
    /// Take the number of a card out of everything that is kept: the log, sessions that are over, what is
    /// remembered.
    ///
    /// For whoever may ask that what is kept of him is deleted. Each place then says (forgotten); what was charged
    /// stays. Stop the proxy first: what it has in memory it would write again. Refused while a session with the card
    /// runs (but see --although-running), or a backoffice must still be told of it. The database is written anew and keeps no trace; backups, the
    /// log of the program, chargers and backoffices are not reached.
    ForgetCard(ForgetCard),
    /// Make what proxy.toml holds of a password, for [[portal.users]].
    ///
    /// Asks for the password at the terminal, without showing it, or reads the first line of the input.
    HashPassword,
    /// Make a token for the API, and what proxy.toml holds of it, for [[portal.tokens]].
    HashToken,
    /// Print a page of the reference that is made from the program itself.
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

/// Which rejection.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The charger's identity.
    pub(crate) charger: String,
    /// The number of the card, as it is printed on it or as the log shows it.
    #[arg(long, value_name = "CARD")]
    pub(crate) id_tag: Option<String>,
    /// The attempt to which this call belongs: its trace, as `logs --json` and the portal show it.
    #[arg(long, value_name = "TRACE")]
    pub(crate) call: Option<String>,
    /// Look at the log since then, as with `logs`; a week if not given.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,
    /// Print a JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The database itself; the configuration is not read then.
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Which deliveries, or what to do with them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Deliveries {
    #[command(subcommand)]
    pub(crate) order: Option<DeliveriesOrder>,
    /// Only messages of this charger.
    pub(crate) charger: Option<String>,
    /// Only messages to this backoffice.
    #[arg(long, value_name = "NAME")]
    pub(crate) backoffice: Option<String>,
    /// Only parked messages.
    #[arg(long)]
    pub(crate) parked: bool,
    /// Print one JSON object a line for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// What to do with deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesOrder {
    /// Have messages tried again, from the first attempt.
    ///
    /// Without a number or with --all: every message of this charger to this backoffice that is parked
    /// or was tried in vain. They are sent in their old order as soon as the charger is connected and the
    /// backoffice can be reached.
    Retry(Meant),
    /// Have messages dropped: the backoffice will never be told.
    ///
    /// Asks before it does, unless --yes is given. A session of which the start is dropped cannot be
    /// booked any more: drop all its messages, or none.
    Drop {
        #[command(flatten)]
        meant: Meant,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// Which messages of one charger to one backoffice.
#[derive(Debug, Args)]
pub(crate) struct Meant {
    /// The charger's identity.
    pub(crate) charger: String,
    /// The backoffice's name in the configuration.
    pub(crate) backoffice: String,
    /// The messages' numbers, as the list shows them.
    #[arg(value_name = "NUMBER")]
    pub(crate) numbers: Vec<u64>,
    /// All of them.
    #[arg(long, conflicts_with = "numbers")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Who is let in.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Chargers {
    #[command(subcommand)]
    pub(crate) order: Option<ChargersOrder>,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The database itself; the configuration is not read then, nor shown.
    #[arg(long, value_name = "PATH", conflicts_with = "path")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// What to do about a charger.
#[derive(Debug, Subcommand)]
pub(crate) enum ChargersOrder {
    /// Let a charger in, with a new key that is printed once. Also gives a new key to one that is admitted.
    Admit {
        #[command(flatten)]
        one: One,
        /// Ask it for no key; only with security_profile 0 or 3.
        #[arg(long)]
        without_key: bool,
    },
    /// Let a charger in no more, and send it away if it is connected.
    Remove(One),
    /// Take a charger off the list of those that knock.
    Forget(One),
    /// Let a charger come without TLS once more although it came with TLS before.
    AllowPlain(One),
    /// Forget keys that backoffices have changed, so that what proxy.toml or an operator says counts again.
    ///
    /// With --backoffice, what that backoffice has set for its connection with the proxy. Without, what the
    /// charger's leader has set for the charger itself; the charger may have it still, and is then not let in.
    ForgetKeys {
        #[command(flatten)]
        one: One,
        /// The backoffice, by its name in the configuration.
        #[arg(long, value_name = "NAME")]
        backoffice: Option<String>,
    },
}

/// One charger.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The charger's identity.
    pub(crate) charger: String,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Which card.
#[derive(Debug, Args)]
pub(crate) struct ForgetCard {
    /// The number of the card, as the log shows it; capitals do not matter.
    pub(crate) card: String,
    /// Also out of sessions that are not over: for one that will never end, because its charger is gone. They stay in the
    /// list, and no backoffice hears of an end.
    #[arg(long)]
    pub(crate) although_running: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Who is to lead.
#[derive(Debug, Args)]
pub(crate) struct Leader {
    /// The charger's identity.
    pub(crate) charger: String,
    /// The backoffice that is to lead, by its name in the configuration; one of the charger's followers.
    pub(crate) backoffice: Option<String>,
    /// Go back to whom the configuration names.
    #[arg(long, conflicts_with = "backoffice")]
    pub(crate) back: bool,
    /// Why, for whoever reads later who chose this leader.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
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
    /// The manual page, in roff.
    Manual,
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

    #[test]
    fn why_takes_a_card_or_none() {
        match command("ocpp-proxy why CP1 --id-tag AB12 --since 2h --json -c x.toml") {
            Ok(Command::Why(why)) => {
                assert_eq!((why.charger.as_str(), why.id_tag.as_deref()), ("CP1", Some("AB12")));
                assert!(why.since.is_some() && why.json && why.call.is_none());
                assert_eq!(why.config.path, PathBuf::from("x.toml"));
            }
            other => panic!("{other:?}"),
        }
        match command("ocpp-proxy why CP1 --store x.db") {
            Ok(Command::Why(why)) => assert_eq!(why.store, Some(PathBuf::from("x.db"))),
            other => panic!("{other:?}"),
        }
        assert!(command("ocpp-proxy why").is_err());
    }

    #[test]
    fn deliveries_are_listed_retried_and_dropped() {
        match command("ocpp-proxy deliveries CP1 --backoffice acme --parked --json") {
            Ok(Command::Deliveries(which)) => {
                assert!(which.order.is_none() && which.parked && which.json);
                assert_eq!(
                    (which.charger.as_deref(), which.backoffice.as_deref()),
                    (Some("CP1"), Some("acme"))
                );
            }
            other => panic!("{other:?}"),
        }
        match command("ocpp-proxy deliveries drop CP1 acme 3 4 --yes").map(order) {
            Ok(Some(DeliveriesOrder::Drop { meant, yes: true })) => assert_eq!(meant.numbers, [3, 4]),
            other => panic!("{other:?}"),
        }
        match command("ocpp-proxy deliveries retry CP1 acme --all -c x.toml").map(order) {
            Ok(Some(DeliveriesOrder::Retry(meant))) => {
                assert!(meant.all && meant.numbers.is_empty());
                assert_eq!(meant.config.path, PathBuf::from("x.toml"));
            }
            other => panic!("{other:?}"),
        }
        for line in ["retry CP1", "drop CP1 acme 3 --all", "drop CP1 acme three"] {
            assert!(command(&format!("ocpp-proxy deliveries {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn a_leader_is_shown_chosen_and_taken_back() {
        let leader = |line: &str| match command(line) {
            Ok(Command::Leader(which)) => (which.backoffice, which.back, which.reason),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(leader("ocpp-proxy leader CP1"), (None, false, String::new()));
        let chosen = (Some("acme".to_owned()), false, "trial".to_owned());
        assert_eq!(leader("ocpp-proxy leader CP1 acme --reason trial"), chosen);
        assert_eq!(leader("ocpp-proxy leader CP1 --back -c x.toml"), (None, true, String::new()));
        for line in ["leader", "leader CP1 acme --back", "leader CP1 acme volt"] {
            assert!(command(&format!("ocpp-proxy {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn chargers_are_listed_admitted_and_removed() {
        let order = |line: &str| match command(line) {
            Ok(Command::Chargers(which)) => which.order,
            other => panic!("{line}: {other:?}"),
        };
        assert!(order("ocpp-proxy chargers --json -c x.toml").is_none());
        match order("ocpp-proxy chargers admit CP1 --without-key -c x.toml") {
            Some(ChargersOrder::Admit { one, without_key: true }) => {
                assert_eq!((one.charger.as_str(), one.config.path), ("CP1", PathBuf::from("x.toml")));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(order("ocpp-proxy chargers remove CP1"), Some(ChargersOrder::Remove(_))));
        assert!(matches!(order("ocpp-proxy chargers forget CP1"), Some(ChargersOrder::Forget(_))));
        assert!(matches!(order("ocpp-proxy chargers allow-plain CP1"), Some(ChargersOrder::AllowPlain(_))));
        match order("ocpp-proxy chargers forget-keys CP1 --backoffice volt") {
            Some(ChargersOrder::ForgetKeys { one, backoffice }) => {
                assert_eq!((one.charger.as_str(), backoffice.as_deref()), ("CP1", Some("volt")));
            }
            other => panic!("{other:?}"),
        }
        for line in ["chargers admit", "chargers remove", "chargers CP1"] {
            assert!(command(&format!("ocpp-proxy {line}")).is_err(), "{line}");
        }
    }

    fn order(command: Command) -> Option<DeliveriesOrder> {
        match command {
            Command::Deliveries(which) => which.order,
            other => panic!("{other:?}"),
        }
    }
}
