//! The certificates this machine trusts, as bounded PEM bundles for containers: all of them, and those of its own that
//! are no public authority's. Reads well-known files only.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use slipway_engine::Certificates;
use std::{
    collections::HashSet,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// A bundle of every public authority is about 250 kB; far more than that is a mistake.
const MAX_BUNDLE: u64 = 8 * 1024 * 1024;

/// Where Linux distributions keep their bundle, most common first.
#[cfg(target_os = "linux")]
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the system trusts and then what the files `extra`, which a user named in the environment, hold: each
/// certificate once, since such a file is often the system's bundle again. None when nothing can be read.
pub(crate) fn certificates(extra: &[PathBuf]) -> Option<Certificates> {
    let mut all = system();
    for path in extra {
        match read(path) {
            Some(more) => all.extend(more),
            None => {
                tracing::warn!(path = %path.display(), "a certificate file named in the environment is not readable");
            }
        }
    }
    let public: HashSet<_> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().collect();
    let mut seen = HashSet::new();
    let (mut bundle, mut own) = (String::new(), String::new());
    for certificate in &all {
        if !seen.insert(certificate) {
            continue;
        }
        let pem = pem(certificate);
        bundle.push_str(&pem);
        if !public.contains(certificate) {
            own.push_str(&pem);
        }
    }
    (!bundle.is_empty()).then(|| Certificates { bundle: bundle.into(), own: own.into() })
}

#[cfg(target_os = "linux")]
fn system() -> Vec<CertificateDer<'static>> {
    SYSTEM_BUNDLES.iter().find_map(|path| read(Path::new(path))).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn system() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate could not be read");
    }
    found.certs
}

/// The certificates of a PEM file. None: it cannot be read, is too long, or holds none.
fn read(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_BUNDLE + 1).read_to_end(&mut text).ok()?;
    if text.len() as u64 > MAX_BUNDLE {
        return None;
    }
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        match certificate {
            Ok(certificate) => certificates.push(certificate),
            // What comes before it and after it still counts.
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a certificate is garbled");
            }
        }
    }
    (!certificates.is_empty()).then_some(certificates)
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let text = STANDARD.encode(certificate);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pem: &[u8], certificate: &CertificateDer<'_>) -> bool {
        CertificateDer::pem_slice_iter(pem).any(|found| found.is_ok_and(|found| found == *certificate))
    }

    #[test]
    fn a_named_file_is_added_and_a_missing_or_foreign_one_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let company = CertificateDer::from(vec![7; 300]);
        let ours = temp.path().join("ours.pem");
        std::fs::write(&ours, format!("# a company\n{}", pem(&company))).unwrap();
        let foreign = temp.path().join("foreign");
        std::fs::write(&foreign, "not a certificate").unwrap();
        let found = certificates(&[temp.path().join("absent"), foreign, ours]).unwrap();
        assert!(holds(&found.bundle, &company));
        assert!(holds(&found.own, &company));
        assert!(!String::from_utf8_lossy(&found.bundle).contains("not a certificate"));
    }

    #[test]
    fn each_is_there_once_and_a_public_authority_is_not_our_own() {
        let temp = tempfile::tempdir().unwrap();
        let public = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[0];
        let twice = temp.path().join("twice.pem");
        std::fs::write(&twice, pem(public).repeat(2)).unwrap();
        let found = certificates(&[twice.clone(), twice]).unwrap();
        let times = CertificateDer::pem_slice_iter(&found.bundle).flatten().filter(|c| c == public).count();
        assert_eq!(times, 1);
        assert!(!holds(&found.own, public));
    }
}
