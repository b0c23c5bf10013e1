//! Whether the settings of TLS, users and tokens go together. Their files are
//! read later, by the buses.

use super::check::refuse;
use super::given::Given;
use super::key::Key;
use crate::bus::{ClientAuth, Jwt, Settings, Tls, check_stored};

pub(super) fn check(bus: &Key, settings: &Settings, given: &mut Given) {
    for (name, listener) in &settings.listeners {
        check_tls(&bus.child("listeners").child(name).child("tls"), &listener.tls, given);
    }
    for (name, user) in &settings.users {
        let key = bus.child("users").child(name).child("password");
        if let Err(error) = check_stored(&user.password) {
            refuse(given, &key, &[], error.to_string());
        }
    }
    check_jwt(bus, settings, given);
}

fn check_tls(key: &Key, tls: &Tls, given: &mut Given) {
    let (cert, private, ca) = (key.child("cert"), key.child("key"), key.child("client_ca"));
    let (auth, user_from_cn) = (key.child("client_auth"), key.child("user_from_cn"));
    let mut pair =
        |one: &Key, other: &Key| refuse(given, one, std::slice::from_ref(other), format!("needs {other} beside it"));
    match (&tls.cert, &tls.key) {
        (Some(_), None) => pair(&cert, &private),
        (None, Some(_)) => pair(&private, &cert),
        (None, None) => {
            let asks = tls.client_auth != ClientAuth::None;
            for (given_key, is_given) in
                [(&ca, tls.client_ca.is_some()), (&auth, asks), (&user_from_cn, tls.user_from_cn)]
            {
                if is_given {
                    refuse(
                        given,
                        given_key,
                        std::slice::from_ref(&cert),
                        format!("does nothing without TLS: needs {cert}"),
                    );
                }
            }
            return;
        }
        (Some(_), Some(_)) => {}
    }
    let unasked = || {
        format!("does nothing while no client is asked for a certificate: give {auth} as \"optional\" or \"required\"")
    };
    match (&tls.client_ca, tls.client_auth) {
        (Some(_), ClientAuth::None) => {
            refuse(given, &ca, std::slice::from_ref(&auth), unasked());
        }
        (None, ClientAuth::Optional | ClientAuth::Required) => {
            refuse(given, &auth, std::slice::from_ref(&ca), format!("needs {ca}: who signs certificates of clients"));
        }
        _ => {}
    }
    if tls.user_from_cn && tls.client_auth == ClientAuth::None {
        refuse(given, &user_from_cn, std::slice::from_ref(&auth), unasked());
    }
}

fn check_jwt(bus: &Key, settings: &Settings, given: &mut Given) {
    let Jwt { key_file, jwks_file, algorithm, issuer, audience, rules_from, .. } = &settings.jwt;
    let key = bus.child("jwt");
    let (single, set) = (key.child("key_file"), key.child("jwks_file"));
    match (key_file, jwks_file) {
        (Some(_), Some(_)) => {
            refuse(given, &set, std::slice::from_ref(&single), format!("can't be given beside {single}"))
        }
        (Some(_), None) if algorithm.is_none() => {
            let algorithm = key.child("algorithm");
            refuse(given, &single, std::slice::from_ref(&algorithm), format!("needs {algorithm}: what the key is for"));
        }
        (None, None) => {
            let others = [
                ("algorithm", algorithm.is_some()),
                ("issuer", issuer.is_some()),
                ("audience", audience.is_some()),
                ("rules_from", rules_from.is_some()),
            ];
            for (name, _) in others.iter().filter(|(_, is_given)| *is_given) {
                let why = format!("does nothing without a key: needs {single} or {set}");
                refuse(given, &key.child(name), &[single.clone(), set.clone()], why);
            }
        }
        _ => {}
    }
    let users = bus.child("users");
    if let Some(name) = rules_from
        && settings.users_file.is_none()
        && !settings.users.contains_key(name)
        && !given.is_bad(&users.child(name))
    {
        let known: Vec<&str> = settings.users.keys().map(String::as_str).collect();
        let why = format!("given {name:?}, but it has to be a user of this bus; there are: {}", known.join(", "));
        refuse(given, &key.child("rules_from"), &[users], why);
    }
}
