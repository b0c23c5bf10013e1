//! What the command says of itself.

use crate::started::skep;

/// The commands that `skep --help` lists.
pub fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

#[test]
fn help_shows_examples_and_exit_statuses() {
    for (args, parts) in [
        (&["--help"][..], &["Usage: skep", "Examples:", "exit statuses", "serve", "check", "call"][..]),
        (&["-h"], &["Examples:", "--set"]),
        (&["serve", "--help"], &["--set-aside-bindings", "Exit status"]),
        (&["check", "--help"], &["--config", "Exit status"]),
        (&["call", "--help"], &["Examples:", "--timeout", "Exit status", "--password-file"]),
    ] {
        let ran = skep(args).run();
        assert_eq!(ran.status, Some(0), "{ran:?}");
        for part in parts {
            assert!(ran.stdout.contains(part), "{args:?}: no {part:?} in {}", ran.stdout);
        }
    }
}

#[test]
fn every_command_tells_its_exit_statuses() {
    for command in commands(&skep(&["--help"]).run().stdout) {
        let help = skep(&[&command, "--help"]).run().stdout;
        // Those of a command with commands of its own may be told there.
        let tells = help.contains("Exit status:") || !commands(&help).is_empty();
        assert!(tells, "{command}: {help}");
    }
}

#[test]
fn version_is_the_packages() {
    assert_eq!(skep(&["--version"]).run().stdout, format!("skep {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_that_makes_no_sense_is_status_2() {
    skep(&["chek"]).run().refused(2, &["chek"]);
    skep(&["--no-such-option"]).run().refused(2, &["--no-such-option"]);
    skep(&["check", "--set", "router.lanes"]).run().refused(2, &["KEY=VALUE"]);
    skep(&["check", "--set", "a b=1"]).run().refused(2, &["a b", "dotted key"]);
    skep(&["check", "--log-format", "xml"]).run().refused(2, &["auto, human, json"]);
}
