//! Keeps sample passwords, anonymous access and an open admin listener away from
//! networks: what anybody can read in the documentation lets nobody in from
//! another machine.

use std::net::IpAddr;

use super::check::refuse;
use super::given::Given;
use super::key::Key;
use crate::bus::{Listener, Settings};

/// Reports the listeners of a bus that would let anybody in from outside.
pub(super) fn check(bus: &Key, settings: &Settings, given: &mut Given) {
    let samples = sample_passwords();
    for (name, listener) in &settings.listeners {
        if listener.allow_insecure || is_loopback(listener.listen.ip()) {
            continue;
        }
        let key = bus.child("listeners").child(name);
        for (user, rights) in &settings.users {
            if samples.contains(&rights.password) {
                let password = bus.child("users").child(user).child("password");
                let way = format!("user {user:?} has a sample password: give another as {password}");
                expose(&key, listener, &password, &way, given);
            }
        }
        if let Some(user) = &settings.anonymous {
            let anonymous = bus.child("anonymous");
            let way = format!("clients need no password ({anonymous} makes them user {user:?}): take that setting out");
            expose(&key, listener, &anonymous, &way, given);
        }
    }
}

fn expose(key: &Key, listener: &Listener, because: &Key, way: &str, given: &mut Given) {
    let switch = key.child("allow_insecure");
    let why = format!(
        "given \"{}\", which other machines can reach, while {way}; or listen on a loopback \
         address such as \"127.0.0.1:{}\", or accept the risk with {switch} = true",
        listener.listen,
        listener.listen.port(),
    );
    refuse(given, &key.child("listen"), &[because.clone(), switch], why);
}

/// Reports an admin listener that asks nobody outside for a token.
pub(super) fn check_admin(admin: &crate::admin::Settings, given: &mut Given) {
    if !admin.enabled || admin.token.is_some() || is_loopback(admin.listen.ip()) {
        return;
    }
    let key = Key::from(["admin"]);
    let token = key.child("token");
    let why = format!(
        "given \"{}\", which other machines can reach, while {token} is not set: give one, or listen on a \
         loopback address such as \"127.0.0.1:{}\"",
        admin.listen,
        admin.listen.port(),
    );
    refuse(given, &key.child("listen"), &[token, key.child("enabled")], why);
}

/// The passwords of the sample users, whoever has them.
fn sample_passwords() -> Vec<String> {
    let samples = [Settings::sample_backend(), Settings::sample_frontend()];
    let users = samples.into_iter().flat_map(|sample| sample.users.into_values());
    users.map(|user| user.password).collect()
}

fn is_loopback(address: IpAddr) -> bool {
    // An IPv4 address in IPv6 clothes is the IPv4 address.
    address.to_canonical().is_loopback()
}
