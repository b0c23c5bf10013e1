//! Certificates made for a test: an authority, and whom it has signed.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// An authority, in a directory of its own.
pub struct Authority {
    pub dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pub file: PathBuf,
}

/// The files of a certificate and its key.
#[derive(Clone)]
pub struct Signed {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        Authority { dir, issuer: Issuer::new(params, key), file }
    }

    /// Signs one for 127.0.0.1 and localhost.
    pub fn sign(&self, name: &str) -> Signed {
        self.sign_until(name, 2100)
    }

    /// Signs one that is good until the beginning of a year.
    pub fn sign_until(&self, name: &str, year: i32) -> Signed {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |end: &str| self.dir.path().join(format!("{name}-{year}.{end}"));
        let signed = Signed { cert: file("crt"), key: file("key") };
        std::fs::write(&signed.cert, certificate.pem()).expect("a file");
        std::fs::write(&signed.key, key.serialize_pem()).expect("a file");
        signed
    }

    /// What a client goes by that trusts this authority, and shows a certificate.
    pub fn client(&self, signed: Option<&Signed>, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.file)).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("versions").with_root_certificates(roots);
        Arc::new(match signed {
            None => builder.with_no_client_auth(),
            Some(Signed { cert, key }) => {
                let key = PrivateKeyDer::from_pem_file(key).expect("a key");
                builder.with_client_auth_cert(vec![certificate(cert)], key).expect("a pair")
            }
        })
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}
