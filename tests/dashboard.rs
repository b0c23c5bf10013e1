//! The dashboard in a real browser, before a real skep with real clients.

#[path = "foreign/program.rs"]
#[allow(dead_code, reason = "of foreign programs, only those for Node are needed here")]
mod program;
#[allow(unused_imports, reason = "of what the tests share, only instances are needed here")]
mod support;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use program::{chromium, node};
use skep::Kind;
use skep::bus::Transport;
use skep::config::Config;
use support::Instance;

/// One browser at a time is all that some machines have room for.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a claim of `dashboard.mjs`.
fn operator(claim: &str, change: impl FnOnce(&mut Config)) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut token = None;
    let skep = Instance::start_with(|config| {
        change(config);
        token.clone_from(&config.admin.token);
    });
    let admin = skep.skep().admin().expect("an admin listener").url();
    let backend = format!("mqtt://{}", skep.address(Kind::Backend, Transport::Tcp));
    let frontend = format!("mqtt://{}", skep.address(Kind::Frontend, Transport::Tcp));
    let mut environment = vec![
        ("SKEP_ADMIN", &*admin),
        ("SKEP_BACKEND", &*backend),
        ("SKEP_FRONTEND", &*frontend),
        ("SKEP_CHROMIUM", chromium()),
        ("SKEP_BINARY", env!("CARGO_BIN_EXE_skep")),
    ];
    environment.extend(token.as_deref().map(|token| ("SKEP_TOKEN", token)));
    node("dashboard.mjs", claim, &environment);
    skep.stop();
}

#[test]
fn what_the_page_shows_is_what_the_listener_says() {
    operator("figures", |_| {});
}

#[test]
fn what_the_page_shows_is_what_the_metrics_say() {
    operator("metrics", |config| {
        // A request is an error once two workers died with it.
        let backend = config.backend.get_mut("backend-1").expect("the backend of the settings");
        backend.queues.max_deaths = 2;
    });
}

#[test]
fn a_service_that_is_behind_is_seen_at_a_glance() {
    operator("behind", |config| config.router.shutdown_wait_ms = 50);
}

#[test]
fn a_kick_disconnects_the_client_and_no_other() {
    operator("kicks", |_| {});
}

#[test]
fn a_keyboard_is_enough() {
    operator("keyboard", |_| {});
}

#[test]
fn unbinding_takes_the_authorization_from_a_device_and_from_all_of_an_address() {
    operator("unbinds", |_| {});
}

#[test]
fn a_client_with_a_session_is_unbound_from_its_row_and_stays_connected() {
    operator("unbindsaclient", |_| {});
}

#[test]
fn a_long_list_is_turned_over_by_keyboard() {
    operator("pages", |_| {});
}

#[test]
fn what_clients_choose_stays_text() {
    operator("hostile", |_| {});
}

#[test]
fn a_phone_shows_all_without_scrolling_sideways() {
    operator("phone", |_| {});
}

#[test]
fn it_is_readable_in_the_dark_and_in_the_light() {
    operator("dark", |_| {});
}

#[test]
fn a_token_is_asked_for_and_kept_by_the_tab_alone() {
    operator("token", |config| config.admin.token = Some("a-token-that-nobody-guesses".into()));
}

#[test]
fn a_lost_connection_is_said_and_comes_back() {
    operator("lost", |_| {});
}

#[test]
fn a_screen_reader_hears_names_and_no_chatter() {
    operator("spoken", |_| {});
}

#[test]
fn the_console_makes_a_call_and_shows_the_answer() {
    operator("calls", |_| {});
}

#[test]
fn an_address_that_names_no_view_shows_the_first() {
    operator("addresses", |_| {});
}

#[test]
fn charts_go_on_when_the_clock_was_set_back() {
    operator("clock", |_| {});
}

#[test]
fn a_denial_is_shown_with_its_reason() {
    operator("denials", |_| {});
}

/// Where the programs are.
fn foreign() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign")
}
