//! TLS of a listener: its files, read and checked before they are used, and who
//! a client's certificate says that it is.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig, ServerConnection};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::settings::{ClientAuth, Tls};
use super::trust::FileError;

/// What a listener with TLS does its handshakes with.
pub struct Handshakes {
    pub acceptor: TlsAcceptor,
    user_from_cn: bool,
}

impl Handshakes {
    /// Reads the files of a listener; none if it has no TLS.
    ///
    /// # Errors
    /// A file that can't be read or used, or that does not go with another.
    pub fn load(tls: &Tls) -> Result<Option<Handshakes>, FileError> {
        let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else { return Ok(None) };
        let cert_error = |what: String| FileError::new("tls.cert", cert, what);
        let chain = certificates(cert).map_err(cert_error)?;
        for certificate in &chain {
            check_time(certificate).map_err(cert_error)?;
        }
        let private = private_key(key).map_err(|what| FileError::new("tls.key", key, what))?;

        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| cert_error(error.to_string()))?;
        let builder = match (&tls.client_ca, tls.client_auth) {
            (Some(ca), ClientAuth::Optional | ClientAuth::Required) => {
                let ca_error = |what: String| FileError::new("tls.client_ca", ca, what);
                let roots = Arc::new(roots(ca).map_err(ca_error)?);
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                if tls.client_auth == ClientAuth::Optional {
                    verifier = verifier.allow_unauthenticated();
                }
                builder.with_client_cert_verifier(verifier.build().map_err(|error| ca_error(error.to_string()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, private).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                FileError::new("tls.key", key, format!("is not the key of the certificate in {}", cert.display()))
            }
            other => cert_error(format!("can't be used: {other}")),
        })?;
        if tls.client_auth != ClientAuth::None {
            // A session taken up again would not have its certificate looked at.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Some(Handshakes { acceptor: TlsAcceptor::from(Arc::new(config)), user_from_cn: tls.user_from_cn }))
    }

    /// The user whose certificate the client has shown, where that counts.
    pub fn user(&self, connection: &ServerConnection) -> Option<String> {
        let certificate = connection.peer_certificates().filter(|_| self.user_from_cn)?.first()?;
        common_name(certificate)
    }
}

/// Certificates of authorities, of which one at least is of use now.
///
/// # Errors
/// What is wrong with the file.
pub fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let mut first_problem = None;
    for certificate in certificates(path)? {
        // Files with many keep some that are over.
        match check_time(&certificate) {
            Err(problem) => first_problem = first_problem.or(Some(problem)),
            Ok(()) => roots.add(certificate).map_err(|error| format!("can't be used: {error}"))?,
        }
    }
    match first_problem {
        Some(problem) if roots.is_empty() => Err(problem),
        _ => Ok(roots),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("has no certificate in PEM form in it".into()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("is not PEM: {error}")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        "has no private key in PEM form in it (one that is encrypted with a passphrase can't be used)".into()
    })
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("can't be read: {error}"))
}

/// Refuses a certificate that does not hold now.
fn check_time(certificate: &CertificateDer<'_>) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| format!("has a certificate that can't be read: {error}"))?;
    let (validity, now) = (parsed.validity(), ASN1Time::now());
    let whose = parsed.subject();
    if now > validity.not_after {
        return Err(format!("has expired: the certificate of {whose} was good until {}", validity.not_after));
    }
    if now < validity.not_before {
        return Err(format!("is not good yet: the certificate of {whose} is from {} on", validity.not_before));
    }
    Ok(())
}

/// The common name, if there is exactly one.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}
