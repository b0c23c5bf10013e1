//! The signals that end a command which runs until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Comes back when the user (Ctrl-C) or the system (SIGTERM) asks for the end.
/// From the first call on, neither ends the process by itself; what takes long
/// to end has to ask again.
pub async fn asked_for() {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
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
