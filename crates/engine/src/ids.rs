//! Names for things that must not be swapped.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name! {
    /// A charger's identity, decoded, as it stands in the URL it dials (OCPP-J 1.6 §3.1.1).
    ChargerId
}

name! {
    /// A backoffice's name in `proxy.toml`.
    BackofficeId
}

/// The transaction number a charger uses, unique on that charger (OCPP 1.6 §4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChargerTransactionId(pub i64);

/// The transaction number one backoffice issued. Two backoffices' numbers may be equal by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BackofficeTransactionId(pub i64);

/// Links everything that came of one call: the row in the message log, the answers, the decisions.
/// Sorts by time of receipt.
/// Written as a ULID, 26 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TraceId(pub ulid::Ulid);

impl From<TraceId> for String {
    fn from(trace: TraceId) -> String {
        trace.0.to_string()
    }
}

impl TryFrom<String> for TraceId {
    type Error = ulid::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        ulid::Ulid::from_string(&text).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

/// One end of the proxy: the charger, or one of its backoffices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The charger.
    Charger,
    /// The named backoffice.
    Backoffice(BackofficeId),
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Side::Charger => f.write_str("charger"),
            Side::Backoffice(id) => write!(f, "{id}"),
        }
    }
}
