//! The token of those who may bind sessions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::{Digest, Md5};

/// `base64(md5("BKPR_ROUTER" + salt))` without padding: what the framework's
/// workers send. It keeps calls from going astray; access to the backend is
/// what its users and rules decide.
pub fn router_token(salt: &str) -> String {
    token("BKPR_ROUTER", salt)
}

/// The same for `BKPR_SYSTEM`: who tells the framework's own services something.
pub fn system_token(salt: &str) -> String {
    token("BKPR_SYSTEM", salt)
}

fn token(level: &str, salt: &str) -> String {
    STANDARD_NO_PAD.encode(Md5::digest(format!("{level}{salt}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_token_is_what_the_frameworks_workers_compute() {
        // printf BKPR_ROUTERbackend-1 | openssl md5 -binary | base64
        assert_eq!(super::router_token("backend-1"), "a/oIoE1iggzlBySWjFUBvQ");
    }
}
