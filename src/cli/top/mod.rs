//! `skep top`: how a running skep is, live, through its admin listener.

/// What the screen looks like.
mod draw;
/// From counters to rates.
mod rates;
/// What the admin listener says.
mod snapshot;
/// Asking the admin listener.
mod source;
/// What is shown, and what keys do to it.
mod state;
/// Numbers and foreign text as people read them.
mod text;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Rect;

use snapshot::Snapshot;
use source::Source;
use state::{After, State};

/// Watch a running skep: rates, latency, queues, services and their workers
///
/// Asks the admin listener, once a second. Keys are named on the last line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// The admin listener: http://HOST:PORT
    /// [default: $SKEP_ADMIN_URL, else http://127.0.0.1:18888]
    #[arg(long, value_name = "URL")]
    admin: Option<String>,

    /// File whose first line is the admin listener's token [default: the value
    /// of $SKEP_ADMIN_TOKEN, if any]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Print how it is now, as plain text, and end
    #[arg(long)]
    once: bool,
}

const EXAMPLES: &str = "\
Examples:
  skep top
  skep top --once | head -3
  skep top --admin http://10.0.0.5:18888 --token-file token.txt";

const LONG_EXAMPLES: &str = "\
Examples:
  skep top
  skep top --once | head -3
  skep top --admin http://10.0.0.5:18888 --token-file token.txt

Exit status:
  0   it was ended by its user, or what was asked for is printed
  1   the terminal failed
  2   the command line can't be understood, or there is no terminal
  4   nobody answers at the URL, or the token is refused";

/// How long a picture is shown before the next is asked for.
const EACH: Duration = Duration::from_secs(1);

/// How long a key may go unheard.
const KEY_TIME: Duration = Duration::from_millis(50);

pub fn run(args: &Args) -> ExitCode {
    let source = match Source::new(args.admin.as_deref(), args.token_file.as_deref()) {
        Ok(source) => source,
        Err(error) => return failed(2, &error),
    };
    if !args.once && !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
        let error = anyhow::anyhow!("this is not a terminal; --once prints how it is now");
        return failed(2, &error);
    }
    // Before the screen is touched: who asks in the wrong place wants to read why.
    let first = match source.snapshot() {
        Ok(first) => first,
        Err(error) => return failed(4, &error.into()),
    };
    if args.once {
        return once(first, &source);
    }
    match watch(source, first) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(1, &error),
    }
}

fn failed(status: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("skep top: {error:#}");
    ExitCode::from(status)
}

/// The same picture, on paper as long and as wide as it takes.
fn once(snapshot: Snapshot, source: &Source) -> ExitCode {
    let mut state = State::new(source.url());
    state.take(Ok(snapshot));
    let text = draw::plain(&mut state);
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(1, &error.into()),
    }
}

/// What the screen waits for.
enum News {
    Answer(Result<Snapshot, source::Error>),
    /// The system asks to end.
    End,
}

fn watch(source: Source, first: Snapshot) -> anyhow::Result<()> {
    let mut state = State::new(source.url());
    state.take(Ok(first));
    let (say, news) = mpsc::channel();
    end_on_signals(say.clone()).context("signals can't be listened to")?;
    std::thread::spawn(move || ask(&source, &say));

    let mut terminal = ratatui::try_init().context("the terminal can't be used")?;
    let outcome = show(&mut terminal, &mut state, &news).context("the terminal failed");
    ratatui::restore();
    outcome
}

/// Asks for pictures until nobody looks any more.
fn ask(source: &Source, say: &Sender<News>) {
    loop {
        std::thread::sleep(EACH);
        if say.send(News::Answer(source.snapshot())).is_err() {
            return;
        }
    }
}

/// SIGTERM and SIGHUP end it as a key does: with the terminal put back.
fn end_on_signals(say: Sender<News>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        // Without a listener there is nothing left to end.
        let _ = say.send(News::End);
    });
    Ok(())
}

fn show(terminal: &mut ratatui::DefaultTerminal, state: &mut State, news: &Receiver<News>) -> std::io::Result<()> {
    let mut stale = true;
    loop {
        if stale {
            terminal.draw(|frame| draw::screen(frame, state))?;
            stale = false;
        }
        if event::poll(KEY_TIME)? {
            match event::read()? {
                Event::Key(key) => match state.key(key) {
                    After::End => return Ok(()),
                    After::Draw => stale = true,
                    After::Nothing => {}
                },
                Event::Resize(columns, rows) => {
                    terminal.resize(Rect::new(0, 0, columns, rows))?;
                    stale = true;
                }
                _ => {}
            }
        }
        for said in news.try_iter() {
            match said {
                News::Answer(answer) => stale |= state.take(answer),
                News::End => return Ok(()),
            }
        }
    }
}
