//! Who is at the other end of a charger's connection, as far as the connection itself tells.

use std::net::IpAddr;

use engine::ChargerId;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::tls::Fingerprint;

/// The other end of an accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Where it dials from; behind a trusted front, what that one says.
    pub(crate) from: IpAddr,
    /// Whether TLS protects the connection.
    pub(crate) over_tls: bool,
    /// The certificate it proved to own, verified against `listen.tls.client_ca`.
    pub(crate) certificate: Option<PeerCertificate>,
}

impl Peer {
    /// Without TLS.
    pub(crate) fn plain(from: IpAddr) -> Self {
        Self { from, over_tls: false, certificate: None }
    }
}

/// A client certificate that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerCertificate {
    /// Its common name and its alternative names.
    pub(crate) names: Vec<String>,
    pub(crate) fingerprint: Fingerprint,
    /// It is taken back.
    pub(crate) is_revoked: bool,
}

impl PeerCertificate {
    /// Reads the names. One that cannot be read names nobody.
    pub(crate) fn read(der: &[u8]) -> Self {
        Self { names: names(der), fingerprint: Fingerprint::of(der), is_revoked: false }
    }

    /// Whether it was made for this charger. Capitals and small letters are equal, as in identities.
    pub(crate) fn names(&self, charger: &ChargerId) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(charger.as_str()))
    }
}

fn names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(der) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<String> = common.map(str::to_owned).collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    names
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(common: Option<&str>, alternative: &[&str]) -> PeerCertificate {
        let alternative: Vec<_> = alternative.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(alternative).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
        PeerCertificate::read(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_certificate_is_for_whom_it_names_whole() {
        let cases = [
            (certificate(Some("CP-1"), &[]), "CP-1", true),
            (certificate(Some("cp-1"), &[]), "CP-1", true),
            (certificate(Some("Volt Energy"), &["CP-1", "CP-2"]), "CP-2", true),
            (certificate(None, &["CP-1"]), "CP-1", true),
            (certificate(Some("CP-1"), &[]), "CP-10", false),
            (certificate(Some("CP-10"), &[]), "CP-1", false),
            (certificate(Some("CP-*"), &["*"]), "CP-1", false),
            (certificate(None, &[]), "192.0.2.1", false),
            (certificate(None, &[]), "", false),
            (PeerCertificate::read(b"no certificate"), "CP-1", false),
        ];
        for (certificate, identity, expected) in &cases {
            assert_eq!(
                certificate.names(&ChargerId::from(*identity)),
                *expected,
                "{certificate:?} {identity}"
            );
        }
        assert_eq!(cases.len(), 10);
    }
}
