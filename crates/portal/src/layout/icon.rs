//! Shapes, drawn rather than taken from a font: they look the same everywhere and take the text's colour.

use maud::{Markup, html};

/// What it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Brand,
    /// Full: yes.
    Dot,
    /// Empty: no.
    Ring,
    Star,
    Check,
    Cross,
    /// A triangle with an exclamation mark.
    Alert,
    /// Something waits.
    Clock,
    /// Two that are not the same.
    Differs,
    Bolt,
    Copy,
    /// From the charger.
    Right,
    /// To the charger.
    Left,
    Search,
}

/// Decoration: the word beside it says the same.
pub(crate) fn icon(icon: Icon) -> Markup {
    let outline = match icon {
        Icon::Brand => "M3 8h4m6-4h-2.5L7 8l3.5 4H13M3 5.5v5",
        Icon::Dot => "",
        Icon::Ring => "M8 12.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z",
        Icon::Star => "",
        Icon::Check => "m3.5 8.5 3 3 6-7",
        Icon::Cross => "m4 4 8 8m0-8-8 8",
        Icon::Alert => "M8 2.5 14.5 13.5h-13ZM8 6.5v3m0 1.8v.2",
        Icon::Clock => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6",
        Icon::Differs => "M3 6h10M3 10h10M10.5 3l-5 10",
        Icon::Bolt => "M9 1.5 3.5 9H7l-.5 5.5L12.5 7H9Z",
        Icon::Copy => "M6 5.5h7.5V14H6ZM3 10.5H2.5V2H10v.8",
        Icon::Right => "M2.5 8h11M9.5 4l4 4-4 4",
        Icon::Left => "M13.5 8h-11M6.5 4l-4 4 4 4",
        Icon::Search => "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
    };
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false" {
            @match icon {
                Icon::Dot => circle.solid cx="8" cy="8" r="4.5" {},
                Icon::Star => path.solid d="m8 1.8 1.9 4 4.3.6-3.1 3 .8 4.4L8 11.7l-3.9 2.1.8-4.4-3.1-3 4.3-.6Z" {},
                _ => path d=(outline) {},
            }
        }
    }
}
