//! The table of settings, the shipped file and the page agree.

use skep::bus::{Algorithm, ClientAuth};
use skep::config::{Config, Form, Key, Origin, settings};

use crate::given::file;

#[test]
fn the_table_of_settings_has_what_the_structs_have() {
    let mut config = Config::default();
    config.router.auth_salt = Some("salt".into());
    config.admin.token = Some("0123456789abcdef".into());
    for bus in config.backend.values_mut().chain(config.frontend.values_mut()) {
        bus.anonymous = bus.users.keys().next().cloned();
        bus.users_file = Some("users".into());
        for listener in bus.listeners.values_mut() {
            listener.tls.cert = Some("cert".into());
            listener.tls.key = Some("key".into());
            listener.tls.client_ca = Some("ca".into());
            listener.tls.client_auth = ClientAuth::Optional;
        }
        bus.jwt.key_file = Some("key".into());
        bus.jwt.algorithm = Some(Algorithm::ES256);
        bus.jwt.issuer = Some("issuer".into());
        bus.jwt.audience = Some("audience".into());
        bus.jwt.rules_from.clone_from(&bus.anonymous);
        bus.max_memory_bytes = Some(1);
        bus.connections.max_per_address = Some(1);
    }
    let table = toml::Table::try_from(&config).unwrap();
    // Both ways: what the structs have and the table doesn't is unknown, and
    // the other way round the entry lacks a value.
    config.check().unwrap();
    let mut missing: Vec<Key> = settings().into_iter().map(|(key, _)| key).collect();
    // Of the two, one at a time.
    missing.retain(|key| key.last() != "jwks_file");
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

const SHIPPED: &str = include_str!("../../rumqttd.toml");

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

const PAGE: &str = include_str!("../../docs/configuration.md");

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
fn the_file_on_the_page_about_authentication_can_be_used() {
    let page = include_str!("../../docs/authentication.md");
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert_eq!(blocks.len(), 1);
    let config = file(blocks[0]).config();
    assert!(config.frontend["frontend-1"].users.is_empty());
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
