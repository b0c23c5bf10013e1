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
mod floor;
mod load;
mod once;
mod page;
mod side;
mod table;

use std::env;
use std::time::Duration;

use floor::Floor;
use load::{CLIENTS, DEPTH, Target, WORKERS};
use side::Side;
use table::{Figures, Row, number};

/// How long the tests' client waits; it is here for its encoder.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How much of everything.
pub struct Effort {
    pub rounds: usize,
    pub calls: usize,
    pub saturated: Duration,
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
const ROUND_ROWS: [(&str, &str); 9] = [
    ("one call at a time, median, µs", "at most 1.1 × the floor, and no more than Mosquitto"),
    ("one call at a time, p99, µs", ""),
    ("calls/s, 20 clients, 20 under way each", "1.5 × Mosquitto, 4 × the pair"),
    ("server CPU a call then, µs", "half of Mosquitto's"),
    ("p99 by median, at half of those calls/s", "under 3"),
    ("broadcast to 1,000, deliveries/s", "1.5 × Mosquitto"),
    ("broadcast to 5,000, deliveries/s", "1.5 × Mosquitto"),
    ("notification, one at a time, median, µs", "no more than Mosquitto"),
    ("binds/s, on disk, 256 under way", "50,000"),
];

/// All rows of one round of one side.
async fn round(side: &Side, round: usize, effort: &Effort) -> std::io::Result<[Option<f64>; ROUND_ROWS.len()]> {
    let target = Target::from(side);
    let mut workers = target.workers().await?;
    let single = target.one_at_a_time(effort.calls).await?;
    let cpu = side.cpu();
    let calls = target.saturate(effort.saturated).await? as f64;
    let cpu = (side.cpu() - cpu) / calls * 1e6;
    let rate = calls / effort.saturated.as_secs_f64();
    let paced = target.paced(rate / 2.0, effort.saturated).await?;
    workers.shutdown().await;
    let messages = effort.calls / 40;
    let thousand = target.broadcast(1_000.min(effort.connections), messages).await?;
    let five = target.broadcast(effort.connections, messages / 4).await?;
    let note = target.notifications(effort.calls).await?;
    let binds = match side.routed {
        true => Some(target.binds(round * 20_000..(round + 1) * 20_000).await?),
        false => None,
    };
    Ok([
        Some(percentile(&single, 0.5)),
        Some(percentile(&single, 0.99)),
        Some(rate),
        Some(cpu),
        Some(percentile(&paced, 0.99) / percentile(&paced, 0.5)),
        Some(thousand),
        Some(five),
        Some(percentile(&note, 0.5)),
        binds,
    ])
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
    let floor = Floor::start().await?;
    // The floor is the second column, with the first row only.
    let columns = sides.len() + 1;
    let mut figures = vec![vec![Figures::default(); columns]; ROUND_ROWS.len()];
    for number in 0..effort.rounds {
        let times = floor.round_trips(effort.calls).await?;
        figures[0][1].add(percentile(&times, 0.5));
        figures[1][1].add(percentile(&times, 0.99));
        for (at, side) in sides.iter().enumerate() {
            let column = if at == 0 { 0 } else { at + 1 };
            for (row, value) in round(side, number, effort).await?.into_iter().enumerate() {
                if let Some(value) = value {
                    figures[row][column].add(value);
                }
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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, to] = &arguments[..]
        && word == floor::RELAY
    {
        return runtime.block_on(floor::relay(to));
    }
    let effort = if arguments.iter().any(|argument| argument == "--quick") { Effort::quick() } else { Effort::whole() };
    runtime.block_on(measure(&effort))
}
