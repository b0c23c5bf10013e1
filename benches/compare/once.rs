//! Rows that take a server of their own: memory, a million sessions, starts,
//! and client lives from the first to the last.

use std::io;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Effort;
use crate::core::OneCore;
use crate::load::Target;
use crate::percentile;
use crate::side::{self, Side};
use crate::table::{Figures, Row, number};

const KIB: f64 = 1024.0;

pub async fn rows(effort: &Effort, columns: usize) -> io::Result<Vec<Row>> {
    let mut rows = idle_connections(effort, columns).await?;
    eprintln!("memory of connections: done");
    rows.extend(sessions(effort).await?);
    eprintln!("bound sessions: done");
    rows.push(starts(effort).await?);
    rows.push(starts_within(effort).await);
    rows.push(lives(effort, columns).await?);
    Ok(rows)
}

/// A row of one figure a side.
fn row(what: String, target: &'static str, values: &[Option<f64>]) -> Row {
    let figures = values.iter().map(|value| {
        let mut figures = Figures::default();
        if let Some(value) = value {
            figures.add(*value);
        }
        figures
    });
    Row { what, target, figures: figures.collect() }
}

/// Puts Mosquitto's figure behind skep's and the relay's, which has none.
fn beside(ours: f64, theirs: Option<f64>, columns: usize) -> Vec<Option<f64>> {
    let mut values = vec![Some(ours), None];
    values.extend((columns > 2).then_some(theirs));
    values
}

async fn idle_connections(effort: &Effort, columns: usize) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (listening, what) in [(false, "its mailbox"), (true, "a subscription to msg/# too")] {
        let each = async |side: Side| {
            let target = Target::from(&side);
            // What the first ones cost, they cost once.
            let _first = target.idle(10, !listening).await?;
            let before = side.memory();
            let _idle = target.idle(effort.connections, listening).await?;
            io::Result::Ok((side.memory() - before) / effort.connections as f64 / KIB)
        };
        let ours = each(side::skep(tempfile::tempdir()?)).await?;
        let theirs = match side::mosquitto() {
            Some(side) => Some(each(side).await?),
            None => None,
        };
        let what =
            format!("memory of an idle connection with {what}, KiB ({} of them)", number(effort.connections as f64));
        rows.push(row(what, "2", &beside(ours, theirs, columns)));
    }
    Ok(rows)
}

/// Binds many sessions, starts again with them, and calls as some of them.
async fn sessions(effort: &Effort) -> io::Result<Vec<Row>> {
    const THOUSAND: usize = 1_000;
    let median = async |side: &Side| {
        let target = Target::from(side);
        let _all = OneCore::new(side.pids());
        let mut workers = target.workers().await?;
        let times = target.calls_of_bound(0, 100, effort.calls / 100).await?;
        workers.shutdown().await;
        io::Result::Ok(percentile(&times, 0.5))
    };
    let few = side::skep(tempfile::tempdir()?);
    Target::from(&few).binds(0..THOUSAND).await?;
    let many = side::skep(tempfile::tempdir()?);
    Target::from(&many).binds(0..effort.sessions).await?;
    let data = many.stop();

    let empty = side::skep(tempfile::tempdir()?);
    sleep(Duration::from_millis(300)).await;
    let bare = empty.memory();
    drop(empty);
    let began = Instant::now();
    let many = side::skep(data);
    let load = began.elapsed().as_secs_f64();
    sleep(Duration::from_millis(300)).await;
    let each = (many.memory() - bare) / effort.sessions as f64;

    let (mut with_few, mut with_many) = (Figures::default(), Figures::default());
    for _ in 0..effort.rounds {
        with_few.add(median(&few).await?);
        with_many.add(median(&many).await?);
    }
    let ratio = with_many.median().zip(with_few.median()).map(|(many, few)| many / few);
    let count = number(effort.sessions as f64);
    Ok(vec![
        row(format!("memory of a bound session, bytes ({count} of them, after a start)"), "300", &[Some(each)]),
        row(format!("start with {count} bound sessions, s"), "5", &[Some(load)]),
        row(format!("call of a bound client, {count} sessions by 1,000"), "no slower", &[ratio]),
    ])
}

/// Of `skep::testing`: until the instance is there for a test of this process.
async fn starts_within(effort: &Effort) -> Row {
    let mut figures = Figures::default();
    for _ in 0..effort.starts {
        let began = Instant::now();
        let _bus = skep::testing::start().await;
        figures.add(began.elapsed().as_secs_f64() * 1e3);
    }
    Row { what: "skep::testing::start, within a test process, ms".into(), target: "30", figures: vec![figures] }
}

/// From the start of the process to the answer of a first call through it.
async fn starts(effort: &Effort) -> io::Result<Row> {
    let mut figures = Figures::default();
    for _ in 0..effort.starts {
        let data = tempfile::tempdir()?;
        let began = Instant::now();
        let side = side::skep(data);
        let target = Target::from(&side);
        let mut workers = target.workers().await?;
        target.one_at_a_time(1).await?;
        figures.add(began.elapsed().as_secs_f64() * 1e3);
        workers.shutdown().await;
    }
    Ok(Row { what: "start to first answered call, empty data, ms".into(), target: "30", figures: vec![figures] })
}

/// Time of a client life among the last tenth by one among the first.
async fn lives(effort: &Effort, columns: usize) -> io::Result<Row> {
    let tenth = effort.lives / 10;
    let flatness = async |side: Side| {
        let target = Target::from(&side);
        let mut workers = target.workers().await?;
        let mut tenths = Vec::new();
        for start in (0..effort.lives).step_by(tenth) {
            let mut times = Vec::with_capacity(tenth);
            for n in start..start + tenth {
                let began = Instant::now();
                target.life(n).await?;
                times.push(began.elapsed());
            }
            times.sort_unstable();
            tenths.push(percentile(&times, 0.5));
        }
        workers.shutdown().await;
        io::Result::Ok(tenths[tenths.len() - 1] / tenths[0])
    };
    let ours = flatness(side::skep(tempfile::tempdir()?)).await?;
    let theirs = match side::mosquitto() {
        Some(side) => Some(flatness(side).await?),
        None => None,
    };
    let what = format!("client life (connect, call, go), last tenth of {} by the first", number(effort.lives as f64));
    Ok(row(what, "flat: 1", &beside(ours, theirs, columns)))
}
