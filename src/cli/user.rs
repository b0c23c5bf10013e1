//! `skep user`: the users in a users file.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use skep::bus::{FileUser, SAMPLE_PASSWORDS, UsersFile, hash_password, is_user_name};
use skep::config::Config;

use super::failure::whole;
use super::settings::SettingsArgs;

/// Add, remove and list the users of a users file
///
/// Passwords are asked for, or taken from the first line of standard input, and
/// stored as argon2 hashes. A skep that runs hears of a change by "skep reload".
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a user, or give one another password with --replace
    Add(Add),
    /// Remove a user
    Remove {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List the users, each with its topic rules
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Print the hash of a password, to be put into settings
    Hash,
}

#[derive(Debug, clap::Args)]
struct Add {
    name: String,

    /// The user is there already: give it this password, and these rules if any
    #[arg(long)]
    replace: bool,

    /// The user logs in with a certificate, and has no password
    #[arg(long)]
    no_password: bool,

    /// A pattern of topics that it may publish to, such as "req/#"; can be given
    /// many times [default: the recommended ones of the bus]
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,

    /// A pattern of topics that it may subscribe to, such as "priv/%c"; likewise
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<String>,

    #[command(flatten)]
    place: Place,
}

/// Which file it is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The users file [default: the users_file of the settings]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// The bus whose users_file it is, where the settings have several
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    bus: Option<String>,

    #[command(flatten)]
    settings: SettingsArgs,
}

const EXAMPLES: &str = "\
Examples:
  skep user add alice --file users.toml
  head -c 24 /dev/urandom | base64 | skep user add worker --bus backend-1
  skep user add reader --subscribe 'log/#' --file users.toml
  skep user remove alice && skep reload";

const LONG_EXAMPLES: &str = "\
Examples:
  skep user add alice --file users.toml
  head -c 24 /dev/urandom | base64 | skep user add worker --bus backend-1
  skep user add reader --subscribe 'log/#' --file users.toml
  skep user remove alice && skep reload

Exit status:
  0   done
  1   not done: no such user, one that is there already, a password that can't be
      used, a file that can't be read or written
  2   the command line can't be understood";

pub fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Command::Add(add) => add.run(),
        Command::Remove { name, place } => remove(name, place),
        Command::List { place } => list(place),
        Command::Hash => new_password().and_then(|password| {
            let hash = hash_password(password.as_bytes()).map_err(anyhow::Error::msg)?;
            print(&format!("{hash}\n"))
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("skep user: {}", whole(&error));
            ExitCode::FAILURE
        }
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<()> {
        if !is_user_name(&self.name) {
            bail!("{:?} can't be a user's name: no \"/\", \"+\", \"#\" and control characters", self.name);
        }
        let path = self.place.path()?;
        // Before anybody is asked for a password.
        let there = read_or_empty(&path)?.users.contains_key(&self.name);
        self.check_there(there, &path)?;
        let password = match self.no_password {
            true => None,
            false => Some(hash_password(new_password()?.as_bytes()).map_err(anyhow::Error::msg)?),
        };
        let _lock = UsersFile::lock(&path).with_context(|| format!("{} can't be locked", path.display()))?;
        let mut file = read_or_empty(&path)?;
        let old = file.users.remove(&self.name);
        self.check_there(old.is_some(), &path)?;
        let (mut publish, mut subscribe) = old.map_or((None, None), |old| (old.publish, old.subscribe));
        if !self.publish.is_empty() || !self.subscribe.is_empty() {
            (publish, subscribe) = (Some(self.publish.clone()), Some(self.subscribe.clone()));
        }
        file.users.insert(self.name.clone(), FileUser { password, publish, subscribe });
        file.check().map_err(anyhow::Error::msg)?;
        write(&file, &path)
    }

    fn check_there(&self, there: bool, path: &Path) -> anyhow::Result<()> {
        match (there, self.replace) {
            (true, false) => {
                bail!("{} has the user {:?} already: give --replace to change it", path.display(), self.name)
            }
            (false, true) => bail!("{} has no user {:?} to be replaced", path.display(), self.name),
            _ => Ok(()),
        }
    }
}

fn remove(name: &str, place: &Place) -> anyhow::Result<()> {
    let path = place.path()?;
    let _lock = UsersFile::lock(&path).with_context(|| format!("{} can't be locked", path.display()))?;
    let mut file = UsersFile::read(&path).map_err(|what| anyhow::anyhow!("{} {what}", path.display()))?;
    if file.users.remove(name).is_none() {
        bail!("{} has no user {name:?}", path.display());
    }
    write(&file, &path)
}

fn list(place: &Place) -> anyhow::Result<()> {
    let path = place.path()?;
    let file = UsersFile::read(&path).map_err(|what| anyhow::anyhow!("{} {what}", path.display()))?;
    let mut text = String::new();
    for (name, user) in &file.users {
        let by = if user.password.is_some() { "password" } else { "certificate" };
        let rules = match (&user.publish, &user.subscribe) {
            (None, None) => "recommended rules".to_owned(),
            (publish, subscribe) => {
                let words = |list: &Option<Vec<String>>| list.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
                format!("publish: {}; subscribe: {}", words(publish), words(subscribe))
            }
        };
        text.push_str(&format!("{name}\t{by}\t{rules}\n"));
    }
    print(&text)
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read the output has seen enough of it.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("the output can't be written"),
    }
}

fn read_or_empty(path: &Path) -> anyhow::Result<UsersFile> {
    match path.try_exists() {
        Ok(false) => Ok(UsersFile::default()),
        _ => UsersFile::read(path).map_err(|what| anyhow::anyhow!("{} {what}", path.display())),
    }
}

fn write(file: &UsersFile, path: &Path) -> anyhow::Result<()> {
    file.write(path).with_context(|| format!("{} can't be written", path.display()))
}

impl Place {
    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let config = self.settings.load()?.config;
        let named: Vec<(&str, &Path)> = users_files(&config).collect();
        if let Some(bus) = &self.bus {
            let of = named.iter().find(|(id, _)| id == bus);
            return of.map(|(_, path)| (*path).to_owned()).with_context(|| format!("bus {bus} has no users_file"));
        }
        match named.as_slice() {
            [] => bail!("no bus has a users_file in the settings: give one there, or --file FILE"),
            [(_, path), rest @ ..] if rest.iter().all(|(_, other)| other == path) => Ok((*path).to_owned()),
            _ => {
                let ids: Vec<&str> = named.iter().map(|(id, _)| *id).collect();
                bail!("several buses have a users_file: give --bus with one of {}", ids.join(", "))
            }
        }
    }
}

fn users_files(config: &Config) -> impl Iterator<Item = (&str, &Path)> {
    let buses = config.backend.iter().chain(&config.frontend);
    buses.filter_map(|(id, bus)| bus.users_file.as_deref().map(|path| (id.as_str(), path)))
}

/// A password from whoever sits at the terminal, asked for twice, or else from
/// standard input.
fn new_password() -> anyhow::Result<String> {
    let password = match std::io::stdin().is_terminal() {
        true => {
            let ask = |what| rpassword::prompt_password(what).context("the password can't be read from the terminal");
            let password = ask("Password: ")?;
            if password != ask("Once more: ")? {
                bail!("these were two different passwords");
            }
            password
        }
        false => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("the password can't be read from standard input")?;
            line.trim_end_matches(['\n', '\r']).to_owned()
        }
    };
    if password.is_empty() {
        bail!("a password can't be empty");
    }
    if password.len() > usize::from(u16::MAX) {
        bail!("a password can't be longer than 65535 bytes");
    }
    if SAMPLE_PASSWORDS.contains(&password.as_str()) {
        bail!("this is a sample password, which everybody can read: choose another");
    }
    Ok(password)
}
