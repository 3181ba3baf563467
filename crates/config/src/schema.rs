//! What may stand in `proxy.toml`. These structs are the one source of the reader, of the check for
//! unknown keys and wrong types, and of `docs/configuration.md`: their comments are the documentation.

mod cards;
mod entrance;
mod followers;
mod listen;
mod sharing;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use cards::{CardsRule, MissingName, NextOnName, PolicyName, UndecidedStartName};
pub(crate) use entrance::{KeyChangeName, UnknownChargersName};
pub(crate) use followers::{FollowerRule, PurposeName, RefuseWithName, RoleName, ScopeName};
pub(crate) use listen::{CertificateFiles, Listen};
pub(crate) use sharing::{AvailabilityName, OverruledName, ProfilesName, SharingRule};

/// The whole file.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    /// Where the proxy listens. Changing it takes a restart, except for certificates.
    pub(crate) listen: Listen,
    /// Where the proxy remembers. Changing it takes a restart.
    pub(crate) store: StoreFile,
    /// How much of the message log is kept. Changing it takes a restart.
    pub(crate) log: Log,
    /// The portal: pages and an API for the people who look after the chargers. Users and tokens take effect
    /// while the proxy runs, changing `listen` takes a restart.
    pub(crate) portal: PortalFile,
    /// The backoffices, each under a name of your choice: letters, digits, `-` and `_`, at most 32. The
    /// name is what `[[chargers]]`, the message log and the metrics call it.
    #[schemars(extend("line" = "[backoffices.volt]"))]
    pub(crate) backoffices: BTreeMap<String, Backoffice>,
    /// Who serves which charger. The rules are tried from top to bottom and the first match wins; a
    /// charger that matches none is refused with 404.
    #[schemars(extend("line" = "[[chargers]]"))]
    pub(crate) chargers: Vec<ChargerRule>,
}

/// Where the proxy remembers.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreFile {
    /// The embedded database: transaction numbers and the message log. Created on first start.
    pub(crate) path: String,
    /// Days for which finished transactions and their numbers are kept. A charger that was offline may
    /// repeat a StopTransaction weeks later, and it must still be recognised.
    #[schemars(range(min = 1, max = 36500))]
    pub(crate) keep_transactions_days: u32,
}

impl Default for StoreFile {
    fn default() -> Self {
        Self { path: "ocpp-proxy.db".to_owned(), keep_transactions_days: 30 }
    }
}

/// The message log, and how much of it is kept: until the first of both limits is reached.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Whether messages and what became of them are logged. With `false` only connections, changes of leader and
    /// alerts are: less work and less disk, but nobody can look up afterwards what was said, nor why a card was
    /// rejected.
    pub(crate) messages: bool,
    /// Days for which messages are kept.
    #[schemars(range(min = 1, max = 36500))]
    pub(crate) keep_days: u32,
    /// Size on disk above which the oldest messages are deleted: a number with `MB`, `GB` or `TB`.
    pub(crate) keep_size: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { messages: true, keep_days: 30, keep_size: "10 GB".to_owned() }
    }
}

/// The portal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PortalFile {
    /// Address and port of the portal; `"off"` for none. It speaks plain HTTP: to reach it from elsewhere put a
    /// proxy with TLS in front of it.
    pub(crate) listen: String,
    /// Who may log in. As long as there is nobody, each start prints a link that lets one person in from this
    /// machine within 15 minutes.
    #[schemars(extend("line" = "[[portal.users]]"))]
    pub(crate) users: Vec<PortalUser>,
    /// Which programs may use the API.
    #[schemars(extend("line" = "[[portal.tokens]]"))]
    pub(crate) tokens: Vec<PortalToken>,
}

impl Default for PortalFile {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".to_owned(), users: Vec::new(), tokens: Vec::new() }
    }
}

/// Someone who may log in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalUser {
    /// What they log in with; what they do is recorded under it.
    #[schemars(example = &"nora")]
    pub(crate) name: String,
    /// What `ocpp-proxy hash-password` prints.
    #[schemars(example = &"${file:/run/secrets/nora}")]
    pub(crate) password_hash: String,
    /// What they may do.
    #[serde(default)]
    pub(crate) role: PortalRole,
}

/// A program that may use the API.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortalToken {
    /// What it is called; what it does is recorded under it.
    #[schemars(example = &"helpdesk")]
    pub(crate) name: String,
    /// What `ocpp-proxy hash-token` prints.
    #[schemars(example = &"${file:/run/secrets/helpdesk}")]
    pub(crate) hash: String,
    /// What it may do.
    #[serde(default)]
    pub(crate) role: PortalRole,
}

/// What somebody may do.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PortalRole {
    /// Sees everything but cards' numbers, changes nothing.
    #[default]
    Viewer,
    /// Sees those, too. May also make another backoffice leader, have deliveries tried again or dropped, and say
    /// which chargers are let in.
    Operator,
}

/// How one backoffice is reached.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("line" = "volt = { url = \"wss://ocpp.volt.example/{charger}\" }"))]
pub(crate) struct Backoffice {
    /// Its address: `wss://` (or `ws://` in a network you trust). `{charger}` stands for the charger's
    /// identity, percent-encoded. Credentials go into `basic_auth`, not in here.
    #[schemars(example = &"wss://ocpp.volt.example/{charger}")]
    pub(crate) url: String,
    /// User name and password, if the backoffice wants them (OCPP security profiles 1 and 2).
    #[serde(default)]
    pub(crate) basic_auth: Option<BasicAuth>,
    /// Whether it is shown the key that the charger itself has sent (its `Authorization` header). Only for a
    /// backoffice that gave the charger its key: it learns what opens the proxy for that charger. Stands in the
    /// place of `basic_auth`. No other backoffice is ever shown it.
    #[serde(default)]
    pub(crate) forward_authorization: bool,
    /// A PEM file with certificates to trust besides those of the system, for a backoffice with a
    /// private certificate authority.
    #[serde(default)]
    #[schemars(example = &"/etc/ocpp-proxy/acme-ca.pem")]
    pub(crate) ca_file: Option<String>,
    /// The certificate to show it, if it asks for one (OCPP security profile 3). The backoffice gives it out; it
    /// is never a charger's.
    #[serde(default)]
    #[schemars(extend(
        "line" = "client_certificate = { chain = \"/etc/ocpp-proxy/volt.pem\", key = \"/etc/ocpp-proxy/volt.key\" }"
    ))]
    pub(crate) client_certificate: Option<CertificateFiles>,
    /// The name that its certificate must bear, and that it is asked for, if that is not the host of `url`.
    #[serde(default)]
    #[schemars(example = &"ocpp.volt.example")]
    pub(crate) server_name: Option<String>,
    /// An HTTP proxy to reach it through, by `CONNECT`, in networks that let nothing else out. It looks the host
    /// of `url` up itself.
    #[serde(default)]
    #[schemars(example = &"http://proxy.example:3128")]
    pub(crate) proxy: Option<String>,
    /// Cards that this backoffice knows by other numbers, such as a contract: the card's own number, and the one
    /// it is told in its place. What it commands for that number is meant for the card.
    #[serde(default)]
    #[schemars(extend("line" = "card_aliases = { \"04AABBCC\" = \"DE-ABC-C1\" }"))]
    pub(crate) card_aliases: BTreeMap<String, String>,
}

/// HTTP Basic credentials.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("line" = "basic_auth = { user = \"{charger}\", password = \"${ACME_PASSWORD}\" }"))]
pub(crate) struct BasicAuth {
    /// The user name, most often `"{charger}"`: the charger's identity. Must not hold a colon.
    #[schemars(example = &"{charger}")]
    pub(crate) user: String,
    /// The password. Better kept outside this file: `"${ACME_PASSWORD}"` or
    /// `"${file:/run/secrets/acme}"`.
    #[schemars(example = &"${ACME_PASSWORD}")]
    pub(crate) password: String,
}

/// Who serves the chargers that match.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChargerRule {
    /// An identity, or a glob: `*` for any text, `?` for one character, `[ab]` for one of those,
    /// `{SITE1,SITE2}-*` for alternatives. Capitals and small letters count as equal;
    /// backoffices get an identity as it is written here or, if this is a glob, as the charger first
    /// wrote it.
    #[schemars(example = &"SITE1-*")]
    pub(crate) r#match: String,
    /// The backoffice whose answers the charger gets, and which may send every command but those that
    /// are never forwarded.
    #[schemars(example = &"volt")]
    pub(crate) leader: String,
    /// The backoffices that are told everything. Their answers are logged and compared with the
    /// leader's.
    #[serde(default)]
    #[schemars(extend("line" = followers::LINE))]
    pub(crate) followers: Vec<FollowerRule>,
    /// Who may say who leads.
    #[serde(default)]
    pub(crate) leader_source: LeaderSourceName,
    /// How well a charger's connection has to be secured at least: `0` not at all, `1` by a key (HTTP Basic
    /// authentication), `2` by a key and TLS, `3` by TLS with a certificate of the charger's own, which must
    /// bear its identity. A charger that has a key is asked for it in any case.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3))]
    pub(crate) security_profile: u8,
    /// What becomes of a charger that the rule matches but nobody has named: its identity is not written out
    /// in `match`, it has no key in `keys`, and no operator has admitted it.
    #[serde(default)]
    pub(crate) unknown_chargers: UnknownChargersName,
    /// The user name that chargers send with their key, where that is not just their identity. `{charger}`
    /// stands for the identity.
    #[serde(default = "defaults::basic_user")]
    pub(crate) basic_user: String,
    /// Whether an unknown charger is answered with 401 as if its key were wrong, rather than with 404, which
    /// tells a stranger which identities exist. Without this key it is where `security_profile` is 1 or more.
    #[serde(default)]
    pub(crate) hide_unknown: Option<bool>,
    /// What becomes of a new AuthorizationKey that the leader sets with ChangeConfiguration. One that a follower
    /// sets is always for its own connection with the proxy. [security.md](security.md) says how neither locks a
    /// charger out.
    #[serde(default)]
    pub(crate) authorization_key_change: KeyChangeName,
    /// Chargers and their keys: 16 to 20 bytes in hexadecimal as in OCPP's AuthorizationKey, or any text.
    /// Others are admitted with `ocpp-proxy chargers`.
    #[serde(default)]
    #[schemars(extend("line" = "keys = { \"SITE1-01\" = \"${file:/run/secrets/site1-01}\" }"))]
    pub(crate) keys: BTreeMap<String, String>,
    /// What becomes of the charger while its leader is away. [outages.md](outages.md) says what each
    /// means for drivers and for billing.
    #[serde(default)]
    pub(crate) on_leader_lost: OnLeaderLostName,
    /// With `mirror`: how long the leader may be away before the charger is. With `failover`: the least
    /// for `failover_after`. Until then the proxy answers, as with `absorb`. A number with `s`, `m` or `h`,
    /// from `0s` to `1h`.
    #[serde(default = "defaults::leader_grace")]
    pub(crate) leader_grace: String,
    /// With `failover`, and required there: the followers that may lead, by their names. The first that is
    /// connected and has accepted the charger does.
    #[serde(default)]
    #[schemars(extend("line" = "failover_to = [\"acme\"]"))]
    pub(crate) failover_to: Vec<String>,
    /// With `failover`: how long the leader has to be away before another one leads. At least
    /// `leader_grace`, at most `24h`; without this key 2 minutes or, if that is longer, `leader_grace`.
    #[serde(default = "defaults::failover_after")]
    pub(crate) failover_after: String,
    /// With `failover`: how long the leader has to be back before it leads again, from `10s` to `24h`; or
    /// `"never"`: not before this file changes or the charger connects anew.
    #[serde(default = "defaults::fail_back_after")]
    pub(crate) fail_back_after: String,
    /// What a card is answered while the leader is away, if it has not judged that card within the last
    /// week.
    #[serde(default)]
    pub(crate) unknown_cards: UnknownCardsName,
    /// What becomes of a transaction that began while the leader was away, and whose card the leader
    /// refuses when it hears of it.
    #[serde(default)]
    pub(crate) late_reject: LateRejectName,
    /// Whether the leader counts as away for a transaction message that it answers with `InternalError`
    /// or `GenericError`. If not, the charger gets that error, and gives the message up after a few
    /// attempts.
    #[serde(default)]
    pub(crate) absorb_leader_errors: bool,
    /// Who decides whether a card may charge; written as `[chargers.cards]` below the rule.
    #[serde(default)]
    pub(crate) cards: CardsRule,
    /// Whose is what a charger has one of; written as `[chargers.sharing]` below the rule.
    #[serde(default)]
    pub(crate) sharing: SharingRule,
}

/// What holds for keys that are left out.
pub(crate) mod defaults {
    pub(crate) fn basic_user() -> String {
        "{charger}".to_owned()
    }

    pub(crate) fn leader_grace() -> String {
        "60s".to_owned()
    }

    pub(crate) fn failover_after() -> String {
        "2m".to_owned()
    }

    pub(crate) fn fail_back_after() -> String {
        "5m".to_owned()
    }
}

/// Who may say who leads.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LeaderSourceName {
    /// This file, unless an operator makes another backoffice of the rule leader of a charger: in the
    /// portal or with `ocpp-proxy leader`. That holds until it is taken back there, and this file stays as
    /// it is.
    #[default]
    Portal,
    /// This file alone: what was chosen elsewhere has no effect.
    File,
}

/// What becomes of the charger while its leader is away.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnLeaderLostName {
    /// The proxy answers in its place, and tells it everything when it is back.
    #[default]
    Absorb,
    /// After `leader_grace` the charger is sent away, and refused until the leader is back; it queues by
    /// itself.
    Mirror,
    /// The proxy answers, and after `failover_after` a follower of `failover_to` leads.
    Failover,
}

/// What a card is answered of which nothing is remembered.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownCardsName {
    /// An error, so that the charger decides by its own list and cache, as if it were offline.
    #[default]
    ChargerDecides,
    /// `Invalid`.
    Refuse,
    /// `Accepted`; whoever comes may charge.
    Accept,
}

/// What becomes of a transaction whose card the leader refuses late.
#[derive(Serialize, Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LateRejectName {
    /// It is stopped, unless the charger is set to go on (`StopTransactionOnInvalidId`).
    #[default]
    Stop,
    /// It goes on.
    Ignore,
}
