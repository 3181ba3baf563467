//! What every handler is handed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use engine::ChargerId;
use gateway::{PlanView, View};
use store::Browser;
use tokio::sync::watch;

use crate::access::sessions::SessionKey;
use crate::access::{Access, Role};
use crate::configuration::RefusedConfiguration;
use crate::lanes::Lanes;
use crate::limits::{EXPORTS, EXPORTS_EACH, TAILS, TAILS_EACH};
use crate::portal::PortalSettings;
use crate::privacy;
use crate::reader::{Reader, hides_cards};
use crate::server::Bound;
use crate::tail::Places;

/// Cheap to clone; one per portal.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Parts>);

struct Parts {
    access: Access,
    view: View,
    browser: Browser,
    lanes: Lanes,
    stopping: watch::Sender<bool>,
    tails: Places,
    exports: Places,
    admitting: tokio::sync::Mutex<()>,
    refused: ArcSwapOption<RefusedConfiguration>,
}

impl AppState {
    pub(crate) fn new(bound: &Bound, settings: PortalSettings, view: View, browser: Browser) -> Self {
        let access = Access::new(bound.address.port(), settings.users, settings.tokens);
        let lanes = Lanes::new(settings.store);
        let stopping = watch::Sender::new(false);
        let (tails, exports) = (Places::new(TAILS, TAILS_EACH), Places::new(EXPORTS, EXPORTS_EACH));
        let admitting = tokio::sync::Mutex::default();
        let refused = ArcSwapOption::default();
        Self(Arc::new(Parts { access, view, browser, lanes, stopping, tails, exports, admitting, refused }))
    }

    /// Says, as often as it is asked, whether what began for somebody may go on: users and tokens are what they are
    /// now, and the session, if a browser asked, has not ended.
    pub(crate) fn may_go_on(&self, session: Option<SessionKey>) -> impl Fn() -> bool + Send + use<> {
        let (state, now) = (self.clone(), self.access().accounts());
        move || {
            let access = state.access();
            access.accounts() == now && session.is_none_or(|session| access.sessions.is_on(session))
        }
    }

    /// Who may come in, and who is in.
    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// How things are: who is connected, who leads.
    pub(crate) fn view(&self) -> &View {
        &self.0.view
    }

    /// How things were, as this role may see it: chargers, calls, transactions.
    pub(crate) fn reader(&self, role: Role) -> Reader {
        Reader::new(self.0.browser.clone(), role)
    }

    /// The same with every card's number on it: for what has none, and for what is masked afterwards.
    pub(crate) fn unmasked(&self) -> &Browser {
        &self.0.browser
    }

    /// The plan of a charger, as this role may see it; `None` when no rule matches.
    pub(crate) fn plan(&self, charger: &ChargerId, role: Role) -> Option<PlanView> {
        let mut found = self.0.view.plan(charger)?;
        if hides_cards(role) {
            found.plan = Arc::new(privacy::plan(&found.plan));
        }
        Some(found)
    }

    /// What waits for a backoffice, and orders about it.
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Becomes true when the portal stops: whatever streams must end then.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// The places for live tails.
    pub(crate) fn tails(&self) -> &Places {
        &self.0.tails
    }

    /// The places for files that are being sent.
    pub(crate) fn exports(&self) -> &Places {
        &self.0.exports
    }

    /// Held while somebody is admitted: of two orders at once each sees what the other made of it.
    pub(crate) async fn admitting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.admitting.lock().await
    }

    /// The last edit of `proxy.toml`, as long as it is not in force because it is not valid.
    pub(crate) fn refused_configuration(&self) -> Option<Arc<RefusedConfiguration>> {
        self.0.refused.load_full()
    }

    pub(crate) fn set_refused_configuration(&self, refused: Option<RefusedConfiguration>) {
        self.0.refused.store(refused.map(Arc::new));
    }

    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("AppState")
    }
}
