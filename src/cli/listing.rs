//! What all commands share that list something: which part of it.

use serde_json::Value;

use super::table::Table;
use super::{admin, table};

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those with this text in their names, upper or lower case
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,

    /// At most so many; 1000 is the most
    #[arg(long, value_name = "N", default_value = "100",
        value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,

    /// Leave out so many at the beginning
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
}

impl Default for ListArgs {
    fn default() -> Self {
        ListArgs { search: String::new(), limit: 100, offset: 0 }
    }
}

impl ListArgs {
    /// Asks for that part of the list at `path`.
    pub fn ask(&self, admin: &admin::Admin, path: &str, more: &[(&str, &str)]) -> Result<Value, admin::Failure> {
        let (limit, offset) = (self.limit.to_string(), self.offset.to_string());
        let own = [("search", self.search.as_str()), ("limit", limit.as_str()), ("offset", offset.as_str())];
        admin.get(path, &[&own, more].concat())
    }
}

/// Prints the items of a list, and how many more there are.
pub fn print(
    answer: &Value,
    list: &str,
    head: &[&'static str],
    row: impl Fn(&Value) -> Vec<String>,
) -> Result<(), admin::Failure> {
    let items = answer[list].as_array().map_or(&[][..], Vec::as_slice);
    let mut table = Table::new(head);
    items.iter().for_each(|item| table.row(row(item)));
    admin::print(&table.text())?;
    if let Some(total) = answer["total"].as_u64().filter(|total| *total > items.len() as u64) {
        eprintln!("{} of {total}: --search, --limit and --offset say which", items.len());
    }
    Ok(())
}

/// Prints what there is of one thing, a line each.
pub fn print_one(lines: &[(&str, String)]) -> Result<(), admin::Failure> {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}", table::plain(value));
    admin::print(&lines.iter().map(line).collect::<Vec<_>>().join("\n"))
}
