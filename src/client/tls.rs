//! TLS towards a bus: whose certificates are taken.

use std::sync::{Arc, OnceLock};

use rumqttc::TlsConfiguration;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What the system trusts; read once, as it is a large file.
static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// Takes certificates that `ca` has signed; without it, those that the system
/// takes.
///
/// # Errors
/// The system trusts nobody.
pub fn configuration(ca: Option<&Arc<RootCertStore>>) -> Result<TlsConfiguration, String> {
    let roots = match ca {
        Some(roots) => Arc::clone(roots),
        None => Arc::clone(SYSTEM.get_or_init(|| Arc::new(system()))),
    };
    if roots.is_empty() {
        return Err(
            "this system has no certificates of authorities to check the bus's with: name a file of them".into()
        );
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConfiguration::Rustls(Arc::new(config)))
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Those that can't be read are none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
