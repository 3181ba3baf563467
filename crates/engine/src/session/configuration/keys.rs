//! Configuration keys by what may be done with them (semantics §6.3).

/// Names that vendors give to the address of the backoffice, by their parts.
const ADDRESS_PARTS: [(&[&str], &[&str]); 2] = [
    (
        &["ocpp", "server", "backend", "backoffice", "csms", "centralsystem", "central_system", "websocket"],
        &["url", "uri", "host", "address", "endpoint", "port", "domain"],
    ),
    (&["chargebox", "chargepoint", "chargingstation"], &["identity", "identifier"]),
];

/// Parts of the names that vendors give to the charger's password towards its backoffice: whose, and what.
const PASSWORD_PARTS: (&[&str], &[&str]) = (
    &[
        "ocpp",
        "csms",
        "centralsystem",
        "backend",
        "backoffice",
        "websocket",
        "basicauth",
        "httpauth",
        "chargebox",
        "chargepoint",
        "chargingstation",
    ],
    &["password", "passwd", "passphrase", "passkey", "pwd", "authkey", "authpass", "secret"],
);

/// What else has a password and is no concern of the backoffice's.
const OTHER_PASSWORDS: [&str; 13] =
    ["ftp", "wifi", "wlan", "wpa", "apn", "sim", "smtp", "mail", "vpn", "mqtt", "modem", "webui", "admin"];

/// Parts of names of what else belongs to a password: as whom, and in which way.
const LOGIN_PARTS: [&str; 8] =
    ["username", "userid", "authuser", "loginname", "authmode", "authtype", "authmethod", "authentication"];

/// Whether writing the key could part the charger from the proxy (invariant I-7, semantics §6.3).
pub fn is_never_forwarded(key: &str) -> bool {
    if is_authorization_key(key) || is_login(&plain(key)) {
        return true;
    }
    let key = key.to_ascii_lowercase();
    let standard = ["additionalrootcertificatecheck", "certificatestoremaxlength"];
    let is_address = ADDRESS_PARTS.iter().any(|(whose, what)| {
        whose.iter().any(|part| key.contains(part)) && what.iter().any(|part| key.contains(part))
    });
    let is_access_point = key.split(['.', '_', '-']).any(|word| word.starts_with("apn"));
    let is_profile = plain(&key).contains("securityprofile");
    standard.contains(&key.as_str()) || is_profile || is_address || is_access_point
}

/// Whether the setting is the charger's password, by OCPP's name or by a vendor's (semantics §7.3).
pub fn is_authorization_key(key: &str) -> bool {
    let plain = plain(key);
    let is_own = ["authorizationkey", "authorisationkey"].iter().any(|name| plain.contains(name));
    let (whose, what) = PASSWORD_PARTS;
    is_own
        || whose.iter().any(|part| plain.contains(part))
            && what.iter().any(|part| plain.contains(part))
            && !is_of_another(&plain)
}

/// Whether it says as whom or how the charger proves itself.
fn is_login(plain: &str) -> bool {
    PASSWORD_PARTS.0.iter().any(|part| plain.contains(part))
        && LOGIN_PARTS.iter().any(|part| plain.contains(part))
        && !is_of_another(plain)
}

fn is_of_another(plain: &str) -> bool {
    OTHER_PASSWORDS.iter().any(|other| plain.contains(other))
}

/// Without what vendors put between words.
fn plain(key: &str) -> String {
    key.chars().filter(|character| character.is_alphanumeric()).collect::<String>().to_ascii_lowercase()
}

/// Whether the key is write-only: it is shown to nobody, even where the charger itself returns it
/// (semantics S-24).
pub(super) fn is_secret(key: &str) -> bool {
    is_authorization_key(key) || key.to_ascii_lowercase().contains("password")
}

/// What a key means of which each backoffice has a value of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Seconds between meter values: the charger has the shortest that somebody wants.
    Interval,
    /// What is measured: the charger has all that somebody wants.
    Measurands,
    /// Seconds between signs of life: the charger has the leader's.
    SignsOfLife,
}

/// Keys of which each backoffice has a value of its own (semantics §6.3).
const VIRTUAL: [(&str, Kind); 8] = [
    ("ClockAlignedDataInterval", Kind::Interval),
    ("HeartbeatInterval", Kind::SignsOfLife),
    ("MeterValueSampleInterval", Kind::Interval),
    ("MeterValuesAlignedData", Kind::Measurands),
    ("MeterValuesSampledData", Kind::Measurands),
    ("StopTxnAlignedData", Kind::Measurands),
    ("StopTxnSampledData", Kind::Measurands),
    ("WebSocketPingInterval", Kind::SignsOfLife),
];

/// Other keys whose real value is of use to the proxy (semantics K-12).
const WANTED: [&str; 17] = [
    "AllowOfflineTxForUnknownId",
    "AuthorizeRemoteTxRequests",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "ConnectionTimeOut",
    "GetConfigurationMaxKeys",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedDataMaxLength",
    "MeterValuesSampledDataMaxLength",
    "SendLocalListMaxLength",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedDataMaxLength",
    "StopTxnSampledDataMaxLength",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
];

/// OCPP's spelling of a key of which each backoffice has a value of its own, and what it means.
pub(super) fn virtual_key(key: &str) -> Option<(&'static str, Kind)> {
    VIRTUAL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key))
}

/// Whether each backoffice has its own value of the key (semantics §6.3).
pub fn is_virtual(key: &str) -> bool {
    virtual_key(key).is_some()
}

/// Keys of which each backoffice has a value of its own.
pub(super) fn virtual_keys() -> impl Iterator<Item = &'static str> {
    VIRTUAL.into_iter().map(|(name, _)| name)
}

/// The key that says how many items the charger takes in a list.
pub(super) fn longest(key: &str) -> Option<&'static str> {
    let names = [
        "MeterValuesAlignedDataMaxLength",
        "MeterValuesSampledDataMaxLength",
        "StopTxnAlignedDataMaxLength",
        "StopTxnSampledDataMaxLength",
    ];
    names.into_iter().find(|name| name.strip_suffix("MaxLength") == Some(key))
}

/// OCPP's spelling of a key whose real value is remembered.
pub(super) fn wanted(key: &str) -> Option<&'static str> {
    let is_it = |name: &&str| name.eq_ignore_ascii_case(key);
    virtual_key(key).map(|(name, _)| name).or_else(|| WANTED.into_iter().find(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_part_the_charger_from_the_proxy_are_known() {
        let never = [
            "AuthorizationKey",
            "SECURITYPROFILE",
            "CentralSystemURI",
            "centralSystemUrl",
            "OCPPServerURL",
            "ocpp.endpoint",
            "ServerAddress",
            "server_host",
            "BackendUrl",
            "ChargePointIdentity",
            "APN",
            "apnPassword",
            "modem.apn",
            "WebSocketUrl",
        ];
        let free = [
            "HeartbeatInterval",
            "WebSocketPingInterval",
            "MeterValueSampleInterval",
            "MeterValuesSampledData",
            "SupportedFeatureProfiles",
            "LocalAuthListEnabled",
            "ConnectorPhaseRotation",
            "LightIntensity",
            "SupportedFileTransferProtocols",
            "CpoName",
        ];
        assert_eq!((never.len(), free.len()), (14, 10));
        assert_eq!(
            never.iter().filter(|key| !is_never_forwarded(key)).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
        assert_eq!(
            free.iter().filter(|key| is_never_forwarded(key)).collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
    }

    #[test]
    fn the_chargers_password_is_known_by_its_vendors_names() {
        let passwords = [
            "AuthorizationKey",
            "OCPP.AuthorizationKey",
            "ocpp_authorization_key",
            "AuthorizationKeyHex",
            "BasicAuthPassword",
            "HTTPBasicAuthPassword",
            "SecurityCtrlr.BasicAuthPassword",
            "ChargePointAuthKey",
            "OcppPassword",
            "CentralSystemPassword",
            "backend-password",
            "WebSocketPwd",
            "CSMS.Secret",
            "ChargeBoxPassword",
        ];
        let logins = [
            "BasicAuthUsername",
            "OCPP.UserName",
            "CentralSystemAuthUser",
            "CsmsAuthMode",
            "OcppAuthenticationType",
            "Ocpp.SecurityProfile",
        ];
        let others = [
            "WifiPassword",
            "FtpServerPassword",
            "OcppFtpPassword",
            "WebUIPassword",
            "AuthorizeRemoteTxRequests",
            "LocalAuthListEnabled",
            "AuthorizationCacheEnabled",
            "OcppLocalPreAuthorize",
            "WebSocketPingInterval",
            "ChargePointSerialNumber",
            "OcppConnectionTimeOut",
        ];
        assert_eq!((passwords.len(), logins.len(), others.len()), (14, 6, 11));
        for key in passwords {
            assert!(is_authorization_key(key) && is_never_forwarded(key) && is_secret(key), "{key}");
        }
        for key in logins {
            assert!(!is_authorization_key(key) && is_never_forwarded(key), "{key}");
        }
        for key in others {
            assert!(!is_authorization_key(key) && !is_never_forwarded(key), "{key}");
        }
    }

    #[test]
    fn no_key_is_both_never_forwarded_and_remembered() {
        let names: Vec<&str> = VIRTUAL.iter().map(|(name, _)| *name).chain(WANTED).collect();
        assert_eq!(names.len(), 25);
        assert!(names.iter().all(|name| wanted(&name.to_lowercase()) == Some(*name)));
        assert!(!names.iter().any(|name| is_never_forwarded(name) || is_secret(name)));
    }
}
