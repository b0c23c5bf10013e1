//! `skep exec`: a command with an instance of its own, which is there for as
//! long as the command runs.

mod command;
mod folder;
#[cfg(target_os = "linux")]
mod left;
mod reap;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use skep::Skep;
use skep::addresses::Addresses;
use skep::config::{Config, Key};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::failure::whole;
use super::settings::SettingsArgs;
use super::{limits, logging, serve};
use command::Command;
use folder::Folder;

pub use reap::ReapArgs;
pub use reap::run as reap;

/// Run a command with a skep of its own, which ends with it
///
/// Both buses listen on 127.0.0.1, at ports that the system chooses, so any
/// number can run at once; bindings are in memory. The command is told through
/// environment variables where they are. Settings come from where `skep serve`
/// has them, but for ports and bindings, which only --set changes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// The command and its arguments; put -- before it
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,

    #[command(flatten)]
    settings: SettingsArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep exec -- cargo test
  skep exec -- sh -c './worker & ./client'
  skep exec --set router.lanes=4 -- npm test";

const LONG_EXAMPLES: &str = "\
Examples:
  skep exec -- cargo test
  skep exec -- sh -c './worker & ./client'
  skep exec --set router.lanes=4 -- npm test
  skep exec -- sh -c 'skep call myapp.str.uc \"{}\"'
  skep exec -- prove -r t

The command finds in its environment:
  SKEP_BACKEND_URL       mqtt://127.0.0.1:PORT, for workers
  SKEP_BACKEND_USER      and SKEP_BACKEND_PASSWORD: who they log in as
  SKEP_FRONTEND_URL      mqtt://127.0.0.1:PORT, for clients
  SKEP_FRONTEND_WS_URL   ws://127.0.0.1:PORT/mqtt, for clients in browsers
  SKEP_FRONTEND_USER     and SKEP_FRONTEND_PASSWORD: who they log in as
  SKEP_URL, SKEP_USER and SKEP_PASSWORD
                         the frontend's, for skep call
  SKEP_ADMIN_URL         http://127.0.0.1:PORT, for skep clients and the like
  BEEKEEPER_CONFIG_DIR   a temporary folder with a bus.config.json, and with links to
                         the other files of the folder that was there before

Signals that skep gets (INT, TERM, HUP, QUIT, USR1, USR2) are passed on to the
command. The log is on standard error; it has warnings unless --log says more.

Exit status:
  the command's; 128 and the signal's number if a signal ended it
  2     the command line of skep exec can't be understood
  125   skep itself can't start, or failed
  126   the command can't be run
  127   the command can't be found";

/// The status of a failure that is skep's and not the command's.
const OWN_FAILURE: u8 = 125;

pub fn run(args: &Args) -> ExitCode {
    let executed = args.settings.load_ephemeral().and_then(|effective| {
        let log = Key::from(["log", "filter"]);
        let quiet = effective.is_default(&log);
        let mut config = effective.config;
        // The terminal is the command's.
        if quiet {
            config.log.filter = "warn".to_owned();
        }
        execute(&args.command, config)
    });
    match executed {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("skep exec: {}", whole(&error));
            ExitCode::from(OWN_FAILURE)
        }
    }
}

fn execute(command: &[OsString], config: Config) -> anyhow::Result<u8> {
    let lines = logging::start(&config)?;
    limits::raise_open_files();
    let core = limits::forbid_core_dumps_for_now();
    // Before anything else, so that whatever comes of it, it is cleared away.
    let mut folder = Folder::new()?;
    let runtime = serve::runtime(config.threads)?;
    let mut skep = runtime.block_on(Skep::start(config.clone()))?;
    if let Some(lines) = lines {
        let _runtime = runtime.enter();
        skep.publish_log(lines);
    }
    let addresses = Addresses::new(&config, &skep);
    folder.fill(&addresses)?;

    let command = Command::new(command)
        .core_limit(core)
        .variables(addresses.variables())
        .variable(folder::VARIABLE, folder.path());
    let running = match command.start() {
        Ok(running) => running,
        Err(refused) => {
            eprintln!("skep exec: {refused}");
            return Ok(refused.status());
        }
    };
    folder.warn_of(running.group());
    let instance = Instance::new(&runtime, skep, running.signals());
    let status = running.wait().context("the end of the command can't be waited for");
    folder.forget_group();
    // While there are buses yet, so that workers can leave in good order.
    #[cfg(target_os = "linux")]
    left::end(folder.path());
    let failed = instance.stop(&runtime)?;
    drop(folder);
    // A task that doesn't end by itself can't keep the process.
    runtime.shutdown_background();
    let status = status?;
    Ok(if failed { OWN_FAILURE } else { status })
}

/// The instance while the command runs.
struct Instance {
    stop: oneshot::Sender<()>,
    task: JoinHandle<bool>,
}

impl Instance {
    /// Has the command ended if the instance fails: it would only find closed
    /// doors.
    fn new(runtime: &Runtime, mut skep: Skep, signals: command::Signals) -> Instance {
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(async move {
            let failed = tokio::select! {
                () = skep.failed() => true,
                _ = stopped => false,
            };
            if failed {
                tracing::error!("a vital part of skep failed: ending the command");
                signals.end();
            }
            skep.stop().await;
            failed
        });
        Instance { stop, task }
    }

    /// True if it has failed.
    fn stop(self, runtime: &Runtime) -> anyhow::Result<bool> {
        // It has ended by itself if it failed.
        let _ = self.stop.send(());
        runtime.block_on(self.task).context("skep did not come to its end")
    }
}
