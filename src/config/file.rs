//! The settings file: TOML, with the line of each key kept for messages.

use std::path::Path;

use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Value};

use super::given::{Given, Raw};
use super::key::Key;
use super::problem::{Fault, Origin, Problem};
use super::schema::ROOT;

/// Takes in a whole file. What is wrong with it goes to `given.problems`.
pub(super) fn read(path: &Path, named_by: &Origin, given: &mut Given) {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&name, &text, given),
        Err(error) => given.problems.push(Problem {
            key: name,
            origin: named_by.clone(),
            fault: Fault::Unreadable(error.to_string()),
        }),
    }
}

/// Takes in the text of a file that is called `name` in messages.
fn parse(name: &str, text: &str, given: &mut Given) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines::new(name, text);
    if !errors.is_empty() {
        // What could be read beside a syntax error may be read wrong, so
        // nothing else is said of such a file.
        let mut problems: Vec<Problem> = errors
            .iter()
            .map(|error| Problem {
                key: name.to_owned(),
                origin: lines.origin(error.span().map_or(0, |span| span.start)),
                fault: Fault::Syntax(error.message().to_owned()),
            })
            .collect();
        // The first thing wrong in a line is the cause of the others.
        problems.dedup_by(|next, first| next.origin == first.origin);
        given.problems.extend(problems);
        return;
    }
    let raw = lines.table(table.get_ref());
    given.take(&Key::root(), &ROOT, &lines.origin(0), raw);
}

/// Finds the line of a place in the text.
struct Lines<'a> {
    name: &'a str,
    /// Where each line but the first begins.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(name: &'a str, text: &str) -> Lines<'a> {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Lines { name, starts }
    }

    fn origin(&self, at: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= at) + 1;
        Origin::File { path: self.name.to_owned(), line }
    }

    /// The entries in the order of the text, so that problems come in it too.
    fn table(&self, table: &DeTable<'_>) -> Raw {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let entry = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let raw = match value.get_ref() {
                DeValue::Table(inner) => self.table(inner),
                other => Raw::Value(plain(other)),
            };
            (name.get_ref().to_string(), self.origin(name.span().start), raw)
        };
        Raw::Table(entries.into_iter().map(entry).collect())
    }
}

/// The value without its place. A number that TOML allows and we can't hold
/// becomes text, which no setting for numbers takes.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Integer(n),
            Err(_) => Value::String(n.to_string()),
        },
        DeValue::Float(n) => match n.as_str().parse() {
            Ok(n) => Value::Float(n),
            Err(_) => Value::String(n.to_string()),
        },
        DeValue::Boolean(yes) => Value::Boolean(*yes),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(list) => Value::Array(list.iter().map(|item| plain(item.get_ref())).collect()),
        DeValue::Table(table) => {
            Value::Table(table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect())
        }
    }
}
