//! `skep import`: settings made from those of another set-up.

/// Their files.
mod files;
/// What becomes of them.
mod plan;
/// Their JSON.
mod relaxed;
/// Our file.
mod text;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use skep::config::{Origin, Sources};

use super::failure::whole;
use files::Files;
use plan::Plan;

/// Make a settings file from the configuration of another set-up
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Beekeeper(Beekeeper),
}

/// From the framework's bus.config.json, pool.config.json and toybroker.config.json
///
/// Reads bus.config.json in DIR, and pool.config.json, toybroker.config.json and
/// client.config.json if they are there. Says on standard error what could not
/// be carried over; docs/migration.md takes you through the rest.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
struct Beekeeper {
    /// Directory of the files, such as /etc/beekeeper
    dir: PathBuf,

    /// Where to write; never over a file that is there. "-" is standard output
    #[arg(long, short, value_name = "FILE", default_value = "rumqttd.toml")]
    output: PathBuf,
}

const EXIT_STATUS: &str = "\
Exit status:
  0   written, perhaps with something to be seen to
  1   not written: the files can't be read, or FILE is there
  2   the command line can't be understood";

pub fn run(args: &Args) -> ExitCode {
    let From::Beekeeper(args) = &args.from;
    match import(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skep: {}", whole(&error));
            ExitCode::FAILURE
        }
    }
}

fn import(args: &Beekeeper) -> anyhow::Result<()> {
    let files = Files::read(&args.dir)?;
    let plan = Plan::of(&files);
    let text = plan.text(&files.names)?;
    check(&text)?;
    let to_stdout = args.output == Path::new("-");
    if to_stdout {
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            // Whoever read the output has seen enough of it.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(error).context("the settings can't be written");
            }
            _ => {}
        }
    } else {
        write_new(&args.output, &text)?;
    }
    for note in &plan.notes {
        eprintln!("skep: {note}");
    }
    if !to_stdout {
        eprintln!("skep: {} is written; `skep check --config {0}` prints it all", args.output.display());
    }
    Ok(())
}

/// What is written can be used, or nothing is.
fn check(text: &str) -> anyhow::Result<()> {
    let mut file = tempfile::NamedTempFile::new().context("no temporary file can be made")?;
    file.write_all(text.as_bytes()).context("the temporary file can't be written")?;
    let sources = Sources { file: Some((file.path().to_owned(), Origin::Default)), ..Sources::default() };
    if let Err(invalid) = sources.load() {
        let shown = invalid.to_string().replace(&*file.path().to_string_lossy(), "what was made of it");
        bail!("something in these files can't be a setting of skep: {shown}");
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    // It has passwords in it.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already: name another file with --output, or move that one away", path.display())
        }
        file => file.with_context(|| format!("{} can't be made", path.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("{} can't be written", path.display()))
}
