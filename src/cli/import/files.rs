//! The framework's configuration files, as far as they say something of brokers
//! and routers.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

use super::relaxed;

/// An entry of `bus.config.json`: how workers and routers reach a broker.
pub struct Bus {
    pub id: String,
    pub role: String,
    pub host: String,
    /// `host` is only the first of several.
    pub cluster: bool,
    pub port: u16,
    pub tls: bool,
    pub user: Option<String>,
    pub password: Option<String>,
    pub salt: Option<String>,
    /// Keys that mean nothing to us.
    pub others: Vec<String>,
}

/// A listener of `toybroker.config.json`.
pub struct ToyBroker {
    pub address: String,
    pub port: u16,
    pub users: Vec<(String, String)>,
}

/// What `client.config.json` has of the examples' clients.
pub struct Client {
    pub port: u16,
    pub user: String,
    pub password: String,
}

/// A pool of `pool.config.json` that runs router workers.
pub struct RouterPool {
    pub pool: String,
    pub frontend_role: Option<String>,
    pub session_timeout: Option<f64>,
    pub shutdown_wait: Option<f64>,
}

pub struct Files {
    pub buses: Vec<Bus>,
    pub toy_brokers: Vec<ToyBroker>,
    pub client: Option<Client>,
    pub router_pools: Vec<RouterPool>,
    /// Pools that start a ToyBroker.
    pub toy_pools: Vec<String>,
    /// The files that were read.
    pub names: Vec<&'static str>,
}

/// Where a broker listens unless told otherwise,
const PORT: u16 = 1883;
/// and with TLS.
const TLS_PORT: u16 = 8883;

const KNOWN_OF_A_BUS: [&str; 9] =
    ["bus_id", "bus_role", "host", "port", "tls", "username", "password", "auth_salt", "default"];

impl Files {
    /// Reads what there is in `dir`; `bus.config.json` has to be there.
    pub fn read(dir: &Path) -> anyhow::Result<Files> {
        let mut names = Vec::new();
        let mut read = |name: &'static str| -> anyhow::Result<Option<(PathBuf, Value)>> {
            let path = dir.join(name);
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
            };
            names.push(name);
            let value = relaxed::parse(&text).with_context(|| format!("{} is not relaxed JSON", path.display()))?;
            Ok(Some((path, value)))
        };
        let Some((path, buses)) = read("bus.config.json")? else {
            bail!(
                "there is no bus.config.json in {}: give the directory that BEEKEEPER_CONFIG_DIR names, \
                 ~/.config/beekeeper or /etc/beekeeper",
                dir.display()
            );
        };
        let buses: Vec<Bus> = entries(&path, &buses)?.map(|bus| bus.and_then(Bus::of)).collect::<Result<_, _>>()?;
        ensure!(!buses.is_empty(), "{} has no bus", path.display());
        let toy_brokers = match read("toybroker.config.json")? {
            Some((path, value)) => {
                entries(&path, &value)?.map(|toy| toy.and_then(ToyBroker::of)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let client = read("client.config.json")?.and_then(|(_, value)| Client::of(value.as_object()?));
        let (mut router_pools, mut toy_pools) = (Vec::new(), Vec::new());
        if let Some((path, value)) = read("pool.config.json")? {
            for pool in entries(&path, &value)? {
                let pool = pool?;
                let name = text(pool, "pool_id").unwrap_or_default();
                if truth(pool, "use_toybroker") {
                    toy_pools.push(name.clone());
                }
                let router = pool.get("workers").and_then(|workers| workers.get("Beekeeper::Service::Router::Worker"));
                if let Some(router) = router {
                    let none = Map::new();
                    router_pools.push(RouterPool::of(name, router.as_object().unwrap_or(&none)));
                }
            }
        }
        Ok(Files { buses, toy_brokers, client, router_pools, toy_pools, names })
    }
}

type Object = Map<String, Value>;

/// The objects of a list.
fn entries<'v>(path: &'v Path, list: &'v Value) -> anyhow::Result<impl Iterator<Item = anyhow::Result<&'v Object>>> {
    let list = list.as_array().with_context(|| format!("{} is not a list of objects", path.display()))?;
    Ok(list.iter().enumerate().map(move |(at, entry)| {
        entry.as_object().with_context(|| format!("{}: entry {} is not an object", path.display(), at + 1))
    }))
}

/// To Perl 7 and "7" are one.
fn text(object: &Object, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(object: &Object, key: &str) -> Option<f64> {
    text(object, key)?.trim().parse().ok()
}

fn truth(object: &Object, key: &str) -> bool {
    match object.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty() && text != "0",
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

fn port(object: &Object, key: &str, default: u16, of: &str) -> anyhow::Result<u16> {
    match text(object, key) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .with_context(|| format!("{key} of {of} is {text:?}, but it has to be from 1 to 65535")),
    }
}

impl Bus {
    fn of(entry: &Object) -> anyhow::Result<Bus> {
        let id = text(entry, "bus_id").context("bus.config.json: an entry has no bus_id")?;
        let tls = truth(entry, "tls");
        let port = port(entry, "port", if tls { TLS_PORT } else { PORT }, &format!("bus {id}"))?;
        let hosts = entry.get("host").and_then(Value::as_array);
        let host = match hosts {
            Some(hosts) => hosts.iter().find_map(|host| host.as_str().map(String::from)),
            None => text(entry, "host"),
        };
        let role = text(entry, "bus_role").unwrap_or_else(|| id.clone());
        let others = entry.keys().filter(|key| !KNOWN_OF_A_BUS.contains(&key.as_str())).cloned().collect();
        Ok(Bus {
            role,
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            cluster: hosts.is_some_and(|hosts| hosts.len() > 1),
            port,
            tls,
            user: text(entry, "username"),
            password: text(entry, "password"),
            salt: text(entry, "auth_salt"),
            others,
            id,
        })
    }
}

impl ToyBroker {
    fn of(entry: &Object) -> anyhow::Result<ToyBroker> {
        let users = entry.get("users").and_then(Value::as_object).into_iter().flatten();
        let users = users.filter_map(|(name, user)| Some((name.clone(), text(user.as_object()?, "password")?)));
        Ok(ToyBroker {
            address: text(entry, "listen_addr").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: port(entry, "listen_port", PORT, "a listener in toybroker.config.json")?,
            users: users.collect(),
        })
    }
}

impl Client {
    fn of(entry: &Object) -> Option<Client> {
        Some(Client {
            port: port(entry, "port", PORT, "client.config.json").ok()?,
            user: text(entry, "username")?,
            password: text(entry, "password")?,
        })
    }
}

impl RouterPool {
    fn of(pool: String, config: &Object) -> RouterPool {
        RouterPool {
            pool,
            frontend_role: text(config, "frontend_role"),
            session_timeout: number(config, "session_timeout"),
            shutdown_wait: number(config, "shutdown_wait"),
        }
    }
}
