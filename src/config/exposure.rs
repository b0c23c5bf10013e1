//! Keeps sample passwords, plain passwords in files and anonymous access away
//! from networks: what anybody can read in the documentation, or somebody in a
//! file, lets nobody in from another machine.

use super::check::refuse;
use super::given::Given;
use super::key::Key;
use super::problem::Origin;
use crate::bus::{Listener, SAMPLE_PASSWORDS, Settings, is_hash};

/// Reports the listeners of a bus that would let anybody in from outside.
pub(super) fn check(bus: &Key, settings: &Settings, given: &mut Given) {
    let exposed = settings.listeners.iter().filter(|(_, listener)| listener.is_exposed());
    for (name, listener) in exposed {
        let key = bus.child("listeners").child(name);
        for (user, rights) in &settings.users {
            let password = bus.child("users").child(user).child("password");
            if SAMPLE_PASSWORDS.contains(&rights.password.as_str()) {
                let way = format!("user {user:?} has a sample password: give another as {password}");
                expose(&key, listener, &password, &way, given);
            } else if !is_hash(&rights.password)
                // Whose password nobody needs is told of below.
                && settings.anonymous.as_ref() != Some(user)
                && let Some(place) = written_down(&password, given)
            {
                let way = format!(
                    "the password of user {user:?} can be read in {place}: give its hash as {password}, which \
                     \"skep user hash\" makes, or have the user in a users_file"
                );
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

/// Where the value of a setting stays to be read: in a file, or in the list of
/// processes. A variable or a program keeps it to itself.
fn written_down(key: &Key, given: &Given) -> Option<String> {
    match given.value(key) {
        Some((_, Origin::File { path, .. })) => Some(path.clone()),
        Some((_, Origin::Flag(flag))) => Some((*flag).to_owned()),
        _ => None,
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
