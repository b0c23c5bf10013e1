//! Text that nobody can guess.

use rand::RngExt;
use rand::distr::Alphanumeric;

/// A client id, of the form that the router's callers have: more than 128 bits.
pub fn client_id() -> String {
    letters(22)
}

/// So many letters and digits.
pub fn letters(count: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(count).map(char::from).collect()
}
