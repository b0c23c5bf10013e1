//! Why a command that talks to a bus did not do what it was to do: what it says
//! and its exit status, the same for all of them.

use std::io;
use std::process::ExitCode;

use skep::client::{CallError, RpcError};

use super::output::{harmless, say};

/// An error and what it came from, each told once: many have the text of their
/// source in their own.
pub fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[derive(Debug)]
pub enum Failure {
    /// A service answered with an error.
    Rpc(RpcError),
    /// The command line, a file or standard input can't be understood.
    Usage(anyhow::Error),
    /// What was waited for did not come in time.
    Late(String),
    /// The connection failed, was refused or was lost.
    Connection(String),
    /// The output can't be written.
    Output(io::Error),
}

impl Failure {
    pub fn status(&self) -> u8 {
        match self {
            Failure::Rpc(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Late(_) => 3,
            Failure::Connection(_) => 4,
            Failure::Output(_) => 5,
        }
    }

    /// What is said of it on standard error.
    pub fn text(&self, command: &str) -> String {
        match self {
            Failure::Rpc(RpcError { code, message, data }) => {
                let data = data.as_ref().map(|data| format!("\n{data:#}")).unwrap_or_default();
                harmless(&format!("error {code}: {message}{data}"))
            }
            Failure::Usage(error) => format!("skep {command}: {error:#}"),
            Failure::Late(text) | Failure::Connection(text) => format!("skep {command}: {}", harmless(text)),
            Failure::Output(error) => format!("skep {command}: the output can't be written: {error}"),
        }
    }

    /// Of a call or a notification of `method`, made at `place`.
    pub fn of_call(error: CallError, place: &str, method: &str) -> Failure {
        match error {
            CallError::Rpc(error) => Failure::Rpc(error),
            CallError::Timeout(time) => {
                Failure::Late(format!("no answer from {method} within {} s", time.as_secs_f64()))
            }
            CallError::ConnectionLost => {
                Failure::Connection(format!("the connection to {place} was lost before {method} answered"))
            }
            error @ (CallError::Refused(_) | CallError::Ended(_)) => {
                Failure::Connection(format!("{method} can't be reached at {place}: {error}"))
            }
            // What the client refuses to send.
            error => Failure::Usage(error.into()),
        }
    }
}

/// What the command line can't tell.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Usage(error)
    }
}

/// A reader that has seen enough is not among them: see
/// [`Output::line`](super::output::Output::line).
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// Of several things done one after another, those that failed and yet don't end
/// the command: told of at once, and the first decides.
pub struct Failures {
    command: &'static str,
    first: u8,
}

impl Failures {
    pub fn of(command: &'static str) -> Failures {
        Failures { command, first: 0 }
    }

    /// Takes note of one, which came of that line of standard input.
    ///
    /// # Errors
    /// It ends the command: what comes after would fail as well.
    pub fn note(&mut self, line: Option<u64>, failure: Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::Connection(_) | Failure::Output(_)) {
            return Err(failure);
        }
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        say(&format!("{line}{}", failure.text(self.command)));
        if self.first == 0 {
            self.first = failure.status();
        }
        Ok(())
    }

    pub fn status(&self) -> u8 {
        self.first
    }
}

/// Runs a command that talks to buses; its status, and what it says if it fails.
pub fn run(command: &str, threads: Threads, work: impl Future<Output = Result<u8, Failure>>) -> ExitCode {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Cores => tokio::runtime::Builder::new_multi_thread(),
    };
    let outcome = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::Connection(format!("there is nothing to run on: {error}")))
        .and_then(|runtime| {
            let outcome = runtime.block_on(work);
            // A task that doesn't end by itself can't keep the process.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            say(&failure.text(command));
            ExitCode::from(failure.status())
        }
    }
}

/// How many a command runs on.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    One,
    Cores,
}
