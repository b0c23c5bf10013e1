//! `skep reload`: has a running skep read users, certificates and rules again,
//! and tells what came of it. Both sides are here.
//!
//! The command leaves a request of its own in the data directory and sends
//! SIGHUP; the process writes beside it what came of the request.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use skep::config::Effective;
use skep::{Reloaded, bindings};
use tracing::{error, info, warn};

use super::failure::whole;
use super::settings::SettingsArgs;

const REQUEST: &str = "reload.request";
const OUTCOME: &str = "reload.outcome";

/// How long a look at the outcome is followed by the next.
const PAUSE: Duration = Duration::from_millis(20);

/// Have a running skep read users, certificates and rules again
///
/// Finds the process by the data directory. It reads the settings that it was
/// started with again, and the files that they name. No connection is dropped
/// but those of users that are gone. If something can't be used, all stays as it
/// was. Does the same as SIGHUP, and waits for what comes of it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub struct Args {
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = super::values::seconds)]
    timeout: Duration,

    #[command(flatten)]
    settings: SettingsArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0   done; settings that need a restart are named on standard error
  1   refused, and all is as it was; or no skep runs there, or none that answers
  2   the command line can't be understood";

/// What a process says of the last reload, and at first of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Outcome {
    pid: u32,
    /// That of whoever asked; empty if nobody did with this command.
    request: String,
    error: Option<String>,
    needs_restart: Vec<String>,
}

pub fn run(args: &Args) -> ExitCode {
    match ask(args) {
        Ok(outcome) => {
            for key in &outcome.needs_restart {
                eprintln!("skep reload: {key} has changed and needs a restart");
            }
            match outcome.error {
                None => ExitCode::SUCCESS,
                Some(error) => {
                    eprintln!("skep reload: nothing has changed: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("skep reload: {}", whole(&error));
            ExitCode::FAILURE
        }
    }
}

fn ask(args: &Args) -> anyhow::Result<Outcome> {
    let data = data(&args.settings)?;
    let shown = data.display();
    let holder = bindings::holder(&data).with_context(|| format!("the data directory {shown} can't be looked at"))?;
    let pid = holder.with_context(|| format!("no skep runs with the data directory {shown}"))?;
    let takes_reloads = read(&data)?.is_some_and(|outcome| outcome.pid == pid);
    if !bindings::is_holder(&data, pid) || !takes_reloads {
        bail!(
            "the data directory {shown} is in use by process {pid}, which is not a skep that can be told from here: it is \
             on another machine, in another container, of another user, or a program that has skep in it"
        );
    }
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("its process has no number")?;
    let request = skep::random::letters(16);
    let until = Instant::now() + args.timeout;
    let _turn = turn(&data, until)?;
    // Who asks may be root, who answers may not; what it wrote at its start is its own.
    let reader = std::fs::metadata(data.join(OUTCOME)).ok().map(|outcome| outcome.uid());
    replace(&data.join(REQUEST), request.as_bytes(), reader)
        .with_context(|| format!("the data directory {shown} can't be written to"))?;
    kill_process(process, Signal::HUP).with_context(|| format!("process {pid} can't be told"))?;
    while Instant::now() < until {
        std::thread::sleep(PAUSE);
        if let Some(outcome) = read(&data)?
            && outcome.request == request
        {
            return Ok(outcome);
        }
    }
    bail!("process {pid} has not answered within {} s", args.timeout.as_secs_f64())
}

/// Waits until nobody else asks: there is one place for a request, and one for
/// its outcome. Held for as long as the answer is waited for.
fn turn(data: &Path, until: Instant) -> anyhow::Result<File> {
    let shown = data.display();
    let directory = File::open(data).with_context(|| format!("the data directory {shown} can't be opened"))?;
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => bail!("another \"skep reload\" waits for an answer still"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("the data directory {shown} can't be locked"));
            }
        }
    }
}

/// The directory that the settings name. Settings that can't be used are told of
/// by the process that is to use them, if it can be found without.
fn data(settings: &SettingsArgs) -> anyhow::Result<PathBuf> {
    match (settings.load(), settings.data_option()) {
        (Ok(effective), _) => Ok(effective.config.data),
        (Err(_), Some(data)) => Ok(data),
        (Err(invalid), None) => Err(invalid).context("nothing has changed"),
    }
}

fn read(data: &Path) -> anyhow::Result<Option<Outcome>> {
    let path = data.join(OUTCOME);
    match std::fs::read(&path) {
        // It is replaced as a whole, so what is not an outcome is a stranger.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

/// What the process on the other side does.
pub struct Answers {
    /// `None`: nothing of this process is on disk, and SIGHUP gets no answer.
    data: Option<PathBuf>,
}

impl Answers {
    /// Says that this process takes reloads.
    pub fn new(data: Option<&PathBuf>) -> Answers {
        let answers = Answers { data: data.cloned() };
        answers.write(Outcome::default());
        answers
    }

    /// Does a reload, and says what came of it: to the log, and to whoever asked.
    pub fn reload(&self, skep: &mut skep::Skep, load: impl FnOnce() -> Result<Effective, String>) {
        // Whoever asks later sends a signal later.
        let request = self.data.as_ref().and_then(|data| std::fs::read_to_string(data.join(REQUEST)).ok());
        let request = request.unwrap_or_default();
        let done = load().and_then(|effective| {
            let reloaded = skep.reload(&effective.config).map_err(|error| error.to_string())?;
            super::advice::log(&effective);
            Ok(reloaded)
        });
        let outcome = match done {
            Ok(Reloaded { needs_restart }) => {
                info!("reloaded: users, topic rules, certificates and keys are as their files and settings say now");
                for key in &needs_restart {
                    warn!("{key} has changed and needs a restart");
                }
                Outcome { request, needs_restart, ..Outcome::default() }
            }
            Err(why) => {
                error!("not reloaded, nothing has changed: {why}");
                Outcome { request, error: Some(why), ..Outcome::default() }
            }
        };
        self.write(outcome);
    }

    fn write(&self, mut outcome: Outcome) {
        let Some(data) = &self.data else { return };
        outcome.pid = std::process::id();
        let written =
            serde_json::to_vec(&outcome).map_err(Into::into).and_then(|text| replace(&data.join(OUTCOME), &text, None));
        if let Err(error) = written {
            warn!("\"skep reload\" can't be answered: {} can't be written to: {error}", data.display());
        }
    }
}

/// Replaces a file as a whole. It is for its owner alone: `reader`, if that is
/// somebody else.
fn replace(path: &Path, text: &[u8], reader: Option<u32>) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text)?;
    if let Some(reader) = reader
        && file.as_file().metadata()?.uid() != reader
    {
        fchown(file.as_file(), Some(reader), None)?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
