//! `skep call`: requests from the terminal, and what came of them.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;
use skep::client::{CallError, Client};

use super::connect::{ConnectArgs, Endpoint, Side};
use super::failure::{self, Failure, Failures, Threads};
use super::login::LoginArgs;
use super::output::{Format, Output};
use super::params::ParamsArgs;
use super::values;

/// Call a method and print its result
///
/// Connects to a frontend as any client does, so that the call goes through the
/// router.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// Service and method, such as myapp.str.uc
    #[arg(value_name = "METHOD", value_parser = values::method)]
    method: String,

    #[command(flatten)]
    params: ParamsArgs,

    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = values::seconds)]
    timeout: Duration,

    /// How results look [default: pretty, or json if there can be several]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep call myapp.str.uc '{\"string\":\"hello\"}'
  echo '[1,2]' | skep call myapp.math.add
  skep call myapp.status --timeout 5 --url ws://127.0.0.1:18080/mqtt
  skep call myapp.str.uc --lines --format raw <words.jsonl";

const LONG_EXAMPLES: &str = "\
Examples:
  skep call myapp.str.uc '{\"string\":\"hello\"}'
  echo '[1,2]' | skep call myapp.math.add
  skep call myapp.status --timeout 5 --url ws://127.0.0.1:18080/mqtt
  skep call myapp.str.uc --lines --format raw <words.jsonl
  SKEP_PASSWORD=secret skep call myapp.status --user web
  skep call --login myapp.auth.login '{\"username\":\"ann\",\"password\":\"\"}' myapp.chat.ping

Exit status:
  0   the method returned a result, which is on standard output as JSON
  1   it returned a JSON-RPC error, which is on standard error
  2   the command line or the parameters can't be understood
  3   no answer came in time
  4   the connection failed or was refused
  5   there is a result, but it could not be written
Of several calls the first that failed decides; they end early only at 4 and 5.";

pub fn run(args: &Args) -> ExitCode {
    // One connection and one call at a time: no threads beside this one.
    failure::run("call", Threads::One, call_all(args))
}

async fn call_all(args: &Args) -> Result<u8, Failure> {
    args.login.call()?;
    let mut all = args.params.open()?;
    let mut endpoint = args.connect.endpoint(Side::Frontend)?;
    endpoint.options = endpoint.options.call_timeout(args.timeout);
    let began = Instant::now();
    let client = connect(&endpoint, args.timeout).await?;
    args.login.log_in(&client, &endpoint).await?;

    let mut calls = Calls { client, endpoint, args, output: Output::new() };
    if !args.params.is_many() {
        // The time is for all of it.
        let left = args.timeout.saturating_sub(began.elapsed());
        if let Some((_, params)) = all.next().await {
            let _ = calls.one(params?, left).await?;
        }
        calls.client.close().await;
        return Ok(0);
    }
    let mut failures = Failures::of("call");
    while let Some((line, params)) = all.next().await {
        let done = match params {
            Ok(params) => calls.one(params, args.timeout).await,
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(failure) => failures.note(line, failure)?,
        }
    }
    calls.client.close().await;
    Ok(failures.status())
}

async fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Client, Failure> {
    match tokio::time::timeout(timeout, endpoint.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(endpoint.unreachable(&format!("no answer within {} s", timeout.as_secs_f64()))),
    }
}

struct Calls<'a> {
    client: Client,
    endpoint: Endpoint,
    args: &'a Args,
    output: Output,
}

impl Calls<'_> {
    /// Makes a call, for which so much time is left, and prints its result.
    async fn one(&mut self, params: Option<Value>, left: Duration) -> Result<ControlFlow<()>, Failure> {
        let Args { method, timeout, format, params: source, .. } = self.args;
        let answer: Result<Value, CallError> = self.client.call_within(left, method, params).await;
        let result = answer.map_err(|error| match error {
            // As long as was asked for, connecting and all.
            CallError::Timeout(_) => Failure::of_call(CallError::Timeout(*timeout), &self.endpoint.place, method),
            error => Failure::of_call(error, &self.endpoint.place, method),
        })?;
        let format = format.unwrap_or(if source.is_many() { Format::Json } else { Format::Pretty });
        Ok(self.output.line(&self.output.value(format, &result))?)
    }
}
