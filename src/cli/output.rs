//! Standard output: data and nothing else, a line at a time, so that it pipes
//! well; and the forms that data can have.

use std::io::{self, ErrorKind, IsTerminal, Stdout, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat};
use serde_json::Value;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tokio::sync::{mpsc, oneshot};

/// How results and messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Compact JSON, one line each
    Json,
    /// For people: indented
    Pretty,
    /// Nothing around the value, and no quotes around text
    Raw,
}

impl Format {
    /// For people at a terminal, for programs elsewhere.
    pub fn usual() -> Format {
        if io::stdout().is_terminal() { Format::Pretty } else { Format::Json }
    }
}

pub struct Output {
    stdout: Stdout,
    terminal: bool,
    colours: bool,
}

impl Output {
    pub fn new() -> Output {
        let terminal = io::stdout().is_terminal();
        Output { stdout: io::stdout(), terminal, colours: terminal && !colours_refused() }
    }

    /// Writes one line, at once. Break: nobody reads any more, which is no
    /// failure.
    ///
    /// # Errors
    /// It can't be written for another reason.
    pub fn line(&mut self, text: &str) -> io::Result<ControlFlow<()>> {
        let mut stdout = self.stdout.lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
            Err(error) => Err(error),
        }
    }

    pub fn value(&self, format: Format, value: &Value) -> String {
        match (format, value) {
            (Format::Raw, Value::String(text)) if self.terminal => harmless(text),
            (Format::Raw, Value::String(text)) => text.clone(),
            (Format::Raw | Format::Json, value) => escaped(&value.to_string()),
            (Format::Pretty, value) => escaped(&format!("{value:#}")),
        }
    }

    /// A message under its name: what came, for people.
    pub fn message(&self, name: &str, notes: &str, value: &Value) -> String {
        let (bold, dim, plain) = if self.colours { ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m") } else { ("", "", "") };
        let head = format!("{bold}{}{plain}", harmless(name));
        let notes = if notes.is_empty() { String::new() } else { format!(" {dim}({}){plain}", harmless(notes)) };
        let line = self.value(Format::Json, value);
        match value {
            Value::Null => format!("{head}{notes}"),
            _ if line.len() <= LINE => format!("{head}{notes} {line}"),
            _ => format!("{head}{notes}\n{}", self.value(Format::Pretty, value)),
        }
    }
}

/// Lines printed by a thread of its own: a reader who takes his time holds up
/// neither the connection nor Ctrl-C.
pub struct Printer {
    lines: mpsc::Sender<String>,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// Lines that may wait for a reader.
const WAITING: usize = 256;

impl Printer {
    pub fn start(mut output: Output) -> Printer {
        let (lines, mut waiting) = mpsc::channel::<String>(WAITING);
        let (end, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let mut print = || {
                while let Some(line) = waiting.blocking_recv() {
                    if output.line(&line)?.is_break() {
                        break;
                    }
                }
                Ok(())
            };
            // Who waits for the end may have gone.
            let _ = end.send(print());
        });
        Printer { lines, ended }
    }

    /// Has one more line printed, once there is room for it. Break: nobody reads
    /// any more.
    ///
    /// # Errors
    /// An earlier one could not be written.
    pub async fn line(&mut self, line: String) -> io::Result<ControlFlow<()>> {
        match self.lines.send(line).await {
            Ok(()) => Ok(ControlFlow::Continue(())),
            // The thread ends by itself for these two reasons only.
            Err(_) => (&mut self.ended).await.unwrap_or(Ok(())).map(ControlFlow::Break),
        }
    }

    /// Comes back when all lines are written.
    ///
    /// # Errors
    /// They can't be.
    pub async fn finish(self) -> io::Result<()> {
        drop(self.lines);
        // It has said so already if it ended before.
        self.ended.await.unwrap_or(Ok(()))
    }
}

/// A value that is longer goes below its name, indented.
const LINE: usize = 100;

/// Whether the owner of the terminal asks all programs for plain text.
pub fn colours_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Says something on standard error. If nobody listens there, nobody is told.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Waits until nobody reads standard output any more, if that can be told: it
/// is a pipe, and its other end has been closed.
pub async fn unread() {
    let Some(stdout) = pipe() else { return std::future::pending().await };
    if stdout.ready(Interest::ERROR).await.is_err() {
        std::future::pending().await
    }
}

/// Standard output, watched and not written to, so that it stays as it is for
/// all who share it.
fn pipe() -> Option<Sender> {
    let stdout = io::stdout().as_fd().try_clone_to_owned().ok()?;
    let kind = FileType::from_raw_mode(fstat(&stdout).ok()?.st_mode);
    (kind == FileType::Fifo).then(|| Sender::from_owned_fd_unchecked(stdout).ok()).flatten()
}

/// JSON without anything that a terminal obeys or that hides what is written:
/// such letters stand in strings only, where they can be escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match obeyed(letter) && letter != '\n' {
            true => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            false => text.push(letter),
        }
    }
    text
}

/// Text that others wrote, without what a terminal obeys but for ends of lines.
pub fn harmless(text: &str) -> String {
    text.chars().filter(|letter| !obeyed(*letter) || matches!(letter, '\n' | '\t')).collect()
}

/// Controls, and what changes the direction of writing. All have at most four
/// hexadecimal digits.
fn obeyed(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_terminal_is_given_nothing_to_obey() {
        let output = |terminal| Output { stdout: io::stdout(), terminal, colours: false };
        let hostile = json!("a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\n");
        for format in [Format::Json, Format::Pretty] {
            let text = output(true).value(format, &hostile);
            assert_eq!(text, r#""a\u001b[2J\u009b2J\u007f\u202e\n""#);
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
        }
        assert_eq!(output(true).value(Format::Raw, &hostile), "a[2J2J\n");
        assert_eq!(output(false).value(Format::Raw, &hostile), hostile.as_str().unwrap());
        let text = output(true).message("a\u{1b}.b", "by \u{9b}", &hostile);
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
    }

    #[test]
    fn forms_are_one_line_or_many() {
        let output = Output { stdout: io::stdout(), terminal: false, colours: false };
        let value = json!({ "a": [1, "x"] });
        assert_eq!(output.value(Format::Json, &value), r#"{"a":[1,"x"]}"#);
        assert_eq!(output.value(Format::Raw, &value), r#"{"a":[1,"x"]}"#);
        assert_eq!(output.value(Format::Raw, &json!("x")), "x");
        assert!(output.value(Format::Pretty, &value).contains("\n  \"a\""));
        assert_eq!(output.message("a.b", "", &json!(null)), "a.b");
        assert_eq!(output.message("a.b", "private", &json!([1])), "a.b (private) [1]");
        assert!(output.message("a.b", "", &json!(["x".repeat(200)])).starts_with("a.b\n[\n"));
    }
}
