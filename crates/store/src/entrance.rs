//! Who is let in: chargers that operators have admitted, how each proved last who it is, and those that
//! knock without being known.

mod table;
mod why_not;

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use engine::{BackofficeId, ChargerId};

pub(crate) use self::table::{admissions, from_outside, history, knocks, last, logins};
pub use self::why_not::WhyNot;
use crate::keys::{ChargerKeys, LinkKeys};
use crate::seal::{KeyForm, SealedKey};
use crate::{OpenError, database};

/// A charger that an operator has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Which, as the operator spelled it.
    pub charger: ChargerId,
    /// What is kept of its key; `None`: it has none and is asked for none.
    pub key: Option<SealedKey>,
    /// Who let it in, for people.
    pub by: String,
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
}

/// An operator's word about who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionOrder {
    /// Whom it is about.
    pub charger: ChargerId,
    /// What is to be.
    pub what: AdmissionWhat,
    /// Who says so, for people.
    pub by: String,
}

/// What an operator orders about a charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionWhat {
    /// It is let in, from now on with this key; with none it is asked for none.
    Admit(Option<SealedKey>),
    /// It is not let in any more by an operator's word.
    Remove,
    /// It may come without TLS once more.
    AllowPlain,
    /// That it knocked is of no interest; it will be if it knocks again.
    Forget,
    /// Keys that were changed do not count any more: what a backoffice has set for its link, or what the charger
    /// was given by its leader.
    ForgetKeys(Option<BackofficeId>),
}

impl AdmissionWhat {
    /// The word for it in the history.
    pub fn label(&self) -> &'static str {
        match self {
            AdmissionWhat::Admit(_) => "admitted",
            AdmissionWhat::Remove => "removed",
            AdmissionWhat::AllowPlain => "plain_allowed",
            AdmissionWhat::Forget => "forgotten",
            AdmissionWhat::ForgetKeys(_) => "keys_forgotten",
        }
    }
}

impl AdmissionOrder {
    /// Writes it into the file, whether a proxy holds the store or none does; a proxy that does hears of it
    /// within about a second, see [`Store::admission_orders`](crate::Store::admission_orders). Blocking.
    ///
    /// # Errors
    /// Says what is wrong with the file and what would do.
    pub fn give(&self, path: &Path) -> Result<(), OpenError> {
        database::write_from_outside(path, |connection| self.write(connection, true))
    }
}

/// What an operator ordered about who is let in, afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionChange {
    /// When; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// Whom it was about.
    pub charger: ChargerId,
    /// `admitted`, `removed`, `plain_allowed` or `forgotten`.
    pub what: String,
    /// Whether it was admitted with a key.
    pub with_key: bool,
    /// Who ordered it.
    pub by: String,
}

/// How a charger proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Which.
    pub charger: ChargerId,
    /// In which form it sent its key; `None`: it sent none.
    pub form: Option<KeyForm>,
    /// It came with TLS, now or before, and is not accepted without.
    pub over_tls: bool,
    /// From which network: its address, of IPv6 the first 64 bits.
    pub network: Option<IpAddr>,
}

/// A charger that asked to be let in and was not.
#[derive(Clone, PartialEq, Eq)]
pub struct Knocking {
    /// What it calls itself.
    pub charger: ChargerId,
    /// Where it came from last.
    pub address: String,
    /// When it first knocked; UTC, milliseconds since 1970.
    pub first_unix_ms: i64,
    /// When it last did.
    pub last_unix_ms: i64,
    /// How often.
    pub times: u64,
    /// Whether it sent a user name and a password. What it sent is not kept.
    pub sent_credentials: bool,
    /// What was wrong the last time that it was looked at.
    pub why: WhyNot,
    /// The last time it was not looked at, or in vain, since too much had failed before.
    pub locked_out: bool,
}

impl Knocking {
    /// Whether it was turned away although it was expected.
    pub fn is_of_known(&self) -> bool {
        !matches!(self.why, WhyNot::NoRule | WhyNot::Unknown)
    }
}

impl fmt::Debug for Knocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}, {} times, {:?}", self.charger, self.address, self.times, self.why)
    }
}

/// Something about who is let in that is to be durable.
#[derive(Debug, Clone)]
pub(crate) enum EntranceRecord {
    Ordered(AdmissionOrder),
    LoggedIn(Login),
    Knocked(Knocking),
    CameIn(ChargerId),
    LinkKeys(LinkKeys),
    ChargerKeys(ChargerKeys),
}
