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

#[test]
fn own_passwords_and_loopback_addresses_need_no_leave() {
    let text = "[frontend.f.listeners]\ntcp.listen = \"0.0.0.0:1\"\n[frontend.f.users]\nweb.password = \"mine\"";
    file(text).config();
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
