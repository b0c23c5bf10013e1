//! skep beside what people would use in its place, in one run on one machine:
//! `cargo bench --bench compare`, or `benches/run`, which installs Mosquitto too.
//!
//! skep routes each call through two isolated buses. Mosquitto has client and
//! worker on one bus, unrouted. With `BEEKEEPER` set to a checkout of that
//! framework, two Mosquittos with four of its routers are measured too. The
//! floor is a relay that looks at nothing. The sides take turns; figures are
//! medians over the rounds with the extremes. The load shares the cores with the
//! servers: ratios say more than numbers.
//!
//! `--write` puts the table into docs/performance.md; `--quick` takes one round
//! and a tenth of the sessions, to see that it runs.

#[path = "../../tests/support/client.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod client;
mod conn;
mod core;
mod floor;
mod load;
mod once;
mod pace;
mod page;
mod part;
mod side;
mod table;

use std::env;
use std::time::Duration;

use core::OneCore;
use floor::Floor;
use load::{CLIENTS, DEPTH, Target, WORKERS};
use part::Part;
use side::Side;
use table::{Figures, Row, number};

/// How long the tests' client waits; it is here for its encoder.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How much of everything.
pub struct Effort {
    pub rounds: usize,
    pub calls: usize,
    pub saturated: Duration,
    pub broadcasts: usize,
    pub connections: usize,
    pub sessions: usize,
    pub lives: usize,
    pub starts: usize,
}

impl Effort {
    fn whole() -> Effort {
        Effort {
            rounds: 5,
            calls: 4_000,
            saturated: Duration::from_secs(3),
            broadcasts: 100,
            connections: 5_000,
            sessions: 1_000_000,
            lives: 100_000,
            starts: 20,
        }
    }

    fn quick() -> Effort {
        Effort {
            rounds: 1,
            calls: 500,
            saturated: Duration::from_millis(500),
            broadcasts: 20,
            connections: 500,
            sessions: 100_000,
            lives: 5_000,
            starts: 3,
        }
    }
}

/// Percentile of sorted times, in µs.
pub fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// What is measured on each side in each round.
const ROUND_ROWS: [(&str, &str); 10] = [
    ("one call at a time, all on one core, median, µs", "at most 1.1 × the floor, and no more than Mosquitto"),
    ("the same, wherever the system runs them", ""),
    ("the same, p99", ""),
    ("calls/s, 20 clients, 20 under way each", "1.5 × Mosquitto, 4 × the pair"),
    ("server CPU a call then, µs", "half of Mosquitto's"),
    ("p99 by median, at half of those calls/s", "under 3"),
    ("broadcast to 1,000, deliveries/s", "1.5 × Mosquitto"),
    ("broadcast to 5,000, deliveries/s", "1.5 × Mosquitto"),
    ("notification, one at a time, all on one core, median, µs", "no more than Mosquitto"),
    ("binds/s, on disk, 256 under way", "50,000"),
];

/// Rows that the floor has, too, and that its pace depends on.
const SINGLE: usize = 0;
const ANYWHERE: usize = 1;
const ANYWHERE_P99: usize = 2;
const SATURATED: usize = 3;
const PACED: usize = 5;

/// Row of the notifications, which takes turns as single calls do.
const NOTES: usize = 8;

/// The rows of one round of one side, but for those that take turns.
async fn round(side: &Side, round: usize, effort: &Effort) -> std::io::Result<[Option<f64>; ROUND_ROWS.len()]> {
    let target = Target::from(side);
    let mut workers = target.workers().await?;
    let cpu = side.cpu();
    let calls = target.saturate(effort.saturated).await? as f64;
    let cpu = (side.cpu() - cpu) / calls * 1e6;
    let rate = calls / effort.saturated.as_secs_f64();
    let paced = target.paced(rate / 2.0, effort.saturated).await?;
    workers.shutdown().await;
    let thousand = target.broadcast(1_000.min(effort.connections), effort.broadcasts).await?;
    let five = target.broadcast(effort.connections, effort.broadcasts).await?;
    let binds = match side.routed {
        true => Some(target.binds(round * 20_000..(round + 1) * 20_000).await?),
        false => None,
    };
    Ok([
        None,
        None,
        None,
        Some(rate),
        Some(cpu),
        Some(percentile(&paced, 0.99) / percentile(&paced, 0.5)),
        Some(thousand),
        Some(five),
        None,
        binds,
    ])
}

/// What comes one at a time is measured in so many turns a round, so that the
/// machine's moods come to all sides alike.
const TURNS: usize = 20;

/// Times of one round that are taken one at a time.
#[derive(Clone, Default)]
struct Times {
    on_one_core: Vec<Duration>,
    anywhere: Vec<Duration>,
    notes: Vec<Duration>,
}

/// Those of the floor, then those of each side.
async fn in_turns(sides: &[Side], floor: &Floor, effort: &Effort) -> std::io::Result<Vec<Times>> {
    let workers = sides.iter().map(|side| Part::workers(side.backend)).collect::<std::io::Result<Vec<_>>>()?;
    let parts = workers.iter().map(Part::pid).chain(floor.pids());
    let pids: Vec<u32> = sides.iter().flat_map(Side::pids).chain(parts).collect();
    let mut times = vec![Times::default(); sides.len() + 1];
    let calls = effort.calls / TURNS;
    for _ in 0..TURNS {
        times[0].anywhere.extend(floor.round_trips(calls).await?);
        for (side, times) in sides.iter().zip(&mut times[1..]) {
            times.anywhere.extend(Target::from(side).one_at_a_time(calls).await?);
        }
        let _all = OneCore::new(pids.clone());
        times[0].on_one_core.extend(floor.round_trips(calls).await?);
        for (side, times) in sides.iter().zip(&mut times[1..]) {
            times.on_one_core.extend(Target::from(side).one_at_a_time(calls).await?);
            times.notes.extend(Target::from(side).notifications(calls).await?);
        }
    }
    for times in &mut times {
        times.on_one_core.sort_unstable();
        times.anywhere.sort_unstable();
        times.notes.sort_unstable();
    }
    Ok(times)
}

async fn measure(effort: &Effort) -> std::io::Result<()> {
    let mut sides = vec![side::skep(tempfile::tempdir()?)];
    match side::mosquitto() {
        Some(side) => sides.push(side),
        None => eprintln!("Mosquitto is not installed: not measured"),
    }
    match side::pair() {
        Some(side) => sides.push(side),
        None => eprintln!("no checkout of the framework is given in BEEKEEPER: its routers are not measured"),
    }
    let floor = Floor::start()?;
    // The floor is the second column, with a few rows only.
    let columns = sides.len() + 1;
    let mut figures = vec![vec![Figures::default(); columns]; ROUND_ROWS.len()];
    for number in 0..effort.rounds {
        let columns = [1, 0].into_iter().chain(2..);
        for (times, column) in in_turns(&sides, &floor, effort).await?.iter().zip(columns) {
            figures[SINGLE][column].add(percentile(&times.on_one_core, 0.5));
            figures[ANYWHERE][column].add(percentile(&times.anywhere, 0.5));
            figures[ANYWHERE_P99][column].add(percentile(&times.anywhere, 0.99));
            if !times.notes.is_empty() {
                figures[NOTES][column].add(percentile(&times.notes, 0.5));
            }
        }
        for (at, side) in sides.iter().enumerate() {
            let column = if at == 0 { 0 } else { at + 1 };
            let values = round(side, number, effort).await?;
            for (row, value) in values.into_iter().enumerate() {
                if let Some(value) = value {
                    figures[row][column].add(value);
                }
            }
            if let (0, Some(rate)) = (at, values[SATURATED]) {
                let times = floor.paced(rate / 2.0, effort.saturated).await?;
                figures[PACED][1].add(percentile(&times, 0.99) / percentile(&times, 0.5));
            }
            eprintln!("round {} of {}: {}", number + 1, effort.rounds, side.name);
        }
    }
    let mut names = vec!["skep, routed", "relay"];
    names.extend(sides[1..].iter().map(|side| side.name));
    drop(sides);
    let mut rows: Vec<Row> = ROUND_ROWS
        .iter()
        .zip(figures)
        .map(|((what, target), figures)| Row { what: (*what).into(), target, figures })
        .collect();
    rows.extend(once::rows(effort, columns).await?);

    let head = format!(
        "{} rounds; {CLIENTS} clients with {DEPTH} requests under way each where calls are many; {WORKERS} workers that take one request at a time; {} cores, shared with the load.",
        effort.rounds,
        number(std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)).trim_end_matches(".00"),
    );
    let table = table::markdown(&names, &rows);
    println!("{head}\n\n{table}");
    if env::args().any(|argument| argument == "--write") {
        page::write(&head, &table)?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    // One core for the load, so that one is left to what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let arguments: Vec<String> = env::args().collect();
    if let [_, part, address] = &arguments[..]
        && let Ok(address) = address.parse()
        && runtime.block_on(part::be(part, address))?
    {
        return Ok(());
    }
    let effort = if arguments.iter().any(|argument| argument == "--quick") { Effort::quick() } else { Effort::whole() };
    runtime.block_on(measure(&effort))
}
