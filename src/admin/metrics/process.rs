//! What the process as a whole takes of the system, by the names that
//! Prometheus' own libraries use for it.

use std::fmt;
use std::fs;

use prometheus_client::encoding::DescriptorEncoder;
use rustix::process::{Resource, getrlimit};
use tokio::runtime::Handle;

use super::State;
use super::family::Family;

pub fn encode(state: &State, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    Family::gauge("skep_build_info", "Always 1; the version is a label.").one(to, &version, 1)?;
    Family::gauge("skep_ready", "1 if /readyz says yes, else 0.").one(to, &[], state.not_ready().is_empty() as u64)?;
    let started = state.started_ms as f64 / 1000.0;
    Family::gauge("process_start_time_seconds", "When the process started, in seconds since 1970.").one_float(
        to,
        &[],
        started,
    )?;
    // What the system does not tell is left out: 0 would be a value.
    let gauges = [
        ("process_resident_memory_bytes", "Memory of the process that is in RAM, in bytes.", resident_bytes()),
        ("process_open_fds", "Open files, connections among them.", open_files()),
        ("process_max_fds", "How many there may be.", getrlimit(Resource::Nofile).current),
        ("skep_tasks", "Tasks of the runtime now: a few for each listener and bus, one for a connection.", tasks()),
    ];
    gauges
        .into_iter()
        .try_for_each(|(name, help, value)| Family::gauge(name, help).all(to, value.map(|value| (Vec::new(), value))))
}

/// Resident memory as Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

fn open_files() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        // Before Linux 6.2, which tells the number as the size. The list is an open
        // file itself while it is read.
        0 => Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1)),
        files => Some(files),
    }
}

fn tasks() -> Option<u64> {
    Some(Handle::try_current().ok()?.metrics().num_alive_tasks() as u64)
}
