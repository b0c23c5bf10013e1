//! `skep queues`: work queues, the fullest first.

use std::process::ExitCode;

use super::admin::{self, AdminArgs, EXIT_STATUS, Failure};
use super::listing;
use super::table::cell;

/// List work queues: their workers, what waits and what is being worked on
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub struct Args {
    #[command(flatten)]
    admin: AdminArgs,
}

pub fn run(args: &Args) -> ExitCode {
    admin::finish("queues", answer(args))
}

fn answer(args: &Args) -> Result<(), Failure> {
    let answer = args.admin.open()?.get("queues", &[])?;
    if args.admin.json {
        return admin::print_json(&answer);
    }
    let head = ["BUS", "GROUP", "FILTER", "WORKERS", "WAITING", "BYTES", "IN HAND", "OLDEST"];
    listing::print(&answer, "queues", &head, |queue| {
        let oldest = queue["oldest_ms"].as_u64().unwrap_or(0);
        let oldest = if oldest == 0 { "-".to_owned() } else { format!("{:.1}s", oldest as f64 / 1000.0) };
        let names = ["bus", "group", "filter", "members", "waiting", "bytes", "held"];
        names.iter().map(|name| cell(&queue[*name])).chain([oldest]).collect()
    })
}
