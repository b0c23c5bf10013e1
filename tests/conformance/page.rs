//! `docs/conformance.md` against the tests: it names tests that exist, and every
//! statement that a test cites has its row there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/conformance.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of tests") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// All statement numbers in a text.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("[MQTT-").filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let number = &rest[..rest.find(']')?];
        number[5..].bytes().all(|byte| byte.is_ascii_digit() || b".-".contains(&byte)).then_some(number)
    })
}

/// The cells of each row that begins with a statement.
fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .filter(|line| line.starts_with("| MQTT-"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// Tests by `folder/file.rs::name`, with the statements that their docs cite.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(&root().join("tests"), &mut files);
    sources(&root().join("src"), &mut files);
    let mut found = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let name = file.strip_prefix(root()).expect("below the root").display().to_string();
        let name = name.strip_prefix("tests/").unwrap_or(&name).to_owned();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[test]") {
            let function = lines[at..].iter().find_map(|line| line.strip_prefix("fn ")).expect("a function");
            let function = function.split('(').next().expect("its name");
            let docs = lines[..at].iter().rev().take_while(|line| line.starts_with("///"));
            let cited = docs.flat_map(|line| statements(line)).map(str::to_owned).collect();
            found.insert(format!("{name}::{function}"), cited);
        }
    }
    found
}

#[test]
fn each_row_names_tests_that_exist_and_cite_it_or_gives_a_reason() {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page");
    let tests = tests();
    let mut wrong = Vec::new();
    for row in rows(&page) {
        let [statement, asks, whom, shown] = row[..] else {
            wrong.push(format!("{row:?} has not four cells"));
            continue;
        };
        if asks.is_empty() || shown.is_empty() || !["server", "client", "both"].contains(&whom) {
            wrong.push(format!("{statement}: an empty cell, or a word for whom that is none"));
        }
        for name in shown.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
            match tests.get(name) {
                None => wrong.push(format!("{statement}: there is no test {name}")),
                Some(cited) if !cited.contains(statement) => {
                    wrong.push(format!("{statement}: {name} does not cite it"))
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_statement_that_a_test_cites_has_one_row_that_names_the_test() {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page");
    let rows = rows(&page);
    let mut wrong = Vec::new();
    for (test, cited) in tests() {
        for statement in cited {
            let of: Vec<_> = rows.iter().filter(|row| row[0] == statement).collect();
            if of.len() != 1 {
                wrong.push(format!("{statement}, cited by {test}, has {} rows", of.len()));
            } else if !of[0].last().is_some_and(|shown| shown.contains(&format!("`{test}`"))) {
                wrong.push(format!("{statement} is cited by {test}, which its row does not name"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_251_statements_have_a_row() {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page");
    let rows = rows(&page);
    let statements: BTreeSet<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!((rows.len(), statements.len()), (251, 251));
}
