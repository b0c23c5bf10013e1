//! `skep listen`: notifications as they come, until enough is enough.

use std::future::poll_fn;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::Stream;
use serde_json::{Value, json};
use skep::client::{Notification, Notifications};

use super::connect::{ConnectArgs, Side};
use super::failure::{self, Failure, Threads};
use super::login::LoginArgs;
use super::output::{self, Format, Output, Printer, say};
use super::{ending, logging, values};

/// Print notifications as they come
///
/// On a frontend, what clients are told: broadcasts, and, with --login, pushes
/// to that user. On a backend, what workers tell each other. Ends with Ctrl-C,
/// and then says on standard error how many there were.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// What to listen to: a method (myapp.chat.message), all of a service and of those
    /// below it (myapp.chat.*), or everything (*)
    #[arg(value_name = "PATTERN", default_value = "*", value_parser = values::pattern)]
    patterns: Vec<String>,

    /// Listen on the backend, as a worker does
    #[arg(long)]
    backend: bool,

    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    timeout: Option<Duration>,

    /// How notifications look; raw is the parameters alone [default: pretty on a
    /// terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Say nothing on standard error, unless something is wrong
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep listen
  skep listen 'myapp.chat.*' --count 1 --timeout 10
  skep listen --login myapp.auth.login '{\"username\":\"ann\",\"password\":\"\"}'
  skep listen --backend --format json | jq .params";

const LONG_EXAMPLES: &str = "\
Examples:
  skep listen
  skep listen 'myapp.chat.*' --count 1 --timeout 10
  skep listen --login myapp.auth.login '{\"username\":\"ann\",\"password\":\"\"}'
  skep listen --backend --format json | jq .params

Exit status:
  0   ended by Ctrl-C or SIGTERM, by --count, by --timeout without --count, or
      because nobody reads the output any more
  1   the login returned a JSON-RPC error
  2   the command line can't be understood
  3   fewer than --count came within --timeout
  4   the connection failed, was refused, or was taken over; one that is lost later
      is made again
  5   the output can't be written";

/// Notifications that may wait for a reader that is slow; more are missed.
const UNREAD: usize = 65_536;

/// For what has come until Ctrl-C to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

pub fn run(args: &Args) -> ExitCode {
    logging::start_for_command();
    failure::run("listen", Threads::One, listen(args))
}

async fn listen(args: &Args) -> Result<u8, Failure> {
    args.login.call()?;
    let side = if args.backend { Side::Backend } else { Side::Frontend };
    let mut endpoint = args.connect.endpoint(side)?;
    endpoint.options = endpoint.options.max_unread(UNREAD);
    let client = endpoint.connect().await?;
    let patterns = without_covered(&args.patterns);
    let mut heard = Vec::new();
    for pattern in &patterns {
        let listening = client.listen(pattern).await;
        heard.push(listening.map_err(|error| Failure::of_call(error, &endpoint.place, pattern))?);
    }
    args.login.log_in(&client, &endpoint).await?;
    let end = ending::asked_for();
    if !args.quiet {
        say(&format!("listening to {} at {}; end with Ctrl-C", patterns.join(", "), endpoint.place));
    }
    let mut listening = Listening { args, heard, began: Instant::now(), all: 0, private: 0 };
    let mut printer = Printer::start(Output::new());
    let (outcome, patience) = tokio::select! {
        outcome = listening.run(&mut printer, &endpoint.place) => (outcome, None),
        () = end => (Ok(0), Some(LAST_LINES)),
    };
    let printed = finish(printer, patience).await;
    if !args.quiet {
        listening.sum_up();
    }
    client.close().await;
    printed?;
    outcome
}

/// Prints what has come, if its reader takes it within the time that somebody
/// who wants the end has.
async fn finish(printer: Printer, patience: Option<Duration>) -> std::io::Result<()> {
    let late = async {
        match patience {
            Some(time) => tokio::time::sleep(time).await,
            None => ending::asked_for().await,
        }
    };
    tokio::select! {
        printed = printer.finish() => printed,
        () = late => Ok(()),
    }
}

struct Listening<'a> {
    args: &'a Args,
    heard: Vec<Notifications>,
    began: Instant,
    all: u64,
    private: u64,
}

impl Listening<'_> {
    async fn run(&mut self, printer: &mut Printer, place: &str) -> Result<u8, Failure> {
        let late = async {
            match self.args.timeout {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let (output, unread) = (Output::new(), output::unread());
        tokio::pin!(late, unread);
        loop {
            let notification = tokio::select! {
                notification = next(&mut self.heard) => notification,
                () = &mut unread => return Ok(0),
                () = &mut late => return match self.args.count {
                    None => Ok(0),
                    Some(count) => Err(Failure::Late(format!("only {} of {count} came in time", self.all))),
                },
            };
            let Some(notification) = notification else {
                return Err(Failure::Connection(format!("the connection to {place} has ended for good")));
            };
            let text = text(&output, self.args.format.unwrap_or_else(Format::usual), &notification);
            if printer.line(text).await?.is_break() {
                return Ok(0);
            }
            self.all += 1;
            self.private += u64::from(notification.private);
            if self.args.count == Some(self.all) {
                return Ok(0);
            }
        }
    }

    fn sum_up(&self) {
        let missed: u64 = self.heard.iter().map(Notifications::missed).sum();
        let Listening { all, private, .. } = self;
        let seconds = self.began.elapsed().as_secs_f64();
        say(&format!("{all} notifications in {seconds:.1} s: {private} private, {missed} missed"));
    }
}

/// The next one, whichever pattern it came by. None: there will be no more.
async fn next(heard: &mut [Notifications]) -> Option<Notification> {
    poll_fn(|context| {
        for notifications in &mut *heard {
            if let Poll::Ready(next) = Pin::new(notifications).poll_next(context) {
                return Poll::Ready(next);
            }
        }
        Poll::Pending
    })
    .await
}

fn text(output: &Output, format: Format, notification: &Notification) -> String {
    let Notification { method, params, private, caller_id, auth, .. } = notification;
    match format {
        Format::Raw => output.value(format, params),
        Format::Json => {
            let mut object = json!({ "method": method, "params": params, "private": private });
            for (name, value) in [("caller_id", caller_id), ("auth", auth)] {
                if let Some(value) = value {
                    object[name] = Value::from(value.as_str());
                }
            }
            output.value(format, &object)
        }
        Format::Pretty => output.message(method, if *private { "private" } else { "" }, params),
    }
}

/// Patterns without those that another one covers, which would show what they
/// have in common twice.
fn without_covered(patterns: &[String]) -> Vec<&str> {
    let covers = |wide: &str, pattern: &str| match wide.strip_suffix('*') {
        Some(service) => pattern.starts_with(service),
        None => pattern == wide,
    };
    let mut kept: Vec<&str> = Vec::new();
    for pattern in patterns {
        if !kept.iter().any(|wide| covers(wide, pattern)) {
            kept.retain(|narrow| !covers(pattern, narrow));
            kept.push(pattern);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_listened_to_twice() {
        let kept = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            without_covered(&patterns).join(" ")
        };
        assert_eq!(kept(&["a.b", "a.*", "a.b.*", "b.c"]), "a.* b.c");
        assert_eq!(kept(&["a.*", "*"]), "*");
        assert_eq!(kept(&["a.b", "a.b", "a.bc"]), "a.b a.bc");
        assert_eq!(kept(&["ab.c", "a.*"]), "ab.c a.*");
    }
}
