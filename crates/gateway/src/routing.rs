//! Which charger is served by whom, and how each backoffice is reached. Replaced as a whole when
//! `proxy.toml` changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId, Plan};
use globset::GlobMatcher;

/// The checked rules: every backoffice a plan names is in `backoffices`.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// How each backoffice is reached.
    pub backoffices: BTreeMap<BackofficeId, Arc<BackofficeSettings>>,
    /// First match wins.
    pub rules: Vec<Rule>,
}

/// The plan for the chargers whose identity matches.
#[derive(Debug, Clone)]
pub struct Rule {
    /// An identity or a glob.
    pub matcher: GlobMatcher,
    /// Who leads and who follows.
    pub plan: Arc<Plan>,
}

/// How one backoffice is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackofficeSettings {
    /// `ws://` or `wss://` URL; `{charger}` stands for the percent-encoded identity. Holds no
    /// credentials.
    pub url: String,
    /// HTTP Basic credentials, if it wants any (OCPP security profile 1 and 2).
    pub basic_auth: Option<BasicAuth>,
    /// PEM certificates to trust besides the system's, as the file's bytes.
    pub ca_certificates: Option<Vec<u8>>,
}

/// HTTP Basic credentials; `{charger}` stands for the identity in both parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user name; must not hold a colon (RFC 7617).
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Text that is never shown: `Debug` prints a mask.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text into custody.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself; for the wire only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Routing {
    /// The plan of a charger; `None` when no rule matches: it is then refused.
    pub fn plan(&self, charger: &ChargerId) -> Option<Arc<Plan>> {
        self.rules.iter().find(|rule| rule.matcher.is_match(charger.as_str())).map(|rule| rule.plan.clone())
    }
}
