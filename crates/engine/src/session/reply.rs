//! An answer to a peer, as it goes on the wire.

use crate::{FrameKind, Outcome, Text, frame};

/// The error codes of OCPP-J 1.6 §4.2.3, in its own spelling.
const ERROR_CODES: [&str; 10] = [
    "FormationViolation",
    "GenericError",
    "InternalError",
    "NotImplemented",
    "NotSupported",
    "OccurenceConstraintViolation",
    "PropertyConstraintViolation",
    "ProtocolError",
    "SecurityError",
    "TypeConstraintViolation",
];

/// An answer, with everything that goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Result(Text),
    Error { code: Text, description: Text, details: Text },
}

impl Reply {
    pub(super) fn result(payload: impl Into<Text>) -> Self {
        Reply::Result(payload.into())
    }

    pub(super) fn error(code: &'static str, description: &str) -> Self {
        Reply::Error {
            code: Text::from_static(code),
            description: Text::from(description),
            details: Text::from_static("{}"),
        }
    }

    /// A CALLERROR passes as it is; a code that 1.6 spells otherwise gets its spelling, one that it
    /// does not have becomes `GenericError` (semantics F-40, F-41).
    pub(super) fn passed_on(code: &str, description: &str, details: &str) -> Self {
        let (code, details) = match code {
            "FormatViolation" => ("FormationViolation", details.into()),
            "OccurrenceConstraintViolation" => ("OccurenceConstraintViolation", details.into()),
            known if ERROR_CODES.contains(&known) => (known, details.into()),
            other => ("GenericError", serde_json::json!({ "errorCode": other }).to_string()),
        };
        Reply::Error { code: code.into(), description: description.into(), details: details.into() }
    }

    pub(super) fn kind(&self) -> FrameKind {
        match self {
            Reply::Result(_) => FrameKind::Result,
            Reply::Error { .. } => FrameKind::Error,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Reply::Result(payload) => Outcome::Result(payload.clone()),
            Reply::Error { code, description, .. } => {
                Outcome::Error { code: code.clone(), description: description.clone() }
            }
        }
    }

    /// The frame for the originator with this message id.
    pub(super) fn write(&self, id: &str) -> String {
        match self {
            Reply::Result(payload) => frame::write_result(id, payload),
            Reply::Error { code, description, details } => frame::write_error(id, code, description, details),
        }
    }
}
