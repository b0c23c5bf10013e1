//! What no setting alone can tell: whether the settings go together.

use std::net::SocketAddr;

use super::Config;
use super::exposure;
use super::given::Given;
use super::key::Key;
use super::problem::{Fault, Origin, Problem};
use super::trust;
use crate::bus::Settings;

/// Adds everything that doesn't go together to `given.problems`.
pub(super) fn check(config: &Config, given: &mut Given) {
    let buses = buses(config);
    let backend = Key::from(["backend"]);
    if config.backend.is_empty() && !given.has_bad(&backend) {
        let why = "there is no backend for workers to connect to: give one as [backend.ID]";
        refuse(given, &backend, &[], why.to_owned());
    }
    names(config, given);
    let router = Key::from(["router"]);
    if config.router.presence.enabled && !config.router.enabled {
        let switch = router.child("enabled");
        let why = format!("given true, but it is the router that tells who is there, and {switch} is false");
        refuse(given, &router.child("presence").child("enabled"), &[switch], why);
    }
    for (key, bus) in &buses {
        members(key, bus, given);
        trust::check(key, bus, given);
        exposure::check(key, bus, given);
    }
    addresses(&buses, given);
}

/// Reports settings that don't go together, unless something else was already
/// said of `key` or of one of the `others` that the reason rests on.
pub(super) fn refuse(given: &mut Given, key: &Key, others: &[Key], why: String) {
    if given.is_bad(key) || others.iter().any(|other| given.is_bad(other)) {
        return;
    }
    let value = given.value(key).map(|(_, origin)| origin);
    let origin = value.or_else(|| given.table_origin(key)).cloned();
    let problem = Problem::new(key, &origin.unwrap_or(Origin::Default), Fault::Refused(why));
    given.problems.push(problem);
}

fn buses(config: &Config) -> Vec<(Key, &Settings)> {
    let backends = config.backend.iter().map(|(id, bus)| (Key::from(["backend", id]), bus));
    let frontends = config.frontend.iter().map(|(id, bus)| (Key::from(["frontend", id]), bus));
    backends.chain(frontends).collect()
}

/// Ids tell buses apart in logs and metrics, and roles tell the router which
/// way a message goes: neither may mean a backend and a frontend at once.
fn names(config: &Config, given: &mut Given) {
    for (id, frontend) in &config.frontend {
        let key = Key::from(["frontend", id]);
        if config.backend.contains_key(id) {
            let why = "a backend has the same id: every bus needs one of its own".to_owned();
            refuse(given, &key, &[Key::from(["backend", id])], why);
        }
        let role = &frontend.role;
        let mut backends = config.backend.iter();
        if let Some((other, _)) = backends.find(|(_, backend)| backend.role == *role) {
            let why = format!("{role:?} is the role of backend {other}: give this one another");
            refuse(given, &key.child("role"), &[Key::from(["backend", other, "role"])], why);
        }
    }
}

/// A bus needs a way in.
fn members(key: &Key, bus: &Settings, given: &mut Given) {
    let listeners = key.child("listeners");
    if bus.listeners.is_empty() && !given.has_bad(&listeners) {
        let why = "nobody can connect to a bus without a listener: leave this group out for the \
                   default ones, or give one as NAME.listen";
        refuse(given, &listeners, &[], why.to_owned());
    }
    let users = key.child("users");
    let others_come = bus.users_file.is_some() || bus.jwt.key_file.is_some() || bus.jwt.jwks_file.is_some();
    if bus.users.is_empty() && !others_come && !given.has_bad(&users) {
        let why = "nobody can log in to a bus without a user: leave this group out for the default \
                   ones, or give one as NAME.password";
        refuse(given, &users, &[], why.to_owned());
    }
    if let Some(name) = &bus.anonymous
        && !bus.users.contains_key(name)
        // Whom the file has is seen when it is read.
        && bus.users_file.is_none()
        && !given.is_bad(&users.child(name))
    {
        let known: Vec<&str> = bus.users.keys().map(String::as_str).collect();
        let why = format!(
            "given {name:?}, but it has to be a user of this bus, whose topic rules then hold; \
             there are: {}",
            known.join(", ")
        );
        refuse(given, &key.child("anonymous"), &[users], why);
    }
}

/// No two listeners can have one address.
fn addresses(buses: &[(Key, &Settings)], given: &mut Given) {
    let mut seen: Vec<(Key, SocketAddr)> = Vec::new();
    for (key, bus) in buses {
        for (name, listener) in &bus.listeners {
            let key = key.child("listeners").child(name).child("listen");
            let address = listener.listen;
            if let Some((other, theirs)) = seen.iter().find(|(_, seen)| collide(*seen, address)) {
                let why = format!(
                    "given \"{address}\", which {other} = \"{theirs}\" takes already: give each \
                     listener its own port, or port 0 for any free one"
                );
                refuse(given, &key, std::slice::from_ref(other), why);
            }
            seen.push((key, address));
        }
    }
}

/// True when the system refuses one of two addresses because of the other.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let covers = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_family && (a.ip() == b.ip() || covers)
}
