//! What a file replaces, and what `--set` refines.

use skep::bus::Transport;
use skep::config::Config;

use crate::given::{file, layers, names};

#[test]
fn a_file_that_names_a_bus_replaces_the_default_ones_of_its_kind() {
    let config = file("[backend.east]\n[backend.west.listeners.tcp]\nlisten = \"127.0.0.1:0\"").config();
    assert_eq!(names(&config.backend), ["east", "west"]);
    assert_eq!(names(&config.frontend), ["frontend-1"]);
}

#[test]
fn a_named_bus_starts_from_the_default_one_of_its_kind() {
    let config = file("[backend.b]\n[frontend.f.queues]\ngrace_ms = 1").config();
    assert_eq!(config.backend["b"], Config::default().backend["backend-1"]);
    let mut expected = Config::default().frontend["frontend-1"].clone();
    expected.queues.grace_ms = 1;
    assert_eq!(config.frontend["f"], expected);
}

#[test]
fn a_file_that_names_a_listener_replaces_the_default_ones_of_that_bus() {
    let config = file("[frontend.f.listeners.mine]\nlisten = \"127.0.0.1:7\"").config();
    assert_eq!(names(&config.frontend["f"].listeners), ["mine"]);
    assert_eq!(config.frontend["f"].listeners["mine"].transport, Transport::Tcp);
    assert_eq!(names(&config.frontend["f"].users), ["frontend", "router"]);
}

#[test]
fn a_file_that_names_a_user_takes_the_sample_users_out() {
    let config = file("[frontend.f.users.web]\npassword = \"mine\"").config();
    assert_eq!(names(&config.frontend["f"].users), ["web"]);
}

#[test]
fn a_user_without_rules_has_the_recommended_ones_of_its_kind_of_bus() {
    let text = "[frontend.f.users]\nweb.password = \"x\"\nrouter.password = \"y\"\n\
                [backend.b.users]\nworker.password = \"z\"";
    let config = file(text).config();
    let frontend = &Config::default().frontend["frontend-1"].users;
    let web = &config.frontend["f"].users["web"];
    assert_eq!((&web.publish, &web.subscribe), (&frontend["frontend"].publish, &frontend["frontend"].subscribe));
    assert_eq!(config.frontend["f"].users["router"].publish, frontend["router"].publish);
    let worker = &config.backend["b"].users["worker"];
    assert_eq!(worker.publish, Config::default().backend["backend-1"].users["backend"].publish);
}

#[test]
fn a_user_with_one_list_of_rules_may_nothing_else() {
    let text = "[backend.b.users.backend]\npassword = \"x\"\nsubscribe = [\"log/#\"]";
    let user = file(text).config().backend["b"].users["backend"].clone();
    assert_eq!(user.subscribe, ["log/#"]);
    assert!(user.publish.is_empty());
}

#[test]
fn a_listener_named_ws_is_a_websocket_one_on_any_bus() {
    let text = "[backend.b.listeners]\nws.listen = \"127.0.0.1:0\"\ntcp.listen = \"127.0.0.1:0\"";
    let listeners = file(text).config().backend["b"].listeners.clone();
    assert_eq!(listeners["ws"].transport, Transport::Ws);
    assert_eq!(listeners["tcp"].transport, Transport::Tcp);
}

#[test]
fn an_empty_group_means_none() {
    assert!(file("[frontend]").config().frontend.is_empty());
}

#[test]
fn set_refines_what_is_there_and_adds_what_is_not() {
    let config = layers()
        .set("frontend.frontend-1.listeners.ws.listen=127.0.0.1:0")
        .set("frontend.frontend-1.users.web.password=123456")
        .set("frontend.partners.role=partners")
        .set("frontend.partners.listeners.tcp.listen=\"127.0.0.1:0\"")
        .set("frontend.partners.listeners.ws.listen=127.0.0.1:0")
        .config();
    let frontend = &config.frontend["frontend-1"];
    assert_eq!(frontend.listeners["ws"].listen.port(), 0);
    assert_eq!(frontend.listeners["tcp"].listen.port(), 11883);
    assert_eq!(names(&frontend.users), ["frontend", "router", "web"]);
    assert_eq!(frontend.users["web"].password, "123456");
    assert_eq!(names(&config.frontend), ["frontend-1", "partners"]);
}

#[test]
fn set_takes_lists_and_whole_groups_as_toml() {
    let config = layers()
        .set("backend.backend-1.users={\"a.b\"={password=\"x\",publish=[],subscribe=['log/#']}}")
        .set("backend.backend-1.users.\"a.b\".publish=['msg/#', 'req/#']")
        .config();
    let user = &config.backend["backend-1"].users["a.b"];
    assert_eq!(user.publish, ["msg/#", "req/#"]);
    assert_eq!(user.subscribe, ["log/#"]);
}
