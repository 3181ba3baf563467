//! `/entrance`: who knocks, who is let in, and an operator's word about either.

use axum::Json;
use axum::extract::State;
use gateway::{SecurityProfile, new_charger};
use serde::{Deserialize, Serialize};
use store::{KeyForm, Knocking, new_key};
use utoipa::ToSchema;

use super::client::{Client, OperatorClient};
use super::problem::Problem;
use super::read::{Body, ChargersParameters, Check, NamedCharger, Query, rows};
use crate::pages::knocking::page_of_known;
use crate::state::AppState;
use crate::words;

/// Chargers that knock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KnockingList {
    /// The last first; the proxy remembers a thousand, with those that were turned away.
    items: Vec<Stranger>,
    /// Chargers that are expected and failed to prove who they are, or others that call themselves so; the last first.
    turned_away: Vec<Failed>,
}

/// A charger that is expected and was turned away since it last came in.
#[derive(Debug, Serialize, ToSchema)]
struct Failed {
    /// What it calls itself.
    charger: String,
    /// Where it came from last.
    address: String,
    /// When it was first turned away; UTC, milliseconds since 1970.
    first_unix_ms: i64,
    /// When it last was; UTC, milliseconds since 1970.
    last_unix_ms: i64,
    /// How often.
    times: u64,
    /// Whether it sent a user name and a password. What it sent is not kept.
    sent_credentials: bool,
    /// What was wrong: `no_password`, `no_key_here`, `other_user`, `wrong_key`, `lost_seal`, `no_certificate`, `wrong_certificate`, `revoked`,
    /// `without_tls`, `tls_before`, `too_many_failures` or `refused_by_backoffice`.
    reason: String,
    /// The last time it was not looked at, or in vain, since too much had failed before.
    locked_out: bool,
    /// What was wrong and what to do, for a person.
    why: String,
}

/// A charger that asked to be let in and was refused, because nobody has admitted it.
#[derive(Debug, Serialize, ToSchema)]
struct Stranger {
    /// What it calls itself.
    charger: String,
    /// Where it came from last.
    address: String,
    /// When it first knocked; UTC, milliseconds since 1970.
    first_unix_ms: i64,
    /// When it last did; UTC, milliseconds since 1970.
    last_unix_ms: i64,
    /// How often.
    times: u64,
    /// Whether it sent a user name and a password. What it sent is not kept.
    sent_credentials: bool,
    /// The `match` of its rule in proxy.toml; null when none matches any more: it cannot be admitted.
    rule: Option<String>,
    /// `security_profile` of that rule, 0 to 3.
    security_profile: Option<u8>,
    /// Why it is refused, for a person.
    why: String,
}

/// A page of chargers that are let in, by identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GuestsPage {
    /// The chargers.
    items: Vec<Guest>,
    /// What to ask for with `after` for the page that follows; null at the end.
    next: Option<String>,
}

/// A charger that an operator has admitted, or that has proved who it is.
#[derive(Debug, Serialize, ToSchema)]
struct Guest {
    /// Which.
    charger: String,
    /// The operator's word; null when proxy.toml lets it in.
    admission: Option<AdmittedBy>,
    /// How it proved last who it is; null when it has not come yet.
    login: Option<LastLogin>,
}

/// An operator's word.
#[derive(Debug, Serialize, ToSchema)]
struct AdmittedBy {
    /// Who admitted it.
    by: String,
    /// When; UTC, milliseconds since 1970.
    unix_ms: i64,
    /// Whether it was given a key.
    has_key: bool,
}

/// How a charger proved who it is.
#[derive(Debug, Serialize, ToSchema)]
struct LastLogin {
    /// By what: `key` or `certificate`.
    proof: String,
    /// In which form it sent its key: `text`, `bytes`, `hex_lower` or `hex_upper`; null when it came with a certificate.
    key_form: Option<String>,
    /// It came with TLS, and is not accepted without any more.
    over_tls: bool,
}

/// How a charger is let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAdmission {
    /// With which key.
    key: KeyWish,
}

/// Which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KeyWish {
    /// A new random one, in place of any that an operator gave it before. Where its rule wants a certificate none is made.
    New,
    /// None: it is not asked for one. Only where its rule asks for none.
    None,
}

/// A charger that is let in from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Admitted {
    /// Which.
    charger: String,
    /// Its key (AuthorizationKey), in this answer alone; null when it has none.
    key: Option<String>,
    /// The user name that goes with the key.
    user_name: String,
    /// The `match` of its rule in proxy.toml.
    rule: String,
    /// `security_profile` of that rule, 0 to 3: the least that it must come with.
    security_profile: u8,
}

/// That an order is carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ordered {
    /// Whom it was about.
    charger: String,
}

impl Check for NewAdmission {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Lists the chargers that knock.
///
/// They dialed the proxy and were refused, because neither proxy.toml nor an operator has named them. Besides, those
/// that are expected and failed to prove who they are.
#[utoipa::path(get, path = "/entrance/knocking", tag = "Entrance", operation_id = "list_knocking",
    responses((status = 200, description = "Who knocks.", body = KnockingList)))]
pub(super) async fn knocking(
    _client: Client,
    State(state): State<AppState>,
) -> Result<Json<KnockingList>, Problem> {
    let entrance = state.view().entrance();
    let items = entrance.knocking.into_iter().map(|one| stranger(&state, one)).collect();
    Ok(Json(KnockingList { items, turned_away: entrance.turned_away.into_iter().map(failed).collect() }))
}

/// Lists the chargers that are let in.
///
/// Those that an operator has admitted, and those that have proved who they are, in alphabetical order. Whom
/// proxy.toml names and who has not come yet is not among them.
#[utoipa::path(get, path = "/entrance/chargers", tag = "Entrance", operation_id = "list_let_in", params(ChargersParameters),
    responses((status = 200, description = "A page of chargers.", body = GuestsPage)))]
pub(super) async fn chargers(
    _client: Client,
    State(state): State<AppState>,
    Query(asked): Query<ChargersParameters>,
) -> Result<Json<GuestsPage>, Problem> {
    let search = asked.q.unwrap_or_default().trim().to_lowercase();
    let (known, next) = page_of_known(&state, &search, &asked.after.unwrap_or_default(), rows(asked.limit));
    let items = known.into_iter().map(|one| Guest {
        charger: one.charger.to_string(),
        admission: one.admission.map(|admission| AdmittedBy {
            by: admission.by,
            unix_ms: admission.unix_ms,
            has_key: admission.key.is_some(),
        }),
        login: one.login.map(|login| LastLogin {
            proof: if login.form.is_some() { "key" } else { "certificate" }.to_owned(),
            key_form: login.form.map(KeyForm::label).map(str::to_owned),
            over_tls: login.over_tls,
        }),
    });
    Ok(Json(GuestsPage { items: items.collect(), next: next.map(|next| next.to_string()) }))
}

/// Lets a charger in from now on.
///
/// Each time with another key. The key is in this answer and nowhere else; the proxy itself cannot
/// read it afterwards.
#[utoipa::path(post, path = "/entrance/{charger}/admit", tag = "Entrance", operation_id = "admit_charger", request_body = NewAdmission,
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "It is stored and holds.", body = Admitted),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
        (status = 408, response = super::TooSlow),
        (status = 409, response = super::Conflict),
        (status = 413, response = super::TooLarge),
        (status = 415, response = super::NotJson),
    ))]
pub(super) async fn admit(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
    Body(wish): Body<NewAdmission>,
) -> Result<Json<Admitted>, Problem> {
    let charger = new_charger(charger.as_str())?;
    let terms = state.view().terms(&charger);
    let terms = terms.ok_or_else(|| gateway::AdmitError::NoRule(charger.clone()))?;
    let with_key = wish.key == KeyWish::New && terms.profile != SecurityProfile::ClientCertificate;
    let key = with_key.then(new_key);
    let _one_at_a_time = state.admitting().await;
    state.view().admit(&charger, key.as_deref(), &client.by).await?;
    tracing::info!(%charger, with_key, by = client.by, "an API client admits a charger");
    Ok(Json(Admitted {
        charger: charger.to_string(),
        key,
        user_name: terms.user,
        rule: terms.rule,
        security_profile: number(terms.profile),
    }))
}

/// Lets a charger in no more by an operator's word.
///
/// What proxy.toml says of it holds. If nothing lets it in any more it is sent away.
#[utoipa::path(post, path = "/entrance/{charger}/remove", tag = "Entrance", operation_id = "remove_charger",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "It is stored and holds.", body = Ordered),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
    ))]
pub(super) async fn remove(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
) -> Result<Json<Ordered>, Problem> {
    let charger = new_charger(charger.as_str())?;
    tracing::info!(%charger, by = client.by, "an API client lets a charger in no more");
    state.view().remove(&charger, &client.by).await?;
    Ok(Json(Ordered { charger: charger.to_string() }))
}

/// Lets a charger come without TLS once more although it came with TLS before.
///
/// Unless its rule wants TLS. Once it comes with TLS, it must again.
#[utoipa::path(post, path = "/entrance/{charger}/allow-plain", tag = "Entrance", operation_id = "allow_plain",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "It is stored and holds.", body = Ordered),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
    ))]
pub(super) async fn allow_plain(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
) -> Result<Json<Ordered>, Problem> {
    let charger = new_charger(charger.as_str())?;
    tracing::info!(%charger, by = client.by, "an API client lets a charger come without TLS");
    state.view().allow_plain(&charger, &client.by).await?;
    Ok(Json(Ordered { charger: charger.to_string() }))
}

/// Takes a charger off the list of those that knock.
///
/// It is listed again if it knocks again.
#[utoipa::path(post, path = "/entrance/{charger}/forget", tag = "Entrance", operation_id = "forget_knocks",
    params(("charger" = String, Path, description = "The charger's identity.", example = "CP1")),
    responses(
        (status = 200, description = "It is stored and holds.", body = Ordered),
        (status = 403, response = super::Forbidden),
        (status = 404, response = super::NotFound),
    ))]
pub(super) async fn forget(
    client: OperatorClient,
    State(state): State<AppState>,
    NamedCharger(charger): NamedCharger,
) -> Result<Json<Ordered>, Problem> {
    let charger = new_charger(charger.as_str())?;
    state.view().forget_knocks(&charger, &client.by).await?;
    Ok(Json(Ordered { charger: charger.to_string() }))
}

fn stranger(state: &AppState, one: Knocking) -> Stranger {
    let terms = state.view().terms(&one.charger);
    Stranger {
        why: words::entrance::why_refused(terms.as_ref(), one.why).to_owned(),
        security_profile: terms.as_ref().map(|terms| number(terms.profile)),
        rule: terms.map(|terms| terms.rule),
        charger: one.charger.to_string(),
        address: one.address,
        first_unix_ms: one.first_unix_ms,
        last_unix_ms: one.last_unix_ms,
        times: one.times,
        sent_credentials: one.sent_credentials,
    }
}

fn failed(one: Knocking) -> Failed {
    let (what, remedy) = (words::entrance::turned_away(&one), words::entrance::remedy(one.why));
    Failed {
        charger: one.charger.to_string(),
        address: one.address,
        first_unix_ms: one.first_unix_ms,
        last_unix_ms: one.last_unix_ms,
        times: one.times,
        sent_credentials: one.sent_credentials,
        reason: one.why.label().to_owned(),
        locked_out: one.locked_out,
        why: format!("{what}. {remedy}"),
    }
}

/// OCPP's number of a security profile.
fn number(profile: SecurityProfile) -> u8 {
    match profile {
        SecurityProfile::None => 0,
        SecurityProfile::Basic => 1,
        SecurityProfile::TlsWithBasic => 2,
        SecurityProfile::ClientCertificate => 3,
    }
}
