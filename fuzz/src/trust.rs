//! What people and their tokens say of themselves: JWTs, and the users file.

use skep::fuzzing::{Tokens, users_file};

thread_local! {
    static TOKENS: Tokens = Tokens::new();
}

/// With a first byte below 0x80 the rest is a token; else it is a header and, on
/// the next line, claims, which are signed as they should be.
pub fn tokens(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else { return };
    TOKENS.with(|tokens| {
        if how & 0x80 == 0 {
            assert!(tokens.user_of(rest).is_none(), "it is not signed");
            return;
        }
        let mut parts = rest.splitn(2, |byte| *byte == b'\n');
        let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let token = tokens.sign(header, claims);
        let Some(user) = tokens.user_of(&token) else { return };
        let claims: serde_json::Value = serde_json::from_slice(claims).expect("what is taken is JSON");
        assert_eq!(claims["sub"], user.as_str());
        // The library takes a list of issuers, too, if ours is among them.
        let issued = match &claims["iss"] {
            serde_json::Value::Array(list) => list.contains(&"fuzz".into()),
            one => one == "fuzz",
        };
        assert!(claims["exp"].is_number() && issued);
        // With another end it is another token.
        let mut other = token.clone();
        let last = other.len() - 2;
        other[last] = if other[last] == b'A' { b'B' } else { b'A' };
        assert!(tokens.user_of(&other).is_none());
    });
}

/// A file that is read is written the same, and read the same again.
pub fn users(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(written) = users_file(text) {
        assert_eq!(users_file(&written).as_deref(), Some(written.as_str()));
    }
}
