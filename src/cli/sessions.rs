//! `skep sessions`: who is bound, and forgetting them.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::admin::{self, AdminArgs, EXIT_STATUS, Failure};
use super::listing::{self, ListArgs};
use super::table::{cell, duration};

/// List bound sessions, look at one, or forget some (list is the default)
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
    /// List sessions, by caller
    List(ListArgs),
    /// Show one session
    Show {
        /// Client id of the caller
        caller: String,
    },
    /// Forget a session, or all of an address: they have to log in again
    Unbind(Unbind),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Unbind {
    /// Client id of the caller
    #[arg(value_name = "CALLER")]
    caller: Option<String>,

    /// Address, such as frontend.user-123
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
}

pub fn run(args: &Args) -> ExitCode {
    admin::finish("sessions", answer(args))
}

fn answer(args: &Args) -> Result<(), Failure> {
    let admin = args.admin.open()?;
    let json = args.admin.json;
    let usual = Command::List(ListArgs::default());
    match args.command.as_ref().unwrap_or(&usual) {
        Command::List(list) => {
            let answer = list.ask(&admin, "sessions", &[])?;
            if json {
                return admin::print_json(&answer);
            }
            let head = ["CALLER", "FRONTEND", "ADDRESS", "AUTH", "EXPIRES IN", "CONNECTED"];
            listing::print(&answer, "sessions", &head, |session| lines(session).map(|(_, value)| value).to_vec())
        }
        Command::Show { caller } => {
            let session = admin.get("session", &[("caller", caller)])?;
            if json { admin::print_json(&session) } else { listing::print_one(&lines(&session)) }
        }
        Command::Unbind(Unbind { caller, address }) => {
            let (what, body) = match (caller, address) {
                (Some(caller), _) => (caller, json!({ "caller": caller })),
                (None, address) => {
                    let address = address.as_deref().unwrap_or_default();
                    (&address.to_owned(), json!({ "address": address }))
                }
            };
            let answer = admin.post("session/unbind", &body)?;
            let unbound = answer["unbound"].as_u64().unwrap_or(0);
            if unbound == 0 {
                return Err(Failure::Refused(format!("nobody is bound as {what:?}")));
            }
            let sessions = if unbound == 1 { "session" } else { "sessions" };
            if json { admin::print_json(&answer) } else { admin::print(&format!("{unbound} {sessions} unbound")) }
        }
    }
}

fn lines(session: &Value) -> [(&'static str, String); 6] {
    [
        ("caller", cell(&session["caller"])),
        ("frontend", cell(&session["frontend"])),
        ("address", cell(&session["address"])),
        ("auth", cell(&session["auth"])),
        ("expires in", duration(session["expires_in_s"].as_u64().unwrap_or(0))),
        ("connected", cell(&session["connected"])),
    ]
}
