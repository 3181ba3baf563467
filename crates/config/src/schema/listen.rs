//! `[listen]`: where chargers dial, with and without TLS, and where the operator looks.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the proxy listens.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// Address and port for the chargers: they dial `ws://HOST:PORT/ocpp/CHARGER_ID`. Port 0 takes a
    /// free one; `"off"` for none, if there is `[listen.tls]`.
    pub(crate) chargers: String,
    /// What stands before the charger's identity in the URL. Starts and ends with `/`.
    pub(crate) path: String,
    /// Networks of load balancers that pass the chargers' connections on and say where they come from: with
    /// the PROXY protocol, version 2. Who dials from there must speak it, on both of the chargers' addresses,
    /// and nobody else may. Then lock-outs and the log know the chargers' own addresses.
    #[schemars(extend("line" = "proxy_protocol = [\"10.0.0.0/8\"]"), example = ["10.0.0.0/8"])]
    pub(crate) proxy_protocol: Vec<String>,
    /// Address and port of `/metrics`, `/healthz` and `/readyz`; `"off"` for none. Keep it away from
    /// the internet: it asks for no password.
    pub(crate) admin: String,
    /// The chargers' second address, with TLS 1.2 or 1.3.
    #[schemars(extend("line" = "[listen.tls]"))]
    pub(crate) tls: Option<ListenTls>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            chargers: "0.0.0.0:9000".to_owned(),
            path: "/ocpp/".to_owned(),
            proxy_protocol: Vec::new(),
            admin: "127.0.0.1:9090".to_owned(),
            tls: None,
        }
    }
}

/// The chargers' second address, with TLS.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenTls {
    /// Address and port: chargers dial `wss://HOST:PORT/ocpp/CHARGER_ID`.
    #[serde(default = "chargers_with_tls")]
    pub(crate) chargers: String,
    /// What the proxy shows. A charger gets the first of them that it can verify: with one for ECDSA and one
    /// for RSA, in this order, every charger can. Replaced while the proxy runs: chargers that are connected
    /// stay.
    #[schemars(extend(
        "line" = "certificates = [{ chain = \"/etc/ocpp-proxy/ecdsa.pem\", key = \"/etc/ocpp-proxy/ecdsa.key\" }]"
    ))]
    pub(crate) certificates: Vec<CertificateFiles>,
    /// A PEM file with the certificates of those who sign chargers' own certificates (OCPP security profile
    /// 3). Without it chargers are not asked for one. Whoever shows one must be the charger that it names:
    /// its common name or one of its alternative names equals the identity in the URL. Replaced while the
    /// proxy runs.
    #[serde(default)]
    #[schemars(example = &"/etc/ocpp-proxy/charger-roots.pem")]
    pub(crate) client_ca: Option<String>,
    /// Certificates of chargers that are taken back: stolen, or of a charger that was sold. Each by its SHA-256, as
    /// `openssl x509 -in cp1.pem -noout -fingerprint -sha256` prints it. Takes effect while the proxy runs, also for
    /// chargers that are connected.
    #[serde(default)]
    pub(crate) revoked: Vec<String>,
    /// Also speaks `TLS_RSA_WITH_AES_128_GCM_SHA256` and `TLS_RSA_WITH_AES_256_GCM_SHA384`, which OCPP's security
    /// profiles ask for. Who gets hold of the RSA key can read all that was ever said with them; for chargers
    /// that know nothing better. TLS is OpenSSL's then, with one certificate for each kind of key, the first of
    /// the list. Needs a program that was built for it: the Debian package and the image are, others with
    /// `cargo build --release --features openssl`.
    #[serde(default)]
    pub(crate) legacy_suites: bool,
}

fn chargers_with_tls() -> String {
    "0.0.0.0:9443".to_owned()
}

/// A certificate and its key, as files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateFiles {
    /// A PEM file: the certificate, then those that lead to a root that the other side knows.
    #[schemars(example = &"/etc/ocpp-proxy/ecdsa.pem")]
    pub(crate) chain: String,
    /// A PEM file with the certificate's private key.
    #[schemars(example = &"/etc/ocpp-proxy/ecdsa.key")]
    pub(crate) key: String,
}
