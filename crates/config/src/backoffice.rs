//! Checks `[backoffices.NAME]`: names, addresses, credentials, certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::BackofficeId;
use gateway::{BackofficeSettings, BasicAuth, ForwardProxy, Secret};
use rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::Uri;

use super::cards::check_aliases;
use super::check::Remarks;
use super::explain::{quoted, suggestion};
use super::files::Files;
use super::placeholder::{is_placeholder, placeholder};
use super::source::{Entry, Node, Value};
use super::tls::{certificates, own_certificate};
use super::{Surroundings, schema};

const PLACEHOLDER: &str = "{charger}";
/// Longest name of a backoffice: it stands in every label and column.
const LONGEST_NAME: usize = 32;

/// Leaves of each backoffice its name alone.
pub(crate) fn keep_names(backoffices: &mut Node) {
    let Value::Table(entries) = &mut backoffices.value else { return };
    for entry in entries {
        let span = entry.node.span.clone();
        let url = Node { span: span.clone(), value: Value::Text(String::new()) };
        let url = Entry { key: "url".to_owned(), key_span: span, node: url };
        entry.node.value = Value::Table(vec![url]);
    }
}

/// Every backoffice; `None` when one of them cannot be used.
pub(crate) fn check_all(
    file: &schema::File,
    root: &Node,
    around: &Surroundings<'_>,
    files: &mut Files,
    remarks: &mut Remarks<'_>,
) -> Option<BTreeMap<BackofficeId, Arc<BackofficeSettings>>> {
    let mut settings = Some(BTreeMap::new());
    for (name, backoffice) in &file.backoffices {
        let entry = root.get("backoffices")?.entry(name)?;
        check_name(name, entry.key_span.start, remarks);
        let node = &entry.node;
        let url = check_url(name, &backoffice.url, node.place("url"), remarks);
        let has_aliases = check_aliases(backoffice, node, remarks);
        let basic_auth = backoffice.basic_auth.as_ref().map(|auth| {
            check_user(name, &auth.user, node.get("basic_auth").unwrap_or(node).place("user"), remarks);
            if is_placeholder(&auth.password) {
                let at = node.get("basic_auth").unwrap_or(node).place("password");
                remarks.warning(
                    at,
                    placeholder(&format!("the password for {name:?}"), "Ask the backoffice for one."),
                );
            }
            BasicAuth { user: auth.user.clone(), password: Secret::new(auth.password.clone()) }
        });
        if backoffice.forward_authorization && backoffice.basic_auth.is_some() {
            let message = format!(
                "{name:?} has basic_auth and forward_authorization; it can be shown only one: take one out"
            );
            remarks.error(node.place("forward_authorization"), message);
        }
        let ca_certificates = match &backoffice.ca_file {
            None => Some(None),
            Some(path) => certificates(path, node.place("ca_file"), around, files, remarks).map(Some),
        };
        let client_certificate = match &backoffice.client_certificate {
            None => Some(None),
            Some(named) => {
                let node = node.get("client_certificate").unwrap_or(node);
                own_certificate(named, node, around, files, remarks).map(Some)
            }
        };
        if backoffice.url.starts_with("ws://") {
            for key in ["client_certificate", "server_name"] {
                if let Some(written) = node.get(key) {
                    let message = format!("{key} is for TLS, but the url of {name:?} is not wss://");
                    remarks.error(written.span.start, message);
                }
            }
        }
        if let Some(server_name) = &backoffice.server_name
            && ServerName::try_from(server_name.as_str()).is_err()
        {
            let message = format!("{} is no host name; for example {name}.example", quoted(server_name));
            remarks.error(node.place("server_name"), message);
        }
        let forward = match &backoffice.proxy {
            None => Some(None),
            Some(text) => remarks.note(node.place("proxy"), forward_proxy(text).map(Some)),
        };
        if !file.chargers.iter().any(|rule| {
            rule.leader == *name || rule.followers.iter().any(|follower| follower.backoffice == *name)
        }) {
            remarks.warning(entry.key_span.start, format!("no rule under [[chargers]] names {name:?}"));
        }
        let files = ca_certificates.zip(client_certificate).zip(forward);
        let checked = url.filter(|_| has_aliases).zip(files).map(|(url, files)| {
            let ((ca_certificates, client_certificate), proxy) = files;
            let server_name = backoffice.server_name.clone();
            let settings = BackofficeSettings {
                url,
                basic_auth,
                forward_authorization: backoffice.forward_authorization,
                ca_certificates,
                client_certificate,
                server_name,
                proxy,
            };
            (name.as_str().into(), Arc::new(settings))
        });
        settings = settings.zip(checked).map(|(mut all, (name, one))| {
            all.insert(name, one);
            all
        });
    }
    settings
}

fn check_name(name: &str, at: usize, remarks: &mut Remarks<'_>) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(allowed) {
        let message = format!(
            "{} cannot name a backoffice; use letters, digits, \"-\" and \"_\", at most {LONGEST_NAME}",
            quoted(name)
        );
        remarks.error(at, message);
    } else if matches!(name, "charger" | "proxy") {
        remarks.error(at, format!("{name:?} cannot name a backoffice: the log calls something else so"));
    }
}

/// The messages never show the URL: a query may hold a token.
fn check_url(name: &str, url: &str, at: usize, remarks: &mut Remarks<'_>) -> Option<String> {
    let example = format!("url = \"wss://{name}.example/ocpp/{PLACEHOLDER}\"");
    let Some((scheme, rest)) = url.split_once("://") else {
        remarks.error(at, format!("this is no URL; for example {example}"));
        return None;
    };
    if !matches!(scheme, "ws" | "wss") {
        let near = match scheme {
            "http" => "; did you mean \"ws\"?".to_owned(),
            "https" => "; did you mean \"wss\"?".to_owned(),
            other => suggestion(other, ["wss", "ws"]),
        };
        remarks.error(at, format!("unknown scheme {}{near}", quoted(scheme)));
        return None;
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        let message = "credentials in the URL would end up in logs; put them into \
                       basic_auth = { user = \"…\", password = \"…\" }";
        remarks.error(at, message);
        return None;
    }
    if authority.contains('{') {
        let message = "a placeholder cannot stand in the host; only in what follows it";
        remarks.error(at, message);
        return None;
    }
    if rest.contains('#') {
        remarks.error(at, "a WebSocket URL has no fragment; take out what starts with \"#\" (RFC 6455 §3)");
        return None;
    }
    if let Some(unknown) = unknown_placeholder(rest) {
        let near = suggestion(&unknown, [PLACEHOLDER]);
        remarks.error(at, format!("unknown placeholder {}{near}", quoted(&unknown)));
        return None;
    }
    let filled = url.replace(PLACEHOLDER, "CHARGER");
    let host = match filled.parse::<Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => uri.host().unwrap_or("").to_owned(),
        _ => {
            remarks.error(at, format!("this is no URL; for example {example}"));
            return None;
        }
    };
    if let Err(message) = check_port(authority) {
        remarks.error(at, message);
        return None;
    }
    if !url.contains(PLACEHOLDER) {
        let message = format!(
            "the URL does not hold {PLACEHOLDER}, so this backoffice cannot tell the chargers apart \
             (OCPP-J 1.6 §3.1.1)"
        );
        remarks.warning(at, message);
    }
    if scheme == "ws" && !is_loopback(&host) {
        let message = format!(
            "ws:// to {host} is not encrypted: whoever is on the way can read and change everything, the \
             password too; use wss:// if the backoffice offers it"
        );
        remarks.warning(at, message);
    }
    Some(url.to_owned())
}

fn check_port(authority: &str) -> Result<(), String> {
    // An IPv6 address in brackets holds colons of its own.
    let after_host = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    match after_host.split_once(':') {
        Some((_, port)) if !port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Err(format!("the port {} is not a number from 1 to 65535", quoted(port)))
        }
        _ => Ok(()),
    }
}

fn unknown_placeholder(text: &str) -> Option<String> {
    let without = text.replace(PLACEHOLDER, "");
    let start = without.find(['{', '}'])?;
    let end = without[start..].find('}').map_or(without.len(), |end| start + end + 1);
    Some(without[start..end].to_owned())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn check_user(name: &str, user: &str, at: usize, remarks: &mut Remarks<'_>) {
    if user.contains(':') {
        let message = format!(
            "the user of {name:?} holds a colon, which ends the user name in HTTP Basic (RFC 7617 §2); put \
             what follows it into password"
        );
        remarks.error(at, message);
    } else if user.is_empty() {
        remarks
            .error(at, format!("the user of {name:?} is empty; most often it is user = \"{PLACEHOLDER}\""));
    }
}

/// The message does not show the text: credentials may stand in it.
fn forward_proxy(text: &str) -> Result<ForwardProxy, String> {
    let wrong = |why: &str| format!("{why}; for example proxy = \"http://proxy.example:3128\"");
    let Some(rest) = text.strip_prefix("http://") else {
        return Err(wrong("a proxy is named as http://HOST:PORT, even if it leads to wss://"));
    };
    if rest.contains('@') {
        return Err(wrong("credentials for a proxy are not supported; admit this computer by its address"));
    }
    let uri: Uri = text.parse().map_err(|_| wrong("this is no URL"))?;
    match (uri.host(), uri.port_u16(), uri.path_and_query().map_or("/", |path| path.as_str())) {
        (Some(host), Some(port), "/") => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok(ForwardProxy { host, port })
        }
        (Some(_), None, _) => Err(wrong("the proxy's port is missing")),
        _ => Err(wrong("a proxy is named by its host and port alone")),
    }
}
