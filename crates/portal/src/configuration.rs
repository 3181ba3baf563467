//! A `proxy.toml` that was changed while the proxy runs and is not valid: whoever changed it may believe that it holds.

use maud::{Markup, html};

use crate::access::guard::Visitor;
use crate::layout::moment;
use crate::limits::CONFIGURATION_ERRORS_SHOWN;

/// An edit that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedConfiguration {
    /// The file as the program was told of it.
    pub file: String,
    /// When it was read; UTC, milliseconds since 1970.
    pub unix_ms: i64,
    /// What is wrong with it, in the order of the file; free of secrets.
    pub errors: Vec<ConfigurationError>,
}

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What it is, and what would do.
    pub message: String,
}

/// What every page says of it to those who may do something about it; to others only that it is so.
pub(crate) fn banner(refused: &RefusedConfiguration, visitor: &Visitor) -> Markup {
    let count = refused.errors.len();
    html! {
        div.notice.bad role="alert" {
            p {
                strong { "The configuration was changed and is not valid." }
                " What was in force before stays in force. Read " (moment(refused.unix_ms)) "."
            }
            @if visitor.may_order() {
                ul {
                    @for error in refused.errors.iter().take(CONFIGURATION_ERRORS_SHOWN) {
                        li { code { (refused.file) ":" (error.line) ":" (error.column) } " " (error.message) }
                    }
                }
                p.muted {
                    @if count > CONFIGURATION_ERRORS_SHOWN { (count - CONFIGURATION_ERRORS_SHOWN) " more. " }
                    code { "ocpp-proxy check" } " says the same. This goes away once the file is valid."
                }
            }
        }
    }
}
