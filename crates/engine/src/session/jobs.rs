//! Jobs that report later: diagnostics and firmware, each leased to the backoffice that ordered it,
//! and triggers that are expected to show (semantics §3.2, §6.7, §6.8).

use serde::{Deserialize, Serialize};

use crate::session::charger::ChargerCall;
use crate::session::outbox::Purpose;
use crate::session::owned::Family;
use crate::session::{Reply, Session};
use crate::{BackofficeId, Decider, Fact, Record, Side, Tick, limits, payload};

/// A kind of job of which a charger does one at a time (semantics K-51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// GetDiagnostics, GetLog.
    Diagnostics,
    /// UpdateFirmware, SignedUpdateFirmware.
    Firmware,
}

impl Job {
    /// The job that a command orders.
    pub(super) fn ordered_by(command: &str) -> Option<Self> {
        match command {
            "GetDiagnostics" | "GetLog" => Some(Job::Diagnostics),
            "UpdateFirmware" | "SignedUpdateFirmware" => Some(Job::Firmware),
            _ => None,
        }
    }

    /// The job that a charger's message reports on.
    fn reported_by(message: &str) -> Option<Self> {
        match message {
            "DiagnosticsStatusNotification" | "LogStatusNotification" => Some(Job::Diagnostics),
            "FirmwareStatusNotification" | "SignedFirmwareStatusNotification" => Some(Job::Firmware),
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Job::Diagnostics => "diagnostics",
            Job::Firmware => "firmware",
        }
    }
}

/// Who ordered a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    owner: BackofficeId,
    since_unix_ms: i64,
    /// The charger's number of the request, for the jobs that have one.
    #[serde(default)]
    request_id: Option<i64>,
    /// What the charger said of it last.
    #[serde(default)]
    status: Option<String>,
    /// When it said so first; UTC, milliseconds since 1970.
    #[serde(default)]
    status_unix_ms: i64,
}

impl Lease {
    /// Whether a report of this number can be about it.
    fn is_named(&self, request_id: Option<i64>) -> bool {
        request_id.is_none() || self.request_id.is_none() || self.request_id == request_id
    }
}

/// How far a firmware update is, as far as others must leave the charger alone (semantics K-55).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Installation {
    /// The firmware is loaded, or waits to be installed.
    Downloads,
    /// It is being installed.
    Installs,
}

impl Installation {
    /// After this status (OCPP 1.6 §7.25; security whitepaper §5.9).
    fn after(status: &str) -> Option<Self> {
        match status {
            "Downloading" | "DownloadPaused" | "Downloaded" | "SignatureVerified" => {
                Some(Installation::Downloads)
            }
            "Installing" | "InstallRebooting" => Some(Installation::Installs),
            _ => None,
        }
    }
}

/// The jobs of one charger.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    diagnostics: Option<Lease>,
    firmware: Option<Lease>,
    triggers: Vec<Trigger>,
}

/// A message that a backoffice asked the charger for.
#[derive(Debug)]
struct Trigger {
    by: BackofficeId,
    message: String,
    until: Tick,
}

impl Jobs {
    pub(super) const FACT: &'static str = "job/";

    pub(super) fn remember(&mut self, kind: &str, body: &str) {
        let lease = serde_json::from_str(body).ok();
        match kind {
            "diagnostics" => self.diagnostics = lease,
            "firmware" => self.firmware = lease,
            _ => {}
        }
    }

    fn lease(&mut self, job: Job) -> &mut Option<Lease> {
        match job {
            Job::Diagnostics => &mut self.diagnostics,
            Job::Firmware => &mut self.firmware,
        }
    }

    /// Who has the job, if its lease still runs.
    pub(super) fn owner(&self, job: Job, unix_ms: i64) -> Option<&BackofficeId> {
        let lease = match job {
            Job::Diagnostics => &self.diagnostics,
            Job::Firmware => &self.firmware,
        };
        let longest = i64::try_from(limits::LEASE.as_millis()).unwrap_or(i64::MAX);
        lease.as_ref().filter(|lease| unix_ms - lease.since_unix_ms < longest).map(|lease| &lease.owner)
    }

    /// Whose firmware the charger installs now, and how far that is.
    pub(super) fn installation(&self, unix_ms: i64) -> Option<(&BackofficeId, Installation)> {
        let longest = i64::try_from(limits::INSTALLATION.as_millis()).unwrap_or(i64::MAX);
        let lease = self.firmware.as_ref().filter(|lease| unix_ms - lease.status_unix_ms < longest)?;
        Some((&lease.owner, Installation::after(lease.status.as_deref()?)?))
    }
}

impl Session {
    pub(super) fn take_lease(&mut self, job: Job, owner: BackofficeId, request_id: Option<i64>) {
        let by = owner.clone();
        let since_unix_ms = self.now.unix_ms;
        let lease = Lease { owner, since_unix_ms, request_id, status: None, status_unix_ms: since_unix_ms };
        *self.jobs.lease(job) = Some(lease);
        self.promise_lease(job, [Side::Backoffice(by)]);
    }

    fn promise_lease(&mut self, job: Job, before: impl IntoIterator<Item = Side>) {
        let lease = self.jobs.lease(job).as_ref();
        let body = lease.map(|lease| serde_json::to_string(lease).expect("plain data is always JSON"));
        let fact = Fact { key: format!("{}{}", Jobs::FACT, job.label()), body };
        self.promise(Record::Fact(fact), before);
    }

    /// How far the job is, while somebody has it.
    fn job_goes_on(&mut self, job: Job, status: &str, request_id: Option<i64>) {
        let now = self.now.unix_ms;
        let Some(lease) = self.jobs.lease(job).as_mut().filter(|lease| lease.is_named(request_id)) else {
            return;
        };
        if status != "Idle" && lease.status.as_deref() != Some(status) {
            lease.status = Some(status.to_owned());
            lease.status_unix_ms = now;
            self.promise_lease(job, []);
        }
    }

    /// Ends the lease, unless it has passed to a later request meanwhile.
    fn job_ended(&mut self, job: Job, request_id: Option<i64>) {
        let lease = self.jobs.lease(job);
        if lease.as_ref().is_some_and(|lease| lease.is_named(request_id)) {
            *lease = None;
            self.promise_lease(job, []);
        }
    }

    /// A trigger was accepted: its message is expected to show.
    pub(super) fn expect_trigger(&mut self, by: BackofficeId, message: String) {
        let now = self.now.tick;
        self.jobs.triggers.retain(|trigger| trigger.until > now && trigger.by != by);
        self.jobs.triggers.push(Trigger { by, message, until: now + limits::TRIGGER_EXPECTED });
    }

    /// The status of a job: answered at once, told to whoever ordered the job (semantics K-53).
    pub(super) fn job_status_received(&mut self, call: ChargerCall) {
        let Some(job) = Job::reported_by(call.name()) else { return };
        let status = payload::text(&call.payload, "status").unwrap_or_default();
        let now = self.now.tick;
        let triggered_by = self
            .jobs
            .triggers
            .iter()
            .find(|trigger| trigger.until > now && trigger.message == call.name())
            .map(|trigger| trigger.by.clone());
        let request_id = payload::integer(&call.payload, "requestId");
        let asked_for_by = request_id.and_then(|number| self.owned.owner(Family::Request, number));
        let owner = asked_for_by
            .map(|owned| owned.owner.clone())
            .or(triggered_by.filter(|_| status == "Idle"))
            .or_else(|| self.jobs.owner(job, self.now.unix_ms).cloned())
            .or_else(|| self.queue.orders(job))
            .filter(|owner| self.plan.names(owner) || self.leads(owner))
            .unwrap_or_else(|| self.leader.clone());
        let copy = self.copy(&call, Purpose::Inform);
        self.tell_one(&owner, copy);
        if ends(job, &status) {
            self.job_ended(job, request_id);
        } else {
            self.job_goes_on(job, &status, request_id);
        }
        self.answer_charger(call, Reply::result("{}"), Decider::Proxy("K-53"));
    }
}

/// Whether nothing more comes of the job after this status (semantics K-52).
fn ends(job: Job, status: &str) -> bool {
    match job {
        Job::Diagnostics => !matches!(status, "Idle" | "Uploading"),
        Job::Firmware => matches!(
            status,
            "Installed"
                | "InstallationFailed"
                | "DownloadFailed"
                | "InvalidSignature"
                | "InstallVerificationFailed"
                | "CertificateVerificationFailed"
                | "AcceptedCanceled"
        ),
    }
}
