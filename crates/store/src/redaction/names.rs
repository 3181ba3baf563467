//! Which names stand for secrets: of JSON members, of configuration keys, of words in a text.

/// A name that contains one of these names a secret.
const SECRET: [&str; 11] = [
    "pass",
    "pwd",
    "secret",
    "key",
    "token",
    "credential",
    "psk",
    "wpa",
    "cookie",
    // A login for mobile data is half of a credential.
    "apnuser",
    "apnlogin",
];

/// Unless it does so as a part of these.
const HARMLESS: [&str; 9] = [
    "configurationkey",
    "idtoken",
    "publickey",
    "keyhash",
    "maxkeys",
    "unknownkey",
    "unknownkeys",
    "bypass",
    "tokentype",
];

/// Whole names of HTTP headers and fields that carry credentials.
const WHOLE: [&str; 5] = ["authorization", "proxyauthorization", "authorizationheader", "puk", "simpuk"];

/// Whether what bears this name is to be hidden.
pub(super) fn is_secret(name: &str) -> bool {
    if has_pin(name) {
        return true;
    }
    let mut plain = plain(name);
    if WHOLE.contains(&plain.as_str()) {
        return true;
    }
    for harmless in HARMLESS {
        if plain.contains(harmless) {
            plain = plain.replace(harmless, " ");
        }
    }
    SECRET.iter().any(|word| plain.contains(word))
}

/// Whether a parameter of a URL is to be hidden: also what signs the URL.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    let plain = plain(name);
    is_secret(name) || plain == "sig" || plain == "auth" || plain.ends_with("signature")
}

/// Whether the member says what the member `value` beside it is.
pub(super) fn is_name(name: &str) -> bool {
    ["key", "name", "param", "parameter", "variable", "id", "field"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the key configures the access to mobile data, sometimes with user and password in one value.
pub(super) fn is_access_point(name: &str) -> bool {
    plain(name).contains("apn")
}

/// Whether the member holds a card's number.
pub(super) fn is_card(name: &str) -> bool {
    ["idtag", "parentidtag", "idtoken"].contains(&plain(name).as_str())
}

/// Whether the member holds a URL to fetch from or send to.
pub(super) fn is_location(name: &str) -> bool {
    let plain = plain(name);
    plain.ends_with("location") || plain.ends_with("url") || plain.ends_with("uri")
}

/// Whether the member holds a certificate or a request for one.
pub(super) fn is_certificate(name: &str) -> bool {
    let plain = plain(name);
    plain == "csr" || plain.ends_with("certificate") || plain.ends_with("certificatechain")
}

/// Lower case, without what separates words.
fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether it speaks of a PIN, and not of a ping, a mapping, a GroupInfo or a BackupInterval.
fn has_pin(name: &str) -> bool {
    let letters: Vec<char> = name.chars().filter(|character| character.is_alphanumeric()).collect();
    letters.windows(3).enumerate().any(|(at, word)| {
        let [p, i, n] = [word[0], word[1], word[2]];
        let spelled =
            p.eq_ignore_ascii_case(&'p') && i.eq_ignore_ascii_case(&'i') && n.eq_ignore_ascii_case(&'n');
        // A capital letter begins a word, unless all are capitals.
        let one_word = i.is_uppercase() == n.is_uppercase() && (p.is_uppercase() || i.is_lowercase());
        let ping = letters.get(at + 3).is_some_and(|next| next.eq_ignore_ascii_case(&'g'));
        spelled && one_word && !ping
    })
}
