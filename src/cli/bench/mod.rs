//! `skep bench`: how fast calls and notifications are here, and whether any are
//! lost.

/// Calls.
mod calls;
/// Broadcasts, to many.
mod fanout;
/// When to stop, and how far it is.
mod pace;
/// What people read.
mod report;
/// What came of it, kept in a file.
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use skep::client::Client;

use super::connect::{ConnectArgs, Endpoint, Side};
use super::failure::{self, Failure, Threads};
use super::output::Output;
use super::{ending, limits, params, values};
use pace::{Limit, Pace};
use run::{Run, Settings};

/// Measure calls or notifications: rate, latency, and whether any are lost
///
/// Calls go from clients on a frontend through the router to workers on a backend
/// and back; the workers are its own, unless --method names a service. Notifications
/// go from the backend to many clients at once. The next one is sent when one has
/// been answered, or has reached everybody; so the rate is what the depth allows.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// What to measure
    #[arg(value_name = "MODE", default_value = "call")]
    mode: Mode,

    /// Clients at once: callers, or listeners [default: 4 callers, 100 listeners]
    #[arg(long, visible_alias = "concurrency", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: Option<u32>,

    /// Calls under way at once from each client; or notifications under way at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    depth: u32,

    /// Measure for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = values::seconds)]
    duration: Duration,

    /// Measure so many calls or notifications instead
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Warm up before that for so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = values::seconds_or_none)]
    warmup: Duration,

    /// Bytes of text in the parameters
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = clap::value_parser!(u32).range(..=16_000_000))]
    size: u32,

    /// Workers that answer calls
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    workers: u32,

    /// Call this method instead, of a service that is there
    #[arg(long, value_name = "METHOD", value_parser = values::method, conflicts_with = "workers")]
    method: Option<String>,

    /// Its parameters, a JSON object or list [default: text of --size bytes]
    #[arg(long, value_name = "PARAMS", requires = "method", conflicts_with = "size", allow_hyphen_values = true)]
    params: Option<String>,

    /// What takes longer than so many seconds is lost
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = values::seconds)]
    timeout: Duration,

    /// Keep the run in a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Compare with a run that was kept
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Print the run as JSON
    #[arg(long)]
    json: bool,

    /// Where workers or the notifier connect: mqtt://[USER:PASSWORD@]HOST:PORT
    /// [default: $SKEP_BACKEND_URL, else mqtt://127.0.0.1:1883; the login as for the
    /// other commands on a backend]
    #[arg(long, value_name = "URL")]
    backend_url: Option<String>,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// Calls through the router, there and back
    Call,
    /// Notifications to all clients
    Notify,
}

const EXAMPLES: &str = "\
Examples:
  skep bench
  skep bench --clients 8 --depth 16 --duration 10 --save before.json
  skep bench --clients 8 --depth 16 --duration 10 --compare before.json
  skep bench --method myapp.str.uc --params '{\"string\":\"hello\"}' --count 10000
  skep bench notify --clients 300";

const LONG_EXAMPLES: &str = "\
Examples:
  skep bench
  skep bench --clients 8 --depth 16 --duration 10 --save before.json
  skep bench --clients 8 --depth 16 --duration 10 --compare before.json
  skep bench --method myapp.str.uc --params '{\"string\":\"hello\"}' --count 10000
  skep bench notify --clients 300

Exit status:
  0     measured; everything was answered, or reached everybody
  1     measured, but something was lost or answered with an error
  2     the command line or a file can't be understood, or a file not be written
  4     the connection failed or was refused
  5     the output can't be written
  130   ended early by Ctrl-C; what was measured until then is printed";

/// Clients that connect at once.
const CONNECTING: usize = 64;

pub fn run(args: &Args) -> ExitCode {
    limits::raise_open_files();
    failure::run("bench", Threads::Cores, bench(args))
}

async fn bench(args: &Args) -> Result<u8, Failure> {
    // What can be wrong with a file is said before it takes time.
    let before = args.compare.as_deref().map(Run::load).transpose()?;
    let frontend = args.connect.endpoint(Side::Frontend)?;
    let backend = args.connect.backend_beside(args.backend_url.as_deref())?;
    let settings = settings(args);
    let (measured, interrupted) = match args.mode {
        Mode::Call => {
            let params = args.params.as_deref().map(params::parse).transpose().context("--params")?;
            let params = params.unwrap_or_else(|| padding(args.size));
            let load = calls::Load::start(args, &settings, &frontend, &backend, params).await?;
            let measured = measure(args, |pace| load.run(pace)).await;
            load.stop().await;
            measured
        }
        Mode::Notify => {
            let load = fanout::Load::start(args, &settings, &frontend, &backend).await?;
            let measured = measure(args, |pace| load.run(pace)).await;
            load.stop().await;
            measured
        }
    };
    let run = Run::new(settings, &measured);
    if let Some(path) = &args.save {
        run.save(path)?;
    }
    let mut output = Output::new();
    let text = match args.json {
        true => report::json(&run, before.as_ref())?,
        false => report::text(&run, &measured, before.as_ref()),
    };
    // Nobody who reads is nobody who is told.
    let _ = output.line(text.trim_end())?;
    Ok(match (interrupted, run.is_good()) {
        (true, _) => INTERRUPTED,
        (false, good) => u8::from(!good),
    })
}

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Warms up, and measures. True: it was ended early.
async fn measure<F>(args: &Args, mut run: impl FnMut(Arc<Pace>) -> F) -> (run::Measured, bool)
where
    F: Future<Output = run::Measured>,
{
    let interrupted = ending::asked_for();
    tokio::pin!(interrupted);
    let mut stopped = false;
    let warmup = (!args.warmup.is_zero()).then_some(Limit::Time(args.warmup));
    let limit = args.count.map_or(Limit::Time(args.duration), Limit::Count);
    let mut measured = run::Measured::default();
    for (name, limit) in warmup.map(|limit| ("warming up", limit)).into_iter().chain([("measuring", limit)]) {
        let pace = Arc::new(Pace::new(limit, stopped));
        let (bar, running) = (pace.show(name), run(Arc::clone(&pace)));
        tokio::pin!(bar, running);
        measured = loop {
            tokio::select! {
                measured = &mut running => break measured,
                never = &mut bar => match never {},
                () = &mut interrupted, if !stopped => {
                    stopped = true;
                    pace.stop();
                }
                // Who asks again doesn't want to wait for what is under way.
                () = ending::asked_for(), if stopped => std::process::exit(INTERRUPTED.into()),
            }
        };
    }
    (measured, stopped)
}

fn settings(args: &Args) -> Settings {
    let usual = match args.mode {
        Mode::Call => 4,
        Mode::Notify => 100,
    };
    let own_workers = args.mode == Mode::Call && args.method.is_none();
    Settings {
        mode: match args.mode {
            Mode::Call => "call".to_owned(),
            Mode::Notify => "notify".to_owned(),
        },
        clients: args.clients.unwrap_or(usual),
        depth: args.depth,
        workers: own_workers.then_some(args.workers),
        method: args.method.clone().filter(|_| args.mode == Mode::Call),
        size: args.params.as_ref().map_or(args.size, |params| u32::try_from(params.len()).unwrap_or(u32::MAX)),
    }
}

/// Parameters of that many bytes, and a few.
fn padding(size: u32) -> Value {
    serde_json::json!({ "text": "x".repeat(size as usize) })
}

/// Connects that many clients.
async fn connect(endpoint: &Endpoint, clients: u32) -> Result<Vec<Client>, Failure> {
    let connecting = stream::iter(0..clients).map(|_| {
        // Each has an id of its own.
        let endpoint = endpoint.anew();
        async move { endpoint.connect().await }
    });
    let mut connecting = connecting.buffer_unordered(CONNECTING);
    let mut connected = Vec::new();
    while let Some(client) = connecting.next().await {
        connected.push(client?);
    }
    Ok(connected)
}

/// Says goodbye, so that nobody takes them for lost.
async fn close(clients: &[Client]) {
    stream::iter(clients).for_each_concurrent(CONNECTING, |client| client.close()).await;
}
