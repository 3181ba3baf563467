//! Checks what has to do with TLS: `[listen.tls]` and the certificates that are named anywhere.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use gateway::{Fingerprint, ListenerCertificates, OwnCertificate, SPEAKS_LEGACY_SUITES};
use ipnet::IpNet;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::check::{Remarks, address, collide};
use super::expand::remedy;
use super::explain::quoted;
use super::files::Files;
use super::source::Node;
use super::{Surroundings, schema};

/// Where chargers dial, without TLS and with it. The outer `None` stands for what cannot be used.
pub(crate) struct Doors {
    /// Without TLS.
    pub(crate) plain: Option<Option<SocketAddr>>,
    /// With TLS.
    pub(crate) tls: Option<Option<SocketAddr>>,
    /// What is shown with TLS.
    pub(crate) certificates: Option<Option<ListenerCertificates>>,
}

/// Checks `listen.chargers` and `[listen.tls]`.
pub(crate) fn doors(
    file: &schema::File,
    root: &Node,
    around: &Surroundings<'_>,
    files: &mut Files,
    remarks: &mut Remarks<'_>,
) -> Doors {
    let listen = &file.listen;
    let node = root.get("listen").unwrap_or(root);
    let at = node.place("chargers");
    let plain = match listen.chargers.as_str() {
        "off" if listen.tls.is_none() => {
            remarks.error(
                at,
                "listen.chargers is \"off\" and there is no [listen.tls]: no charger could connect",
            );
            None
        }
        "off" => Some(None),
        text => remarks.note(at, address("listen.chargers", text).map(Some)),
    };
    let Some(tls) = &listen.tls else {
        return Doors { plain, tls: Some(None), certificates: Some(None) };
    };
    let node = node.get("tls").unwrap_or(node);
    let at = node.place("chargers");
    let secure = remarks.note(at, address("listen.tls.chargers", &tls.chargers));
    if secure.zip(plain.flatten()).is_some_and(|(secure, plain)| collide(secure, plain)) {
        remarks.error(
            at,
            "listen.tls.chargers is the address of listen.chargers; give it a port of its own, or use \
             listen.chargers = \"off\"",
        );
    }
    let list = node.get("certificates").unwrap_or(node);
    if tls.certificates.is_empty() {
        remarks.error(list.span.start, "listen.tls.certificates is empty; without one there is no TLS");
    }
    let own: Vec<_> = tls
        .certificates
        .iter()
        .enumerate()
        .map(|(index, one)| own_certificate(one, list.item(index).unwrap_or(list), around, files, remarks))
        .collect();
    let client_ca = match &tls.client_ca {
        None => Some(None),
        Some(path) => certificates(path, node.place("client_ca"), around, files, remarks).map(Some),
    };
    let revoked = revoked(&tls.revoked, node, remarks);
    let own = own.into_iter().collect::<Option<Vec<_>>>();
    let legacy_suites = tls.legacy_suites;
    if legacy_suites && !SPEAKS_LEGACY_SUITES {
        remarks.error(
            node.place("legacy_suites"),
            "listen.tls.legacy_suites needs OpenSSL, and this ocpp-proxy was built without it; take the Debian \
             package or the image, or build with `cargo build --release --features openssl` (on Debian with \
             libssl-dev and pkg-config)",
        );
    }
    let certificates = own.zip(client_ca).zip(revoked);
    let certificates = certificates.map(|((own, client_ca), revoked)| ListenerCertificates {
        own,
        client_ca,
        revoked,
        legacy_suites,
    });
    Doors { plain, tls: secure.map(Some), certificates: certificates.map(Some) }
}

/// Checks `listen.tls.revoked`.
fn revoked(written: &[String], node: &Node, remarks: &mut Remarks<'_>) -> Option<Vec<Fingerprint>> {
    let list = node.get("revoked").unwrap_or(node);
    let mut all = Some(Vec::new());
    for (index, text) in written.iter().enumerate() {
        let one = text.parse().ok();
        if one.is_none() {
            let message = format!(
                "listen.tls.revoked has {}; it must be the SHA-256 of a certificate, 64 hexadecimal digits with or without \
                 colons, as `openssl x509 -noout -fingerprint -sha256` prints it",
                quoted(text)
            );
            remarks.error(list.item(index).unwrap_or(list).span.start, message);
        }
        all = all.zip(one).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    all
}

/// Checks `listen.proxy_protocol`.
pub(crate) fn fronts(file: &schema::File, root: &Node, remarks: &mut Remarks<'_>) -> Option<Vec<IpNet>> {
    let node = root.get("listen").unwrap_or(root);
    let list = node.get("proxy_protocol").unwrap_or(node);
    let mut fronts = Some(Vec::new());
    for (index, text) in file.listen.proxy_protocol.iter().enumerate() {
        let at = list.item(index).unwrap_or(list).span.start;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let known = match network {
            Ok(network) if network.prefix_len() == 0 => {
                remarks.error(
                    at,
                    format!(
                        "listen.proxy_protocol has {}, which is everybody: anybody could say that he dials from \
                         anywhere; name the load balancers",
                        quoted(text)
                    ),
                );
                None
            }
            Ok(network) => Some(network),
            Err(_) => {
                let message = format!(
                    "listen.proxy_protocol has {}; it must be a network or an address, such as \"10.0.0.0/8\"",
                    quoted(text)
                );
                remarks.error(at, message);
                None
            }
        };
        fronts = fronts.zip(known).map(|(mut fronts, known)| {
            fronts.push(known);
            fronts
        });
    }
    fronts
}

/// A certificate of our own, with its key.
pub(crate) fn own_certificate(
    named: &schema::CertificateFiles,
    node: &Node,
    around: &Surroundings<'_>,
    files: &mut Files,
    remarks: &mut Remarks<'_>,
) -> Option<OwnCertificate> {
    let chain = file(&named.chain, node.place("chain"), around, files, remarks);
    let key = file(&named.key, node.place("key"), around, files, remarks);
    match OwnCertificate::read(named.chain.clone(), &chain?, &key?) {
        Ok(certificate) => {
            if let Some(mode) = mode_for_all(&around.folder.join(&named.key)) {
                let message = format!(
                    "{} holds a private key and can be read by every user of this computer (mode {mode:o}); give it to the \
                     proxy's user alone (mode 600), or to root and the proxy's group (mode 640)",
                    quoted(&named.key)
                );
                remarks.warning(node.place("key"), message);
            }
            Some(certificate)
        }
        Err(error) => {
            let (path, at) = match error.concerns_key() {
                true => (&named.key, node.place("key")),
                false => (&named.chain, node.place("chain")),
            };
            remarks.error(at, format!("{} {error}", quoted(path)));
            None
        }
    }
}

/// The mode of a file that every user may read.
#[cfg(unix)]
fn mode_for_all(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o004 != 0).then_some(mode)
}

/// Elsewhere a file has no mode.
#[cfg(not(unix))]
fn mode_for_all(_: &Path) -> Option<u32> {
    None
}

/// Certificates to trust, as the file's bytes.
pub(crate) fn certificates(
    path: &str,
    at: usize,
    around: &Surroundings<'_>,
    files: &mut Files,
    remarks: &mut Remarks<'_>,
) -> Option<Vec<u8>> {
    let bytes = file(path, at, around, files, remarks)?;
    let mut usable = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        if certificate.is_ok_and(|certificate| RootCertStore::empty().add(certificate).is_ok()) {
            usable += 1;
        } else {
            remarks.error(at, format!("{} holds a certificate that cannot be read", quoted(path)));
            return None;
        }
    }
    if usable == 0 {
        let message = format!(
            "{} holds no certificate; it must be a PEM file with \"-----BEGIN CERTIFICATE-----\"",
            quoted(path)
        );
        remarks.error(at, message);
        return None;
    }
    Some(bytes)
}

fn file(
    path: &str,
    at: usize,
    around: &Surroundings<'_>,
    files: &mut Files,
    remarks: &mut Remarks<'_>,
) -> Option<Vec<u8>> {
    let read = files.read(&around.folder.join(path));
    remarks.note(at, read.map_err(|error| format!("{} cannot be read: {}", quoted(path), remedy(&error))))
}
