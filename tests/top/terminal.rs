//! A terminal for a test: a pseudo-terminal with a program in it, and what its
//! screen shows.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long anything that should be seen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Terminal {
    child: Child,
    keys: File,
    /// The program's side, kept so that its modes can be looked at afterwards.
    inside: OwnedFd,
    screen: Arc<Mutex<Screen>>,
}

impl Terminal {
    /// Starts a program in a terminal of that size, which is its controlling one.
    pub fn run(program: &str, args: &[&str], columns: u16, rows: u16) -> Terminal {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&outside).expect("granted");
        unlockpt(&outside).expect("unlocked");
        let name = ptsname(&outside, Vec::new()).expect("a name");
        let inside = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other side");
        tcsetwinsize(&outside, size(columns, rows)).expect("a size");
        let side = || Stdio::from(inside.try_clone().expect("another handle"));
        // Without it no change of size would be told.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(args).env("TERM", "xterm-256color");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SKEP_")) {
            command.env_remove(name);
        }
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid of util-linux");
        let screen = Arc::new(Mutex::new(Screen::new(columns, rows)));
        let mut output = File::from(outside.try_clone().expect("another handle"));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // It ends with an error once nobody has the other side open.
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                shown.lock().expect("no panic while drawing").take(&chunk[..n]);
            }
        });
        Terminal { child, keys: File::from(outside), inside, screen }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads");
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        *self.screen.lock().expect("no panic while drawing") =
            Screen { alternate: true, hidden: true, ..Screen::new(columns, rows) };
        tcsetwinsize(&self.keys, size(columns, rows)).expect("a size");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What is on the screen, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.screen.lock().expect("no panic while drawing").lines()
    }

    /// Waits until the screen is as asked for; gives it back.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            if holds(&lines) {
                return lines;
            }
            assert!(Instant::now() < until, "the screen never shows {what}, but:\n{}", lines.join("\n"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    pub fn shows(&self, text: &str) -> Vec<String> {
        self.until(text, |lines| lines.iter().any(|line| line.contains(text)))
    }

    /// The modes of the terminal, as far as a shell after the program would care.
    pub fn modes(&self) -> LocalModes {
        let modes: Termios = tcgetattr(&self.inside).expect("a terminal");
        modes.local_modes
    }

    /// Waits for the program's end; gives back its status and whether the
    /// terminal is as it was: its own screen, the cursor seen.
    #[track_caller]
    pub fn ended(mut self) -> (ExitStatus, bool) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(10));
        };
        // What it wrote last may still be on its way.
        while Instant::now() < until {
            let screen = self.screen.lock().expect("no panic while drawing");
            if !screen.alternate && !screen.hidden {
                return (status, true);
            }
            drop(screen);
            std::thread::sleep(Duration::from_millis(10));
        }
        (status, false)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing to end if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

/// As much of a terminal as it takes to see what ratatui draws.
struct Screen {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Bytes of a character or sequence that has not come whole.
    rest: Vec<u8>,
    /// Beside the one that the shell was on.
    alternate: bool,
    /// Its cursor.
    hidden: bool,
}

impl Screen {
    fn new(columns: u16, rows: u16) -> Screen {
        let cells = vec![vec![' '; columns as usize]; rows as usize];
        Screen { cells, row: 0, column: 0, rest: Vec::new(), alternate: false, hidden: false }
    }

    fn lines(&self) -> Vec<String> {
        self.cells.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.rest);
        let mut at = 0;
        while let Some(taken) = self.step(&bytes[at..]) {
            at += taken;
        }
        self.rest = bytes[at..].to_vec();
    }

    /// Obeys what `bytes` begin with; gives back its length, nothing if it is not whole.
    fn step(&mut self, bytes: &[u8]) -> Option<usize> {
        match *bytes.first()? {
            0x1b => self.sequence(bytes),
            b'\r' => {
                self.column = 0;
                Some(1)
            }
            b'\n' => {
                self.row += 1;
                Some(1)
            }
            0..0x20 => Some(1),
            first => {
                let len = match first {
                    0..0x80 => 1,
                    0x80..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    _ => 4,
                };
                let text = std::str::from_utf8(bytes.get(..len)?).expect("UTF-8");
                if let Some(cell) = self.cells.get_mut(self.row).and_then(|line| line.get_mut(self.column)) {
                    *cell = text.chars().next().expect("one character");
                }
                self.column += 1;
                Some(len)
            }
        }
    }

    fn sequence(&mut self, bytes: &[u8]) -> Option<usize> {
        if *bytes.get(1)? != b'[' {
            return Some(2);
        }
        let end = 2 + bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte))?;
        let given = std::str::from_utf8(&bytes[2..end]).expect("ASCII");
        let mut numbers = given.split(';').map(|number| number.parse::<usize>().unwrap_or(1));
        match (bytes[end], given) {
            (b'H', _) => {
                self.row = numbers.next().unwrap_or(1) - 1;
                self.column = numbers.next().unwrap_or(1) - 1;
            }
            (b'J', "2") => self.cells.iter_mut().for_each(|line| line.fill(' ')),
            (b'h' | b'l', "?1049") => self.alternate = bytes[end] == b'h',
            (b'h' | b'l', "?25") => self.hidden = bytes[end] == b'l',
            _ => {}
        }
        Some(end + 1)
    }
}
