//! `skep serve-echo`: a worker that answers with what it got.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep::client::{Request, RpcError, Worker};
use tokio::sync::mpsc;

use super::connect::{ConnectArgs, Side};
use super::failure::{self, Failure, Threads};
use super::output::{self, Format, Output, Printer, say};
use super::{ending, logging, values};

/// Serve, answering each call with its parameters
///
/// A worker to try things with: it shows what comes, who called, and with which
/// authorization data. Ends with Ctrl-C: finishes what it has begun, and then says
/// on standard error how much that was.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// Services whose methods it answers, all of them
    #[arg(value_name = "SERVICE", default_value = "test", value_parser = values::service)]
    services: Vec<String>,

    /// Take so many seconds for each
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    delay: Option<Duration>,

    /// Answer with this error code instead, such as -32000
    #[arg(long, value_name = "CODE", allow_negative_numbers = true)]
    fail: Option<i64>,

    /// With --fail: fail each Nth only
    #[arg(long, value_name = "N", requires = "fail", default_value = "1",
          value_parser = clap::value_parser!(u64).range(1..))]
    fail_every: u64,

    /// Requests that are worked on at once; more wait on the bus
    #[arg(long, value_name = "N", default_value = "16", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,

    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// How requests look; raw is the parameters alone [default: pretty on a terminal,
    /// else json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Print no requests, and say nothing on standard error unless something is wrong
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep serve-echo                                 and then: skep call test.me '[1,2]'
  skep serve-echo myapp.auth myapp.chat
  skep serve-echo --delay 2 --concurrency 1       a slow worker
  skep serve-echo --fail -32000 --fail-every 10   an unreliable one";

const LONG_EXAMPLES: &str = "\
Examples:
  skep serve-echo                                 and then: skep call test.me '[1,2]'
  skep serve-echo myapp.auth myapp.chat
  skep serve-echo --delay 2 --concurrency 1       a slow worker
  skep serve-echo --fail -32000 --fail-every 10   an unreliable one

Exit status:
  0   ended by Ctrl-C or SIGTERM, by --count, or because nobody reads the output any
      more
  2   the command line can't be understood
  4   the connection failed, was refused, or was taken over; one that is lost later
      is made again
  5   the output can't be written";

pub fn run(args: &Args) -> ExitCode {
    logging::start_for_command();
    failure::run("serve-echo", Threads::One, serve(args))
}

/// Requests that may wait for a reader that is slow.
const UNREAD: usize = 4_096;

/// For what has come until the end to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What a request was, as it is shown.
struct Served {
    request: Request,
    params: Value,
}

async fn serve(args: &Args) -> Result<u8, Failure> {
    let endpoint = args.connect.endpoint(Side::Backend)?;
    let (show, mut shown) = mpsc::channel(UNREAD);
    let echo = Arc::new(Echo::new(args, show));
    let mut worker = Worker::new(endpoint.options.clone()).concurrency(args.concurrency);
    for service in &args.services {
        let echo = Arc::clone(&echo);
        worker = worker.serve_rest(service, move |request, params| Arc::clone(&echo).answer(request, params));
    }
    let serving = worker.start().await.map_err(|error| endpoint.unreachable(&error))?;
    let end = ending::asked_for();
    if !args.quiet {
        let methods: Vec<_> = args.services.iter().map(|service| format!("{service}.*")).collect();
        say(&format!("serving {} at {}; end with Ctrl-C", methods.join(", "), endpoint.place));
    }
    let began = Instant::now();
    let mut printer = Printer::start(Output::new());
    let outcome = tokio::select! {
        outcome = show_all(args, &mut shown, &mut printer) => outcome,
        () = end => Ok(()),
        // Without anything to print it doesn't matter.
        () = output::unread(), if !args.quiet => Ok(()),
        why = serving.ended() => {
            Err(Failure::Connection(format!("the connection to {} has ended: {why}", endpoint.place)))
        }
    };
    // A second signal ends what would take too long.
    tokio::select! {
        () = serving.stop() => {}
        () = ending::asked_for() => {}
    }
    let printed = tokio::select! {
        printed = printer.finish() => printed,
        () = tokio::time::sleep(LAST_LINES) => Ok(()),
    };
    if !args.quiet {
        let (seconds, failed) = (began.elapsed().as_secs_f64(), echo.failed.load(Ordering::Relaxed));
        let (all, unshown) = (echo.taken.load(Ordering::Relaxed), echo.unshown.load(Ordering::Relaxed));
        let unshown = if unshown > 0 { format!(", {unshown} not printed") } else { String::new() };
        say(&format!("{all} requests in {seconds:.1} s, {failed} answered with an error{unshown}"));
    }
    printed?;
    outcome.map(|()| 0)
}

/// Prints requests until there were enough, or nobody reads any more.
async fn show_all(args: &Args, shown: &mut mpsc::Receiver<Served>, printer: &mut Printer) -> Result<(), Failure> {
    let (output, format) = (Output::new(), args.format.unwrap_or_else(Format::usual));
    let mut served = 0;
    while let Some(request) = shown.recv().await {
        if !args.quiet && printer.line(text(&output, format, &request)).await?.is_break() {
            break;
        }
        served += 1;
        if args.count == Some(served) {
            break;
        }
    }
    Ok(())
}

/// What all requests share.
struct Echo {
    delay: Option<Duration>,
    fail: Option<i64>,
    fail_every: u64,
    taken: AtomicU64,
    failed: AtomicU64,
    /// A reader who takes his time holds up no answer.
    unshown: AtomicU64,
    show: mpsc::Sender<Served>,
}

impl Echo {
    fn new(args: &Args, show: mpsc::Sender<Served>) -> Echo {
        let Args { delay, fail, fail_every, .. } = args;
        let (delay, fail, fail_every) = (*delay, *fail, *fail_every);
        let (taken, failed, unshown) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Echo { delay, fail, fail_every, taken, failed, unshown, show }
    }

    async fn answer(self: Arc<Echo>, request: Request, params: Value) -> Result<Value, RpcError> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        if self.show.try_send(Served { request, params: params.clone() }).is_err() {
            self.unshown.fetch_add(1, Ordering::Relaxed);
        }
        match self.fail {
            Some(code) if number.is_multiple_of(self.fail_every) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                Err(RpcError::new(code, "skep serve-echo was asked to fail").with_data(params))
            }
            _ => Ok(params),
        }
    }
}

fn text(output: &Output, format: Format, served: &Served) -> String {
    let Served { request, params } = served;
    match format {
        Format::Raw => output.value(format, params),
        Format::Json => {
            let mut object = json!({ "method": request.method, "params": params });
            if let Some(id) = &request.id {
                object["id"] = id.clone();
            }
            let about =
                [("caller_id", &request.caller_id), ("caller_addr", &request.caller_addr), ("auth", &request.auth)];
            for (name, value) in about {
                if let Some(value) = value {
                    object[name] = Value::from(value.as_str());
                }
            }
            if request.redelivered {
                object["redelivered"] = Value::from(true);
            }
            output.value(format, &object)
        }
        Format::Pretty => output.message(&request.method, &notes(request), params),
    }
}

/// Who called, and what else there is to know.
fn notes(request: &Request) -> String {
    let mut notes = Vec::new();
    match &request.caller_id {
        Some(id) => notes.push(format!("from {id}")),
        None => notes.push("from the backend".to_owned()),
    }
    if let Some(auth) = &request.auth {
        notes.push(format!("auth {auth}"));
    }
    if request.id.is_none() {
        notes.push("no answer wanted".to_owned());
    }
    if request.redelivered {
        notes.push("delivered again".to_owned());
    }
    notes.join(", ")
}
