//! Secrets that are none: what examples and templates have in the place of a key or a password.

/// Whoever has read an example tries these first. Without blanks and signs, in small letters.
const PUBLISHED: [&str; 10] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "insertkeyhere",
    "putyour",
    "yourkey",
    "yourpassword",
    "yoursecret",
    "placeholder",
];
/// As a part of others these may be chance.
const PUBLISHED_WHOLE: [&str; 6] = ["password", "secret", "example", "test", "admin", "ocpp"];

/// Whether this is no secret of anybody: text of an example, or one and the same character.
pub(crate) fn is_placeholder(secret: &str) -> bool {
    let letters: String =
        secret.chars().filter(|one| one.is_alphanumeric()).collect::<String>().to_lowercase();
    let mut characters = letters.chars();
    let first = characters.next();
    PUBLISHED.iter().any(|published| letters.contains(published))
        || PUBLISHED_WHOLE.contains(&letters.as_str())
        || characters.all(|one| Some(one) == first)
}

/// What is said of one.
pub(crate) fn placeholder(what: &str, remedy: &str) -> String {
    format!(
        "{what} is what examples have in its place: everybody can know it. Is its variable not set? {remedy}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_examples_is_no_secret() {
        let published = [
            "change me, please",
            "change me",
            "CHANGE_ME_0123456789",
            "<your-key>",
            "replace-me",
            "0000000000000000",
            "xxxxxxxxxxxxxxxxxxxx",
            "Password",
            "--------",
        ];
        assert_eq!(published.into_iter().filter(|secret| is_placeholder(secret)).count(), 9);
        let secrets =
            ["3d0f61c7a2b94e5886f1d2c3b4a59687", "correct horse battery staple", "password of volt", "x1"];
        assert_eq!(secrets.into_iter().filter(|secret| is_placeholder(secret)).count(), 0);
    }
}
