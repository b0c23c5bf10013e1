//! `skep man`: manual pages, made from what `--help` says.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::Cli;
use super::output::say;

/// Print the manual page of skep or of one of its commands, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The command whose page is printed [default: skep itself]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,

    /// Write the pages of all commands into this directory, which is made if need be
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  skep man call | man -l -
  skep man --dir ~/.local/share/man/man1

Exit status:
  0   printed or written
  1   they can't be printed or written
  2   the command line can't be understood; there is no such command";

pub fn run(args: &Args) -> ExitCode {
    let mut command = Cli::command();
    // Names of commands and what they inherit.
    command.build();
    let pages = pages(&command);
    if let Some(dir) = &args.dir {
        return match write_all(dir, &pages) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("skep man: {error:#}"));
                ExitCode::FAILURE
            }
        };
    }
    let name = args.command.as_ref().map_or("skep".to_owned(), |command| format!("skep-{command}"));
    let Some((_, page)) = pages.into_iter().find(|(known, _)| *known == name) else {
        say(&format!(
            "skep man: there is no command {:?}; skep --help lists them",
            args.command.as_deref().unwrap_or("")
        ));
        return ExitCode::from(2);
    };
    match std::io::stdout().lock().write_all(page.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("skep man: the page can't be printed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write_all(dir: &Path, pages: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("the directory {} can't be made", dir.display()))?;
    for (name, page) in pages {
        let path = dir.join(format!("{name}.1"));
        std::fs::write(&path, page).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

/// Names and texts of the pages, the command's own first.
fn pages(command: &Command) -> Vec<(String, String)> {
    let mut pages = vec![("skep".to_owned(), page(command, "skep"))];
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        let name = format!("skep-{}", sub.get_name());
        pages.push((name.clone(), page(sub, &name)));
        for below in sub.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
            let name = format!("{name}-{}", below.get_name());
            pages.push((name.clone(), page(below, &name)));
        }
    }
    pages
}

fn page(command: &Command, name: &str) -> String {
    // What stands after the options has sections of its own here.
    let after = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let command = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    let man = Man::new(command.display_name(name.to_owned()))
        .title(name)
        .section("1")
        .date(NO_DATE)
        .source(SOURCE)
        .manual("skep");
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _ = man.render(&mut text);
    let mut page = String::from_utf8_lossy(&text).into_owned();
    page.push_str(&sections(&after.unwrap_or_default()));
    page
}

/// A day on which it was built would make each build another.
const NO_DATE: &str = " ";
const SOURCE: &str = concat!("skep ", env!("CARGO_PKG_VERSION"));

/// `Title:` at the margin begins a section; what follows stays as it is.
fn sections(text: &str) -> String {
    let mut roff = Roff::new();
    let mut open = false;
    for line in text.lines() {
        let title = line.strip_suffix(':').filter(|title| !title.is_empty() && !line.starts_with(' '));
        match title {
            Some(title) => {
                if open {
                    roff.control("fi", []);
                }
                roff.control("SH", [title.to_uppercase().as_str()]);
                roff.control("nf", []);
                open = true;
            }
            None => {
                roff.text([roman(line)]);
            }
        }
    }
    if open {
        roff.control("fi", []);
    }
    roff.render()
}
