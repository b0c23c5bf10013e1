//! `skep check`: are the settings good, and what is in force.

use std::io::Write;
use std::process::ExitCode;

use super::advice;
use super::settings::SettingsArgs;

/// Check the settings, and print those in force and where each comes from
///
/// Reads the files that they name (certificates, users, keys), but listens nowhere
/// and leaves the bindings alone. What is printed can be used as a settings
/// file, once the passwords are put back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_STATUS)]
pub struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
}

const EXIT_STATUS: &str = "\
Exit status:
  0   the settings can be used; what had better be otherwise is on standard error
  1   they can't, or a file that they name can't; everything that is wrong is on standard error
  2   the command line can't be understood";

pub fn run(args: &Args) -> ExitCode {
    match args.settings.load() {
        Ok(effective) if let Err(error) = skep::check_files(&effective.config) => {
            eprintln!("skep: {error}");
            ExitCode::FAILURE
        }
        Ok(effective) => match write!(std::io::stdout().lock(), "{effective}") {
            Ok(()) => {
                advice::on(&effective).iter().for_each(|advice| eprintln!("skep: warning: {advice}"));
                ExitCode::SUCCESS
            }
            // Whoever read the output has seen enough of it.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("skep: the settings can't be printed: {error}");
                ExitCode::FAILURE
            }
        },
        Err(invalid) => {
            eprintln!("skep: {invalid}");
            ExitCode::FAILURE
        }
    }
}
