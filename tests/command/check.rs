//! `skep check`, and what `skep serve` refuses as it does.

use crate::started::{Skep, skep};

#[test]
fn check_prints_what_is_in_force_and_where_each_setting_comes_from() {
    let ran = skep(&["check", "--data", "/a", "--set", "router.lanes=3", "--log", "debug"])
        .variable("SKEP_BINDINGS__SESSION_TIMEOUT_S", "60")
        .file("rumqttd.toml", "\n[frontend.web.queues]\ngrace_ms = 7\n")
        .run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for line in [
        "data = \"/a\"   # --data",
        "router.lanes = 3   # --set",
        "log.filter = \"debug\"   # --log",
        "bindings.session_timeout_s = 60   # SKEP_BINDINGS__SESSION_TIMEOUT_S",
        "frontend.web.queues.grace_ms = 7   # rumqttd.toml:3",
        "frontend.web.role = \"frontend\"   # default",
        "# router.auth_salt is not set   # default",
    ] {
        assert!(ran.stdout.lines().any(|printed| printed == line), "no {line} in {}", ran.stdout);
    }
}

#[test]
fn check_shows_no_password_and_no_salt() {
    let ran = skep(&["check", "--set", "router.auth_salt=pepper"]).run();
    for secret in ["def456", "abc123", "ghi789", "pepper"] {
        assert!(!ran.stdout.contains(secret), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("router.auth_salt = \"***\"   # --set"));
}

#[test]
fn what_check_prints_is_a_settings_file() {
    let printed = skep(&["check", "--set", "frontend.frontend-1.users.\"a.b\".password=x"]).run().stdout;
    let again = skep(&["check", "--config", "printed.toml"]).file("printed.toml", &printed).run();
    assert_eq!(again.status, Some(0), "{again:?}");
    let settings = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split("   # ").next()).map(String::from).collect()
    };
    assert_eq!(settings(&printed), settings(&again.stdout));
}

#[test]
fn check_says_what_had_better_be_otherwise() {
    let file = "[admin]\nlisten = '0.0.0.0:18888'\ntoken = 'a-token-of-more-letters'\n\
                [backend.east.listeners.tcp]\nlisten = '127.0.0.1:1883'\n[backend.east.users.me]\npassword = 'hidden'\n";
    let ran = skep(&["check"]).file("rumqttd.toml", file).run();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for part in ["warning: backend.east.users.me.password (rumqttd.toml:7)", "warning: admin.listen: 0.0.0.0:18888"] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    assert!(!ran.stderr.contains("hidden"), "{ran:?}");
    let ran = skep(&["check"]).run();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn check_reports_everything_wrong_and_prints_nothing() {
    let ran = skep(&["check", "--set", "router.lanes=0", "--set", "nothing=1"]);
    ran.run().refused(1, &["2 settings can't be used", "router.lanes (--set)", "nothing (--set)"]);
}

#[test]
fn serve_refuses_the_same_settings_as_check() {
    for args in [&[][..], &["serve"]] {
        let set = ["--set", "backend.backend-1.listeners.tcp.listen=0.0.0.0:0"];
        let ran = skep(&[args, &set].concat()).run();
        ran.refused(1, &["a setting can't be used", "\"backend\" has a sample password"]);
    }
}

#[test]
fn the_file_is_the_named_one_or_else_the_usual_one() {
    let lanes = |skep: Skep| {
        let ran = skep
            .file("rumqttd.toml", "router.lanes = 11")
            .file("a.toml", "router.lanes = 12")
            .file("b.toml", "router.lanes = 13")
            .run();
        let line = ran.stdout.lines().find(|line| line.starts_with("router.lanes"));
        line.unwrap().to_owned()
    };
    assert_eq!(lanes(skep(&["check"])), "router.lanes = 11   # rumqttd.toml:1");
    let variable = skep(&["check"]).variable("SKEP_CONFIG", "a.toml");
    assert_eq!(lanes(variable), "router.lanes = 12   # a.toml:1");
    let option = skep(&["check", "--config", "b.toml"]).variable("SKEP_CONFIG", "a.toml");
    assert_eq!(lanes(option), "router.lanes = 13   # b.toml:1");
}

#[test]
fn a_named_file_has_to_be_there() {
    skep(&["check", "--config", "x.toml"]).run().refused(1, &["x.toml (--config): can't be read"]);
    let named = skep(&["check"]).variable("SKEP_CONFIG", "x.toml").run();
    named.refused(1, &["x.toml (SKEP_CONFIG): can't be read"]);
}
