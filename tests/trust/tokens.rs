//! JSON Web Tokens in place of passwords.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use skep::bus::{Algorithm, Jwt, Tokens};

use crate::support::metrics::Metrics;
use crate::support::{Client, Instance, Login, id, wait_until};

const SECRET: &[u8] = b"thirty-two bytes at least, for HS256 it is";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Claims that nothing is wrong with.
fn claims() -> Value {
    json!({ "sub": "alice", "iss": "issuer", "aud": "skep", "exp": now() + 600 })
}

fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn hs256(claims: &Value) -> String {
    encode(&Header::new(Alg::HS256), claims, &EncodingKey::from_secret(SECRET)).expect("a token")
}

/// A token put together by hand.
fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| BASE64.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), BASE64.encode(signature))
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

fn jwt(key: &Path, algorithm: Algorithm) -> Jwt {
    Jwt {
        key_file: Some(key.to_owned()),
        algorithm: Some(algorithm),
        issuer: Some("issuer".into()),
        audience: Some("skep".into()),
        rules_from: Some("frontend".into()),
        leeway_s: 0,
        ..Jwt::default()
    }
}

fn instance(jwt: Jwt) -> Instance {
    Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.jwt = jwt;
        frontend.login.max_failures = 0;
    })
}

/// The reason code and the words that a login with this token is answered with.
fn answer(skep: &Instance, token: &str) -> (u8, String) {
    let connack = Client::attempt(skep.frontend(), &Login::new(&id("token")).user("anybody", token)).connack;
    (connack[1], String::from_utf8_lossy(&connack).into_owned())
}

#[test]
fn tokens_that_are_forged_count_against_their_address_and_those_that_expired_do_not() {
    let files = Files::new();
    let key = files.file("secret", SECRET);
    let skep = Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.jwt = jwt(&key, Algorithm::HS256);
        frontend.login.max_failures = 2;
    });
    for _ in 0..4 {
        assert_eq!(answer(&skep, &hs256(&with(json!({ "exp": now() - 1 })))).0, 0x86);
    }
    let forged = forged(&json!({ "alg": "HS256" }), &claims(), b"guessed");
    for _ in 0..2 {
        assert_eq!(answer(&skep, &forged).0, 0x86);
    }
    let (reason, text) = answer(&skep, &hs256(&claims()));
    assert!(reason == 0x9F && text.contains("too many failed logins"), "{reason} {text}");
    assert_eq!(skep.skep().frontends()[0].stats().logins_limited.get(), 1);
    skep.stop();
}

#[test]
fn a_good_token_lets_in_and_a_bad_one_is_told_why() {
    let files = Files::new();
    let skep = instance(jwt(&files.file("secret", SECRET), Algorithm::HS256));
    assert_eq!(answer(&skep, &hs256(&claims())).0, 0);
    assert_eq!(answer(&skep, &hs256(&with(json!({ "aud": ["x", "skep"], "nbf": now() })))).0, 0);
    let other = encode(&Header::new(Alg::HS256), &claims(), &EncodingKey::from_secret(b"guessed")).expect("a token");
    let hs512 = encode(&Header::new(Alg::HS512), &claims(), &EncodingKey::from_secret(SECRET)).expect("a token");
    let mut cut = hs256(&claims());
    cut.pop();
    for (token, expected) in [
        (hs256(&with(json!({ "exp": now() - 1 }))), "has expired"),
        (hs256(&with(json!({ "exp": null }))), "lacks the claim \"exp\""),
        (hs256(&with(json!({ "exp": "soon" }))), "exp"),
        (hs256(&with(json!({ "nbf": now() + 60 }))), "not valid yet"),
        (hs256(&with(json!({ "nbf": "x" }))), "nbf"),
        (hs256(&with(json!({ "iss": "another" }))), "issuer is not"),
        (hs256(&with(json!({ "iss": null }))), "lacks the claim \"iss\""),
        (hs256(&with(json!({ "aud": "another" }))), "audience is another"),
        (hs256(&with(json!({ "aud": null }))), "lacks the claim \"aud\""),
        (hs256(&with(json!({ "sub": null }))), "lacks the claim \"sub\""),
        (hs256(&with(json!({ "sub": "a/#" }))), "has to be a user's name"),
        (hs256(&with(json!({ "sub": 7 }))), "has to be a user's name"),
        (hs256(&with(json!({ "skep": "all" }))), "has to be an object"),
        (hs256(&with(json!({ "skep": { "publish": ["a#"] } }))), "has a pattern that is none"),
        (hs256(&with(json!({ "skep": { "admin": true } }))), "has to be an object"),
        (other, "not signed by a key"),
        (hs512, "not signed by a key"),
        (cut, ""),
        (forged(&json!({ "alg": "none" }), &claims(), b""), "no token that can be read"),
        (forged(&json!({ "alg": "HS256" }), &claims(), b""), "not signed by a key"),
        (forged(&json!({ "alg": "HS256", "crit": ["exp"] }), &claims(), b""), "no token that can be read"),
        ("eyJ..".into(), "no token that can be read"),
    ] {
        let (reason, text) = answer(&skep, &token);
        assert_eq!(reason, 0x86, "{expected}: {text}");
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // What is no token is a password still.
    assert_eq!(answer(&skep, "abc123").0, 0x86);
    let mut client = Client::open(skep.frontend());
    client.send(&Login::new(&id("plain")).user("frontend", "abc123").packet());
    assert_eq!(client.expect(2).body[1], 0);
    skep.stop();
}

#[test]
fn each_algorithm_takes_its_own_keys_and_no_others() {
    let files = Files::new();
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let rsa_file = files.file("rsa.pem", rsa.public_key_pem());
    let ec_file = files.file("ec.pem", ec.public_key_pem());
    let secret_file = files.file("secret", [SECRET, b"\n"].concat());
    let rs256 = |claims: &Value| {
        let key = EncodingKey::from_rsa_pem(rsa.serialize_pem().as_bytes()).expect("a key");
        encode(&Header::new(Alg::RS256), claims, &key).expect("a token")
    };
    let es256 = |claims: &Value| {
        let key = EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).expect("a key");
        encode(&Header::new(Alg::ES256), claims, &key).expect("a token")
    };
    // The public key taken for a secret: what gives algorithm confusion its name.
    let confused = |key: &Path| {
        let secret = EncodingKey::from_secret(&std::fs::read(key).expect("a file"));
        encode(&Header::new(Alg::HS256), &claims(), &secret).expect("a token")
    };
    let tokens = [hs256(&claims()), rs256(&claims()), es256(&claims()), confused(&rsa_file), confused(&ec_file)];
    let keys = [(secret_file, Algorithm::HS256), (rsa_file, Algorithm::RS256), (ec_file, Algorithm::ES256)];
    for (own, (key, algorithm)) in keys.iter().enumerate() {
        let skep = instance(jwt(key, *algorithm));
        for (at, token) in tokens.iter().enumerate() {
            assert_eq!(answer(&skep, token).0 == 0, at == own, "token {at} with {algorithm:?}");
        }
        skep.stop();
    }
}

#[test]
fn a_set_of_keys_is_chosen_from_by_id_and_algorithm() {
    let files = Files::new();
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let point = ec.public_key_raw();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "curve", "x": x, "y": y, "use": "sig" },
        { "kty": "EC", "crv": "P-256", "kid": "sealed", "x": x, "y": y, "use": "enc" },
        { "kty": "oct", "kid": "shared", "alg": "HS256", "k": BASE64.encode(SECRET) },
        { "kty": "oct", "kid": "longer", "alg": "HS512", "k": BASE64.encode([1; 64]) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "edwards", "x": BASE64.encode([1; 32]) },
    ] });
    let signed = |algorithm: Alg, kid: Option<&str>| {
        let key = match algorithm {
            Alg::ES256 => EncodingKey::from_ec_pem(ec.serialize_pem().as_bytes()).expect("a key"),
            _ => EncodingKey::from_secret(SECRET),
        };
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        encode(&header, &claims(), &key).expect("a token")
    };
    let path = files.file("jwks.json", set.to_string());
    let of_set =
        |algorithm| Jwt { key_file: None, jwks_file: Some(path.clone()), algorithm, ..jwt(&path, Algorithm::ES256) };
    let skep = instance(of_set(None));
    for (algorithm, kid, good) in [
        (Alg::ES256, Some("curve"), true),
        (Alg::ES256, None, true),
        (Alg::ES256, Some("sealed"), false),
        (Alg::ES256, Some("shared"), false),
        (Alg::HS256, Some("shared"), true),
        (Alg::HS256, Some("curve"), false),
        (Alg::HS256, Some("unknown"), false),
    ] {
        assert_eq!(answer(&skep, &signed(algorithm, kid)).0 == 0, good, "{algorithm:?} {kid:?}");
    }
    skep.stop();
    let skep = instance(of_set(Some(Algorithm::ES256)));
    assert_eq!(answer(&skep, &signed(Alg::ES256, None)).0, 0);
    assert_eq!(answer(&skep, &signed(Alg::HS256, None)).0, 0x86);
    skep.stop();
}

#[test]
fn the_claims_give_the_user_and_its_topic_rules() {
    let files = Files::new();
    let skep = instance(jwt(&files.file("secret", SECRET), Algorithm::HS256));
    let connect =
        |name: &str, claims: &Value| Client::connect(skep.frontend(), Login::new(&id(name)).user("x", &hs256(claims)));
    // The rules of the user `frontend`.
    let mut usual = connect("usual", &claims());
    assert_eq!(usual.subscribe("msg/frontend/#", 1), 1);
    assert_eq!(usual.subscribe("req/#", 1), 0x87);
    // Its own, with its name in them, and not those of the user of the same name.
    let rules = json!({ "sub": "router", "skep": { "subscribe": ["users/%u/#", "priv/%c"] } });
    let mut own = connect("own", &with(rules));
    for (filter, reason) in [("users/router/x", 1), ("users/alice/x", 0x87), ("req/#", 0x87), ("msg/frontend/#", 0x87)]
    {
        assert_eq!(own.subscribe(filter, 1), reason, "{filter}");
    }
    let mut named = connect("named", &with(json!({ "sub": "router" })));
    assert_eq!(named.subscribe("req/#", 1), 0x87, "a token's user is none of the settings");
    skep.stop();

    let without = Jwt { rules_from: None, ..jwt(&files.file("secret", SECRET), Algorithm::HS256) };
    let skep = instance(without);
    let (reason, text) = answer(&skep, &hs256(&claims()));
    assert!(reason == 0x86 && text.contains("lacks the claim \"skep\""), "{text}");
    skep.stop();
}

#[test]
fn one_users_session_is_not_anothers_whatever_a_token_calls_itself() {
    let files = Files::new();
    let skep = instance(jwt(&files.file("secret", SECRET), Algorithm::HS256));
    let session = id("session");
    let _kept = Client::connect(skep.frontend(), Login::new(&session).user("frontend", "abc123").expiry(60));
    let token = hs256(&with(json!({ "sub": "frontend" })));
    let mut thief = Client::open(skep.frontend());
    thief.send(&Login::new(&session).user("frontend", &token).resume().packet());
    assert_eq!(thief.expect(2).body[1], 0x87);
    skep.stop();
}

#[test]
fn a_connection_ends_with_its_token_and_says_so() {
    let files = Files::new();
    let skep = instance(jwt(&files.file("secret", SECRET), Algorithm::HS256));
    let token = hs256(&with(json!({ "exp": now() + 2 })));
    let mut client = Client::connect(skep.frontend(), Login::new(&id("short")).user("x", &token));
    let mut other = Client::connect(skep.frontend(), Login::new(&id("long")).user("x", &hs256(&claims())));
    assert_eq!(client.disconnected(), 0xA0);
    let expired = |bus: &str| Metrics::of(&skep).value("skep_tokens_expired_total", &[bus]);
    wait_until("it is counted", || expired("bus=\"frontend-1\"") == 1.0);
    assert_eq!(expired("bus=\"backend-1\""), 0.0);
    other.assert_no_message();
    skep.stop();
}

#[test]
fn keys_that_cant_be_used_are_told_with_setting_and_file() {
    let files = Files::new();
    let ec = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let public = files.file("ec.pem", ec.public_key_pem());
    for (path, algorithm, expected) in [
        (files.0.path().join("none"), Algorithm::HS256, "none: can't be read"),
        (files.file("short", "short\n"), Algorithm::HS256, "has a secret of 5 bytes"),
        (public.clone(), Algorithm::HS256, "is a key in PEM form"),
        (public, Algorithm::RS256, "has no public RSA key"),
        (files.file("secret", SECRET), Algorithm::ES256, "has no public P-256 key"),
        (files.file("private.pem", ec.serialize_pem()), Algorithm::ES256, "is a private key"),
    ] {
        let told = Tokens::load(&jwt(&path, algorithm)).err().expect("an error").to_string();
        assert!(told.starts_with("jwt.key_file: ") && told.contains(expected), "{told}");
    }
    for (text, expected) in [
        ("{", "is not a set of keys"),
        ("{\"keys\":[]}", "has no key in it that can be used here"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}", "has a secret of 5 bytes"),
    ] {
        let path = files.file("jwks.json", text);
        let of_set = Jwt { jwks_file: Some(path), key_file: None, algorithm: None, ..Jwt::default() };
        let told = Tokens::load(&of_set).err().expect("an error").to_string();
        assert!(told.starts_with("jwt.jwks_file: ") && told.contains(expected), "{told}");
    }
}
