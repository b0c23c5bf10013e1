//! What is logged within a handler says which request it was. The only
//! test of its process, as tracing remembers for all of it what is logged.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use skep::client::{Client, Options, Worker};
use support::Instance;
use tracing_subscriber::fmt::format::FmtSpan;

/// What is logged, for the test to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_handler_logs_and_what_a_call_spans_carries_the_id_of_the_request() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(move || to.clone());
    subscriber.with_ansi(false).with_span_events(FmtSpan::CLOSE).init();
    let skep = Instance::start();
    let login =
        |url: &str| format!("mqtt://{url}@{}", if url.starts_with('b') { skep.backend() } else { skep.frontend() });
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let options = Options::backend(&login("backend:def456")).unwrap();
        let worker = Worker::new(options).serve("test", "log", |request, ()| async move {
            tracing::info!("at work");
            Ok(request.id)
        });
        let _serving = worker.start().await.unwrap();
        let client = Client::connect(Options::frontend(&login("frontend:abc123")).unwrap()).await.unwrap();
        let id: u64 = client.call("test.log", ()).await.unwrap();
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = log.lines().find(|line| line.ends_with("at work")).expect("the handler's line");
        assert!(line.contains(&format!("request{{id={id} method=\"test.log\"}}")), "{line}");
        // The caller's own span says the same id.
        let call = format!("call{{id={id} method=\"test.log\"}}: skep::client::caller: close");
        assert!(log.contains(&call), "{call} is not in {log}");
    });
}
