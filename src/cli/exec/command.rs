//! A command that runs as if nobody stood between it and who started it: in the
//! foreground of the terminal, with the signals that we get, and never longer
//! than we live.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::Context;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, setrlimit, waitid,
};

/// What is passed on. Those by which a terminal stops and continues a job reach
/// the command as they reach us, since it is of the same job.
const PASSED_ON: [Signal; 6] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// A command that can be started.
pub struct Command {
    command: std::process::Command,
    name: OsString,
}

/// Why a command does not run.
#[derive(Debug)]
pub struct Refused {
    name: OsString,
    error: io::Error,
}

/// One that runs.
pub struct Running {
    child: Child,
    signals: Signals,
}

/// The way of signals to a command, while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Signals {
    way: Arc<Way>,
    /// The command has a process group of its own.
    own_group: bool,
}

/// Changed and read in signal handlers too, hence atomics only.
#[derive(Default)]
struct Way {
    /// Process id; 0 before the command runs, and once it has ended.
    to: AtomicI32,
    /// A signal that came before there was a command.
    early: AtomicI32,
}

impl Command {
    /// The first word is the program; there is one, as clap made sure.
    pub fn new(words: &[OsString]) -> Command {
        let (name, arguments) = words.split_first().map_or((OsStr::new(""), &[][..]), |(name, rest)| (name, rest));
        let mut command = std::process::Command::new(name);
        command.args(arguments);
        Command { command, name: name.to_owned() }
    }

    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Command {
        self.command.env(name, value);
        self
    }

    pub fn variables(mut self, variables: Vec<(&'static str, String)>) -> Command {
        self.command.envs(variables);
        self
    }

    /// Gives it that limit on core dumps, in place of ours.
    pub fn core_limit(mut self, limit: Rlimit) -> Command {
        // SAFETY: one system call between fork and exec, which neither allocates
        // nor locks.
        unsafe { self.command.pre_exec(move || Ok(setrlimit(Resource::Core, limit)?)) };
        self
    }

    /// To be called by the thread that then waits: on Linux a child that is to
    /// die with its parent dies with the thread that started it.
    pub fn start(mut self) -> Result<Running, Refused> {
        // Where there is no terminal nobody but us sends signals to all of a
        // job, and a command in a group of its own gets each of them once.
        let own_group = !has_terminal();
        if own_group {
            self.command.process_group(0);
        }
        die_with_us(&mut self.command);
        let signals = Signals { way: Arc::default(), own_group };
        let refused = |error| Refused { name: self.name.clone(), error };
        signals.receive().map_err(refused)?;
        let child = self.command.spawn().map_err(refused)?;
        signals.lead_to(&child);
        Ok(Running { child, signals })
    }
}

/// True if a terminal can stop and continue us.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// A process that has no parent any more is of no use to anybody.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn die_with_us(command: &mut std::process::Command) {
    let parent = Some(rustix::process::getpid());
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before that.
        match rustix::process::getppid() == parent {
            true => Ok(()),
            false => Err(ErrorKind::NotFound.into()),
        }
    };
    // SAFETY: between fork and exec it makes system calls only, and neither
    // allocates nor locks: `ErrorKind` makes an error without a box.
    unsafe { command.pre_exec(ask) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn die_with_us(_: &mut std::process::Command) {}

impl Running {
    pub fn signals(&self) -> Signals {
        self.signals.clone()
    }

    /// The command's process group, if it has one of its own.
    pub fn group(&self) -> Option<Pid> {
        self.signals.own_group.then(|| Pid::from_child(&self.child))
    }

    /// Waits for the end, and gives back what a shell would: the exit status, or
    /// 128 and the number of the signal.
    pub fn wait(mut self) -> anyhow::Result<u8> {
        let child = WaitId::Pid(Pid::from_child(&self.child));
        // It stays a zombie until its number is forgotten, so that no signal
        // reaches whoever gets the number next.
        let ended = loop {
            match waitid(child.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                ended => break ended,
            }
        };
        self.signals.way.to.store(0, Ordering::SeqCst);
        ended.context("waiting")?;
        let status = self.child.wait().context("waiting")?;
        let signal = || status.signal().map_or(1, |signal| 128 + signal);
        Ok(status.code().unwrap_or_else(signal) as u8)
    }
}

impl Signals {
    /// Ends the command: it is asked to.
    pub fn end(&self) {
        self.send(Signal::TERM);
    }

    /// From now on signals don't end us, but go to the command. Those that we
    /// were started to ignore (`nohup`) it ignores, too.
    fn receive(&self) -> io::Result<()> {
        let ignored = ignored_signals();
        let is_ignored = |signal: &Signal| ignored & 1 << (signal.as_raw() - 1) != 0;
        for signal in PASSED_ON.into_iter().filter(|signal| !is_ignored(signal)) {
            let signals = self.clone();
            // SAFETY: what it does is allowed in a signal handler: it reads and
            // changes atomics, and makes one system call.
            unsafe {
                signal_hook_registry::register_sigaction(signal.as_raw(), move |about| {
                    signals.pass_on(signal, cfg!(target_os = "linux") && about.si_code > 0);
                })?;
            }
        }
        Ok(())
    }

    /// `by_terminal`: it comes from the kernel, which tells all of a job.
    fn pass_on(&self, signal: Signal, by_terminal: bool) {
        if !by_terminal || self.own_group {
            self.way.early.store(signal.as_raw(), Ordering::SeqCst);
            self.send_early();
        }
    }

    fn lead_to(&self, child: &Child) {
        self.way.to.store(child.id() as i32, Ordering::SeqCst);
        self.send_early();
    }

    /// Sends what has come, once there is somebody to send it to.
    fn send_early(&self) {
        if self.way.to.load(Ordering::SeqCst) == 0 {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(self.way.early.swap(0, Ordering::SeqCst)) {
            self.send(signal);
        }
    }

    /// To all of the command's processes, if they have a group for themselves.
    fn send(&self, signal: Signal) {
        let Some(to) = Pid::from_raw(self.way.to.load(Ordering::SeqCst)) else { return };
        // It may have ended meanwhile.
        let _ = match self.own_group {
            true => kill_process_group(to, signal),
            false => kill_process(to, signal),
        };
    }
}

/// A bit for each signal that we ignore, the first one lowest. None where the
/// system does not tell: then the command gets what we get.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

impl Refused {
    /// What shells return: 127 if there is no such command, 126 if it can't be run.
    pub fn status(&self) -> u8 {
        if self.error.kind() == ErrorKind::NotFound { 127 } else { 126 }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.display();
        match self.error.kind() {
            ErrorKind::NotFound => write!(f, "{name}: there is no such command"),
            _ => write!(f, "{name} can't be run: {}", self.error),
        }
    }
}
