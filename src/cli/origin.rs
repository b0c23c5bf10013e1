//! Ending with whoever started this process, so that a test run that was killed
//! leaves nothing running.

use std::io::Read;
use std::time::Duration;

use tokio::sync::oneshot;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For test fixtures")]
pub struct OriginArgs {
    /// Stop when the process that started this one has ended, however it did
    #[arg(long)]
    die_with_parent: bool,

    /// Stop when standard input ends: start skep with a pipe there, and it stops
    /// when nobody has the other end any more
    #[arg(long)]
    die_with_stdin: bool,
}

/// How often the parent is looked for.
const PAUSE: Duration = Duration::from_millis(100);

/// What this process was started by.
pub struct Origin {
    parent: Option<Option<rustix::process::Pid>>,
    stdin: Option<oneshot::Receiver<()>>,
}

impl OriginArgs {
    /// Looks who started us: early, while that process is surely there.
    pub fn watch(&self) -> Origin {
        let parent = self.die_with_parent.then(rustix::process::getppid);
        Origin { parent, stdin: self.die_with_stdin.then(end_of_stdin) }
    }
}

impl Origin {
    /// Comes back, with the reason, when it is gone; never if nobody asked.
    pub async fn gone(&mut self) -> &'static str {
        tokio::select! {
            () = ended(self.parent) => "the process that started this one has ended",
            () = closed(&mut self.stdin) => "standard input has ended",
        }
    }
}

/// The system gives an orphan another parent.
async fn ended(parent: Option<Option<rustix::process::Pid>>) {
    let Some(parent) = parent else { return std::future::pending().await };
    while rustix::process::getppid() == parent {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn closed(stdin: &mut Option<oneshot::Receiver<()>>) {
    match stdin {
        // An error is a reader that has gone without a word: the same.
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
}

/// Reads on a thread of its own: standard input may be a file or a terminal,
/// which can't be waited for otherwise.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    let read = move || {
        let mut buffer = [0; 512];
        while matches!(std::io::stdin().lock().read(&mut buffer), Ok(1..)) {}
        // Nobody listens any more when skep stops for another reason.
        let _ = ended.send(());
    };
    // Without it nobody would stop us, so we stop at once: the sender is dropped.
    drop(std::thread::Builder::new().name("skep-stdin".into()).spawn(read));
    end
}
