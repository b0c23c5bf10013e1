//! The programs in `examples/`, as a newcomer runs them.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Once;
use std::sync::mpsc::{Receiver, channel};

use support::{Instance, PATIENCE};

/// Where an example is, built as it is now: tests that are named on the command
/// line are built without the examples.
fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let built =
            Command::new(env!("CARGO")).args(["build", "--offline", "--locked", "--quiet", "--examples"]).status();
        assert!(built.expect("cargo, which runs this").success(), "the examples can't be built");
    });
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_skep"));
    programs.parent().expect("a folder of programs").join("examples").join(name)
}

/// A program that is spoken with by line. Ended when dropped.
struct Talk {
    child: Child,
    says: ChildStdin,
    hears: Receiver<String>,
}

impl Talk {
    fn start(program: PathBuf, args: &[&str]) -> Talk {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("an example that was built");
        let says = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (line, hears) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Talk { child, says, hears }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.says, "{line}").expect("a program that listens");
    }

    /// The next line.
    fn hear(&self) -> String {
        self.hears.recv_timeout(PATIENCE).expect("a line")
    }

    fn hear_nothing_before(&self, text: &str) {
        assert_eq!(self.hear(), text);
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn urls(skep: &Instance) -> (String, String) {
    (format!("mqtt://backend:def456@{}", skep.backend()), format!("mqtt://frontend:abc123@{}", skep.frontend()))
}

#[test]
fn the_readmes_worker_answers_the_readmes_call() {
    let skep = Instance::start();
    let (backend, frontend) = urls(&skep);
    let worker = Talk::start(example("worker"), &[&backend]);
    assert_eq!(worker.hear(), "serving myapp.str.uc; end with Ctrl-C");
    let mut call = Command::new(env!("CARGO_BIN_EXE_skep"));
    let url = format!("mqtt://{}", skep.frontend());
    call.args(["call", "myapp.str.uc", r#"{"string":"hello"}"#, "--url", &url]);
    assert_eq!(String::from_utf8(call.output().unwrap().stdout).unwrap(), "\"HELLO\"\n");
    let client = Talk::start(example("client"), &["good bye", &frontend]);
    assert_eq!(client.hear(), "GOOD BYE");
}

#[test]
fn news_reach_who_listens() {
    let skep = Instance::start();
    let (backend, frontend) = urls(&skep);
    let listener = Talk::start(example("notify"), &["listen", &frontend]);
    assert_eq!(listener.hear(), "listening to myapp.news; end with Ctrl-C");
    let told = Command::new(example("notify")).args(["tell", "the bees are back", &backend]).status();
    assert!(told.unwrap().success());
    assert_eq!(listener.hear(), "myapp.news.item: \"the bees are back\"");
}

#[test]
fn the_chat_logs_in_and_out_and_passes_messages_to_everybody_and_to_one() {
    let skep = Instance::start();
    let (backend, frontend) = urls(&skep);
    let service = Talk::start(example("chat"), &["service", &backend]);
    assert!(service.hear().starts_with("serving"));
    let join = |name: &str| {
        let user = Talk::start(example("chat"), &[name, &frontend]);
        assert!(user.hear().starts_with(&format!("logged in as {name}")));
        user
    };
    let (mut ann, mut phone, mut bob) = (join("ann"), join("ann"), join("bob"));
    ann.say("hello \u{1b}[2J all");
    for user in [&ann, &phone, &bob] {
        user.hear_nothing_before("ann: hello [2J all");
    }
    bob.say("/pm ann psst");
    for user in [&ann, &phone] {
        user.hear_nothing_before("bob (to you): psst");
    }
    phone.say("/logout");
    phone.say("hello?");
    phone.hear_nothing_before("! Not logged in (-401)");
    bob.say("/pm ann only here");
    ann.hear_nothing_before("bob (to you): only here");
    phone.say("/login ann");
    phone.say("/ping");
    assert!(phone.hear().ends_with('s'));
    bob.say("/kick ann");
    for user in [&mut ann, &mut phone] {
        user.hear_nothing_before("* (to you): bob has logged you out everywhere");
    }
    bob.say("/pm ann still there?");
    bob.say("bye");
    for user in [&bob, &ann, &phone] {
        user.hear_nothing_before("bob: bye");
    }
    ann.say("let me in");
    ann.hear_nothing_before("! Not logged in (-401)");
    bob.say("/kick no/name");
    assert!(bob.hear().starts_with("! a user name is"));
}
