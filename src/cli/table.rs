//! Tables for people: columns aligned, cut to the width of the terminal, and
//! nothing in them that steers one.

use std::io::IsTerminal;

use ratatui::crossterm::terminal;
use ratatui::text::Span;
use serde_json::Value;

/// Between two columns.
const GAP: usize = 2;

/// A column that is cut keeps so much.
const LEAST: usize = 6;

/// Rows under a heading.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// As wide as the terminal at most; in a file or a pipe, as wide as it is.
    pub fn text(&self) -> String {
        let terminal = std::io::stdout().is_terminal().then(terminal::size).and_then(Result::ok);
        self.within(terminal.map_or(usize::MAX, |(columns, _)| columns.into()))
    }

    fn within(&self, width: usize) -> String {
        let head = self.head.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<Vec<String>> = std::iter::once(head)
            .chain(self.rows.iter().cloned())
            .map(|row| row.iter().map(|c| plain(c)).collect())
            .collect();
        let mut widths = vec![0; self.head.len()];
        for row in &rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(wide(cell));
            }
        }
        shrink(&mut widths, width.saturating_sub(GAP * (self.head.len().max(1) - 1)));
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let cell = cut(cell, *width);
                line.push_str(&cell);
                line.push_str(&" ".repeat(width - wide(&cell).min(*width) + GAP));
            }
            line.trim_end().to_owned()
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Takes from the widest columns until all fit.
fn shrink(widths: &mut [usize], room: usize) {
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => return,
        }
    }
}

fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

fn cut(text: &str, width: usize) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let longer = format!("{kept}{c}");
        if wide(&longer) + 1 > width {
            break;
        }
        kept = longer;
    }
    kept.push('…');
    kept
}

/// Control characters, and those that turn the direction of text.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text of a peer's, as text: what would steer a terminal is shown as its code.
pub fn plain(text: &str) -> String {
    let shown = |c: char| if steers(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// The cell of one value.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

/// So many seconds, as two units at most: `1h 05m`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_widest_is_cut_to_the_terminal() {
        let mut table = Table::new(&["ID", "FILTER"]);
        table.row(vec!["a".into(), "req/backend/a/rather/long/one".into()]);
        table.row(vec!["日本".into(), "x".into()]);
        assert_eq!(table.within(usize::MAX), "ID    FILTER\na     req/backend/a/rather/long/one\n日本  x");
        assert_eq!(table.within(20), "ID    FILTER\na     req/backend/a…\n日本  x");
    }

    #[test]
    fn text_of_a_peer_steers_no_terminal() {
        let mut table = Table::new(&["ID"]);
        table.row(vec!["\u{1b}[2J\r\n\u{202e}x\u{9b}".into()]);
        assert_eq!(table.within(usize::MAX), "ID\n\\u{1b}[2J\\u{d}\\u{a}\\u{202e}x\\u{9b}");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let texts = [5, 65, 3_725, 90_000].map(duration);
        assert_eq!(texts, ["5s", "1m 05s", "1h 02m", "1d 01h"]);
    }
}
