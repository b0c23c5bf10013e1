//! The signals that end a command which runs until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Comes back when the user (Ctrl-C) or the system (SIGTERM) asks for the end.
/// From this call on, awaited or not, neither ends the process by itself; what
/// takes long to end has to ask again.
pub fn asked_for() -> impl Future<Output = ()> {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        match (interrupt, terminate) {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // They end the process as they do any.
            _ => std::future::pending().await,
        }
    }
}
