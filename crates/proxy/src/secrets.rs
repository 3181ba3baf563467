//! `ocpp-proxy hash-password` and `hash-token`: what `proxy.toml` holds instead of the secret itself.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, bail};

use crate::logs;

/// Nobody types more; a file that was piped in by mistake is not read whole.
const LONGEST_PASSWORD_BYTES: u64 = 1_024;
/// A shorter password is guessed too soon.
const SHORTEST_PASSWORD_CHARS: usize = 8;

/// Asks for a password and prints what stands for it.
pub(crate) fn hash_password() -> anyhow::Result<()> {
    let password = if io::stdin().is_terminal() { ask()? } else { first_line(io::stdin().lock())? };
    if password.chars().count() < SHORTEST_PASSWORD_CHARS {
        bail!("the password is too short: take {SHORTEST_PASSWORD_CHARS} characters or more");
    }
    logs::print(&format!("password_hash = \"{}\"\n", portal::hash_password(&password)))
}

/// Makes a token and prints it, and what stands for it.
pub(crate) fn hash_token() -> anyhow::Result<()> {
    let token = portal::new_token();
    logs::print(&format!(
        "The token, which is shown only now and sent as \"Authorization: Bearer TOKEN\":\n\n{token}\n\n\
         For proxy.toml, with a name and a role (\"viewer\" or \"operator\") of your choice:\n\n\
         [[portal.tokens]]\nname = \"NAME\"\nhash = \"{}\"\nrole = \"viewer\"\n",
        portal::hash_token(&token)
    ))
}

/// Twice, since nobody sees what was typed.
fn ask() -> anyhow::Result<String> {
    let ask = |what: &str| rpassword::prompt_password(what).context("the password cannot be read");
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        bail!("the two passwords differ");
    }
    Ok(password)
}

fn first_line(input: impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input
        .take(LONGEST_PASSWORD_BYTES + 2)
        .read_line(&mut line)
        .context("the password cannot be read: it must be one line of UTF-8")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.len() as u64 > LONGEST_PASSWORD_BYTES {
        bail!("the password is longer than {LONGEST_PASSWORD_BYTES} bytes");
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_the_input_is_the_password() {
        assert_eq!(first_line(&b"correct horse \r\nbattery"[..]).unwrap(), "correct horse ");
        assert_eq!(first_line(&b"no newline"[..]).unwrap(), "no newline");
        assert_eq!(first_line(&b""[..]).unwrap(), "");
        let longest = "x".repeat(1_024);
        assert_eq!(first_line(longest.as_bytes()).unwrap(), longest);
        assert!(first_line("x".repeat(1_025).as_bytes()).is_err());
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
