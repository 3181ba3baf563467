//! What kind of charger it is.

use std::time::Duration;

use crate::frame::{IdStyle, Layout};

/// The make-up of a simulated charger; the default is a well-behaved one.
#[derive(Debug, Clone)]
pub struct ChargerSettings {
    /// `chargePointVendor` of its BootNotification.
    pub vendor: String,
    /// `chargePointModel` of its BootNotification.
    pub model: String,
    /// How many connectors it has.
    pub connectors: i64,
    /// How it numbers its calls.
    pub ids: IdStyle,
    /// How it writes JSON.
    pub layout: Layout,
    /// How many of its calls may be unanswered at once. OCPP-J 1.6 §4.1.1 says one; several
    /// makes send two or three.
    pub pipelining: usize,
    /// `StopTransactionOnInvalidId`.
    pub stop_on_invalid_id: bool,
    /// Whether it asks with Authorize before it starts; otherwise it trusts its own list.
    pub authorizes: bool,
    /// How long it thinks before it answers a command, at most.
    pub answer_delay: Duration,
    /// Whether it answers commands at all.
    pub answers_commands: bool,
    /// How many of a thousand calls it sends twice, the same text both times.
    pub repeats_per_mille: u32,
    /// How many of a thousand answers it sends twice.
    pub repeated_answers_per_mille: u32,
    /// Whether it sends a BootNotification on every connection, not only after power-up.
    pub boots_on_reconnect: bool,
    /// Whether it forgets an unanswered StartTransaction when the connection ends; it then speaks
    /// of that transaction as number -1 (OCPP 1.6 errata 3.18).
    pub forgets_unanswered_start: bool,
    /// How long it waits for an answer.
    pub answer_timeout: Duration,
    /// `TransactionMessageAttempts` (OCPP 1.6 §3.7.1).
    pub transaction_attempts: u32,
    /// `TransactionMessageRetryInterval` (OCPP 1.6 §3.7.1).
    pub transaction_retry: Duration,
    /// `MeterValueSampleInterval`.
    pub meter_interval: Duration,
    /// A transaction that began before this charger came to the proxy: its number, which nobody
    /// there has heard of.
    pub stray_transaction: Option<i64>,
    /// `ChargeProfileMaxStackLevel`.
    pub max_stack_level: i64,
    /// `SendLocalListMaxLength`.
    pub list_length: usize,
}

impl Default for ChargerSettings {
    fn default() -> Self {
        Self {
            vendor: "Simulated".to_owned(),
            model: "Wallbox 1".to_owned(),
            connectors: 2,
            ids: IdStyle::Uuid,
            layout: Layout::Compact,
            pipelining: 1,
            stop_on_invalid_id: true,
            authorizes: true,
            answer_delay: Duration::from_millis(50),
            answers_commands: true,
            repeats_per_mille: 0,
            repeated_answers_per_mille: 0,
            boots_on_reconnect: false,
            forgets_unanswered_start: false,
            answer_timeout: Duration::from_secs(30),
            transaction_attempts: 3,
            transaction_retry: Duration::from_secs(10),
            meter_interval: Duration::from_secs(60),
            stray_transaction: None,
            max_stack_level: 5,
            list_length: 100,
        }
    }
}
