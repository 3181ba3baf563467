//! Does a configuration of the right shape make sense? Everything that does not is found in one pass.

use std::net::SocketAddr;
use std::time::Duration;

use gateway::{Routing, Rule};

use super::explain::{Finding, quoted};
use super::files::Files;
use super::portal;
use super::source::Node;
use super::tls::{self, Doors};
use super::{Config, Fixed, Surroundings, backoffice, entrance, plan, schema};

/// What the check came to: the configuration when there is no error.
#[derive(Default)]
pub(crate) struct Checked {
    /// What the gateway and the store take; warnings are not in it yet.
    pub(crate) config: Option<Config>,
    /// Errors and warnings.
    pub(crate) findings: Vec<Finding>,
}

/// Checks the whole file. The tree is only asked for places.
pub(crate) fn check(
    file: &schema::File,
    root: &Node,
    text: &str,
    around: &Surroundings<'_>,
    files: &mut Files,
) -> Checked {
    let mut remarks = Remarks { text, findings: Vec::new() };
    let doors = tls::doors(file, root, around, files, &mut remarks);
    let fixed = fixed(file, root, around, &doors, &mut remarks);
    let backoffices = backoffice::check_all(file, root, around, files, &mut remarks);
    let rules = plan::check_all(file, root, &mut remarks);
    entrance::check_listeners(file, root, &mut remarks);
    let entrants = portal::entrants(file, root, &mut remarks);
    let config = fixed.zip(entrants).zip(backoffices.zip(rules)).zip(doors.certificates);
    Checked {
        config: config.map(|(((fixed, entrants), (backoffices, rules)), certificates)| Config {
            fixed,
            entrants,
            certificates,
            routing: Routing { backoffices, rules },
            warnings: Vec::new(),
        }),
        findings: remarks.findings,
    }
}

/// Checks the rules for chargers alone.
pub(crate) fn rules(file: &schema::File, root: &Node, text: &str) -> (Option<Vec<Rule>>, Vec<Finding>) {
    let mut remarks = Remarks { text, findings: Vec::new() };
    let rules = plan::check_all(file, root, &mut remarks);
    (rules, remarks.findings)
}

/// Collects findings about one text.
pub(crate) struct Remarks<'a> {
    text: &'a str,
    findings: Vec<Finding>,
}

impl Remarks<'_> {
    /// The file cannot be used like this.
    pub(crate) fn error(&mut self, at: usize, message: impl Into<String>) {
        self.findings.push(Finding::error(self.text, at, message));
    }

    /// The file can be used like this, but somebody should know.
    pub(crate) fn warning(&mut self, at: usize, message: impl Into<String>) {
        self.findings.push(Finding::warning(self.text, at, message));
    }

    /// The line of a byte of the text.
    pub(crate) fn line(&self, at: usize) -> usize {
        Finding::warning(self.text, at, "").line
    }

    /// The value, or an error at that place.
    pub(crate) fn note<T>(&mut self, at: usize, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.error(at, message)).ok()
    }
}

fn fixed(
    file: &schema::File,
    root: &Node,
    around: &Surroundings<'_>,
    doors: &Doors,
    remarks: &mut Remarks<'_>,
) -> Option<Fixed> {
    let place = |section: &str, key: &str| root.get(section).unwrap_or(root).place(key);
    let listen = &file.listen;
    let path = remarks.note(place("listen", "path"), listen_path(&listen.path));
    let admin_place = place("listen", "admin");
    let admin = match listen.admin.as_str() {
        "off" => Some(None),
        admin => remarks.note(admin_place, address("listen.admin", admin).map(Some)),
    };
    let of_chargers = [doors.plain.flatten(), doors.tls.flatten()];
    if let Some(Some(admin)) = admin {
        if of_chargers.into_iter().flatten().any(|chargers| collide(admin, chargers)) {
            remarks
                .error(admin_place, "listen.admin is the address of the chargers; give it a port of its own");
        }
        if !admin.ip().is_loopback() {
            remarks.warning(
                admin_place,
                format!(
                    "whoever reaches {admin} can read the metrics, without a password and without TLS; listen.admin = \
                     \"127.0.0.1:9090\" keeps them here"
                ),
            );
        }
    }
    let proxy_protocol = tls::fronts(file, root, remarks);
    let [plain, tls] = of_chargers;
    let others = [("the chargers", plain), ("the chargers", tls), ("listen.admin", admin.flatten())];
    let portal = portal::listen(file, root, others, remarks);
    let store_place = place("store", "path");
    if file.store.path.is_empty() {
        remarks.error(store_place, "store.path is empty; for example path = \"ocpp-proxy.db\"");
    }
    let keep_log_bytes = remarks.note(place("log", "keep_size"), size(&file.log.keep_size));
    Some(Fixed {
        chargers: doors.plain?,
        tls: doors.tls?,
        proxy_protocol: proxy_protocol?,
        path: path?,
        admin: admin?,
        portal: portal?,
        store: around.folder.join(&file.store.path),
        log_messages: file.log.messages,
        keep_log_for: days(file.log.keep_days),
        keep_log_bytes: keep_log_bytes?,
        keep_transactions_for: days(file.store.keep_transactions_days),
    })
}

/// Whether the two cannot both be listened on: `0.0.0.0` and `[::]` are every address of this machine.
pub(crate) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (is_any || one.ip() == other.ip())
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

pub(crate) fn address(key: &str, found: &str) -> Result<SocketAddr, String> {
    found.parse().map_err(|_| {
        let example = match key {
            "listen.admin" => "127.0.0.1:9090",
            "portal.listen" => "127.0.0.1:8080",
            "listen.tls.chargers" => "0.0.0.0:9443",
            _ => "0.0.0.0:9000",
        };
        format!("{key} is {}; it must be an IP address and a port, such as {example:?}", quoted(found))
    })
}

fn listen_path(path: &str) -> Result<String, String> {
    let remedy = "for example path = \"/ocpp/\"";
    if !path.starts_with('/') || !path.ends_with('/') {
        return Err(format!("listen.path is {}; it must start and end with \"/\", {remedy}", quoted(path)));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    match path.chars().find(|c| !allowed(*c)) {
        Some(wrong) => Err(format!("listen.path holds {wrong:?}; use letters, digits, - . _ ~, {remedy}")),
        None if path.contains("//") => Err(format!("listen.path holds \"//\"; {remedy}")),
        None => Ok(path.to_owned()),
    }
}

/// `"10 GB"` in bytes; units are powers of 1000, as disks are sold.
fn size(found: &str) -> Result<u64, String> {
    let wrong = || {
        let found = quoted(found);
        format!("log.keep_size is {found}; it must be a number with MB, GB or TB, such as \"10 GB\"")
    };
    let digits = found.len() - found.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = found[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match found[digits..].trim().to_ascii_uppercase().as_str() {
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(unit) {
        Some(0) => Err("log.keep_size is 0; the log needs some room, such as \"100 MB\"".to_owned()),
        Some(bytes) if bytes <= i64::MAX as u64 => Ok(bytes),
        _ => Err(wrong()),
    }
}
