//! Puts the table where it is read: docs/performance.md.

use std::fs;
use std::io;
use std::path::Path;

const BEGIN: &str = "<!-- table: made by benches/run -->";
const END: &str = "<!-- end of table -->";

/// Replaces what is between the marks of the page.
///
/// # Errors
/// The page can't be read or written, or has no marks.
pub fn write(head: &str, table: &str) -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let page = fs::read_to_string(&path)?;
    let marks = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| io::Error::other(format!("{} has no marks", path.display())))?;
    fs::write(&path, format!("{before}{BEGIN}\n{head}\n\n{table}{END}{after}"))?;
    println!("written to {}", path.display());
    Ok(())
}
