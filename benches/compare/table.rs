//! The table: figures of several rounds, as medians with their extremes.

use std::fmt::Write;

/// Figures of one row and one side, one a round.
#[derive(Clone, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    fn text(&self) -> String {
        let Some(median) = self.median() else { return "–".into() };
        let lowest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.0.iter().copied().fold(0.0, f64::max);
        match self.0.len() {
            1 => number(median),
            _ => format!("{} ({} to {})", number(median), number(lowest), number(highest)),
        }
    }
}

/// Three digits, thousands apart.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One row: what is measured, the target in words, skep's figures first.
pub struct Row {
    pub what: String,
    pub target: &'static str,
    /// One for each side; empty: not measured there.
    pub figures: Vec<Figures>,
}

/// The table as Markdown. A ratio is skep's median by another side's.
pub fn markdown(sides: &[&str], rows: &[Row]) -> String {
    let mut text = String::from("| what | target |");
    for side in sides {
        let _ = write!(text, " {side} |");
    }
    for side in &sides[1..] {
        let _ = write!(text, " × {side} |");
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(2 * sides.len() - 1));
    text.push('\n');
    for row in rows {
        let _ = write!(text, "| {} | {} |", row.what, row.target);
        for at in 0..sides.len() {
            let _ = write!(text, " {} |", row.figures.get(at).map_or("–".into(), Figures::text));
        }
        for at in 1..sides.len() {
            let ratio =
                row.figures.first().and_then(Figures::median).zip(row.figures.get(at).and_then(Figures::median));
            let _ = write!(text, " {} |", ratio.map_or("–".into(), |(ours, theirs)| format!("{:.2}", ours / theirs)));
        }
        text.push('\n');
    }
    text
}
