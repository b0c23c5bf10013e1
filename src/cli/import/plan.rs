//! What of the framework's configuration becomes of skep's, and what can't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use skep::bus::SAMPLE_PASSWORDS;

use super::files::{Bus, Files, RouterPool};

/// Where browsers connect usually.
const WEBSOCKET_PORT: u16 = 18080;
/// Where a frontend goes whose port a backend has.
const FRONTEND_PORT: u16 = 11883;

/// The settings to be written.
pub struct Plan {
    pub backends: Vec<PlannedBus>,
    pub frontends: Vec<PlannedBus>,
    pub salt: Option<String>,
    pub session_timeout_s: Option<u64>,
    pub shutdown_wait_ms: Option<u64>,
    /// What its owner has to know or do.
    pub notes: Vec<String>,
}

pub struct PlannedBus {
    pub id: String,
    pub role: String,
    pub tcp: SocketAddr,
    pub ws: Option<SocketAddr>,
    pub users: Vec<PlannedUser>,
    /// Lets clients in as this user.
    pub anonymous: Option<String>,
    /// Its broker was on another machine, perhaps: even if its listeners are for
    /// this machine at first, they are to be opened.
    pub for_others: bool,
    /// Where its broker was.
    was: (String, u16),
}

pub struct PlannedUser {
    pub name: String,
    pub password: String,
    pub rights: Rights,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// A worker on a backend, or an end user on a frontend.
    OfItsBus,
    /// A router outside of skep.
    Router,
}

impl Plan {
    pub fn of(files: &Files) -> Plan {
        let mut plan = Plan {
            backends: Vec::new(),
            frontends: Vec::new(),
            salt: None,
            session_timeout_s: None,
            shutdown_wait_ms: None,
            notes: Vec::new(),
        };
        let roles: Vec<&str> = files.router_pools.iter().filter_map(|pool| pool.frontend_role.as_deref()).collect();
        let is_frontend = |bus: &&Bus| bus.role == "frontend" || roles.contains(&&*bus.role);
        let (frontends, backends): (Vec<&Bus>, Vec<&Bus>) = files.buses.iter().partition(is_frontend);
        for bus in &backends {
            plan.add(bus, false, files);
        }
        for bus in &frontends {
            plan.add(bus, true, files);
        }
        plan.end_users(files);
        plan.keep_samples_at_home();
        plan.choose_salt(&backends);
        plan.routers(&files.router_pools);
        for pool in &files.toy_pools {
            plan.note(format!(
                "pool {pool} starts a ToyBroker: set its use_toybroker to 0 in pool.config.json, skep is the broker"
            ));
        }
        // A name with a line break in it ends neither a line nor a comment.
        for note in &mut plan.notes {
            *note = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        plan
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn taken(&self, port: u16) -> bool {
        let buses = self.backends.iter().chain(&self.frontends);
        buses.flat_map(|bus| [Some(bus.tcp), bus.ws]).flatten().any(|address| address.port() == port)
    }

    /// The first port from `port` on that no bus has.
    fn free(&self, port: u16) -> u16 {
        (port..=u16::MAX).chain(1024..port).find(|port| !self.taken(*port)).unwrap_or(port)
    }

    fn add(&mut self, bus: &Bus, frontend: bool, files: &Files) {
        for key in &bus.others {
            self.note(format!("{key} of bus {} says nothing to skep, and is left out", bus.id));
        }
        if bus.cluster {
            self.note(format!("bus {} is a cluster of several hosts; skep is one process in their place", bus.id));
        }
        let user = self.user_of(bus, frontend, files);
        let was = (bus.host.to_lowercase(), bus.port);
        let of_kind = if frontend { &mut self.frontends } else { &mut self.backends };
        if let Some(same) = of_kind.iter_mut().find(|other| other.was == was) {
            let note = format!(
                "bus {} is on the same broker as bus {} ({}:{}), so in skep the two are one, {}: whoever connects \
                 there needs no change",
                bus.id, same.id, bus.host, bus.port, same.id
            );
            let known = same.users.iter().any(|known| known.name == user.name);
            if !known && bus.user.is_some() {
                same.users.push(user);
            }
            let logs_in = bus.user.is_some() || same.anonymous.is_some();
            self.note(note);
            if !logs_in {
                self.note(format!("bus {} has no username, and has to get one there", bus.id));
            }
            return;
        }
        let (host, ours) = self.address(bus, files);
        let wanted =
            if frontend && self.backends.iter().any(|other| other.was == was) { FRONTEND_PORT } else { bus.port };
        let port = self.free(wanted);
        if port != bus.port {
            self.note(format!(
                "bus {} was at {}:{}, where skep has another bus already: it is on port {port} now, which \
                 bus.config.json and its clients have to be told",
                bus.id, bus.host, bus.port
            ));
        } else if !ours {
            self.note(format!(
                "bus {} was at {}:{}: it is on skep's machine now, port {port}. Put that machine's name in the place \
                 of {} in bus.config.json, or give it that name",
                bus.id, bus.host, bus.port, bus.host
            ));
        }
        let anonymous = bus.user.is_none().then(|| user.name.clone());
        let mut planned = PlannedBus {
            id: bus.id.clone(),
            role: bus.role.clone(),
            tcp: SocketAddr::new(host, port),
            ws: None,
            users: vec![user],
            anonymous,
            for_others: !ours,
            was,
        };
        if planned.anonymous.is_some() {
            self.note(format!(
                "bus {} has no username, so who gives none is let in, from this machine only: give it a user",
                bus.id
            ));
            planned.stay_home();
        }
        if bus.tls {
            self.note(format!(
                "bus {0} is reached with TLS, whose certificate and key are not in these files: its listener is plain \
                 and for this machine only. Give it tls.cert and tls.key, then an address that others can reach, all \
                 in [{1}.{0}.listeners.tcp]",
                bus.id,
                if frontend { "frontend" } else { "backend" }
            ));
            planned.stay_home();
        }
        if frontend {
            let of_kind = &mut self.frontends;
            of_kind.push(planned);
            let ws = SocketAddr::new(host, self.free(WEBSOCKET_PORT));
            if let Some(planned) = self.frontends.last_mut() {
                planned.ws = Some(SocketAddr::new(planned.tcp.ip(), ws.port()));
            }
            self.note(format!(
                "where browsers connect to bus {} is not in these files: WebSocket is on port {}, at /mqtt",
                bus.id,
                ws.port()
            ));
        } else {
            self.backends.push(planned);
        }
    }

    /// The user that the framework's own processes log in as.
    fn user_of(&mut self, bus: &Bus, frontend: bool, files: &Files) -> PlannedUser {
        let Some(name) = bus.user.clone() else {
            // Whoever may come is not given a router's rights.
            return PlannedUser { name: "anonymous".to_owned(), password: random(), rights: Rights::OfItsBus };
        };
        let password = bus.password.clone().unwrap_or_else(|| {
            self.notes.push(format!("bus {} has a username and no password: a random one is in its place", bus.id));
            random()
        });
        let also_client = files.client.as_ref().is_some_and(|client| client.user == name && client.port == bus.port);
        let rights = if frontend && !also_client { Rights::Router } else { Rights::OfItsBus };
        PlannedUser { name, password, rights }
    }

    /// Where skep listens in place of that broker; false: its host was another
    /// machine, perhaps.
    fn address(&self, bus: &Bus, files: &Files) -> (IpAddr, bool) {
        let host = bus.host.trim_matches(['[', ']']);
        let ip: Option<IpAddr> = host.parse().ok();
        let local = host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
        if local {
            let toy = files.toy_brokers.iter().find(|toy| toy.port == bus.port);
            let toy: Option<IpAddr> = toy.and_then(|toy| toy.address.parse().ok());
            return (ip.or(toy).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), true);
        }
        match ip {
            Some(IpAddr::V6(_)) => (IpAddr::V6(Ipv6Addr::UNSPECIFIED), false),
            _ => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), false),
        }
    }

    /// Users that only a ToyBroker or the clients' file knows.
    fn end_users(&mut self, files: &Files) {
        for toy in &files.toy_brokers {
            let mut buses = self.backends.iter_mut().chain(&mut self.frontends);
            let Some(bus) = buses.find(|bus| bus.was.1 == toy.port) else {
                self.note(format!(
                    "the ToyBroker on port {} is of no bus in bus.config.json, and its users are left out",
                    toy.port
                ));
                continue;
            };
            for (name, password) in &toy.users {
                bus.know(name, password);
            }
        }
        if let Some(client) = &files.client {
            let at = self.frontends.iter().position(|bus| bus.was.1 == client.port).unwrap_or(0);
            if let Some(bus) = self.frontends.get_mut(at) {
                bus.know(&client.user, &client.password);
            }
        }
        let without = |bus: &&PlannedBus| bus.users.iter().all(|user| user.rights == Rights::Router);
        let without: Vec<String> = self.frontends.iter().filter(without).map(|bus| bus.id.clone()).collect();
        for id in without {
            self.note(format!(
                "no user for the end users of bus {id} is in these files, and no client can log in before it has one: \
                 give it as [frontend.{id}.users.NAME] with the password that clients send (a broker's password \
                 file has only its hash)"
            ));
        }
    }

    /// Sample passwords are for one's own machine.
    fn keep_samples_at_home(&mut self) {
        let mut notes = Vec::new();
        for bus in self.backends.iter_mut().chain(&mut self.frontends) {
            let sample = bus.users.iter().find(|user| user.has_sample_password());
            if let Some(user) = sample
                && !bus.tcp.ip().is_loopback()
            {
                notes.push(format!(
                    "user {} of bus {} has a sample password: its listeners are for this machine only until it has \
                     another",
                    user.name, bus.id
                ));
                bus.stay_home();
            }
        }
        self.notes.append(&mut notes);
    }

    /// skep has one salt, or each backend its id.
    fn choose_salt(&mut self, backends: &[&Bus]) {
        let of = |bus: &Bus| bus.salt.clone().unwrap_or_else(|| bus.id.clone());
        // What was put on the broker of another role makes no calls to the router.
        let of_role = |bus: &&&Bus| self.backends.iter().any(|planned| planned.role == bus.role);
        let backends: Vec<&Bus> = backends.iter().filter(of_role).copied().collect();
        let kept = |bus: &Bus| self.backends.iter().any(|planned| planned.id == bus.id);
        if backends.iter().all(|bus| kept(bus) && of(bus) == bus.id) {
            return;
        }
        let given = backends.iter().find(|bus| bus.salt.is_some()).or(backends.first());
        let Some(salt) = given.map(|bus| of(bus)) else { return };
        let others: Vec<&str> = backends.iter().filter(|bus| of(bus) != salt).map(|bus| &*bus.id).collect();
        if !others.is_empty() {
            self.notes.push(format!(
                "skep has one auth_salt for all backends, and bus {} has another: give all of them the same in \
                 bus.config.json, or their workers can't bind sessions",
                others.join(", ")
            ));
        }
        self.salt = Some(salt);
    }

    fn routers(&mut self, pools: &[RouterPool]) {
        let seconds = |of: fn(&RouterPool) -> Option<f64>| {
            let mut given = pools.iter().filter_map(of).filter(|seconds| *seconds > 0.0);
            let first = given.next();
            (first, first.is_some_and(|first| given.any(|other| other != first)))
        };
        let (timeout, timeouts) = seconds(|pool| pool.session_timeout);
        let (wait, waits) = seconds(|pool| pool.shutdown_wait);
        self.session_timeout_s = timeout.map(|seconds| seconds.ceil() as u64);
        self.shutdown_wait_ms = wait.map(|seconds| (seconds * 1000.0).ceil() as u64);
        if timeouts || waits {
            self.note("pools differ in session_timeout or shutdown_wait of their routers: the first counts".to_owned());
        }
        for RouterPool { pool, .. } in pools {
            self.note(format!(
                "pool {pool} has Beekeeper::Service::Router::Worker: take it out of pool.config.json when skep \
                 serves, or everything is routed twice"
            ));
        }
    }
}

impl PlannedUser {
    pub fn has_sample_password(&self) -> bool {
        SAMPLE_PASSWORDS.contains(&&*self.password)
    }
}

impl PlannedBus {
    /// From now on only this machine reaches it.
    fn stay_home(&mut self) {
        for address in std::iter::once(&mut self.tcp).chain(&mut self.ws) {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
    }

    fn know(&mut self, name: &str, password: &str) {
        if !self.users.iter().any(|user| user.name == name) {
            let (name, password) = (name.to_owned(), password.to_owned());
            self.users.push(PlannedUser { name, password, rights: Rights::OfItsBus });
        }
    }
}

fn random() -> String {
    skep::random::letters(24)
}
