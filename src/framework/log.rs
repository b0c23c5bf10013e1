//! Log records on their way to the backends' `log/{level}/{service}` topics: a
//! layer that takes them where they are made, and a task that publishes them.
//!
//! The layer never waits: what comes too fast, or finds the channel full, is
//! counted and left out. Nothing that is logged while a record is published
//! becomes a record itself.

use std::cell::Cell;
use std::fmt::{Debug, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::bus::{Batch, Bus, Publication, now_ms};

use super::pace::Pace;
use super::{LOG_SERVICE, POOL, usage};

/// Records that may wait to be published.
const WAITING: usize = 256;

/// Longest text of a record, in bytes.
const MAX_TEXT: usize = 4096;

thread_local! {
    /// This thread is publishing a record.
    static PUBLISHING: Cell<bool> = const { Cell::new(false) };
}

/// A record, as it was made.
struct Line {
    severity: Severity,
    text: String,
    at: SystemTime,
}

/// A level of the framework's, 1 (fatal) to 9 (trace).
#[derive(Clone, Copy)]
struct Severity {
    level: u8,
    label: &'static str,
}

impl From<&Level> for Severity {
    fn from(level: &Level) -> Severity {
        let (level, label) = match *level {
            Level::ERROR => (4, "error"),
            Level::WARN => (5, "warning"),
            Level::INFO => (7, "info"),
            Level::DEBUG => (8, "debug"),
            Level::TRACE => (9, "trace"),
        };
        Severity { level, label }
    }
}

/// A layer of `tracing_subscriber`: add it to the subscriber of a program.
pub struct LogLayer {
    lines: Sender<Line>,
    pace: Mutex<Pace>,
}

/// What a [`LogLayer`] has taken; to be given to [`crate::Skep::publish_log`].
pub struct LogLines(Receiver<Line>);

/// A layer and where its records come out. Records wait in between, up to 256,
/// so that a layer whose other end is dropped or not used costs nothing more.
pub fn log_lines() -> (LogLayer, LogLines) {
    let (sender, receiver) = channel(WAITING);
    (LogLayer { lines: sender, pace: Mutex::new(Pace::new(now_ms())) }, LogLines(receiver))
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // The thread may be on its way out, its locals gone.
        if PUBLISHING.try_with(Cell::get).unwrap_or(true) || self.lines.is_closed() {
            return;
        }
        let Some(left_out) = self.pace.lock().pass(now_ms()) else { return };
        let mut text = Text::default();
        event.record(&mut text);
        let mut text = text.whole();
        if left_out > 0 {
            let _ = write!(text, " ({left_out} records before this one were not published)");
        }
        let line = Line { severity: event.metadata().level().into(), text, at: SystemTime::now() };
        if self.lines.try_send(line).is_err() {
            self.pace.lock().turn_away(left_out + 1);
        }
    }
}

/// The message of a record, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }

    fn add(&mut self, field: &Field, value: &str) {
        let is_message = field.name() == "message";
        let into = if is_message { &mut self.message } else { &mut self.fields };
        if into.len() >= MAX_TEXT {
            return;
        }
        if !is_message {
            let _ = write!(into, " {}=", field.name());
        }
        // Names that clients choose are in it, and those who show it are a
        // terminal, which obeys control characters, and a page that takes it
        // for HTML.
        for c in value.chars().take(MAX_TEXT - into.len()) {
            match c {
                '<' => into.push_str("\\u{3c}"),
                c if c.is_control() => into.extend(c.escape_default()),
                c => into.push(c),
            }
        }
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

impl LogLines {
    /// Publishes on each backend where somebody wants it, as long as there is a
    /// layer.
    pub(crate) async fn publish(mut self, backends: Vec<Bus>) {
        let host = usage::host();
        while let Some(line) = self.0.recv().await {
            let topic = format!("log/{}/{LOG_SERVICE}", line.severity.level);
            let wanted: Vec<&Bus> = backends.iter().filter(|backend| backend.is_wanted(&topic)).collect();
            if wanted.is_empty() {
                continue;
            }
            let payload = line.notification(&host);
            // Nothing in here awaits, so that the thread stays ours.
            PUBLISHING.set(true);
            let mut batch = Batch::new();
            for backend in wanted {
                backend.publish(&Publication::new(&topic, &[], payload.as_bytes()), &mut batch);
            }
            batch.flush();
            PUBLISHING.set(false);
        }
    }
}

impl Line {
    fn notification(&self, host: &str) -> String {
        let Severity { level, label } = self.severity;
        let at = self.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let params = json!({
            "level": level,
            "service": LOG_SERVICE,
            "host": host,
            "pool": POOL,
            "pid": std::process::id(),
            "message": self.text,
            "tstamp": at,
        });
        json!({ "jsonrpc": "2.0", "method": label, "params": params }).to_string()
    }
}
