//! Who may come in, what they may do, and how a request proves it.

pub(crate) mod familiar;
pub(crate) mod first;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod origin;
pub(crate) mod password;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub(crate) mod token;

use std::sync::Arc;

use arc_swap::ArcSwap;

use self::first::FirstLink;
use self::password::Verifier;
use self::sessions::{Account, Sessions};
use self::throttle::Throttle;

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything but cards' numbers, changes nothing.
    Viewer,
    /// Sees cards' numbers; may change who leads, who is let in, and what becomes of deliveries.
    Operator,
}

/// Someone with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// What they log in with.
    pub name: String,
    /// Made by [`crate::hash_password`]; an argon2 hash in PHC form.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
}

impl std::fmt::Debug for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "User({:?}, {})", self.name, self.role.label())
    }
}

/// A program that uses the API.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What its deeds are recorded under.
    pub name: String,
    /// Made by [`crate::hash_token`].
    pub hash: String,
    /// What it may do.
    pub role: Role,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Token({:?}, {})", self.name, self.role.label())
    }
}

/// Users, tokens, sessions, and what keeps guessers away.
#[derive(Debug)]
pub(crate) struct Access {
    /// Tells the cookies of several portals on one machine apart: cookies know no ports.
    pub(crate) port: u16,
    accounts: ArcSwap<Accounts>,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    pub(crate) verifier: Verifier,
    first: FirstLink,
}

/// One version of the users and tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) users: Vec<User>,
    pub(crate) tokens: Vec<Token>,
}

impl Access {
    pub(crate) fn new(port: u16, users: Vec<User>, tokens: Vec<Token>) -> Self {
        Self {
            port,
            accounts: ArcSwap::from_pointee(Accounts { users, tokens }),
            sessions: Sessions::default(),
            throttle: Throttle::default(),
            verifier: Verifier::default(),
            first: FirstLink::new(),
        }
    }

    pub(crate) fn accounts(&self) -> Arc<Accounts> {
        self.accounts.load_full()
    }

    pub(crate) fn apply(&self, users: Vec<User>, tokens: Vec<Token>) {
        self.accounts.store(Arc::new(Accounts { users, tokens }));
    }

    /// The path of the one-time link, while it is of use.
    pub(crate) fn first_path(&self) -> Option<String> {
        self.has_no_users().then(|| self.first.path()).flatten()
    }

    /// Whether this token of the one-time link lets someone in; it does once.
    pub(crate) fn take_first(&self, token: &str) -> bool {
        self.has_no_users() && self.first.take(token)
    }

    pub(crate) fn has_no_users(&self) -> bool {
        self.accounts.load().users.is_empty()
    }

    /// The program that bears this token.
    pub(crate) fn bearer(&self, token: &str) -> Option<(String, Role)> {
        let accounts = self.accounts.load();
        let found = accounts.tokens.iter().find(|known| token::is_of(token, &known.hash))?;
        Some((found.name.clone(), found.role))
    }

    /// What an account may do now; `None` when it is gone or has another password.
    pub(crate) fn role(&self, account: &Account) -> Option<Role> {
        let accounts = self.accounts.load();
        match account {
            Account::First => accounts.users.is_empty().then_some(Role::Operator),
            Account::User { name, password_hash } => accounts
                .users
                .iter()
                .find(|user| user.name == *name && user.password_hash == *password_hash)
                .map(|user| user.role),
        }
    }
}
