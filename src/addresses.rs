//! How a running skep is reached: listeners by bus, and who may log in, in the
//! forms that other programs take in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::bus::{Settings, Transport, is_hash};
use crate::client::Options;
use crate::config::Config;
use crate::{Bound, Kind, Skep};

/// How the buses of one skep are reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    backends: Vec<Bus>,
    frontends: Vec<Bus>,
    /// Where the bindings are; `None` if they are not on disk.
    data: Option<PathBuf>,
    /// skep routes, so that nobody has to log in as an outside router.
    routes: bool,
    /// URL of the admin listener, and the token that it asks for.
    admin: Option<String>,
    token: Option<String>,
    lanes: u8,
    /// Users are known with their passwords.
    shows_passwords: bool,
}

#[derive(Clone, Debug)]
struct Bus {
    id: String,
    kind: Kind,
    role: String,
    /// What the router's token is made from; of backends only.
    salt: String,
    /// Password by user.
    users: BTreeMap<String, String>,
    listeners: Vec<Bound>,
}

/// A user of a bus and its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    pub user: &'a str,
    pub password: &'a str,
}

/// One listener, as the ready line has it.
#[derive(Serialize)]
struct Listener<'a> {
    transport: Transport,
    url: String,
    host: String,
    port: u16,
    #[serde(skip)]
    name: &'a str,
}

/// Users whose password can be told; of the others there is a hash only.
fn known_passwords(settings: &Settings) -> BTreeMap<String, String> {
    let plain = settings.users.iter().filter(|(_, user)| !is_hash(&user.password));
    plain.map(|(name, user)| (name.clone(), user.password.clone())).collect()
}

impl Addresses {
    /// Of a skep that was started with `config`.
    pub fn new(config: &Config, skep: &Skep) -> Addresses {
        let listeners = skep.listeners();
        let bus = |kind: Kind, id: &String, settings: &Settings| Bus {
            id: id.clone(),
            kind,
            role: settings.role.clone(),
            salt: config.router.salt(id).to_owned(),
            users: known_passwords(settings),
            listeners: listeners.iter().filter(|bound| bound.bus == *id).cloned().collect(),
        };
        Addresses {
            backends: config.backend.iter().map(|(id, settings)| bus(Kind::Backend, id, settings)).collect(),
            frontends: config.frontend.iter().map(|(id, settings)| bus(Kind::Frontend, id, settings)).collect(),
            data: config.bindings.persist.then(|| config.data.clone()),
            routes: config.router.enabled,
            admin: skep.admin().map(Admin::url),
            token: config.admin.token.clone(),
            lanes: config.router.lanes,
            shows_passwords: true,
        }
    }

    /// Leaves passwords out of everything.
    pub fn without_passwords(mut self) -> Addresses {
        self.shows_passwords = false;
        self
    }

    /// URL of the first bus of that kind over that transport, such as
    /// `mqtt://127.0.0.1:1883`.
    pub fn url(&self, kind: Kind, transport: Transport) -> Option<String> {
        let mut listeners = self.buses(kind).iter().flat_map(|bus| &bus.listeners);
        listeners.find(|bound| bound.transport == transport).map(Bound::url)
    }

    /// URL of the admin listener.
    pub fn admin_url(&self) -> Option<&str> {
        self.admin.as_deref()
    }

    /// Who a program logs in as on the first bus of that kind: the user named
    /// like the sample one, else the first.
    pub fn credentials(&self, kind: Kind) -> Option<Credentials<'_>> {
        self.buses(kind).first()?.credentials(true)
    }

    /// Options of a client of the first bus of a kind, with all that both sides
    /// have to agree on.
    pub(crate) fn complete(&self, options: Options) -> Options {
        let mut options = options.lanes(self.lanes);
        if let Some(backend) = self.backends.first() {
            options = options.backend_role(&backend.role).auth_salt(&backend.salt);
        }
        match self.frontends.first() {
            Some(frontend) => options.frontend_role(&frontend.role),
            None => options,
        }
    }

    fn buses(&self, kind: Kind) -> &[Bus] {
        match kind {
            Kind::Backend => &self.backends,
            Kind::Frontend => &self.frontends,
        }
    }

    /// The environment variables that tell a program of the first backend and
    /// the first frontend. `SKEP_URL`, `SKEP_USER` and `SKEP_PASSWORD` are those
    /// of the frontend, for `skep call`.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        let mut add = |name, value: Option<String>| variables.extend(value.map(|value| (name, value)));
        let user = |kind| self.credentials(kind).map(|credentials| credentials.user.to_owned());
        let password = |kind| {
            let shown = self.credentials(kind).filter(|_| self.shows_passwords);
            shown.map(|credentials| credentials.password.to_owned())
        };
        let frontend = self.url(Kind::Frontend, Transport::Tcp);
        let websocket = self.url(Kind::Frontend, Transport::Ws);
        add("SKEP_BACKEND_URL", self.url(Kind::Backend, Transport::Tcp));
        add("SKEP_BACKEND_USER", user(Kind::Backend));
        add("SKEP_BACKEND_PASSWORD", password(Kind::Backend));
        add("SKEP_URL", frontend.clone().or_else(|| websocket.clone()));
        add("SKEP_USER", user(Kind::Frontend));
        add("SKEP_PASSWORD", password(Kind::Frontend));
        add("SKEP_FRONTEND_URL", frontend);
        add("SKEP_FRONTEND_WS_URL", websocket);
        add("SKEP_FRONTEND_USER", user(Kind::Frontend));
        add("SKEP_FRONTEND_PASSWORD", password(Kind::Frontend));
        add("SKEP_ADMIN_URL", self.admin.clone());
        add("SKEP_ADMIN_TOKEN", self.token.clone().filter(|_| self.admin.is_some() && self.shows_passwords));
        variables
    }

    /// What a start has to say, for programs: everything there is to connect
    /// to, and the process.
    pub fn ready(&self) -> Value {
        let kind = |kind| -> Value {
            self.buses(kind).iter().map(|bus| (bus.id.clone(), bus.ready(self.shows_passwords))).collect()
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "data": self.data,
            "backend": kind(Kind::Backend),
            "frontend": kind(Kind::Frontend),
            "admin": self.admin.as_ref().map(|url| json!({ "url": url })),
            "environment": self.variables().into_iter().collect::<BTreeMap<_, _>>(),
        })
    }

    /// The content of a Beekeeper `bus.config.json`. A frontend's login there is
    /// the outside router's if there has to be one, else a client's.
    pub fn bus_config(&self) -> Value {
        let first = self.backends.first().map(|bus| bus.id.as_str());
        let buses = self.backends.iter().chain(&self.frontends);
        buses.filter_map(|bus| bus.bus_config(self.routes, Some(bus.id.as_str()) == first)).collect()
    }
}

impl Bus {
    /// `routed`: nobody has to be an outside router.
    fn credentials(&self, routed: bool) -> Option<Credentials<'_>> {
        let usual = match (self.kind, routed) {
            (Kind::Backend, _) => "backend",
            (Kind::Frontend, true) => "frontend",
            (Kind::Frontend, false) => "router",
        };
        let (user, password) = self.users.get_key_value(usual).or_else(|| self.users.iter().next())?;
        Some(Credentials { user, password })
    }

    fn ready(&self, with_passwords: bool) -> Value {
        let users: BTreeMap<_, _> =
            self.users.iter().map(|(name, password)| (name, with_passwords.then_some(password))).collect();
        let listeners: BTreeMap<_, _> = self.listeners.iter().map(Listener::of).map(|l| (l.name, l)).collect();
        json!({ "role": self.role, "listeners": listeners, "users": users })
    }

    /// `None` for a bus that takes no plain TCP, which is all that Beekeeper speaks.
    fn bus_config(&self, routed: bool, default: bool) -> Option<Value> {
        let listener = self.listeners.iter().find(|bound| bound.transport == Transport::Tcp)?;
        let Credentials { user, password } = self.credentials(routed)?;
        let mut entry = json!({
            "bus_id": self.id,
            "bus_role": self.role,
            "host": listener.address.ip().to_string(),
            "port": listener.address.port(),
            "username": user,
            "password": password,
        });
        if self.kind == Kind::Backend {
            entry["auth_salt"] = json!(self.salt);
        }
        if default {
            entry["default"] = json!(1);
        }
        Some(entry)
    }
}

impl Listener<'_> {
    fn of(bound: &Bound) -> Listener<'_> {
        let (host, port) = (bound.address.ip().to_string(), bound.address.port());
        Listener { transport: bound.transport, url: bound.url(), host, port, name: &bound.name }
    }
}
