//! How the story looks: colours on a terminal only, at a pace for reading.

use std::io::IsTerminal;
use std::time::Duration;

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Leader,
    Follower,
    Warning,
    Quiet,
}

/// Prints the story.
#[derive(Debug)]
pub(super) struct Teller {
    coloured: bool,
    paced: bool,
}

impl Teller {
    /// Paced when somebody attends; coloured on a terminal unless `NO_COLOR` is set and not empty.
    pub(super) fn new(attended: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: std::io::stdout().is_terminal() && !refused, paced: attended }
    }

    /// Whether somebody attends: the sessions then go on after the story.
    pub(super) fn is_attended(&self) -> bool {
        self.paced
    }

    /// A line of the story.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        println!("{}", text.as_ref());
    }

    /// A new chapter, after a pause.
    pub(super) async fn chapter(&self, title: &str) {
        self.pause(Duration::from_millis(1_800)).await;
        println!("\n{}", self.paint(Tone::Heading, title));
    }

    /// Time to read. Nothing depends on it, so there is none when nobody reads.
    pub(super) async fn pause(&self, time: Duration) {
        if self.paced {
            tokio::time::sleep(time).await;
        }
    }

    /// The text in its tone.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Heading => "1",
            Tone::Leader => "32",
            Tone::Follower => "36",
            Tone::Warning => "1;33",
            Tone::Quiet => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out_when_not_wanted() {
        let plain = Teller { coloured: false, paced: false };
        assert_eq!(plain.paint(Tone::Warning, "differs"), "differs");
        let coloured = Teller { coloured: true, paced: false };
        assert_eq!(coloured.paint(Tone::Warning, "differs"), "\u{1b}[1;33mdiffers\u{1b}[0m");
    }
}
