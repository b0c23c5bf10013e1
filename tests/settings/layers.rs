//! Which layer wins, and where each setting is said to come from.

use std::path::Path;

use skep::bus::Transport;
use skep::config::{Assignment, Config, Origin};

use crate::given::{Layers, file, layers};

#[test]
fn without_any_layer_the_defaults_hold() {
    let effective = layers().load().unwrap();
    assert_eq!(effective.config, Config::default());
    assert!(effective.entries.iter().all(|entry| entry.origin == Origin::Default));
}

#[test]
fn the_defaults_are_what_the_framework_expects() {
    let config = Config::default();
    let (backend, frontend) = (&config.backend["backend-1"], &config.frontend["frontend-1"]);
    assert_eq!(backend.listeners["tcp"].listen.to_string(), "127.0.0.1:1883");
    assert_eq!(frontend.listeners["tcp"].listen.to_string(), "127.0.0.1:11883");
    assert_eq!(frontend.listeners["ws"].listen.to_string(), "127.0.0.1:18080");
    assert_eq!(frontend.listeners["ws"].transport, Transport::Ws);
    assert_eq!(backend.users["backend"].password, "def456");
    assert_eq!(frontend.users["frontend"].password, "abc123");
    assert_eq!(frontend.users["router"].password, "ghi789");
    assert_eq!(config.bindings.session_timeout_s, 1_800);
    assert_eq!(config.router.lanes, 2);
    config.check().unwrap();
}

#[test]
fn each_layer_wins_over_the_ones_before() {
    let lanes = |layers: &Layers| layers.config().router.lanes;
    let mut layers = file("[router]\nlanes = 3\n");
    assert_eq!(lanes(&layers), 3);
    layers = layers.variable("SKEP_ROUTER__LANES", "4");
    assert_eq!(lanes(&layers), 4);
    layers = layers.set("router.lanes=5");
    assert_eq!(lanes(&layers), 5);
    layers = layers.set("router.lanes=6");
    assert_eq!(lanes(&layers), 6);
}

#[test]
fn every_setting_tells_which_layer_it_came_from() {
    let effective = file("\n[router]\nlanes = 3\n")
        .variable("SKEP_ROUTER__AUTH_SALT", "salt")
        .set("data=/elsewhere")
        .load()
        .unwrap();
    let origin = |key: &str| {
        let entry = effective.entries.iter().find(|entry| entry.key.to_string() == key);
        entry.unwrap().origin.to_string()
    };
    assert!(origin("router.lanes").ends_with("my.toml:3"));
    assert_eq!(origin("router.auth_salt"), "SKEP_ROUTER__AUTH_SALT");
    assert_eq!(origin("data"), "--set");
    assert_eq!(origin("log.format"), "default");
}

#[test]
fn an_assignment_made_by_a_program_is_taken_as_it_is() {
    let mut layers = layers();
    let assignment = Assignment::new(&["data"], "12");
    layers.sources.flags.push(("--data", assignment));
    assert_eq!(layers.config().data, Path::new("12"));
}
