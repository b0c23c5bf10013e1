//! What skep survives, on the real program: short here and in CI, as long as
//! one likes by variables; `docs/reliability.md` has the commands and results.

#[path = "../support/mod.rs"]
mod support;

/// Stores that were damaged.
mod damage;
/// Disks that are full, or can't be written to.
mod disk;
/// `kill -9` at any moment.
mod kills;
/// The program, started and looked at from outside.
mod process;
/// Very many clients, one after the other.
mod soak;

/// A number from the environment, such as `SKEP_KILLS=300`.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")),
        Err(_) => default,
    }
}

/// Numbers that look random; the same in every run with the same `SKEP_SEED`.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        Dice(number("SKEP_SEED", 1))
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}
