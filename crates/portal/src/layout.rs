//! What every page looks like: the frame around it, and the small things that all pages say the same way.

mod icon;
mod moments;

use engine::ChargerId;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub(crate) use self::icon::{Icon, icon};
pub(crate) use self::moments::{ago, duration, moment, now_unix_ms, until, when};
use crate::access::guard::{CSRF_FIELD, Visitor};
use crate::assets;
use crate::configuration;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The part of the portal that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Chargers,
    Transactions,
    Knocking,
    /// None of them.
    Nowhere,
}

/// What surrounds a page.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// Of the window; the name of the page, and of the charger if it is about one.
    pub(crate) title: &'a str,
    pub(crate) active: Section,
    pub(crate) visitor: &'a Visitor,
}

/// A whole page.
pub(crate) fn page(frame: &Frame<'_>, content: Markup) -> Markup {
    document(
        frame.title,
        html! {
            header.bar {
                (brand())
                nav.sections aria-label="Sections" {
                    (section("/chargers", frame.active == Section::Chargers, html! { "Chargers" }))
                    (section("/transactions", frame.active == Section::Transactions, html! { "Transactions" }))
                    (section("/knocking", frame.active == Section::Knocking, knocking(frame.visitor.knocking)))
                }
                div.who {
                    span.whoname title={ "Logged in as " (frame.visitor.role.label()) } {
                        (frame.visitor.name)
                        " " span.role { (frame.visitor.role.label()) }
                    }
                    form method="post" action="/logout" {
                        (csrf(frame.visitor))
                        button.quiet type="submit" { "Log out" }
                    }
                }
            }
            main #content tabindex="-1" {
                @if let Some(refused) = &frame.visitor.refused { (configuration::banner(refused, frame.visitor)) }
                (content)
            }
        },
    )
}

/// A page about one charger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Logs,
    Proxy,
    Transactions,
    Cards,
    /// A page below one of the tabs.
    Below,
}

/// A page about one charger, with the way to the others about it.
pub(crate) fn charger_page(
    state: &AppState,
    visitor: &Visitor,
    charger: &ChargerId,
    tab: Tab,
    content: Markup,
) -> Markup {
    let (name, tabs) = tabs(charger, tab);
    let title = format!("{name} · {charger}");
    page(
        &Frame { title: &title, active: Section::Chargers, visitor },
        html! {
            div.chargerhead {
                nav.crumbs aria-label="Where you are" { a href="/chargers" { "Chargers" } span aria-hidden="true" { "/" } }
                div.headline {
                    h1.identity { (charger) }
                    (online(state.view().is_online(charger)))
                }
                (tabs)
            }
            @if matches!(tab, Tab::Logs | Tab::Cards) && !state.view().logs_messages() {
                div.notice { p {
                    "Messages are not logged: proxy.toml has " code { "messages = false" } " under " code { "[log]" }
                    ". What was said meanwhile cannot be looked up."
                } }
            }
            (content)
        },
    )
}

fn tabs(charger: &ChargerId, active: Tab) -> (&'static str, Markup) {
    const TABS: [(Tab, &str, &str); 5] = [
        (Tab::Overview, "Overview", ""),
        (Tab::Logs, "Logs", "logs"),
        (Tab::Proxy, "Proxy", "proxy"),
        (Tab::Transactions, "Transactions", "transactions"),
        (Tab::Cards, "Why rejected?", "cards"),
    ];
    let name = TABS.iter().find(|(tab, ..)| *tab == active).map_or("Charger", |(_, name, _)| name);
    let tabs = html! {
        nav.tabs aria-label="About this charger" {
            @for (tab, name, below) in TABS {
                a href=(charger_path(charger, below)) aria-current=[(tab == active).then_some("page")] { (name) }
            }
        }
    };
    (name, tabs)
}

/// A page without anyone logged in: the door, and refusals.
pub(crate) fn door(title: &str, content: Markup) -> Markup {
    document(
        title,
        html! {
            header.bar { (brand()) }
            main.door #content tabindex="-1" { (content) }
        },
    )
}

/// The page instead of the one that was asked for.
pub(crate) fn refusal(refusal: &Refusal) -> Markup {
    door(
        &refusal.what,
        html! {
            div.card {
                h1 { (refusal.what) }
                p { (refusal.remedy) }
                p.actions { a.button href="/chargers" { "Chargers" } " " a.quiet href="/login" { "Log in" } }
            }
        },
    )
}

/// The same for somebody who is logged in.
pub(crate) fn framed_refusal(refusal: &Refusal, visitor: &Visitor) -> Markup {
    page(
        &Frame { title: &refusal.what, active: Section::Nowhere, visitor },
        html! {
            h1 { (refusal.what) }
            p.lede { (refusal.remedy) }
            p.actions {
                @if let Some((href, name)) = &refusal.way { a.button.primary href=(href) { (name) } " " }
                a.button href="/chargers" { "Chargers" }
            }
        },
    )
}

/// Asks for the same page again, as a page of ours: the cookie then comes along.
pub(crate) fn once_more(here: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0; url=" (encoded(here)) };
                title { "One moment" }
            }
            body { a href=(here) { "Go on" } }
        }
    }
}

/// An address in a `refresh`, where quotes and semicolons have a meaning.
fn encoded(here: &str) -> String {
    const KEPT: &AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'\'').add(b';').add(b'<').add(b'>');
    utf8_percent_encode(here, KEPT).to_string()
}

fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · OCPP proxy" }
                link rel="stylesheet" href=(assets::address("app.css"));
                link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
                script src=(assets::address("app.js")) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (body)
            }
        }
    }
}

fn brand() -> Markup {
    html! { a.brand href="/chargers" aria-label="OCPP proxy" { (icon(Icon::Brand)) span { "OCPP proxy" } } }
}

fn section(href: &str, is_active: bool, name: Markup) -> Markup {
    html! { a href=(href) aria-current=[is_active.then_some("page")] { (name) } }
}

/// With how many do.
fn knocking(count: usize) -> Markup {
    html! {
        "Knocking"
        @if count > 0 {
            " " span.count title={ (count) " unknown " @if count == 1 { "charger asks" } @else { "chargers ask" } " to be let in" } { (count) }
        }
    }
}

/// What every form must have in it.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(CSRF_FIELD) value=(visitor.csrf); }
}

/// How a badge is meant; it always has a word and a shape besides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warning,
    Plain,
    /// The leader, and what is chosen.
    Strong,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Warning => "warning",
            Tone::Plain => "plain",
            Tone::Strong => "strong",
        }
    }
}

/// A word with a shape.
pub(crate) fn badge(tone: Tone, shape: Icon, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (icon(shape)) span { (word) } } }
}

/// Whether a charger is connected.
pub(crate) fn online(is_online: bool) -> Markup {
    match is_online {
        true => badge(Tone::Good, Icon::Dot, "online"),
        false => badge(Tone::Plain, Icon::Ring, "offline"),
    }
}

/// The backoffice that leads.
pub(crate) fn leader_badge() -> Markup {
    badge(Tone::Strong, Icon::Star, "Leader")
}

/// What stands where a list would, when there is nothing to list: what that means, and what to do.
pub(crate) fn empty(what: &str, advice: Markup) -> Markup {
    html! { div.empty { p.what { (what) } p { (advice) } } }
}

/// Something copied with one click; without JavaScript it is selected and copied by hand.
pub(crate) fn copyable(text: &str) -> Markup {
    html! {
        span.copyable {
            code { (text) }
            button.copy type="button" data-copy=(text) title="Copy" aria-label={ "Copy " (text) } hidden { (icon(Icon::Copy)) }
        }
    }
}

/// `/chargers/ID` and what is below it.
pub(crate) fn charger_path(charger: &ChargerId, below: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let charger = utf8_percent_encode(charger.as_str(), KEPT);
    if below.is_empty() { format!("/chargers/{charger}") } else { format!("/chargers/{charger}/{below}") }
}
