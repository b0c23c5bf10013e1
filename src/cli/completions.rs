//! `skep completions`: what a shell needs to complete this command.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::output::say;

/// Print a shell's completions of this command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(skep completions bash)     for this shell
  skep completions bash >~/.local/share/bash-completion/completions/skep
  skep completions zsh >~/.zfunc/_skep     with ~/.zfunc in $fpath
  skep completions fish >~/.config/fish/completions/skep.fish

Exit status:
  0   printed
  1   they can't be printed
  2   the command line can't be understood";

pub fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "skep", &mut script);
    match std::io::stdout().lock().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("skep completions: they can't be printed: {error}"));
            ExitCode::FAILURE
        }
    }
}
