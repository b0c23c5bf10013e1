//! `skep clients`: who is connected, and disconnecting somebody.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::admin::{self, Admin, AdminArgs, EXIT_STATUS, Failure};
use super::listing::{self, ListArgs};
use super::table::{Table, cell, duration};

/// List connected clients, look at one, or disconnect one (list is the default)
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List clients, those connected longest first
    List {
        /// Only those of this bus
        #[arg(long, value_name = "ID")]
        bus: Option<String>,

        #[command(flatten)]
        list: ListArgs,
    },
    /// Show one client and what it is subscribed to
    Show(Name),
    /// Disconnect one client, with reason 0x98 (administrative action)
    Kick(Name),
}

#[derive(Debug, clap::Args)]
struct Name {
    /// Client id
    #[arg(value_name = "CLIENT")]
    id: String,

    /// The bus it is connected to; needed if it is on several
    #[arg(long, value_name = "ID")]
    bus: Option<String>,
}

pub fn run(args: &Args) -> ExitCode {
    admin::finish("clients", answer(args))
}

fn answer(args: &Args) -> Result<(), Failure> {
    let admin = args.admin.open()?;
    let json = args.admin.json;
    let usual = Command::List { bus: None, list: ListArgs::default() };
    match args.command.as_ref().unwrap_or(&usual) {
        Command::List { bus, list } => {
            let answer = list.ask(&admin, "clients", &[("bus", bus.as_deref().unwrap_or_default())])?;
            if json {
                return admin::print_json(&answer);
            }
            let head = ["BUS", "CLIENT", "USER", "FROM", "PROTOCOL", "FOR", "FILTERS", "IN", "OUT"];
            listing::print(&answer, "clients", &head, |client| {
                let of = |name: &str| cell(&client[name]);
                let protocol = format!("{}, {}", of("protocol"), of("transport"));
                let (bus, id, user, peer) = (of("bus"), of("id"), of("user"), of("peer"));
                let (filters, ins, outs) = (of("subscriptions"), of("messages_in"), of("messages_out"));
                vec![bus, id, user, peer, protocol, connected_for(client), filters, ins, outs]
            })
        }
        Command::Show(name) => {
            let client = name.find(&admin)?;
            if json { admin::print_json(&client) } else { show(&client) }
        }
        Command::Kick(name) => {
            let client = name.find(&admin)?;
            let answer = admin.post("client/kick", &json!({ "bus": client["bus"], "id": client["id"] }))?;
            if json { admin::print_json(&answer) } else { admin::print("disconnected") }
        }
    }
}

impl Name {
    /// The client, on the bus given or on the only one where it is.
    fn find(&self, admin: &Admin) -> Result<Value, Failure> {
        if let Some(bus) = &self.bus {
            return admin.get("client", &[("bus", bus), ("id", &self.id)]);
        }
        let overview = admin.get("overview", &[])?;
        let mut found = Vec::new();
        for bus in overview["buses"].as_array().into_iter().flatten().filter_map(|bus| bus["id"].as_str()) {
            match admin.get("client", &[("bus", bus), ("id", &self.id)]) {
                Ok(client) => found.push((bus, client)),
                Err(Failure::Refused(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        if found.len() > 1 {
            let buses: Vec<_> = found.iter().map(|(bus, _)| *bus).collect();
            return Err(Failure::Usage(format!("{:?} is connected to {}: give --bus", self.id, buses.join(" and "))));
        }
        let not_there = || Failure::Refused(format!("no client {:?} is connected", self.id));
        found.pop().map(|(_, client)| client).ok_or_else(not_there)
    }
}

fn connected_for(client: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    duration(now.saturating_sub(client["since_ms"].as_u64().unwrap_or(now)) / 1000)
}

fn show(client: &Value) -> Result<(), Failure> {
    let of = |name: &str| cell(&client[name]);
    listing::print_one(&[
        ("client", of("id")),
        ("bus", of("bus")),
        ("user", of("user")),
        ("from", of("peer")),
        ("protocol", format!("{}, {} (listener {})", of("protocol"), of("transport"), of("listener"))),
        ("connected for", connected_for(client)),
        ("messages", format!("{} from it, {} to it", of("messages_in"), of("messages_out"))),
        ("unacknowledged", of("inflight")),
        ("held", format!("{} messages, {} bytes to be sent", of("held"), of("held_bytes"))),
    ])?;
    let filters = client["filters"].as_array().map_or(&[][..], Vec::as_slice);
    if filters.is_empty() {
        return admin::print("no subscriptions");
    }
    let mut table = Table::new(&["FILTER", "QOS"]);
    filters.iter().for_each(|filter| table.row(vec![cell(&filter["filter"]), cell(&filter["qos"])]));
    admin::print(&format!("\n{}", table.text()))
}
