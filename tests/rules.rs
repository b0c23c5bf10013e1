//! The topic rules as a matrix: each topic of the protocol, published to and
//! subscribed to by each kind of user on each bus, allowed or denied.

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;
use skep::Kind;
use skep::bus::Algorithm;
use support::{Client, Instance, Login, Message, id};

/// Who may do what: by column `backend` on a backend, `frontend` and `router` on a
/// frontend. A row is an operation, its topic or filter, and `+` or `-` a column.
/// `OWN` is the client's own id, `OTHER` that of another client which is there.
const MATRIX: &str = "
    publish    req/backend-1                      + + -
    publish    req/backend-2                      + + -
    publish    req/backend/myapp/auth             + + -
    publish    req/backend/_bkpr/router           + + -
    publish    req/frontend/x                     + + -
    publish    res/frontend-1-1                   + - -
    publish    res/frontend-1-2                   + - -
    publish    priv/OWN                           + - +
    publish    priv/OTHER                         + - +
    publish    priv/OWN/below                     + - +
    publish    msg/frontend-1                     + - +
    publish    msg/frontend-2                     + - +
    publish    msg/frontend/myapp/method          + - +
    publish    msg/backend/myapp/method           + - +
    publish    log/info/myapp                     + - -
    publish    log/error/_bkpr/router             + - -
    publish    req                                + + -
    publish    res                                + - -
    publish    msg                                + - +
    publish    priv                               + - +
    publish    request/backend-1                  - - -
    publish    REQ/backend-1                      - - -
    publish    /req/backend-1                     - - -
    publish    test                               - - -
    publish    $SYS/broker/version                - - -
    publish    $share/BKPR/req/backend/myapp/auth - - -

    subscribe  req/backend-1                      + - +
    subscribe  req/backend-2                      + - +
    subscribe  req/backend/myapp/auth             + - +
    subscribe  req/backend/_bkpr/router           + - +
    subscribe  req/#                              + - +
    subscribe  req/+/myapp/auth                   + - +
    subscribe  res/frontend-1-1                   + - -
    subscribe  res/frontend-1-2                   + - -
    subscribe  res/#                              + - -
    subscribe  priv/OWN                           + + -
    subscribe  priv/OWN/#                         + - -
    subscribe  priv/OWN/below                     + - -
    subscribe  priv/OTHER                         - - -
    subscribe  priv/OTHER/#                       - - -
    subscribe  priv/OWNx                          - - -
    subscribe  priv/+                             - - -
    subscribe  priv/#                             - - -
    subscribe  +/OWN                              - - -
    subscribe  msg/frontend-1                     + + -
    subscribe  msg/frontend-2                     + + -
    subscribe  msg/frontend/myapp/method          + + -
    subscribe  msg/frontend/myapp/#               + + -
    subscribe  msg/backend/myapp/method           + + -
    subscribe  msg/#                              + + -
    subscribe  log/info/myapp                     + - -
    subscribe  log/#                              + - -
    subscribe  #                                  - - -
    subscribe  +/#                                - - -
    subscribe  +                                  - - -
    subscribe  +/backend-1                        - - -
    subscribe  test                               - - -
    subscribe  $SYS/#                             - - -
    subscribe  $SYS/broker/version                - - -
    subscribe  $share/BKPR/req/backend/myapp/auth + - +
    subscribe  $share/BKPR/req/backend/myapp/#    + - +
    subscribe  $share/BKPR/req/#                  + - +
    subscribe  $share/BKPR/res/#                  + - -
    subscribe  $share/BKPR/msg/#                  + + -
    subscribe  $share/BKPR/log/#                  + - -
    subscribe  $share/BKPR/priv/OWN               + + -
    subscribe  $share/BKPR/priv/OTHER             - - -
    subscribe  $share/BKPR/#                      - - -
    subscribe  $share/priv/OTHER                  - - -
";

const SECRET: &[u8] = b"thirty-two bytes at least, for HS256 it is";

/// A kind of user: its column, its bus, user and password, and who it is in words.
type Who = (usize, Kind, Option<(String, String)>, &'static str);

fn users() -> Vec<Who> {
    let exp = 4_000_000_000_u64;
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
        // Called as another user is, which is to be of no use.
        &json!({ "sub": "router", "exp": exp }),
        &jsonwebtoken::EncodingKey::from_secret(SECRET),
    );
    let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    vec![
        (0, Kind::Backend, login("backend", "def456"), "backend"),
        (1, Kind::Frontend, login("frontend", "abc123"), "frontend"),
        (2, Kind::Frontend, login("router", "ghi789"), "router"),
        (1, Kind::Frontend, login("router", &token.expect("a token")), "frontend by token"),
        (1, Kind::Frontend, None, "frontend by anonymous access"),
    ]
}

struct Row {
    subscribe: bool,
    topic: &'static str,
    allowed: [bool; 3],
}

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [operation, topic, allowed @ ..] = words.as_slice() else { panic!("{line}") };
        let allowed: Vec<bool> = allowed.iter().map(|word| *word == "+").collect();
        Row { subscribe: *operation == "subscribe", topic, allowed: allowed.try_into().expect("three columns") }
    };
    MATRIX.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

fn instance(secret: &std::path::Path) -> Instance {
    Instance::start_with(|config| {
        let frontend = config.frontend.get_mut("frontend-1").expect("the sample frontend");
        frontend.anonymous = Some("frontend".into());
        frontend.jwt.key_file = Some(secret.to_owned());
        frontend.jwt.algorithm = Some(Algorithm::HS256);
        frontend.jwt.rules_from = Some("frontend".into());
        for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
            bus.connections.max_subscriptions = 1000;
        }
    })
}

/// What a message needs for the router to take it, if the rules do.
fn message(topic: &str, own: &str) -> Message {
    let message = Message::new(topic, r#"{"jsonrpc":"2.0","method":"myapp.auth.x"}"#);
    match topic.split('/').next() {
        Some("req") => message.with("fwd_to", "req/backend/myapp/auth").respond_to(&format!("priv/{own}")),
        Some("msg") => message.with("fwd_to", "msg/frontend/myapp/method"),
        Some("res") => message.with("addr", &format!("priv/{own}@frontend-1")),
        _ => message,
    }
}

#[test]
fn each_user_may_do_what_the_protocol_says_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).expect("a file");
    let skep = instance(&secret);
    let other = id("other");
    let _others = [skep.worker(&other), skep.user(&other)];
    let mut wrong = Vec::new();
    for (column, kind, user, who) in users() {
        let (bus, address) = match kind {
            Kind::Backend => (&skep.skep().backends()[0], skep.backend()),
            Kind::Frontend => (&skep.skep().frontends()[0], skep.frontend()),
        };
        for version in [5, 4] {
            let own = id(&format!("own{column}{version}"));
            let mut login = Login::new(&own);
            login.version = version;
            login.user.clone_from(&user);
            let mut client = Client::connect(address, login);
            for Row { subscribe, topic, allowed } in rows() {
                let real = topic.replace("OWN", &own).replace("OTHER", &other);
                let denials = || bus.stats().denied_publish.get() + bus.stats().denied_subscribe.get();
                let before = denials();
                let reason = match subscribe {
                    true => client.subscribe(&real, 1),
                    false => client.publish_acked(message(&real, &own)),
                };
                let denied = denials() > before;
                let operation = if subscribe { "subscribe" } else { "publish" };
                if denied == allowed[column] {
                    wrong.push(format!("{who} in version {version}: {operation} {topic}: denied {denied}"));
                }
                // What is denied is said so where the version has a word for it. (The
                // router has that word for callers without its token, too.)
                let said = match (subscribe, version) {
                    (true, 4) => reason == 0x80,
                    (false, 4) => denied,
                    _ => reason == 0x87,
                };
                if said != denied && real != "req/backend/_bkpr/router" {
                    wrong.push(format!("{who} in version {version}: {operation} {topic}: reason {reason:#x}"));
                }
                if subscribe && !denied {
                    client.unsubscribe(&real);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    skep.stop();
}

#[test]
fn the_matrix_has_each_topic_of_the_protocol() {
    let rows = rows();
    for (topic, operations) in [
        ("req/backend-1", 2),
        ("req/backend/myapp/auth", 2),
        ("res/frontend-1-1", 2),
        ("priv/OWN", 2),
        ("priv/OTHER", 2),
        ("msg/frontend-1", 2),
        ("msg/frontend/myapp/method", 2),
        ("msg/backend/myapp/method", 2),
        ("log/info/myapp", 2),
    ] {
        assert_eq!(rows.iter().filter(|row| row.topic == topic).count(), operations, "{topic}");
    }
    // Each rule of the sample settings allows something here and denies something.
    for column in 0..3 {
        for subscribe in [false, true] {
            let of =
                |allowed: bool| rows.iter().any(|row| row.subscribe == subscribe && row.allowed[column] == allowed);
            assert!(of(true) && of(false));
        }
    }
}

#[test]
fn a_client_id_that_looks_like_a_pattern_opens_nobodys_mailbox() {
    let skep = Instance::start();
    let victim = id("victim");
    let _victim = skep.user(&victim);
    for name in ["+", "#", "+/#", "../x", "a/b", &format!("{victim}/"), "%c"] {
        let mut client = Client::connect(skep.frontend(), Login::new(name).user("frontend", "abc123"));
        for filter in ["priv/+", "priv/#", "priv/+/#", &format!("priv/{victim}")] {
            assert!(client.subscribe(filter, 1) >= 0x80, "{name}: {filter}");
        }
    }
    skep.stop();
}

#[test]
fn a_token_by_hand_is_nobody() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, SECRET).expect("a file");
    let skep = instance(&secret);
    let part = |value: serde_json::Value| BASE64.encode(value.to_string());
    let claims = json!({ "sub": "a", "exp": 4_000_000_000_u64, "skep": { "subscribe": ["#"] } });
    for header in [json!({ "alg": "none" }), json!({ "alg": "NONE" }), json!({ "alg": "HS256" }), json!({})] {
        let token = format!("{}.{}.", part(header), part(claims.clone()));
        let client = Client::attempt(skep.frontend(), &Login::new(&id("forger")).user("a", &token));
        assert_eq!(client.connack[1], 0x86);
    }
    skep.stop();
}
