//! Numbers, lengths of time and foreign text as people read them.

use crate::cli::table::plain;

/// With a comma at each thousand.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate a second: with a tenth while it is small.
pub fn rate(n: f64) -> String {
    if n > 0.0 && n < 10.0 { format!("{n:.1}") } else { count(n.round() as u64) }
}

/// Microseconds, in the unit that fits; nothing was measured: a dash.
pub fn micros(us: u64) -> String {
    match us {
        0 => "-".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

pub fn bytes(n: u64) -> String {
    match n {
        0..1_024 => format!("{n} B"),
        1_024..1_048_576 => format!("{:.1} KiB", n as f64 / 1_024.0),
        _ => format!("{:.1} MiB", n as f64 / 1_048_576.0),
    }
}

/// A length of time in its two largest units.
pub fn span(s: u64) -> String {
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// A text that a client chose, which a terminal must not obey, cut at `most`
/// characters.
pub fn foreign(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", plain(&text[..end])),
        None => plain(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rate(0.25), "0.2");
        assert_eq!(rate(812.4), "812");
        assert_eq!(micros(84), "84 µs");
        assert_eq!(micros(1_250), "1.2 ms");
        assert_eq!(micros(45_000), "45 ms");
        assert_eq!(micros(3_400_000), "3.4 s");
        assert_eq!(span(3_723), "1 h 2 min");
    }

    #[test]
    fn a_terminal_is_told_nothing_by_a_client() {
        assert_eq!(foreign("a\u{1b}[2Jb\u{202e}c", 80), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(foreign(&"x".repeat(100), 3), "xxx…");
    }
}
