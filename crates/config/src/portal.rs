//! Checks `[portal]`: where it listens, who may come in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use portal::{Role, Token, User};

use super::check::{Remarks, address, collide};
use super::explain::quoted;
use super::schema::{self, PortalRole};
use super::source::Node;

/// Longest name of a user: it stands beside everything that the user does.
const LONGEST_NAME: usize = 64;

/// Who may come in; can be replaced while the portal runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entrants {
    /// People.
    pub users: Vec<User>,
    /// Programs.
    pub tokens: Vec<Token>,
}

/// Where the portal listens, if anywhere. The outer `None` when that cannot be used.
pub(crate) fn listen(
    file: &schema::File,
    root: &Node,
    others: [(&str, Option<SocketAddr>); 3],
    remarks: &mut Remarks<'_>,
) -> Option<Option<SocketAddr>> {
    let at = root.get("portal").unwrap_or(root).place("listen");
    if file.portal.listen == "off" {
        return Some(None);
    }
    let listen = remarks.note(at, address("portal.listen", &file.portal.listen))?;
    for (key, other) in others {
        if other.is_some_and(|other| collide(listen, other)) {
            remarks.error(at, format!("portal.listen is the address of {key}; give it a port of its own"));
            return None;
        }
    }
    if listen.ip().is_loopback() {
        return Some(Some(listen));
    }
    remarks.warning(
        at,
        format!(
            "the portal is not encrypted: whoever is on the way to {listen} can read passwords and all that it shows; put a \
             proxy with TLS in front of it, or use portal.listen = \"127.0.0.1:8080\""
        ),
    );
    if file.portal.users.is_empty() {
        remarks.warning(
            at,
            "others can reach the portal, but nobody can log in: the link of the start works on this machine \
             alone; write [[portal.users]] with what `ocpp-proxy hash-password` prints",
        );
    }
    Some(Some(listen))
}

/// Everybody who may come in; `None` when an entry cannot be used.
pub(crate) fn entrants(file: &schema::File, root: &Node, remarks: &mut Remarks<'_>) -> Option<Entrants> {
    let place = |list: &str, index: usize, key: &str| {
        let list = root.get("portal").and_then(|portal| portal.get(list));
        list.and_then(|list| list.item(index)).unwrap_or(root).place(key)
    };
    let (mut entrants, mut valid) = (Entrants::default(), true);
    let mut names = BTreeSet::new();
    for (index, user) in file.portal.users.iter().enumerate() {
        valid &= check_name(&user.name, names.insert(&user.name), place("users", index, "name"), remarks);
        // The message never shows it: it may be the password itself.
        if let Err(why) = portal::check_hash(&user.password_hash) {
            let message = format!("password_hash cannot be used: {why}");
            remarks.error(place("users", index, "password_hash"), message);
            valid = false;
        }
        let (name, password_hash) = (user.name.clone(), user.password_hash.clone());
        entrants.users.push(User { name, password_hash, role: role(user.role) });
    }
    names.clear();
    for (index, token) in file.portal.tokens.iter().enumerate() {
        valid &= check_name(&token.name, names.insert(&token.name), place("tokens", index, "name"), remarks);
        // As above.
        if !portal::check_token_hash(&token.hash) {
            let message = "hash is no hash of a token; run `ocpp-proxy hash-token` and put the hash that it prints here";
            remarks.error(place("tokens", index, "hash"), message);
            valid = false;
        }
        let (name, hash) = (token.name.clone(), token.hash.clone());
        entrants.tokens.push(Token { name, hash, role: role(token.role) });
    }
    valid.then_some(entrants)
}

fn check_name(name: &str, is_new: bool, at: usize, remarks: &mut Remarks<'_>) -> bool {
    let is_usable = !name.trim().is_empty()
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(char::is_control);
    if !is_usable {
        let message =
            format!("the name {} cannot be used; write 1 to {LONGEST_NAME} characters", quoted(name));
        remarks.error(at, message);
    } else if !is_new {
        remarks.error(at, format!("{} stands here already; each needs a name of its own", quoted(name)));
    }
    is_usable && is_new
}

fn role(role: PortalRole) -> Role {
    match role {
        PortalRole::Viewer => Role::Viewer,
        PortalRole::Operator => Role::Operator,
    }
}
