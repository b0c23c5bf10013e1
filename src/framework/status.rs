//! Reports to the supervisors of worker pools, so that skep is in their tables
//! of workers: as one router.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use crate::bus::{Batch, Bus, Publication};
use crate::mqtt::{QoS, write_user_property};
use crate::router::Router;

use super::{CLASS, POOL, usage};

/// What the supervisor is used to; it forgets who is silent for four of these.
const PERIOD: Duration = Duration::from_secs(5);

/// Counts so far, of which a report has the difference to the last one.
struct Counts {
    at: Instant,
    calls: u64,
    notifications: u64,
    errors: u64,
    /// Time that the threads which do the work were busy, all together.
    busy: Duration,
    cpu: Option<Duration>,
}

impl Counts {
    fn now(router: &Router) -> Counts {
        let stats = router.stats();
        let runtime = Handle::current().metrics();
        let busy = (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
        Counts {
            at: Instant::now(),
            calls: stats.requests.get(),
            notifications: stats.broadcasts.get() + stats.unicasts.get(),
            errors: stats.errors_answered.get() + stats.refused_response_topic.get() + stats.unauthorized_calls.get(),
            busy,
            cpu: usage::cpu_time(),
        }
    }
}

/// Reports as long as the buses run, on each backend where a supervisor is.
pub(crate) async fn report_status(router: Router, backends: Vec<Bus>) {
    let host = usage::host();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut last = Counts::now(&router);
    loop {
        ticks.tick().await;
        let now = Counts::now(&router);
        let mut batch = Batch::new();
        for backend in &backends {
            let topic = format!("req/{}/_bkpr/supervisor", backend.role());
            // A request that nobody serves would wait, and be counted.
            if !backend.is_served(&topic) {
                continue;
            }
            let report = report(&host, &last, &now);
            let mut properties = Vec::new();
            write_user_property(&mut properties, "auth", &router.system_token(backend));
            let mut request = Publication::new(&topic, &properties, report.as_bytes());
            request.qos = QoS::AtLeastOnce;
            backend.publish(&request, &mut batch);
        }
        batch.flush_fairly().await;
        last = now;
    }
}

/// `_bkpr.supervisor.worker_status`, with nothing that asks for an answer.
fn report(host: &str, last: &Counts, now: &Counts) -> String {
    let seconds = now.at.duration_since(last.at).as_secs_f64().max(f64::EPSILON);
    let per_second = |last: u64, now: u64| two_decimals(now.saturating_sub(last) as f64 / seconds);
    let percent =
        |last: Duration, now: Duration| two_decimals(now.saturating_sub(last).as_secs_f64() / seconds * 100.0);
    let threads = Handle::current().metrics().num_workers().max(1) as f64;
    let mut params = json!({
        "class": CLASS,
        "host": host,
        "pool": POOL,
        "pid": std::process::id(),
        "cps": per_second(last.calls, now.calls),
        "nps": per_second(last.notifications, now.notifications),
        "err": per_second(last.errors, now.errors),
        "load": two_decimals((percent(last.busy, now.busy) / threads).min(100.0)),
        "queue": ["_bkpr.router"],
    });
    // A supervisor measures these itself of what runs on its own machine.
    if let (Some(before), Some(after)) = (last.cpu, now.cpu) {
        params["cpu"] = percent(before, after).into();
    }
    if let Some(kib) = usage::own_memory() {
        params["mem"] = kib.into();
    }
    json!({ "jsonrpc": "2.0", "method": "_bkpr.supervisor.worker_status", "params": params }).to_string()
}

fn two_decimals(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
