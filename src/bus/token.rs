//! JSON Web Tokens in place of passwords: which signatures are taken, and what
//! the claims say.
//!
//! A key is for one algorithm, which the key says and never the token: a token
//! whose header names another is not looked at with that key, so that a public
//! key can't be taken for a secret.

use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm as Alg, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::access::{Rules, is_user_name};
use super::pattern::check_pattern;
use super::settings::{Algorithm, Jwt};
use super::tls::read;
use super::trust::FileError;

/// RFC 7518, 3.2: a secret for HS256 has 256 bits at least.
const MIN_SECRET: usize = 32;

/// Bytes of an uncompressed point of P-256.
const P256_POINT: usize = 65;

/// Keys of a set; of those, some are tried with a token that names none.
const MAX_KEYS: usize = 100;
const MAX_TRIED: usize = 8;

/// Topic patterns in each list of a token's rules.
const MAX_PATTERNS: usize = 100;

/// The keys of a bus, and what it asks of tokens.
pub struct Tokens {
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_s: u64,
    user_claim: String,
    rules_claim: String,
    /// For tokens without rules of their own.
    rules_from: Option<Arc<str>>,
}

struct Key {
    id: Option<String>,
    algorithm: Alg,
    key: DecodingKey,
}

/// What a good token says.
pub struct Token {
    pub user: String,
    pub rules: TokenRules,
    /// When it ends, in seconds since 1970, leeway included.
    pub ends_s: u64,
}

/// Where the topic rules of a token are.
pub enum TokenRules {
    Own { publish: Rules, subscribe: Rules },
    OfUser(Arc<str>),
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is not signed by a key of this bus")]
    Signature,
    #[error("the token's issuer is not the one that this bus takes tokens of")]
    Issuer,
    #[error("the token is not meant for this bus: its audience is another")]
    Audience,
    #[error("the token lacks the claim {0:?}")]
    Missing(String),
    #[error("the token's claim {0:?} {1}")]
    Claim(String, String),
    #[error("it is no token that can be read")]
    Form,
}

/// Whether a password is meant as a token: a JSON object in base64, and two
/// more parts.
pub fn is_token(password: &[u8]) -> bool {
    password.starts_with(b"eyJ") && password.iter().filter(|byte| **byte == b'.').count() == 2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesClaim {
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
}

impl Tokens {
    /// For [`crate::fuzzing`]: one key for HS256.
    pub(crate) fn with_secret(secret: &[u8], issuer: &str) -> Tokens {
        Tokens {
            keys: vec![Key { id: None, algorithm: Alg::HS256, key: DecodingKey::from_secret(secret) }],
            issuer: Some(issuer.to_owned()),
            audience: None,
            leeway_s: 0,
            user_claim: "sub".to_owned(),
            rules_claim: "skep".to_owned(),
            rules_from: Some("user".into()),
        }
    }

    /// Reads the keys; none if the bus takes no tokens.
    ///
    /// # Errors
    /// A file that can't be read or used.
    pub fn load(jwt: &Jwt) -> Result<Option<Tokens>, FileError> {
        let keys = match (&jwt.key_file, &jwt.jwks_file) {
            (Some(path), _) => {
                let error = |what| FileError::new("jwt.key_file", path, what);
                let algorithm = jwt.algorithm.ok_or_else(|| error("needs jwt.algorithm beside it".into()))?;
                vec![single_key(path, algorithm).map_err(error)?]
            }
            (None, Some(path)) => {
                key_set(path, jwt.algorithm).map_err(|what| FileError::new("jwt.jwks_file", path, what))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Tokens {
            keys,
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.clone(),
            leeway_s: jwt.leeway_s,
            user_claim: jwt.user_claim.clone(),
            rules_claim: jwt.rules_claim.clone(),
            rules_from: jwt.rules_from.as_deref().map(Arc::from),
        }))
    }

    /// Checks a token's signature, `exp`, `nbf`, `iss` and `aud`, and takes out
    /// what it says. Takes some 100 µs: not for an async thread.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn verify(&self, token: &[u8]) -> Result<Token, TokenError> {
        // "none" and whatever else is no signature has no name in the library.
        let header = decode_header(token).map_err(|_| TokenError::Form)?;
        // RFC 7515, 4.1.11: what is critical has to be understood.
        if header.crit.is_some() {
            return Err(TokenError::Form);
        }
        let fits = |key: &&Key| {
            let same_id = key.id.is_none() || header.kid.is_none() || key.id == header.kid;
            key.algorithm == header.alg && same_id
        };
        for key in self.keys.iter().filter(fits).take(MAX_TRIED) {
            match decode::<Map<String, Value>>(token, &key.key, &self.validation(key.algorithm)) {
                Ok(good) => return self.read_claims(good.claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                Err(error) => return Err(told(error.kind())),
            }
        }
        Err(TokenError::Signature)
    }

    fn validation(&self, algorithm: Alg) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway_s;
        validation.validate_nbf = true;
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        // Without an audience of ours, a token that has any is for somebody else.
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        validation
    }

    fn read_claims(&self, mut claims: Map<String, Value>) -> Result<Token, TokenError> {
        let wrong = |claim: &str, what: &str| TokenError::Claim(claim.into(), what.into());
        let user = match claims.remove(&self.user_claim) {
            Some(Value::String(user)) if is_user_name(&user) => user,
            Some(_) => {
                let what = "has to be a user's name: text without \"/\", \"+\", \"#\" and control characters";
                return Err(wrong(&self.user_claim, what));
            }
            None => return Err(TokenError::Missing(self.user_claim.clone())),
        };
        let exp = claims.get("exp").and_then(Value::as_f64).ok_or_else(|| TokenError::Missing("exp".into()))?;
        let rules = match (claims.remove(&self.rules_claim), &self.rules_from) {
            (Some(rules), _) => {
                let what = "has to be an object with the lists of topic patterns \"publish\" and \"subscribe\"";
                let RulesClaim { publish, subscribe } =
                    serde_json::from_value(rules).map_err(|_| wrong(&self.rules_claim, what))?;
                let mut patterns = publish.iter().chain(&subscribe);
                if let Some(Err(why)) = patterns.by_ref().map(|pattern| check_pattern(pattern)).find(Result::is_err) {
                    return Err(wrong(&self.rules_claim, &format!("has a pattern that is none: {why}")));
                }
                if publish.len().max(subscribe.len()) > MAX_PATTERNS {
                    let what = format!("has a list of more than {MAX_PATTERNS} patterns");
                    return Err(wrong(&self.rules_claim, &what));
                }
                TokenRules::Own { publish: Rules::new(&publish), subscribe: Rules::new(&subscribe) }
            }
            (None, Some(user)) => TokenRules::OfUser(Arc::clone(user)),
            (None, None) => return Err(TokenError::Missing(self.rules_claim.clone())),
        };
        // A float that is out of range becomes the nearest in it.
        Ok(Token { user, rules, ends_s: (exp as u64).saturating_add(self.leeway_s) })
    }
}

fn told(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(claim) => TokenError::Missing(claim.clone()),
        ErrorKind::InvalidClaimFormat(claim) => TokenError::Claim(claim.clone(), "has to be a number".into()),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidSignature => TokenError::Signature,
        _ => TokenError::Form,
    }
}

fn single_key(path: &Path, algorithm: Algorithm) -> Result<Key, String> {
    let text = read(path)?;
    let is_private = text.windows(11).any(|window| window == b"PRIVATE KEY");
    if algorithm != Algorithm::HS256 && is_private {
        return Err("is a private key: only the public one is needed, and nothing else should be here".into());
    }
    let key = match algorithm {
        Algorithm::HS256 => {
            // Editors and echo end a line; it is no part of the secret.
            let secret = text.strip_suffix(b"\n").unwrap_or(&text);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            if secret.starts_with(b"-----BEGIN ") {
                return Err("is a key in PEM form, and HS256 has a secret that both sides know".into());
            }
            check_secret(secret)?;
            DecodingKey::from_secret(secret)
        }
        Algorithm::RS256 => {
            DecodingKey::from_rsa_pem(&text).map_err(|_| "has no public RSA key in PEM form in it".to_owned())?
        }
        Algorithm::ES256 => {
            let error = || "has no public P-256 key in PEM form in it".to_owned();
            let key = DecodingKey::from_ec_pem(&text).map_err(|_| error())?;
            match key.try_get_as_bytes() {
                Ok(point) if point.len() == P256_POINT => key,
                _ => return Err(error()),
            }
        }
    };
    Ok(Key { id: None, algorithm: alg(algorithm), key })
}

/// The keys of a set that can be used, and are for one of our algorithms.
fn key_set(path: &Path, only: Option<Algorithm>) -> Result<Vec<Key>, String> {
    let text = read(path)?;
    let set: JwkSet = serde_json::from_slice(&text).map_err(|error| format!("is not a set of keys (JWKS): {error}"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("has more than {MAX_KEYS} keys in it"));
    }
    let mut keys = Vec::new();
    for jwk in &set.keys {
        let Some(algorithm) = algorithm_of(jwk).filter(|algorithm| only.is_none_or(|only| only == *algorithm)) else {
            continue;
        };
        let id = &jwk.common.key_id;
        let key = DecodingKey::from_jwk(jwk).map_err(|_| format!("has a key that can't be used: kid {id:?}"))?;
        if let (Algorithm::HS256, Ok(secret)) = (algorithm, key.try_get_as_bytes()) {
            check_secret(secret)?;
        }
        keys.push(Key { id: id.clone(), algorithm: alg(algorithm), key });
    }
    match keys.is_empty() {
        true => Err("has no key in it that can be used here: HS256, RS256 or ES256".into()),
        false => Ok(keys),
    }
}

/// What a key is for: as it says, else as its kind has it.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    if matches!(&jwk.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
        return None;
    }
    let by_kind = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        _ => return None,
    };
    let said = match jwk.common.key_algorithm {
        None => by_kind,
        Some(KeyAlgorithm::HS256) => Algorithm::HS256,
        Some(KeyAlgorithm::RS256) => Algorithm::RS256,
        Some(KeyAlgorithm::ES256) => Algorithm::ES256,
        Some(_) => return None,
    };
    (said == by_kind).then_some(said)
}

fn check_secret(secret: &[u8]) -> Result<(), String> {
    match secret.len() >= MIN_SECRET {
        true => Ok(()),
        false => Err(format!("has a secret of {} bytes, and HS256 takes {MIN_SECRET} at least", secret.len())),
    }
}

fn alg(algorithm: Algorithm) -> Alg {
    match algorithm {
        Algorithm::HS256 => Alg::HS256,
        Algorithm::RS256 => Alg::RS256,
        Algorithm::ES256 => Alg::ES256,
    }
}
