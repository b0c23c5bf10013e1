//! docs/commands.md against the commands: it has all of them with all of their
//! options, no others, and what it says that they print.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use serde::Deserialize;

use crate::buses::Buses;
use crate::help::commands;
use crate::started::skep;

/// A part of the page, under its heading.
struct Section {
    title: String,
    text: String,
}

fn sections() -> Vec<Section> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md")).unwrap();
    let parts = page.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.map(|(title, text)| Section { title: title.to_owned(), text: text.to_owned() }).collect()
}

impl Section {
    /// Options in the first column of its table.
    fn options(&self) -> BTreeSet<String> {
        let rows = self.text.lines().filter(|line| line.starts_with("| `-"));
        rows.filter_map(|row| row.split('|').nth(1)).flat_map(long_options).collect()
    }

    fn usages(&self) -> BTreeSet<String> {
        let usages = self.text.lines().filter_map(|line| line.strip_prefix("Usage: `")?.strip_suffix('`'));
        usages.map(str::to_owned).collect()
    }

    /// What its blocks of that kind hold.
    fn blocks(&self, kind: &str) -> Vec<&str> {
        let begin = format!("```{kind}\n");
        self.text.split(&begin).skip(1).filter_map(|block| block.split("```").next()).collect()
    }
}

fn long_options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

/// Options of a command's help: those for the connection, and all others.
fn helped(help: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut connection, mut others, mut within) = (BTreeSet::new(), BTreeSet::new(), false);
    for line in help.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            within = line == "Connection:";
            if line.starts_with("Examples:") || line.starts_with("Exit status:") {
                break;
            }
        }
        let starts_with_option = line.trim_start().starts_with('-') && line.find('-').is_some_and(|at| at <= 6);
        if let (true, Some(option)) = (starts_with_option, long_options(line).into_iter().next()) {
            if within {
                connection.insert(option)
            } else {
                others.insert(option)
            };
        }
    }
    others.remove("--help");
    others.remove("--version");
    (connection, others)
}

#[test]
fn the_page_has_every_command_with_its_options_and_no_others() {
    let sections = sections();
    let titled: BTreeSet<_> = sections.iter().filter_map(|section| section.title.strip_prefix("skep ")).collect();
    let listed = commands(&skep(&["--help"]).run().stdout);
    assert_eq!(titled, listed.iter().map(String::as_str).collect(), "sections of docs/commands.md and commands");
    let connecting = sections.iter().find(|section| section.title == "Connecting").unwrap().options();
    for section in sections.iter().filter(|section| section.title != "Connecting") {
        let command: Vec<_> = section.title.split(' ').skip(1).map(str::to_owned).collect();
        let (mut options, mut usages) = (BTreeSet::new(), BTreeSet::new());
        for help in helps(&command) {
            let (connection, others) = helped(&help);
            assert!(connection.is_empty() || connection == connecting, "options for the connection: {connection:?}");
            options.extend(others);
            usages.extend(help.lines().find_map(|line| line.strip_prefix("Usage: ")).map(str::to_owned));
        }
        assert_eq!(section.options(), options, "options of {} on the page and in its help", section.title);
        assert_eq!(section.usages(), usages, "{}", section.title);
        let examples = [section.blocks("console"), section.blocks("console checked")].concat();
        assert!(examples.iter().any(|block| block.starts_with("$ ")), "an example of {}", section.title);
        assert!(section.text.contains("Exit status: 0 "), "exit statuses of {}", section.title);
    }
}

/// The help of a command, or of those that it has if it has any.
fn helps(command: &[String]) -> Vec<String> {
    let words: Vec<_> = command.iter().map(String::as_str).collect();
    let help = skep(&[&words[..], &["--help"]].concat()).run().stdout;
    let below = commands(&help);
    if below.is_empty() {
        return vec![help];
    }
    below.into_iter().flat_map(|sub| helps(&[command, &[sub]].concat())).collect()
}

#[derive(Deserialize)]
struct Word {
    string: String,
}

#[test]
fn commands_print_what_the_page_says_that_they_print() {
    let mut buses = Buses::start();
    buses.work(|worker| worker.serve("myapp.str", "uc", |_, Word { string }| async move { Ok(string.to_uppercase()) }));
    let mut checked = 0;
    for section in sections() {
        for block in section.blocks("console checked") {
            let (typed, printed): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("$ "));
            let typed: Vec<_> = typed.iter().map(|line| &line[2..]).collect();
            let command = buses.command(&[]);
            let programs = std::path::Path::new(env!("CARGO_BIN_EXE_skep")).parent().unwrap();
            let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
            let mut bash = std::process::Command::new("bash");
            bash.args(["--norc", "-c", &format!("exec 2>&1\n{}", typed.join("\n"))]).env("PATH", path);
            for (name, value) in command.command.get_envs() {
                match value {
                    Some(value) => bash.env(name, value),
                    None => bash.env_remove(name),
                };
            }
            let output = bash.current_dir(command.dir.path()).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said.lines().collect::<Vec<_>>(), printed, "{typed:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} examples are checked");
}
