//! What its owner can set of the admin listener.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Off: nobody is told how skep is.
    pub enabled: bool,
    /// Address and port; port 0 lets the system choose one.
    pub listen: SocketAddr,
    /// What callers have to send as `Authorization: Bearer TOKEN`; needed as
    /// soon as `listen` is not a loopback address.
    pub token: Option<String>,
    /// Names, beside `localhost` and IP addresses, that a request's Host header
    /// may have: others are what a page does that has its own name resolve to
    /// this machine.
    pub hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 18888)),
            token: None,
            hosts: Vec::new(),
        }
    }
}
