//! Settings that are good one by one and don't go together.

use skep::config::Config;

use crate::given::{Layers, file, layers, says};

#[test]
fn two_listeners_cant_have_one_address() {
    let text = "[backend.b.listeners]\none.listen = \"127.0.0.1:5\"\ntwo.listen = \"127.0.0.1:5\"";
    says(&file(text).problem(), &["backend.b.listeners.two.listen (my.toml:3)", "backend.b.listeners.one.listen"]);
    let problem = layers().set("frontend.frontend-1.listeners.ws.listen=127.0.0.1:1883").problem();
    says(&problem, &["frontend.frontend-1.listeners.ws.listen (--set)", "backend.backend-1.listeners.tcp.listen"]);
    let problems = layers().set("frontend.frontend-1.listeners.ws.listen=0.0.0.0:1883").problems();
    assert!(problems.iter().any(|problem| problem.contains("takes already")), "{problems:#?}");
}

#[test]
fn presence_needs_the_router() {
    let on = |layers: Layers| layers.set("router.presence.enabled=true");
    assert!(on(layers()).config().router.presence.enabled);
    let problem = on(layers().set("router.enabled=false")).problem();
    says(&problem, &["router.presence.enabled (--set)", "router.enabled is false"]);
}

#[test]
fn any_number_of_listeners_can_have_port_0() {
    let text = "[backend.b.listeners]\none.listen = \"127.0.0.1:0\"\ntwo.listen = \"127.0.0.1:0\"";
    file(text).config();
}

#[test]
fn anonymous_has_to_name_a_user_of_the_bus() {
    let problem = layers().set("backend.backend-1.anonymous=frontend").problem();
    says(&problem, &["backend.backend-1.anonymous (--set)", "given \"frontend\"", "there are: backend"]);
    let config = layers().set("backend.backend-1.anonymous=backend").config();
    assert_eq!(config.backend["backend-1"].anonymous.as_deref(), Some("backend"));
}

#[test]
fn a_backend_and_a_frontend_share_neither_id_nor_role() {
    let problem = file("[backend.x]\n[frontend.x]").problem();
    says(&problem, &["frontend.x (my.toml:2)", "a backend has the same id"]);
    let problem = layers().set("frontend.frontend-1.role=backend").problem();
    says(&problem, &["frontend.frontend-1.role (--set)", "\"backend\" is the role of backend backend-1"]);
}

#[test]
fn a_bus_needs_a_listener_and_a_user_and_skep_a_backend() {
    says(&file("[backend]").problem(), &["backend (my.toml:1)", "there is no backend"]);
    says(&file("[backend.b.listeners]").problem(), &["backend.b.listeners", "without a listener"]);
    says(&file("[backend.b.users]").problem(), &["backend.b.users", "without a user"]);
}

const EVERYWHERE: &str = "frontend.frontend-1.listeners.ws.listen=0.0.0.0:18080";

#[test]
fn a_sample_password_is_refused_where_others_can_connect() {
    let problems = layers().set(EVERYWHERE).problems();
    assert_eq!(problems.len(), 2, "{problems:#?}");
    for (problem, user) in problems.iter().zip(["frontend", "router"]) {
        let password = format!("frontend.frontend-1.users.{user}.password");
        says(
            problem,
            &[
                "frontend.frontend-1.listeners.ws.listen (--set)",
                "0.0.0.0:18080",
                &format!("user {user:?} has a sample password"),
                &password,
                "frontend.frontend-1.listeners.ws.allow_insecure = true",
            ],
        );
    }
}

#[test]
fn a_sample_password_is_refused_whoever_has_it() {
    for password in ["def456", "abc123", "ghi789"] {
        let text = format!(
            "[backend.b.listeners]\ntcp.listen = \"[::]:1883\"\n[backend.b.users]\nmine.password = \"{password}\""
        );
        says(&file(&text).problem(), &["backend.b.listeners.tcp.listen", "\"mine\""]);
    }
}

#[test]
fn anonymous_access_is_refused_where_others_can_connect() {
    let text = "[backend.b]\nanonymous = \"me\"\n\
                listeners.tcp.listen = \"192.0.2.1:1883\"\n\
                users.me.password = \"mine\"";
    let problem = file(text).problem();
    says(&problem, &["backend.b.listeners.tcp.listen (my.toml:3)", "backend.b.anonymous", "user \"me\""]);
}

#[test]
fn a_listener_can_accept_the_risk_by_name() {
    let accepted = layers().set(EVERYWHERE).set("frontend.frontend-1.listeners.ws.allow_insecure=true");
    accepted.config();
    // That one, and no other.
    let problems = accepted.set("frontend.frontend-1.listeners.tcp.listen=0.0.0.0:11883").problems();
    assert!(problems.iter().all(|problem| problem.starts_with("frontend.frontend-1.listeners.tcp")));
    assert_eq!(problems.len(), 2);
}

const OPEN: &str = "[frontend.f.listeners]\ntcp.listen = \"0.0.0.0:1\"\n";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2tlcC1kb2NzLXNhbHQ$x2TkxBn6rAbmcMQzcgl5dPS2xKS0KdkGqEJS8gKTNL0";

#[test]
fn a_plain_password_in_a_file_is_refused_where_others_can_connect() {
    let text = format!("{OPEN}[frontend.f.users]\nweb.password = \"mine\"");
    let problem = file(&text).problem();
    says(&problem, &["frontend.f.listeners.tcp.listen (my.toml:2)", "\"web\" can be read in", "skep user hash"]);
    let layers = file(&format!("{OPEN}[frontend.f.users]\nweb.password = \"{HASH}\""));
    says(&layers.set("frontend.f.users.web.password=mine").problem(), &["can be read in --set"]);
    let accepted = file(&text).set("frontend.f.listeners.tcp.allow_insecure=true");
    accepted.config();
}

#[test]
fn a_users_file_takes_the_sample_users_out() {
    let config = file("[frontend.f]\nusers_file = \"u\"\nlisteners.tcp.listen = \"0.0.0.0:1\"").config();
    assert!(config.frontend["f"].users.is_empty());
    assert_eq!(config.backend["backend-1"].users.len(), 1);
}

#[test]
fn tls_settings_that_do_nothing_or_lack_something_are_refused() {
    for (tls, parts) in [
        ("cert = \"c\"", ["tls.cert", "needs backend.b.listeners.t.tls.key"]),
        ("key = \"k\"", ["tls.key", "needs backend.b.listeners.t.tls.cert"]),
        ("client_ca = \"c\"", ["tls.client_ca", "does nothing without TLS"]),
        ("client_auth = \"required\"", ["tls.client_auth", "does nothing without TLS"]),
        ("cert = \"c\"\nkey = \"k\"\nclient_ca = \"c\"", ["tls.client_ca", "no client is asked"]),
        (
            "cert = \"c\"\nkey = \"k\"\nclient_auth = \"optional\"",
            ["tls.client_auth", "needs backend.b.listeners.t.tls.client_ca"],
        ),
        ("cert = \"c\"\nkey = \"k\"\nuser_from_cn = true", ["tls.user_from_cn", "no client is asked"]),
    ] {
        let text = format!("[backend.b.listeners.t]\nlisten = \"127.0.0.1:0\"\n[backend.b.listeners.t.tls]\n{tls}");
        says(&file(&text).problem(), &parts);
    }
}

#[test]
fn token_settings_that_do_nothing_or_lack_something_are_refused() {
    for (jwt, parts) in [
        ("key_file = \"k\"", ["jwt.key_file", "needs backend.b.jwt.algorithm"]),
        ("key_file = \"k\"\nalgorithm = \"ES256\"\njwks_file = \"s\"", ["jwt.jwks_file", "can't be given beside"]),
        ("issuer = \"i\"", ["jwt.issuer", "does nothing without a key"]),
        ("algorithm = \"none\"", ["jwt.algorithm", "\"HS256\" or \"RS256\" or \"ES256\""]),
        ("jwks_file = \"s\"\nrules_from = \"x\"", ["jwt.rules_from", "there are: backend"]),
    ] {
        says(&file(&format!("[backend.b.jwt]\n{jwt}")).problem(), &parts);
    }
}

#[test]
fn a_hash_that_is_none_is_refused_and_not_shown() {
    let problem = file("[backend.b.users]\nx.password = \"$argon2id$v=19$secret\"").problem();
    says(&problem, &["backend.b.users.x.password (my.toml:2)", "is not an argon2 hash"]);
    assert!(!problem.contains("secret"));
}

#[test]
fn own_passwords_and_loopback_addresses_need_no_leave() {
    let text = format!("{OPEN}[frontend.f.users]\nweb.password = \"{HASH}\"");
    file(&text).config();
    let text = format!("{OPEN}[frontend.f.users]\nweb.password = \"in the variable\"");
    file(&text).variable("SKEP_FRONTEND__F__USERS__WEB__PASSWORD", "mine").config();
    for loopback in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        layers().set(&format!("backend.backend-1.listeners.tcp.listen={loopback}")).config();
    }
}

#[test]
fn a_programs_own_settings_are_held_to_the_same_rules() {
    let mut config = Config::default();
    config.router.lanes = 0;
    config.backend.get_mut("backend-1").unwrap().role = "a/b".into();
    let frontend = config.frontend.get_mut("frontend-1").unwrap();
    frontend.listeners.get_mut("ws").unwrap().listen = "0.0.0.0:18080".parse().unwrap();
    let invalid = config.check().unwrap_err().to_string();
    says(&invalid, &["router.lanes (set by the program)", "backend.backend-1.role", "sample password"]);
}
