//! What can be used, but had better not be: said at a start, by a reload and by
//! `skep check`.

use skep::bus::{SAMPLE_PASSWORDS, is_hash};
use skep::config::{Effective, Origin as SetBy};

/// A line for each thing that an operator would want to change.
pub fn on(effective: &Effective) -> Vec<String> {
    let mut advice = plain_passwords(effective);
    advice.extend(token_in_clear(effective));
    advice
}

/// Says it in the log.
pub fn log(effective: &Effective) {
    on(effective).iter().for_each(|advice| tracing::warn!("{advice}"));
}

/// Which passwords stand in a settings file as they are, but for those of the
/// sample, which are no secret.
fn plain_passwords(effective: &Effective) -> Vec<String> {
    let mut found = Vec::new();
    for entry in &effective.entries {
        let is_password =
            matches!(entry.key.levels(), [_, _, users, _, password] if users == "users" && password == "password");
        let text = entry.value.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
        if is_password
            && let SetBy::File { .. } = entry.origin
            && !is_hash(text)
            && !SAMPLE_PASSWORDS.contains(&text)
        {
            let (key, origin) = (&entry.key, &entry.origin);
            found.push(format!(
                "{key} ({origin}) can be read there: better its hash (\"skep user hash\"), or a users_file"
            ));
        }
    }
    found
}

/// The admin listener has no TLS.
fn token_in_clear(effective: &Effective) -> Option<String> {
    let admin = &effective.config.admin;
    let others_connect = admin.enabled && !admin.listen.ip().to_canonical().is_loopback();
    others_connect.then(|| {
        format!(
            "admin.listen: {} speaks HTTP without TLS, and admin.token crosses the network in clear: better \
             127.0.0.1 behind a proxy that speaks TLS",
            admin.listen
        )
    })
}
