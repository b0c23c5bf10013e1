//! Settings from environment variables.

use std::path::Path;

use skep::config::Config;

use crate::given::{file, layers, says};

#[test]
fn variables_reach_names_with_dashes_and_dots() {
    let config = file("[backend.b-1.users.\"a.b\"]\npassword = \"x\"")
        .variable("SKEP_BACKEND__B_1__USERS__A_B__PASSWORD", "0123")
        .variable("SKEP_BACKEND__B_1__USERS__A_B__PUBLISH", "[\"log/#\"]")
        .variable("SKEP_FRONTEND__FRONTEND_1__LISTENERS__WS__LISTEN", "127.0.0.1:0")
        .variable("SKEP_DATA", "/var/lib/skep")
        .config();
    let user = &config.backend["b-1"].users["a.b"];
    assert_eq!((user.password.as_str(), user.publish.as_slice()), ("0123", &["log/#".to_owned()][..]));
    assert_eq!(config.frontend["frontend-1"].listeners["ws"].listen.port(), 0);
    assert_eq!(config.data, Path::new("/var/lib/skep"));
}

#[test]
fn a_variable_completes_a_user_whom_the_file_names() {
    let layers = file("[backend.b.users.worker]\n");
    says(&layers.problem(), &["backend.b.users.worker.password (my.toml:1)", "is missing"]);
    let config = layers.variable("SKEP_BACKEND__B__USERS__WORKER__PASSWORD", "x").config();
    assert_eq!(config.backend["b"].users["worker"].password, "x");
}

#[test]
fn the_short_variable_for_the_log_is_its_filter() {
    let config = layers().variable("SKEP_LOG", "debug").config();
    assert_eq!(config.log.filter, "debug");
}

#[test]
fn empty_variables_and_those_of_others_are_left_alone() {
    let config = layers()
        .variable("SKEP_ROUTER__LANES", "")
        .variable("SKEP_URL", "mqtt://127.0.0.1:1")
        .variable("SKEP_FRONTEND_WS_URL", "ws://127.0.0.1:1/mqtt")
        .variable("SKEP_SERVICE_HOST", "10.0.0.1")
        .variable("SKEP_SERVICE_PORT_MQTT", "1883")
        .variable("SKEP_PORT", "tcp://10.0.0.1:1883")
        .variable("SKEP_PORT_1883_TCP_ADDR", "10.0.0.1")
        .variable("HOME", "/nowhere")
        .config();
    assert_eq!(config, Config::default());
}

#[test]
fn a_variable_that_names_nothing_is_reported() {
    let problem = layers().variable("SKEP_ROUTER__LANE", "3").problem();
    says(&problem, &["SKEP_ROUTER__LANE:", "no LANE in router", "did you mean LANES", "AUTH_SALT"]);
    let problem = layers().variable("SKEP_BACKEND__EAST__ROLE", "x").problem();
    says(&problem, &["no EAST in backend", "BACKEND_1", "use the file or --set"]);
    let problem = layers().variable("SKEP_LANES", "3").problem();
    says(&problem, &["SKEP_LANES:", "no LANES in the settings", "ROUTER"]);
}

#[test]
fn a_variable_that_can_mean_two_things_is_reported() {
    let problem = file("[frontend]\n[backend.a-b]\n[backend.a_b.listeners.tcp]\nlisten=\"127.0.0.1:0\"")
        .variable("SKEP_BACKEND__A_B__ROLE", "x")
        .problem();
    says(&problem, &["SKEP_BACKEND__A_B__ROLE", "backend.a-b.role and backend.a_b.role"]);
}
