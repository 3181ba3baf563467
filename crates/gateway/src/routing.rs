//! Which charger is served by whom, and how each backoffice is reached. Replaced as a whole when
//! `proxy.toml` changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::{BackofficeId, ChargerId, Plan};
use globset::{GlobBuilder, GlobMatcher};
use store::LeaderOverride;

use crate::overrides::led_by;
use crate::tls::OwnCertificate;
use crate::view::PlanView;
use crate::{EntranceTerms, UnknownChargers};

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
    /// Which those are.
    pub pattern: Pattern,
    /// Who leads and who follows.
    pub plan: Arc<Plan>,
    /// Who may say who leads.
    pub leader_source: LeaderSource,
    /// On what terms its chargers are let in.
    pub entrance: Arc<EntranceTerms>,
}

/// How `proxy.toml` makes a charger known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetInBy {
    /// Its rule has a key for it.
    Key,
    /// Its rule is for this charger alone.
    Name,
    /// Its rule lets in whoever matches.
    Rule,
}

impl Rule {
    /// How it makes one of its chargers known, if it does.
    pub(crate) fn lets_in(&self, has_key: bool) -> Option<LetInBy> {
        let is_named = self.pattern.identity().is_some();
        let by_rule = (self.entrance.unknown == UnknownChargers::Admit).then_some(LetInBy::Rule);
        has_key.then_some(LetInBy::Key).or(is_named.then_some(LetInBy::Name)).or(by_rule)
    }
}

/// Who may say who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeaderSource {
    /// `proxy.toml` alone.
    File,
    /// `proxy.toml`, unless an operator has made another backoffice leader in the portal or on the command
    /// line.
    #[default]
    Portal,
}

/// An identity, or a glob for many. Capitals and small letters are equal (semantics F-61).
#[derive(Debug, Clone)]
pub struct Pattern {
    glob: GlobMatcher,
    identity: Option<ChargerId>,
}

impl Pattern {
    /// Reads the notation of `match` in `proxy.toml`.
    ///
    /// # Errors
    /// When it is no glob.
    pub fn new(text: &str) -> Result<Self, globset::Error> {
        let glob = GlobBuilder::new(text).case_insensitive(true).build()?.compile_matcher();
        let identity = (!text.contains(['*', '?', '[', '{', '\\'])).then(|| ChargerId::from(text));
        Ok(Self { glob, identity })
    }

    /// The notation of `match`.
    pub fn text(&self) -> &str {
        self.glob.glob().glob()
    }

    /// Whether this identity is meant.
    pub fn is_match(&self, identity: &str) -> bool {
        self.glob.is_match(identity)
    }

    /// The identity as it is written here, unless the pattern is a glob.
    pub fn identity(&self) -> Option<&ChargerId> {
        self.identity.as_ref()
    }
}

/// How one backoffice is reached. `Debug` shows of the URL only where it leads: a token may stand in
/// what follows.
#[derive(Clone, PartialEq, Eq)]
pub struct BackofficeSettings {
    /// `ws://` or `wss://` URL; `{charger}` stands for the percent-encoded identity. Holds no
    /// credentials.
    pub url: String,
    /// HTTP Basic credentials, if it wants any (OCPP security profile 1 and 2).
    pub basic_auth: Option<BasicAuth>,
    /// It is shown the `Authorization` header that the charger sent, in the place of anything else.
    pub forward_authorization: bool,
    /// PEM certificates to trust besides the system's, as the file's bytes.
    pub ca_certificates: Option<Vec<u8>>,
    /// The certificate to show it (OCPP security profile 3).
    pub client_certificate: Option<OwnCertificate>,
    /// The name that its certificate must bear, if not the URL's host.
    pub server_name: Option<String>,
    /// The HTTP proxy to reach it through.
    pub proxy: Option<ForwardProxy>,
}

/// An HTTP proxy that opens tunnels (`CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardProxy {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl BackofficeSettings {
    /// With a URL and nothing else.
    pub fn new(url: String) -> Self {
        Self {
            url,
            basic_auth: None,
            forward_authorization: false,
            ca_certificates: None,
            client_certificate: None,
            server_name: None,
            proxy: None,
        }
    }
}

impl fmt::Debug for BackofficeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[start..].find(['/', '?']).map_or(self.url.len(), |at| start + at);
        f.debug_struct("BackofficeSettings")
            .field("url", &format_args!("{}/…", &self.url[..end]))
            .field("basic_auth", &self.basic_auth)
            .field("forward_authorization", &self.forward_authorization)
            .field(
                "ca_certificates",
                &self.ca_certificates.as_ref().map(|pem| format!("{} bytes", pem.len())),
            )
            .field("client_certificate", &self.client_certificate.as_ref().map(OwnCertificate::name))
            .field("server_name", &self.server_name)
            .field("proxy", &self.proxy)
            .finish()
    }
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
    /// The plan of a charger, led by whom an operator has chosen if that may be; `None` when no rule matches:
    /// it is then refused.
    pub fn plan(&self, charger: &ChargerId, overridden: Option<LeaderOverride>) -> Option<PlanView> {
        let rule = self.rule(charger)?;
        let chosen = overridden.as_ref().filter(|_| rule.leader_source == LeaderSource::Portal);
        let plan = chosen.and_then(|chosen| led_by(&rule.plan, &chosen.leader));
        Some(PlanView {
            plan: plan.unwrap_or_else(|| rule.plan.clone()),
            file_leader: rule.plan.leader.clone(),
            overridden,
            leader_source: rule.leader_source,
            rule: rule.pattern.text().to_owned(),
        })
    }

    /// How `proxy.toml` writes the identity, if a rule is for this charger alone.
    pub(crate) fn spelling(&self, charger: &ChargerId) -> Option<&ChargerId> {
        self.rule(charger)?.pattern.identity()
    }

    /// How a charger is made known, if it is.
    pub fn lets_in(&self, charger: &ChargerId) -> Option<LetInBy> {
        let rule = self.rule(charger)?;
        let mut with_keys = rule.entrance.keys.keys();
        rule.lets_in(with_keys.any(|other| other.as_str().eq_ignore_ascii_case(charger.as_str())))
    }

    /// The first rule for a charger.
    pub fn rule(&self, charger: &ChargerId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.pattern.is_match(charger.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secrets() {
        let url = "wss://acme.example:443/t0ken/{charger}?key=c4n4ry".to_owned();
        let password = Secret::new("c4n4ry".to_owned());
        let basic_auth = Some(BasicAuth { user: "{charger}".to_owned(), password });
        let settings = BackofficeSettings {
            basic_auth,
            ca_certificates: Some(vec![1, 2, 3]),
            ..BackofficeSettings::new(url)
        };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("c4n4ry") && !shown.contains("t0ken"), "{shown}");
        assert!(shown.contains("wss://acme.example:443/…") && shown.contains("3 bytes"), "{shown}");
    }

    #[test]
    fn who_is_known_and_by_what() {
        let rule = |pattern: &str, unknown, keys: &[&str]| Rule {
            pattern: Pattern::new(pattern).unwrap(),
            plan: Arc::new(Plan::new("volt".into(), Vec::new())),
            leader_source: LeaderSource::Portal,
            entrance: Arc::new(EntranceTerms {
                unknown,
                keys: keys.iter().map(|name| ((*name).into(), Secret::new("key".to_owned()))).collect(),
                ..EntranceTerms::default()
            }),
        };
        let rules = vec![
            rule("ONE", UnknownChargers::Refuse, &[]),
            rule("CP*", UnknownChargers::Refuse, &["CP1", "XX1"]),
            rule("X*", UnknownChargers::Admit, &[]),
        ];
        let rules = Routing { backoffices: BTreeMap::new(), rules };
        let cases = [
            ("one", Some(LetInBy::Name)),
            ("cp1", Some(LetInBy::Key)),
            ("CP2", None),
            ("XX1", Some(LetInBy::Rule)),
            ("Y", None),
        ];
        for (charger, expected) in cases {
            assert_eq!(rules.lets_in(&charger.into()), expected, "{charger}");
        }
    }

    #[test]
    fn patterns_compare_without_regard_to_capitals() {
        let cases = [
            ("CP1", "cp1", true),
            ("site?-*", "SITE1-CP", true),
            ("[ab]1", "B1", true),
            ("CP1", "CP11", false),
        ];
        for (pattern, identity, expected) in cases {
            assert_eq!(Pattern::new(pattern).unwrap().is_match(identity), expected, "{pattern} {identity}");
        }
        assert_eq!(Pattern::new("Cp1").unwrap().identity(), Some(&ChargerId::from("Cp1")));
        assert_eq!(Pattern::new("CP?").unwrap().identity(), None);
    }
}
