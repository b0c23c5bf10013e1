//! What is generated from the command line's definition: completions and manual
//! pages, used as they are meant to be.

use std::process::Command;

use crate::started::skep;

/// What bash offers after these words, of which the last is being typed.
fn completed(words: &[&str]) -> Vec<String> {
    let script = skep(&["completions", "bash"]).run().stdout;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("skep.bash");
    std::fs::write(&path, script).unwrap();
    let asks = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        completion=$(complete -p skep | sed 's/.*-F \([^ ]*\).*/\1/')
        "$completion" skep "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["--norc", "-c", asks, "bash"]).arg(path).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(completed(&["skep", "lis"]), ["listen"]);
    let all = completed(&["skep", ""]);
    for command in ["serve", "check", "call", "notify", "listen", "serve-echo", "bench", "completions", "man"] {
        assert!(all.iter().any(|offered| offered == command), "no {command} in {all:?}");
    }
    assert_eq!(completed(&["skep", "call", "--time"]), ["--timeout"]);
    assert_eq!(completed(&["skep", "listen", "--format", ""]), ["json", "pretty", "raw"]);
    assert_eq!(completed(&["skep", "bench", "--password-f"]), ["--password-file"]);
}

#[test]
fn every_shell_gets_a_script_of_its_own() {
    let mut scripts = Vec::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = skep(&["completions", shell]).run();
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains("serve-echo") && !scripts.contains(&ran.stdout), "{shell}");
        scripts.push(ran.stdout);
    }
    skep(&["completions", "sh"]).run().refused(2, &["bash", "zsh", "fish"]);
}

#[test]
fn there_is_a_page_for_every_command_that_man_can_show() {
    let command = skep(&["man", "--dir", "pages/man1"]);
    let pages = command.dir.path().join("pages/man1");
    // Kept until the end.
    let (dir, ran) = (command.dir, { command.command }.output().unwrap());
    assert!(ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
    let mut names: Vec<String> =
        pages.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let help = skep(&["--help"]).run().stdout;
    for command in crate::help::commands(&help) {
        assert!(names.contains(&format!("skep-{command}.1")), "{command} in {names:?}");
    }
    assert!(names.contains(&"skep.1".to_owned()));

    let sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"];
    let text = std::fs::read_to_string(pages.join("skep-call.1")).unwrap();
    for section in sections {
        let heading = [format!("\n.SH {section}\n"), format!("\n.SH \"{section}\"\n")];
        assert!(heading.iter().any(|heading| text.contains(heading)), "no {section} in {text}");
    }
    assert_eq!(skep(&["man", "call"]).run().stdout, text);
    let shown = Command::new("man")
        .env("MANPAGER", "cat")
        .env("MANWIDTH", "100")
        .arg("-l")
        .arg(pages.join("skep-call.1"))
        .output();
    // A machine may have no man.
    if let Ok(shown) = shown {
        let text = String::from_utf8_lossy(&shown.stdout).replace("\u{1b}[", "");
        assert!(shown.status.success() && shown.stderr.is_empty(), "{shown:?}");
        for part in ["skep-call - Call a method", "skep call", "--timeout", "EXIT", "no answer came in time"] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
    drop(dir);
    skep(&["man", "nothing"]).run().refused(2, &["no command \"nothing\""]);
}
