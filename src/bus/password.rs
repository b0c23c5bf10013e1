//! Passwords: hashed with argon2 where they are stored, compared in constant
//! time, and never kept as they are.

use std::fmt;
use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use aws_lc_rs::{constant_time, hmac};
use rand::RngExt;

/// What the text of a hash begins with; no plain password may.
const HASH_PREFIX: &str = "$argon2";

/// Costs that a hash may ask for: more, and few logins would keep the machine
/// busy. In KiB, rounds and lanes.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ROUNDS: u32 = 32;
const MAX_LANES: u32 = 16;

/// Makes tags of passwords: of this process, and known to nobody. Its bytes are
/// not aws-lc's, whose source takes 40 ms to begin.
static TAG_KEY: LazyLock<hmac::Key> =
    LazyLock::new(|| hmac::Key::new(hmac::HMAC_SHA256, &rand::rng().random::<[u8; 32]>()));

/// What stands for text in this process, and can't be turned back into it.
pub type Tag = [u8; 32];

/// The tag of texts that belong together.
pub fn tag(texts: &[&[u8]]) -> Tag {
    let mut context = hmac::Context::with_key(&TAG_KEY);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text);
    }
    let mut tag = Tag::default();
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// What a password is held against.
pub enum Credential {
    /// It was in the settings as it is.
    Plain(Tag),
    Hash(Box<PasswordHash>),
    /// None is right.
    Nothing,
}

/// A hash that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("is not an argon2 hash as `skep user hash` makes it")]
    Form,
    #[error(
        "is a hash that costs more than {MAX_MEMORY_KIB} KiB, {MAX_ROUNDS} rounds or {MAX_LANES} lanes for each login"
    )]
    Cost,
}

impl Credential {
    /// Of what the settings or a users file say.
    ///
    /// # Errors
    /// It begins as a hash does, and can't be used as one.
    pub fn new(stored: &str) -> Result<Credential, HashError> {
        if stored.is_empty() {
            return Ok(Credential::Nothing);
        }
        if !is_hash(stored) {
            return Ok(Credential::Plain(tag(&[stored.as_bytes()])));
        }
        let hash = PasswordHash::new(stored).map_err(|_| HashError::Form)?;
        let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
        // What it does not know, argon2 would check as its usual kind.
        let known = Algorithm::try_from(hash.algorithm.as_str()).is_ok();
        if !known || hash.salt.is_none() || hash.hash.is_none() {
            return Err(HashError::Form);
        }
        match params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_ROUNDS && params.p_cost() <= MAX_LANES {
            true => Ok(Credential::Hash(Box::new(hash))),
            false => Err(HashError::Cost),
        }
    }

    /// What a check of it costs; none where no hash is computed.
    pub fn cost(&self) -> Option<Cost> {
        match self {
            Credential::Hash(hash) => Params::try_from(&**hash).ok().map(Cost),
            Credential::Plain(_) | Credential::Nothing => None,
        }
    }

    /// Whether `password` is the right one. For a hash this takes long on
    /// purpose, and memory: not for an async thread.
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Credential::Plain(expected) => constant_time::verify_slices_are_equal(expected, &tag(&[password])).is_ok(),
            Credential::Hash(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
            Credential::Nothing => false,
        }
    }

    /// What tells this credential from the ones before and after it.
    pub fn mark(&self) -> Vec<u8> {
        match self {
            Credential::Plain(tag) => tag.to_vec(),
            Credential::Hash(hash) => hash.to_string().into_bytes(),
            Credential::Nothing => Vec::new(),
        }
    }
}

/// What the check of a hash costs.
#[derive(Clone)]
pub struct Cost(Params);

impl Cost {
    /// The larger of two.
    pub fn max(self, other: Cost) -> Cost {
        let work = |cost: &Cost| u64::from(cost.0.m_cost()) * u64::from(cost.0.t_cost());
        if work(&other) > work(&self) { other } else { self }
    }

    /// Takes as long as a check does.
    pub fn spend(&self, password: &[u8]) {
        let argon2 = Argon2::from(&self.0);
        // What comes out is of no use, nor is that nothing came out.
        let _ = argon2.hash_password_into(password, &[0; 16], &mut [0; 32]);
    }
}

impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB, {} rounds", self.0.m_cost(), self.0.t_cost())
    }
}

/// Whether this text is meant as a hash.
pub fn is_hash(stored: &str) -> bool {
    stored.starts_with(HASH_PREFIX)
}

/// Checks the text of a password in settings: a hash has to be one.
///
/// # Errors
/// What is wrong with it.
pub fn check_stored(stored: &str) -> Result<(), HashError> {
    Credential::new(stored).map(|_| ())
}

/// The hash of a password, to be stored in its place: argon2id with a salt of
/// its own, 19 MiB and 2 rounds.
///
/// # Errors
/// The system has no random bytes.
pub fn hash(password: &[u8]) -> Result<String, String> {
    let hash: PasswordHash = Argon2::default().hash_password(password).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_right_for_its_password_alone_and_new_each_time() {
        let stored = hash(b"open sesame").unwrap();
        assert!(stored.starts_with("$argon2id$") && stored != hash(b"open sesame").unwrap());
        let credential = Credential::new(&stored).unwrap();
        assert!(credential.verify(b"open sesame"));
        assert!(
            !credential.verify(b"open sesame ") && !credential.verify(b"") && !credential.verify(stored.as_bytes())
        );
    }

    #[test]
    fn a_plain_password_is_right_for_itself_alone() {
        let credential = Credential::new("abc").unwrap();
        assert!(credential.verify(b"abc") && !credential.verify(b"ab") && !credential.verify(b"abcd"));
        assert!(!Credential::new("").unwrap().verify(b""));
    }

    #[test]
    fn a_hash_that_is_none_or_costs_too_much_is_refused() {
        for bad in
            ["$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1", "$argon2x$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAA"]
        {
            assert_eq!(check_stored(bad), Err(HashError::Form), "{bad}");
        }
        let dear = hash(b"x").unwrap().replace("m=19456", "m=99999999");
        assert_eq!(check_stored(&dear), Err(HashError::Cost));
    }

    #[test]
    fn tags_tell_where_one_text_ends() {
        assert_eq!(tag(&[b"a", b"b"]), tag(&[b"a", b"b"]));
        assert_ne!(tag(&[b"a", b"b"]), tag(&[b"ab", b""]));
    }
}
