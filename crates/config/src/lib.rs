//! `proxy.toml`: read, expanded, checked as a whole, and made into what the gateway and the store take.
//!
//! `source` (the tree with places) → `expand` (`${…}`) → `shape` (against the schema) → `check` (does it
//! make sense) → [`Config`]. Whatever is wrong becomes a [`Report`] with `file:line:column`.

mod backoffice;
mod cards;
mod check;
mod docs;
mod entrance;
mod expand;
mod explain;
mod files;
mod grants;
mod outage;
mod placeholder;
mod plan;
mod portal;
mod schema;
mod shape;
mod sharing;
mod source;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::{ListenerCertificates, Routing};
use ipnet::IpNet;

pub use docs::markdown;
pub use explain::{Finding, Report, Severity, suggestion};
pub use files::Files;
pub use portal::Entrants;

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// What only a restart can change.
    pub fixed: Fixed,
    /// Who may use the portal; can be replaced while the proxy runs.
    pub entrants: Entrants,
    /// What chargers are shown that dial with TLS; can be replaced while the proxy runs.
    pub certificates: Option<ListenerCertificates>,
    /// Who serves which charger; can be replaced while the proxy runs.
    pub routing: Routing,
    /// What somebody should know although it is valid.
    pub warnings: Vec<Finding>,
}

/// What only a restart can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Where chargers connect without TLS, if anywhere.
    pub chargers: Option<SocketAddr>,
    /// Where chargers connect with TLS, if anywhere.
    pub tls: Option<SocketAddr>,
    /// Networks whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<IpNet>,
    /// What stands before the identity; starts and ends with `/`.
    pub path: String,
    /// Where metrics and health are served, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Where the portal is served, if anywhere.
    pub portal: Option<SocketAddr>,
    /// The embedded database.
    pub store: PathBuf,
    /// Whether messages are logged.
    pub log_messages: bool,
    /// How long messages are kept.
    pub keep_log_for: Duration,
    /// How many bytes of messages are kept.
    pub keep_log_bytes: u64,
    /// How long finished transactions are kept.
    pub keep_transactions_for: Duration,
}

impl Fixed {
    /// What of `proxy.toml` differs between the two.
    pub fn differences_from(&self, other: &Fixed) -> impl Iterator<Item = &'static str> {
        let of = |fixed: &Fixed| (fixed.chargers, fixed.tls, fixed.admin);
        let before = |fixed: &Fixed| (fixed.path.clone(), fixed.proxy_protocol.clone());
        let listen = of(self) != of(other) || before(self) != before(other);
        let store = (&self.store, self.keep_transactions_for) != (&other.store, other.keep_transactions_for);
        let of = |fixed: &Fixed| (fixed.log_messages, fixed.keep_log_for, fixed.keep_log_bytes);
        let log = of(self) != of(other);
        let sections = [
            ("[listen]", listen),
            ("[store]", store),
            ("[log]", log),
            ("portal.listen", self.portal != other.portal),
        ];
        sections.into_iter().filter(|(_, differs)| *differs).map(|(section, _)| section)
    }
}

/// What reading the file came to.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, or all that is wrong with it.
    pub outcome: Result<Config, Report>,
    /// Every file that was read or could not be read on the way.
    pub files: Files,
}

/// What a configuration refers to outside its text.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The folder of `proxy.toml`; relative paths in it start there.
    pub folder: &'a Path,
}

/// Reads a file in the environment of this process.
pub fn load(path: &Path) -> Loaded {
    let variable = |name: &str| std::env::var(name).ok();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Files::default();
    let name = path.display().to_string();
    let around = Surroundings { variable: &variable, folder };
    let outcome = read_text(path, &mut files)
        .map_err(|finding| Report { file: name.clone(), findings: vec![finding] })
        .and_then(|text| read(&name, &text, &around, &mut files));
    Loaded { outcome, files }
}

/// The database that a configuration names. Looks at nothing else: whoever reads the log need not know
/// the backoffices' passwords.
pub fn store_path(path: &Path) -> Result<PathBuf, Report> {
    let variable = |name: &str| std::env::var(name).ok();
    let around = Surroundings { variable: &variable, folder: path.parent().unwrap_or(Path::new("")) };
    let mut files = Files::default();
    let mut findings = Vec::new();
    let report = |findings| Report { file: path.display().to_string(), findings };
    let text = read_text(path, &mut files).map_err(|finding| report(vec![finding]))?;
    let (mut root, syntax) = source::recover(&text);
    if let Some(store) = root.get_mut("store") {
        expand::expand(store, &text, &around, &mut files, &mut findings);
    }
    if !findings.is_empty() {
        return Err(report(findings));
    }
    match root.get("store").and_then(|store| store.get("path")).map(|node| (&node.value, node.span.start)) {
        // A log that can be found is shown, whatever else is wrong with the file.
        Some((source::Value::Text(path), _)) => Ok(around.folder.join(path)),
        Some((_, at)) => Err(report(vec![Finding::error(&text, at, "store.path must be text in quotes")])),
        None if syntax.is_empty() => Ok(around.folder.join(schema::StoreFile::default().path)),
        None => {
            let mut findings = syntax;
            for finding in &mut findings {
                finding.message.push_str("; repair this, or name the database with --store");
            }
            Err(report(findings))
        }
    }
}

/// The rules that a configuration has for chargers. Of the backoffices only the names count: whoever asks who
/// leads need not know their passwords.
pub fn rules(path: &Path) -> Result<Routing, Report> {
    let variable = |name: &str| std::env::var(name).ok();
    let around = Surroundings { variable: &variable, folder: path.parent().unwrap_or(Path::new("")) };
    let mut files = Files::default();
    let name = path.display().to_string();
    let report = |findings| Report { file: name.clone(), findings };
    let text = read_text(path, &mut files).map_err(|finding| report(vec![finding]))?;
    let mut root = source::parse(&text).map_err(report)?;
    ["listen", "store", "log", "portal"].iter().for_each(|section| root.remove(section));
    if let Some(backoffices) = root.get_mut("backoffices") {
        backoffice::keep_names(backoffices);
    }
    if let Some(chargers) = root.get_mut("chargers") {
        entrance::keep_names(chargers);
    }
    let mut findings = Vec::new();
    let concealed = expand::expand(&mut root, &text, &around, &mut files, &mut findings);
    findings.extend(shape::check(&mut root, &text, &name).findings);
    let rules = match serde_json::from_value(root.to_json()) {
        Ok(file) => {
            let (rules, more) = check::rules(&file, &root, &text);
            findings.extend(more);
            rules
        }
        Err(error) => {
            findings.push(Finding::error(&text, 0, error.to_string()));
            None
        }
    };
    findings.retain(|finding| finding.severity == Severity::Error);
    findings.iter_mut().for_each(|finding| finding.message = concealed.conceal(&finding.message));
    match rules {
        Some(rules) if findings.is_empty() => Ok(Routing { rules, ..Routing::default() }),
        _ => Err(report(findings)),
    }
}

fn read_text(path: &Path, files: &mut Files) -> Result<String, Finding> {
    let bytes = files.read(path).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "; name another with --config, or try `ocpp-proxy demo`, which needs none"
            }
            _ => "",
        };
        Finding::error("", 0, format!("cannot be read: {}{hint}", expand::reason(&error)))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Finding::error(&text, valid, "this is not UTF-8 text; save the file as UTF-8")
    })
}

/// Reads the text of a configuration.
pub fn read(name: &str, text: &str, around: &Surroundings<'_>, files: &mut Files) -> Result<Config, Report> {
    let mut findings = Vec::new();
    let mut root = source::parse(text).map_err(|findings| Report { file: name.to_owned(), findings })?;
    let concealed = expand::expand(&mut root, text, around, files, &mut findings);
    let tidy = |mut findings: Vec<Finding>| {
        findings.sort_by_key(|finding| (finding.line, finding.column));
        for finding in &mut findings {
            finding.message = concealed.conceal(&finding.message);
        }
        findings
    };
    let report = |mut findings: Vec<Finding>| {
        // A warning beside an error is most often a consequence of it.
        findings.retain(|finding| finding.severity == Severity::Error);
        Report { file: name.to_owned(), findings: tidy(findings) }
    };
    let shape = shape::check(&mut root, text, name);
    findings.extend(shape.findings);
    if shape.removed.iter().any(|section| section == "[backoffices]") {
        // Every rule would name an unknown one.
        root.remove("chargers");
    }
    let file = match serde_json::from_value(root.to_json()) {
        Ok(file) => file,
        Err(error) => {
            findings.push(Finding::error(text, 0, error.to_string()));
            return Err(report(findings));
        }
    };
    let mut checked = check::check(&file, &root, text, around, files);
    for at in shape.placeholders {
        checked.findings.retain(|finding| !finding.stands_at(text, at));
    }
    findings.extend(checked.findings);
    let invalid = findings.iter().any(|finding| finding.severity == Severity::Error);
    match checked.config {
        Some(config) if !invalid => Ok(Config { warnings: tidy(findings), ..config }),
        _ => Err(report(findings)),
    }
}
