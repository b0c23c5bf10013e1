//! Settings that are unknown, of the wrong form, or out of range.

use skep::config::Origin;

use crate::given::{file, layers, says};

#[test]
fn an_unknown_setting_says_where_it_is_and_what_was_meant() {
    let problem = file("[router]\n\nlane = 3\n").problem();
    says(&problem, &["router.lane (my.toml:3)", "did you mean router.lanes?", "auth_salt"]);
    let problem = layers().set("bridge.x=1").problem();
    says(&problem, &["bridge (--set)", "there are: data, ", "frontend, "]);
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
