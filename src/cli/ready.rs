//! Telling a program that skep is ready: one line of JSON, to an open file
//! descriptor or into a file.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "For test fixtures")]
pub struct ReadyArgs {
    /// When ready, write one line of JSON with all addresses to the open file
    /// descriptor N and close it (1 is standard output)
    ///
    /// The line takes the place of the text that a start prints.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(1..), conflicts_with = "ready_file")]
    ready_fd: Option<RawFd>,

    /// When ready, write that line into FILE, which is not there before
    ///
    /// A regular file appears whole, can be read by its owner only, and is removed
    /// when skep stops. A pipe is written to.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Where the line goes.
pub enum Ready {
    /// Nobody asked for it.
    Unasked,
    Open(File),
    File(ReadyFile),
}

/// A file that is there for as long as skep is ready.
pub struct ReadyFile(PathBuf);

impl ReadyArgs {
    /// Gets hold of the place. To be called before anything is opened, or the
    /// number of a descriptor that is not open may have come to mean something
    /// else.
    ///
    /// # Errors
    /// The descriptor is not open, or what an earlier run left can't be removed.
    pub fn open(&self) -> anyhow::Result<Ready> {
        if let Some(number) = self.ready_fd {
            return descriptor(number).map(Ready::Open);
        }
        let Some(path) = &self.ready_file else { return Ok(Ready::Unasked) };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => bail!("--ready-file {}: that is a directory", path.display()),
            // Somebody reads it already: a pipe, a terminal.
            Ok(found) if !found.is_file() => {
                let opened = OpenOptions::new().write(true).open(path);
                opened.map(Ready::Open).with_context(|| format!("--ready-file {} can't be opened", path.display()))
            }
            _ => {
                let file = ReadyFile(path.clone());
                if !file.folder().is_dir() {
                    bail!("--ready-file {}: there is no folder {}", path.display(), file.folder().display());
                }
                file.remove().with_context(|| format!("--ready-file {} can't be removed", path.display()))?;
                Ok(Ready::File(file))
            }
        }
    }
}

/// Takes over a descriptor that whoever started us has opened.
fn descriptor(number: RawFd) -> anyhow::Result<File> {
    // Not for others: a command that we might start has no use for it.
    let path = format!("/dev/fd/{number}");
    if fs::symlink_metadata(&path).is_err() {
        bail!("--ready-fd {number}: no file is open under that number");
    }
    if number <= 2 {
        // Ours to write to, and not to close.
        let kept = match number {
            1 => rustix::io::dup(std::io::stdout()),
            _ => rustix::io::dup(std::io::stderr()),
        };
        return Ok(kept.with_context(|| format!("--ready-fd {number} can't be used"))?.into());
    }
    // SAFETY: it is open, as was just seen, and nothing in this process owns it:
    // this runs before anything else opens files, on the only thread.
    let owned = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(owned.into())
}

impl Ready {
    pub fn is_asked_for(&self) -> bool {
        !matches!(self, Ready::Unasked)
    }

    /// Writes the line. What stays has to be kept until skep stops.
    ///
    /// # Errors
    /// It can't be written. Whoever waits for it waits in vain then.
    pub fn tell(self, addresses: &Value) -> anyhow::Result<Option<ReadyFile>> {
        let line = format!("{addresses}\n");
        match self {
            Ready::Unasked => Ok(None),
            Ready::Open(mut file) => {
                file.write_all(line.as_bytes()).context("the ready line can't be written")?;
                Ok(None)
            }
            Ready::File(file) => {
                file.write(&line).with_context(|| format!("--ready-file {} can't be written", file.0.display()))?;
                Ok(Some(file))
            }
        }
    }
}

impl ReadyFile {
    /// In one step, so that nobody reads half of it.
    fn write(&self, line: &str) -> std::io::Result<()> {
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(self.folder())?;
        file.write_all(line.as_bytes())?;
        file.persist(&self.0)?;
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn remove(&self) -> std::io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("--ready-file {} can't be removed: {error}", self.0.display());
        }
    }
}
