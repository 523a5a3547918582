//! The certificates this machine trusts, as one bounded PEM bundle for containers. Reads well-known files only.

use std::{
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

/// The system's bundle and then `extra` files, which a user named in the environment. None when nothing can be read.
pub(crate) fn bundle(extra: &[PathBuf]) -> Option<Vec<u8>> {
    let mut pem = system();
    for path in extra {
        match read(path) {
            Some(more) => {
                if !pem.is_empty() && !pem.ends_with(b"\n") {
                    pem.push(b'\n');
                }
                pem.extend_from_slice(&more);
            }
            None => {
                tracing::warn!(path = %path.display(), "a certificate file named in the environment is not readable");
            }
        }
    }
    (!pem.is_empty()).then_some(pem)
}

#[cfg(target_os = "linux")]
fn system() -> Vec<u8> {
    SYSTEM_BUNDLES.iter().find_map(|path| read(Path::new(path))).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn system() -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate could not be read");
    }
    let mut pem = Vec::new();
    for certificate in found.certs {
        pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(&certificate).as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    pem
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut pem = Vec::new();
    File::open(path).ok()?.take(MAX_BUNDLE + 1).read_to_end(&mut pem).ok()?;
    let whole = pem.len() as u64 <= MAX_BUNDLE;
    (whole && pem.windows(11).any(|w| w == b"-----BEGIN ")).then_some(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_is_added_and_a_missing_or_foreign_one_left_out() {
        let temp = tempfile::tempdir().unwrap();
        let ours = temp.path().join("ours.pem");
        std::fs::write(&ours, "-----BEGIN CERTIFICATE-----\nslipway-test\n-----END CERTIFICATE-----\n")
            .unwrap();
        let foreign = temp.path().join("foreign");
        std::fs::write(&foreign, "not a certificate").unwrap();
        let pem = bundle(&[temp.path().join("absent"), foreign, ours]).unwrap();
        let text = String::from_utf8_lossy(&pem);
        assert!(text.contains("slipway-test"));
        assert!(!text.contains("not a certificate"));
    }
}
