//! The settings file of a plan.

use std::fmt::Write as _;

use skep::bus::{Settings, User, hash_password};
use toml::Value;

use super::plan::{Plan, PlannedBus, Rights};

impl Plan {
    /// A whole `rumqttd.toml`, made from the files of these names.
    ///
    /// # Errors
    /// A password can't be hashed.
    pub fn text(&self, from: &[&str]) -> anyhow::Result<String> {
        let mut text = format!("# Made by `skep import beekeeper` from {}.\n", from.join(", "));
        text.push_str("# It has passwords in it. What it leaves out has the defaults of docs/configuration.md.\n");
        if !self.notes.is_empty() {
            text.push_str("#\n# To be seen to:\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "# - {note}");
        }
        for bus in &self.backends {
            bus.write("backend", &Settings::sample_backend(), &mut text)?;
        }
        if self.frontends.is_empty() {
            text.push_str("\n# No frontend: skep would have one of its own without this line.\n[frontend]\n");
        }
        for bus in &self.frontends {
            bus.write("frontend", &Settings::sample_frontend(), &mut text)?;
        }
        if self.salt.is_some() || self.shutdown_wait_ms.is_some() {
            text.push_str("\n[router]\n");
        }
        if let Some(salt) = &self.salt {
            let _ = writeln!(text, "auth_salt = {}", quoted(salt));
        }
        if let Some(ms) = self.shutdown_wait_ms {
            let _ = writeln!(text, "shutdown_wait_ms = {ms}");
        }
        if let Some(seconds) = self.session_timeout_s {
            let _ = write!(text, "\n[bindings]\nsession_timeout_s = {seconds}\n");
        }
        Ok(text)
    }
}

impl PlannedBus {
    fn write(&self, kind: &str, sample: &Settings, text: &mut String) -> anyhow::Result<()> {
        let bus = format!("{kind}.{}", key(&self.id));
        let _ = write!(text, "\n[{bus}]\nrole = {}\n", quoted(&self.role));
        if let Some(user) = &self.anonymous {
            let _ = writeln!(text, "anonymous = {}", quoted(user));
        }
        let _ = write!(text, "\n[{bus}.listeners.tcp]\nlisten = \"{}\"\n", self.tcp);
        if let Some(ws) = self.ws {
            let _ = write!(text, "\n[{bus}.listeners.ws]\nlisten = \"{ws}\"\n");
        }
        for user in &self.users {
            let (name, comment) = match user.rights {
                Rights::Router => {
                    ("router", "\n# For router workers, should you go back to them; skep itself needs none.")
                }
                Rights::OfItsBus => (kind, ""),
            };
            let rules = sample.users.get(name).cloned().unwrap_or_default();
            let User { publish, subscribe, .. } = rules;
            let name = key(&user.name);
            let _ = write!(text, "{comment}\n[{bus}.users.{name}]\n");
            let _ = match self.for_others && !user.has_sample_password() {
                false => writeln!(text, "password = {}", quoted(&user.password)),
                // A plain one would be refused as soon as others can connect.
                true => {
                    let hash = hash_password(user.password.as_bytes()).map_err(anyhow::Error::msg)?;
                    writeln!(text, "# The hash of the password that it had.\npassword = {}", quoted(&hash))
                }
            };
            let _ = writeln!(text, "publish = {}\nsubscribe = {}", Value::from(publish), Value::from(subscribe));
        }
        Ok(())
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if bare { name.to_owned() } else { quoted(name) }
}

/// A string of TOML on one line, also good as a key.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
