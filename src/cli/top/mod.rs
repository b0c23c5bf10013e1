//! `skep top`: how a running skep is, live, through its admin listener.

/// What the screen looks like.
mod draw;
/// From counters to rates.
mod rates;
/// What the admin listener says.
mod snapshot;
/// What is shown, and what keys do to it.
mod state;
/// Numbers and foreign text as people read them.
mod text;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Rect;

use super::admin::{Admin, AdminArgs, Failure, finish, print, print_json};
use snapshot::Snapshot;
use state::{After, State};

/// Watch a running skep: rates, latency, queues, services and their workers
///
/// Asks the admin listener, once a second. Keys are named on the last line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    /// Print how it is now, as plain text, and end; so does --json
    #[arg(long)]
    once: bool,

    #[command(flatten)]
    admin: AdminArgs,
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
  1   skep refused it
  2   the command line can't be understood, or there is no terminal
  4   the admin listener can't be reached, or wants another token
  5   the terminal failed, or the picture could not be written";

/// How long a picture is shown before the next is asked for.
const EACH: Duration = Duration::from_secs(1);

/// A listener that takes longer to answer counts as gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a key may go unheard.
const KEY_TIME: Duration = Duration::from_millis(50);

pub fn run(args: &Args) -> ExitCode {
    finish("top", top(args))
}

fn top(args: &Args) -> Result<(), Failure> {
    let admin = args.admin.open_within(PATIENCE)?;
    let once = args.once || args.admin.json;
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !once && !terminal {
        return Err(Failure::Usage("this is not a terminal; --once prints how it is now".to_owned()));
    }
    if args.admin.json {
        return print_json(&Snapshot::answers(&admin)?);
    }
    // Before the screen is touched: who asks in the wrong place wants to read why.
    let first = Snapshot::ask(&admin)?;
    let mut state = State::new(admin.url());
    state.take(Ok(first));
    if once {
        return print(&draw::plain(&mut state));
    }
    watch(admin, state).map_err(|error| Failure::Output(format!("the terminal can't be used: {error}")))
}

/// What the screen waits for.
enum News {
    Answer(Result<Snapshot, Failure>),
    /// The system asks to end.
    End,
}

fn watch(admin: Admin, mut state: State) -> std::io::Result<()> {
    let (say, news) = mpsc::channel();
    end_on_signals(say.clone())?;
    std::thread::spawn(move || ask(&admin, &say));
    let mut terminal = ratatui::try_init()?;
    let outcome = show(&mut terminal, &mut state, &news);
    ratatui::restore();
    outcome
}

/// Asks for pictures until nobody looks any more.
fn ask(admin: &Admin, say: &Sender<News>) {
    loop {
        std::thread::sleep(EACH);
        if say.send(News::Answer(Snapshot::ask(admin))).is_err() {
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
