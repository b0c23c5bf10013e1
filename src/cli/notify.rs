//! `skep notify`: something said to all clients, to all devices of one user, or
//! to workers.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use skep::client::Client;

use super::connect::{ConnectArgs, Endpoint, Side};
use super::failure::{self, Failure, Failures, Threads};
use super::params::ParamsArgs;
use super::values;

/// Notify all clients, all devices of one user, or workers
///
/// Connects to a backend, as a worker does. Prints nothing: once the bus has taken
/// it, it is out, whether or not anybody listens.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// Service and method, such as myapp.news.item
    #[arg(value_name = "METHOD", value_parser = values::method)]
    method: String,

    #[command(flatten)]
    params: ParamsArgs,

    /// Push to all devices of this address, such as frontend.user-123, instead of
    /// telling all clients who listen
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    to: Option<String>,

    /// Tell those who listen on the backend instead: workers
    #[arg(long, conflicts_with = "to")]
    workers: bool,

    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::seconds)]
    timeout: Duration,

    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep notify myapp.news.item '{\"text\":\"the bees are back\"}'
  skep notify myapp.chat.pmessage '{\"message\":\"psst\"}' --to frontend.user-ann
  skep notify myapp.cache.clear --workers
  tail -f news.jsonl | skep notify myapp.news.item --lines";

const LONG_EXAMPLES: &str = "\
Examples:
  skep notify myapp.news.item '{\"text\":\"the bees are back\"}'
  skep notify myapp.chat.pmessage '{\"message\":\"psst\"}' --to frontend.user-ann
  skep notify myapp.cache.clear --workers
  tail -f news.jsonl | skep notify myapp.news.item --lines

Exit status:
  0   the bus has taken it
  2   the command line or the parameters can't be understood
  3   the bus did not take it in time
  4   the connection failed or was refused
Of several notifications the first that failed decides; they end early only at 4.";

pub fn run(args: &Args) -> ExitCode {
    failure::run("notify", Threads::One, notify_all(args))
}

async fn notify_all(args: &Args) -> Result<u8, Failure> {
    let mut all = args.params.open()?;
    let mut endpoint = args.connect.endpoint(Side::Backend)?;
    endpoint.options = endpoint.options.call_timeout(args.timeout);
    let client = endpoint.connect().await?;
    let mut failures = Failures::of("notify");
    while let Some((line, params)) = all.next().await {
        let done = match params {
            Ok(params) => notify(args, &client, &endpoint, params).await,
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => {}
            Err(failure) if args.params.is_many() => failures.note(line, failure)?,
            Err(failure) => return Err(failure),
        }
    }
    client.close().await;
    Ok(failures.status())
}

async fn notify(args: &Args, client: &Client, endpoint: &Endpoint, params: Option<Value>) -> Result<(), Failure> {
    let method = &args.method;
    let taken = match &args.to {
        Some(address) => client.push(address, method, params).await,
        None if args.workers => client.notify(method, params).await,
        None => client.broadcast(method, params).await,
    };
    taken.map_err(|error| match error {
        skep::client::CallError::Timeout(time) => {
            Failure::Late(format!("the bus did not take {method} within {} s", time.as_secs_f64()))
        }
        error => Failure::of_call(error, &endpoint.place, method),
    })
}
