//! Parameters of calls and notifications: from the command line or standard
//! input, once, several times, or anew on each line.

use std::io::{BufRead, IsTerminal, Read};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::sync::mpsc;

#[derive(Debug, clap::Args)]
pub struct ParamsArgs {
    /// Parameters, a JSON object or list; "-" reads them from standard input, as
    /// does leaving them out when something is piped in
    #[arg(value_name = "PARAMS", allow_hyphen_values = true)]
    params: Option<String>,

    /// Take the parameters from standard input, anew from each line
    ///
    /// Empty lines are passed over. A line that fails is told of on standard error,
    /// and the next one is taken.
    #[arg(long, conflicts_with = "params")]
    lines: bool,

    /// Do it so many times, one after another; with --lines, for so many lines at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// Lines that are read ahead.
const AHEAD: usize = 64;

/// What to call or notify with, one after another.
pub enum Params {
    Same { params: Option<Value>, left: u64 },
    Lines { lines: mpsc::Receiver<std::io::Result<String>>, number: u64, left: u64 },
}

impl ParamsArgs {
    /// Whether there may be more than one.
    pub fn is_many(&self) -> bool {
        self.lines || self.count.is_some_and(|count| count > 1)
    }

    /// # Errors
    /// They are not JSON, or no parameters.
    pub fn open(&self) -> anyhow::Result<Params> {
        if self.lines {
            return Ok(Params::Lines { lines: lines(), number: 0, left: self.count.unwrap_or(u64::MAX) });
        }
        Ok(Params::Same { params: self.once()?, left: self.count.unwrap_or(1) })
    }

    fn once(&self) -> anyhow::Result<Option<Value>> {
        let text = match self.params.as_deref() {
            Some("-") => stdin()?,
            Some(text) => text.to_owned(),
            None if is_piped() => stdin()?,
            None => return Ok(None),
        };
        if text.trim().is_empty() && self.params.is_none() {
            return Ok(None);
        }
        parse(&text).map(Some)
    }
}

impl Params {
    /// The next ones, with the number of their line if they have one. None: there
    /// are no more.
    pub async fn next(&mut self) -> Option<(Option<u64>, anyhow::Result<Option<Value>>)> {
        match self {
            Params::Same { left: 0, .. } | Params::Lines { left: 0, .. } => None,
            Params::Same { params, left } => {
                *left -= 1;
                Some((None, Ok(params.clone())))
            }
            Params::Lines { lines, number, left } => loop {
                let line = lines.recv().await?;
                *number += 1;
                let params = match line {
                    Ok(line) if line.trim().is_empty() => continue,
                    Ok(line) => parse(&line).map(Some),
                    Err(error) => Err(error).context("standard input can't be read"),
                };
                *left -= 1;
                return Some((Some(*number), params));
            },
        }
    }
}

/// # Errors
/// It is not JSON, or no object or list.
pub fn parse(text: &str) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(text).context("the parameters are not JSON")?;
    // JSON-RPC 2.0, 4.2: parameters are a structured value.
    if !value.is_object() && !value.is_array() {
        bail!("the parameters have to be a JSON object or list, such as '{{\"string\":\"hello\"}}'");
    }
    Ok(value)
}

fn stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("the parameters can't be read from standard input")?;
    Ok(text)
}

/// Lines as they come, read in a thread of its own: nothing but a line ends a
/// read, and the connection has to be kept alive meanwhile.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let failed = line.is_err();
            // Who reads has done so often enough; or there is no more to read.
            if sender.blocking_send(line).is_err() || failed {
                break;
            }
        }
    });
    lines
}

/// True when standard input has something to read of its own: a pipe or a file,
/// and neither a terminal nor `/dev/null`.
fn is_piped() -> bool {
    use rustix::fs::{FileType, fstat};
    let stdin = std::io::stdin();
    let kind = fstat(&stdin).map(|status| FileType::from_raw_mode(status.st_mode));
    !stdin.is_terminal() && matches!(kind, Ok(FileType::Fifo | FileType::RegularFile))
}
