//! The manual page, made from the command line itself.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Arguments;

/// `ocpp-proxy(1)` in roff: the program, then each command as `--help` shows it.
///
/// # Errors
/// Never: it is written into memory.
pub(crate) fn page() -> io::Result<String> {
    let mut command = <Arguments as CommandFactory>::command().disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    sections(&mut command, &mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn sections(command: &mut Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in command.get_subcommands_mut() {
        let name = command.get_display_name().unwrap_or_default().to_uppercase().replace('-', " ");
        writeln!(page, ".SH {}\n.nf", name.trim_start_matches("OCPP PROXY "))?;
        for line in command.render_long_help().to_string().lines() {
            // A line must not begin with roff's own signs, and its backslashes are meant.
            writeln!(page, "\\&{}", line.replace('\\', "\\e").replace('-', "\\-"))?;
        }
        writeln!(page, ".fi")?;
        sections(command, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_section() {
        let page = page().unwrap();
        let sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "RUN", "CHECK", "LOGS"];
        for section in sections {
            assert!(page.contains(&format!(".SH {section}\n")), "{section} is not in\n{page}");
        }
        assert!(page.contains(".SH DELIVERIES\n") && page.contains("DROP\n"), "{page}");
    }
}
