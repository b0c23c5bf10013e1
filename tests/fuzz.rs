//! The claims of the fuzz targets, on their corpora and on changes of those: a
//! short run of what `fuzz/README.md` tells how to run for long.

#[path = "../fuzz/src/lib.rs"]
mod claims;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use claims::TARGETS;

/// How long each target is given changed inputs; `SKEP_FUZZ_SECONDS` for more.
fn time() -> Duration {
    let seconds = std::env::var("SKEP_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// Longest input that changes grow to, in bytes.
const MAX_LEN: usize = 4096;

/// Bytes that mean something to some parser.
const TELLING: &[u8] = &[0, 1, 2, 4, 5, 0x10, 0x26, 0x30, 0x7F, 0x80, 0x81, 0xFF, b'/', b'#', b'+', b'$', b'"', b'@'];

/// A small generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }

    /// A corpus entry with a few changes.
    fn change(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.roll(corpus.len())].clone();
        for _ in 0..=self.roll(4) {
            let at = self.roll(input.len() + 1);
            match self.roll(6) {
                0 if at < input.len() => input[at] ^= 1 << self.roll(8),
                1 if at < input.len() => input[at] = TELLING[self.roll(TELLING.len())],
                2 => input.insert(at, TELLING[self.roll(TELLING.len())]),
                3 if at < input.len() => drop(input.drain(at..(at + 1 + self.roll(4)).min(input.len()))),
                4 => {
                    let other = &corpus[self.roll(corpus.len())];
                    let from = self.roll(other.len());
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
                _ => {
                    let again = input[at..(at + self.roll(64)).min(input.len())].to_vec();
                    input.splice(at..at, again);
                }
            }
        }
        input.truncate(MAX_LEN);
        input
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|file| file.expect("an entry").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect()
}

fn run(name: &str) {
    let (_, claim) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of that name");
    let check = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| claim(input))).is_err() {
            panic!("{name} does not hold for {input:02x?}");
        }
    };
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus.iter().for_each(|input| check(input));
    let mut dice = Dice(name.len() as u64);
    let until = Instant::now() + time();
    let mut inputs = 0;
    while Instant::now() < until {
        check(&dice.change(&corpus));
        inputs += 1;
    }
    println!("{name}: {} inputs of the corpus, {inputs} changed ones", corpus.len());
}

#[test]
fn every_target_is_run_here_and_by_cargo_fuzz() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(dir.join("fuzz/Cargo.toml")).expect("the fuzzers' manifest");
    let here = fs::read_to_string(dir.join("tests/fuzz.rs")).expect("this file");
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(here.contains(&format!("run(\"{name}\")")), "{name} is not run here");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

#[test]
fn packets_of_both_versions_are_decoded_or_refused() {
    run("packets");
}

#[test]
fn packets_that_come_in_pieces_are_the_same_packets() {
    run("pieces");
}

#[test]
fn nothing_that_a_peer_sends_breaks_a_broker() {
    run("broker");
}

#[test]
fn websocket_frames_give_the_bytes_that_are_in_them() {
    run("websocket");
}

#[test]
fn filters_match_alike_one_by_one_and_in_a_tree() {
    run("topics");
}

#[test]
fn envelopes_and_names_are_read_or_refused() {
    run("rpc");
}
