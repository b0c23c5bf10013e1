//! The token that the router asks of those who bind sessions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::{Digest, Md5};

/// `base64(md5("BKPR_ROUTER" + salt))` without padding.
pub(super) fn router_token(salt: &str) -> String {
    STANDARD_NO_PAD.encode(Md5::digest(format!("BKPR_ROUTER{salt}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_token_is_the_one_that_the_router_expects() {
        for salt in ["", "backend-1", "sölt"] {
            assert_eq!(super::router_token(salt), crate::router::router_token(salt));
        }
    }
}
