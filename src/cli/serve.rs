//! `skep serve`: runs the buses until a signal ends them.

use std::process::ExitCode;

use anyhow::Context;
use skep::config::{Config, Effective};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::settings::SettingsArgs;
use super::{limits, logging, welcome};
use skep::Skep;

/// Run both buses and the router between them (the default)
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Move a binding store that can't be read out of the way, and start without it
    ///
    /// Everybody who was logged in has to log in again. Says where it was moved to.
    #[arg(long)]
    set_aside_bindings: bool,

    #[command(flatten)]
    settings: SettingsArgs,
}

pub const EXIT_STATUS: &str = "\
Exit status:
  0     stopped by SIGTERM or SIGINT, after what was under way had finished
  1     the settings can't be used, a listener or the bindings can't be opened,
        or a vital part failed
  2     the command line can't be understood
  130   stopped at once by a second signal, SIGINT
  143   the same, SIGTERM";

pub fn run(args: &Args) -> ExitCode {
    let effective = match args.settings.load() {
        Ok(effective) => effective,
        Err(invalid) => {
            eprintln!("skep: {invalid}");
            return ExitCode::FAILURE;
        }
    };
    match start(args, effective) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("skep: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args, effective: Effective) -> anyhow::Result<u8> {
    let config = effective.config;
    logging::start(&config.log)?;
    limits::raise_open_files();
    limits::warn_if_too_few(&config);
    let runtime = runtime(config.threads)?;
    let status = runtime.block_on(serve(args, config));
    // A task that doesn't end by itself can't keep the process.
    runtime.shutdown_background();
    status
}

/// Connections and router share its threads.
fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        given => given,
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name("skep-worker").enable_all();
    // What comes in one turn of the event loop is answered in one write each.
    builder.on_thread_start(skep::bus::allow_putting_off).on_thread_park(skep::bus::flush_put_off);
    skep::tune(&mut builder);
    builder.build().context("the system gives no threads to run on")
}

async fn serve(args: &Args, config: Config) -> anyhow::Result<u8> {
    let mut signals = Signals::new()?;
    let about = welcome::About::new(&config);
    if args.set_aside_bindings {
        match skep::bindings::set_aside(&config.data)? {
            Some(to) => warn!("bindings moved to {}: everybody has to log in again", to.display()),
            None => info!("no bindings to set aside in {}", config.data.display()),
        }
    }
    let mut skep = tokio::select! {
        started = Skep::start(config) => started?,
        signal = signals.next() => return Ok(signal.status()),
    };
    about.print(skep.listeners());

    let failed = tokio::select! {
        () = skep.failed() => true,
        signal = signals.next() => {
            info!(%signal, "stopping: requests under way may finish; a second signal stops at once");
            false
        }
    };
    if failed {
        error!("stopping: a vital part failed");
    }
    // In a task of its own, so that a stop that waits for the disk can't keep a
    // signal from being seen.
    let mut stopping = tokio::spawn(skep.stop());
    tokio::select! {
        stopped = &mut stopping => {
            stopped.context("the stop did not come to its end")?;
            info!("stopped");
            Ok(u8::from(failed))
        }
        signal = signals.next() => Ok(signal.status()),
    }
}

/// The signals that end the process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Interrupt,
    Terminate,
}

impl Signals {
    /// From now on signals no longer end the process by themselves.
    fn new() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("signals can't be received");
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupt,
            _ = self.terminate.recv() => Ending::Terminate,
        }
    }
}

impl Ending {
    /// What a shell reports of a process that this signal ended: 128 and its number.
    fn status(self) -> u8 {
        match self {
            Ending::Interrupt => 130,
            Ending::Terminate => 143,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Ending::Interrupt => "SIGINT",
            Ending::Terminate => "SIGTERM",
        })
    }
}
