//! `skep serve`: runs the buses until a signal ends them.

use std::process::ExitCode;

use anyhow::Context;
use skep::addresses::Addresses;
use skep::config::{Config, Effective, LogFormat};
use skep::framework::LogLines;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::failure::whole;
use super::origin::{Origin, OriginArgs};
use super::ready::{Ready, ReadyArgs};
use super::reload::Answers;
use super::settings::SettingsArgs;
use super::{advice, limits, logging, supervisor, welcome};
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

    /// Leave nothing behind: every listener at a port of the system's choice on
    /// 127.0.0.1, bindings in memory
    ///
    /// This goes before what the file and the environment say; only --set changes it.
    #[arg(long, help_heading = "For test fixtures")]
    ephemeral: bool,

    #[command(flatten)]
    ready: ReadyArgs,

    #[command(flatten)]
    origin: OriginArgs,
}

pub const EXIT_STATUS: &str = "\
Examples:
  skep serve --ephemeral --ready-fd 1 --die-with-stdin
                          for a fixture that keeps standard input open
  skep serve --ephemeral --ready-file ready.json --die-with-parent &

Exit status:
  0     stopped by SIGTERM or SIGINT, after what was under way had finished
  1     the settings can't be used, a listener or the bindings can't be opened,
        or a vital part failed
  2     the command line can't be understood
  130   stopped at once by a second signal, SIGINT
  143   the same, SIGTERM

SIGHUP has it read users, certificates and topic rules again, see \"skep reload\".";

impl Args {
    fn load(&self) -> anyhow::Result<Effective> {
        if self.ephemeral { self.settings.load_ephemeral() } else { Ok(self.settings.load()?) }
    }
}

pub fn run(args: &Args) -> ExitCode {
    match start(args) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("skep: {}", whole(&error));
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> anyhow::Result<u8> {
    let ready = args.ready.open()?;
    let origin = args.origin.watch();
    let effective = args.load()?;
    let config = effective.config.clone();
    let lines = logging::start(&config)?;
    limits::forbid_core_dumps();
    limits::raise_open_files();
    limits::warn_if_too_few(&config);
    advice::log(&effective);
    let runtime = runtime(config.threads)?;
    let status = runtime.block_on(serve(args, config, lines, ready, origin));
    // A task that doesn't end by itself can't keep the process.
    runtime.shutdown_background();
    status
}

/// Connections and router share its threads.
pub fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        given => given,
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name("skep-worker").enable_all();
    skep::tune(&mut builder);
    builder.build().context("the system gives no threads to run on")
}

async fn serve(
    args: &Args,
    config: Config,
    lines: Option<LogLines>,
    ready: Ready,
    mut origin: Origin,
) -> anyhow::Result<u8> {
    let mut signals = Signals::new()?;
    let about = welcome::About::new(&config);
    if args.set_aside_bindings {
        match skep::bindings::set_aside(&config.data)? {
            Some(to) => warn!("bindings moved to {}: everybody has to log in again", to.display()),
            None => info!("no bindings to set aside in {}", config.data.display()),
        }
    }
    let mut skep = tokio::select! {
        started = Skep::start(config.clone()) => started?,
        signal = signals.ending() => return Ok(signal.status()),
    };
    if let Some(lines) = lines {
        skep.publish_log(lines);
    }
    let answers = Answers::new(config.bindings.persist.then_some(&config.data));
    // Who reads the line can't read the text.
    if !ready.is_asked_for() || config.log.format == LogFormat::Json {
        about.print(skep.listeners(), skep.admin());
    }
    let addresses = Addresses::new(&config, &skep);
    // Who keeps no secrets on disk may know them all.
    let addresses = if args.ephemeral { addresses } else { addresses.without_passwords() };
    let told = ready.tell(&addresses.ready());
    let _ready_file = match told {
        Ok(file) => file,
        Err(error) => {
            skep.stop().await;
            return Err(error);
        }
    };
    supervisor::ready(&skep);

    let failed = loop {
        tokio::select! {
            () = skep.failed() => break true,
            asked = signals.next() => if let Asked::End(signal) = asked {
                info!(%signal, "stopping: requests under way may finish; a second signal stops at once");
                break false;
            },
            why = origin.gone() => {
                info!("stopping: {why}");
                break false;
            }
        }
        // This thread is nobody else's: it may wait for the files.
        supervisor::reloading();
        answers.reload(&mut skep, || args.load().map_err(|error| error.to_string()));
        supervisor::reloaded();
    };
    if failed {
        error!("stopping: a vital part failed");
    }
    supervisor::stopping();
    // In a task of its own, so that a stop that waits for the disk can't keep a
    // signal from being seen.
    let mut stopping = tokio::spawn(skep.stop());
    tokio::select! {
        stopped = &mut stopping => {
            stopped.context("the stop did not come to its end")?;
            info!("stopped");
            Ok(u8::from(failed))
        }
        signal = signals.ending() => Ok(signal.status()),
    }
}

/// The signals that end the process, and the one that has it read files again.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// The end of the terminal that it was started from is its end, too.
    ends_with_terminal: bool,
}

/// What a signal asks for.
enum Asked {
    End(Ending),
    Reload,
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Interrupt,
    Terminate,
    Hangup,
}

impl Signals {
    /// From now on signals no longer end the process by themselves.
    fn new() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("signals can't be received");
        let ends_with_terminal = has_terminal() && !ignores_hangup();
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            ends_with_terminal,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End(Ending::Interrupt),
            _ = self.terminate.recv() => Asked::End(Ending::Terminate),
            _ = self.hangup.recv() => match self.ends_with_terminal && !has_terminal() {
                true => Asked::End(Ending::Hangup),
                false => Asked::Reload,
            }
        }
    }

    async fn ending(&mut self) -> Ending {
        loop {
            if let Asked::End(ending) = self.next().await {
                return ending;
            }
        }
    }
}

/// Whether there is a terminal that the process belongs to.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP is ignored, as nohup has it: then the end of the terminal is to
/// be survived.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // Signal 1 is bit 0.
    mask & 1 == 1
}

impl Ending {
    /// What a shell reports of a process that this signal ended: 128 and its number.
    fn status(self) -> u8 {
        match self {
            Ending::Interrupt => 130,
            Ending::Terminate => 143,
            Ending::Hangup => 129,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Ending::Interrupt => "SIGINT",
            Ending::Terminate => "SIGTERM",
            Ending::Hangup => "SIGHUP, as its terminal is gone",
        })
    }
}
