//! What the layers of settings add up to, and what is said of wrong ones.

use std::path::Path;

use skep::bus::Transport;
use skep::config::{Assignment, Config, Effective, Form, Invalid, Key, Origin, Sources, settings};
use tempfile::TempDir;

/// Layers to load, from a file in a directory of their own.
struct Layers {
    dir: TempDir,
    sources: Sources,
}

fn layers() -> Layers {
    Layers { dir: tempfile::tempdir().unwrap(), sources: Sources::default() }
}

fn file(text: &str) -> Layers {
    let mut layers = layers();
    let path = layers.dir.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    layers.sources.file = Some((path, Origin::Flag("--config")));
    layers
}

impl Layers {
    fn variable(mut self, name: &str, value: &str) -> Layers {
        self.sources.variables.push((name.into(), value.into()));
        self
    }

    fn set(mut self, assignment: &str) -> Layers {
        self.sources.flags.push(("--set", assignment.parse().unwrap()));
        self
    }

    fn load(&self) -> Result<Effective, Invalid> {
        self.sources.load()
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|invalid| panic!("{invalid}")).config
    }

    /// The problems as they are printed, the file's directory taken out.
    fn problems(&self) -> Vec<String> {
        let invalid = self.load().expect_err("these settings can't be used");
        let dir = format!("{}/", self.dir.path().display());
        invalid.problems.iter().map(|problem| problem.to_string().replace(&dir, "")).collect()
    }

    /// The only problem.
    #[track_caller]
    fn problem(&self) -> String {
        let problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].clone()
    }
}

#[track_caller]
fn says(problem: &str, parts: &[&str]) {
    for part in parts {
        assert!(problem.contains(part), "{part:?} is not in: {problem}");
    }
}

fn names<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

// Layers

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

// What a file replaces

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

// --set

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

// Variables

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

// Wrong settings

#[test]
fn an_unknown_setting_says_where_it_is_and_what_was_meant() {
    let problem = file("[router]\n\nlane = 3\n").problem();
    says(&problem, &["router.lane (my.toml:3)", "did you mean router.lanes?", "auth_salt"]);
    let problem = layers().set("bridge.x=1").problem();
    says(&problem, &["bridge (--set)", "there are: data, backend, frontend, router, bindings, log"]);
}

#[test]
fn a_setting_in_the_wrong_group_says_which_is_the_right_one() {
    let problem = layers().set("frontend.frontend-1.max_payload_size=1").problem();
    says(&problem, &["did you mean frontend.frontend-1.connections.max_payload_size?"]);
    let problem = layers().set("router.max_connections=1").problem();
    says(&problem, &["backend.ID.connections.max_connections or frontend.ID.connections"]);
}

#[test]
fn a_wrong_value_says_what_was_given_and_what_is_allowed() {
    let cases = [
        ("router.lanes=0", "given 0, but it has to be a whole number of lanes from 1 to 255"),
        ("router.lanes=256", "given 256"),
        ("router.lanes=two", "given \"two\""),
        ("router.lanes=2.5", "given 2.5"),
        ("router={lanes=[2]}", "given [2]"),
        ("router.lanes={a=1}", "given { a = 1 }"),
        ("router=2", "given 2, but it is a group of settings: enabled, lanes, auth_salt"),
        ("log.format=xml", "given \"xml\", but it has to be \"auto\" or \"human\" or \"json\""),
        ("log.filter=skep=loud", "such as \"info\""),
        ("data=", "the path of a directory"),
        ("bindings.session_timeout_s=0", "a whole number of s from 1"),
        ("frontend.frontend-1.connections.max_payload_size=0", "of bytes from 1 to 268435460"),
        ("frontend.frontend-1.connections.max_payload_size=268435461", "given 268435461"),
        ("frontend.frontend-1.connections.max_inflight_count=0", "from 1 to 65535"),
        ("frontend.frontend-1.queues.max_messages=0", "a whole number of messages, 1 or more"),
        ("frontend.frontend-1.topics.max_segment_size=1023", "1024 or more"),
        ("frontend.frontend-1.topics.engine=hub", "\"tree\" or \"rumqttd\""),
        ("frontend.frontend-1.listeners.tcp.listen=localhost:1883", "an IP address and a port"),
        ("frontend.frontend-1.listeners.tcp.listen=127.0.0.1:65536", "an IP address and a port"),
        ("frontend.frontend-1.listeners.tcp.listen=127.0.0.1", "an IP address and a port"),
        ("frontend.frontend-1.listeners.tcp.transport=tls", "\"tcp\" or \"ws\""),
        ("frontend.frontend-1.listeners.tcp.allow_insecure=yes", "true or false"),
        ("frontend.frontend-1.role=_internal", "beginning with a letter or a digit"),
        ("frontend.frontend-1.role=a/b", "beginning with a letter or a digit"),
        ("frontend.frontend-1.users.frontend.publish=req/#", "a list of topic patterns"),
        ("frontend.frontend-1.users.frontend.publish=[1]", "a list of topic patterns"),
        ("frontend.frontend-1.users.frontend.publish=['a/#/b']", "\"#\" has to be the whole last"),
        ("frontend.frontend-1.users.frontend.subscribe=['priv/x%c']", "a whole level"),
        ("frontend.frontend-1.users.frontend.subscribe=['$share/a/b']", "leave out"),
        ("frontend.\"a b\".role=x", "is not a name for a bus"),
        ("frontend.\"ä\".role=x", "is not a name for a bus"),
        ("frontend.frontend-1.listeners.\"a.b\".listen='127.0.0.1:0'", "is not a name for a listener"),
        ("frontend.frontend-1.users.\"a/b\".password=x", "is not a name for a user"),
    ];
    for (assignment, expected) in cases {
        let problem = layers().set(assignment).problem();
        says(&problem, &["(--set)", expected]);
    }
}

#[test]
fn limits_take_their_whole_range() {
    for good in [
        "router.lanes=1",
        "router.lanes=255",
        "frontend.frontend-1.connections.max_payload_size=1",
        "frontend.frontend-1.connections.max_payload_size=268435460",
        "frontend.frontend-1.connections.max_inflight_count=65535",
        "frontend.frontend-1.sessions.max_expiry_s=4294967295",
        "frontend.frontend-1.queues.max_bytes=9223372036854775807",
        "frontend.frontend-1.queues.max_deaths=4294967295",
        "frontend.frontend-1.users.frontend.publish=[]",
        "frontend.frontend-1.role=0-x_y",
    ] {
        layers().set(good).config();
    }
}

#[test]
fn everything_wrong_is_reported_at_once_in_the_order_of_the_text() {
    let text = "[router]\nlanes = 0\nfoo = 1\n\
                [log]\nformat = \"xml\"\n\
                [frontend.f]\nanonymous = \"nobody\"\n\
                [backend.b.users.x]\n";
    let problems = file(text).set("data=1").set("bindings.session_timeout_s=-1").problems();
    let expected = [
        "router.lanes (my.toml:2)",
        "router.foo (my.toml:3)",
        "log.format (my.toml:5)",
        "bindings.session_timeout_s (--set)",
        "backend.b.users.x.password (my.toml:8)",
        "frontend.f.anonymous (my.toml:7)",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        says(problem, &[expected]);
    }
}

#[test]
fn text_that_is_not_toml_says_in_which_line() {
    let problem = file("[router]\nlanes = = 3\n").problem();
    says(&problem, &["my.toml:2", "is not TOML"]);
    let problem = file("[router]\nlanes = 3\nlanes = 4\n").problem();
    says(&problem, &["my.toml:3", "is not TOML", "duplicate key"]);
}

#[test]
fn a_file_that_is_not_there_says_who_named_it() {
    let mut layers = layers();
    let path = layers.dir.path().join("none.toml");
    layers.sources.file = Some((path, Origin::Flag("--config")));
    says(&layers.problem(), &["none.toml (--config): can't be read"]);
}

#[test]
fn a_wrong_password_is_not_shown() {
    let problem = file("[backend.b.users]\nx.password = [\"s3cret\"]").problem();
    says(&problem, &["backend.b.users.x.password", "a TOML array"]);
    assert!(!problem.contains("s3cret"));
    let problem = file("router.auth_salt = 918273").problem();
    says(&problem, &["router.auth_salt", "a TOML integer"]);
    assert!(!problem.contains("918273"));
}

// What has to go together

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

// Addresses that others can reach

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

// Settings that a program made

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

// The table of settings, the shipped file and the documentation

#[test]
fn the_table_of_settings_has_what_the_structs_have() {
    let mut config = Config::default();
    config.router.auth_salt = Some("salt".into());
    for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
        bus.anonymous = bus.users.keys().next().cloned();
    }
    let table = toml::Table::try_from(&config).unwrap();
    // Both ways: what the structs have and the table doesn't is unknown, and
    // the other way round the entry lacks a value.
    config.check().unwrap();
    let mut missing: Vec<Key> = settings().into_iter().map(|(key, _)| key).collect();
    missing.retain(|key| !has(&table, key.levels()));
    assert_eq!(missing, []);
}

/// Looks for a key in which capitals stand for any name.
fn has(table: &toml::Table, levels: &[String]) -> bool {
    let Some((level, rest)) = levels.split_first() else {
        return true;
    };
    let mut fitting = table.iter().filter(|(name, _)| is_placeholder(level) || *name == level);
    fitting.any(|(_, value)| match value.as_table() {
        Some(inner) => has(inner, rest),
        None => rest.is_empty(),
    })
}

fn is_placeholder(level: &str) -> bool {
    ["ID", "NAME", "USER"].contains(&level)
}

const SHIPPED: &str = include_str!("../rumqttd.toml");

#[test]
fn the_shipped_file_says_what_holds_without_it() {
    assert_eq!(file(SHIPPED).config(), Config::default());
}

#[test]
fn the_shipped_file_has_every_setting_with_a_comment() {
    for (key, _) in settings() {
        let name = format!("{} = ", key.last());
        let line = SHIPPED.lines().position(|line| line.trim_start_matches("# ").starts_with(&name));
        let line = line.unwrap_or_else(|| panic!("{key} is not in rumqttd.toml"));
        // A comment explains one setting or the few that follow it closely.
        let mut above = SHIPPED.lines().take(line).collect::<Vec<_>>();
        above.reverse();
        let near = above.iter().take(3).take_while(|line| !line.is_empty());
        assert!(near.into_iter().any(|line| line.starts_with("# ")), "{key} has no comment");
    }
}

const PAGE: &str = include_str!("../docs/configuration.md");

/// The cells of the page's tables whose first column is a key.
fn documented() -> Vec<(Key, Vec<String>)> {
    let mut rows = Vec::new();
    let mut prefixes: &[&str] = &[];
    for line in PAGE.lines() {
        if line.starts_with("| key | default |") {
            prefixes = &[""];
        } else if line.starts_with("| key | backend | frontend |") {
            prefixes = &["backend.ID.", "frontend.ID."];
        } else if !line.starts_with('|') {
            prefixes = &[];
        } else if line.starts_with("| `") {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
            for (i, prefix) in prefixes.iter().enumerate() {
                let key = format!("{prefix}{}", cells[1].trim_matches('`'));
                let levels: Vec<String> = key.split('.').map(String::from).collect();
                let unit = cells[2 + prefixes.len()].clone();
                rows.push((levels.into(), vec![cells[2 + i].clone(), unit]));
            }
        }
    }
    rows
}

#[test]
fn the_page_has_every_setting_with_its_default_and_unit() {
    // Things with names that no default one has, so that only the rules tell
    // what they start from.
    let text = "[backend.ID.listeners.NAME]\nlisten = \"127.0.0.1:0\"\n\
                [frontend.ID-f.listeners.NAME]\nlisten = \"127.0.0.1:0\"\n\
                [backend.ID.users.USER]\npassword = \"x\"\n\
                [frontend.ID-f.users.USER]\npassword = \"x\"\n";
    let effective = file(text).load().unwrap_or_else(|invalid| panic!("{invalid}"));
    let documented = documented();
    for (key, form) in settings() {
        let rows: Vec<_> = documented.iter().filter(|(known, _)| *known == key).collect();
        assert_eq!(rows.len(), 1, "{key} is in {} rows of the page", rows.len());
        let [default, unit] = &rows[0].1[..] else { panic!("{key} has no unit") };
        let entry =
            effective.entries.iter().find(|entry| entry.key.to_string().replace("ID-f", "ID") == key.to_string());
        let entry = entry.unwrap_or_else(|| panic!("{key} is not in force"));
        let expected = match (&entry.value, &entry.origin) {
            (None, _) => "not set".to_owned(),
            (Some(value), Origin::Default) => format!("`{value}`"),
            (Some(_), _) => "must be given".to_owned(),
        };
        assert_eq!(*default, expected, "{key}");
        if let Form::Whole { unit: real, .. } = form {
            assert_eq!(unit, real, "{key}");
        }
    }
    assert_eq!(documented.len(), settings().len(), "the page has settings that don't exist");
}

#[test]
fn the_files_on_the_page_can_be_used() {
    let blocks: Vec<&str> = PAGE.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        file(block).config();
    }
}

#[test]
fn the_default_buses_are_on_the_page() {
    for bus in Config::default().backend.values().chain(Config::default().frontend.values()) {
        for listener in bus.listeners.values() {
            assert!(PAGE.contains(&format!("| {} |", listener.listen)));
        }
        for (name, user) in &bus.users {
            let (publish, subscribe) = (user.publish.join(" "), user.subscribe.join(" "));
            let row = format!("| `{name}` | `{}` | `{publish}` | `{subscribe}` |", user.password);
            assert!(PAGE.contains(&row), "{row}");
        }
    }
}

#[test]
fn an_assignment_made_by_a_program_is_taken_as_it_is() {
    let mut layers = layers();
    let assignment = Assignment::new(&["data"], "12");
    layers.sources.flags.push(("--data", assignment));
    assert_eq!(layers.config().data, Path::new("12"));
}
